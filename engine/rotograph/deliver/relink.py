"""Where a clip's media is on this machine, and which frame of it is which moment of the clip.

Media is found as the cut names it, else beside the cut, else under ``--media-root``: by the same
path further down, by the same file name, and at last by reel and timecode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from rotograph import media, sequence
from rotograph.deliver.clips import CutClip
from rotograph.deliver.media_root import Found, as_pattern, found_below, plain
from rotograph.deliver.otio_cut import library
from rotograph.deliver.otio_media import Media, range_told, timecode_of
from rotograph.errors import MediaError, MissingFrame, RotographError
from rotograph.frames import format_frames
from rotograph.movie import EXTENSIONS as MOVIES

_DRIVE = re.compile(r"^/?[A-Za-z]:[/\\]")


class Relink:
    """Finds the media of one cut's clips.

    folders: what relative paths are relative to. root: where media that moved may be.
    """

    def __init__(self, folders: Sequence[Path], root: Path | None) -> None:
        self.folders = folders
        self.root = None if root is None else root.absolute()
        self._start = 1
        self._open: dict[tuple[str, int], media.Plate] = {}

    def find(self, clip: CutClip, start: int = 1) -> Media:
        """The clip's media. start: the number that the graph gives a movie's first frame.

        Raises MediaError: MissingFrame when it is not there.
        """
        self._start = start
        named = _named(clip.clip.media_reference)
        for text in named:
            for path, how in self._places(text):
                pattern = self._present(path)
                if pattern is not None:
                    return self._placed(pattern, clip, how)
        found = self._by_reel(clip, named)
        if found is not None:
            return found
        hint = "check the path" if self.root else "say where it is now with --media-root"
        if named:
            raise MissingFrame("its media is not there", file=named[0], hint=hint)
        reel = ", ".join(_reels(clip))
        raise MissingFrame(
            f"the cut names no file{f', and no media of reel {reel} is there' if reel else ''}",
            hint=hint,
        )

    @cached_property
    def _index(self) -> list[Found]:
        return found_below(self.root)

    # -- by path -----------------------------------------------------------------------------

    def _places(self, text: str) -> Iterator[tuple[Path, str]]:
        slashed = text.replace("\\", "/") if "\\" in text and "/" not in text else text
        path = PurePosixPath(slashed)
        if _DRIVE.match(slashed):
            path = PurePosixPath(slashed.lstrip("/")[2:])
        elif path.is_absolute():
            yield Path(path), "as the cut names it"
        else:
            for folder in self.folders:
                yield folder / path, "as the cut names it"
        if self.root is None:
            return
        parts = [p for p in path.parts if p not in ("/", "..", ".")]
        for index in range(len(parts)):
            yield self.root.joinpath(*parts[index:]), "moved, found by its path"
        name = _loose(as_pattern(parts[-1])) if parts else ""
        fits = [one.pattern for one in self._index if name and _loose(one.name) == name]
        # of several, those whose folders are called the most like the cut's
        alike = [_alike(parts[:-1], Path(pattern).parent.parts) for pattern in fits]
        fits = [p for p, n in zip(fits, alike, strict=True) if n == max(alike)]
        if len(fits) > 1:
            raise MediaError(
                f"moved, and {len(fits)} below the media root have its name",
                file=text,
                hint=f"name a folder that holds one of them: {', '.join(fits[:3])}",
            )
        for one in fits:
            yield Path(one), "moved, found by its name"

    def _present(self, path: Path) -> str | None:
        """What Read would be told for a path of the cut, if that is there."""
        text = str(path)
        if path.suffix.lower() in MOVIES:
            return text if path.is_file() else None
        pattern = str(path.parent / as_pattern(path.name))
        for candidate in dict.fromkeys((pattern, text)):
            try:
                if sequence.find(candidate).frames:
                    return candidate
            except MediaError:
                continue
        return None

    # -- by reel and timecode ----------------------------------------------------------------

    def _by_reel(self, clip: CutClip, named: list[str]) -> Media | None:
        """The one media of the clip's reel whose timecode covers what is used."""
        reels = [plain(r) for r in _reels(clip)]
        if self.root is None or not reels:
            return None
        fits: list[Media] = []
        seen: list[str] = []
        for one in self._index:
            if not any(one.known_as(reel) for reel in reels):
                continue
            seen.append(one.pattern)
            try:
                fits.append(self._timed(one.pattern, clip))
            except RotographError:
                continue
        if len(fits) > 1:
            names = ", ".join(sorted(m.pattern for m in fits)[:3])
            raise MediaError(
                f"several media of reel {', '.join(_reels(clip))} cover this timecode",
                hint=f"keep one under the media root: {names}",
            )
        if not fits and seen:
            raise MissingFrame(
                f"no media of reel {', '.join(_reels(clip))} covers {range_told(clip.used)}",
                file=seen[0],
                hint="check the timecode of the media",
            )
        return fits[0] if fits else None

    def _timed(self, pattern: str, clip: CutClip) -> Media:
        """Media placed by its own timecode or numbering alone; raises MissingFrame if neither
        covers what is used."""
        how = "relinked by reel and timecode"
        plate = self._plate(pattern)
        rate = clip.used.start_time.rate
        for at in (timecode_of(plate, rate), float(plate.frames[0])):
            if at is not None:
                placed = Media(pattern, plate.frames, plate.frames[0], at, rate, how=how)
                try:
                    placed.wanted(clip.used, 0)
                except MissingFrame:
                    continue
                return placed
        raise MissingFrame("does not cover this timecode", file=pattern)

    # -- frame numbers -----------------------------------------------------------------------

    def _plate(self, pattern: str) -> media.Plate:
        name = (pattern, self._start)
        if name not in self._open:
            movie = Path(pattern).suffix.lower() in MOVIES
            plate = media.open(pattern, start=self._start if movie else None)
            plate.close()
            self._open[name] = plate
        return self._open[name]

    def _placed(self, pattern: str, clip: CutClip, how: str) -> Media:
        """Media with its frames laid into the clip's time."""
        otio = library()
        reference = clip.clip.media_reference
        plate = self._plate(pattern)
        frames = plate.frames
        movie = not isinstance(plate, media.Stills)
        available = reference.available_range
        if isinstance(reference, otio.schema.ImageSequenceReference):
            rate = reference.rate or clip.used.start_time.rate
            at = 0.0 if available is None else available.start_time.rescaled_to(rate).value
            step = max(1, reference.frame_step)
            return Media(pattern, frames, reference.start_frame, at, rate, step, how)
        if available is not None and available.duration.value > 0:
            rate = available.start_time.rate
            at = available.start_time.value
            begins = clip.used.start_time.rescaled_to(rate).value
            ends = begins + clip.used.duration.rescaled_to(rate).value
            covers = at <= begins + 1e-4 and ends <= at + available.duration.value + 1e-4
            if covers:
                # a sequence that is numbered by the same count, perhaps with more at its ends
                same = not movie and int(at) in range(frames[0], frames[-1] + 1)
                return Media(pattern, frames, int(at) if same else frames[0], at, rate, how=how)
        rate = clip.used.start_time.rate if available is None else available.start_time.rate
        counts = [] if movie else [float(frames[0])]
        counts += [timecode_of(plate, rate), *([0.0] if movie else [])]
        begins = clip.used.start_time.rescaled_to(rate).value
        for at in counts:
            # by the first picture alone: that the last ones are missing is for ``wanted`` to say
            if at is not None and at <= begins + 1e-4 and begins < at + frames[-1] - frames[0] + 1:
                return Media(pattern, frames, frames[0], at, rate, how=how)
        raise MissingFrame(
            f"neither its numbers ({format_frames(frames)}) nor its timecode cover "
            f"{range_told(clip.used)}",
            file=pattern,
            hint="get the rest of the media, or correct the clip's source range",
        )


