"""Results in memory: a bounded number of bytes, the least recently used dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

_SMALL = 64
"""Bytes that a result counts for beside its arrays."""


def arrays(value: Any) -> Iterator[np.ndarray]:
    """The arrays in a value."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from arrays(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from arrays(inner)
    elif hasattr(value, "__dict__"):
        yield from arrays(vars(value))


class Kept:
    """Results in memory, the least recently used dropped first; pinned ones stay.

    An array that several results hold, such as one that gathers others, counts once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._values: OrderedDict[Any, Any] = OrderedDict()
        self._holders: dict[int, int] = {}
        self._pinned: set[Any] = set()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, name: Any) -> Any | None:
        with self._lock:
            found = self._values.get(name)
            if found is None:
                return None
            self._values.move_to_end(name)
            return found

    def put(self, name: Any, value: Any, pin: bool = False) -> None:
        with self._lock:
            if pin:
                self._pinned.add(name)
            if name in self._values:
                return
            self._values[name] = value
            self._hold(value)
            if self._bytes <= self.limit:
                return
            for old in [n for n in self._values if n not in self._pinned and n != name]:
                self._let_go(self._values.pop(old))
                if self._bytes <= self.limit:
                    break

    def _hold(self, value: Any) -> None:
        self._bytes += _SMALL
        for array in arrays(value):
            held = self._holders.get(id(array), 0)
            self._holders[id(array)] = held + 1
            self._bytes += 0 if held else array.nbytes

    def _let_go(self, value: Any) -> None:
        self._bytes -= _SMALL
        for array in arrays(value):
            left = self._holders.pop(id(array)) - 1
            if left:
                self._holders[id(array)] = left
            else:
                self._bytes -= array.nbytes

    def unpin(self, name: Any) -> None:
        with self._lock:
            self._pinned.discard(name)

    @property
    def room(self) -> int:
        return self.limit - self._bytes
