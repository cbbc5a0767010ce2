"""The engine: one process that clients talk to, and the worker that computes for it.

This process holds the sockets, the queue and the descriptors of lent frames. It touches no pixel
and imports no native library, so that a status answer takes microseconds while the worker is busy
and so that a crash in a model leaves it standing. One thread, nothing waits.
"""

from __future__ import annotations

import logging
import secrets
import selectors
import socket
import time
from collections.abc import Callable

from rotograph.clients import Clients
from rotograph.desk import Desk
from rotograph.installed import Installed
from rotograph.lent import BUDGET
from rotograph.link import Link

IDLE = 600.0
"""Seconds without a client after which the engine ends."""
PATIENCE = 1800.0
"""Seconds that one result may take: whatever takes longer hangs."""
TICK = 0.2
"""Seconds between two progress messages."""
_log = logging.getLogger("rotograph.server")


class Server:
    """Serves the connections of a listening socket until stopped or idle.

    idle: seconds; None for never. alive: asked every tick; when it says no, the engine ends.
    worker: the command that starts a worker, if another than this installation's is wanted.
    frames, models: bytes of clients' frames, and of networks, to keep in memory; None for half of
    what is free. patience: seconds that one result may take until it is given up, or None.
    installed: another worker is started when it has changed; None: never.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        idle: float | None = IDLE,
        alive: Callable[[], bool] = lambda: True,
        worker: list[str] | None = None,
        frames: int = BUDGET,
        models: int | None = None,
        patience: float | None = PATIENCE,
        installed: Installed | None = None,
    ) -> None:
        self._listener = listener
        self._idle = idle
        self._alive = alive
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        instance = secrets.token_hex(8)
        self._link = Link(self._selector, worker, models)
        self._desk = Desk(instance, self._link, self.stop, frames, patience, installed)
        self._clients = self._desk.clients = Clients(
            self._selector, listener, instance, self._desk.handle, self._desk.left
        )
        self._last = time.monotonic()

    def run(self) -> None:
        """Serve until the end; closes everything it opened."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._link.start()
        tick = time.monotonic()
        try:
            while not self._stopping:
                for key, events in self._selector.select(max(0.0, tick - time.monotonic())):
                    self._serve(key.fileobj, events)
                if time.monotonic() >= tick:
                    tick = time.monotonic() + TICK
                    self._tick()
        finally:
            self._desk.close()
            self._clients.close()
            self._link.close()
            self._selector.close()

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopping = True

    def _serve(self, who: object, events: int) -> None:
        if who is self._listener:
            self._clients.accept()
        elif who is not self._link.peer:
            self._clients.serve(who, events)
        else:
            said = self._link.read(events)
            for message in said or ():
                self._desk.hear(message)
            if said is None:
                self._desk.worker_died()

    def _tick(self) -> None:
        now = time.monotonic()
        self._clients.expire()
        self._desk.tick()
        if not self._desk.idle:
            self._last = now
        elif self._idle is not None and now - self._last > self._idle:
            _log.info("idle for %.0f s", now - self._last)
            self._stopping = True
        if not self._alive():
            self._stopping = True
