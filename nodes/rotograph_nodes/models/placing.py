"""Where a picture lies in a network's input, and how it gets there and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Place:
    """Where the picture lies in the network's input: at its top left, ``used`` of ``size``.

    picture, used, size: ``(height, width)``.
    """

    picture: tuple[int, int]
    used: tuple[int, int]
    size: tuple[int, int]

    def back(self, output: np.ndarray) -> np.ndarray:
        """A grid ``(h, w)`` float32 over the whole input as one over the picture alone."""
        (height, width), (used_h, used_w), (in_h, in_w) = self.picture, self.used, self.size
        out_h, out_w = output.shape
        # what lies over the padding must not reach into the picture's border
        inside_h = max(1, int(used_h * out_h / in_h + 0.5))
        inside_w = max(1, int(used_w * out_w / in_w + 0.5))
        # the centre x + 0.5 of a picture's pixel is at (x + 0.5) * step in the output
        step_x = used_w / in_w * out_w / width
        step_y = used_h / in_h * out_h / height
        matrix = np.array([[step_x, 0, step_x / 2 - 0.5], [0, step_y, step_y / 2 - 0.5]])
        return cv2.warpAffine(
            np.ascontiguousarray(output[:inside_h, :inside_w], np.float32),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def inside(picture: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """``(height, width)`` of a picture as large as it can be in ``size`` with its aspect kept."""
    step = min(size[0] / picture[0], size[1] / picture[1])
    return tuple(
        min(most, max(1, round(have * step))) for most, have in zip(size, picture, strict=True)
    )


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """To ``(height, width)``: averaged where it gets smaller, interpolated where it gets larger."""
    height, width = picture.shape[:2]
    smaller = min(height, size[0]), min(width, size[1])
    if smaller != (height, width):
        picture = cv2.resize(picture, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != tuple(size):
        picture = cv2.resize(picture, tuple(size)[::-1], interpolation=cv2.INTER_LINEAR)
    return picture
