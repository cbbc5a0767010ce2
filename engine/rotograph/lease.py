"""One process at a time, on file systems where locks cannot be trusted."""

from __future__ import annotations

import errno
import os
import time

LEASE = 120.0


class Lease:
    """The right to evict, held by one process at a time; a dead owner's runs out.

    Ages are told by the file server's clock alone: that of a file just written against that of
    the lease. Two owners, which a slow disk makes possible, evict a little too much and no more.
    """

    def __init__(self, root: str, temporary: str) -> None:
        self._path = f"{root}/evictor.lease"
        self._temporary = temporary
        self._token = os.path.basename(temporary)
        self._kept = time.monotonic()

    def take(self) -> bool:
        try:
            with open(self._temporary, "x", encoding="utf-8") as file:
                file.write(self._token)
            now = os.stat(self._temporary).st_mtime
            try:
                if abs(now - os.stat(self._path).st_mtime) < LEASE:
                    return False
                os.replace(self._temporary, self._path)
            except FileNotFoundError:
                publish(self._temporary, self._path)
            self._kept = time.monotonic()
            return self._mine()
        except OSError as error:
            # no room for a lease is when room must be made
            return error.errno in (errno.ENOSPC, errno.EDQUOT)
        finally:
            unlink(self._temporary)

    def keep(self) -> bool:
        """Renew what is a quarter used up; False when somebody else has it now."""
        if time.monotonic() - self._kept > LEASE / 4:
            self._kept = time.monotonic()
            if not self._mine():
                return False
            try:
                os.utime(self._path)
            except OSError:
                return False
        return True

    def release(self) -> None:
        if self._mine():
            unlink(self._path)

    def _mine(self) -> bool:
        try:
            with open(self._path, encoding="utf-8") as file:
                return file.read(256) == self._token
        except OSError:
            return False


def publish(temporary: str, path: str) -> None:
    """Give a finished file its name unless the name is taken: the first writer wins."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        if not os.path.exists(path):  # no links on this file system
            os.replace(temporary, path)


def unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
