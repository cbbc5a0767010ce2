"""Rotograph in Nuke, with and without a window."""

import rotograph_start

rotograph_start.start()
