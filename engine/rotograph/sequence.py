"""Image sequences: which frames of ``plate.####.exr`` are on disk, and what an output is called.

The frame's place in a name is ``####`` or ``%04d`` (zero-padded to as many digits; more digits
where a frame needs them), ``@@@@`` or ``%d``. A minus sign counts as a digit, as in C: frame -5 of
``####`` is ``-005``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rotograph.errors import GraphError, MediaError, MissingFrame, did_you_mean
from rotograph.frames import format_frames

_FRAME = re.compile(r"#+|@+|%(?:0(\d{1,2}))?d")
_FIELD = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"(?<![0-9])(-?\d+)(?=\.[^.]+$|$)")
_VIEW = re.compile(r"%[Vv]")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*#%@{}]')


@dataclass(frozen=True)
class Sequence:
    """The frames of one pattern that were on disk when its folder was read.

    pattern: the path with the frame's place in it, or one file's own path.
    frames: sorted frame numbers.
    """

    pattern: str
    frames: tuple[int, ...]

    def path(self, frame: int) -> Path:
        """Where this frame is, or would be."""
        if self.single:
            return Path(self.pattern)
        return Path(at_frame(self.pattern, frame))

    @property
    def single(self) -> bool:
        """Whether this is one file rather than a numbered sequence."""
        return not has_frame(self.pattern)

    def missing(self, wanted: Iterable[int]) -> tuple[int, ...]:
        """Those of ``wanted`` that are not there, sorted."""
        return tuple(sorted(set(wanted).difference(self.frames)))

    def file(self, frame: int) -> Path:
        """The frame's file. Raises MissingFrame, naming the frames that are there."""
        if frame not in self.frames:
            raise MissingFrame(
                "is not on disk",
                frame=frame,
                file=self.path(frame),
                hint=f"there are {format_frames(self.frames)}",
            )
        return self.path(frame)


def has_frame(pattern: str | Path) -> bool:
    """Whether the name has a place for the frame number."""
    return _FRAME.search(os.path.basename(str(pattern))) is not None


def find(pattern: str | Path, *, start: int | None = None) -> Sequence:
    """Read the pattern's folder once and say which frames are there.

    A path without a place for the frame is that one file, even if its neighbours are numbered
    too: its frame is ``start``, else the number before its extension, else 1.

    Raises MissingFrame when nothing of that name is there, and MediaError when the folder cannot
    be read or the pattern has two places for the frame, or one in a folder's name.
    """
    pattern = str(pattern)
    if _VIEW.search(pattern):
        raise MediaError("%V stands for a view", file=pattern, hint="name one view's files")
    if _FRAME.search(os.path.dirname(pattern)):
        raise MediaError("has the frame in a folder's name", file=pattern, hint="rename the folder")
    if not has_frame(pattern):
        if not os.path.isfile(pattern):
            raise MissingFrame("there is no such file", file=pattern, hint="check the path")
        number = _NUMBER.search(os.path.basename(pattern))
        given = start if start is not None else int(number[1]) if number else 1
        return Sequence(pattern, (given,))
    prefix, width, suffix = _split(pattern)
    names = _names(os.path.dirname(pattern) or ".", pattern)
    frames = []
    for name in names:
        if not (name.startswith(prefix) and name.endswith(suffix)):
            continue
        digits = name[len(prefix) : len(name) - len(suffix)]
        # isascii: int() would take other scripts' digits
        if digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) < 20:
            frame = int(digits)
            if f"{frame:0{width}d}" == digits:
                frames.append(frame)
    if not frames:
        hint = "check the path"
        close = [n for n in names if n.startswith(prefix) and n.endswith(suffix) and prefix]
        if close:
            hint = f"the folder has '{min(close)}': check the padding"
        raise MissingFrame("no frame of this sequence is on disk", file=pattern, hint=hint)
    return Sequence(pattern, tuple(sorted(frames)))


def _names(folder: str, pattern: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError as error:
        raise MissingFrame(
            "its folder is not there", file=pattern, hint="check the path"
        ) from error
    except OSError as error:
        raise MediaError(
            f"its folder cannot be read: {error.strerror}", file=pattern, hint="check its rights"
        ) from error


def _split(pattern: str) -> tuple[str, int, str]:
    """Name before the frame, digits, name after it."""
    name = os.path.basename(pattern)
    places = list(_FRAME.finditer(name))
    if len(places) != 1:
        raise MediaError("must have one place for the frame", file=pattern, hint="such as ####")
    place = places[0]
    width = int(place[1] or 0) if place[0].startswith("%") else len(place[0])
    return name[: place.start()], width, name[place.end() :]


def in_view(pattern: str | Path, view: str) -> str:
    """``pattern`` with the view's name for ``%V`` and its first letter for ``%v``, as in Nuke.

    Raises GraphError when one of them is there and no view is named.
    """
    text = str(pattern)
    if not _VIEW.search(text):
        return text
    if not view:
        raise GraphError(
            f"'{text}': %V stands for a view, and none is named",
            hint="set 'view' of the plate's Read node, such as left",
        )
    name = _safe(view, "view")
    return _VIEW.sub(lambda found: name if found[0] == "%V" else name[0], text)


def at_frame(pattern: str | Path, frame: int) -> str:
    """``pattern`` with this frame's number in its place; unchanged if it has none."""
    folder, name = os.path.split(str(pattern))
    if not has_frame(name):
        return str(pattern)
    prefix, width, suffix = _split(name)
    return os.path.join(folder, f"{prefix}{frame:0{width}d}{suffix}")


def output_name(
    pattern: str | Path,
    *,
    frame: int | None = None,
    layer: str | None = None,
    version: int | None = None,
    view: str = "",
) -> str:
    """The path to write: ``{layer}``, ``{version}`` (three digits: ``v{version}`` is v001), the
    view (``in_view``) and the frame filled in.

    A frame of None leaves its place as it is, so that the result can be given to ``find``.
    ``{layer}`` and ``%V`` may stand in a folder's name too.

    Raises GraphError for ``%V`` without a view, for an unknown or unfilled field, and for the name
    of a layer or a view that would lead elsewhere on the disk.
    """
    text = in_view(pattern, view)
    given = {
        "layer": None if layer is None else _safe(layer, "layer"),
        "version": None if version is None else f"{version:03d}",
    }

    def fill(field: re.Match[str]) -> str:
        if field[1] not in given:
            raise GraphError(f"'{text}': unknown {field[0]}", hint=did_you_mean(field[1], given))
        value = given[field[1]]
        if value is None:
            raise GraphError(f"'{text}': there is nothing to put for {field[0]}", hint="remove it")
        return value

    if frame is not None:
        # first: a layer's name may itself hold a #
        text = at_frame(text, frame)
    return _FIELD.sub(fill, text)


def _safe(name: str, what: str) -> str:
    clean = name.strip()
    if not clean or clean != name or _UNSAFE.search(name) or name[0] in ".-~" or len(name) > 100:
        raise GraphError(
            f"the {what} '{name[:40]!a}' cannot be part of a file's name",
            hint="rename it with letters, digits, _ and -",
        )
    return name
