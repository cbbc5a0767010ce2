"""What a compositor may rely on when a trimap is turned into alpha and foreground."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph import exr, metrics
from rotograph_nodes.band import widen_where_soft
from rotograph_nodes.foreground import estimate_foreground
from rotograph_nodes.models.classic.matting import estimate_alpha
from rotograph_nodes.solid import make_solid, without_dust
from rotograph_nodes.trimap import (
    apply_garbage_and_core,
    defocus_widening,
    motion_widening,
    trimap_from_image,
    trimap_from_logits,
)

PLATES = Path(__file__).resolve().parents[3] / "shared" / "plates"
needs_plates = pytest.mark.skipif(not PLATES.is_dir(), reason="no ../shared/plates here")
HEIGHT, WIDTH = 72, 96


def real(plate: str, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """``(H, W, 3)`` plate and ``(H, W)`` true alpha."""
    alpha = exr.read(PLATES / plate / f"alpha.{frame}.exr").coverage()
    return exr.read(PLATES / plate / f"plate.{frame}.exr").rgb(), alpha


def trimap_of(alpha: np.ndarray, growth: int = 4) -> np.ndarray:
    """The truth's own trimap: 0.02 to 0.98 grown by a square of ``growth`` pixels is unknown."""
    mixed = ((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8)
    unknown = cv2.dilate(mixed, np.ones((2 * growth + 1,) * 2, np.uint8)) > 0
    return np.where(unknown, np.float32(0.5), (alpha > 0.5).astype(np.float32))


def soft_disc(radius: float = 22.0, softness: float = 8.0) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(x - WIDTH / 2, y - HEIGHT / 2)
    return np.clip((radius - distance) / softness + 0.5, 0, 1).astype(np.float32)


def composite(alpha: np.ndarray, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A warm textured foreground over a cold one, grain on top: plate and true foreground."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 3)[..., None]
    front = np.array([2.0, 1.0, 0.3], np.float32) * (0.75 + 0.5 * texture)
    back = np.array([0.05, 0.2, 0.5], np.float32) * (0.75 + 0.5 * texture[::-1])
    a = alpha[..., None]
    grain = rng.normal(0, 0.002, front.shape)
    return (front * a + back * (1 - a) + grain).astype(np.float32), front


# Alpha


def test_known_pixels_keep_what_the_trimap_says() -> None:
    alpha = soft_disc()
    plate, _ = composite(alpha)
    trimap = trimap_of(alpha)
    found = estimate_alpha(plate, trimap)
    known = trimap != 0.5
    assert found.dtype == np.float32 and found.shape == trimap.shape
    assert found.min() >= 0 and found.max() <= 1
    assert np.array_equal(found[known], trimap[known])


def test_a_soft_edge_between_two_textures_is_found_again() -> None:
    alpha = soft_disc()
    plate, _ = composite(alpha)
    assert metrics.band(estimate_alpha(plate, trimap_of(alpha)), alpha) < 0.02


@pytest.mark.parametrize("exposure", [0.01, 40.0])
def test_exposure_does_not_change_a_matte(exposure: float) -> None:
    alpha = soft_disc()
    plate, _ = composite(alpha)
    usual = estimate_alpha(plate, trimap_of(alpha))
    graded = estimate_alpha(plate * np.float32(exposure), trimap_of(alpha))
    assert np.abs(usual - graded).max() < 1e-3


def test_the_same_input_gives_the_same_bits() -> None:
    alpha = soft_disc()
    plate, _ = composite(alpha)
    first, second = (estimate_alpha(plate, trimap_of(alpha)) for _ in range(2))
    assert np.array_equal(first, second)


def test_pixels_that_are_not_numbers_do_no_harm_around_them() -> None:
    alpha = soft_disc()
    plate, _ = composite(alpha)
    plate[20:60:7, 20:80:5] = np.nan
    plate[22:60:9, 23:80:11] = np.inf
    plate[25:60:9, 21:80:13] = -np.inf
    found = estimate_alpha(plate, trimap_of(alpha))
    assert np.isfinite(found).all()
    assert metrics.mad(found, alpha) < 0.05
    _, colours = estimate_foreground(plate, found)
    bad = ~np.isfinite(plate).all(axis=2) & (found > 0) & (found < 1)
    assert np.count_nonzero(~np.isfinite(colours).all(axis=1)) == np.count_nonzero(bad)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (5, 3), (0, 4)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_the_smallest_pictures_and_trimaps_without_a_side(
    size: tuple[int, int], value: float
) -> None:
    plate = np.random.default_rng(1).random((*size, 3)).astype(np.float32)
    found = estimate_alpha(plate, np.full(size, value, np.float32))
    assert found.shape == size and np.allclose(found, value, atol=0.1)


def test_a_plate_without_any_contrast_gives_a_ramp_and_no_error() -> None:
    trimap = np.full((20, 40), 0.5, np.float32)
    trimap[:, :5], trimap[:, -5:] = 0, 1
    found = estimate_alpha(np.full((20, 40, 3), 0.18, np.float32), trimap)
    assert found[10, 7] < 0.3 and found[10, 32] > 0.7


def limb(thickness: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A block with a limb of that thickness, hardly brighter than what is behind: plate, true
    alpha, logits."""
    grain = np.random.default_rng(5).normal(0, 0.004, (HEIGHT, WIDTH, 3)).astype(np.float32)
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    alpha[10:60, 10:50] = 1
    alpha[30 : 30 + thickness, 50:90] = 1
    front, back = np.array([[0.20, 0.18, 0.16], [0.17, 0.18, 0.20]], np.float32)
    plate = alpha[..., None] * front + (1 - alpha[..., None]) * back + grain
    return plate, alpha, (cv2.GaussianBlur(alpha, (0, 0), 1) - 0.5) * 12


def test_a_limb_too_thin_for_a_known_inside_stays_because_the_mask_has_it() -> None:
    plate, alpha, logits = limb(5)
    trimap = trimap_from_logits(logits, inside=6, outside=6)
    inner = np.s_[31:34, 56:86]
    assert (trimap[inner] == 0.5).all()
    hint = 1 / (1 + np.exp(-logits))
    blind, told = estimate_alpha(plate, trimap), estimate_alpha(plate, trimap, hint)
    assert told[inner].mean() > max(0.7, blind[inner].mean())
    assert metrics.mad(told, alpha) < metrics.mad(blind, alpha)


# Solid


def edge_of(width: float) -> tuple[np.ndarray, np.ndarray]:
    """A straight edge so many pixels wide, whose inside came out slightly transparent further in:
    what was solved, and the trimap."""
    x = np.broadcast_to(np.arange(WIDTH, dtype=np.float32), (HEIGHT, WIDTH)) - WIDTH / 2
    truth = np.clip(0.5 - x / width, 0, 1)
    solved = np.where((x < -width) & (x > -14), 0.88, truth).astype(np.float32)
    trimap = np.where(np.abs(x) < 16, 0.5, x < 0).astype(np.float32)
    return solved, trimap


def test_inside_a_sharp_edge_a_thing_is_solid() -> None:
    solved, trimap = edge_of(3.0)
    found = make_solid(solved, trimap)
    assert found[:, WIDTH // 2 - 13 : WIDTH // 2 - 8].min() > 0.99
    outside = np.s_[:, WIDTH // 2 - 1 :]
    assert np.array_equal(found[outside], solved[outside])
    half = make_solid(solved, trimap, 0.5)
    assert half[10, WIDTH // 2 - 10] == pytest.approx(0.94, abs=0.01)
    assert np.array_equal(make_solid(solved, trimap, 0.0), solved)


def test_inside_a_soft_edge_nothing_is_touched_and_a_hole_stays_a_hole() -> None:
    soft = edge_of(20.0)
    assert np.abs(make_solid(*soft) - soft[0]).max() < 0.02
    solved, trimap = edge_of(3.0)
    solved[20:30, WIDTH // 2 - 12 : WIDTH // 2 - 8] = 0.3
    assert (make_solid(solved, trimap)[20:30, WIDTH // 2 - 12 : WIDTH // 2 - 8] < 0.31).all()


def test_what_nobody_could_see_is_nothing() -> None:
    alpha = np.float32([[0, 0.0005, 0.004, 0.5, 0.996, 0.9995, 1]])
    assert without_dust(alpha).tolist() == np.float32([[0, 0, 0.004, 0.5, 0.996, 1, 1]]).tolist()


# Foreground


def test_foreground_holds_no_background_and_is_not_clamped() -> None:
    alpha = soft_disc()
    plate, front = composite(alpha)
    indices, colours = estimate_foreground(plate, alpha)
    assert indices.dtype == np.uint32 and colours.dtype == np.float32
    assert np.array_equal(indices, np.flatnonzero((alpha > 0) & (alpha < 1)))
    assert colours.max() > 1.5
    a = alpha.ravel()[indices, None]
    own = front.reshape(-1, 3)[indices]
    contaminated = plate.reshape(-1, 3)[indices]
    assert np.abs(a * (colours - own)).mean() < 0.15 * np.abs(a * (contaminated - own)).mean()


def test_foreground_of_a_hard_mask_is_the_plate() -> None:
    indices, colours = estimate_foreground(np.ones((8, 8, 3), np.float32), np.eye(8))
    assert indices.shape == (0,) and colours.shape == (0, 3)


# Trimap


def mask_logits() -> np.ndarray:
    return ((soft_disc() - 0.5) * 40).astype(np.float32)


def test_the_band_has_the_widths_asked_for() -> None:
    trimap = trimap_from_logits(mask_logits(), inside=4, outside=7)
    assert set(np.unique(trimap)) == {0, 0.5, 1}
    row = trimap[HEIGHT // 2, WIDTH // 2 :]  # from the disc's middle out: in, band, out
    start, stop = np.flatnonzero(row == 0.5)[[0, -1]]
    assert start == pytest.approx(22 - 4, abs=1) and stop == pytest.approx(22 + 7, abs=1)


def test_motion_and_defocus_and_doubt_widen_the_band() -> None:
    logits = mask_logits()
    plain = trimap_from_logits(logits, inside=3, outside=3)
    flow = np.zeros((9, 12, 2), np.float32)
    flow[:, 6:, 0] = 24.0  # the right half moves 24 pixels a frame, half a frame exposed
    moving = trimap_from_logits(
        logits, inside=3, outside=3, widening=motion_widening(flow, logits.shape)
    )
    middle = HEIGHT // 2
    assert np.count_nonzero(moving[middle, 48:] == 0.5) == pytest.approx(
        np.count_nonzero(plain[middle, 48:] == 0.5) + 12, abs=2
    )
    assert np.array_equal(moving[middle, :40], plain[middle, :40])
    sharp, soft = composite(soft_disc(softness=1))[0], composite(soft_disc(softness=16))[0]
    edge = np.abs(logits) < 8
    assert defocus_widening(sharp, logits)[edge].mean() < 1.5
    assert defocus_widening(soft, logits)[edge].mean() > 5
    unsure = trimap_from_logits(logits * 0.1, inside=3, outside=3)
    assert np.count_nonzero(unsure == 0.5) > np.count_nonzero(plain == 0.5)


def test_a_thin_limb_keeps_a_core_unless_it_is_blurred() -> None:
    _, _, logits = limb(10)
    core = np.s_[34:36, 60:80]
    assert (trimap_from_logits(logits, inside=8, outside=8)[core] == 1).all()
    blurred = trimap_from_logits(logits, inside=8, outside=8, widening=6.0)
    assert (blurred[core] == 0.5).all()


def test_a_piece_that_is_all_band_keeps_its_middle_and_is_not_lost() -> None:
    plate, alpha, logits = limb(12)
    alone = np.where(np.arange(WIDTH) > 53, logits, -6).astype(np.float32)
    trimap = trimap_from_logits(alone, inside=8, outside=8, widening=20.0)
    assert (trimap == 1).any()
    found = estimate_alpha(plate, trimap, 1 / (1 + np.exp(-alone)))
    assert found[34:38, 60:84].mean() > 0.8
    speck = trimap_from_logits(np.where(alpha > 2, 1, -6.0), inside=8, outside=8)
    assert not (speck == 1).any()


def test_a_mask_without_a_boundary_has_no_band() -> None:
    everything = np.full((20, 30), 9.0, np.float32)
    assert (trimap_from_logits(everything, inside=5, outside=5) == 1).all()
    assert (trimap_from_logits(-everything, inside=5, outside=5) == 0).all()


def test_a_drawn_trimap_may_be_eight_bit_and_filtered() -> None:
    drawn = np.array([[0, 2 / 255, 127 / 255, 128 / 255, 253 / 255, 1, np.nan]], np.float32)
    assert trimap_from_image(drawn).tolist() == [[0, 0, 0.5, 0.5, 1, 1, 0.5]]


def test_garbage_and_core_win_over_everything() -> None:
    trimap = np.array([[0, 0.5, 1, 0, 0.5, 1]], np.float32)
    garbage = np.array([[1, 1, 1, 0, 0, 1]], np.float32)
    core = np.array([[0, 0, 0, 1, 1, 1]], np.float32)
    assert apply_garbage_and_core(trimap, garbage, core).tolist() == [[0, 0, 0, 1, 1, 1]]
    assert trimap.tolist() == [[0, 0.5, 1, 0, 0.5, 1]]


def test_a_band_drawn_too_narrow_widens_where_alpha_has_not_ended() -> None:
    alpha = soft_disc(softness=20)
    plate, _ = composite(alpha)
    narrow = trimap_from_logits((alpha - 0.5) * 40, inside=3, outside=3)
    wider = widen_where_soft(plate, narrow, estimate_alpha, reach=8)
    assert (wider[narrow == 0.5] == 0.5).all()
    before = metrics.mad(estimate_alpha(plate, narrow), alpha)
    assert metrics.mad(estimate_alpha(plate, wider), alpha) < 0.7 * before
    enough = trimap_of(alpha)
    assert np.array_equal(widen_where_soft(plate, enough, estimate_alpha), enough)


# Real hair and fur, against the best a blurred mask can do


@pytest.mark.material
@needs_plates
@pytest.mark.parametrize(
    ("plate", "frame", "most"), [("blondehair", 1003, 0.035), ("blondehair", 1015, 0.03)]
)
def test_hair_is_solved_far_better_than_by_a_blurred_mask(
    plate: str, frame: int, most: float
) -> None:
    linear, truth = real(plate, frame)
    found = estimate_alpha(linear, trimap_of(truth))
    cut = (truth > 0.5).astype(np.float32)
    blurred = [cv2.GaussianBlur(cut, (0, 0), s) for s in (2.0, 2.5, 3.0, 4.0)]
    assert metrics.band(found, truth) < most
    assert metrics.band(found, truth) < 0.5 * min(metrics.band(b, truth) for b in blurred)
    assert metrics.grad(found, truth) < 0.5 * min(metrics.grad(b, truth) for b in blurred)


@pytest.mark.material
@needs_plates
def test_motion_blurred_fur_is_solved_better_than_by_a_blurred_mask() -> None:
    linear, truth = real("lemur", 1013)
    found = estimate_alpha(linear, trimap_of(truth))
    cut = (truth > 0.5).astype(np.float32)
    blurred = [cv2.GaussianBlur(cut, (0, 0), s) for s in (3.0, 3.5, 4.0, 5.0)]
    assert metrics.band(found, truth) < min(metrics.band(b, truth) for b in blurred)
    assert metrics.grad(found, truth) < min(metrics.grad(b, truth) for b in blurred)


@pytest.mark.material
@pytest.mark.slow
@needs_plates
def test_a_large_band_solved_in_tiles_shows_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    from rotograph_nodes.models.classic import matting

    linear, truth = real("blondehair", 1013)
    whole = estimate_alpha(linear, trimap_of(truth))
    monkeypatch.setattr(matting, "_WHOLE", 4000)
    tiled = estimate_alpha(linear, trimap_of(truth))
    assert np.abs(tiled - whole).max() < 0.1
    assert np.abs(tiled - whole).mean() < 1e-3
