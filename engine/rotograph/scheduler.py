"""Whose turn it is on the device: one queue for every request of every client.

What an artist waits for goes before batches; within that, the client that had the least time
goes first, so that two share evenly (fair queueing after Demers, Keshav and Shenker 1989). Whoever
has waited for PATIENCE seconds is next in any case, so nobody starves.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rotograph.errors import Cancelled

PATIENCE = 5.0
"""Seconds after which a batch goes even before an artist's frame."""


AWAY = 1.0
"""Seconds after which a client that asks for nothing is forgotten."""
HELD = 0.5
"""Seconds that a turn counts for while it is held."""


@dataclass(eq=False)
class _Waiting:
    client: int
    urgent: bool
    since: float
    go: threading.Event = field(default_factory=threading.Event)


class Turns:
    """At most ``slots`` computations at a time.

    waited: the longest that anyone has waited, seconds.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._free = slots
        self._queue: list[_Waiting] = []
        self._used: dict[int, float] = {}
        self._holding: dict[int, int] = {}
        self._seen: dict[int, float] = {}
        self._lock = threading.Lock()
        self._here = threading.local()
        self.waited = 0.0

    def limit(self, slots: int) -> None:
        """Change how many may compute; those at it finish."""
        with self._lock:
            self._free += slots - self._slots
            self._slots = slots
            self._next()

    @contextlib.contextmanager
    def turn(self, client: int, urgent: bool, stop: threading.Event) -> Iterator[None]:
        """Hold a turn while within; raises Cancelled when ``stop`` is set before it comes."""
        mine = _Waiting(client, urgent, time.monotonic())
        with self._lock:
            self._queue.append(mine)
            self._next()
        while not mine.go.wait(0.05):
            if stop.is_set():
                with self._lock:
                    if not mine.go.is_set():
                        self._queue.remove(mine)
                        raise Cancelled("stopped")
        began = time.monotonic()
        self.waited = max(self.waited, began - mine.since)
        self._here.turn = client, urgent
        try:
            yield
        finally:
            self._here.turn = None
            with self._lock:
                self._used[client] += time.monotonic() - began
                self._leave(client)

    @property
    def held(self) -> bool:
        """Whether this thread holds a turn."""
        return getattr(self._here, "turn", None) is not None

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Let others compute while this thread, within, waits for something outside.

        It has its turn again at once, even if that makes one too many for a moment: it may hold the
        lock of a result that everybody with a turn is waiting for.
        """
        mine = getattr(self._here, "turn", None)
        if mine is None:
            yield
            return
        client, _ = mine
        began = time.monotonic()
        with self._lock:
            self._leave(client)
        try:
            yield
        finally:
            with self._lock:
                self._free -= 1
                self._enter(client)
                self._used[client] -= time.monotonic() - began

    def _leave(self, client: int) -> None:
        self._seen[client] = time.monotonic()
        self._holding[client] -= 1
        self._free += 1
        self._next()

    def _next(self) -> None:
        """Give free slots away; the lock is held."""
        while self._free > 0 and self._queue:
            now = time.monotonic()
            chosen = min(self._queue, key=lambda w: self._order(w, now))
            self._queue.remove(chosen)
            self._free -= 1
            self._enter(chosen.client)
            chosen.go.set()

    def _order(self, waiting: _Waiting, now: float) -> tuple[bool, bool, float, float]:
        patient = now - waiting.since < PATIENCE
        # a turn that is being held has not been counted yet
        had = self._used.get(waiting.client, 0.0) + self._holding.get(waiting.client, 0) * HELD
        return patient, patient and not waiting.urgent, had if patient else 0.0, waiting.since

    def _enter(self, client: int) -> None:
        """Count a turn; a client that was away gains nothing by it."""
        now = time.monotonic()
        for gone in [c for c, at in self._seen.items() if now - at > AWAY and not self._holds(c)]:
            del self._seen[gone], self._used[gone], self._holding[gone]
        if client not in self._seen:
            self._used[client] = min((self._used[c] for c in self._seen), default=0.0)
            self._holding[client] = 0
        self._seen[client] = now
        self._holding[client] += 1

    def _holds(self, client: int) -> bool:
        return self._holding[client] > 0 or any(w.client == client for w in self._queue)
