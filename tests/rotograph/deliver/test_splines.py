"""Editable shapes: they follow the matte, keep their points, and stick to what they lie on."""

from __future__ import annotations

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest

from rotograph.deliver import correspondence, splinefiles, splines
from rotograph.deliver.rasterise import layer_alpha, outline, shape_alpha
from rotograph.deliver.spline import (
    Key,
    Spline,
    SplineLayer,
    SplineShot,
    from_json,
    outset,
    to_json,
)
from rotograph.errors import MediaError, WriteError
from rotograph.image import Box, ImageSpec

WINDOW = Box(0, 0, 200, 140)
RED = (1.0, 0.0, 0.0)


def disc(x: float, y: float, radius: float, soft: float = 1.0) -> np.ndarray:
    rows, columns = np.mgrid[:140, :200] + 0.5
    return np.clip(0.5 + (radius - np.hypot(columns - x, rows - y)) / soft, 0, 1).astype("f4")


def circle(x: float, y: float, radius: float) -> np.ndarray:
    """Four points: a circle to within 0.03 % of its radius."""
    k = 0.5523 * radius
    return np.array(
        [
            [[x - k, y - radius], [x, y - radius], [x + k, y - radius]],
            [[x + radius, y - k], [x + radius, y], [x + radius, y + k]],
            [[x + k, y + radius], [x, y + radius], [x - k, y + radius]],
            [[x - radius, y + k], [x - radius, y], [x - radius, y - k]],
        ]
    )


def made(alphas: dict[str, list[np.ndarray]], flows=None, order=()) -> tuple[SplineLayer, ...]:
    count = len(next(iter(alphas.values())))
    frames = tuple(range(1001, 1001 + count))
    shot = splines.take(frames, list(alphas), lambda n, f: alphas[n][f - 1001], WINDOW, flows)
    return splines.build(shot, dict.fromkeys(alphas, RED), order)


def overlap(layer: SplineLayer, truths: list[np.ndarray]) -> float:
    both = either = 0
    for frame, truth in enumerate(truths, 1001):
        mask, cut = layer_alpha(layer, frame, WINDOW) > 0.5, truth > 0.5
        both, either = both + (mask & cut).sum(), either + (mask | cut).sum()
    return both / either


def test_a_rasterised_circle_has_its_area_and_its_feather():
    hard = shape_alpha(Key(1, circle(90, 60, 40), 0.0), WINDOW)
    assert hard.sum() == pytest.approx(np.pi * 40**2, rel=2e-3)
    np.testing.assert_allclose(hard, disc(90, 60, 40), atol=0.2)
    soft = shape_alpha(Key(1, circle(90, 60, 40), 12.0), WINDOW)
    np.testing.assert_allclose(soft, disc(90, 60, 40, 12.0), atol=0.06)


def test_a_shape_partly_outside_the_picture_is_cut_off_there():
    part = shape_alpha(Key(1, circle(0, 0, 40), 6.0), WINDOW)
    assert part.sum() == pytest.approx(np.pi * 40**2 / 4, rel=0.02)
    assert not shape_alpha(Key(1, circle(-500, 0, 40), 6.0), WINDOW).any()


def test_an_outset_circle_is_a_larger_circle():
    larger = outline(outset(circle(90, 60, 40), 5.0))
    np.testing.assert_allclose(np.hypot(*(larger - (90, 60)).T), 45.0, atol=0.1)


@pytest.mark.slow
def test_a_moving_shape_needs_few_points_and_keys():
    truths = [disc(50 + 5 * t, 60 + 2 * t, 24 + t, 5.0) for t in range(12)]
    (layer,) = made({"ball": truths})
    (shape,) = layer.shapes
    assert overlap(layer, truths) > 0.98
    assert len(shape.keys) <= 4 and len(shape.keys[0].points) <= 16
    assert len({len(key.points) for key in shape.keys}) == 1
    for key in shape.keys:
        assert key.feather == pytest.approx(5.0, abs=1.0)


@pytest.mark.slow
def test_a_hole_is_a_shape_of_its_own():
    truths = [disc(60 + 3 * t, 70, 45) * (1 - disc(60 + 3 * t, 70, 18)) for t in range(6)]
    (layer,) = made({"ring": truths})
    assert sorted(shape.subtract for shape in layer.shapes) == [False, True]
    assert overlap(layer, truths) > 0.96


@pytest.mark.slow
def test_two_parts_are_two_shapes():
    truths = [np.maximum(disc(40, 40 + 2 * t, 22), disc(150, 90 - t, 30)) for t in range(6)]
    (layer,) = made({"pair": truths})
    assert len(layer.shapes) == 2
    assert overlap(layer, truths) > 0.97


