"""Every error a user can meet, as one tree, each a single line that says what to do next.

    RotographError
    ├── GraphError            the graph file: unknown name, wrong type, cycle, missing input
    │   └── PromptError       a prompt that its model or layer cannot take
    ├── MediaError            a file outside: cannot be read, cannot be written
    │   ├── MissingFrame      a frame that is not on disk
    │   ├── DamagedFile       a file that is there and cannot be decoded
    │   └── WriteError        no permission, disk full, a file that must not be overwritten
    ├── ColourError           an OCIO config or a colour space that is not there
    ├── ModelError            a model that is unknown, not installed or not allowed
    ├── StoreError            the store's folder cannot be used at all
    ├── ComputeError          a node failed on one frame
    │   └── OutOfMemory       there was no memory for it, in no way that its model can be run
    └── Cancelled             the user stopped the run

Errors of other libraries are turned into these where they first enter our code.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SHOWN = 80
_NAMES = 12
"""Names in a hint."""
_LONGEST = 400
"""Characters of a message: a name in a document may be a whole book."""


class RotographError(Exception):
    """One line for the artist: ``node, frame, file: what is wrong; what to do next``.

    ``node``, ``frame`` and ``file`` may be filled in later, by whoever knows them
    (``located``), and ``hint`` says what to do next.
    """

    def __init__(
        self,
        message: str,
        *,
        node: str | None = None,
        frame: int | None = None,
        file: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.frame = frame
        self.file = str(file) if file is not None else None
        self.hint = hint

    def located(
        self,
        *,
        node: str | None = None,
        frame: int | None = None,
        file: str | Path | None = None,
    ) -> RotographError:
        """Fill in what is not known yet and return the same error, to be raised again."""
        self.node = self.node or node
        self.frame = self.frame if self.frame is not None else frame
        self.file = self.file or (str(file) if file is not None else None)
        return self

    def __str__(self) -> str:
        where = []
        if self.node is not None:
            where.append(self.node)
        if self.frame is not None:
            where.append(f"frame {self.frame}")
        if self.file is not None:
            where.append(self.file)
        line = self.message if len(self.message) <= _LONGEST else f"{self.message[:_LONGEST]}…"
        line = line if not where else f"{', '.join(where)}: {line}"
        if self.hint:
            line = f"{line}; {self.hint}"
        # a path or a document may hold halves of characters, which no terminal takes
        return " ".join(line.split()).encode("utf-8", "backslashreplace").decode()


class GraphError(RotographError):
    """The graph file says something that cannot be meant."""


class PromptError(GraphError):
    """A prompt that the layer or the model cannot take."""


class MediaError(RotographError):
    """A file outside the project cannot be used."""


class MissingFrame(MediaError):
    """A frame of a sequence is not on disk."""


class DamagedFile(MediaError):
    """A file is there but cannot be decoded, or not safely."""


class WriteError(MediaError):
    """A file cannot be written, or must not be overwritten."""


class ColourError(RotographError):
    """A colour configuration or a colour space cannot be found or used."""


class ModelError(RotographError):
    """A model is unknown, not installed, or not allowed."""


class StoreError(RotographError):
    """The store's folder cannot be used at all."""


class ComputeError(RotographError):
    """A node failed on one frame."""


class OutOfMemory(ComputeError):
    """The device's memory, or the machine's, is too small for one result."""


class Cancelled(RotographError):
    """The user stopped the run."""


def is_text(value: str) -> bool:
    """Whether a string can be a file's name or be shown: no null, no half of a character."""
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def shown(value: Any) -> str:
    """A value as the document has it, cut short where it is long, for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, RecursionError):  # thousands of digits or of brackets
        text = f"this {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` most likely stands for, or None."""
    known = list(known)
    lowered = {k.lower(): k for k in known}
    if name.lower() in lowered:
        return lowered[name.lower()]
    found = difflib.get_close_matches(name[:_SHOWN].lower(), list(lowered), n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint: the nearest known name, else all of them, or of many the first."""
    known = sorted(known)
    best = nearest(name, known)
    if best is not None:
        return f"did you mean '{best}'?"
    if len(known) > _NAMES:
        known = [*known[: _NAMES - 1], f"and {len(known) - _NAMES + 1} more"]
    return f"known: {', '.join(known)}" if known else "there are none"
