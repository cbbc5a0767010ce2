"""What an artist may rely on when a matte is refined."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from rotograph import metrics
from rotograph_nodes.models.classic.edges import sharpen_edges
from rotograph_nodes.models.classic.pieces import fill_holes, remove_specks
from rotograph_nodes.models.classic.refiner import Refinement, refine
from rotograph_nodes.models.classic.reshape import feather, resize_edge
from rotograph_nodes.models.classic.temporal import Neighbour, smooth_in_time

PLATES = Path(__file__).resolve().parents[3] / "shared" / "plates"

material = pytest.mark.material
needs_plates = pytest.mark.skipif(not PLATES.is_dir(), reason="no ../shared/plates here")


def real(plate: str, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """``(H, W)`` true alpha and ``(H, W, 3)`` plate, float32."""
    with OpenEXR.File(str(PLATES / plate / f"alpha.{frame}.exr")) as file:
        alpha = file.channels()["A"].pixels.astype(np.float32)
    with OpenEXR.File(str(PLATES / plate / f"plate.{frame}.exr")) as file:
        rgb = file.channels()["RGB"].pixels.astype(np.float32)
    return np.clip(alpha, 0.0, 1.0), rgb


def from_half_resolution(alpha: np.ndarray) -> np.ndarray:
    height, width = alpha.shape
    small = cv2.resize(alpha, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def half_plane(angle: float, at: float = 0.0, size: int = 65) -> np.ndarray:
    """A straight edge, anti-aliased; ``at`` pixels from the middle along its normal."""
    y, x = np.mgrid[:size, :size].astype(np.float64) - size // 2
    distance = x * np.cos(angle) + y * np.sin(angle) - at
    width = abs(np.cos(angle)) + abs(np.sin(angle))
    return np.clip(0.5 - distance / width, 0.0, 1.0).astype(np.float32)


def disc(radius: float, aspect: float = 1.0, size: int = 65) -> np.ndarray:
    """A soft-edged disc, round on the screen."""
    y, x = np.mgrid[:size, :size].astype(np.float64) - size // 2
    return np.clip(radius + 0.5 - np.hypot(x * aspect, y), 0.0, 1.0).astype(np.float32)


def grain(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# Edges from the plate


@needs_plates
@material
@pytest.mark.parametrize("plate", ["blondehair", "lemur"])
@pytest.mark.parametrize(
    "softened",
    [from_half_resolution, lambda a: cv2.GaussianBlur(a, (0, 0), 2.0)],
    ids=["half resolution", "blurred"],
)
def test_a_soft_matte_comes_nearer_to_the_hair(plate, softened):
    truth, rgb = real(plate, 1007)
    soft = softened(truth)
    sharp = sharpen_edges(soft, rgb, 2.0, 1.0)
    assert metrics.band(sharp, truth) < 0.97 * metrics.band(soft, truth)
    assert metrics.grad(sharp, truth) < 0.92 * metrics.grad(soft, truth)


@needs_plates
@material
@pytest.mark.parametrize("plate", ["blondehair", "lemur"])
def test_a_matte_that_is_right_stays_right(plate):
    truth, rgb = real(plate, 1007)
    assert metrics.band(sharpen_edges(truth, rgb, 2.0, 1.0), truth) < 0.001


def test_no_halo_certain_pixels_are_never_touched():
    alpha = cv2.GaussianBlur(half_plane(0.3), (0, 0), 1.5)
    rgb = half_plane(0.3)[..., None] * np.float32([4.0, 1.0, 0.2])
    rgb += 0.3 * np.abs(grain(rgb.shape))
    radius = 2.0
    sharp = sharpen_edges(alpha, rgb, radius, 2.0)
    edge = ((alpha > 0.01) & (alpha < 0.99)).astype(np.uint8)
    far = cv2.distanceTransform(1 - edge, cv2.DIST_L2, 5) > radius + 0.5
    assert far.any()
    np.testing.assert_array_equal(sharp[far], alpha[far])
    assert sharp.min() >= 0.0 and sharp.max() <= 1.0


def test_a_plate_without_an_edge_changes_nothing():
    alpha = cv2.GaussianBlur(half_plane(0.3), (0, 0), 1.5)
    noise = 0.18 + 0.01 * grain((*alpha.shape, 3))
    assert np.abs(sharpen_edges(alpha, noise, 2.0, 1.0) - alpha).max() < 0.02


def test_broken_and_bright_pixels_do_no_harm():
    alpha = cv2.GaussianBlur(half_plane(0.0), (0, 0), 1.5)
    rgb = np.repeat(half_plane(0.0)[..., None], 3, axis=2)
    rgb[30, 30], rgb[31, 33], rgb[33, 34], rgb[34, 31] = np.nan, np.inf, -np.inf, 60000.0
    sharp = sharpen_edges(alpha, rgb, 2.0, 1.0)
    assert np.isfinite(sharp).all()
    assert sharp.min() >= 0.0 and sharp.max() <= 1.0


def test_where_tiles_lie_does_not_show(monkeypatch):
    truth = np.tile(disc(20.0), (2, 2))
    rgb = truth[..., None] * np.float32([0.9, 0.5, 0.2]) + 0.05 * np.abs(grain((130, 130, 3)))
    soft = cv2.GaussianBlur(truth, (0, 0), 2.0)
    whole = sharpen_edges(soft, rgb, 2.0, 1.0)
    monkeypatch.setattr("rotograph_nodes.models.tiles.SIZE", 37)
    np.testing.assert_allclose(sharpen_edges(soft, rgb, 2.0, 1.0), whole, atol=1e-4)


# Erode, dilate, feather


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, 1.3, 2.5, -2.0])
@pytest.mark.parametrize("pixels", [0.3, 1.0, 2.25, 7.5, -0.5, -3.7])
def test_an_edge_moves_by_fractions_of_a_pixel_whatever_its_slant(angle, pixels):
    middle = (slice(24, 41), slice(24, 41))
    grown = resize_edge(half_plane(angle), pixels)
    expected = half_plane(angle, pixels)
    assert abs(float((grown - expected)[middle].mean())) * 17 < 0.08  # pixels along the edge


@pytest.mark.parametrize("pixels", [17.3, 60.5])
def test_a_hair_grown_far_is_solid_and_round(pixels):
    dot = np.zeros((161, 161), np.float32)
    dot[80, 80] = 1.0
    grown = resize_edge(dot, pixels)
    assert grown.sum() == pytest.approx(np.pi * pixels**2, rel=0.05)
    assert (grown[disc(pixels - 2.5, size=161) >= 1.0] == 1.0).all()


def test_eroding_and_dilating_are_each_other_turned_round():
    alpha = cv2.GaussianBlur(disc(12.3), (0, 0), 1.2)
    np.testing.assert_allclose(
        resize_edge(alpha, -1.7), 1.0 - resize_edge(1.0 - alpha, 1.7), atol=1e-6
    )
    assert (resize_edge(alpha, 1.7) >= alpha).all()


def test_a_disc_stays_round_on_anamorphic_pixels():
    area = np.pi * 18.5**2 / 2.0
    assert resize_edge(disc(12.0, 2.0), 6.5, 2.0).sum() == pytest.approx(area, rel=0.03)


def test_a_layer_cut_by_the_frame_does_not_shrink_from_it():
    np.testing.assert_array_equal(resize_edge(np.ones((9, 9), np.float32), -3.0), 1.0)
    np.testing.assert_allclose(feather(np.ones((9, 9), np.float32), 3.0), 1.0, atol=1e-6)


def test_feather_is_the_width_from_ten_to_ninety_per_cent():
    soft = feather(half_plane(0.0, size=129), 12.0)[64]
    x = np.interp([0.1, 0.9], soft[::-1], np.arange(129)[::-1])
    assert abs(x[0] - x[1]) == pytest.approx(12.0, abs=0.2)
    aside = feather(half_plane(0.0, size=129), 12.0, aspect=2.0)[64]
    x = np.interp([0.1, 0.9], aside[::-1], np.arange(129)[::-1])
    assert abs(x[0] - x[1]) == pytest.approx(6.0, abs=0.2)


# Holes and specks


def scene() -> np.ndarray:
    alpha = np.zeros((120, 160), np.float32)
    alpha[30:90, 20:80] = 1.0
    return cv2.GaussianBlur(alpha, (0, 0), 1.0)


def with_blob(alpha: np.ndarray, x: int, y: int, half: int) -> np.ndarray:
    blob = np.zeros_like(alpha)
    blob[y - half : y + half + 1, x - half : x + half + 1] = 1.0
    return np.maximum(alpha, cv2.GaussianBlur(blob, (0, 0), 1.0))


def test_a_speck_goes_with_its_skirt_and_nothing_else():
    clean = scene()
    np.testing.assert_allclose(remove_specks(with_blob(clean, 120, 60, 2), 40), clean, atol=0.01)


def test_a_hole_is_filled_to_its_rim():
    clean = scene()
    holed = 1.0 - with_blob(1.0 - clean, 50, 60, 2)
    np.testing.assert_allclose(fill_holes(holed, 40), clean, atol=0.01)


def test_what_is_larger_than_asked_stays():
    dirty = with_blob(scene(), 120, 60, 4)
    np.testing.assert_array_equal(remove_specks(dirty, 40), dirty)
    np.testing.assert_array_equal(remove_specks(dirty, 0), dirty)


def test_loose_hair_is_not_a_speck():
    hair = scene()
    cv2.line(hair, (90, 40), (112, 30), 0.45, 1, cv2.LINE_AA)  # soft, detached
    cv2.line(hair, (90, 70), (115, 76), 0.9, 1)  # nearly opaque, but thin and long
    np.testing.assert_array_equal(remove_specks(hair, 200), hair)


@needs_plates
@material
@pytest.mark.parametrize("plate", ["blondehair", "lemur"])
def test_real_hair_survives_the_removal_of_specks(plate):
    truth, _ = real(plate, 1007)
    np.testing.assert_array_equal(remove_specks(truth, 500), truth)
    np.testing.assert_array_equal(fill_holes(truth, 500), truth)


# Smoothing in time


def moving(shift: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Alpha and plate of a soft textured disc on a textured ground, all of it moved."""
    alpha = np.roll(cv2.GaussianBlur(disc(18.0, size=97), (0, 0), 2.0), shift, axis=1)
    texture = np.roll(cv2.GaussianBlur(grain((97, 97, 3), 7), (0, 0), 2.0), shift, axis=1)
    rgb = 0.4 + texture + 0.002 * grain((97, 97, 3), seed)
    return alpha, rgb.astype(np.float32)


