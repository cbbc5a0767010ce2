"""Frame numbers as text, such as ``1001-1100x2,1200``: read and written."""

from __future__ import annotations

from collections.abc import Iterable

import fileseq

from rotograph.errors import RotographError

_EXAMPLE = "write such as 1001-1100, 1001-1100x2 or 1001,1005-1010"


def parse_frames(text: str) -> tuple[int, ...]:
    """The frames that ``text`` names, sorted, each once.

    A comma-separated list of numbers (``1001``, ``-5``), ranges (``1001-1100``, ``-10--5``, also
    backwards), ranges with a step (``1001-1100x2``), and fileseq's other two: ``1-10y3`` (all but
    every third) and ``1-10:3`` (the same frames as ``1-10``).

    Raises RotographError when the text means no whole frame or more than ten million.
    """
    try:
        found = fileseq.FrameSet(text)
        frames = {int(frame) for frame in found if frame == int(frame)}
        if frames and len(frames) == len(set(found)):
            return tuple(sorted(frames))
    except fileseq.MaxSizeException as error:
        raise RotographError(f"frames '{text}' are more than ten million", hint=_EXAMPLE) from error
    except (fileseq.ParseException, ValueError) as error:
        raise RotographError(f"frames '{text}' cannot be read", hint=_EXAMPLE) from error
    raise RotographError(f"frames '{text}' are not whole frame numbers", hint=_EXAMPLE)


def format_frames(frames: Iterable[int]) -> str:
    """The shortest text that ``parse_frames`` reads as these frames; empty for none."""
    numbers = sorted(set(frames))
    return fileseq.framesToFrameRange(numbers, sort=False, compress=False) if numbers else ""
