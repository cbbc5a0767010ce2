"""Before a green or blue screen the keyer takes over from a model that cannot explain the plate."""

from __future__ import annotations

import cv2
import numpy as np

from rotograph_nodes.models import chroma

_RAMP = 0.15  # of confidence, from where the keyer begins to where it decides alone
_SEAM = 1.5  # sigma, in pixels, over which it does


def key_where_unsure(
    linear: np.ndarray,
    trimap: np.ndarray,
    alpha: np.ndarray,
    hint: np.ndarray | None,
    *,
    least: float,
) -> tuple[np.ndarray, float]:
    """A model's alpha, and the keyer's where the plate is a screen and the model is not sure.

    linear: ``(H, W, 3)`` float32, the plate, scene-linear. trimap, alpha: ``(H, W)`` float32, what
    was asked and what the model answered. hint: as for ``chroma.estimate_alpha``. least: confidence
    from which the model is left alone; a model is as confident as its alpha explains the screen's
    light in a pixel, 0 to 1. Returns ``(H, W)`` float32 in [0, 1], and the part of the unknown
    pixels, 0 to 1, that is the keyer's. Known pixels stay as they are; without a screen all do.
    """
    unknown = (trimap > 0.0) & (trimap < 1.0)
    if least <= 0.0 or not unknown.any():
        return alpha, 0.0
    screen = chroma.find_screen(linear, trimap)
    if screen is None:
        return alpha, 0.0
    confidence = 1.0 - screen.unexplained(alpha)
    weight = np.clip((least - confidence) / _RAMP, 0.0, 1.0) * unknown
    if not weight.any():
        return alpha, 0.0
    weight = np.maximum(weight, cv2.GaussianBlur(weight, (0, 0), _SEAM)) * unknown
    keyed = chroma.solve(linear, trimap, hint, screen)
    mixed = (alpha + weight * (keyed - alpha)).astype(np.float32)
    return np.where(unknown, mixed, alpha), float(weight[unknown].mean())
