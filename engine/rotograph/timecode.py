"""Count a timecode forward, and put it the way an EXR keeps it."""

from __future__ import annotations

from fractions import Fraction

from rotograph.attribute import Attribute


def timecode(start: str, rate: Fraction, offset: int) -> Attribute | None:
    """EXR's ``timeCode`` of the frame ``offset`` after ``start``; None if that is no timecode.

    start: ``HH:MM:SS:FF``, with ``;`` before the frames for drop-frame counting. SMPTE 12M: EXR
    keeps the digits in binary-coded decimal, and the drop-frame flag in bit 6.
    """
    drop = ";" in start
    try:
        hours, minutes, seconds, frames = map(int, start.replace(";", ":").split(":"))
    except ValueError:
        return None
    base = round(rate)
    if base < 1 or base > 99:
        return None
    skipped = round(base / 15) if drop else 0  # frame numbers left out at most full minutes
    total = 60 * hours + minutes
    count = (60 * total + seconds) * base + frames - skipped * (total - total // 10) + offset
    if drop:
        ten, rest = divmod(count, 600 * base - 9 * skipped)
        later = max(0, rest - 60 * base) // (60 * base - skipped) + 1 if rest >= 60 * base else 0
        count += skipped * (9 * ten + later)
    whole, frames = divmod(count, base)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    digits = (frames, seconds, minutes, hours % 24)
    word = sum(((d // 10) << 4 | d % 10) << (8 * i) for i, d in enumerate(digits))
    return Attribute.of("timecode", word | (0x40 if drop else 0), 0)
