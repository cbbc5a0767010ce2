"""What an artist may expect of Segment with no weights: boxes, points, masks and corrections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rotograph.metrics import iou
from rotograph_nodes.models.classic import segmenter
from rotograph_nodes.models.prompts import GridPrompts


def overlap(logits, truth):
    return iou((logits > 0).astype(np.float32), truth.astype(np.float32))


def around(truth, grow=3):
    rows, columns = np.nonzero(truth)
    return (
        float(columns.min() - grow),
        float(rows.min() - grow),
        float(columns.max() + 1 + grow),
        float(rows.max() + 1 + grow),
    )


@pytest.fixture(scope="module")
def still(make_shot):
    shot = make_shot(frames=1)
    return segmenter.encode(shot.pictures[1001]), shot.truth[1001]


def test_a_box_gives_the_object_in_it(still):
    features, truth = still
    logits = segmenter.segment(features, GridPrompts(boxes=(around(truth),)))
    assert logits.shape == truth.shape and logits.dtype == np.float32
    assert overlap(logits, truth) > 0.96


def test_a_point_alone_grows_to_the_object(still):
    features, truth = still
    assert overlap(segmenter.segment(features, GridPrompts(inside=((70.5, 75.5),))), truth) > 0.9


def test_logits_are_graded_and_certain_away_from_the_boundary(still):
    features, truth = still
    logits = segmenter.segment(features, GridPrompts(boxes=(around(truth),)))
    assert logits[75, 70] > 6 and logits[5, 230] < -6
    assert len(np.unique(np.round(logits, 2))) > 100


def test_a_negative_point_takes_away_what_it_is_on(make_shot):
    left = make_shot(frames=1, start=(60.0, 75.0))
    right = make_shot(frames=1, start=(180.0, 75.0))
    both = np.where(right.truth[1001][..., None], right.pictures[1001], left.pictures[1001])
    features = segmenter.encode(both)
    box = around(left.truth[1001] | right.truth[1001])
    kept = segmenter.segment(features, GridPrompts(boxes=(box,), outside=((180.0, 75.0),)))
    assert overlap(kept, left.truth[1001]) > 0.85
    assert (kept[right.truth[1001]] > 0).mean() < 0.1


def test_a_whole_mask_comes_back_as_it_was_and_points_correct_it(still):
    features, truth = still
    short = truth.copy()
    short[:, 85:] = False  # a mask that misses a part of the object
    drawn = GridPrompts(masks=(short.astype(np.float32),))
    assert overlap(segmenter.segment(features, drawn), short) > 0.99
    corrected = GridPrompts(masks=drawn.masks, inside=((95.0, 75.0),))
    logits = segmenter.segment(features, corrected)
    assert overlap(logits, truth) > overlap(short.astype(np.float32), truth) + 0.05
    assert overlap(logits[:, :75], short[:, :75]) > 0.97  # and elsewhere it stays


def test_a_tracked_mask_can_be_corrected(still):
    features, truth = still
    wide = truth.copy()
    wide[60:90, 100:150] = True  # it has leaked to the right
    prior = np.where(wide, 8.0, -8.0).astype(np.float32)
    logits = segmenter.segment(features, GridPrompts(outside=((140.0, 75.0),)), prior)
    assert overlap(logits, truth) > overlap(prior, truth)
    assert logits[75, 140] < 0 < logits[75, 70]


def test_an_erased_part_is_outside(still):
    features, truth = still
    erased = np.zeros(truth.shape, np.float32)
    erased[65:85, 60:80] = 1.0
    prompts = GridPrompts(boxes=(around(truth),), erasures=(erased,))
    assert (segmenter.segment(features, prompts)[68:82, 63:77] < 0).all()


def test_nothing_positive_is_nothing(still):
    features, _ = still
    assert (segmenter.segment(features, GridPrompts(outside=((10.0, 10.0),))) < -7).all()


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (40, 300)])
def test_any_size_of_picture(shape):
    picture = np.full((*shape, 3), 0.4, np.float32)
    box = (0.0, 0.0, float(shape[1]), float(shape[0]))
    logits = segmenter.segment(segmenter.encode(picture), GridPrompts(boxes=(box,)))
    assert logits.shape == shape and np.isfinite(logits).all()


def test_the_same_bits_again_and_in_threads(still):
    features, truth = still
    prompts = GridPrompts(boxes=(around(truth),), inside=((70.5, 75.5),))
    once = segmenter.segment(features, prompts)
    with ThreadPoolExecutor(3) as pool:
        for again in pool.map(lambda _: segmenter.segment(features, prompts), range(6)):
            assert np.array_equal(once, again)
