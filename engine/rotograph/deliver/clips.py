"""Which clips a cut uses, and which part of each one's media: places, speed, transitions, names.

A clip's own time is the time of its media: frame counts at the clip's rate, as ``source_range``
has them. Record time is that of the whole cut.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from rotograph.deliver.otio_cut import Cut, library
from rotograph.deliver.otio_edl import ROUNDING, lengths

_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST = 80


@dataclass(frozen=True, eq=False)
class CutClip:
    """One clip where the cut shows it.

    shot: its name in files, the same on every run and never that of another clip. clip: OTIO's
    own. track: of the cut. start, duration: in record time. shown: the media's moment at which
    it begins, and for how long the cut shows it. used: the part of the media that is needed for
    it, with transitions and speed. speed: media frames for each frame of the cut; 0 is a freeze.
    skip: why there is nothing to do. refused: why it cannot be done. note: what else to know.
    """

    shot: str
    clip: Any
    track: str
    start: Any = None
    duration: Any = None
    shown: Any = None
    used: Any = None
    speed: float = 1.0
    skip: str = ""
    refused: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        return self.clip.name or ""


def clips_of(cut: Cut) -> list[CutClip]:
    """Every clip of the cut's video tracks, nested ones too, from the lowest track up."""
    otio = library()
    tracks = cut.timeline.tracks
    found: list[CutClip] = []
    try:
        shown = tracks.trimmed_range()
    except Exception as error:  # a clip without any range: its neighbours may still be placed
        shown, why = None, _said(error)
    for index, track in enumerate(tracks):
        name = track.name or f"{index + 1}"
        if getattr(track, "kind", None) == otio.schema.TrackKind.Audio:
            continue
        if shown is None:
            found += _lost(track, name, f"its place in the cut cannot be told: {why}")
            continue
        place = tracks.range_of_child_at_index(index)
        found += _inside(otio, tracks, track, place, _Seen(shown, shown.start_time, name))
    return _named(found)


def select(clips: Sequence[CutClip], patterns: Sequence[str]) -> list[CutClip]:
    """Those whose name or shot one of the patterns (``sc010*``) names; all, without patterns."""
    if not patterns:
        return list(clips)
    return [c for c in clips if any(fnmatchcase(n, p) for n in (c.name, c.shot) for p in patterns)]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is shown of something: ``used``, of its own time, from record time ``start`` on. scale:
    how much of its own time goes by in each moment of the record's. track: of the cut."""

    used: Any
    start: Any
    track: str
    scale: float = 1.0

    def record(self, moment: Any) -> Any:
        """The record time of one of its own moments."""
        return self.start + self.long(moment - self.used.start_time)

    def long(self, duration: Any) -> Any:
        """How long the record shows what lasts so long here."""
        return type(duration)(duration.value / self.scale, duration.rate)


def _walk(otio: Any, parent: Any, seen: _Seen) -> Iterator[CutClip]:
    """The clips of a composition."""
    for index, child in enumerate(parent):
        if isinstance(child, otio.schema.Transition | otio.schema.Gap):
            continue
        try:
            place = parent.range_of_child_at_index(index)
        except Exception as error:
            why = f"its place in the cut cannot be told: {_said(error)}"
            yield from _lost(child, seen.track, why)
            continue
        yield from _inside(otio, parent, child, place, seen)


def _inside(otio: Any, parent: Any, child: Any, place: Any, seen: _Seen) -> Iterator[CutClip]:
    if not getattr(child, "enabled", True):
        yield from _lost(child, seen.track, "disabled in the cut", skip=True)
        return
    if place.duration.value <= 0:
        yield from _lost(child, seen.track, "has no length", skip=True)
        return
    first = max(place.start_time, seen.used.start_time)
    last = min(place.end_time_exclusive(), seen.used.end_time_exclusive())
    if last <= first:
        yield from _lost(child, seen.track, "trimmed away", skip=True)
        return
    own = _own(otio, child)
    speed = _speed(otio, child)
    if speed is None or (speed < 0 or (speed == 0 and not isinstance(child, otio.schema.Clip))):
        yield from _lost(child, seen.track, _BAKE[speed is None])
        return
    # its own time, from where it begins, goes by at its own speed
    rate = own.start_time.rate
    offset = (first - place.start_time).rescaled_to(rate).value * speed
    begin = own.start_time + otio.opentime.RationalTime(offset, rate)
    if isinstance(child, otio.schema.Clip):
        handles = (None, None)
        if isinstance(parent, otio.schema.Track):
            handles = parent.handles_of_child(child)
        handles = tuple(None if h is None else seen.long(h) for h in handles)
        long = seen.long(last - first)
        yield _clip(
            otio, child, seen.track, seen.record(first), long, begin, speed * seen.scale, handles
        )
    elif isinstance(child, otio.core.Composition):
        length = otio.opentime.RationalTime((last - first).rescaled_to(rate).value * speed, rate)
        used = otio.opentime.TimeRange(begin, length)
        inner = _Seen(used, seen.record(first), seen.track, seen.scale * speed)
        yield from _walk(otio, child, inner)


