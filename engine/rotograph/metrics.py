"""How far a matte is from the truth, so that every figure we print means the same thing.

A frame is two ``(H, W)`` float32 alphas in [0, 1] over the same pixels: the reference's data
window (the caller crops). A sequence is the plain mean of its frames. Lower is better for
``mad``, ``mse``, ``sad``, ``conn``, ``band``, ``grad`` and ``dtssd``, higher for ``iou``, ``j``
and ``f``.

The matting papers sum and average over the unknown part of a trimap; here it is the whole frame,
for a shot has no trimap that everyone agrees on. Where both mattes are 0 or 1 it makes no
difference to the sums.

The first four agree with the tables of the project's measurements: hair cut at 0.5 against its
exact alpha gives mad .0074, band .142, grad .09, dtSSD 6.5 (``tests/bench/matting.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import cv2
import numpy as np

from rotograph.errors import ComputeError

BAND_LOW, BAND_HIGH = 0.02, 0.98
_BAND_GROWTH = np.ones((5, 5), np.uint8)  # two pixels each way
_GRADIENT_SIGMA = 1.4
_BOUNDARY_TOLERANCE = 0.008
_LEVELS = 10
_CONNECTED = 0.15


def mad(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Mean absolute difference over the frame."""
    return float(np.mean(np.abs(alpha - reference), dtype=np.float64))


