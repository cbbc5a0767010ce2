"""How a plate's frame numbers lie in the time of a clip that uses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rotograph import media
from rotograph.deliver.otio_cut import library
from rotograph.errors import MissingFrame
from rotograph.frames import format_frames
from rotograph.timecode import told_timecode


@dataclass(frozen=True)
class Media:
    """A clip's plate, and how its frame numbers lie in the clip's time.

    pattern: for Read. frames: the numbers that are there. first, at: frame ``first`` is the
    media's moment ``at``, counted in frames of ``rate``. step: between the numbers of neighbours.
    how: how it was found. still: one picture that is shown for as long as the clip lasts.
    """

    pattern: str
    frames: Sequence[int]
    first: int
    at: float
    rate: float
    step: int = 1
    how: str = "as the cut names it"
    still: bool = False

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
        if self.still:
            return (self.first,), (self.first,)
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


def place(pattern: str, plate: media.Plate, reference: Any, used: Any, how: str) -> Media:
    """Media with its frames laid into the clip's time: as the reference counts, else as the files
    are numbered, else by the media's own timecode, else (movies) from 0.

    reference: OTIO's. used: OTIO's TimeRange, in the clip's time. Raises MissingFrame when none of
    these covers where ``used`` begins; that the media ends too soon is for ``wanted`` to say.
    """
    otio = library()
    frames = plate.frames
    stills = isinstance(plate, media.Stills)
    available = reference.available_range
    counted = isinstance(reference, otio.schema.ImageSequenceReference)
    fits = []
    if counted:
        rate = reference.rate or used.start_time.rate
        at = 0.0 if available is None else available.start_time.rescaled_to(rate).value
        step = max(1, reference.frame_step)
        fits.append(Media(pattern, frames, reference.start_frame, at, rate, step, how))
    elif available is not None and available.duration.value > 0:
        rate, at = available.start_time.rate, available.start_time.value
        begins = used.start_time.rescaled_to(rate).value
        ends = begins + used.duration.rescaled_to(rate).value
        if at <= begins + 1e-4 and ends <= at + available.duration.value + 1e-4:
            # a sequence that is numbered by the same count, perhaps with more at its ends
            same = stills and int(at) in range(frames[0], frames[-1] + 1)
            return Media(pattern, frames, int(at) if same else frames[0], at, rate, how=how)
    rate = used.start_time.rate if available is None else available.start_time.rate
    fits += own_counts(pattern, plate, rate, how)
    begins = used.start_time
    for one in fits:
        moment = begins.rescaled_to(one.rate).value
        # by the first picture alone: that the last ones are missing is for ``wanted`` to say
        if one.at <= moment + 1e-4 and frames[0] <= one.number(moment) <= frames[-1]:
            return one
    if counted:
        return fits[0]
    raise MissingFrame(
        f"neither its numbers ({format_frames(frames)}) nor its timecode cover {range_told(used)}",
        file=pattern,
        hint="get the rest of the media, or correct the clip's source range",
    )


def own_counts(pattern: str, plate: media.Plate, rate: float, how: str) -> list[Media]:
    """How a plate itself may count its frames, the likeliest first."""
    stills = isinstance(plate, media.Stills)
    counts = [float(plate.frames[0]) if stills else None, timecode_of(plate, rate)]
    counts += [] if stills else [0.0]
    return [
        Media(pattern, plate.frames, plate.frames[0], at, rate, how=how)
        for at in counts
        if at is not None
    ]


def _reach(numbers: Any, known: set[int]) -> list[int]:
    out = []
    for number in numbers:
        if number not in known:
            break
        out.append(number)
    return out


def timecode_of(plate: media.Plate, rate: float) -> float | None:
    """The media's own timecode on its first frame, in frames of ``rate``."""
    text = told_timecode(plate.spec(plate.frames[0]).attributes)
    if text is None:
        return None
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
