"""One at a time: what two commands, perhaps on two machines, may not do to a file at once."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_PAUSE = 0.3
"""Seconds between two tries to be the one."""
_CANNOT = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a file system says that has no locks."""


@contextlib.contextmanager
def alone(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within, nobody else who asks for the same path; waits until that is so.

    waiting: called again and again meanwhile. The lock is the kernel's, on a hidden file beside
    ``path``, whose folder is made, so that nothing that a crash leaves blocks anybody. Where a file
    system knows no locks, everybody is let in. Raises OSError.
    """
    lock = path.with_name(f".{path.name}.lock")
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            lock.parent.mkdir(parents=True, exist_ok=True)
            continue
        try:
            while not _taken(handle):
                waiting()
                time.sleep(_PAUSE)
            if not _is(handle, lock):  # whoever had it took the file away
                continue
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    lock.unlink()
            return
        finally:
            os.close(handle)


def _taken(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows, which has other locks
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    return True


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
