"""How a plate's frame numbers lie in the time of a clip that uses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rotograph import media
from rotograph.attribute import Attribute
from rotograph.deliver.otio_cut import library
from rotograph.errors import MissingFrame
from rotograph.frames import format_frames


@dataclass(frozen=True)
class Media:
    """A clip's plate, and how its frame numbers lie in the clip's time.

    pattern: for Read. frames: the numbers that are there. first, at: frame ``first`` is the
    media's moment ``at``, counted in frames of ``rate``. step: between the numbers of neighbours.
    how: how it was found.
    """

    pattern: str
    frames: Sequence[int]
    first: int
    at: float
    rate: float
    step: int = 1
    how: str = "as the cut names it"

    def number(self, moment: float) -> int:
        """The frame shown at a moment (in frames of ``rate``, as ``at`` is)."""
        return self.first + math.floor(moment - self.at + 1e-4) * self.step

    def moment(self, number: int) -> float:
        """The reverse of ``number``."""
        return self.at + (number - self.first) // self.step

    def wanted(self, used: Any, handles: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(frames used, the same with as many handles as the media has), as plate numbers.

        used: OTIO's TimeRange. Raises MissingFrame when a used frame is not there at all.
        """
        begin = used.start_time.rescaled_to(self.rate).value
        # a used range may begin and end within a frame: the frame is needed
        final = begin + used.duration.rescaled_to(self.rate).value - 1
        low, high = self.number(begin), self.number(max(begin, math.ceil(final - 1e-4)))
        needed = tuple(range(low, high + 1, self.step))
        there = range(self.frames[0], self.frames[-1] + 1)
        if needed[0] not in there or needed[-1] not in there:
            raise MissingFrame(
                f"the cut uses {format_frames(needed)}, but the media has "
                f"{format_frames(self.frames)}",
                file=self.pattern,
                hint="get the rest of the media, or trim the clip",
            )
        wide = range(low - handles * self.step, high + handles * self.step + 1, self.step)
        known = set(self.frames)
        # only from the used range outward, up to the first frame that is not there
        before = _reach(reversed([n for n in wide if n < low]), known)
        after = _reach([n for n in wide if n > high], known)
        return needed, (*reversed(before), *needed, *after)


def _reach(numbers: Any, known: set[int]) -> list[int]:
    out = []
    for number in numbers:
        if number not in known:
            break
        out.append(number)
    return out


def timecode_of(plate: media.Plate, rate: float) -> float | None:
    """The media's own timecode on its first frame, in frames of ``rate``."""
    code = plate.spec(plate.frames[0]).attributes.get("timeCode")
    if not isinstance(code, Attribute) or code.type != "timecode":
        return None
    word = int(code.value[0])

    def digits(shift: int, tens: int) -> int:
        return (word >> shift & 15) + 10 * (word >> (shift + 4) & tens)

    frames, seconds, minutes, hours = digits(0, 3), digits(8, 7), digits(16, 7), digits(24, 3)
    drop = ";" if word & 0x40 else ":"
    text = f"{hours:02d}:{minutes:02d}:{seconds:02d}{drop}{frames:02d}"
    try:
        return library().opentime.from_timecode(text, rate).value
    except ValueError:
        return None


def range_told(used: Any) -> str:
    """A range as timecode where that can be, for a message."""
    try:
        return f"{used.start_time.to_timecode()} + {used.duration.value:.0f} frames"
    except ValueError:
        return f"{used.start_time.value:.0f} + {used.duration.value:.0f} frames"
