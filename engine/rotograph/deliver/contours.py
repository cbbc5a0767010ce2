"""What a shape must follow on one frame: where it has to be, where not, and where it may be.

Where another layer lies before this one, and outside the picture, nobody sees where the shape
ends: there it is free.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

REACH = 16.0
"""Pixels: how far a shape feels the edge that it should lie on."""
MARGIN = 24
"""Pixels around the picture in which a shape may lie."""


@dataclass(frozen=True, eq=False)
class Target:
    """One frame of what a shape follows, with ``MARGIN`` pixels of freedom around the picture.

    inside, free: ``(h, w)`` bool; where neither is, the shape must not be. distance: ``(h, w)``
    float16, pixels to the nearest place where the shape may end: positive outside, negative inside,
    no more than ``REACH``; 0 where it is free.
    """

    inside: np.ndarray
    free: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, inside: np.ndarray, free: np.ndarray | None = None) -> Target:
        """inside: ``(h, w)`` bool of the picture; free: the same, without ``MARGIN``."""
        around = ((MARGIN, MARGIN), (MARGIN, MARGIN))
        free = np.zeros_like(inside) if free is None else free
        free = np.pad(free & ~inside, around, constant_values=True)
        inside = np.pad(inside, around)
        must_not = ~inside & ~free
        # half a pixel: from the pixel's centre to its border, where the edge is
        away = cv2.distanceTransform(must_not.astype(np.uint8), cv2.DIST_L2, 5)
        within = cv2.distanceTransform((~must_not).astype(np.uint8), cv2.DIST_L2, 5)
        signed = np.where(must_not, away - 0.5, np.where(inside, 0.5 - within, 0.0))
        return cls(inside, free, np.clip(signed, -REACH, REACH).astype(np.float16))

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.inside))

    def outlines(self) -> list[np.ndarray]:
        """Outer contours ``(M, 2)`` of what is inside, the largest first, about a point a pixel.

        Where it is free, the convex hull of what is seen stands for what is hidden. In pixels of
        the picture; the contour lies between the pixels, not on their centres.
        """
        # a pixel as 3 x 3, so that the contour of the outermost third is near the pixel's border
        large = np.repeat(np.repeat(self._whole().astype(np.uint8), 3, 0), 3, 1)
        found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        found = sorted(found, key=cv2.contourArea, reverse=True)
        return [resample((c[:, 0] + 0.5) / 3.0 - MARGIN) for c in found if len(c) >= 12]

    def _whole(self) -> np.ndarray:
        points = cv2.findNonZero(self.inside.astype(np.uint8))
        if points is None:
            return self.inside
        hull = np.zeros(self.inside.shape, np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
        return self.inside | (hull.astype(bool) & self.free)

    def seen(self, points: np.ndarray) -> np.ndarray:
        """``(N,)`` bool: whether these points of the edge are the layer's own."""
        steps = [(x, y) for x in (-2.0, 0.0, 2.0) for y in (-2.0, 0.0, 2.0)]
        return np.max([sample(self.free, points + step) for step in steps], axis=0) < 0.5


def sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``(N,)`` float32: a field with ``MARGIN`` read at picture positions ``(N, 2)``, bilinear."""
    height, width = field.shape
    at = points + (MARGIN - 0.5)
    x, y = at[:, 0].clip(0.0, width - 1.001), at[:, 1].clip(0.0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    x, y = x - left, y - top
    # only the four neighbours: a whole field is far larger than a contour
    corners = (field[top + j, left + i].astype(np.float32) for j in (0, 1) for i in (0, 1))
    a, b, c, d = corners
    return ((a * (1 - x) + b * x) * (1 - y) + (c * (1 - x) + d * x) * y).astype(np.float32)


def resample(contour: np.ndarray, count: int | None = None) -> np.ndarray:
    """A closed polygon smoothed a little and put at even steps, clockwise as seen (y down)."""
    kernel = np.array([1, 4, 6, 4, 1]) / 16.0
    smooth = sum(
        w * np.roll(contour, i - 2, axis=0) for i, w in enumerate(kernel)
    )  # takes the stairs away
    step = np.linalg.norm(np.roll(smooth, -1, 0) - smooth, axis=1)
    at = np.concatenate([[0.0], np.cumsum(step)])
    count = count or max(16, round(at[-1]))
    where = np.arange(count) * at[-1] / count
    closed = np.vstack([smooth, smooth[:1]])
    out = np.stack([np.interp(where, at, closed[:, i]) for i in (0, 1)], axis=1)
    x, y = out.T
    turn = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    return out if turn >= 0 else out[::-1].copy()


def softness(alpha: np.ndarray, contour_length: float) -> float:
    """Pixels over which alpha falls from 1 to 0 at an edge of that length, on average.

    Over a straight ramp of width w, alpha (1 - alpha) sums to w / 6 for each pixel of the edge.
    """
    total = float(np.sum(alpha * (1.0 - alpha), dtype=np.float64))
    return 6.0 * total / max(contour_length, 1.0)
