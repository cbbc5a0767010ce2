"""What was installed, and what was there before: without it nothing could be put back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rotograph.errors import MediaError

NAME = "rotograph-installed.json"
SAVED = "before-rotograph"
"""The folder, beside the record, with what was there before."""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is ours. hosts: who uses it. saved: the copy of what was there before."""

    digest: str
    hosts: tuple[str, ...]
    saved: str = ""


class Edited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the artist's own with lines of ours.

    digest: of the whole as it was left. block: what was put in, in latin-1. saved: the copy of the
    file before, empty when there was none.
    """

    digest: str
    host: str
    block: str
    saved: str = ""


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """All that is installed below one root, by absolute path.

    folders: those made for it. pending: copies of what is there, while they are being made;
    nothing has been written over yet.
    """

    files: dict[str, File] = {}
    edited: dict[str, Edited] = {}
    folders: list[str] = []
    pending: list[str] = []
    format: int = 1


@dataclass(frozen=True)
class Kept:
    """A record with the root that it lies in."""

    root: Path
    record: Record = field(default_factory=Record)

    @property
    def path(self) -> Path:
        return self.root / NAME

    def saved(self, path: Path) -> Path:
        """Where the copy of what was at ``path`` before goes."""
        return self.root / SAVED / f"{digest(str(path).encode())[:12]}-{path.name}"


def digest(content: bytes) -> str:
    """Of a file's content, for telling whether somebody changed it."""
    return hashlib.sha256(content).hexdigest()


def load(root: Path) -> Kept:
    """The record of a root, empty where nothing is installed. Raises MediaError."""
    path = root / NAME
    try:
        return Kept(root, msgspec.json.decode(path.read_bytes(), type=Record))
    except FileNotFoundError:
        return Kept(root)
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}", file=path) from error
    except msgspec.MsgspecError as error:
        raise MediaError(
            f"is not understood: {error}", file=path, hint="install anew after moving it away"
        ) from error
