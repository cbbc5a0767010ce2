"""The environment: everything outside a graph that its results depend on or are kept in.

It travels with every request, so that two shows on one machine do not leak into each other.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import xxhash

from rotograph import colour, exr, media
from rotograph.colour import Colour
from rotograph.declare import Leaf
from rotograph.digests import DigestIndex, Receipts, Stamp, stamp
from rotograph.errors import MediaError, RotographError
from rotograph.frozen import read_frozen
from rotograph.image import Image, ImageSpec
from rotograph.inline import read_inline
from rotograph.key import digest
from rotograph.models import Models
from rotograph.movie import EXTENSIONS as MOVIES
from rotograph.pack import unpack
from rotograph.stamped import KEY_ATTRIBUTE, as_written
from rotograph.store import Store

_ROWS = 8
"""Rows hashed at a time: what fits into the processor's second cache at 4096 pixels."""


@dataclass(frozen=True)
class OpenPlate:
    """A plate's media with the choice of part, layer and view made.

    still: one picture rather than a sequence. selection: the choice, for a Leaf.
    """

    media: media.Plate
    pattern: Path
    selection: tuple[tuple[str, str], ...]

    @property
    def frames(self) -> tuple[int, ...]:
        return tuple(self.media.frames)

    @property
    def movie(self) -> bool:
        return not isinstance(self.media, media.Stills)

    @property
    def still(self) -> bool:
        return not self.movie and self.media.sequence.single

    def spec(self, frame: int) -> ImageSpec:
        return self.media.spec(frame)

    def file(self, frame: int) -> Path:
        return self.media.file(frame)

    def path(self, frame: int) -> str:
        """Where the frame is, or would be."""
        return str(self.pattern if self.movie else self.media.sequence.path(frame))

    def place(self, frame: int) -> tuple[str, int | None, tuple[tuple[str, str], ...]]:
        """(file, number within a movie or None, selection), for a Leaf."""
        if self.movie:
            return str(self.pattern), frame - self.frames[0], self.selection
        return str(self.media.file(frame)), None, self.selection


def pixel_digest(image: Image) -> bytes:
    """16 bytes that name an image's pixels and geometry; attributes take no part.

    RGB, A and any other channels are hashed apart, as float32 with every NaN written as 1.0 (a
    host may do so), with xxh3-128: made to tell pictures apart, not to resist an attacker.
    """
    spec = image.spec
    names = spec.channels
    groups = (
        [names.index(c) for c in "RGB" if c in names],
        [names.index("A")] if "A" in names else [],
        [i for i, c in enumerate(names) if c not in ("R", "G", "B", "A")],
    )
    hashes = [xxhash.xxh3_128() for _ in groups]
    height, width, count = image.pixels.shape
    # written again and again, for fresh memory costs more than the hashing
    whole = np.empty((_ROWS, width, count), np.float32)
    parts = [np.empty((_ROWS, width, len(group)), np.float32) for group in groups]
    for row in range(0, height if width else 0, _ROWS):
        rows = image.pixels[row : row + _ROWS]
        if rows.dtype != np.float32:
            np.copyto(whole[: len(rows)], rows)
            rows = whole[: len(rows)]
        for group, part, running in zip(groups, parts, hashes, strict=True):
            if group:
                running.update(_apart(rows, group, part[: len(rows)]))
    geometry = (spec.display.to_list(), spec.data.to_list(), spec.pixel_aspect, names)
    return digest((geometry, [running.digest() for running in hashes]))


def _apart(rows: np.ndarray, channels: list[int], out: np.ndarray) -> np.ndarray:
    """Copy these channels of ``(H, W, C)`` float32 rows into ``out``, every NaN as 1.0.

    OpenCV takes channels apart several times faster than indexing does.
    """
    if len(channels) == rows.shape[2]:
        np.copyto(out, rows)
    elif channels == [0, 1, 2] and rows.shape[2] == 4:
        cv2.cvtColor(rows, cv2.COLOR_BGRA2BGR, dst=out)
    elif len(channels) == 1:
        cv2.extractChannel(rows, channels[0], dst=out[..., 0])
    else:
        np.copyto(out, rows[..., channels])
    cv2.patchNaNs(out.reshape(len(rows), -1), 1.0)
    return out


def attribute_digest(spec: ImageSpec) -> bytes:
    """16 bytes that name a file's attributes and geometry."""
    told = {name: repr(value) for name, value in spec.attributes.items()}
    return digest((spec.display.to_list(), spec.data.to_list(), spec.pixel_aspect, told))


