"""A network's own alpha, made without a trimap, as far as it tells where a layer's edge is."""

from __future__ import annotations

import cv2
import numpy as np

from rotograph.mask import MaskLogits
from rotograph_nodes import working
from rotograph_nodes.trimap import INSIDE, OUTSIDE, UNKNOWN

_SURE = 0.03  # alpha this near to 0 or 1 is a decision ...
_GRID_DOUBT = 1.5  # ... but only so many pixels of the network's own grid away from what is not
_SOFT = 0.1  # alpha this far from what the mask says, beyond the mask's band, widens the band


def narrowed(
    trimap: np.ndarray, alpha: np.ndarray, *, grid: float, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """The trimap with the network's word in it, and alpha as the hint that goes with it.

    trimap: ``(H, W)`` float32 of 0, 0.5, 1, from a mask: it says what the layer is. alpha:
    ``(H, W)`` float32 in [0, 1], what the network made of the frame, resampled to the plate. grid:
    plate pixels to a pixel of the network's grid. reach: plate pixels from the mask's band as far
    as which the layer goes. In the band the network decides what it is sure of; where it is not
    beside the band, the band is wider. What is known deep inside and far outside the mask stays.
    Returns two ``(H, W)`` float32.
    """
    band = trimap == UNKNOWN
    if not band.any():
        return trimap, np.where(trimap > 0, alpha, np.float32(0.0))
    wide = max(1, round(_GRID_DOUBT * grid))
    square = np.ones((2 * wide + 1, 2 * wide + 1), np.uint8)
    surely_in = cv2.erode((alpha > 1.0 - _SURE).astype(np.uint8), square) > 0
    surely_out = cv2.erode((alpha < _SURE).astype(np.uint8), square) > 0
    away = cv2.distanceTransform((~band).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    against = np.where(trimap == INSIDE, alpha < 1.0 - _SOFT, alpha > _SOFT)
    out = np.where(band & surely_in, INSIDE, trimap)
    out = np.where(band & surely_out, OUTSIDE, out)
    out = np.where(against & ~band & (away <= reach), UNKNOWN, out)
    if not ((out == INSIDE).any() and (out == OUTSIDE).any()):
        out = trimap  # a network that sees nothing, or nothing else, is no guide
    return out.astype(np.float32), alpha


def looked(given, context):
    """The network's alpha and memory, with the plate pixels that it covers."""
    seen = given["seen"]
    picture = seen["picture"].astype(np.float32)
    found = context.models["matte"].look(picture, given.get("earlier"))
    return {**found, "window": seen["window"]}


def starts(at):
    """The frames on which a memory begins: the layer's anchors, else the first with a prompt."""
    logits = at.shape("logits")
    if at.layer in logits.anchors:
        return logits.anchors[at.layer]
    return logits.prompted.get(at.layer, at.shape("plate").frames).frames[:1]


def own_alpha(given, window):
    """``(H, W)`` alpha of a network that needs no trimap, and how coarse it is; else None."""
    own = given.get("own")
    if own is None:
        return None, {}
    mask = MaskLogits(own["alpha"], working.window(own))
    grid = mask.window.width / own["alpha"].shape[1]
    return np.clip(mask.at(window), 0.0, 1.0), {"grid": grid}
