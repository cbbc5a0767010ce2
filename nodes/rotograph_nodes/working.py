"""The plate as a model sees it: scaled down, square pixels, in the model's own colour space."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from rotograph.colour import harmless
from rotograph.image import Box, Image
from rotograph.mask import MaskLogits


def picture(
    image: Image, colour: Any, space: str, size: int, area: Box, *, stretch: bool = False
) -> dict[str, np.ndarray]:
    """``{"picture": (h, w, 3) float16, "window": (4,) int32}``: an area of the plate for a model.

    picture is in ``space``, finite; its long side has ``size`` square pixels, or fewer where the
    plate has fewer. Where the frame has no pixels it is black. The scaling averages areas in the
    plate's own values, after NaN and infinities are made harmless; alpha takes no part. window: x0,
    y0, x1, y1 in plate pixels. stretch: for a model that sees every picture as a square of
    ``size``; each side then has that many pixels, or fewer where the plate has fewer.
    """
    width, height = area.size
    square = width * image.spec.pixel_aspect
    scale = min(1.0, size / max(square, height))
    target = max(1, round(square * scale)), max(1, round(height * scale))
    if stretch:
        target = min(size, width), min(size, height)
    rgb = harmless(_inside(image, area))
    if target != (width, height):
        rgb = cv2.resize(rgb, target, interpolation=cv2.INTER_AREA)
    seen = colour.to_model(rgb, image.spec.colour_space, space)
    return {
        "picture": seen.astype(np.float16),
        "window": np.array(area.to_list(), np.int32),
    }


def _inside(image: Image, area: Box) -> np.ndarray:
    """``(h, w, 3)`` float32: R, G and B of an area, 0 outside the data window."""
    if image.spec.data == area:
        return image.rgb()
    out = np.zeros((*area.shape, 3), np.float32)
    both = area.intersect(image.spec.data)
    if both:
        out[both.within(area)] = image.rgb()[both.within(image.spec.data)]
    return out


def window(features: dict[str, np.ndarray]) -> Box:
    """The plate pixels that features cover."""
    return Box(*(int(v) for v in features["window"]))


def reverse(between: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A ``motion`` from one frame to another, read the other way round."""
    return {
        "forward": between["backward"],
        "backward": between["forward"],
        "forward_error": between["backward_error"],
        "backward_error": between["forward_error"],
    }


def motion_over(flow: np.ndarray, area: Box, window: Box) -> np.ndarray:
    """Motion of the working picture, which covers ``area``, on a grid that covers ``window``.

    flow: ``(h, w, 2)``, (dx, dy) in pixels of its grid. Returns the same as float32, in pixels of a
    grid about as fine. Beyond ``area`` the nearest vector goes on.
    """
    flow = flow.astype(np.float32)
    if window == area:
        return flow
    # pixels of the given grid to a plate pixel; plate pixels to one of the new grid
    given = np.divide(flow.shape[1::-1], area.size)
    size = np.maximum(1, np.round(np.multiply(window.size, given))).astype(int)
    made = np.divide(window.size, size)
    start = np.subtract((window.x0, window.y0), (area.x0, area.y0))
    matrix = np.column_stack([np.diag(made * given), (start + made / 2) * given - 0.5])
    moved = cv2.warpAffine(
        flow,
        matrix,
        tuple(map(int, size)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return moved / (made * given).astype(np.float32)


def to_grid(
    points: np.ndarray, features: dict[str, np.ndarray], grid: tuple[int, int]
) -> list[tuple[float, float]]:
    """Plate positions ``(N, 2)`` as positions (x, y) in a grid of ``(height, width)``.

    In both, the centre of the first pixel is half a pixel from the corner.
    """
    box = window(features)
    height, width = grid
    scale = np.array([width / box.width, height / box.height])
    placed = (np.asarray(points, np.float64).reshape(-1, 2) - (box.x0, box.y0)) * scale
    return [(float(x), float(y)) for x, y in placed]


def mask_on_grid(image: Image, box: Box, grid: tuple[int, int]) -> np.ndarray:
    """A mask file's coverage of ``box``, area-averaged to a grid: ``(h, w)`` float32 in [0, 1].

    The file's alpha, else its only (or first) channel.
    """
    height, width = grid
    names = image.spec.channels
    channel = names.index("A") if "A" in names else 0
    covered = np.nan_to_num(image.crop(box)[..., channel], nan=0.0)
    return cv2.resize(np.clip(covered, 0, 1), (width, height), interpolation=cv2.INTER_AREA)


def on_grid(mask: MaskLogits, box: Box, grid: tuple[int, int]) -> np.ndarray:
    """Logits resampled to a grid that covers ``box``: ``(h, w)`` float32."""
    height, width = grid
    if mask.window == box and mask.logits.shape == grid:
        return mask.logits
    return cv2.resize(mask.at(box), (width, height), interpolation=cv2.INTER_AREA)
