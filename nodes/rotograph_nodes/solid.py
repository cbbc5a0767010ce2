"""Solid things are solid: nothing shines through deeper inside an edge than the edge is soft.

Where a solid thing has the colour of what is behind it, colours leave alpha open and it comes out
slightly transparent. How soft an edge really is, by blur or by hair, shows on its outside, where
there is nothing else to see; the inside of the edge is about as wide.
"""

from __future__ import annotations

import cv2
import numpy as np

_SIDE = 33  # pixels of the neighbourhood in which the outside's softness is measured
_FAINT = 0.05  # alpha from which a pixel outside belongs to the edge
_LEAST = 1.5  # pixels inside the contour that are never touched
_FUZZ = 0.5  # half the square of the softness: fur is wider inside than it shows outside
_SHARP, _FURRY = 3.5, 5.0  # softness up to which an edge is a solid thing's, and from which none is
_FADE = 4.0  # pixels over which what is touched becomes solid
_DUST = 1 / 512  # half of what an 8-bit picture can tell
_OPEN, _SHUT = 0.7, 0.85  # alpha below the first is a hole, above the second is meant as solid


def make_solid(alpha: np.ndarray, trimap: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Alpha raised to 1 inside a sharp edge, deeper than the edge is soft on its outside.

    alpha: ``(H, W)`` float32 in [0, 1], solved. trimap: ``(H, W)``; only its unknown pixels change.
    strength: 0 to 1, how far it is raised. Returns ``(H, W)`` float32, never less than ``alpha``.
    """
    unknown = (trimap > 0.0) & (trimap < 1.0)
    body = (alpha > 0.5).astype(np.uint8)
    inner = cv2.erode(body, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    contour = body - inner
    if strength <= 0.0 or not unknown.any() or not contour.any():
        return alpha
    outer = ((alpha > _FAINT) & (body == 0)).astype(np.float32)
    length = cv2.blur(contour.astype(np.float32), (_SIDE, _SIDE))
    softness = cv2.blur(outer, (_SIDE, _SIDE)) / np.maximum(length, 1e-3)
    # an edge that the band cuts off only looks sharp
    cut = cv2.dilate((trimap == 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    softness[cut] = _FURRY
    depth, nearest = cv2.distanceTransformWithLabels(
        1 - contour, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    there = np.zeros(int(nearest.max()) + 1, np.float32)
    there[nearest[contour > 0]] = softness[contour > 0]
    soft = there[nearest]
    deep = np.clip((depth - _FUZZ * soft * soft - _LEAST) / _FADE, 0.0, 1.0) * body
    deep *= np.clip((_FURRY - soft) / (_FURRY - _SHARP), 0.0, 1.0)
    meant = np.clip((alpha - _OPEN) / (_SHUT - _OPEN), 0.0, 1.0)
    raised = alpha + (1.0 - alpha) * np.float32(min(1.0, strength)) * deep * meant
    return np.where(unknown, raised, alpha).astype(np.float32)


def without_dust(alpha: np.ndarray) -> np.ndarray:
    """``(H, W)`` float32: alpha that nobody could see is 0, and the same at 1."""
    clean = np.where(alpha < _DUST, np.float32(0.0), alpha)
    return np.where(clean > 1.0 - _DUST, np.float32(1.0), clean).astype(np.float32)
