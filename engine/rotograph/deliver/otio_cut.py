"""A cut from any editor as one OpenTimelineIO timeline, or one line that says why not."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from rotograph.errors import MediaError, RotographError, WriteError, did_you_mean
from rotograph.whole import write_whole

OURS = "rotograph"
"""Our own name in OTIO's metadata."""

# what reads a file of this suffix: OTIO's name of the adapter, and the package that brings it
_READERS = {
    ".otio": ("otio_json", "opentimelineio"),
    ".edl": ("cmx_3600", "otio-cmx3600-adapter"),
    ".fcpxml": ("fcpx_xml", "otio-fcpx-xml-adapter"),
    ".xml": ("fcp_xml", "otio-fcp-adapter"),
    ".aaf": ("AAF", "otio-aaf-adapter"),
}
_EXTRA = "pip install 'rotograph[otio]'"


@dataclass(frozen=True, eq=False)
class Cut:
    """One timeline as its editor made it, without what an earlier delivery added.

    folders: what relative media paths may be relative to, nearest first. original: the file that
    was delivered for first: that of the delivery's own word when ``path`` is a delivery.
    digest: of the timeline's content. noted: what an earlier delivery said of itself, and earlier:
    the matte clips that it added.
    """

    path: Path
    original: Path
    timeline: Any
    folders: tuple[Path, ...]
    digest: str
    noted: Mapping[str, Any] | None = None
    earlier: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return self.original.stem


def library() -> Any:
    """OpenTimelineIO; raises RotographError that names the extra when it is not installed."""
    try:
        import opentimelineio
    except ImportError:
        raise RotographError(
            "cuts need the package 'opentimelineio'", hint=f"run {_EXTRA}"
        ) from None
    return opentimelineio


