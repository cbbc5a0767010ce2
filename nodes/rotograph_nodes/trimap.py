"""Where alpha has to be found out: the unknown band between what is surely in and surely out."""

from __future__ import annotations

import cv2
import numpy as np

OUTSIDE, UNKNOWN, INSIDE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_DOUBT = 1.5  # logits nearer to 0 than this are no decision
_DOUBT_REACH = 3.0  # and count only this many band widths from the boundary
_CORE = 0.6  # of a limb's half thickness may be unknown
_THIN = 4.0  # plate pixels of half thickness; what is thinner may be hair and has no core
_MIDDLE = 0.7  # of a piece's half thickness: what lies deeper is its middle
_SPECK = 3.0  # plate pixels of half thickness; thinner pieces are no evidence of anything
_GRID_DOUBT = 2.0  # pixels of the mask's own grid by which its boundary may be off
_CALM, _AGAIN = 2.0, 4.0  # sigmas that edges are blurred with to be measured, at first and again


def trimap_from_logits(
    logits: np.ndarray,
    *,
    inside: float,
    outside: float,
    widening: np.ndarray | float = 0.0,
    grid: float = 1.0,
) -> np.ndarray:
    """A band around the mask's boundary, wider where the plate or the mask asks for it.

    logits: ``(H, W)`` float32 at plate resolution (``MaskLogits.at``), positive inside.
    inside, outside: how far the band reaches to either side of the boundary, plate pixels.
    widening: ``(H, W)`` float32 or one number, plate pixels added on both sides; looked up at the
    nearest boundary pixel (``motion_widening``, ``defocus_widening``).
    grid: plate pixels to a pixel of the mask's own grid; a mask knows its boundary to about two
    of these, and the band is that much wider than what would do for one plate pixel.
    Returns ``(H, W)`` float32 of 0, 0.5, 1. Logits within 1.5 of the boundary's 0 are unknown
    too, up to three band widths away. No boundary: no unknown pixel. In a limb thinner than the
    band the band leaves a core, unless motion or defocus widens it over that; but of every piece of
    the mask its middle is inside, or nothing would tell what it is made of.
    """
    mask = logits > 0
    edge = _boundary(mask)
    trimap = np.where(mask, INSIDE, OUTSIDE).astype(np.float32)
    if not edge.any():
        return trimap
    distance, added = _from_boundary(edge, widening)
    coarse = _GRID_DOUBT * max(0.0, grid - 1.0)
    inward = np.minimum(np.float32(inside + coarse), _room(mask, distance, inside + coarse))
    width = np.where(mask, inward, np.float32(outside + coarse)) + added
    doubtful = (np.abs(logits) < _DOUBT) & (distance <= _DOUBT_REACH * width)
    trimap[(distance <= width) | doubtful] = UNKNOWN
    return keep_middles(trimap, mask)


def motion_widening(flow: np.ndarray, shape: tuple[int, int], shutter: float = 0.5) -> np.ndarray:
    """How far motion blur smears an edge to either side, ``(H, W)`` float32 plate pixels.

    flow: ``(h, w, 2)`` float32 plate pixels a frame on any grid that covers the plate.
    shutter: the part of the frame during which it is open (0.5 is 180 degrees).
    """
    length = np.hypot(flow[..., 0], flow[..., 1]).astype(np.float32)
    length = np.nan_to_num(length, nan=0.0, posinf=0.0) * np.float32(shutter / 2)
    return cv2.resize(length, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def defocus_widening(
    linear: np.ndarray, logits: np.ndarray, *, sharp: float = 0.7, most: float = 24.0
) -> np.ndarray:
    """How far the plate's own edge along the mask's boundary spreads, beyond a sharp edge's.

    linear: ``(H, W, 3)`` float32 scene-linear. logits: ``(H, W)`` float32.
    sharp: sigma in pixels of an edge in focus. most: the largest answer.
    Returns ``(H, W)`` float32 plate pixels, three sigmas of what is more than sharp, the same over
    each neighbourhood; a plate larger than 2K is measured at half size.

    The ratio of an edge's gradient to that of the edge blurred once more tells its own blur
    (Zhuo and Sim, "Defocus Map Estimation from a Single Image", 2011).
    """
    height, width = logits.shape
    if max(height, width) > 2048:
        size = ((width + 1) // 2, (height + 1) // 2)
        half = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (linear, logits))
        found = defocus_widening(*half, sharp=sharp, most=most / 2) * np.float32(2.0)
        return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    edge = _boundary(logits > 0)
    if not edge.any():
        return np.zeros(logits.shape, np.float32)
    light = np.nan_to_num(linear.max(axis=2).astype(np.float32), nan=0.0, posinf=65504.0)
    light = np.log2(np.maximum(light, 0.0) + np.float32(0.02))
    steep = _slope(cv2.GaussianBlur(light, (0, 0), _CALM))
    softer = _slope(cv2.GaussianBlur(light, (0, 0), float(np.hypot(_CALM, _AGAIN))))
    # the ratio holds at the middle of an edge, where it is steepest
    middle = cv2.dilate(edge, np.ones((9, 9), np.uint8)) > 0
    middle &= steep >= 0.98 * cv2.dilate(steep, np.ones((5, 5), np.uint8))
    ratio = np.clip(steep / np.maximum(softer, 1e-6), 1.01, 10.0)
    sigma = np.sqrt(np.maximum(_AGAIN**2 / (ratio * ratio - 1.0) - _CALM**2, 0.0))
    weight = np.where(middle, steep, np.float32(0.0))
    size = (33, 33)
    total = cv2.blur(weight, size)
    mean = cv2.blur(weight * sigma.astype(np.float32), size) / np.maximum(total, 1e-6)
    return np.clip(3.0 * (mean - np.float32(sharp)), 0.0, most).astype(np.float32)


def keep_middles(trimap: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The trimap with an inside in every piece of the mask: where one has none left, its middle.

    trimap: ``(H, W)`` float32. mask: ``(H, W)`` bool. Pieces that are mere specks are left out.
    """
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    flat = pieces.ravel()
    known = np.bincount(flat[trimap.ravel() == INSIDE], minlength=count) > 0
    known[0] = True
    if known.all():
        return trimap
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, flat, depth.ravel())
    lost = ~known & (deepest >= _SPECK)
    middle = lost[pieces] & (depth >= _MIDDLE * deepest[pieces])
    return np.where(middle, INSIDE, trimap)


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


def _room(mask: np.ndarray, distance: np.ndarray, inside: float) -> np.ndarray:
    """How far the band may reach into the mask so that a core is left of what is thin."""
    side = 2 * int(np.ceil(inside)) + 1
    depth = cv2.dilate(
        np.where(mask, distance, 0.0).astype(np.float32), np.ones((side, 1), np.uint8)
    )
    depth = cv2.dilate(depth, np.ones((1, side), np.uint8))
    return np.where(depth >= _THIN, depth * _CORE, np.float32(np.inf))


def _slope(light: np.ndarray) -> np.ndarray:
    across = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    return np.hypot(across, down)  # cv2.magnitude's last bit depends on where arrays lie in memory
