"""Mask logits: what a segmenter or a tracker believes, before it becomes alpha."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rotograph.image import Box


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """Unbounded scores of one layer on one frame, at the model's resolution.

    logits: ``(h, w)`` float32; positive is inside, 0 the boundary, about ±8 is certain.
    window: the plate pixels (x0, y0, x1, y1; display-window coordinates, y down, half-open)
    that the whole grid covers; this is the transform to the plate, and it takes care of pixel
    aspect and overscan.
    confidence: 0 to 1, how much this frame is to be trusted; 1 on an approved anchor.
    """

    logits: np.ndarray
    window: Box
    confidence: float = 1.0

    def at(self, window: Box) -> np.ndarray:
        """Logits resampled (bilinear) to every pixel of ``window``: ``(H, W)`` float32.

        Pixels outside ``self.window`` repeat the nearest one inside.
        """
        height, width = self.logits.shape
        sx, sy = width / self.window.width, height / self.window.height
        # pixel centre x + 0.5 in plate pixels lies at (x + 0.5 - x0) * s - 0.5 in the grid
        matrix = np.array(
            [
                [sx, 0.0, (window.x0 + 0.5 - self.window.x0) * sx - 0.5],
                [0.0, sy, (window.y0 + 0.5 - self.window.y0) * sy - 0.5],
            ]
        )
        return cv2.warpAffine(
            np.ascontiguousarray(self.logits, dtype=np.float32),
            matrix,
            window.size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
