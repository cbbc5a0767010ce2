"""An environment in which some plates lie in no file: their frames come over the wire.

A Read node that stands for such a plate names the file ``wire:<node>``; its frames are leaves by
digest, so that planning asks for no pixels, and a frame is sent only when something computes
from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotograph import wire
from rotograph.declare import Leaf
from rotograph.environment import Environment, attribute_digest
from rotograph.errors import MediaError
from rotograph.graph import Graph
from rotograph.image import Box, Image, ImageSpec

SCHEME = "wire:"


def image_spec(picture: wire.Picture) -> ImageSpec:
    """The spec of a picture of the wire."""
    return ImageSpec(
        Box(*picture.display),
        Box(*picture.data),
        tuple(picture.channels),
        picture.pixel_aspect,
        picture.colour_space or None,
        picture.alpha,
    )


@dataclass(frozen=True)
class WiredPlate:
    """A plate of the wire, as ``environment.OpenPlate`` is one of files."""

    name: str
    plate: wire.Plate

    @property
    def pattern(self) -> Path:
        return Path(SCHEME + self.name)

    @property
    def selection(self) -> tuple[tuple[str, str], ...]:
        return ()

    @property
    def frames(self) -> tuple[int, ...]:
        return tuple(sorted(int(f) for f in self.plate.frames))

    @property
    def still(self) -> bool:
        return False

    def spec(self, frame: int) -> ImageSpec:
        return image_spec(self.plate.picture)

    def file(self, frame: int) -> Path:
        return self.pattern

    def path(self, frame: int) -> str:
        return f"{SCHEME}{self.name}"

    def place(self, frame: int) -> tuple[str, int | None, tuple[tuple[str, str], ...]]:
        return SCHEME + self.plate.frames[str(frame)], None, ()


@dataclass
class WiredEnvironment(Environment):
    """plates: Read node -> plate. fetch: the image of a digest; raises MediaError, Cancelled."""

    plates: Mapping[str, wire.Plate] = field(default_factory=dict)
    fetch: Callable[[str], Image] | None = None

    def open_plate(self, path: Path, start: int, **choice: Any) -> Any:
        if path.name.startswith(SCHEME):
            name = path.name.removeprefix(SCHEME)
            if name not in self.plates:
                raise MediaError("this plate was not sent", file=path.name)
            return WiredPlate(name, self.plates[name])
        return super().open_plate(path, start, **choice)

    def plate_space(self, plate: Any, named: str | None) -> str:
        if isinstance(plate, WiredPlate):
            stated = named or plate.plate.picture.colour_space
            return self.colour.space(stated) if stated else self.colour.scene_linear
        return super().plate_space(plate, named)

    def leaf_digest(self, leaf: Leaf) -> bytes | None:
        if not leaf.path.startswith(SCHEME):
            return super().leaf_digest(leaf)
        if leaf.kind == "attributes":
            return attribute_digest(self._spec(leaf))
        return bytes.fromhex(leaf.path.removeprefix(SCHEME))

    def moved(self, leaf: Leaf) -> bool:
        return not leaf.path.startswith(SCHEME) and super().moved(leaf)

    def _read(self, leaf: Leaf) -> Any:
        if not leaf.path.startswith(SCHEME):
            return super()._read(leaf)
        if leaf.kind == "attributes":
            return self._spec(leaf)
        return self.fetch(leaf.path.removeprefix(SCHEME))

    def _spec(self, leaf: Leaf) -> ImageSpec:
        digest = leaf.path.removeprefix(SCHEME)
        for plate in self.plates.values():
            if digest in plate.frames.values():
                return image_spec(plate.picture)
        raise MediaError("this frame was not offered", file=leaf.path)


def wire_plates(graph: Graph, plates: Mapping[str, wire.Plate]) -> None:
    """Let the Read nodes of a graph stand for plates of the wire; raises GraphError."""
    for name in plates:
        graph.node(name).set("file", SCHEME + name)
