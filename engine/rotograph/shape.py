"""The shape of a wire: which frames and layers it carries, known without any pixels."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Overlap = Literal["exclusive", "independent", "ordered"]


@dataclass(frozen=True)
class FrameSet:
    """Frames of a shot in rising order, gaps allowed, quick to look around in."""

    frames: tuple[int, ...] = ()
    _members: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", tuple(sorted(set(self.frames))))
        object.__setattr__(self, "_members", frozenset(self.frames))

    def __contains__(self, frame: int) -> bool:
        return frame in self._members

    def __iter__(self):
        return iter(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def before(self, frame: int) -> int | None:
        """The last frame before this one, or None."""
        i = bisect_left(self.frames, frame)
        return self.frames[i - 1] if i else None

    def after(self, frame: int) -> int | None:
        """The first frame after this one, or None."""
        i = bisect_right(self.frames, frame)
        return self.frames[i] if i < len(self.frames) else None


@dataclass(frozen=True)
class Shape:
    """What a port delivers.

    frames: every frame that exists, whatever was asked for.
    layers: names in their stable order; empty for a plate.
    prompted: for each layer, the frames on which the artist spoke; outside them the layer has
    no result of its own. Where a layer is missing here, it has a result on every frame.
    anchors: for each layer, the frames on which a tracker was told where it is.
    absent: frames that are missing in the plate and must not be asked for, with their files.
    overlap: how layers share a pixel, handed on from the tracker.
    view: of a plate, the view that its Read node chose by name.
    plate: the Read node whose geometry and metadata these results belong to.
    stands_in: for a held missing frame, the frame that stands in for it. holds: of a plate, whether
    its last frame also stands in for any that are asked for beyond it.
    still: one picture that stands for every frame.
    size: (width, height) of the plate's first frame, to know how heavy a frame is.
    display: the plate's display window (x0, y0, x1, y1), the same on every frame. window: the plate
    pixels that models look at, the same on every frame, whatever each frame's data window is.
    """

    frames: FrameSet
    layers: tuple[str, ...] = ()
    prompted: Mapping[str, FrameSet] = field(default_factory=dict)
    anchors: Mapping[str, FrameSet] = field(default_factory=dict)
    absent: Mapping[int, str] = field(default_factory=dict)
    overlap: Overlap = "independent"
    view: str = ""
    plate: str | None = None
    stands_in: Mapping[int, int] = field(default_factory=dict)
    holds: bool = False
    still: bool = False
    size: tuple[int, int] = (0, 0)
    display: tuple[int, int, int, int] = (0, 0, 0, 0)
    window: tuple[int, int, int, int] = (0, 0, 0, 0)
    _names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", frozenset(self.layers))

    def has(self, layer: str) -> bool:
        """Whether it is one of the layers."""
        return layer in self._names

    def delivers(self, layer: str | None, frame: int) -> bool:
        """Whether there is a result for this layer on this frame."""
        if frame not in self.frames or (layer is not None and layer not in self._names):
            return False
        return layer is None or layer not in self.prompted or frame in self.prompted[layer]
