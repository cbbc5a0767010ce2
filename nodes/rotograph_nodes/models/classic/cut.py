"""The smallest cut: from a score in every pixel to the boundary that best follows edges.

The energy is that of Boykov and Jolly 2001 with the contrast term of GrabCut (Rother, Kolmogorov
and Blake 2004): sum of scores on the wrong side, plus a price for every pair of neighbours that
are parted, low across an edge of the picture. The maximum flow is OpenCV's. Its ``grabCut``
only takes colour mixtures, so the score travels in one channel of the image it is given, and two
frozen mixtures of one Gaussian each turn that channel back into exactly a linear score.
"""

from __future__ import annotations

import cv2
import numpy as np

_CERTAIN = 8.0  # scores beyond this are as good as certain
_LEVELS = 96  # steps of the score channel; its share in the contrast stays below the colours'
_PRICE = 50.0  # what OpenCV asks for parting two equal neighbours


def cut(
    edges: np.ndarray, scores: np.ndarray, smoothness: float, fixed: np.ndarray | None = None
) -> np.ndarray:
    """The labelling of least energy.

    edges: ``(h, w, 2)`` uint8, the two planes whose differences are edges (``edge_planes``).
    scores: ``(h, w)`` float32 log-odds of being inside; beyond ±8 counts as ±8.
    smoothness: price of parting two neighbours of equal colour, in units of the scores.
    fixed: ``(h, w)`` int8 or None: +1 surely inside, -1 surely outside, 0 to be found.
    Returns ``(h, w)`` bool. Exact, hence deterministic; safe in several threads.
    """
    limited = np.clip(scores, -_CERTAIN, _CERTAIN)
    level = np.round((limited / _CERTAIN + 1.0) * (_LEVELS / 2)).astype(np.uint8)
    labels = np.where(level > _LEVELS // 2, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    if fixed is not None:
        labels[fixed > 0] = cv2.GC_FGD
        labels[fixed < 0] = cv2.GC_BGD
    inside = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if inside.all() or not inside.any():
        return inside
    image = np.dstack([level, edges])
    # log N(level; _LEVELS, v) - log N(level; 0, v) = _LEVELS (level - _LEVELS / 2) / v, which is to
    # be the score in OpenCV's unit of price
    variance = _LEVELS**2 * smoothness / (2.0 * _CERTAIN * _PRICE)
    cv2.grabCut(
        image,
        labels,
        None,
        _mixture(0.0, variance),
        _mixture(float(_LEVELS), variance),
        1,
        cv2.GC_EVAL_FREEZE_MODEL,
    )
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def edge_planes(colours: np.ndarray) -> np.ndarray:
    """``(h, w, 2)`` uint8: lightness, and the chroma axis that varies most.

    colours: ``(h, w, 3)`` float32 of ``appearance.colours``.
    """
    chroma = colours[..., 1:].reshape(-1, 2)
    chroma = chroma - chroma.mean(axis=0)
    _, axes = np.linalg.eigh(chroma.T @ chroma)
    planes = np.dstack([colours[..., 0], (chroma @ axes[:, 1]).reshape(colours.shape[:2])])
    planes -= planes.min(axis=(0, 1))
    # one scale for both, so that a difference means the same in either
    scale = 255.0 / max(float(planes.max()), 1e-6)
    return np.clip(planes * scale, 0, 255).astype(np.uint8)


def _mixture(mean: float, variance: float) -> np.ndarray:
    """OpenCV's ``(1, 65)`` mixture of five Gaussians, of which one counts.

    The other two channels get so wide a variance that they say nothing.
    """
    model = np.zeros((1, 65))
    model[0, 0] = 1.0
    model[0, 5] = mean
    model[0, 20] = variance
    model[0, 24] = model[0, 28] = 1e12
    return model
