"""PyMatting's solvers behind our interface: on plates over 1, and with nothing to go by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pymatting")

from rotograph.errors import ModelError
from rotograph.models import Models

HEIGHT, WIDTH = 48, 72


@pytest.fixture(scope="module", params=["knn", "closed-form"])
def solver(request):
    return Models().load("matte", request.param)


@pytest.fixture(scope="module")
def shot():
    """A soft disc of one colour before another, linear, with values over 1."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + 0.5
    alpha = np.clip((16 - np.hypot(x - 36, y - 24)) / 8 + 0.5, 0, 1)
    grain = np.random.default_rng(1).normal(0, 0.01, (HEIGHT, WIDTH, 3))
    front, back = np.float32([2.4, 1.2, 0.6]), np.float32([0.1, 0.3, 0.9])
    plate = front * alpha[..., None] + back * (1 - alpha[..., None]) + grain
    trimap = np.where(alpha <= 0, 0.0, np.where(alpha >= 1, 1.0, 0.5)).astype(np.float32)
    return plate.astype(np.float32), alpha, trimap


def test_alpha_of_the_unknown_band(solver, shot):
    plate, alpha, trimap = shot
    found = solver.estimate_alpha(plate, trimap)
    band = trimap == 0.5
    assert found.dtype == np.float32 and found.shape == alpha.shape
    assert np.abs(found - alpha)[band].mean() < 0.06
    assert (found[trimap == 0] == 0).all() and (found[trimap == 1] == 1).all()


def test_exposure_does_not_change_it(solver, shot):
    plate, _, trimap = shot
    dark, bright = (solver.estimate_alpha(plate * np.float32(k), trimap) for k in (0.01, 100))
    assert np.allclose(dark, bright, atol=1e-2)


def test_with_no_known_inside_the_hint_stays(solver, shot):
    plate, alpha, trimap = shot
    nothing = np.where(trimap == 1, 0.5, trimap)
    hint = alpha.astype(np.float32)
    found = solver.estimate_alpha(plate, nothing, hint)
    assert np.array_equal(found[nothing == 0.5], hint[nothing == 0.5])
    assert np.array_equal(solver.estimate_alpha(plate, np.zeros_like(trimap)), trimap * 0)


def test_without_the_package_it_says_what_is_missing():
    cards = Models().cards
    lacking = replace(cards["knn"], packages=("pymatting_of_another_world",))
    with pytest.raises(ModelError, match="pymatting_of_another_world"):
        Models([lacking]).load("matte", "knn")
