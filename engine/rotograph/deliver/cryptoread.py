"""Cryptomatte, read: which ones an EXR has, what their layers are called, and the alpha of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from rotograph import exr
from rotograph.deliver.cryptomatte import PREFIX, identify
from rotograph.errors import DamagedFile, MediaError, did_you_mean
from rotograph.exrheader import Part
from rotograph.image import Image
from rotograph.regular import open_file

_LONG = ("red", "green", "blue", "alpha")
_HEX = re.compile(r"<([0-9a-f]{8})>")
_LARGEST = 64 << 20
"""Bytes of a manifest beside a file; a render with a million names has about this much."""


@dataclass(frozen=True)
class Source:
    """One Cryptomatte of a file, known from its header.

    part: index of the part that holds it. channels: id and coverage in turn, strongest first.
    manifest: name -> id; empty when the file has none. lost: the manifest's file, if that is gone.
    """

    name: str
    part: int
    channels: tuple[str, ...]
    manifest: Mapping[str, int]
    lost: str | None = None

    def identity(self, layer: str) -> int:
        """The id of a layer: from the manifest, as ``<1a2b3c4d>``, or from the name itself."""
        if layer in self.manifest:
            return self.manifest[layer]
        literal = _HEX.fullmatch(layer)
        return int(literal[1], 16) if literal else identify(layer)


@dataclass(frozen=True, eq=False)
class Cryptomatte:
    """A Cryptomatte's pixels: ``image`` has the channels of ``source``, float32."""

    source: Source
    image: Image

    def alpha(self, layer: str) -> np.ndarray:
        """``(H, W)`` float32 in [0, 1] over the data window: 0 for a layer that is not there."""
        return coverage(self.image.pixels, self.source.identity(layer))

    def ids(self) -> set[int]:
        """The ids of all layers that cover anything."""
        pairs = self.image.pixels
        return {int(i) for i in np.unique(_bits(pairs)[pairs[..., 1::2] > 0])} - {0}


def coverage(pairs: np.ndarray, identity: int) -> np.ndarray:
    """The alpha of an id: ``(H, W)`` float32 in [0, 1], the sum of its ranks.

    pairs: ``(H, W, 2N)`` float32, id and coverage in turn.
    """
    own = np.where(_bits(pairs) == identity, pairs[..., 1::2], np.float32(0.0))
    return np.nan_to_num(own.sum(axis=-1)).clip(0.0, 1.0)


def _bits(pairs: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pairs[..., 0::2], dtype=np.float32).view(np.uint32)


def find(path: str | Path) -> tuple[Source, ...]:
    """Every Cryptomatte of a file, in the file's order; none for a file without.

    Raises MediaError and DamagedFile.
    """
    found = []
    for part in exr.parts(path):
        told: dict[str, dict[str, str]] = {}
        for name, value in part.attributes.items():
            key, _, field = name.removeprefix(PREFIX).rpartition("/")
            if name.startswith(PREFIX) and key and isinstance(value, str):
                told.setdefault(key, {})[field] = value
        for fields in told.values():
            channels = _channels(part, fields.get("name", ""))
            if channels:
                manifest, lost = _manifest(Path(path), fields)
                found.append(Source(fields["name"], part.index, channels, manifest, lost))
    return tuple(found)


def choose(path: str | Path, name: str | None = None) -> Source:
    """The file's Cryptomatte of that name, by default its first. Raises MediaError, DamagedFile."""
    found = find(path)
    if not found:
        raise MediaError("holds no Cryptomatte", file=path, hint="name a file that does")
    chosen = found[0] if name is None else next((s for s in found if s.name == name), None)
    if chosen is None:
        hint = did_you_mean(str(name), [s.name for s in found])
        raise MediaError(f"has no Cryptomatte '{name}'", file=path, hint=hint)
    return chosen


def read(path: str | Path, name: str | None = None) -> Cryptomatte:
    """A Cryptomatte of a file, by default its first. Raises MediaError and DamagedFile."""
    source = choose(path, name)
    return Cryptomatte(source, exr.read(path, part=source.part, channels=source.channels))


def _channels(part: Part, name: str) -> tuple[str, ...]:
    """R, G, B and A of level 00, 01 …, whichever of the two ways they are spelled."""
    spelled = {}
    for channel in part.channels:
        layer, _, last = channel.name.rpartition(".")
        short = _LONG.index(last.lower()) if last.lower() in _LONG else "rgba".find(last.lower())
        if short >= 0 and len(last) in (1, len(_LONG[short])) and channel.type == "float":
            spelled[layer, short] = channel.name
    out: list[str] = []
    while name and all((f"{name}{len(out) // 4:02d}", i) in spelled for i in range(4)):
        out += [spelled[f"{name}{len(out) // 4:02d}", i] for i in range(4)]
    return tuple(out)


def _manifest(path: Path, fields: Mapping[str, str]) -> tuple[dict[str, int], str | None]:
    """Name -> id, from the header or the file beside; and that file's name if it is gone."""
    text, file, lost = fields.get("manifest"), path, None
    beside = fields.get("manif_file")
    if beside:
        # the specification: relative to the EXR's folder, with slashes, and never above it
        named = PurePosixPath(beside)
        if named.is_absolute() or ".." in named.parts or "\\" in beside or ":" in beside:
            raise DamagedFile(
                "its manifest lies outside its folder", file=path, hint="put it beside the EXR"
            )
        where = path.parent / named
        try:
            with open_file(where) as stream:
                text, file = stream.read(_LARGEST).decode("utf-8"), where
        except (MediaError, OSError, UnicodeDecodeError):
            lost = beside
    if not text:
        return {}, lost
    try:
        listed = json.loads(text)
        return {str(n): int(i, 16) & 0xFFFFFFFF for n, i in listed.items()}, lost
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise DamagedFile(
            "its Cryptomatte manifest cannot be read", file=file, hint="render it again"
        ) from None
