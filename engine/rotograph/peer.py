"""One connection of the engine: what came in, what has yet to go out, never waiting for either."""

from __future__ import annotations

import os
import socket
from collections import deque

from rotograph_host import framing
from rotograph_host.framing import WireError

MAX_OUT = 32 << 20
"""Bytes that a peer may leave unread before it is given up."""


class Peer:
    """A non-blocking stream socket with messages and descriptors.

    number: names the connection for as long as the engine lives. limit: bytes of one message that
    comes in. waiting: bytes yet to go out.
    """

    def __init__(
        self, sock: socket.socket, number: int = 0, *, limit: int = framing.MAX_MESSAGE
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.number = number
        self.waiting = 0
        self._inbox = framing.Inbox(limit)
        self._came: deque[int] = deque()
        self._out: deque[tuple[memoryview, tuple[int, ...]]] = deque()

    def fileno(self) -> int:
        return self.sock.fileno()

    def read(self) -> list[bytes] | None:
        """The messages that are whole now; None when the other side is gone.

        Raises WireError for what is no message.
        """
        try:
            data, came = self._receive()
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        self._came.extend(came)
        if len(self._came) > framing.MAX_DESCRIPTORS:
            raise WireError("descriptors came that no message speaks of")
        return self._inbox.feed(data) if data else None

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            return framing.receive(self.sock)
        except ConnectionResetError:
            # it died with something unread; what it had said before can still be heard
            return framing.receive(self.sock)

    def descriptor(self) -> int:
        """The descriptor that came with a message, now the caller's; raises WireError."""
        if not self._came:
            raise WireError("no descriptor came with the segment")
        return self._came.popleft()

    def send(self, data: bytes, *descriptors: int) -> None:
        """Send, or keep for later; the descriptors stay the caller's. Raises WireError."""
        kept = tuple(os.dup(d) for d in descriptors)
        self._out.append((memoryview(data), kept))
        self.waiting += len(data)
        if len(self._out) == 1:
            self.flush()
        if self.waiting > MAX_OUT:
            raise WireError("the client does not read what it asked for")

    def flush(self) -> None:
        """Send as much as goes now. An end that is gone shows when it is read."""
        try:
            while self._out:
                data, descriptors = self._out[0]
                sent = framing.send(self.sock, data, descriptors)
                framing.close(descriptors)
                self.waiting -= sent
                if sent == len(data):
                    self._out.popleft()
                else:
                    self._out[0] = (data[sent:], ())
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._drop()

    def close(self) -> None:
        self._drop()
        framing.close(self._came)
        self._came.clear()
        self.sock.close()

    def _drop(self) -> None:
        for _, descriptors in self._out:
            framing.close(descriptors)
        self._out.clear()
        self.waiting = 0
