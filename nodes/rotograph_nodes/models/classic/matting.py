"""Alpha in the unknown band, from the plate's own pixels in linear light.

Two kinds of evidence meet in one linear system: colours explained as mixtures of known colours
(``unmixing``), each as strong as it is sure, and the matting Laplacian (``laplacian``), which
carries alpha between pixels along the plate's own structure. A guess that the rest of the
picture contradicts loses its weight, and the contradiction is found at half size, where solving
is cheap: so the picture is solved from small to large.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from rotograph.colour import harmless
from rotograph_nodes.models.classic.laplacian import equations
from rotograph_nodes.models.classic.unmixing import Clean, unmix
from rotograph_nodes.models.tiles import Slices, placed, tiles

_STRENGTH = 1e-3  # of a sure guess against the Laplacian
_HINT = 5e-4  # of what the mask says, in a band of this half width in pixels or less:
_HINT_WIDTH = 16.0
_DOUBT = 1e-3  # variance at which a guess has lost three quarters of that
_DISSENT = 0.1  # difference from the coarser solution at which it has, likewise
_COARSER = 16.0  # how much more trust counts at half size: the Laplacian slackens as length^4
_FREE = 1e-9  # keeps a band that nothing speaks about solvable
_MARGIN = 32  # pixels a tile is solved beyond what is kept of it
_WHOLE = 100_000  # unknown pixels that are solved at once; more go tile by tile


def estimate_alpha(
    linear: np.ndarray,
    trimap: np.ndarray,
    hint: np.ndarray | None = None,
    clean: Clean | None = None,
    belief: float = 1.0,
) -> np.ndarray:
    """Alpha of the unknown pixels of a trimap; the others keep their 0 or 1.

    linear: ``(H, W, 3)`` float, the plate: scene-linear, unclamped; NaN and infinities harmless.
    trimap: ``(H, W)`` float32: 0 outside, 1 inside, anything in between (0.5) unknown.
    hint: ``(H, W)`` float32 in [0, 1], the mask that the trimap was made from, if it was: it has
    a small say where colours say nothing, so that a thin limb without a known inside stays.
    clean: what is behind, where that is known (a screen). belief: how much more the hint counts,
    when it is an alpha and not a mask's.
    Returns ``(H, W)`` float32 in [0, 1]. Scaling the plate does not change it. Deterministic.
    Memory: about 4 kB for each unknown pixel up to 100,000, much less for more.
    """
    unknown = (trimap > 0.0) & (trimap < 1.0)
    alpha = np.where(unknown, np.float32(0.5), trimap).astype(np.float32)
    if not unknown.any():
        return alpha
    rows, columns = _around(unknown, margin=64)
    linear, unknown = harmless(linear[rows, columns]), unknown[rows, columns]
    held = alpha[rows, columns]
    evidence = _Evidence(linear, unknown, held.copy(), np.full(held.shape, _FREE, np.float32))
    clean = None if clean is None else clean.part((rows, columns))
    guess = unmix(linear, held, unknown, clean)
    if guess is not None:
        strength = _STRENGTH if clean is None else _STRENGTH * clean.strength()[unknown]
        evidence.target[unknown] = guess.alpha
        evidence.trust[unknown] = strength / np.square(1.0 + guess.variance / _DOUBT) + _FREE
    if hint is not None:
        evidence.draw_to(hint[rows, columns], belief * _HINT * _closeness(unknown))
    evidence.trust[~unknown] = _STRENGTH
    alpha[rows, columns] = _solve(evidence)
    return alpha


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What is known about alpha at one size.

    linear: ``(H, W, 3)`` float32. unknown: ``(H, W)`` bool. target, trust: ``(H, W)`` float32,
    the alpha that each pixel is drawn to (of a known pixel: its alpha) and how strongly.
    """

    linear: np.ndarray
    unknown: np.ndarray
    target: np.ndarray
    trust: np.ndarray

    def draw_to(self, alpha: np.ndarray, strength: float) -> None:
        """Let the unknown pixels be drawn to ``alpha`` as well."""
        where = self.unknown
        pull = self.trust[where] * self.target[where] + strength * alpha[where]
        self.trust[where] += strength
        self.target[where] = pull / self.trust[where]

    def halved(self) -> _Evidence:
        """The same at half the size; a pixel is unknown where any of its four is."""
        height, width = self.unknown.shape
        size = ((width + 1) // 2, (height + 1) // 2)

        def half(a: np.ndarray) -> np.ndarray:
            return cv2.resize(a, size, interpolation=cv2.INTER_AREA)

        trust = half(self.trust)
        unknown = half(self.unknown.astype(np.float32)) > 1e-3
        target = half(self.target * self.trust) / trust
        return _Evidence(half(self.linear), unknown, target, trust * _COARSER)


def _solve(evidence: _Evidence, robust: bool = True) -> np.ndarray:
    """``(H, W)`` float32 alpha; ``robust`` lets guesses lose weight that the rest contradicts."""
    count, trust, start = np.count_nonzero(evidence.unknown), evidence.trust, evidence.target
    if robust or count > _WHOLE:
        coarse = evidence.halved()
        small = _solve(coarse, robust=False)
        size = evidence.unknown.shape[::-1]
        start = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
        start = np.where(evidence.unknown, start, evidence.target)
        if robust:
            dissent = cv2.resize(small - coarse.target, size, interpolation=cv2.INTER_LINEAR)
            trust = trust / np.square(1.0 + np.square(dissent / _DISSENT))
    if count <= _WHOLE:
        return _solve_at_once(evidence, start, trust)
    return _solve_in_tiles(evidence, start, trust)


def _solve_in_tiles(evidence: _Evidence, start: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """The rims of the tiles are held at ``start``, and what is kept lies well inside them."""
    solved = start.copy()
    for outer, inner in tiles(evidence.unknown, _MARGIN):
        piece = _Evidence(
            evidence.linear[outer],
            evidence.unknown[outer] & _within_rim(outer, evidence.unknown.shape),
            evidence.target[outer],
            evidence.trust[outer],
        )
        solved[placed(outer, inner)] = _solve_at_once(piece, start[outer], trust[outer])[inner]
    return solved


def _solve_at_once(evidence: _Evidence, held: np.ndarray, trust: np.ndarray) -> np.ndarray:
    # one repeated pixel all round: pixels on the picture's edge get as many windows as others
    linear, held, unknown = (
        cv2.copyMakeBorder(a, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        for a in (evidence.linear, held, evidence.unknown.astype(np.uint8))
    )
    free = unknown.astype(bool)
    if not free.any():
        return held[1:-1, 1:-1]
    matrix, right = equations(linear, held, free)
    pull = np.pad(trust, 1, mode="edge")[free].astype(np.float64)
    towards = np.pad(evidence.target, 1, mode="edge")[free]
    factor = splu(
        (matrix + sparse.diags_array(pull)).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    held[free] = np.clip(factor.solve(right + pull * towards), 0.0, 1.0)
    return held[1:-1, 1:-1]


def _closeness(unknown: np.ndarray) -> float:
    """1 for a narrow band, falling with the fourth power of its width, as the Laplacian slackens:
    the mask is not to outweigh the plate where it is known less well."""
    depth = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return min(1.0, _HINT_WIDTH / float(np.percentile(depth[unknown], 95))) ** 4


def _around(where: np.ndarray, margin: int) -> Slices:
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )


def _within_rim(outer: Slices, shape: tuple[int, int]) -> np.ndarray:
    """``(h, w)`` bool of a tile: not its outermost two pixels, unless the picture ends there."""
    inner = np.ones([s.stop - s.start for s in outer], bool)
    for axis, (span, length) in enumerate(zip(outer, shape, strict=True)):
        lines = np.moveaxis(inner, axis, 0)
        if span.start > 0:
            lines[:2] = False
        if span.stop < length:
            lines[-2:] = False
    return inner
