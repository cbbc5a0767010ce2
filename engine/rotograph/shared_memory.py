"""Pixels in shared memory, for the worker: frames that clients lent, and results for them.

What a client lends cannot shrink (``segment.check``), so reading it can never end the process;
what it says of the size is checked by the engine before the worker hears of it.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rotograph.errors import ComputeError
from rotograph.image import Image
from rotograph.wire import Format, Picture
from rotograph.wired import image_spec
from rotograph_host import segment as shared

ALIGN = 64
"""Pixels begin at a multiple of this in a segment."""
MAX_RESULTS = 2 << 30
"""Bytes of results that one client may hold at the same time."""
KEPT = 128 << 20
"""Bytes of results for one client until those it has released are written over."""
MANY = 32
"""Segments for one client until those it has released are written over."""


class Lent:
    """The clients' segments that are mapped here, by the engine's number."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}

    def add(self, number: int, descriptor: int, size: int) -> None:
        """Map a segment; the descriptor is closed. Raises WireError."""
        try:
            self._maps[number] = shared.read_only(descriptor, size)
        finally:
            os.close(descriptor)

    def drop(self, number: int) -> None:
        """Forget a segment. It is unmapped once no image looks into it."""
        self._maps.pop(number, None)

    def image(self, number: int, offset: int, picture: Picture, format: Format) -> Image:
        """The frame there, as a view that cannot be written."""
        spec = image_spec(picture)
        count = int(np.prod(spec.shape))
        flat = np.frombuffer(self._maps[number], np.dtype(format), count, offset)
        return Image(spec, flat.reshape(spec.shape))


@dataclass(eq=False)
class _Segment:
    number: int
    map: mmap.mmap
    busy: bool = False
    what: Any = None
    told: Any = None
    used: int = 0


class Results:
    """Segments that carry results to clients and are used again once released.

    What is asked for again while its segment still holds it (an artist going to and fro over a few
    frames) is handed out as it lies there.

    tell: called with (client, number, descriptor, bytes) when there is a new one.
    first: the first number to give, so that numbers of a worker that died do not come back.
    """

    def __init__(self, tell: Callable[[int, int, int, int], None], first: int) -> None:
        self._tell = tell
        self._next = first
        self._segments: dict[int, list[_Segment]] = {}
        self._lock = threading.Lock()
        self._turn = 0

    def held(self, client: int, what: Any) -> Any:
        """What was said of a result when it was put into a segment that still holds it, or None."""
        with self._lock:
            for found in self._segments.get(client, ()):
                if not found.busy and found.what == what:
                    self._lend(found)
                    return found.told
        return None

    def hold(self, client: int, number: int, what: Any, told: Any) -> None:
        """Note what lies in a segment that was taken, and what is said of it."""
        with self._lock:
            for found in self._segments.get(client, ()):
                if found.number == number:
                    found.what, found.told = what, told

    def _lend(self, segment: _Segment) -> None:
        self._turn += 1
        segment.busy, segment.used = True, self._turn

    def take(self, client: int, size: int) -> tuple[int, mmap.mmap]:
        """(number, map) of a segment of at least ``size`` bytes; raises ComputeError."""
        with self._lock:
            mine = self._segments.setdefault(client, [])
            fitting = [s for s in mine if not s.busy and len(s.map) >= size]
            room = sum(len(s.map) for s in mine) + size <= KEPT and len(mine) < MANY
            if fitting and not room:
                found = min(fitting, key=lambda s: s.used)
                found.what = found.told = None
                self._lend(found)
                return found.number, found.map
            if sum(len(s.map) for s in mine) + size > MAX_RESULTS or len(mine) >= MANY:
                mine[:] = [s for s in mine if s.busy]
            if sum(len(s.map) for s in mine) + size > MAX_RESULTS or len(mine) >= 64:
                raise ComputeError(
                    "this client holds too many results", hint="release segments once they are read"
                )
            rounded = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            descriptor, mapped = shared.create(rounded)
            self._next += 1
            made = _Segment(self._next, mapped)
            self._lend(made)
            mine.append(made)
        try:
            self._tell(client, made.number, descriptor, rounded)
        finally:
            os.close(descriptor)
        return made.number, mapped

    def release(self, client: int, number: int) -> None:
        """The client has read it; with number -1, the client is gone."""
        with self._lock:
            if number == -1:
                self._segments.pop(client, None)
                return
            for found in self._segments.get(client, ()):
                if found.number == number:
                    found.busy = False
