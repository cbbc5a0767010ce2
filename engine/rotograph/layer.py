"""Layers, and where a detector saw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


class Placed(tuple):
    """What is each of a layer and on a frame, such as prompts, in order and quick to look up."""

    def at(self, layer: str, frame: int) -> list[Any]:
        """Those of this layer on this frame, in their order."""
        return self._by_place.get((layer, frame), [])

    @cached_property
    def _by_place(self) -> dict[tuple[str, int], list[Any]]:
        found: dict[tuple[str, int], list[Any]] = {}
        for one in self:
            found.setdefault((one.layer, one.frame), []).append(one)
        return found


@dataclass(frozen=True)
class Layer:
    """One object followed through the shot.

    name: stable, a channel prefix and a part of file names, such as ``person_01``. label: what
    the artist reads, such as ``Person``. colour: display colour, sRGB, each 0 to 1.
    """

    name: str
    label: str = ""
    colour: tuple[float, float, float] = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Detection:
    """A layer seen on a frame.

    box: (x0, y0, x1, y1) in plate pixels of the display window, y down; the layer is inside.
    score: 0 to 1, how surely this is one whole object.
    """

    layer: str
    frame: int
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class Detections:
    """All that a detector found in a shot, strongest layer first, then by frame."""

    boxes: tuple[Detection, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", Placed(self.boxes))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order of ``boxes``."""
        return tuple(dict.fromkeys(d.layer for d in self.boxes))

    def on(self, frame: int) -> Mapping[str, Detection]:
        """The detections on one frame, by layer."""
        return {d.layer: d for d in self.boxes if d.frame == frame}
