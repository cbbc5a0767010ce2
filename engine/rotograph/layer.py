"""Layers, and where a detector saw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order of ``boxes``."""
        return tuple(dict.fromkeys(d.layer for d in self.boxes))

    def on(self, frame: int) -> Mapping[str, Detection]:
        """The detections on one frame, by layer."""
        return {d.layer: d for d in self.boxes if d.frame == frame}
