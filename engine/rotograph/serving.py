"""Becoming the engine: one for each user, machine and version, or a private one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from rotograph.errors import RotographError
from rotograph.installed import Installed
from rotograph.server import Server
from rotograph_host import place


def serve_shared(idle: float | None, detach: bool = False, **limits: Any) -> bool:
    """Be the shared engine until it ends; False at once when there is one already.

    detach: the process ends once clients can connect, and a child of it is the engine. limits: see
    ``Server``.

    The lock is the kernel's and goes with the process, so nothing a crash leaves blocks a start.
    """
    folder = _folder()
    lock = os.open(os.path.join(folder, place.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        begun = _detach if detach else lambda: None
        _serve(os.path.join(folder, place.SOCKET), idle, lambda: True, begun, limits)
    finally:
        os.close(lock)
    return True


def serve_private(tell: Callable[[str], None], **limits: Any) -> None:
    """Be an engine of one's own, until standard input ends.

    tell: called with the socket's path. limits: see ``Server``.
    """
    folder = tempfile.mkdtemp(prefix="rotograph-")
    try:
        path = os.path.join(folder, place.SOCKET)
        _serve(path, None, _parent_is_there, lambda: tell(path), limits)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(
    path: str,
    idle: float | None,
    alive: Callable[[], bool],
    begun: Callable[[], None],
    limits: dict[str, Any],
) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # every lent segment takes one
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(128)
        begun()
        server = Server(listener, idle=idle, alive=alive, installed=Installed(), **limits)
        with _signals(server):
            server.run()
    finally:
        # the name goes before the lock, so that nobody takes away a successor's
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener.close()


def _detach() -> None:
    """Go on in a child of its own session; locks and sockets go with it."""
    if os.fork():
        os._exit(0)
    os.setsid()


@contextlib.contextmanager
def _signals(server: Server) -> Iterator[None]:
    """Within, SIGINT and SIGTERM end the server."""
    before = {
        n: signal.signal(n, lambda number, frame: server.stop())
        for n in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parent_is_there() -> bool:
    try:
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0)
        return not ready or bool(os.read(sys.stdin.fileno(), 4096))
    except (OSError, ValueError):
        return False


def _folder() -> str:
    try:
        return place.folder()
    except place.PlaceError as error:
        raise RotographError(str(error)) from None
