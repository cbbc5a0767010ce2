"""The keyer takes over before a screen, where the model leaves the screen's light unexplained."""

from __future__ import annotations

import cv2
import numpy as np

from rotograph_nodes.fallback import key_where_unsure

from .test_chroma import shot

GREEN = (0.04, 0.5, 0.08)


def off(alpha):
    """What a network that sees little of the edge makes of it."""
    return cv2.GaussianBlur((alpha > 0.3).astype(np.float32), (0, 0), 4)


def wrong(found, alpha, trimap):
    return np.abs(found - alpha)[trimap == 0.5].mean()


def test_a_model_that_misses_the_edge_is_put_right():
    plate, alpha, trimap = shot(GREEN)
    model = np.where(trimap == 0.5, off(alpha), trimap)
    found, keyed = key_where_unsure(plate, trimap, model, None, least=0.95)
    assert 0.2 < keyed <= 1
    assert wrong(found, alpha, trimap) < 0.5 * wrong(model, alpha, trimap)
    assert np.array_equal(found[trimap != 0.5], trimap[trimap != 0.5])


def test_a_model_that_is_right_is_left_alone():
    plate, alpha, trimap = shot(GREEN)
    found, keyed = key_where_unsure(plate, trimap, alpha.astype(np.float32), None, least=0.9)
    assert keyed < 0.02 and np.abs(found - alpha).mean() < 1e-3


def test_before_anything_else_nothing_changes():
    plate, alpha, trimap = shot((0.3, 0.32, 0.31))
    model = off(alpha)
    found, keyed = key_where_unsure(plate, trimap, model, None, least=1.0)
    assert found is model and keyed == 0.0


def test_a_meadow_is_no_screen():
    plate, alpha, trimap = shot((0.1, 0.18, 0.05))
    blades = np.random.default_rng(2).normal(size=(*alpha.shape, 1)).astype(np.float32)
    blades = cv2.GaussianBlur(blades, (0, 0), 1.5)[..., None]
    light = np.exp(0.6 * blades / blades.std())
    plate = np.where(alpha[..., None] < 1, plate * light, plate).astype(np.float32)
    model = off(alpha)
    found, keyed = key_where_unsure(plate, trimap, model, None, least=1.0)
    assert np.array_equal(found, model) and keyed == 0.0


def test_confidence_nought_asks_nobody():
    plate, alpha, trimap = shot(GREEN)
    model = off(alpha)
    assert key_where_unsure(plate, trimap, model, None, least=0.0) == (model, 0.0)
