"""Where alpha has to be found out: the unknown band between what is surely in and surely out."""

from __future__ import annotations

import cv2
import numpy as np

OUTSIDE, UNKNOWN, INSIDE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_DOUBT = 1.5  # logits nearer to 0 than this are no decision
_DOUBT_REACH = 3.0  # and count only this many band widths from the boundary


def trimap_from_logits(
    logits: np.ndarray,
    *,
    inside: float,
    outside: float,
    widening: np.ndarray | float = 0.0,
) -> np.ndarray:
    """A band around the mask's boundary, wider where the plate or the mask asks for it.

    logits: ``(H, W)`` float32 at plate resolution (``MaskLogits.at``), positive inside.
    inside, outside: how far the band reaches to either side of the boundary, plate pixels.
    widening: ``(H, W)`` float32 or one number, plate pixels added on both sides; looked up at the
    nearest boundary pixel (``motion_widening``, ``defocus_widening``).
    Returns ``(H, W)`` float32 of 0, 0.5, 1. Logits within 1.5 of the boundary's 0 are unknown
    too, up to three band widths away. No boundary: no unknown pixel.
    """
    mask = logits > 0
    edge = _boundary(mask)
    trimap = np.where(mask, INSIDE, OUTSIDE).astype(np.float32)
    if not edge.any():
        return trimap
    distance, added = _from_boundary(edge, widening)
    width = np.where(mask, np.float32(inside), np.float32(outside)) + added
    doubtful = (np.abs(logits) < _DOUBT) & (distance <= _DOUBT_REACH * width)
    trimap[(distance <= width) | doubtful] = UNKNOWN
    return trimap


def motion_widening(flow: np.ndarray, shape: tuple[int, int], shutter: float = 0.5) -> np.ndarray:
    """How far motion blur smears an edge to either side, ``(H, W)`` float32 plate pixels.

    flow: ``(h, w, 2)`` float32 plate pixels a frame on any grid that covers the plate.
    shutter: the part of the frame during which it is open (0.5 is 180 degrees).
    """
    length = np.hypot(flow[..., 0], flow[..., 1]).astype(np.float32)
    length = np.nan_to_num(length, nan=0.0, posinf=0.0) * np.float32(shutter / 2)
    return cv2.resize(length, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def defocus_widening(
    linear: np.ndarray, logits: np.ndarray, *, sharp: float = 1.2, most: float = 24.0
) -> np.ndarray:
    """How far the plate's own edge along the mask's boundary spreads, beyond a sharp edge's.

    linear: ``(H, W, 3)`` float32 scene-linear. logits: ``(H, W)`` float32.
    sharp: spread (sigma, pixels) of an edge in focus. most: the largest answer.
    Returns ``(H, W)`` float32 plate pixels, the same over each neighbourhood.

    The ratio of an edge's gradient to that of the edge blurred once more tells its own blur
    (Zhuo and Sim, "Defocus Map Estimation from a Single Image", 2011).
    """
    near = _boundary(logits > 0)
    if not near.any():
        return np.zeros(logits.shape, np.float32)
    light = np.nan_to_num(linear.max(axis=2).astype(np.float32), nan=0.0, posinf=65504.0)
    light = np.log2(np.maximum(light, 0.0) + np.float32(0.02))
    again = 2.0
    steep = _slope(cv2.GaussianBlur(light, (0, 0), 1.0))
    softer = _slope(cv2.GaussianBlur(light, (0, 0), float(np.hypot(1.0, again))))
    near = cv2.dilate(near, np.ones((9, 9), np.uint8)).astype(bool)
    ratio = np.clip(steep / np.maximum(softer, 1e-6), 1.01, 10.0)
    sigma = again / np.sqrt(ratio * ratio - 1.0)
    weight = np.where(near, steep, np.float32(0.0))
    size = (33, 33)
    total = cv2.blur(weight, size)
    mean = cv2.blur(weight * sigma.astype(np.float32), size) / np.maximum(total, 1e-6)
    return np.clip(2.0 * (mean - np.float32(sharp)), 0.0, most).astype(np.float32)


def trimap_from_image(coverage: np.ndarray) -> np.ndarray:
    """A drawn trimap, cleaned: ``(H, W)`` float32, below 0.1 is 0, above 0.9 is 1, the rest 0.5.

    Values that are not numbers are unknown. The tolerance takes 8-bit greys and filtered edges.
    """
    trimap = np.full(coverage.shape, UNKNOWN, np.float32)
    trimap[coverage < 0.1] = OUTSIDE
    trimap[coverage > 0.9] = INSIDE
    return trimap


def apply_garbage_and_core(
    trimap: np.ndarray, garbage: np.ndarray | None = None, core: np.ndarray | None = None
) -> np.ndarray:
    """The artist's word: what garbage covers is out and what core covers is in.

    trimap: ``(H, W)`` float32. garbage, core: ``(H, W)`` float masks, over 0.5 counts. Where both
    do, core wins: holding something in is the rarer and more deliberate act.
    """
    out = trimap.copy()
    if garbage is not None:
        out[garbage > 0.5] = OUTSIDE
    if core is not None:
        out[core > 0.5] = INSIDE
    return out


def _boundary(mask: np.ndarray) -> np.ndarray:
    """``(H, W)`` uint8: the mask's pixels that touch the outside; the picture's rim is no edge."""
    plain = mask.astype(np.uint8)
    shrunk = cv2.erode(plain, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return plain - shrunk


def _from_boundary(
    edge: np.ndarray, widening: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray | np.float32]:
    """Distance to the nearest boundary pixel, and the widening there."""
    away = (1 - edge).astype(np.uint8)
    if np.isscalar(widening):
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return distance, np.float32(widening)
    distance, labels = cv2.distanceTransformWithLabels(
        away, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at_label = np.zeros(int(labels.max()) + 1, np.float32)
    on = edge.astype(bool)
    at_label[labels[on]] = np.asarray(widening, np.float32)[on]
    return distance, at_label[labels]


def _slope(light: np.ndarray) -> np.ndarray:
    return cv2.magnitude(
        cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125),
        cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125),
    )
