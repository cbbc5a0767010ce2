"""Where the engine's socket lies: a folder of mode 0700 that belongs to this user alone."""

import hashlib
import os
import socket
import stat
import tempfile

from rotograph_host import VERSION

SOCKET = "engine.socket"
LOCK = "engine.lock"
LOG = "engine.log"
_MAX_PATH = 107
"""Bytes of a Unix socket's path, without the final zero."""


class PlaceError(Exception):
    """The folder of the socket cannot be trusted or made."""


def folder():
    """The folder for this user, machine and version; made when it is not there.

    Raises PlaceError when it belongs to somebody else or others may enter it.
    """
    machine = hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
    name = f"rotograph-{os.getuid()}-{machine}-{VERSION}"
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not (os.path.isabs(base) and _own(base)):
        base = tempfile.gettempdir()
    if len(os.fsencode(os.path.join(base, name, SOCKET))) > _MAX_PATH:
        base = "/tmp"
    return private(os.path.join(base, name))


def private(path):
    """Make the folder unless it is there, and make sure that it is ours; gives back its path."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise PlaceError(f"{path}: cannot be made: {error.strerror}") from None
    if not _own(path):
        raise PlaceError(f"{path}: is not a folder of yours alone (mode 0700); remove it")
    return path


def address():
    """The engine's socket: ``$ROTOGRAPH_SOCKET`` (a private engine), else the shared engine's."""
    return os.environ.get("ROTOGRAPH_SOCKET") or os.path.join(folder(), SOCKET)


def _own(path):
    try:
        status = os.lstat(path)
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return ours and not status.st_mode & 0o077
