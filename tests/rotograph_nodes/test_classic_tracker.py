"""What an artist may expect of Track with no weights: it holds on, and says when it does not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph.metrics import iou
from rotograph_nodes import working
from rotograph_nodes.models.classic import grade, motion, tracker

PLATES = Path(__file__).resolve().parents[3] / "shared" / "plates"


def overlap(logits, truth):
    return iou((logits > 0).astype(np.float32), truth.astype(np.float32))


def logits_of(mask):
    return np.clip(grade.signed_distance(mask), -8, 8)


def follow(pictures, anchor_frame, mask, towards):
    """States from an anchor to a frame, one direction."""
    step = 1 if towards > anchor_frame else -1
    features = {f: tracker.encode(p) for f, p in pictures.items()}
    anchor = tracker.start(features[anchor_frame], logits_of(mask))
    states = {anchor_frame: anchor}
    for f in range(anchor_frame + step, towards + step, step):
        between = motion.motion(features[f - step], features[f])
        states[f] = tracker.step(
            states[f - step],
            features[f - step],
            features[f],
            between,
            [(anchor, features[anchor_frame])],
        )
    return features, states


def test_a_moving_object_is_followed_forward(make_shot):
    shot = make_shot(frames=8)
    features, states = follow(shot.pictures, 1001, shot.truth[1001], 1008)
    for f in range(1002, 1009):
        logits, confidence = tracker.fuse(states[f], None, f - 1001, None, features[f])
        assert overlap(logits, shot.truth[f]) > 0.95, f
        assert confidence > 0.7


def test_and_backward(make_shot):
    shot = make_shot(frames=5)
    _, states = follow(shot.pictures, 1005, shot.truth[1005], 1001)
    assert overlap(states[1001]["logits"], shot.truth[1001]) > 0.95


def test_reversed_motion_is_the_motion_the_other_way(make_shot):
    shot = make_shot(frames=2)
    a, b = (tracker.encode(shot.pictures[f]) for f in (1001, 1002))
    there, back = motion.motion(a, b), motion.motion(b, a)
    for name, field in working.reverse(there).items():
        assert np.array_equal(field, back[name])


def test_a_hidden_object_is_given_up_with_low_confidence(make_shot):
    shot = make_shot(frames=5, hidden=(1003, 1004))
    features, states = follow(shot.pictures, 1001, shot.truth[1001], 1004)
    _, seen = tracker.fuse(states[1002], None, 1, None, features[1002])
    _, hidden = tracker.fuse(states[1004], None, 3, None, features[1004])
    assert hidden < 0.5 * seen


def test_an_object_that_leaves_the_frame_is_gone(make_shot):
    shot = make_shot(frames=8, speed=(16.0, 0.0), start=(170.0, 75.0))
    _, states = follow(shot.pictures, 1001, shot.truth[1001], 1008)
    assert not shot.truth[1008].any()
    assert (states[1008]["logits"][:, :200] > 0).mean() < 0.02


def test_between_two_anchors_both_are_heard(make_shot):
    shot = make_shot(frames=7)
    features, ahead = follow(shot.pictures, 1001, shot.truth[1001], 1004)
    wrong = np.zeros_like(shot.truth[1007])
    wrong[5:30, 5:40] = True  # someone pointed at the wall on the other anchor
    _, back = follow(shot.pictures, 1007, wrong, 1004)
    both, doubt = tracker.fuse(ahead[1004], back[1004], 3, 3, features[1004])
    _, sure = tracker.fuse(ahead[1004], None, 3, None, features[1004])
    assert doubt < 0.6 * sure  # the two directions disagree, and it says so
    near, _ = tracker.fuse(ahead[1002], back[1004], 1, 5, features[1002])
    assert overlap(near, shot.truth[1002]) > 0.95  # the nearer anchor counts for more
    assert both.shape == shot.truth[1004].shape


def test_an_anchor_is_what_the_artist_said(make_shot):
    shot = make_shot(frames=1)
    features = tracker.encode(shot.pictures[1001])
    said = logits_of(shot.truth[1001])
    logits, confidence = tracker.fuse(tracker.start(features, said), None, 0, None, features)
    assert confidence == 1.0
    assert np.abs(logits - said).max() < 0.01


def test_an_empty_mask_stays_empty(make_shot):
    shot = make_shot(frames=3)
    _, states = follow(shot.pictures, 1001, np.zeros_like(shot.truth[1001]), 1003)
    assert (states[1003]["logits"] < 0).all()


def test_the_same_bits_again(make_shot):
    shot = make_shot(frames=4)
    _, once = follow(shot.pictures, 1001, shot.truth[1001], 1004)
    _, again = follow(shot.pictures, 1001, shot.truth[1001], 1004)
    assert np.array_equal(once[1004]["logits"], again[1004]["logits"])


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (40, 300)])
def test_any_size_of_picture(shape):
    pictures = {f: np.full((*shape, 3), 0.4, np.float32) for f in (1001, 1002)}
    mask = np.zeros(shape, bool)
    mask[: shape[0] // 2 + 1] = True
    _, states = follow(pictures, 1001, mask, 1002)
    assert states[1002]["logits"].shape == shape
    assert np.isfinite(states[1002]["logits"]).all()


@pytest.mark.material
@pytest.mark.slow
def test_hair_is_held_for_six_frames():
    folder = PLATES / "blondehair"
    if not folder.is_dir():
        pytest.skip("needs ../shared/plates/blondehair beside the checkout")
    import OpenEXR
    import PyOpenColorIO as ocio

    config = ocio.Config.CreateFromFile("ocio://default")
    convert = config.getProcessor("ACEScg", "ACEScct").getDefaultCPUProcessor()

    def planes(name, f):
        with OpenEXR.File(str(folder / f"{name}.{f}.exr"), separate_channels=True) as file:
            return {c: v.pixels.astype(np.float32) for c, v in file.channels().items()}

    pictures, truth = {}, {}
    for f in range(1001, 1008):
        rgb = planes("plate", f)
        rgb = np.dstack([rgb[c] for c in "RGB"])
        pictures[f] = np.ascontiguousarray(
            cv2.resize(rgb, (640, 360), interpolation=cv2.INTER_AREA)
        )
        convert.applyRGB(pictures[f])
        alpha = next(iter(planes("alpha", f).values()))
        truth[f] = cv2.resize(alpha, (640, 360), interpolation=cv2.INTER_AREA) > 0.5
    _, states = follow(pictures, 1001, truth[1001], 1007)
    assert min(overlap(s["logits"], truth[f]) for f, s in states.items()) > 0.97