def _named(reference: Any) -> list[str]:
    """The path that a media reference names, if it names one."""
    otio = library()
    if isinstance(reference, otio.schema.ImageSequenceReference):
        base = _local(reference.target_url_base or "")
        base += "/" if base and not base.endswith("/") else ""
        width = reference.frame_zero_padding
        place = f"%0{width}d" if width else "%d"
        return [f"{base}{reference.name_prefix}{place}{reference.name_suffix}"]
    url = getattr(reference, "target_url", None)
    return [_local(url)] if url else []


def _local(url: str) -> str:
    """A path out of a URL or of what stands there instead of one."""
    if not url.lower().startswith("file:"):
        return url
    # not urlsplit: a path with # or ? in it is no query
    text = url[5:]
    if text.startswith("//"):
        host, slash, rest = text[2:].partition("/")
        text = slash + rest if host.lower() in ("", "localhost") else f"//{host}{slash}{rest}"
    return unquote(text)


def _loose(name: str) -> str:
    """A file's name without its case and how many digits its number has."""
    return re.sub("#+", "#", name).casefold()


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders, from the last one up, have the same names."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a.casefold() != b.casefold():
            break
        count += 1
    return count


def _reels(clip: CutClip) -> list[str]:
    """What a clip's source may be called: its reel, tape or its own name."""
    out = []
    data = clip.clip.metadata
    for space in ("cmx_3600", "fcp_xml", "AAF", "fcpx"):
        own = data.get(space)
        if hasattr(own, "get"):
            out += [own.get(word) for word in ("reel", "tape_name", "TapeID", "reelname")]
    reference = clip.clip.media_reference
    out += [getattr(reference, "name", None), clip.name]
    texts = [str(text).strip() for text in out if isinstance(text, str) and plain(text)]
    return list(dict.fromkeys(texts))
