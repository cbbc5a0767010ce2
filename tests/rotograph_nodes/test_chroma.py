"""Before a screen its colour says what is in front; elsewhere the classic model does."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph_nodes.models import chroma
from rotograph_nodes.models.classic import matting

HEIGHT, WIDTH = 96, 160


def shot(screen: tuple[float, float, float]):
    """A soft disc before an unevenly lit screen: plate, exact alpha and a trimap, all linear."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + 0.5
    alpha = np.clip((34 - np.hypot(x - 80, y - 48)) / 16 + 0.5, 0, 1)
    light = (0.7 + 0.5 * x / WIDTH)[..., None]
    back = np.float32(screen) * light
    front = np.float32([0.55, 0.38, 0.30]) * (0.8 + 0.3 * np.sin(x * 0.4)[..., None])
    grain = np.random.default_rng(1).normal(0, 0.002, (HEIGHT, WIDTH, 3))
    plate = front * alpha[..., None] + back * (1 - alpha[..., None]) + grain
    trimap = np.where(alpha <= 0, 0.0, np.where(alpha >= 1, 1.0, 0.5)).astype(np.float32)
    return plate.astype(np.float32), alpha, trimap


@pytest.mark.parametrize(("screen", "channel"), [((0.04, 0.5, 0.08), 1), ((0.05, 0.09, 0.45), 2)])
def test_a_screen_is_keyed_though_it_is_lit_unevenly(screen, channel):
    plate, alpha, trimap = shot(screen)
    assert chroma.screen_channel(plate, trimap) == channel
    found = chroma.estimate_alpha(plate, trimap)
    band = trimap == 0.5
    assert np.abs(found - alpha)[band].mean() < 0.025
    assert (found[trimap == 0] == 0).all() and (found[trimap == 1] == 1).all()


def test_exposure_does_not_change_it():
    plate, _, trimap = shot((0.04, 0.5, 0.08))
    dark, bright = (chroma.estimate_alpha(plate * np.float32(k), trimap) for k in (0.01, 100))
    assert np.allclose(dark, bright, atol=1e-3)


def test_a_screen_counts_where_it_is_behind_and_nowhere_else():
    plate, _, trimap = shot((0.04, 0.5, 0.08))
    plate[:, 130:] = [0.3, 0.28, 0.26]  # the studio's wall beside the screen
    screen = chroma.find_screen(plate, trimap)
    assert screen.channel == 1
    assert screen.there[:, :100].all() and not screen.there[:, 150:].any()
    assert np.allclose(screen.bare[10, 20], np.float32([0.04, 0.5, 0.08]) * 0.77, atol=0.03)


def test_a_front_of_the_screens_own_colour_is_not_called_unexplained():
    plate, alpha, trimap = shot((0.04, 0.5, 0.08))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ivy = (np.hypot(x - 80, y - 48) < 30) & ((x // 4 + y // 4) % 2 == 0)
    plate[ivy] = [0.08, 0.4, 0.08]
    screen = chroma.find_screen(plate, trimap)
    solid = trimap == 1
    assert screen.unexplained(np.ones_like(alpha))[solid].max() < 0.3
    plain = chroma.find_screen(shot((0.04, 0.5, 0.08))[0], trimap)
    assert plain.unexplained(1 - alpha)[solid].min() > 0.7


def test_what_is_of_the_screens_colour_itself_is_not_keyed_away():
    plate, _, trimap = shot((0.04, 0.5, 0.08))
    bare = np.where(np.arange(WIDTH)[None, :, None] < 80, plate[5, 5], plate[5, 5] * 1.1)
    bare = np.broadcast_to(bare, plate.shape).astype(np.float32)
    assert chroma.find_screen(bare, trimap) is None
    assert chroma.find_screen(plate, np.minimum(trimap, 0.5)) is None


def test_where_there_is_no_screen_the_classic_model_solves():
    plate, _, trimap = shot((0.3, 0.32, 0.31))
    assert chroma.screen_channel(plate, trimap) is None
    classic = matting.estimate_alpha(plate, trimap)
    assert np.array_equal(chroma.estimate_alpha(plate, trimap), classic)


def test_pixels_that_are_no_numbers_do_not_break_it():
    plate, _, trimap = shot((0.04, 0.5, 0.08))
    plate[40:44, 100:120] = [np.nan, np.inf, -np.inf]
    assert np.isfinite(chroma.estimate_alpha(plate, trimap)).all()
