"""A small shot made from noise, for the tests of the classic models: nothing is read from disk."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

WIDTH, HEIGHT = 240, 160


@dataclass(frozen=True, eq=False)
class Shot:
    """Pictures ``(h, w, 3)`` float32 ACEScct and the truth ``(h, w)`` bool, by frame."""

    pictures: dict[int, np.ndarray]
    truth: dict[int, np.ndarray]


def _texture(seed: int, size: tuple[int, int], colour: tuple[float, ...], depth: float):
    noise = np.random.default_rng(seed).normal(size=(*size, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return (np.float32(colour) + depth * noise / noise.std()).astype(np.float32)


@pytest.fixture(scope="session")
def make_shot():
    """``make_shot(frames=8, speed=(5, 1), pan=1, hidden=())``: an ellipse over a wall.

    speed: its motion in pixels a frame; pan: the camera's; hidden: frames on which a bar in
    front covers it.
    """

    def make(frames=8, speed=(5.0, 1.0), pan=1.0, hidden=(), start=(70.0, 75.0)) -> Shot:
        wall = _texture(1, (HEIGHT + 60, WIDTH + 120), (0.32, 0.36, 0.42), 0.02)
        skin = _texture(2, (101, 121), (0.52, 0.42, 0.34), 0.02)
        bar = _texture(3, (HEIGHT, WIDTH), (0.30, 0.44, 0.30), 0.01)
        grain = np.random.default_rng(4)
        y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
        pictures, truth = {}, {}
        for n in range(frames):
            cx, cy = start[0] + speed[0] * n, start[1] + speed[1] * n
            picture = cv2.remap(wall, x + 40 + pan * n, y + 30, cv2.INTER_LINEAR)
            mask = ((x - cx) / 38) ** 2 + ((y - cy) / 30) ** 2 < 1
            worn = cv2.remap(
                skin, x - cx + 60, y - cy + 50, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            )
            picture[mask] = worn[mask]
            if 1001 + n in hidden:
                picture, mask = bar.copy(), np.zeros_like(mask)
            noise = grain.normal(scale=0.003, size=picture.shape).astype(np.float32)
            pictures[1001 + n], truth[1001 + n] = picture + noise, mask
        return Shot(pictures, truth)

    return make
