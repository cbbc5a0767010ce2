"""The engine's connections: who may connect, hello, and what becomes of those who misbehave.

A connection is one client's. Whatever comes over it can end that connection and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rotograph import __version__, wire
from rotograph.peer import Peer
from rotograph_host import framing
from rotograph_host.framing import WireError

HELLO = 10.0
"""Seconds that a connection has for its first message."""
MAX_CLIENTS = 256
_log = logging.getLogger("rotograph.server")


@dataclass(eq=False)
class Client:
    """A connection, and who it is once it said hello."""

    peer: Peer
    pid: int
    name: str | None = None
    since: float = field(default_factory=time.monotonic)


class Clients:
    """Every connection of a listening socket, watched by a selector.

    instance: what the engine calls itself in hello. handle: called with (client, message, body) for
    what a greeted client says; may raise WireError. left: called with a client's number.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listener: socket.socket,
        instance: str,
        handle: Callable[[Client, Any, bytes], None],
        left: Callable[[int], None],
    ) -> None:
        self._selector, self._listener = selector, listener
        self._instance = instance
        self._handle, self._left = handle, left
        self._clients: dict[int, Client] = {}
        self._count = 0

    def __iter__(self) -> Iterator[Client]:
        """Those who said hello."""
        return iter([client for client in self._clients.values() if client.name is not None])

    def there(self, number: int) -> bool:
        """Whether this client is still connected."""
        return number in self._clients

    def accept(self) -> None:
        """Take a connection that waits, if it is this user's."""
        try:
            sock, _ = self._listener.accept()
        except OSError as error:  # out of descriptors, or gone before it was served
            _log.warning("a connection could not be accepted: %s", error.strerror)
            return
        if len(self._clients) >= MAX_CLIENTS:
            _log.warning("refused a connection: there are %d", MAX_CLIENTS)
            sock.close()
            return
        process, user = framing.peer(sock)
        if user != os.getuid():
            _log.warning("refused a connection of user %d", user)
            sock.close()
            return
        self._count += 1
        client = Client(Peer(sock, self._count), process)
        self._clients[self._count] = client
        self._selector.register(client.peer, selectors.EVENT_READ)

    def serve(self, peer: Peer, events: int) -> None:
        """Hear what a connection has to say, and send what waits for it."""
        client = self._clients.get(peer.number)
        if client is None:
            return
        if events & selectors.EVENT_WRITE:
            client.peer.flush()
            watch(self._selector, client.peer)
        if not events & selectors.EVENT_READ:
            return
        try:
            bodies = client.peer.read()
            if bodies is None:
                self._drop(client)
                return
            for body in bodies:
                if client.peer.number not in self._clients:
                    return
                self._receive(client, body)
        except WireError as error:
            self._refuse(client, "WireError", str(error))
        except Exception as error:  # one client's request must not end the others'
            _log.exception("client %d", client.peer.number)
            self._refuse(client, "WireError", f"something went wrong: {type(error).__name__}")

    def _receive(self, client: Client, body: bytes) -> None:
        try:
            message = wire.from_client(body)
        except WireError as error:
            id = wire.request_id(body)
            if client.name is None or id is None:
                raise
            self.tell(client.peer.number, wire.Error("WireError", str(error), id))
            return
        if client.name is None:
            self._greet(client, message)
            return
        try:
            self._handle(client, message, body)
        except WireError as error:
            id = getattr(message, "id", None)
            if id is None:
                raise
            self.tell(client.peer.number, wire.Error("WireError", str(error), id))

    def _greet(self, client: Client, message: Any) -> None:
        if not isinstance(message, wire.Hello):
            raise WireError("the first message must be hello")
        if message.protocol != wire.PROTOCOL:
            older = message.protocol < wire.PROTOCOL
            self._refuse(
                client,
                "ProtocolError",
                f"the client ({message.version}) speaks protocol {message.protocol}, this engine "
                f"({__version__}) {wire.PROTOCOL}",
                "update Rotograph in the host"
                if older
                else "update the engine: install Rotograph "
                f"{message.version} and end this one with: rotograph stop",
            )
            return
        client.name = message.client or "unnamed"
        self.tell(client.peer.number, wire.Welcome(wire.PROTOCOL, __version__, self._instance))

    def _refuse(self, client: Client, kind: str, said: str, hint: str | None = None) -> None:
        """Say why, and end the connection."""
        self.tell(client.peer.number, wire.Error(kind, said, hint=hint))
        self._drop(client, said)

    def _drop(self, client: Client, why: str = "") -> None:
        number = client.peer.number
        if self._clients.pop(number, None) is None:
            return
        if why:
            _log.info("client %d (%s) was let go: %s", number, client.name, why)
        self._selector.unregister(client.peer)
        client.peer.close()
        self._left(number)

    def tell(self, number: int, message: Any, *descriptors: int, may_wait: bool = False) -> None:
        """Send to a client, if it is still there. may_wait: it may as well get the next one."""
        client = self._clients.get(number)
        if client is None or (may_wait and client.peer.waiting):
            return
        try:
            client.peer.send(wire.encode(message), *descriptors)
            watch(self._selector, client.peer)
        except WireError as error:
            if client.peer.waiting:
                self._drop(client, str(error))
            else:  # a result too large to be told
                told = wire.Error("WireError", str(error), getattr(message, "id", None))
                client.peer.send(wire.encode(told))
                watch(self._selector, client.peer)

    def expire(self) -> None:
        """Let those go who connected and said nothing."""
        for client in list(self._clients.values()):
            if client.name is None and time.monotonic() - client.since > HELLO:
                self._drop(client, "said nothing")

    def close(self) -> None:
        for client in self._clients.values():
            client.peer.flush()
            client.peer.close()
        self._clients.clear()
        self._listener.close()


def watch(selector: selectors.BaseSelector, peer: Peer) -> None:
    """Wait for room to send only while there is something to send."""
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.waiting else 0)
    with contextlib.suppress(KeyError):
        if selector.get_key(peer).events != wanted:
            selector.modify(peer, wanted)
