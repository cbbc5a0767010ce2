"""Networks in memory: how many bytes each takes, and which goes when there is no room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Held:
    network: Any
    size: int
    users: int = 0


@dataclass
class Resident:
    """Loaded networks under a budget: the least recently used is dropped, one in use never.

    budget: bytes; None for no limit. A network that alone is larger is loaded all the same, after
    all others that are not in use have gone.
    """

    budget: int | None = None
    _held: OrderedDict[Any, _Held] = field(default_factory=OrderedDict, repr=False)
    _loading: dict[Any, threading.Lock] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def use(
        self, name: Any, load: Callable[[], tuple[Any, int]], expected: int = 0
    ) -> Iterator[Any]:
        """The network of this name, loaded if it is not here, and kept while in the block.

        load: gives the network and its bytes. expected: about its bytes, so that room is made
        before and not after. Two threads that ask at once load it once.
        """
        held = self._take(name)
        if held is None:
            with self._guard:
                single = self._loading.setdefault(name, threading.Lock())
            with single:
                held = self._take(name)
                if held is None:
                    with self._guard:
                        self._make_room(expected)
                    network, size = load()
                    with self._guard:
                        self._make_room(size)
                        held = self._held[name] = _Held(network, size, users=1)
        try:
            yield held.network
        finally:
            with self._guard:
                held.users -= 1
                self._make_room(0)

    def sizes(self) -> dict[Any, int]:
        """Name -> bytes of what is loaded, the least recently used first."""
        with self._guard:
            return {name: held.size for name, held in self._held.items()}

    def drop(self) -> None:
        """Let everything go that is not in use."""
        with self._guard:
            for name in [n for n, held in self._held.items() if not held.users]:
                del self._held[name]

    def _take(self, name: Any) -> _Held | None:
        with self._guard:
            held = self._held.get(name)
            if held is not None:
                held.users += 1
                self._held.move_to_end(name)
            return held

    def _make_room(self, wanted: int) -> None:
        if self.budget is None:
            return
        free = self.budget - sum(held.size for held in self._held.values())
        for name in list(self._held):
            if free >= wanted:
                return
            if not self._held[name].users:
                free += self._held.pop(name).size
