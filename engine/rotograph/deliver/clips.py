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

_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST = 80


@dataclass(frozen=True, eq=False)
class CutClip:
    """One clip where the cut shows it.

    shot: its name in files, the same on every run and never that of another clip. clip: OTIO's
    own. track: of the cut. start, duration: in record time. shown: the part of the clip's time
    that the cut shows, before any speed change. used: the part of the media that is needed for
    it, with transitions and speed. speed: media frames for each frame of the cut; 0 is a freeze.
    skip: why there is nothing to do. refused: why it cannot be done.
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
        found += _inside(otio, tracks, index, track, place, shown, shown.start_time, name)
    return _named(found)


def select(clips: Sequence[CutClip], patterns: Sequence[str]) -> list[CutClip]:
    """Those whose name or shot one of the patterns (``sc010*``) names; all, without patterns."""
    if not patterns:
        return list(clips)
    return [c for c in clips if any(fnmatchcase(n, p) for n in (c.name, c.shot) for p in patterns)]


def _walk(otio: Any, parent: Any, used: Any, start: Any, track: str) -> Iterator[CutClip]:
    """Clips of a composition, of whose own time ``used`` is shown from record time ``start``."""
    for index, child in enumerate(parent):
        if isinstance(child, otio.schema.Transition | otio.schema.Gap):
            continue
        try:
            place = parent.range_of_child_at_index(index)
        except Exception as error:
            yield from _lost(child, track, f"its place in the cut cannot be told: {_said(error)}")
            continue
        yield from _inside(otio, parent, index, child, place, used, start, track)


def _inside(
    otio: Any, parent: Any, index: int, child: Any, place: Any, used: Any, start: Any, track: str
) -> Iterator[CutClip]:
    if not getattr(child, "enabled", True):
        yield from _lost(child, track, "disabled in the cut", skip=True)
        return
    if place.duration.value <= 0:
        yield from _lost(child, track, "has no length", skip=True)
        return
    first = max(place.start_time, used.start_time)
    last = min(place.end_time_exclusive(), used.end_time_exclusive())
    if last <= first:
        yield from _lost(child, track, "trimmed away", skip=True)
        return
    own = _own(otio, child)
    begin = own.start_time + (first - place.start_time)
    shown = otio.opentime.TimeRange(begin, (last - first).rescaled_to(begin.rate))
    at = start + (first - used.start_time)
    if isinstance(child, otio.schema.Clip):
        handles = (None, None)
        if isinstance(parent, otio.schema.Track):
            handles = parent.handles_of_child(child)
        yield _clip(otio, child, track, at, last - first, shown, own.start_time, handles)
    elif isinstance(child, otio.core.Composition):
        if any(isinstance(e, otio.schema.TimeEffect) for e in child.effects):
            yield from _lost(child, track, "lies in a nested cut that is retimed; bake the speed")
        else:
            yield from _walk(otio, child, shown, at, track)


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
    shown: Any,
    origin: Any,
    handles: tuple[Any, Any],
) -> CutClip:
    made = CutClip("", clip, track, start, duration, shown)
    if isinstance(clip.media_reference, otio.schema.GeneratorReference):
        return replace(made, skip="is made by a generator and has no media")
    speed = 1.0
    for effect in clip.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):
            speed *= effect.time_scalar
        elif isinstance(effect, otio.schema.TimeEffect):
            return replace(made, refused="its speed changes along the way; bake it in the plate")
    if speed < 0:
        why = "is played backwards, and editors differ in where that begins; bake it in the plate"
        return replace(made, refused=why, speed=speed)
    # a transition shows media beyond the clip's own ends
    before, after = (h or otio.opentime.RationalTime(0, shown.start_time.rate) for h in handles)
    rate = shown.start_time.rate
    begin = shown.start_time - before.rescaled_to(rate)
    count = (shown.duration + before.rescaled_to(rate) + after.rescaled_to(rate)).value
    first = origin.rescaled_to(rate).value + (begin - origin).rescaled_to(rate).value * speed
    # the last picture begins speed x (count - 1) after the first
    length = (count - 1) * speed + 1
    used = otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(length, rate)
    )
    return replace(made, used=used, speed=speed)


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