_BAKE = {
    True: "its speed changes along the way; bake it in the plate",
    False: "is played backwards or stands still as a whole, and editors differ in where that "
    "begins; bake it in the plate",
}


def _speed(otio: Any, item: Any) -> float | None:
    """How fast an item is played; None when that changes along the way."""
    speed = 1.0
    for effect in item.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):
            speed *= effect.time_scalar
        elif isinstance(effect, otio.schema.TimeEffect):
            return None
    return speed


def _own(otio: Any, child: Any) -> Any:
    """The part of its own time that an item shows.

    EDL's adapter notes a track's record timecode as a range that begins before 0, which trims
    nothing.
    """
    own = child.trimmed_range()
    if isinstance(child, otio.schema.Track) and own.start_time.value < 0:
        return child.available_range()
    return own


def _clip(
    otio: Any,
    clip: Any,
    track: str,
    start: Any,
    duration: Any,
    begin: Any,
    speed: float,
    handles: Sequence[Any],
) -> CutClip:
    """handles: how long transitions show it before and after, in record time, or None."""
    time = otio.opentime
    rate = begin.rate
    shown = time.TimeRange(begin, duration.rescaled_to(rate))
    made = CutClip("", clip, track, start, duration, shown, speed=speed)
    if isinstance(clip.media_reference, otio.schema.GeneratorReference):
        return replace(made, skip="is made by a generator and has no media")
    off = lengths(clip)
    if off is not None:
        told = f"its source has {off[0]} frames and its record {off[1]}"
        if abs(off[0] - off[1]) > ROUNDING:
            return replace(made, refused=f"{told}, and no speed change is noted; correct the list")
        made = replace(made, note=f"{told}; the record's were taken")
    # a transition shows media beyond the clip's own ends
    before, after = (0.0 if h is None else h.rescaled_to(rate).value for h in handles)
    count = shown.duration.value + before + after
    first = time.RationalTime(begin.value - before * speed, rate)
    # the last picture begins speed x (count - 1) after the first
    length = time.RationalTime((count - 1) * speed + 1, rate)
    return replace(made, used=time.TimeRange(first, length))


def _lost(item: Any, track: str, why: str, *, skip: bool = False) -> Iterator[CutClip]:
    """The clips at or below ``item``, none of which can be delivered."""
    clips = [item] if not hasattr(item, "find_clips") else item.find_clips()
    for clip in clips:
        if hasattr(clip, "media_reference"):
            told = {"skip": why} if skip else {"refused": why}
            yield CutClip("", clip, track, **told)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _named(clips: list[CutClip]) -> list[CutClip]:
    """With a name for files: letters, digits, ``_ . + -``; the second of a name gets ``_2``."""
    taken: set[str] = set()
    out = []
    for index, clip in enumerate(clips):
        base = _file_name(clip.name) or f"clip_{index + 1:03d}"
        shot, count = base, 1
        while shot.casefold() in taken:  # disks may not tell A from a
            count += 1
            shot = f"{base}_{count}"
        taken.add(shot.casefold())
        out.append(replace(clip, shot=shot))
    return out


def _file_name(name: str) -> str:
    """A clip's name as a folder may be called; cut ones keep apart by a digest of the whole."""
    text = unicodedata.normalize("NFC", name).encode("utf-8", "replace").decode()
    clean = _UNSAFE.sub("_", text).strip("._-+")
    if len(clean.encode()) > _LONGEST:
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        clean = clean.encode()[: _LONGEST - 9].decode("utf-8", "ignore") + f"_{digest}"
    return clean
