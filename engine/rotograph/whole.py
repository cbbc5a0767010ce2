"""Put a file on disk whole or not at all: a temporary name in its folder, then a rename."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from rotograph.errors import WriteError

_NEXT = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "your quota is used up: free some space or choose another folder",
    errno.EFBIG: "the file is larger than this system allows",
    errno.EACCES: "ask for write permission or choose another folder",
    errno.EPERM: "ask for write permission or choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "a folder has this name: choose another",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def make_folder(folder: Path) -> None:
    """The folder, and those that it lies in, if they are not there. Raises WriteError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder cannot be made: {error.strerror}",
            file=folder,
            hint="name another one, or ask for permission",
        ) from None


def write_whole(path: str | Path, *pieces: bytes | bytearray | memoryview) -> None:
    """Write ``pieces``, one after the other, to ``path``: nothing less is ever seen there.

    The folder must exist. No fsync: after a power cut the file may be missing or empty. Whatever
    stops the writing (disk full, no permission, Ctrl-C), the temporary file goes and an older
    file of that name stays as it was.

    Raises WriteError, naming the file and what to do.
    """
    path = Path(path)
    # hidden, and no frame number, so that no sequence scan takes it for a frame
    temporary = path.with_name(f".{secrets.token_hex(8)}.rotograph-part")
    try:
        try:
            with open(temporary, "xb", buffering=0) as file:
                for piece in pieces:
                    view = memoryview(piece).cast("B")
                    while view:
                        view = view[file.write(view) :]
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise WriteError(
            f"cannot be written: {error.strerror or error}",
            file=path,
            hint=_NEXT.get(error.errno, "check the folder"),
        ) from error
