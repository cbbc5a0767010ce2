"""The plate as a model sees it, and the way back to the plate's own pixels."""

from __future__ import annotations

import numpy as np

from rotograph.image import Box
from rotograph_nodes.working import motion_over


def test_motion_is_looked_up_where_the_data_window_lies():
    """Half the plate's lines, every column; the picture moves on the right, not on the left."""
    area, window = Box(0, 0, 480, 288), Box(200, 120, 360, 216)
    flow = np.zeros((144, 480, 2), np.float16)
    flow[:, 280:] = (6.0, 1.5)
    found = motion_over(flow, area, window)
    assert found.shape == (48, 160, 2)
    assert (found[:, :79] == 0).all() and np.allclose(found[:, 81:], (6.0, 1.5))


def test_motion_keeps_its_length_in_plate_pixels_on_any_window():
    flow = np.full((40, 70, 2), (2.0, -3.0), np.float16)
    area, window = Box(-5, 0, 135, 120), Box(0, 7, 33, 60)
    found = motion_over(flow, area, window)
    in_plate = found * np.divide(window.size, found.shape[1::-1])
    assert np.allclose(in_plate, (2.0 * 140 / 70, -3.0 * 120 / 40), rtol=1e-5)


def test_motion_over_the_same_window_is_left_as_it_is():
    flow = np.random.default_rng(0).normal(size=(9, 16, 2)).astype(np.float16)
    assert np.array_equal(motion_over(flow, Box(0, 0, 32, 18), Box(0, 0, 32, 18)), flow)
