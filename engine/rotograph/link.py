"""The engine's end of the line to its worker: starting it, talking to it, seeing it die."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import subprocess
import sys
from typing import Any

import msgspec

from rotograph import inner
from rotograph.clients import watch
from rotograph.peer import Peer
from rotograph_host.framing import WireError

COMMAND = [sys.executable, "-P", "-m", "rotograph.worker"]
LEAVE = 3.0
"""Seconds that a worker has to end by itself."""
_log = logging.getLogger("rotograph.server")


class Link:
    """A worker process and the socket to it, watched by a selector.

    command: that starts a worker. models: bytes that its networks may take. restarts: how often
    another one had to be started. starts: how often in a row before it was ready.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        command: list[str] | None,
        models: int | None = None,
    ) -> None:
        self._selector = selector
        self._command = command or COMMAND
        self._models = [] if models is None else [str(models)]
        self._process: subprocess.Popen[bytes] | None = None
        self.peer: Peer | None = None
        self.ready = False
        self.starts = 0
        self.restarts = -1

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self, wanted: bool = False) -> None:
        """Start a worker; what is sent to it waits until it is there.

        wanted: nothing went wrong with the one before.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), *self._models],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self.peer = Peer(ours, limit=inner.LIMIT)
        self.ready = False
        self.restarts += not wanted
        self.starts += 1
        self._selector.register(self.peer, selectors.EVENT_READ)

    def send(self, message: Any, *descriptors: int) -> None:
        """Send; the descriptors stay the caller's. Without a worker, nothing."""
        if self.peer is not None:
            self.peer.send(inner.encode(message), *descriptors)
            watch(self._selector, self.peer)

    def read(self, events: int) -> list[Any] | None:
        """What the worker said; None when it is dead."""
        if events & selectors.EVENT_WRITE:
            self.peer.flush()
            watch(self._selector, self.peer)
        if not events & selectors.EVENT_READ:
            return []
        try:
            bodies = self.peer.read()
            return None if bodies is None else [inner.from_worker(body) for body in bodies]
        except (WireError, msgspec.MsgspecError):  # whatever damaged it, it is not to be trusted
            _log.exception("the worker talks nonsense")
            return None

    def bury(self) -> int:
        """End a worker that is dead, or as good as; gives back its exit status."""
        self._hang_up()
        self._process.kill()
        return self._process.wait()

    def close(self) -> None:
        """Let the worker finish what it is writing, and end."""
        self._hang_up()
        if self._process is not None:
            try:
                self._process.wait(LEAVE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _hang_up(self) -> None:
        if self.peer is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self.peer)
            self.peer.close()
            self.peer = None
        self.ready = False
