"""What a delivery leaves for editorial: the cut with tracks of mattes added, and a list as CSV."""

from __future__ import annotations

import copy
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotograph.deliver.clips import CutClip
from rotograph.deliver.flags import Flag, runs
from rotograph.deliver.otio_cut import OURS, Cut, library
from rotograph.deliver.otio_media import Media
from rotograph.errors import MediaError
from rotograph.frames import format_frames
from rotograph.whole import write_whole

FORMAT = 1
_PLACE = re.compile(r"(.*?)(#+|@+|%0?(\d*)d)(.*)", re.DOTALL)
_COLOURS = {"drop-out": "RED", "swap": "MAGENTA", "flicker": "ORANGE", "low confidence": "YELLOW"}
COLUMNS = (
    *("shot", "clip", "track", "status", "reason", "record_in", "record_out", "source_in"),
    *("source_out", "speed", "media", "found", "used_frames", "delivered_frames", "files"),
    *("layers", "lowest_confidence", "needs_look"),
)


@dataclass(frozen=True)
class Files:
    """One sequence that was written: of which Write node and layer, and its name with ``####``,
    relative to the delivery's folder."""

    writer: str
    layer: str | None
    pattern: str


@dataclass(frozen=True, eq=False)
class Delivered:
    """What became of one clip.

    status: delivered, planned, skipped, refused or failed; reason: why, when it is one of the
    last three. used, frames: plate numbers that the cut shows, and those with handles.
    computed: results that were made anew. written: files that were written now. confidence: the
    lowest of each layer.
    """

    clip: CutClip
    status: str
    reason: str = ""
    media: Media | None = None
    used: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    files: tuple[Files, ...] = ()
    layers: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    confidence: Mapping[str, float] = field(default_factory=dict)
    computed: int = 0
    written: int = 0
    plan: str = ""


def with_mattes(
    cut: Cut, delivered: Sequence[Delivered], graph: Path, handles: int, earlier: Iterable[Any]
) -> Any:
    """A copy of the cut's timeline with tracks of matte clips on top.

    earlier: matte clips of an earlier run for shots that this one was not asked for. There is one
    track for each kind of file and as many more as clips lie above each other.
    """
    otio = library()
    timeline = copy.deepcopy(cut.timeline)
    timeline.metadata[OURS] = {
        "format": FORMAT,
        "cut": str(cut.original),
        "cut_digest": cut.digest,
        "graph": str(graph),
        "handles": handles,
    }
    clips: dict[str, list[tuple[Any, Any]]] = {}
    for one in delivered:
        if one.status == "delivered":
            for files in one.files:
                clip = _matte_clip(otio, one, files)
                clips.setdefault(_track_name(files), []).append((one.clip.start, clip))
    now = {one.clip.shot for one in delivered}
    for clip in earlier:
        noted = clip.metadata[OURS]
        if noted.get("shot") not in now:
            start = otio.opentime.RationalTime(noted["record"], noted["record_rate"])
            clips.setdefault(noted["track"], []).append((start, copy.deepcopy(clip)))
    for name, placed in clips.items():
        for track in _tracks(otio, name, placed):
            timeline.tracks.append(track)
    return timeline


def _track_name(files: Files) -> str:
    return f"mattes {files.writer}" + (f" {files.layer}" if files.layer else "")


def _tracks(otio: Any, name: str, placed: list[tuple[Any, Any]]) -> list[Any]:
    """Clips at their record times, on as few tracks as do without overlap."""
    tracks: list[Any] = []
    ends: list[Any] = []
    for start, clip in sorted(placed, key=lambda p: p[0].to_seconds()):
        # a frame is not shared because two rates round it differently
        lane = next((i for i, end in enumerate(ends) if (start - end).to_seconds() > -1e-6), None)
        if lane is None:
            lane = len(tracks)
            text = name if not lane else f"{name} {lane + 1}"
            tracks.append(otio.schema.Track(text, kind=otio.schema.TrackKind.Video))
            tracks[lane].metadata[OURS] = {"format": FORMAT}
            ends.append(otio.opentime.RationalTime(0, start.rate))
        gap = start - ends[lane]
        if gap.to_seconds() > 1e-6:
            tracks[lane].append(otio.schema.Gap(duration=gap))
        tracks[lane].append(clip)
        ends[lane] = start + clip.source_range.duration
    return tracks


