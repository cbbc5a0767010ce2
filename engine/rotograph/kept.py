"""Results in memory: a bounded number of bytes, the least recently used dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np


def size_of(value: Any) -> int:
    """Bytes of the arrays in a value."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(size_of(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(size_of(v) for v in value)
    return sum(size_of(v) for v in vars(value).values()) if hasattr(value, "__dict__") else 64


class Kept:
    """Results in memory, the least recently used dropped first; pinned ones stay."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._pinned: set[Any] = set()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, name: Any) -> Any | None:
        with self._lock:
            found = self._values.get(name)
            if found is None:
                return None
            self._values.move_to_end(name)
            return found[0]

    def put(self, name: Any, value: Any, pin: bool = False) -> None:
        size = size_of(value)
        with self._lock:
            if pin:
                self._pinned.add(name)
            if name in self._values:
                return
            self._values[name] = (value, size)
            self._bytes += size
            if self._bytes <= self.limit:
                return
            for old in [n for n in self._values if n not in self._pinned and n != name]:
                self._bytes -= self._values.pop(old)[1]
                if self._bytes <= self.limit:
                    break

    def unpin(self, name: Any) -> None:
        with self._lock:
            self._pinned.discard(name)

    @property
    def room(self) -> int:
        return self.limit - self._bytes
