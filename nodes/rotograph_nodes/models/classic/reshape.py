"""Move or soften a matte's edge by a number of plate pixels, fractions included."""

from __future__ import annotations

import math

import cv2
import numpy as np

_SIGMAS_OF_10_TO_90 = 2.5631  # between the 10 % and 90 % points of a blurred step
_STEP = 10.0  # radius of the discs; at 10 one of whole pixels is within 2 % of round
_FEWEST, _MOST = 16, 64  # directions in which an edge is moved


def resize_edge(alpha: np.ndarray, pixels: float, aspect: float = 1.0) -> np.ndarray:
    """Dilate (positive) or erode (negative) by a disc, to a fraction of a pixel.

    alpha: ``(H, W)`` float32 in [0, 1]. pixels: how far the edge moves, in plate pixels as the
    rows have them; with a pixel ``aspect`` (width over height) other than 1 it moves
    ``pixels / aspect`` sideways, so that the disc is round on the screen. Grey-scale
    morphology: the brightest (darkest) value within the disc, whose rim is sampled between
    pixels, so a hard, a soft or a slanted edge moves by the same distance and keeps its
    softness. What lies outside the picture is taken to go on as at its border.
    Returns ``(H, W)`` float32 in [0, 1].
    """
    out = np.array(alpha, dtype=np.float32, copy=True)
    if pixels == 0 or out.size == 0:
        return out
    rows, columns = _bounds(out, math.ceil(abs(pixels)) + 1, aspect)
    window = out[rows, columns]
    if pixels > 0:
        out[rows, columns] = _dilate(window, pixels, aspect)
    else:
        out[rows, columns] = 1.0 - _dilate(1.0 - window, -pixels, aspect)
    return out


def feather(alpha: np.ndarray, pixels: float, aspect: float = 1.0) -> np.ndarray:
    """Soften the edge, inward and outward alike.

    alpha: ``(H, W)`` float32 in [0, 1]. pixels: how wide a hard edge becomes, from 10 % to
    90 %, in plate pixels as the rows have them (``pixels / aspect`` sideways). A Gaussian, so
    edges that are soft already become softer by the square sum only.
    Returns ``(H, W)`` float32 in [0, 1].
    """
    out = np.array(alpha, dtype=np.float32, copy=True)
    if pixels <= 0 or out.size == 0:
        return out
    down = pixels / _SIGMAS_OF_10_TO_90
    across = down / aspect
    reach = math.ceil(4.0 * down), math.ceil(4.0 * across)
    rows, columns = _bounds(out, math.ceil(4.0 * down) + 1, aspect)
    out[rows, columns] = cv2.GaussianBlur(
        out[rows, columns],
        (2 * reach[1] + 1, 2 * reach[0] + 1),
        sigmaX=across,
        sigmaY=down,
        borderType=cv2.BORDER_REPLICATE,
    )
    return np.clip(out, 0.0, 1.0, out=out)


def _bounds(alpha: np.ndarray, margin: int, aspect: float) -> tuple[slice, slice]:
    """Rows and columns that hold all of the layer, with a margin; outside, alpha stays 0."""
    rows = np.flatnonzero(alpha.any(axis=1))
    columns = np.flatnonzero(alpha.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    aside = math.ceil(margin / aspect) + 1
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - aside), int(columns[-1]) + 1 + aside),
    )


def _dilate(alpha: np.ndarray, radius: float, aspect: float) -> np.ndarray:
    if alpha.size == 0:
        return alpha
    out, rest = alpha, radius
    while rest > 0:  # a disc is the sum of smaller ones, which are sooner done
        out = cv2.dilate(out, _disc(min(rest, _STEP), aspect))
        rest -= _STEP
    # the discs are of whole pixels and fall a little short; the rim itself is exact
    down, across = radius, radius / aspect
    count = min(max(math.ceil(2.0 * math.pi * max(down, across)), _FEWEST), _MOST)
    count = 4 * math.ceil(count / 4)  # so that straight up, down, left and right are among them
    for angle in 2.0 * math.pi * np.arange(count) / count:
        moved = _shifted(alpha, down * math.sin(angle), across * math.cos(angle))
        np.maximum(out, moved, out=out)
    return out


def _disc(radius: float, aspect: float) -> np.ndarray:
    """The whole pixels within ``radius``, as a kernel: ``(2 a + 1, 2 b + 1)`` uint8."""
    down, across = math.floor(radius), math.floor(radius / aspect)
    y, x = np.mgrid[-down : down + 1, -across : across + 1]
    return (y**2 + (x * aspect) ** 2 <= radius**2).astype(np.uint8)


def _shifted(alpha: np.ndarray, down: float, across: float) -> np.ndarray:
    """``alpha`` moved by a fraction of a pixel, bilinear, repeating its border."""
    matrix = np.array([[1.0, 0.0, -across], [0.0, 1.0, -down]])
    return cv2.warpAffine(
        alpha,
        matrix,
        alpha.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