def _matte_clip(otio: Any, one: Delivered, files: Files) -> Any:
    time, media, clip = otio.opentime, one.media, one.clip
    folder, _, name = files.pattern.rpartition("/")
    prefix, place, digits, suffix = _PLACE.fullmatch(name).groups()
    width = len(place) if place[0] in "#@" else int(digits or 0)
    rate = media.rate
    count = (one.frames[-1] - one.frames[0]) // media.step + 1
    reference = otio.schema.ImageSequenceReference(
        target_url_base=f"{folder}/",
        name_prefix=prefix,
        name_suffix=suffix,
        start_frame=one.frames[0],
        frame_step=media.step,
        rate=rate,
        frame_zero_padding=width,
        missing_frame_policy=otio.schema.ImageSequenceReference.MissingFramePolicy.hold,
        available_range=time.TimeRange(
            time.RationalTime(media.moment(one.frames[0]), rate), time.RationalTime(count, rate)
        ),
    )
    made = otio.schema.Clip(
        name=f"{clip.name or clip.shot} {_track_name(files)}",
        media_reference=reference,
        source_range=clip.shown,
    )
    if not clip.speed:
        made.effects.append(otio.schema.FreezeFrame())
    elif clip.speed != 1:
        made.effects.append(otio.schema.LinearTimeWarp(time_scalar=clip.speed))
    made.metadata[OURS] = {
        "format": FORMAT,
        "shot": clip.shot,
        "clip": clip.name,
        "track": _track_name(files),
        "record": clip.start.value,
        "record_rate": clip.start.rate,
        "layers": [files.layer] if files.layer else list(one.layers),
        "plate": media.pattern,
        "used_frames": format_frames(one.used),
        "delivered_frames": format_frames(one.frames),
        "lowest_confidence": {n: round(c, 4) for n, c in one.confidence.items()},
    }
    for run in runs(f for f in one.flags if files.layer in (None, f.layer)):
        marker = otio.schema.Marker(
            name=str(run.worst),
            marked_range=time.TimeRange(
                time.RationalTime(media.moment(run.first), rate),
                time.RationalTime((run.last - run.first) // media.step + 1, rate),
            ),
            color=getattr(otio.schema.MarkerColor, _COLOURS[run.worst.kind]),
        )
        marker.metadata[OURS] = {
            "frames": run.frames,
            "worst_frame": run.worst.frame,
            "layer": run.worst.layer,
            "kind": run.worst.kind,
            "value": round(run.worst.value, 4),
        }
        made.markers.append(marker)
    return made


def read_list(path: Path) -> list[dict[str, str]]:
    """The rows of an earlier list; empty when there is none. Raises MediaError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [dict(row) for row in csv.DictReader(file) if row.get("shot")]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"cannot be read: {error}", file=path, hint="move it away") from None


def write_list(
    path: Path, cut: Cut, delivered: Sequence[Delivered], earlier: Iterable[Mapping[str, str]]
) -> None:
    """The delivery list: one row a clip, in UTF-8. Raises WriteError."""
    start = cut.timeline.global_start_time
    now = {one.clip.shot for one in delivered}
    rows = [row for row in earlier if row["shot"] not in now]
    rows += [_row(one, start) for one in delivered]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode("utf-8", "replace"))


def _row(one: Delivered, start: Any) -> dict[str, str]:
    clip, media = one.clip, one.media
    row = {
        "shot": clip.shot,
        "clip": _harmless(clip.name),
        "track": _harmless(clip.track),
        "status": one.status,
        "reason": _harmless(one.reason),
        "speed": f"{clip.speed:g}",
    }
    if clip.start is not None:
        begin = clip.start if start is None else clip.start + start
        row |= {"record_in": _code(begin), "record_out": _code(begin + clip.duration)}
        row |= {
            "source_in": _code(clip.shown.start_time),
            "source_out": _code(clip.shown.end_time_exclusive()),
        }
    if media is not None:
        row |= {
            "media": _harmless(media.pattern),
            "found": media.how,
            "used_frames": format_frames(one.used),
            "delivered_frames": format_frames(one.frames),
        }
    look = sorted({f.frame for f in one.flags})
    return row | {
        "files": " ".join(f.pattern for f in one.files),
        "layers": " ".join(one.layers),
        "lowest_confidence": f"{min(one.confidence.values()):.3f}" if one.confidence else "",
        "needs_look": format_frames(look),
    }


def _code(moment: Any) -> str:
    try:
        return moment.to_timecode()
    except ValueError:  # negative, or of a rate that has no timecode
        return f"{moment.value:g}"


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
