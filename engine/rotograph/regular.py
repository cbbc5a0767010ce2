"""Opening what others wrote only when it is a file, so that no pipe or device is waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rotograph.errors import MediaError


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Within, what the system says of a file that is being read is a MediaError that names it."""
    try:
        yield
    except OSError as error:
        raise MediaError(
            f"cannot be read: {error.strerror or error}", file=path, hint="check path and rights"
        ) from error


def open_file(path: str | Path) -> BinaryIO:
    """The file, to be read in binary. Raises MediaError when it cannot be, or is not a file."""
    with reading(path):
        # a pipe that nobody writes to would otherwise hold us here for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        status = os.fstat(descriptor)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            os.close(descriptor)
            raise MediaError(
                "is not a file but a pipe or a device", file=path, hint="check the path"
            )
        return os.fdopen(descriptor, "rb")