@pytest.mark.slow
def test_a_shape_goes_on_behind_what_hides_it():
    fronts = [disc(150 - 8 * t, 60, 22) for t in range(9)]
    backs = [disc(90, 70, 40) * (1 - f) for f in fronts]
    front, back = made({"front": fronts, "back": backs})
    assert [s.name for s in front.shapes] == ["front 1"]
    assert [s.subtract for s in back.shapes] == [False, True]
    assert overlap(back, backs) > 0.96
    whole = [shape_alpha(back.shapes[0].at(frame), WINDOW) for frame in range(1001, 1010)]
    for alpha in whole:  # the disc as it is, bitten by nothing
        assert (alpha > 0.5).sum() == pytest.approx(np.pi * 40**2, rel=0.06)


@pytest.mark.slow
def test_points_turn_with_a_disc_that_only_its_picture_shows_turning():
    noise = cv2.GaussianBlur(np.random.default_rng(1).random((140, 200)).astype("f4"), (0, 0), 2)
    noise = (noise - noise.min()) / np.ptp(noise)
    frames, turn = 12, 2.0
    pictures = []
    for t in range(frames):
        matrix = cv2.getRotationMatrix2D((99.5, 69.5), -turn * t, 1.0)
        turned = cv2.warpAffine(noise, matrix, (200, 140), borderMode=cv2.BORDER_REFLECT)
        pictures.append(np.repeat(np.where(disc(100, 70, 50) > 0.5, turned, 0.1)[..., None], 3, 2))
    flows = [
        (correspondence.motion(a, b), correspondence.motion(b, a)) for a, b in pairwise(pictures)
    ]
    (layer,) = made({"disc": [disc(100, 70, 50)] * frames}, flows)
    first, last = (layer.shapes[0].at(f).points[:, 1] - (100, 70) for f in (1001, 1000 + frames))
    angle = np.degrees(
        np.angle(np.exp(1j * (np.arctan2(*last.T[::-1]) - np.arctan2(*first.T[::-1]))))
    )
    assert np.median(angle) == pytest.approx(turn * (frames - 1), abs=5.0)


def test_shapes_and_residual_are_the_matte(tmp_path):
    truths = [disc(60 + 4 * t, 60, 30, 9.0).astype(np.float16) for t in range(4)]
    layers = made({"ball": [t.astype("f4") for t in truths]})
    shot = SplineShot((1001, 1002, 1003, 1004), (200, 140), layers)
    spec = ImageSpec(WINDOW, WINDOW)
    files = splinefiles.write_residual(tmp_path, shot, lambda n, f: truths[f - 1001], spec)
    from rotograph import exr

    for path, truth in zip(files, truths, strict=True):
        image = exr.read(path)
        whole = image.channel("shape.A") + image.channel("A")
        np.testing.assert_array_equal(whole, truth.astype(np.float32))


def test_json_comes_back_and_nonsense_is_refused():
    key = Key(1001, circle(90.125, 60, 40), 2.5)
    shape = Spline('a/b "c" 猫', 1001, 1003, (key, Key(1003, circle(95, 60, 40), 3.5)), True)
    shot = SplineShot((1001, 1002, 1003), (200, 140), (SplineLayer("hero", RED, (shape,)),))
    back = from_json(to_json(shot))
    assert back.layers[0].shapes[0].name == shape.name
    np.testing.assert_allclose(
        back.layers[0].shapes[0].at(1002).points, shape.at(1002).points, atol=2e-3
    )
    assert back.layers[0].shapes[0].at(1002).feather == pytest.approx(3.0)
    assert back.layers[0].shapes[0].at(1004) is None
    said = json.loads(to_json(shot))
    said["layers"][0]["shapes"][0]["keys"][0]["points"].pop()
    for text in ("[", "{}", "[1]", json.dumps(said), '{"rotograph_splines": 2}'):
        with pytest.raises(MediaError):
            from_json(text)


def test_an_empty_layer_has_no_shapes():
    (layer,) = made({"nothing": [np.zeros((140, 200), np.float32)] * 3})
    assert layer.shapes == ()


def test_a_delivery_is_not_written_over(tmp_path):
    shot = SplineShot((1001,), (200, 140), ())
    assert len(splinefiles.write(tmp_path, shot, splinefiles.FORMATS)) == 6
    with pytest.raises(WriteError, match="is there already"):
        splinefiles.write(tmp_path, shot, ["json"])
    splinefiles.write(tmp_path, shot, ["json"], overwrite=True)