def flow(across: float, size: int = 97) -> np.ndarray:
    return np.full((size, size, 2), (across, 0.0), np.float32)


def test_flicker_falls_along_the_motion():
    frames = [moving(3 * i, i) for i in range(3)]
    truth = frames[1][0]
    noisy = [
        np.clip(a + 0.1 * grain(a.shape, i) * ((a > 0.01) & (a < 0.99)), 0.0, 1.0)
        for i, (a, _) in enumerate(frames)
    ]
    around = [
        Neighbour(noisy[0], frames[0][1], flow(-3.0), flow(3.0)),
        Neighbour(noisy[2], frames[2][1], flow(3.0), flow(-3.0)),
    ]
    smooth = smooth_in_time(noisy[1], frames[1][1], around, 1.0)
    assert metrics.band(smooth, truth) < 0.75 * metrics.band(noisy[1], truth)


def test_what_blinks_on_one_frame_comes_back():
    frames = [moving(3 * i, i) for i in range(3)]
    truth = frames[1][0]
    blinked = truth.copy()
    blinked[40:60, 50:70] = 0.0
    around = [
        Neighbour(*frames[0], flow(-3.0), flow(3.0)),
        Neighbour(*frames[2], flow(3.0), flow(-3.0)),
    ]
    smooth = smooth_in_time(blinked, frames[1][1], around, 1.0)
    assert np.abs(smooth - truth).max() < 0.1


