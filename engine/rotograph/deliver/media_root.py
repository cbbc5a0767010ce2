"""Everything below a folder that could be a clip's media, and the names it may be known by."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import fileseq

from rotograph import sequence
from rotograph.errors import MediaError
from rotograph.movie import EXTENSIONS as MOVIES

PICTURES = frozenset({".exr", ".dpx", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".sxr"})
_RANGE = re.compile(r"\[(-?\d+)-(-?\d+)\]|(?<=[._])-?\d+--?\d+(?=[#@]|%)")
_NUMBER = re.compile(r"-?\d+(?=\.[^.]+$)")
_MOST = 200_000
"""Files below a media root, beyond which it is surely the wrong folder."""


@dataclass(frozen=True)
class Found:
    """Something under the media root: a sequence or a movie. names: what it may be known by."""

    pattern: str
    name: str
    names: frozenset[str]

    def known_as(self, reel: str) -> bool:
        """Whether a reel, made plain, is this. An EDL cuts reels off after a few characters."""
        return any(n == reel or (len(reel) >= 6 and n.startswith(reel)) for n in self.names)


def found_below(root: Path) -> list[Found]:
    """Everything under the root that could be media."""
    out: list[Found] = []
    count = 0
    for folder, below, files in os.walk(root):
        below[:] = sorted(d for d in below if not d.startswith("."))
        names = [n for n in files if not n.startswith(".")]
        count += len(names)
        if count > _MOST:
            raise MediaError(
                f"holds more than {_MOST} files", file=root, hint="name a folder below it"
            )
        movies = [n for n in names if Path(n).suffix.lower() in MOVIES]
        stills = [n for n in names if Path(n).suffix.lower() in PICTURES]
        for name in movies:
            known = frozenset(map(plain, (Path(name).stem, Path(folder).name)))
            out.append(Found(os.path.join(folder, name), name, known))
        for one in fileseq.FileSequence.findSequencesInList(stills):
            name = str(next(iter(one)))
            if one.padding():
                name = f"{one.basename()}{'#' * one.zfill()}{one.extension()}"
            stem = one.basename().rstrip("._- ")
            known = frozenset(map(plain, (stem, Path(folder).name)))
            out.append(Found(os.path.join(folder, name), name, known))
    return sorted(out, key=lambda f: f.pattern)


def as_pattern(name: str) -> str:
    """A file's name with ``####`` where its frame number is: of ``a.[1-9].exr``, ``a.1-9#.exr``,
    ``a.%04d.exr`` and, for a picture, of ``a.0001.exr``."""
    found = _RANGE.search(name)
    if found:
        if found[1] is not None:
            width = min(len(found[1]), len(found[2]))
            return f"{name[: found.start()]}{'#' * width}{name[found.end() :]}"
        name = name[: found.start()] + name[found.end() :]
    if sequence.has_frame(name):
        return re.sub(r"%0?(\d+)d", lambda m: "#" * int(m[1]), name).replace("%d", "#")
    number = _NUMBER.search(name)
    if number and Path(name).suffix.lower() in PICTURES:
        return f"{name[: number.start()]}{'#' * len(number[0])}{name[number.end() :]}"
    return name


def plain(text: str) -> str:
    """Letters and digits alone: editors change the rest of a name, and its case."""
    return "".join(c for c in text.casefold() if c.isalnum())
