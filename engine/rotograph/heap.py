"""Freed memory goes back to the system, so that a long shot takes no more than a short one.

glibc keeps what threads have freed, each in an arena of its own, in case they want it again: the
peak creeps up with the number of frames. Elsewhere than on glibc this does nothing.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable


@functools.cache
def _trimmer() -> Callable[[int], object]:
    """glibc's ``malloc_trim``, or something that does nothing."""
    if sys.platform.startswith("linux"):
        return getattr(ctypes.CDLL(None), "malloc_trim", lambda keep: None)
    return lambda keep: None


def give_back_freed() -> None:
    """Give back what is free now; a millisecond or a few."""
    _trimmer()(0)
