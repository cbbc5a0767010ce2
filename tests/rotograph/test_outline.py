"""The outline of a matte lies where alpha passes a half."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph.image import Box
from rotograph.outline import MOST, outline


def disc(width, height, radius):
    """Alpha (h, w) of a soft disc in the middle."""
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(x - width / 2, y - height / 2)
    return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)


@pytest.mark.parametrize("size", [(96, 72), (2048, 1000), (4096, 600)])
def test_a_discs_outline_is_its_circle_at_every_size(size):
    window = Box(-10, 20, size[0] - 10, size[1] + 20)
    pieces = outline(window, disc(*size, radius=25))
    away = np.hypot(*(pieces - [size[0] / 2 - 10, size[1] / 2 + 20]).reshape(-1, 2).T)
    assert np.abs(away - 25).max() < 0.15
    length = np.hypot(*(pieces[:, 1] - pieces[:, 0]).T).sum()
    assert length == pytest.approx(2 * np.pi * 25, rel=0.02), "all around"


def test_every_end_is_where_another_piece_begins():
    rng = np.random.default_rng(1)
    pieces = outline(Box(0, 0, 40, 30), rng.uniform(size=(30, 40)) > 0.5)
    _, counts = np.unique(pieces.reshape(-1, 2), axis=0, return_counts=True)
    assert (counts % 2 == 0).all()


def test_what_touches_the_border_is_closed_along_it():
    pieces = outline(Box(0, 0, 6, 4), np.ones((4, 6), bool))
    assert pieces.reshape(-1, 2).min(0).tolist() == [0, 0]
    assert pieces.reshape(-1, 2).max(0).tolist() == [6, 4]


def test_nothing_and_noise_have_none():
    assert outline(Box(0, 0, 5, 5), np.zeros((5, 5), np.float32)).shape == (0, 2, 2)
    assert outline(Box(0, 0, 0, 0), np.zeros((0, 0), np.float32)).shape == (0, 2, 2)
    noise = np.random.default_rng(2).uniform(size=(600, 600)) > 0.5
    assert noise.size > MOST
    assert len(outline(Box(0, 0, 600, 600), noise)) == 0
