"""Frame numbers as text, such as ``1001-1100x2,1200``: read and written."""

from __future__ import annotations

from collections.abc import Iterable

import fileseq

from rotograph.errors import RotographError, shown

MOST = 1_000_000
"""Frames that a text may name: half a day at 24 a second."""
_EXAMPLE = "write such as 1001-1100, 1001-1100x2 or 1001,1005-1010"


def parse_frames(text: str) -> tuple[int, ...]:
    """The frames that ``text`` names, sorted, each once.

    A comma-separated list of numbers (``1001``, ``-5``), ranges (``1001-1100``, ``-10--5``, also
    backwards), ranges with a step (``1001-1100x2``), and fileseq's other two: ``1-10y3`` (all but
    every third) and ``1-10:3`` (the same frames as ``1-10``).

    Raises RotographError when the text means no whole frame or more than a million.
    """
    if set(text) & set("#@"):  # fileseq would pass over its own padding
        raise RotographError(f"frames {shown(text)} cannot be read", hint=_EXAMPLE)
    if _spanned(text) > MOST:
        raise RotographError(f"frames {shown(text)} are more than a million", hint=_EXAMPLE)
    try:
        found = set(fileseq.FrameSet(text))
    except (fileseq.ParseException, ValueError, ArithmeticError) as error:
        raise RotographError(f"frames {shown(text)} cannot be read", hint=_EXAMPLE) from error
    if not found or any(frame != int(frame) for frame in found):
        raise RotographError(f"frames {shown(text)} are not whole frame numbers", hint=_EXAMPLE)
    return tuple(sorted(map(int, found)))


def _spanned(text: str) -> float:
    """How many frames the ranges of a text count at most, known before any of them is made."""
    ranges = [fileseq.FrameSet.FRANGE_RE.match(part) for part in "".join(text.split()).split(",")]
    return sum(
        abs(float(found[2] or found[1]) - float(found[1]))
        / (abs(float(found[4])) or 1.0 if found[3] == "x" else 1.0)
        + 1
        for found in ranges
        if found is not None
    )


def format_frames(frames: Iterable[int]) -> str:
    """The shortest text that ``parse_frames`` reads as these frames; empty for none."""
    numbers = sorted(set(frames))
    return fileseq.framesToFrameRange(numbers, sort=False, compress=False) if numbers else ""
