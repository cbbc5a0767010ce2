"""The figures mean what their papers say, and agree with the project's measured tables."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import morphology

from rotograph import exr, metrics
from rotograph.errors import ComputeError

PLATES = Path(__file__).resolve().parents[3] / "shared" / "plates"


def truth(plate: str, frame: int) -> np.ndarray:
    return exr.read(PLATES / plate / f"alpha.{frame}.exr").coverage()


def disc(x: float, radius: float = 20.0) -> np.ndarray:
    """A disc with an edge one pixel soft, ``(64, 96)`` float32."""
    columns, rows = np.meshgrid(np.arange(96), np.arange(64))
    return np.clip(radius + 0.5 - np.hypot(columns - x, rows - 32), 0, 1).astype(np.float32)


def test_a_matte_equal_to_the_truth_has_no_error() -> None:
    score = metrics.compare((1001 + i, disc(40 + i), disc(40 + i)) for i in range(3))
    assert (score.mad, score.band, score.dtssd) == (0, 0, 0)
    assert score.grad == pytest.approx(0)
    assert (score.iou, score.j, score.f) == (1, 1, 1)


def test_figures_that_can_be_worked_out_by_hand() -> None:
    reference = np.zeros((10, 10), np.float32)
    reference[:, 5:] = 1
    matte = np.full((10, 10), 0.25, np.float32)
    assert metrics.mad(matte, reference) == pytest.approx((0.25 + 0.75) / 2)
    assert metrics.band(matte, reference) == 0  # nothing in the reference is mixed
    reference[:, 5] = 0.5  # one mixed column; grown by two pixels: columns 3 to 7
    assert metrics.band(matte, reference) == pytest.approx((2 * 0.25 + 0.25 + 2 * 0.75) / 5)
    assert metrics.iou(matte, reference) == 0
    assert metrics.dtssd(matte, matte * 0, reference, reference) == pytest.approx(25)


def test_a_shifted_mask_keeps_its_boundary_score_within_the_tolerance_only() -> None:
    near, far = disc(41), disc(60)  # 0.008 of a 96x64 frame's diagonal is one pixel
    assert metrics.f_measure(near, disc(40)) == pytest.approx(1)
    assert metrics.f_measure(far, disc(40)) < 0.3
    assert metrics.f_measure(disc(40) * 0, disc(40)) == 0
    assert metrics.f_measure(disc(40) * 0, disc(40) * 0) == 1


def test_flicker_is_seen_only_between_neighbouring_frames() -> None:
    still = disc(40)
    flickering = [(1001, still, still), (1002, still * 0.5, still), (1004, still, still)]
    score = metrics.compare(flickering)
    assert [frame.dtssd is None for frame in score.frames] == [True, False, True]
    assert score.dtssd == pytest.approx(score.frames[1].dtssd)
    assert metrics.compare(flickering[:1]).dtssd is None


def test_the_worst_frame_is_named() -> None:
    still = disc(40)
    score = metrics.compare((1001 + i, disc(40 + x), still) for i, x in enumerate((0, 9, 3)))
    assert score.worst_frame == 1002
    assert score.worst_mad == score.frames[1].mad > score.mad
    assert score.as_dict()["J"] == pytest.approx(np.mean([f.iou for f in score.frames]))


def test_a_sequence_is_compared_as_it_streams() -> None:
    endless = ((frame, disc(40), disc(40)) for frame in itertools.count(1001))
    assert len(metrics.compare(itertools.islice(endless, 50)).frames) == 50


@pytest.mark.parametrize(
    ("matte", "says"),
    [
        (np.zeros((4, 5), np.float32), "the matte is 5x4 and the reference 96x64"),
        (np.full((64, 96), np.nan, np.float32), "not numbers"),
        (np.zeros((0, 0), np.float32), "no pixels"),
    ],
)
def test_what_cannot_be_compared_is_said_with_its_frame(matte: np.ndarray, says: str) -> None:
    with pytest.raises(ComputeError, match=f"frame 1007: .*{says}"):
        metrics.compare([(1007, matte, disc(40))])


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ComputeError, match="no frame"):
        metrics.compare([])


@pytest.mark.material
@pytest.mark.skipif(not PLATES.is_dir(), reason="no ../shared/plates here")
@pytest.mark.parametrize(
    ("plate", "sigma", "figures"),
    [
        ("blondehair", 0.0, (0.0074, 0.142, 0.09, 6.5)),
        ("blondehair", 2.5, (0.0047, 0.085, 0.032, 3.7)),
        ("lemur", 0.0, (0.0083, 0.143, 0.11, 6.5)),
        ("lemur", 4.0, (0.0039, 0.061, 0.013, 2.6)),
    ],
)
def test_the_measured_tables_are_reproduced(
    plate: str, sigma: float, figures: tuple[float, ...]
) -> None:
    def frames():
        for frame in range(1001, 1025):
            reference = truth(plate, frame)
            cut = (reference > 0.5).astype(np.float32)
            yield frame, cv2.GaussianBlur(cut, (0, 0), sigma) if sigma else cut, reference

    score = metrics.compare(frames())
    found = (score.mad, score.band, score.grad, score.dtssd)
    assert found == pytest.approx(figures, rel=0.05)


def test_sums_and_squares_are_the_benchmarks_own() -> None:
    reference = np.zeros((20, 50), np.float32)
    matte = np.zeros((20, 50), np.float32)
    matte[5], reference[6] = 0.5, 1
    assert metrics.mse(matte, reference) == pytest.approx((50 * 0.25 + 50) / 1000)
    assert metrics.sad(matte, reference) == pytest.approx((50 * 0.5 + 50) / 1000)


def benchmark_connectivity(matte: np.ndarray, reference: np.ndarray) -> float:
    """The evaluation code that the matting papers publish, step by step, in double precision."""
    steps = np.arange(0, 1.1, 0.1)
    reached = np.full(matte.shape, -1.0)
    for index in range(1, len(steps)):
        labels, count = ndimage.label((matte >= steps[index]) & (reference >= steps[index]))
        omega = np.zeros(matte.shape, bool)
        if count:
            sizes = ndimage.sum_labels(np.ones(matte.shape), labels, range(1, count + 1))
            omega = labels == 1 + int(np.argmax(sizes))
        reached[(reached == -1) & ~omega] = steps[index - 1]
    reached[reached == -1] = 1
    degrees = []
    for alpha in (matte, reference):
        above = alpha - reached
        degrees.append(1 - above * (above >= 0.15))
    return float(np.abs(degrees[0] - degrees[1]).sum() / 1000)


def test_connectivity_agrees_with_the_published_evaluation() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        # values of the 8-bit mattes that the papers compare, well away from the levels
        blobs = [cv2.GaussianBlur(rng.random((40, 60)), (0, 0), s) for s in (3, 4)]
        one, two = (np.clip((b - b.mean()) * 8 + 0.5, 0, 1) for b in blobs)
        one, two = (np.floor(a * 63).astype(np.float32) / 63 for a in (one, two))
        assert metrics.conn(one, two) == pytest.approx(benchmark_connectivity(one, two), abs=1e-5)


def test_an_island_costs_connectivity_though_its_difference_is_the_same() -> None:
    reference = np.zeros((50, 50), np.float32)
    reference[10:30, 10:30] = 1
    grown, island = reference.copy(), reference.copy()
    grown[30:35, 10:30] = 0.1  # below what counts as apart
    island[40:45, 10:20] = 0.2
    assert metrics.sad(grown, reference) == pytest.approx(metrics.sad(island, reference))
    assert metrics.conn(grown, reference) == 0
    assert metrics.conn(island, reference) == pytest.approx(50 * 0.2 / 1000)


def test_each_frame_has_its_own_figures() -> None:
    frames = [(1001, disc(40), disc(40)), (1002, disc(42), disc(40))]
    score = metrics.compare(frames)
    first, second = (one.as_dict() for one in score.frames)
    assert (first["frame"], first["sad"], first["conn"]) == (1001, 0, 0)
    assert second["mse"] > 0 and second["dtSSD"] > 0
    for name in ("mad", "mse", "sad", "band", "grad", "conn", "F"):
        assert score.as_dict()[name] == pytest.approx((first[name] + second[name]) / 2)


def davis_f(mask: np.ndarray, truth: np.ndarray) -> float:
    """DAVIS' own steps: its boundary map, a disc of 0.008 of the diagonal, precision, recall."""

    def boundary(inside: np.ndarray) -> np.ndarray:
        east, south, both = (np.zeros_like(inside) for _ in range(3))
        east[:, :-1], south[:-1], both[:-1, :-1] = inside[:, 1:], inside[1:], inside[1:, 1:]
        edge = (inside ^ east) | (inside ^ south) | (inside ^ both)
        edge[-1], edge[:, -1] = inside[-1] ^ east[-1], inside[:, -1] ^ south[:, -1]
        edge[-1, -1] = False
        return edge

    disc = morphology.disk(np.ceil(0.008 * np.linalg.norm(mask.shape)))
    found, wanted = boundary(mask), boundary(truth)
    precision = (found & ndimage.binary_dilation(wanted, disc)).sum() / found.sum()
    recall = (wanted & ndimage.binary_dilation(found, disc)).sum() / wanted.sum()
    return 2 * precision * recall / (precision + recall)


def test_the_boundary_score_agrees_with_davis_step_by_step() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        blobs = [cv2.GaussianBlur(rng.random((96, 160)), (0, 0), 6) for _ in range(2)]
        one = (blobs[0] > blobs[0].mean()).astype(np.float32)
        two = (blobs[0] + 0.3 * blobs[1] > (blobs[0] + 0.3 * blobs[1]).mean()).astype(np.float32)
        expected = davis_f(one > 0.5, two > 0.5)
        assert 0.2 < expected < 1
        assert metrics.f_measure(one, two) == pytest.approx(expected)
