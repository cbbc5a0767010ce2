"""One door for plates: an EXR sequence, other stills, or a movie, asked for frame by frame."""

from __future__ import annotations

import os
from collections.abc import Sequence as Several
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rotograph import exr, sequence, stills
from rotograph.errors import MediaError
from rotograph.exrheader import MAGIC
from rotograph.image import Image, ImageSpec
from rotograph.movie import EXTENSIONS, Movie
from rotograph.regular import open_file, reading
from rotograph.sequence import Sequence


class Plate(Protocol):
    """What every kind of plate can do. Frames may differ in size: ask each for its spec."""

    @property
    def frames(self) -> Several[int]:
        """The frame numbers that are there, sorted."""

    def file(self, frame: int) -> Path:
        """The frame's file. Raises MissingFrame."""

    def spec(self, frame: int) -> ImageSpec:
        """The frame's spec, without decoding pixels. Raises MissingFrame, MediaError."""

    def read(self, frame: int) -> Image:
        """The frame. Raises MissingFrame, MediaError, DamagedFile, with the frame named."""

    def close(self) -> None:
        """Let go of files held open; the plate can still be read."""


@dataclass(frozen=True)
class Choice:
    """Which image of an EXR that holds several; see ``exr.read``."""

    part: int | str | None = None
    layer: str | None = None
    view: str | None = None
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Stills:
    """A plate of one file for each frame."""

    sequence: Sequence
    choice: Choice = Choice()

    @property
    def frames(self) -> tuple[int, ...]:
        return self.sequence.frames

    def file(self, frame: int) -> Path:
        return self.sequence.file(frame)

    def spec(self, frame: int) -> ImageSpec:
        path = self.file(frame)
        try:
            return read_spec(path, self.choice)
        except MediaError as error:
            error.located(frame=frame)
            raise

    def read(self, frame: int) -> Image:
        path = self.file(frame)
        try:
            return read_image(path, self.choice)
        except MediaError as error:
            error.located(frame=frame)
            raise

    def close(self) -> None:
        pass


def open(
    pattern: str | Path,
    *,
    start: int | None = None,
    part: int | str | None = None,
    layer: str | None = None,
    view: str | None = None,
    channels: Several[str] | None = None,
) -> Plate:
    """The plate that ``pattern`` names: ``plate.####.exr``, one file, or a movie.

    start: the first frame's number, for a movie (by default 1) or a single file (by default the
    number in its name, else 1).
    part, layer, view, channels: what to take from EXRs that hold more than one image.

    Raises MissingFrame when nothing is there, MediaError and DamagedFile.
    """
    choice = Choice(part, layer, view, None if channels is None else tuple(channels))
    if os.path.splitext(str(pattern))[1].lower() in EXTENSIONS and not sequence.has_frame(pattern):
        if choice != Choice():
            raise MediaError(
                "a movie has no parts, layers or views", file=pattern, hint="name none"
            )
        with reading(pattern):
            return Movie(pattern, start=start)
    return Stills(sequence.find(pattern, start=start), choice)


def read_image(path: str | Path, choice: Choice = Choice()) -> Image:
    """One picture file, EXR or other. Raises MediaError, DamagedFile."""
    with reading(path):
        if _is_exr(path):
            return exr.read(path, **vars(choice))
        _refuse(path, choice)
        return stills.read(path)


def read_spec(path: str | Path, choice: Choice = Choice()) -> ImageSpec:
    """The spec of one picture file, without its pixels. Raises MediaError, DamagedFile."""
    with reading(path):
        if _is_exr(path):
            return exr.header(path, **vars(choice))
        _refuse(path, choice)
        return stills.header(path)


def _is_exr(path: str | Path) -> bool:
    """By content; what is only called .exr goes to that reader too, which says what is wrong."""
    if os.path.splitext(str(path))[1].lower() == ".exr":
        return True
    with open_file(path) as file:
        return file.read(4) == MAGIC


def _refuse(path: str | Path, choice: Choice) -> None:
    if choice != Choice():
        raise MediaError(
            "only an EXR has parts, layers, views and named channels", file=path, hint="name none"
        )
