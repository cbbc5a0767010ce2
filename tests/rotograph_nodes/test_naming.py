"""Names of layers stay the same through a shot, whatever order a detector lists things in."""

from __future__ import annotations

import numpy as np

from rotograph.image import Box
from rotograph_nodes.naming import distinct, layers

SHAPE, WINDOW = (100, 200), Box(10, 20, 410, 220)  # two plate pixels for one of the picture's
LIMITS = {"max_layers": 8, "min_area": 0.0, "threshold": 0.3}
NAMES = ("person", "Traffic light")


def seen(*found: tuple[float, float, int, float]) -> dict[str, np.ndarray]:
    """found: (x, y, kind, score) of boxes of 20 by 40."""
    return {
        "boxes": np.array([[x, y, x + 20, y + 40] for x, y, _, _ in found], np.float32),
        "scores": np.array([s for *_, s in found], np.float32),
        "classes": np.array([k for _, _, k, _ in found], np.int32),
    }


def names_at(found, frame: int) -> dict[str, float]:
    """Layer -> the left side of its box, in picture pixels."""
    return {name: (d.box[0] - 10) / 2 for name, d in found.on(frame).items()}


def test_two_things_that_pass_each_other_keep_their_names():
    shot = {}
    for n in range(12):
        pair = [(10 + 8 * n, 10, 0, 0.9), (98 - 8 * n, 30, 0, 0.8)]
        shot[1001 + n] = seen(*(pair if n % 2 else pair[::-1]))
    found = layers(shot, NAMES, SHAPE, WINDOW, **LIMITS)
    assert set(found.layers) == {"person_01", "person_02"}
    for detection in found.boxes:
        n = detection.frame - 1001
        left = {"person_01": 10 + 8 * n, "person_02": 98 - 8 * n}[detection.layer]
        assert np.isclose((detection.box[0] - 10) / 2, left)


def test_kinds_are_counted_apart_and_named_for_files():
    shot = {f: seen((10, 10, 0, 0.9), (120, 10, 1, 0.9), (60, 10, 0, 0.9)) for f in (1, 2)}
    found = layers(shot, NAMES, SHAPE, WINDOW, **LIMITS)
    assert set(found.layers) == {"person_01", "person_02", "traffic_light_01"}
    assert names_at(found, 1) == {"person_01": 10, "person_02": 60, "traffic_light_01": 120}


def test_a_thing_that_is_hidden_for_a_moment_is_the_same_afterwards():
    shot = {f: seen((30 + f, 10, 0, 0.9)) if f not in (4, 5, 6) else seen() for f in range(1, 10)}
    assert layers(shot, NAMES, SHAPE, WINDOW, **LIMITS).layers == ("person_01",)


def test_what_flickers_is_no_layer():
    shot = {f: seen((30, 10, 0, 0.9)) for f in range(1, 13)}
    for frame in (3, 8, 11):
        shot[frame] = {k: np.concatenate([v, v]) for k, v in shot[frame].items()}
        shot[frame]["boxes"][1] = [33, 12, 47, 40]  # a part of the first, now and then
    shot[6] = seen((30, 10, 0, 0.9), (150, 50, 0, 0.9))  # seen once
    assert layers(shot, NAMES, SHAPE, WINDOW, **LIMITS).layers == ("person_01",)


def test_limits_are_kept():
    shot = {f: seen((10, 10, 0, 0.9), (120, 10, 0, 0.5)) for f in (1, 2, 3)}
    strict = {**LIMITS, "threshold": 0.6}
    assert layers(shot, NAMES, SHAPE, WINDOW, **strict).layers == ("person_01",)
    assert len(layers(shot, NAMES, SHAPE, WINDOW, **{**LIMITS, "max_layers": 1}).layers) == 1
    large = {**LIMITS, "min_area": 0.5}
    assert layers(shot, NAMES, SHAPE, WINDOW, **large).boxes == ()
    assert layers({}, NAMES, SHAPE, WINDOW, **LIMITS).boxes == ()


def test_boxes_are_in_plate_pixels():
    (box,) = layers({7: seen((0, 0, 0, 0.9))}, NAMES, SHAPE, WINDOW, **LIMITS).boxes
    assert box.box == (10, 20, 50, 100) and box.frame == 7


def test_of_two_boxes_around_one_thing_the_surer_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 0, 60, 10]], np.float32)
    scores, kinds = np.array([0.5, 0.9, 0.8, 0.3]), np.array([0, 0, 1, 0])
    assert sorted(distinct(boxes, scores, kinds, 0.5)) == [1, 2, 3]
