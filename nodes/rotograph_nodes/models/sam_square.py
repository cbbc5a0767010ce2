"""SAM's square: a picture keeps its aspect and lies at the top left of it, as SAM was taught."""

from __future__ import annotations

import cv2
import numpy as np


def squared(plane: np.ndarray, shape: tuple[int, int], outside: float) -> np.ndarray:
    """A plane over the picture, of any grid, as one float32 over the square that holds the picture.

    shape: the picture's height and width; the square has its longer side. outside: the value of
    the rest of the square.
    """
    height, width = shape
    if plane.shape != shape:
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    square = np.full((max(shape),) * 2, outside, np.float32)
    square[:height, :width] = plane
    return square


def cut(logits: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The picture's part ``(h, w)`` float32 of logits over the whole square, as fine as it is."""
    height, width = shape
    side, own = max(shape), logits.shape[0]
    if own != side:
        # what the network says of the rest must not reach into the picture's border
        down, right = (max(1, int(n * own / side + 0.5)) for n in shape)
        logits = cv2.copyMakeBorder(
            logits[:down, :right], 0, own - down, 0, own - right, cv2.BORDER_REPLICATE
        )
        logits = cv2.resize(logits, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(logits[:height, :width])
