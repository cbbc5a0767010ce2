"""What went wrong on many frames, told in one line for each cause."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from pathlib import Path

from rotograph.errors import RotographError
from rotograph.frames import format_frames


def by_cause(errors: Iterable[RotographError]) -> list[str]:
    """A line for each cause, in order: ``track, frames 1001-1040, plate.####.exr: damaged …``.

    Errors are alike when they differ in their frame only, and in the frame's number in their file.
    """
    alike: dict[tuple[object, ...], list[RotographError]] = {}
    for error in errors:
        named = (type(error), error.node, _pattern(error), error.message, error.hint)
        alike.setdefault(named, []).append(error)
    return [_line(found) for found in alike.values()]


def _pattern(error: RotographError) -> str | None:
    """The file, with #### for the frame's number."""
    if error.file is None or error.frame is None:
        return error.file
    folder, name = str(Path(error.file).parent), Path(error.file).name
    digits = re.compile(rf"(?<!\d)0*{error.frame}(?!\d)")
    return str(Path(folder, digits.sub(lambda found: "#" * len(found[0]), name)))


def _line(found: list[RotographError]) -> str:
    if len(found) == 1:
        return str(found[0])
    one = copy.copy(found[0])
    frames = format_frames(e.frame for e in found if e.frame is not None)
    one.node = ", ".join(part for part in (one.node, f"frames {frames}") if part)
    one.file, one.frame = _pattern(found[0]), None
    return str(one)
