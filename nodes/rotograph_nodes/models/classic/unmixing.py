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
_CLEAN_TEXTURE, _CLEAN_MISFIT = 0.1, 0.05  # the same two where what is behind is known
_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class Clean:
    """What is behind, where that is known: a clean plate.

    colour: ``(H, W, 3)`` float32, scene-linear. there: ``(H, W)`` bool, where it is known. sure:
    ``(H, W)`` float32, how many times as much a guess counts there.
    """

    colour: np.ndarray
    there: np.ndarray
    sure: np.ndarray

    def part(self, area: tuple[slice, slice]) -> Clean:
        return Clean(self.colour[area], self.there[area], self.sure[area])

    def strength(self) -> np.ndarray:
        """``(H, W)`` float32: how many times as much a guess counts, 1 where nothing is known."""
        return np.where(self.there, self.sure, np.float32(1.0))


@dataclass(frozen=True, eq=False)
class Guess:
    """Alpha from colours. alpha: ``(n,)`` float32 in [0, 1], of the unknown pixels in the order of
    ``np.nonzero``; variance: ``(n,)`` float32, about the square of the error to expect."""

    alpha: np.ndarray
    variance: np.ndarray


def unmix(
    linear: np.ndarray, known: np.ndarray, unknown: np.ndarray, clean: Clean | None = None
) -> Guess | None:
    """Guess alpha of the unknown pixels from known colours around them.

    linear: ``(H, W, 3)`` float32, finite, scene-linear. known: ``(H, W)`` float32, 0 or 1 where
    not unknown. unknown: ``(H, W)`` bool. clean: what is behind, as far as that is known. None
    when one side has no known pixel.
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
    alpha = np.empty(len(places), np.float32)
    variance = np.empty(len(places), np.float32)
    backed = np.zeros(len(places), bool) if clean is None else clean.there[unknown]
    for some in (~backed, backed):
        for part in np.array_split(np.flatnonzero(some), -(-np.count_nonzero(some) // _CHUNK) or 1):
            if not part.size:
                continue
            told = {}
            if backed[part[0]]:
                behind = clean.colour[unknown][part][:, None]
                told = {"misfit": _CLEAN_MISFIT, "texture": _CLEAN_TEXTURE}
            else:
                behind = back.nearest(places[part])
            alpha[part], variance[part] = _mixtures(
                colours[part], front.nearest(places[part]), behind, brightness[part] + floor, **told
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
    colours: np.ndarray,
    front: np.ndarray,
    back: np.ndarray,
    brightness: np.ndarray,
    misfit: float = _MISFIT,
    texture: float = _TEXTURE,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of alpha over all pairs of a front and a back colour, by their fit.

    colours: ``(n, 3)``, front: ``(n, k, 3)``, back: ``(n, l, 3)``, brightness: ``(n,)``, squared.
    """
    tolerance = misfit**2 * brightness
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
    apart = alpha * alpha * ff + rest * rest * bb + 2.0 * alpha * rest * fb
    apart /= tolerance[:, None, None]
    apart -= apart.min(axis=(1, 2), keepdims=True)
    weight = np.exp(-0.5 * apart)
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    mean = (weight * alpha).sum(axis=(1, 2))
    spread = (weight * np.square(alpha - mean[:, None, None])).sum(axis=(1, 2))
    doubt = alpha * alpha * grain[0][:, None, None] + rest * rest * grain[1][:, None, None]
    return mean, spread + texture * (weight * doubt / span).sum(axis=(1, 2))
