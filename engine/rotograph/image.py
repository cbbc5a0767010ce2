"""Pixels with the geometry and meaning that must survive a trip through a graph.

Axes: arrays are ``(height, width, channels)``, row 0 is the top, x to the right, y down,
in the plate's own pixels (not square ones). Boxes are half-open. The origin is the top left
corner of OpenEXR's coordinate system, so a display window may start anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Alpha = Literal["none", "straight", "premultiplied"]


@dataclass(frozen=True, order=True)
class Box:
    """A half-open rectangle of whole pixels, y down: ``x0 <= x < x1``, ``y0 <= y < y1``."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return max(0, self.x1 - self.x0)

    @property
    def height(self) -> int:
        return max(0, self.y1 - self.y0)

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)``."""
        return self.width, self.height

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``, as numpy has it."""
        return self.height, self.width

    def __bool__(self) -> bool:
        return self.width > 0 and self.height > 0

    def intersect(self, other: Box) -> Box:
        """The pixels in both; may be empty."""
        return Box(
            max(self.x0, other.x0),
            max(self.y0, other.y0),
            min(self.x1, other.x1),
            min(self.y1, other.y1),
        )

    def union(self, other: Box) -> Box:
        """The smallest box that holds both; an empty one counts for nothing."""
        if not self:
            return other
        if not other:
            return self
        return Box(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
        )

    def grow(self, pixels: int) -> Box:
        """The box moved outward by ``pixels`` on every side (inward when negative)."""
        return Box(self.x0 - pixels, self.y0 - pixels, self.x1 + pixels, self.y1 + pixels)

    def within(self, outer: Box) -> tuple[slice, slice]:
        """``(rows, columns)`` of this box in an array that covers ``outer``."""
        return (
            slice(self.y0 - outer.y0, self.y1 - outer.y0),
            slice(self.x0 - outer.x0, self.x1 - outer.x0),
        )

    def to_list(self) -> list[int]:
        return [self.x0, self.y0, self.x1, self.y1]


@dataclass(frozen=True)
class ImageSpec:
    """What an image is, apart from its pixels.

    display: the format. data: the pixels that exist (may be larger, smaller, or outside).
    channels: full names in the array's order, such as ``("R", "G", "B", "A")``.
    pixel_aspect: width of a pixel over its height.
    colour_space: an OCIO name, or None when nobody said.
    alpha: how R, G and B relate to A.
    attributes: the file's other attributes (timecode, chromaticities, custom ones), carried
    beside the pixels and never part of a key, except Write's.
    """

    display: Box
    data: Box
    channels: tuple[str, ...] = ("R", "G", "B")
    pixel_aspect: float = 1.0
    colour_space: str | None = None
    alpha: Alpha = "none"
    attributes: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.data.shape, len(self.channels))


@dataclass(frozen=True, eq=False)
class Image:
    """A spec and its pixels.

    pixels: ``(H, W, C)`` float16, float32 or uint32, the data window, scene-referred and
    never clamped; NaN and infinities are kept.
    """

    spec: ImageSpec
    pixels: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.shape != self.spec.shape:
            raise ValueError(f"pixels {self.pixels.shape} do not fit the spec {self.spec.shape}")

    def channel(self, name: str) -> np.ndarray | None:
        """``(H, W)`` view of one channel, or None when the image has none of that name."""
        if name not in self.spec.channels:
            return None
        return self.pixels[..., self.spec.channels.index(name)]

    def rgb(self) -> np.ndarray:
        """``(H, W, 3)`` float32 copy of R, G, B as they are; a grey image three times.

        An image that has neither is all of its first channel: a compositor looking at an
        alpha or a depth pass sees it grey.
        """
        names = self.spec.channels
        if all(c in names for c in "RGB"):
            order = [names.index(c) for c in "RGB"]
        else:
            order = [names.index("Y") if "Y" in names else 0] * 3
        return np.ascontiguousarray(self.pixels[..., order], dtype=np.float32)

    def coverage(self, layer: str | None = None) -> np.ndarray:
        """``(H, W)`` float32: the mask this image stands for.

        ``<layer>.A`` if it is there, else A, else the only channel, else the first.
        """
        for name in (f"{layer}.A" if layer else "A", "A"):
            found = self.channel(name)
            if found is not None:
                return found.astype(np.float32)
        return self.pixels[..., 0].astype(np.float32)

    def crop(self, window: Box, fill: float = 0.0) -> np.ndarray:
        """``(h, w, C)`` float32 of ``window``; pixels outside the data window are ``fill``."""
        out = np.full((*window.shape, len(self.spec.channels)), fill, dtype=np.float32)
        both = window.intersect(self.spec.data)
        if both:
            out[both.within(window)] = self.pixels[both.within(self.spec.data)]
        return out

    def with_attributes(self, **attributes: Any) -> Image:
        """The same pixels with attributes added."""
        spec = replace(self.spec, attributes={**self.spec.attributes, **attributes})
        return replace(self, spec=spec)
