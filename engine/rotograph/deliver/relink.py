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
from rotograph.deliver.media_root import PICTURES, Found, as_pattern, found_below, plain
from rotograph.deliver.otio_cut import library
from rotograph.deliver.otio_media import Media, own_counts, place, range_told
from rotograph.errors import MediaError, MissingFrame, RotographError
from rotograph.movie import EXTENSIONS as MOVIES
from rotograph.stamped import KEY_ATTRIBUTE

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
        named, still = _named(clip.clip.media_reference), _is_still(clip.clip.media_reference)
        for text in named:
            for path, how in self._places(text, still):
                pattern = self._present(path, still)
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

    def _places(self, text: str, still: bool) -> Iterator[tuple[Path, str]]:
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
            found = Path(one)
            yield found.parent / parts[-1] if still else found, "moved, found by its name"

    def _present(self, path: Path, still: bool) -> str | None:
        """What Read would be told for a path of the cut, if that is there."""
        text = str(path)
        if still or path.suffix.lower() in MOVIES:
            return text if path.is_file() else None
        pattern = str(path.parent / as_pattern(path.name))
        for candidate in dict.fromkeys((pattern, text)):
            try:
                if sequence.find(candidate).frames and not self._ours(candidate):
                    return candidate
            except MediaError:
                continue
        return None

    def _ours(self, pattern: str) -> bool:
        """Whether these are mattes of ours, which may be called as a plate is."""
        plate = self._plate(pattern)
        return KEY_ATTRIBUTE in plate.spec(plate.frames[0]).attributes

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
            try:
                if self._ours(one.pattern):
                    continue
                seen.append(one.pattern)
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
        plate = self._plate(pattern)
        rate = clip.used.start_time.rate
        counts = own_counts(pattern, plate, rate, "relinked by reel and timecode")
        # its timecode says more than how its files are numbered
        for placed in sorted(counts, key=lambda one: one.at == plate.frames[0]):
            try:
                placed.wanted(clip.used, 0)
            except MissingFrame:
                continue
            return placed
        raise MissingFrame("does not cover this timecode", file=pattern)

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
        plate, reference = self._plate(pattern), clip.clip.media_reference
        if _is_still(reference):
            rate = clip.used.start_time.rate
            return Media(pattern, plate.frames, plate.frames[0], 0.0, rate, how=how, still=True)
        return place(pattern, plate, reference, clip.used, how)


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


def _is_still(reference: Any) -> bool:
    """Whether it is one picture, which a cut shows for as long as it likes."""
    [*_, text] = _named(reference) or [""]
    available = reference.available_range
    return (
        Path(text).suffix.lower() in PICTURES
        and not isinstance(reference, library().schema.ImageSequenceReference)
        and not sequence.has_frame(text)
        and available is not None
        and 0 < available.duration.value <= 1
    )


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
    # a clip may be called as its file is
    bare = [Path(t).stem for t in texts if Path(t).suffix.lower() in (*MOVIES, *PICTURES)]
    return list(dict.fromkeys([*texts, *bare]))
