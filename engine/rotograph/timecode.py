"""Timecodes as an EXR keeps them: counted forward and put there, and told again."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

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


def told_timecode(attributes: Mapping[str, Any]) -> str | None:
    """An image's own timecode as ``HH:MM:SS:FF`` (``;`` before the frames of drop-frame counting);
    None when its attributes have none."""
    code = attributes.get("timeCode")
    if not isinstance(code, Attribute) or code.type != "timecode":
        return None
    word = int(code.value[0])
    frames, seconds, minutes, hours = (
        (word >> shift & 15) + 10 * (word >> (shift + 4) & tens)
        for shift, tens in ((0, 3), (8, 7), (16, 7), (24, 3))
    )
    drop = ";" if word & 0x40 else ":"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{drop}{frames:02d}"