@dataclass
class Environment:
    """What a run uses: models, colour configuration, store, and what is known of files.

    pool: makes an executor of so many threads with a name, to read and compute in.
    """

    store: Store
    models: Models = field(default_factory=Models)
    colour: Colour = field(default_factory=colour.load)
    pool: Callable[[int, str], Executor] = ThreadPoolExecutor

    def __post_init__(self) -> None:
        self.digests = DigestIndex(self.store.folder)
        self.receipts = Receipts(self.store.folder)
        # results that decide a graph's shape must be known, even when the store takes nothing
        self.small: dict[bytes, Any] = {}
        self._plates: dict[Any, OpenPlate] = {}
        self._spaces: dict[Any, str] = {}
        self._leaves: dict[Leaf, tuple[Stamp | None, bytes]] = {}

    # -- what a plan asks (needs.World) ------------------------------------------------------

    def colour_digest(self) -> str:
        return self.colour.digest

    def open_plate(self, path: Path, start: int, **choice: Any) -> OpenPlate:
        """A plate's media, opened once; raises MediaError. start: a movie's first frame."""
        chosen = {name: value for name, value in choice.items() if value is not None}
        name = (path, start, tuple(sorted(chosen.items(), key=str)))
        if name not in self._plates:
            movie = path.suffix.lower() in MOVIES
            opened = media.open(path, start=start if movie else None, **chosen)
            selection = tuple(sorted((k, json.dumps(v)) for k, v in chosen.items()))
            self._plates[name] = OpenPlate(opened, path, selection)
        return self._plates[name]

    def plate_space(self, plate: OpenPlate, named: str | None) -> str:
        """The colour space of a plate; raises ColourError."""
        name = (plate.pattern, plate.selection, named)
        if name not in self._spaces:
            spec = plate.spec(plate.frames[0])
            self._spaces[name] = self.colour.resolve(
                plate.file(plate.frames[0]), explicit=named, attributes=spec.attributes
            )
        return self._spaces[name]

    def leaf_digest(self, leaf: Leaf) -> bytes | None:
        """The digest of a leaf, when it is known and the file is as it was."""
        if leaf.kind == "frozen":
            return bytes.fromhex(Path(leaf.path).stem)
        if leaf.kind == "inline":
            return digest(leaf.path)
        at = stamp(leaf.path)
        found = self._leaves.get(leaf)
        if found is not None and found[0] == at:
            return found[1]
        known = self.digests.lookup(leaf.path, _selection(leaf))
        if known is None:
            return None
        self._leaves[leaf] = at, bytes.fromhex(known)
        return self._leaves[leaf][1]

    def moved(self, leaf: Leaf) -> bool:
        """Whether the leaf was known once, and its file has been touched or changed since."""
        if leaf.kind == "inline":
            return False
        return self.digests.look(leaf.path, _selection(leaf)).state == "moved"

    def has(self, key: bytes) -> bool:
        return self.store.has(key)

    def small_result(self, key: bytes) -> Any | None:
        if key in self.small:
            return self.small[key]
        found = self.store.get(key)
        return None if found is None else unpack(found)

    def written(self, path: Path, key: bytes) -> str:
        """ "" when the file holds this result, else "new", "unsure", "stale" or "foreign".

        unsure: by its own word it holds this result, but no receipt is left that says so. stale:
        ours, and another result. foreign: not ours.
        """
        noted = self.receipts.look(path)
        if noted.state == "gone":
            return "new"
        if noted.state == "known":
            return "" if noted.value == key.hex() else "stale"
        held = self._held(path)
        if noted.state == "new" and held == key.hex():
            return "unsure"
        return "foreign" if held is None else "stale"

    def untouched(self, path: Path) -> bool:
        """Whether a file of ours has the pixels that Write gave it, as far as can be known."""
        return self.receipts.look(path).state == "known" or as_written(path)

    @staticmethod
    def _held(path: Path) -> object | None:
        """The key of the result that a file says it holds; None when it is not one of ours."""
        try:
            return exr.header(path).attributes.get(KEY_ATTRIBUTE)
        except RotographError:
            return None

    # -- reading -----------------------------------------------------------------------------

    def read_leaf(self, leaf: Leaf) -> Any:
        """What a leaf stands for: an Image, an ImageSpec, or an approved result.

        Raises MediaError naming the file, also when it is not any more what its key says.
        """
        value = self._read(leaf)
        known = self._leaves.get(leaf)
        if known and stamp(leaf.path) != known[0] and _digest(value) != known[1]:
            raise MediaError("was changed while it was in use", file=leaf.path, hint="render again")
        return value

    def _read(self, leaf: Leaf) -> Any:
        if leaf.kind == "frozen":
            return read_frozen(Path(leaf.path))
        if leaf.kind == "inline":
            return read_inline(leaf.path)
        spec_only = leaf.kind == "attributes"
        choice = {name: json.loads(value) for name, value in leaf.selection}
        if leaf.index is not None:
            movie = self.open_plate(Path(leaf.path), 0).media
            try:
                return movie.spec(leaf.index) if spec_only else movie.read(leaf.index)
            except MediaError as error:
                error.frame = None  # counted from 0 here; whoever asked knows the shot's number
                raise
        chosen = media.Choice(**choice)
        path = Path(leaf.path)
        return media.read_spec(path, chosen) if spec_only else media.read_image(path, chosen)

    def learn(self, leaves: Iterable[Leaf], keep: Any, report: Any, stop: threading.Event) -> None:
        """Read leaves whose digest nobody knows, two at a time, and remember their digests.

        keep: called with (leaf, value) while the pixels are at hand. report: called after each
        with (how many are done, how many there are). A file that cannot be read gets a digest for
        this run only, so that the frames that do not need it can be made; the others will say why
        they could not.
        """
        wanted = list(dict.fromkeys(leaves))
        with self.pool(2, "read") as readers:
            jobs = [readers.submit(self._learn, leaf, keep) for leaf in wanted]
            try:
                for done, job in enumerate(jobs, 1):
                    job.result()
                    report(done, len(wanted))
                    if stop.is_set():
                        break
            finally:
                for job in jobs:
                    job.cancel()
                self.digests.flush()

    def _learn(self, leaf: Leaf, keep: Any) -> None:
        at = stamp(leaf.path)
        try:
            value = self._read(leaf)
        except MediaError:
            self._leaves[leaf] = at, digest(("cannot be read", leaf.path, repr(at)))
            return
        found = _digest(value)
        self._leaves[leaf] = at, found
        if at is not None:
            self.digests.remember(leaf.path, _selection(leaf), found.hex(), at)
        keep(leaf, value)


def _digest(value: Image | ImageSpec) -> bytes:
    return attribute_digest(value) if isinstance(value, ImageSpec) else pixel_digest(value)


def _selection(leaf: Leaf) -> str:
    return json.dumps([leaf.kind, leaf.index, leaf.selection])
