"""What an artist may expect of Detect with no weights: what moves by itself, under stable names."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rotograph.image import Box
from rotograph.layer import Detections
from rotograph_nodes.models.classic import detector, motion, moving, tracker

WINDOW = Box(100, 50, 100 + 480, 50 + 320)  # plate pixels; the pictures are half that size


def detect(pictures, **options) -> Detections:
    features = {f: tracker.encode(p) for f, p in pictures.items()}
    frames = sorted(features)
    seen = {
        a: detector.evidence(features[a], features[b], motion.motion(features[a], features[b]))
        for a, b in pairwise(frames)
    }
    return detector.propose(seen, WINDOW, **options)


def overlap(box, truth):
    """IoU of a box in plate pixels with the tight box of a mask in picture pixels."""
    rows, columns = np.nonzero(truth)
    tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    tight = [2 * v + o for v, o in zip(tight, (100, 50, 100, 50), strict=True)]
    width = min(box[2], tight[2]) - max(box[0], tight[0])
    height = min(box[3], tight[3]) - max(box[1], tight[1])
    both = max(0.0, width) * max(0.0, height)
    area = (box[2] - box[0]) * (box[3] - box[1]) + (tight[2] - tight[0]) * (tight[3] - tight[1])
    return both / (area - both)


def test_the_one_thing_that_moves_is_found_though_the_camera_pans(make_shot):
    shot = make_shot(frames=8, speed=(5.0, 1.0), pan=3.0)
    found = detect(shot.pictures)
    assert found.layers == ("object_01",)
    for seen in found.boxes:
        assert seen.frame in shot.pictures
        assert 0.0 < seen.score <= 1.0
        assert overlap(seen.box, shot.truth[seen.frame]) > 0.6


def test_a_camera_move_alone_is_nothing(make_shot):
    shot = make_shot(frames=6, speed=(-3.0, 0.0), pan=3.0)  # the ellipse hangs on the wall
    assert detect(shot.pictures).boxes == ()


def test_limits_are_kept(make_shot):
    shot = make_shot(frames=6)
    assert detect(shot.pictures, min_area=0.5).boxes == ()
    assert detect(shot.pictures, threshold=1.01).boxes == ()
    assert len(detect(shot.pictures, boxes_per_layer=2).boxes) == 2


def test_the_same_again(make_shot):
    shot = make_shot(frames=5)
    assert detect(shot.pictures) == detect(shot.pictures)


def test_no_frames_no_layers():
    assert detector.propose({}, WINDOW) == Detections()


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (40, 300)])
def test_any_size_of_picture(shape):
    pictures = {f: np.full((*shape, 3), 0.4, np.float32) for f in (1001, 1002)}
    assert detect(pictures).boxes == ()


def test_two_things_that_touch_and_move_apart_are_two():
    mask = np.zeros((80, 160), bool)
    mask[20:60, 20:140] = True
    own = np.zeros((80, 160, 2), np.float32)
    own[:, :80, 0], own[:, 80:, 0] = -12.0, 9.0
    own += np.random.default_rng(1).normal(0, 0.5, own.shape).astype(np.float32)
    parts = moving.part_by_motion(mask, own, np.ones_like(mask))
    assert sorted(int(np.nonzero(p.any(0))[0][0]) for p in parts) == [20, pytest.approx(80, abs=3)]
    turning = own.copy()
    turning[..., 0] = np.linspace(6, 9, 160)[None]  # one thing that turns moves unevenly
    assert len(moving.part_by_motion(mask, turning, np.ones_like(mask))) == 1