def test_the_flow_may_be_smaller_than_the_plate():
    (before, rgb_before), (here, rgb) = moving(0, 0), moving(4, 1)
    full = Neighbour(before, rgb_before, flow(-4.0), flow(4.0))
    small = Neighbour(before, rgb_before, flow(-4.0 * 49 / 97, 49), flow(4.0 * 49 / 97, 49))
    a = smooth_in_time(here, rgb, [full, None], 1.0)
    b = smooth_in_time(here, rgb, [small, None], 1.0)
    np.testing.assert_allclose(a, b, atol=0.02)


def test_where_the_flow_contradicts_itself_the_frame_keeps_its_own():
    (before, rgb_before), (here, rgb) = moving(0, 0), moving(3, 1)
    wrong = Neighbour(np.zeros_like(before), rgb_before, flow(-3.0), flow(-3.0))
    np.testing.assert_allclose(smooth_in_time(here, rgb, [wrong, None], 1.0), here, atol=1e-4)


def test_another_colour_at_the_other_end_leaves_no_ghost():
    here, rgb = moving(0, 0)
    elsewhere = Neighbour(np.roll(here, 9, axis=1), 1.0 - rgb, flow(0.0), flow(0.0))
    smooth = smooth_in_time(here, rgb, [elsewhere, elsewhere], 1.0)
    assert np.abs(smooth - here).mean() < 0.002


def test_the_ends_of_the_shot_need_no_neighbour():
    here, rgb = moving(0, 0)
    np.testing.assert_array_equal(smooth_in_time(here, rgb, [None, None], 1.0), here)


# All of it


def test_with_everything_off_the_matte_comes_back_as_it_was():
    here, rgb = moving(0, 0)
    off = Refinement(smooth=0.0, edges=0.0)
    np.testing.assert_array_equal(refine(here, rgb, (), off), here)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (2, 3)])
def test_tiny_and_empty_pictures(shape):
    alpha = np.full(shape, 0.5, np.float32)
    everything = Refinement(1.0, 2.0, 2.0, 10.0, 10.0, 1.5, 3.0)
    neighbour = None
    if alpha.size:
        still = np.zeros((1, 1, 2), np.float32)
        neighbour = Neighbour(alpha, np.ones((*shape, 3), np.float32), still, still)
    result = refine(alpha, np.ones((*shape, 3), np.float32), (neighbour, None), everything)
    assert result.shape == shape
    assert np.isfinite(result).all()


def test_the_same_bits_each_time():
    frames = [moving(3 * i, i) for i in range(2)]
    around = (Neighbour(*frames[1], flow(3.0), flow(-3.0)), None)
    wanted = Refinement(feather=2.0, grow=-0.5)
    once = refine(*frames[0], around, wanted)
    np.testing.assert_array_equal(refine(*frames[0], around, wanted), once)