def read_cut(path: Path, *, rate: float | None = None, timeline: str | None = None) -> Cut:
    """Read .otio, .edl, .fcpxml, .xml or .aaf.

    rate: frames a second of an EDL, which does not say it itself (default 24). timeline: which
    one, of a file that holds several. Raises MediaError for a file that is not a cut or whose
    adapter is not installed.
    """
    otio = library()
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        what = "lists media, and is no cut" if suffix == ".ale" else "is no cut in a known format"
        raise MediaError(what, file=path, hint=f"give one of {', '.join(_READERS)}")
    if not path.is_file():
        raise MediaError("there is no such file", file=path, hint="check the path")
    adapter, package = _READERS[suffix]
    if adapter not in otio.adapters.available_adapter_names():
        raise MediaError(
            f"needs OTIO's adapter '{adapter}' of the package '{package}'",
            file=path,
            hint=f"run {_EXTRA}",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # adapters warn of what their authors would change
            read = _read(otio, path, adapter, rate)
    except MediaError:
        raise
    except Exception as error:  # adapters raise whatever their parser met
        raise _unreadable(error, path, suffix) from None
    return _cut(otio, path, _one(otio, read, path, timeline))


def _read(otio: Any, path: Path, adapter: str, rate: float | None) -> Any:
    if adapter == "cmx_3600":
        from rotograph.deliver.otio_edl import settled

        if rate:
            exact = otio.opentime.RationalTime.nearest_smpte_timecode_rate(rate)  # 23.976 in full
            rate = exact if abs(exact - rate) < 0.01 else rate
        text, rate = settled(path.read_bytes().decode("utf-8-sig", "replace"), rate)
        return otio.adapters.read_from_string(text, adapter, rate=rate)
    if adapter == "otio_json":
        try:
            return otio.adapters.read_from_file(str(path), adapter_name=adapter)
        except otio.exceptions.UnsupportedSchemaError:
            return otio.adapters.read_from_string(_older(path), adapter)
    return otio.adapters.read_from_file(
        str(path),
        adapter_name=adapter,
        media_linker_name=otio.media_linker.MediaLinkingPolicy.DoNotLinkMedia,
    )


def _older(path: Path) -> str:
    """What a newer OTIO wrote, as this one can read it: markers whose colours have numbers too."""

    def known(found: dict[str, Any]) -> dict[str, Any]:
        if found.get("OTIO_SCHEMA") == "Marker.3":
            colour = found.get("color")
            name = colour.get("name") if isinstance(colour, dict) else colour
            return {**found, "OTIO_SCHEMA": "Marker.2", "color": name or "RED"}
        return found

    return json.dumps(json.loads(path.read_bytes(), object_hook=known))


def _unreadable(error: Exception, path: Path, suffix: str) -> MediaError:
    """An adapter's error in one line, without what only its author understands."""
    said = " ".join(str(error).split())
    said = re.sub(r"^type mismatch while decoding: While reading object named ", "in ", said)
    said = re.sub(r"N14opentimelineio[0-9a-z_]*?\d+([A-Z]\w*?)E\b", r"\1", said)
    if isinstance(error, AttributeError | KeyError | IndexError | TypeError) or not said:
        said = f"its reader does not understand it ({type(error).__name__}: {said})"
    hint = "export it again, or as .otio"
    if suffix == ".edl" and "rate" in said.lower():
        hint = "say its frames per second with --rate, such as --rate 25"
    return MediaError(f"cannot be read as a cut: {said[:240]}", file=path, hint=hint)


def _one(otio: Any, read: Any, path: Path, wanted: str | None) -> Any:
    """The timeline in what was read; a bare track, stack or clip becomes one."""
    schema = otio.schema
    if isinstance(read, schema.Timeline):
        timelines = [read]
    elif isinstance(read, schema.SerializableCollection):
        timelines = list(read.find_children(descended_from_type=schema.Timeline))
        if not timelines:
            timelines = _bin(otio, read)
    elif isinstance(read, schema.Stack | schema.Track | schema.Clip):
        timelines = [schema.Timeline(name=read.name)]
        timelines[0].tracks.append(_in_track(otio, read))
    else:
        name = getattr(read, "original_schema_name", None) or type(read).__name__
        raise MediaError(f"holds a {name} and no timeline", file=path, hint="export a timeline")
    if wanted is not None:
        timelines = [t for t in timelines if t.name == wanted] or timelines
        if timelines[0].name != wanted:
            names = [t.name for t in timelines]
            raise MediaError(
                f"has no timeline '{wanted}'", file=path, hint=did_you_mean(wanted, names)
            )
    if not timelines:
        raise MediaError("holds no timeline", file=path, hint="export a timeline or a project")
    if len(timelines) > 1:
        names = ", ".join(f"'{t.name}'" for t in timelines[:6])
        raise MediaError(
            f"holds {len(timelines)} timelines", file=path, hint=f"choose by --timeline: {names}"
        )
    try:
        timelines[0].tracks.name, list(timelines[0].tracks)
    except (AttributeError, TypeError):
        raise MediaError(
            "has no tracks that this OTIO knows", file=path, hint="export it again"
        ) from None
    return timelines[0]


def _bin(otio: Any, read: Any) -> list[Any]:
    """Clips that are in no timeline, such as an event's, one after the other."""
    items = [c for c in read if isinstance(c, otio.schema.Clip | otio.schema.Stack)]
    if not items:
        return []
    timeline = otio.schema.Timeline(name=read.name)
    timeline.tracks.append(otio.schema.Track("V1", [copy.deepcopy(c) for c in items]))
    return [timeline]


def _in_track(otio: Any, item: Any) -> Any:
    if isinstance(item, otio.schema.Clip):
        track = otio.schema.Track(name="V1")
        track.append(item)
        return track
    return item


def _cut(otio: Any, path: Path, timeline: Any) -> Cut:
    """Take out what a delivery of ours added, so that the same cut is the same again."""
    path = path.absolute()
    added = dict(timeline.metadata[OURS]) if OURS in timeline.metadata else None
    original, earlier = path, []
    if added is not None:
        del timeline.metadata[OURS]
        original = Path(str(added.get("cut", path)))
        for index in reversed(range(len(timeline.tracks))):
            if OURS in timeline.tracks[index].metadata:
                earlier += [copy.deepcopy(c) for c in timeline.tracks[index] if OURS in c.metadata]
                del timeline.tracks[index]
    # beside a delivery lie mattes, and its plates only if the cut was there too
    folders = (original.parent if original.parent.is_dir() else path.parent,)
    return Cut(path, original, timeline, folders, _digest(otio, timeline), added, tuple(earlier))


def _digest(otio: Any, timeline: Any) -> str:
    """Of a timeline's content. OTIO's own JSON loses the last bits of a float now and then."""
    text = otio.adapters.write_to_string(timeline, "otio_json")
    content = json.loads(text, parse_float=lambda number: f"{float(number):.9g}")
    return xxhash.xxh3_128(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_timeline(path: Path, timeline: Any) -> None:
    """As .otio, whole or not at all. Raises WriteError."""
    otio = library()
    try:
        text = otio.adapters.write_to_string(timeline, "otio_json")
    except Exception as error:
        raise WriteError(
            f"cannot be written as OTIO: {error}", file=path, hint="report it"
        ) from None
    write_whole(path, text.encode("utf-8", "surrogatepass") + b"\n")
