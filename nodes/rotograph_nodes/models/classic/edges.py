"""Full-resolution edges from the plate's own pixels: a soft matte in, an aligned one out.

A matte that was enlarged or blurred still has the right low frequencies. How alpha follows the
plate's colour is learned there (the local linear model alpha = a . colour + b that closed-form
matting and the guided filter rest on: Levin et al. 2008, He et al. 2010), and the plate's own
detail, multiplied by ``a``, takes the place of the detail that the matte lacks (as pan-
sharpening does). Two measures keep it from doing harm: detail is only added where the matte has
less of it than the plate foretells, its grain taken off, and only as far as what the matte has
of it agrees in sign. A matte that is already sharp therefore stays what it is.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from rotograph_nodes.models.classic.guide import grain_of, guide
from rotograph_nodes.models.tiles import placed, tiles

_CERTAIN = 0.01  # alpha nearer to 0 or 1 than this is no edge
_RIDGE = 1e-4  # least variance of the guide that says anything
_GRAIN_MARGIN = 1.5  # grain counts for this much more than was measured


def sharpen_edges(
    alpha: np.ndarray, linear: np.ndarray, radius: float = 2.0, strength: float = 1.0
) -> np.ndarray:
    """Alpha with the detail its edge lacks taken from the plate.

    alpha: ``(H, W)`` float32 in [0, 1]. linear: ``(H, W, 3)`` float32, scene-linear, unclamped
    (NaN, infinities and negatives do no harm), the same pixels. radius: how soft the incoming
    edge may be, in plate pixels (the sigma of a blur that would explain it); pixels farther
    than this (and 1) from any with 0.01 < alpha < 0.99 come back as they were. strength: 0 nothing,
    1 the detail that the evidence supports, above 1 more of it.
    Returns ``(H, W)`` float32 in [0, 1].
    """
    out = np.array(alpha, dtype=np.float32, copy=True)
    if radius <= 0 or strength <= 0 or not out.size:
        return out
    near = _near_edge(out, radius)
    # the sum of the reaches of every filter below
    sigmas = (radius, _window(radius), _window(radius), _energy(radius), 1.0)
    halo = sum(_reach(s) for s in sigmas)
    source, grain = out.copy(), grain_of(linear)
    for outer, inner in tiles(near, halo):
        sharp = _sharpen(source[outer], guide(linear[outer]), grain, radius, strength)
        place = placed(outer, inner)
        out[place] = np.where(near[place], sharp[inner], source[place])
    return out


def _near_edge(alpha: np.ndarray, radius: float) -> np.ndarray:
    """``(H, W)`` bool: the pixels that may change."""
    edge = ((alpha > _CERTAIN) & (alpha < 1.0 - _CERTAIN)).astype(np.uint8)
    reach = max(1, math.floor(radius))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(edge, disc).astype(bool)


def _window(radius: float) -> float:
    """Sigma of the neighbourhood in which one linear model has to hold."""
    return max(2.0, 1.6 * radius)


def _energy(radius: float) -> float:
    """Sigma of the neighbourhood in which detail is compared."""
    return max(2.0, 1.2 * radius)


def _reach(sigma: float) -> int:
    return math.ceil(3.0 * sigma)


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    side = 2 * _reach(sigma) + 1
    return cv2.GaussianBlur(picture, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def _sharpen(
    alpha: np.ndarray, colours: np.ndarray, grain: np.ndarray, radius: float, strength: float
) -> np.ndarray:
    smooth_alpha, smooth_colours = _blur(alpha, radius), _blur(colours, radius)
    slopes = _blur(_slopes(smooth_alpha, smooth_colours, _window(radius)), _window(radius))
    foretold = np.einsum("hwc,hwc->hw", slopes, colours - smooth_colours)
    present = alpha - smooth_alpha

    there = _blur(present * present, _energy(radius))
    wanted = _blur(foretold * foretold, _energy(radius))
    common = _blur(present * foretold, _energy(radius))
    printed = _GRAIN_MARGIN * np.square(slopes) @ grain  # what of it is the plate's grain
    missing = np.maximum(wanted - printed, 0.0)
    lacking = np.clip(1.0 - np.sqrt(there / (missing + 1e-6)), 0.0, 1.0)
    agreeing = np.clip(common / np.sqrt(there * wanted + 1e-10), 0.0, 1.0)
    weight = np.minimum(strength * _blur(lacking * agreeing, 1.0), 1.0)
    return np.clip(alpha + weight * (foretold - present), 0.0, 1.0)


def _slopes(alpha: np.ndarray, colours: np.ndarray, window: float) -> np.ndarray:
    """``(H, W, 3)`` float32: by how much alpha changes with each channel, least squares in a
    Gaussian window, by the cofactors of the 3x3 covariance."""
    mean_alpha, mean = _blur(alpha, window), _blur(colours, window)
    r, g, b = (colours[..., i] for i in range(3))
    mr, mg, mb = (mean[..., i] for i in range(3))
    rr = _blur(r * r, window) - mr * mr + _RIDGE
    gg = _blur(g * g, window) - mg * mg + _RIDGE
    bb = _blur(b * b, window) - mb * mb + _RIDGE
    rg = _blur(r * g, window) - mr * mg
    rb = _blur(r * b, window) - mr * mb
    gb = _blur(g * b, window) - mg * mb
    ra = _blur(r * alpha, window) - mr * mean_alpha
    ga = _blur(g * alpha, window) - mg * mean_alpha
    ba = _blur(b * alpha, window) - mb * mean_alpha
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = np.maximum(rr * c_rr + rg * c_rg + rb * c_rb, _RIDGE**3)
    slopes = np.empty((*alpha.shape, 3), np.float32)
    slopes[..., 0] = c_rr * ra + c_rg * ga + c_rb * ba
    slopes[..., 1] = c_rg * ra + c_gg * ga + c_gb * ba
    slopes[..., 2] = c_rb * ra + c_gb * ga + c_bb * ba
    return slopes / determinant[..., None]
