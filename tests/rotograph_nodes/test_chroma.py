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
    assert np.abs(found - alpha)[band].mean() < 0.06
    assert np.abs(found - alpha)[band].mean() < 0.6 * np.abs((alpha > 0.5) - alpha)[band].mean()
    assert (found[trimap == 0] == 0).all() and (found[trimap == 1] == 1).all()


def test_exposure_does_not_change_it():
    plate, _, trimap = shot((0.04, 0.5, 0.08))
    dark, bright = (chroma.estimate_alpha(plate * np.float32(k), trimap) for k in (0.01, 100))
    assert np.allclose(dark, bright, atol=1e-4)


def test_where_there_is_no_screen_the_classic_model_solves():
    plate, _, trimap = shot((0.3, 0.32, 0.31))
    assert chroma.screen_channel(plate, trimap) is None
    classic = matting.estimate_alpha(plate, trimap)
    assert np.array_equal(chroma.estimate_alpha(plate, trimap), classic)


def test_pixels_that_are_no_numbers_do_not_break_it():
    plate, _, trimap = shot((0.04, 0.5, 0.08))
    plate[40:44, 100:120] = [np.nan, np.inf, -np.inf]
    assert np.isfinite(chroma.estimate_alpha(plate, trimap)).all()
