"""Rotograph's menu in Natron."""

from rotograph_host import natron_menu

natron_menu.add()
