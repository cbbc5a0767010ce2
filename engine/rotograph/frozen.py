"""Results kept beside the document instead of in the evictable store: what the artist approved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rotograph import record
from rotograph.errors import DamagedFile, MediaError, WriteError
from rotograph.key import digest
from rotograph.pack import pack, unpack
from rotograph.regular import open_file
from rotograph.whole import write_whole

SUFFIX = ".result"


def write_frozen(folder: Path, value: Any) -> str:
    """Keep a result in a file of ``folder`` that its own content names; gives back the name.

    Raises WriteError.
    """
    chunks = record.encode(pack(value))
    name = digest(b"".join(chunks)).hex()
    path = folder / f"{name}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder cannot be made: {error.strerror}", file=folder) from None
    if not path.exists():
        write_whole(path, *chunks)
    return name


def read_frozen(path: Path) -> Any:
    """A result from its file.

    Raises DamagedFile when it is gone or not what its name says.
    """
    try:
        with open_file(path) as file:
            data = file.read()
        if digest(data).hex() != path.stem:
            raise DamagedFile("is not what was approved", file=path, hint="unlock and lock again")
        return unpack(record.decode(data))
    except DamagedFile:
        raise
    except (OSError, MediaError, record.BadRecord):
        raise DamagedFile(
            "the approved result cannot be read", file=path, hint="restore it or unlock the frame"
        ) from None
