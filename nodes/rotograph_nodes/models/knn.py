"""Matte by PyMatting: KNN matting, and closed-form matting as its authors' peers know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from rotograph.colour import harmless
from rotograph.models import Supply

MARGIN = 64
"""Known pixels around the unknown ones that take part."""
BRIGHTEST = 99.5
"""The part of the pixels, in per cent, that is told apart; light sources beyond are all white."""


@dataclass(frozen=True)
class Solver:
    """The role's interface over one of PyMatting's estimators."""

    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def estimate_alpha(
        self, linear: np.ndarray, trimap: np.ndarray, hint: np.ndarray | None = None
    ) -> np.ndarray:
        """Alpha of the unknown pixels of a trimap; the others keep their 0 or 1.

        linear: ``(H, W, 3)`` float, scene-linear, unclamped; NaN and infinities are harmless.
        trimap: ``(H, W)`` float32: 0 outside, 1 inside, anything between unknown. hint: ``(H, W)``
        float32 in [0, 1], only used where there is nothing to go by: no known inside or outside.
        Returns ``(H, W)`` float32 in [0, 1]. Scaling the plate does not change it.
        """
        alpha = np.asarray(trimap, np.float32).copy()
        unknown = (alpha > 0.0) & (alpha < 1.0)
        if not unknown.any():
            return alpha
        alpha[unknown] = 0.5 if hint is None else np.clip(hint[unknown], 0.0, 1.0)
        box = _around(unknown)
        part = np.where(unknown[box], 0.5, alpha[box]).astype(np.float64)
        if (part == 0.0).any() and (part == 1.0).any():
            seen = harmless(linear[box])
            white = max(float(np.percentile(seen.max(axis=2), BRIGHTEST)), 1e-12)
            seen = np.clip(seen / white, 0.0, 1.0).astype(np.float64)
            found = np.clip(self.estimate(seen, part), 0.0, 1.0)
            alpha[box] = np.where(unknown[box], found, alpha[box])
        return alpha


def knn(supply: Supply) -> Any:
    """KNN matting: Chen, Li and Tang, CVPR 2012. Raises ImportError without PyMatting."""
    from pymatting import estimate_alpha_knn

    return Solver(estimate_alpha_knn)


def closed_form(supply: Supply) -> Any:
    """Closed form: Levin, Lischinski and Weiss, PAMI 2008. Raises ImportError without PyMatting."""
    from pymatting import estimate_alpha_cf

    return Solver(estimate_alpha_cf)


def _around(unknown: np.ndarray) -> tuple[slice, slice]:
    x, y, width, height = cv2.boundingRect(unknown.astype(np.uint8))
    return (
        slice(max(0, y - MARGIN), y + height + MARGIN),
        slice(max(0, x - MARGIN), x + width + MARGIN),
    )