def mse(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Mean squared difference over the frame (Rhemann et al. 2009)."""
    return float(np.mean(np.square(alpha - reference), dtype=np.float64))


def sad(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Sum of absolute differences over the frame, divided by 1000 as that benchmark prints it.

    It grows with the resolution: compare it at one only.
    """
    return float(np.sum(np.abs(alpha - reference), dtype=np.float64)) / 1000.0


def conn(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Connectivity error (Rhemann et al. 2009, with their theta 0.15, p 1 and levels 0.1 apart).

    The source is the largest 4-connected region in which both mattes reach a level; a pixel is
    connected up to the highest level whose source holds it, and loses 1 - (its alpha above that)
    where it is more than 0.15 above. Summed over the frame and divided by 1000.
    """
    both = np.minimum(alpha, reference)
    connected = np.full(alpha.shape, -1.0, np.float32)
    for index in range(1, _LEVELS + 1):
        # in float32, as the alphas are: 0.3 must be reached by a matte's own 0.3
        level = np.float32(index / _LEVELS)
        lost = (connected < 0) & ~_largest(both >= level)
        connected[lost] = np.float32((index - 1) / _LEVELS)
    connected[connected < 0] = 1.0
    degrees = []
    for matte in (alpha, reference):
        above = matte - connected
        degrees.append(1.0 - np.where(above >= _CONNECTED, above, 0.0))
    return float(np.sum(np.abs(degrees[0] - degrees[1]), dtype=np.float64)) / 1000.0


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected region; the first one of those that are as large."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    if count < 2:
        return np.zeros(mask.shape, bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def band_of(reference: np.ndarray) -> np.ndarray:
    """``(H, W)`` bool: where 0.02 < reference < 0.98, grown by a square of two pixels."""
    mixed = (reference > BAND_LOW) & (reference < BAND_HIGH)
    return cv2.dilate(mixed.astype(np.uint8), _BAND_GROWTH).astype(bool)


def band(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Mean absolute difference over ``band_of(reference)``; 0 where there is no band."""
    where = band_of(reference)
    if not where.any():
        return 0.0
    return float(np.mean(np.abs(alpha[where] - reference[where]), dtype=np.float64))


def grad(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Gradient error (Rhemann et al., "A Perceptually Motivated Online Benchmark", 2009).

    The squared difference of the two gradient magnitudes, from first derivatives of a Gaussian
    of sigma 1.4 pixels, summed over the frame and divided by 1000 as that benchmark prints it.
    Being a sum it grows with the length of the edges: compare it at one resolution only.
    """
    difference = _gradient_magnitude(alpha) - _gradient_magnitude(reference)
    return float(np.sum(np.square(difference), dtype=np.float64)) / 1000.0


def dtssd(
    alpha: np.ndarray,
    previous_alpha: np.ndarray,
    reference: np.ndarray,
    previous_reference: np.ndarray,
) -> float:
    """Flicker, times 100 (dtSSD of Erofeev et al., "Perceptually Motivated Benchmark for Video
    Matting", 2015): root mean square over the frame of how the change since the previous frame
    differs from the reference's change."""
    change = (alpha - previous_alpha) - (reference - previous_reference)
    return 100.0 * math.sqrt(float(np.mean(np.square(change), dtype=np.float64)))


def overlap(alpha: np.ndarray, reference: np.ndarray) -> tuple[int, int]:
    """Pixels in both masks and in either mask, both cut at alpha > 0.5."""
    inside, truth = alpha > 0.5, reference > 0.5
    return int(np.count_nonzero(inside & truth)), int(np.count_nonzero(inside | truth))


def iou(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Intersection over union of the masks alpha > 0.5; 1 when both are empty."""
    both, either = overlap(alpha, reference)
    return both / either if either else 1.0


def f_measure(alpha: np.ndarray, reference: np.ndarray) -> float:
    """Boundary F-measure of the masks alpha > 0.5 (Perazzi et al., "DAVIS", 2016).

    Boundary pixels count as found when the other mask has one within a disc of 0.008 of the
    frame's diagonal. As in DAVIS' own code: no boundary in either is 1, in one of them 0.
    """
    found, truth = _boundary(alpha > 0.5), _boundary(reference > 0.5)
    n_found, n_truth = np.count_nonzero(found), np.count_nonzero(truth)
    if n_found == 0 and n_truth == 0:
        return 1.0
    if n_found == 0 or n_truth == 0:
        return 0.0
    radius = math.ceil(_BOUNDARY_TOLERANCE * math.hypot(*alpha.shape))
    steps = np.arange(-radius, radius + 1)
    disc = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.uint8)
    precision = np.count_nonzero(found & cv2.dilate(truth, disc)) / n_found
    recall = np.count_nonzero(truth & cv2.dilate(found, disc)) / n_truth
    total = precision + recall
    return 2.0 * precision * recall / total if total else 0.0


_SPELT = {"dtssd": "dtSSD", "j": "J", "f": "F", "iou": "IoU"}


def _spelt(score: Any) -> dict[str, Any]:
    names = [f.name for f in fields(score) if f.name != "frames"]
    return {_SPELT.get(name, name): getattr(score, name) for name in names}


@dataclass(frozen=True)
class FrameScore:
    """The figures of one frame; ``dtssd`` is None when the frame before it was not compared."""

    frame: int
    mad: float
    mse: float
    sad: float
    band: float
    grad: float
    conn: float
    dtssd: float | None
    iou: float
    f: float

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, spelt as those of the sequence."""
        return _spelt(self)


@dataclass(frozen=True)
class SequenceScore:
    """The figures of a sequence: means over its frames.

    dtssd: mean over pairs of neighbouring frames, None when there is no such pair.
    iou: of the pixels of all frames together; j: the mean of the frames' own IoU (DAVIS' J).
    worst_mad: the largest mad of a single frame, and worst_frame the frame it is on.
    """

    mad: float
    mse: float
    sad: float
    band: float
    grad: float
    conn: float
    dtssd: float | None
    iou: float
    j: float
    f: float
    worst_mad: float
    worst_frame: int
    frames: tuple[FrameScore, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, the frames' own figures left out; dtssd is spelt dtSSD."""
        return _spelt(self) | {"frames": len(self.frames)}


def compare(frames: Iterable[tuple[int, np.ndarray, np.ndarray]]) -> SequenceScore:
    """Compare a sequence as it streams by; only the previous frame is held.

    frames: ``(frame, alpha, reference)`` in rising order of frames; alphas ``(H, W)`` of any
    float type, in [0, 1]. A gap in the numbering makes no dtSSD pair.
    Raises ComputeError when there is no frame, when sizes differ, or a value is not finite.
    """
    scores: list[FrameScore] = []
    both = either = 0
    previous: tuple[int, np.ndarray, np.ndarray] | None = None
    for frame, alpha, reference in frames:
        alpha = _checked(alpha, frame, "matte")
        reference = _checked(reference, frame, "reference")
        if alpha.shape != reference.shape:
            raise ComputeError(
                f"the matte is {alpha.shape[1]}x{alpha.shape[0]} and the reference"
                f" {reference.shape[1]}x{reference.shape[0]}",
                frame=frame,
                hint="compare mattes of the same format",
            )
        flicker = None
        if previous is not None and previous[0] == frame - 1 and previous[1].shape == alpha.shape:
            flicker = dtssd(alpha, previous[1], reference, previous[2])
        shared, total = overlap(alpha, reference)
        both, either = both + shared, either + total
        scores.append(
            FrameScore(
                frame=frame,
                mad=mad(alpha, reference),
                mse=mse(alpha, reference),
                sad=sad(alpha, reference),
                band=band(alpha, reference),
                grad=grad(alpha, reference),
                conn=conn(alpha, reference),
                dtssd=flicker,
                iou=shared / total if total else 1.0,
                f=f_measure(alpha, reference),
            )
        )
        previous = (frame, alpha, reference)
    if not scores:
        raise ComputeError("there is no frame to compare", hint="check the two file patterns")

    def mean(name: str) -> float:
        return float(np.mean([getattr(s, name) for s in scores]))

    pairs = [s.dtssd for s in scores if s.dtssd is not None]
    worst = max(scores, key=lambda s: s.mad)
    return SequenceScore(
        mad=mean("mad"),
        mse=mean("mse"),
        sad=mean("sad"),
        band=mean("band"),
        grad=mean("grad"),
        conn=mean("conn"),
        dtssd=float(np.mean(pairs)) if pairs else None,
        iou=both / either if either else 1.0,
        j=mean("iou"),
        f=mean("f"),
        worst_mad=worst.mad,
        worst_frame=worst.frame,
        frames=tuple(scores),
    )


def _checked(alpha: np.ndarray, frame: int, what: str) -> np.ndarray:
    alpha = np.ascontiguousarray(alpha, dtype=np.float32)
    if alpha.ndim != 2 or alpha.size == 0:
        raise ComputeError(f"the {what} has no pixels", frame=frame, hint="check its data window")
    if not np.isfinite(alpha).all():
        raise ComputeError(
            f"the {what} holds values that are not numbers", frame=frame, hint="render it again"
        )
    return alpha


def _gradient_magnitude(alpha: np.ndarray) -> np.ndarray:
    radius = math.ceil(4 * _GRADIENT_SIGMA)
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    smooth = np.exp(-0.5 * np.square(x / _GRADIENT_SIGMA))
    smooth /= smooth.sum()
    slope = x / _GRADIENT_SIGMA**2 * smooth
    edge = cv2.BORDER_REFLECT
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, slope, smooth, borderType=edge)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, smooth, slope, borderType=edge)
    return np.hypot(across, down)


def _boundary(mask: np.ndarray) -> np.ndarray:
    """``(H, W)`` uint8, one pixel wide: where a mask differs from its right or lower neighbour."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edge = mask ^ padded[:-1, 1:]
    edge |= mask ^ padded[1:, :-1]
    edge |= mask ^ padded[1:, 1:]
    return edge.astype(np.uint8)
