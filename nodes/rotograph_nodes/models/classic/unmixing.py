"""A first guess of alpha from colours alone, and how far to trust it.

The matting Laplacian only carries alpha from pixel to pixel; in a wide band, or between dark hair
and dark hills, it drifts. Here every unknown pixel is explained as a mixture of a nearby known
foreground colour and a nearby known background colour. All pairs are tried, as in He et al., "A
Global Sampling Method for Alpha Matting", 2011, but none is picked: each counts by how well it
explains the pixel, and the spread of their answers tells how much the mean is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

_COLOURS = 12  # of each side, for every unknown pixel
_THINNING = 3  # every third of the nearest ones, for more variety
_DEPTHS = (1, 3, 6, 10)  # pixels behind the band's border from which colours are taken
_REACH = 12.0  # half a band's width for which these depths are meant; wider bands stretch them
_MISFIT = 0.1  # of a pixel's own brightness: a sample is never quite the right colour
_SHADOW = 0.1  # brightness, relative to the band's, below which misfit no longer shrinks
_TEXTURE = 0.3  # of the colours' local variance: how far the true one may lie from a sample
_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class Guess:
    """Alpha from colours. alpha: ``(n,)`` float32 in [0, 1], of the unknown pixels in the order of
    ``np.nonzero``; variance: ``(n,)`` float32, about the square of the error to expect."""

    alpha: np.ndarray
    variance: np.ndarray


def unmix(linear: np.ndarray, known: np.ndarray, unknown: np.ndarray) -> Guess | None:
    """Guess alpha of the unknown pixels from known colours around them.

    linear: ``(H, W, 3)`` float32, finite, scene-linear. known: ``(H, W)`` float32, 0 or 1 where
    not unknown. unknown: ``(H, W)`` bool. None when one side has no known pixel.
    """
    if (unknown | (known > 0.5)).all() or (unknown | (known <= 0.5)).all():
        return None
    away = cv2.distanceTransform((~unknown).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    within = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    stretch = max(1.0, float(np.percentile(within[unknown], 95)) / _REACH)
    smooth = cv2.GaussianBlur(linear, (0, 0), stretch)
    near = _rings(away, stretch)
    front = _Palette.of(smooth, near & (known > 0.5))
    back = _Palette.of(smooth, near & (known <= 0.5))
    if front is None or back is None:
        return None
    places = np.argwhere(unknown).astype(np.float32)
    colours = linear[unknown]
    brightness = np.square(colours).sum(axis=1)
    floor = _SHADOW**2 * float(brightness.mean()) + 1e-12
    tolerance = _MISFIT**2 * (brightness + floor)
    alpha = np.empty(len(places), np.float32)
    variance = np.empty(len(places), np.float32)
    for start in range(0, len(places), _CHUNK):
        part = slice(start, start + _CHUNK)
        alpha[part], variance[part] = _mixtures(
            colours[part], front.nearest(places[part]), back.nearest(places[part]), tolerance[part]
        )
    return Guess(alpha, variance)


@dataclass(frozen=True, eq=False)
class _Palette:
    """Colours of known pixels, found by where they are."""

    tree: cKDTree
    colours: np.ndarray

    @classmethod
    def of(cls, linear: np.ndarray, where: np.ndarray) -> _Palette | None:
        places = np.argwhere(where)
        if not len(places):
            return None
        return cls(cKDTree(places.astype(np.float32)), linear[where])

    def nearest(self, places: np.ndarray) -> np.ndarray:
        """``(n, k, 3)`` colours around each of ``(n, 2)`` places."""
        count = min(_COLOURS * _THINNING, len(self.colours))
        _, found = self.tree.query(places, k=count)
        return self.colours[found.reshape(len(places), -1)[:, ::_THINNING]]


def _rings(away: np.ndarray, stretch: float) -> np.ndarray:
    """``(H, W)`` bool: known pixels at a few depths behind the border, thinned out."""
    rings = np.zeros(away.shape, bool)
    for depth in _DEPTHS:
        rings |= (away > depth * stretch - 0.5) & (away <= depth * stretch + 0.5)
    step = round(2 * stretch)
    y, x = np.ogrid[: away.shape[0], : away.shape[1]]
    return rings & ((x + y * 3) % step == 0)


def _mixtures(
    colours: np.ndarray, front: np.ndarray, back: np.ndarray, tolerance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of alpha over all pairs of a front and a back colour, by their fit.

    colours: ``(n, 3)``, front: ``(n, k, 3)``, back: ``(n, l, 3)``, tolerance: ``(n,)``.
    """
    grain = front.var(axis=1).sum(axis=1) / 3, back.var(axis=1).sum(axis=1) / 3
    front = front - colours[:, None]
    back = back - colours[:, None]
    # with the pixel at the origin all that is needed are the dot products of the two ends
    ff = np.square(front).sum(axis=2)[:, :, None]
    bb = np.square(back).sum(axis=2)[:, None, :]
    fb = np.matmul(front, back.transpose(0, 2, 1))
    span = ff + bb - 2.0 * fb
    np.maximum(span, 1e-9, out=span)
    alpha = np.clip((bb - fb) / span, 0.0, 1.0)
    rest = 1.0 - alpha
    misfit = alpha * alpha * ff + rest * rest * bb + 2.0 * alpha * rest * fb
    misfit /= tolerance[:, None, None]
    misfit -= misfit.min(axis=(1, 2), keepdims=True)
    weight = np.exp(-0.5 * misfit)
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    mean = (weight * alpha).sum(axis=(1, 2))
    spread = (weight * np.square(alpha - mean[:, None, None])).sum(axis=(1, 2))
    doubt = alpha * alpha * grain[0][:, None, None] + rest * rest * grain[1][:, None, None]
    return mean, spread + _TEXTURE * (weight * doubt / span).sum(axis=(1, 2))
