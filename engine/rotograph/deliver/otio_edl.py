"""What an EDL (CMX 3600) leaves open, settled before OTIO's adapter reads it.

``FCM: DROP FRAME`` says how the timecodes after it count, which the adapter would not know; and
lists are a frame or two off where rates were rounded, which it would refuse as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rotograph.deliver.otio_cut import library

_CODE = r"(\d\d[:;.]\d\d[:;.]\d\d)([:;.,])(\d\d)"
_EVENT = re.compile(r"^\s*\d+\s.*?" + r"\s+".join([_CODE] * 4) + r"\s*$")
_NOTE = re.compile(r"ROTOGRAPH: source (\d+) frames, record (\d+)")
NTSC = 30000 / 1001
ROUNDING = 2
"""Frames by which source and record may differ without a speed change: an export's rounding."""


def settled(text: str, rate: float | None) -> tuple[str, float]:
    """The list as the adapter understands it, and its rate (by default 24, of drop frame 29.97).

    Timecodes that drop frames get a semicolon: after ``FCM: DROP FRAME``, which may change for the
    sources along the way, but not for the record. Where source and record are not of one length
    though no speed change is noted, the record's holds, and a comment says so (see ``lengths``).
    Raises ValueError for a timecode that the rate does not have.
    """
    lines: list[str] = []
    drop, record = False, None
    for line in text.splitlines():
        if line.strip().upper().startswith("FCM"):
            drop = "NON" not in line.upper()
            record = drop if record is None else record
        found = _EVENT.match(line)
        if found:
            modes = (drop, drop, bool(record), bool(record))
            codes = [_told(*found.group(*range(3 * i + 1, 3 * i + 4)), modes[i]) for i in range(4)]
            line = f"{line[: found.start(1)]}{' '.join(codes)}"
        lines.append(line)
    rate = rate or (NTSC if any(";" in line and _EVENT.match(line) for line in lines) else 24.0)
    out: list[str] = []
    for index, line in enumerate(lines):
        found = _EVENT.match(line)
        notes = _notes(lines[index + 1 :])
        out += [line] if not found or _retimed(notes) else _of_one_length(line, found, rate)
    return "\n".join(out) + "\n", rate


def lengths(clip: Any) -> tuple[int, int] | None:
    """(source, record) frames of a clip where ``settled`` found them to differ."""
    own = clip.metadata.get("cmx_3600")
    for comment in own.get("comments", ()) if hasattr(own, "get") else ():
        found = _NOTE.search(str(comment))
        if found:
            return int(found[1]), int(found[2])
    return None


def _told(most: str, mark: str, frames: str, drop: bool) -> str:
    return f"{re.sub('[;.]', ':', most)}{';' if drop or mark in ';,' else ':'}{frames}"


def _notes(rest: Iterable[str]) -> list[str]:
    """The lines that belong to an event: up to the next that begins with a number."""
    out = []
    for line in rest:
        if line.lstrip()[:1].isdigit():
            break
        out.append(line.strip().upper())
    return out


def _retimed(notes: Iterable[str]) -> bool:
    return any(n.startswith("M2") or "FREEZE FRAME" in n for n in notes)


def _of_one_length(line: str, found: re.Match[str], rate: float) -> list[str]:
    time = library().opentime
    codes = line[found.start(1) :].split()
    source_in, source_out, record_in, record_out = (time.from_timecode(c, rate) for c in codes)
    source, record = (source_out - source_in).value, (record_out - record_in).value
    if source == record or min(source, record) <= 0:
        return [line]
    codes[1] = time.to_timecode(source_in + time.RationalTime(record, rate), rate, ";" in codes[0])
    return [
        f"{line[: found.start(1)]}{' '.join(codes)}",
        f"* ROTOGRAPH: source {source:.0f} frames, record {record:.0f}",
    ]
