"""What is behind the things that move, and what is only a shadow on it."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from rotograph.metrics import iou
from rotograph_nodes.models.classic import appearance, background, detector, motion, moving, tracker


def seen_in(pictures):
    """Of each frame but the last: features, motion, camera and what the flow sees moving."""
    features = {f: tracker.encode(p) for f, p in pictures.items()}
    out = {}
    for a, b in pairwise(sorted(features)):
        between = motion.motion(features[a], features[b])
        turn = detector.camera(between)
        out[a] = features[a], features[b], between, turn
        out[a] += (moving.moving(features[a], features[b], between, turn),)
    return out


def around(seen, frame):
    """The other frames, as Detect hands them to the model."""
    frames = sorted(seen)
    others = []
    for other in frames:
        turn = np.eye(3)
        for f in frames:
            if min(frame, other) <= f < max(frame, other):
                turn = seen[f][3] @ turn
        turn = turn if other > frame else np.linalg.inv(turn)
        if other != frame:
            others.append((seen[other][0]["picture"], seen[other][4]["mask"], turn))
    return others


@pytest.mark.parametrize("pan", [0.0, 3.0])
def test_the_wall_behind_a_moving_thing_is_made_out_though_the_camera_pans(make_shot, pan):
    shot = make_shot(frames=9, speed=(16.0, 1.0), pan=pan, start=(30.0, 75.0))
    seen = seen_in(shot.pictures)
    others = [(p.astype(np.float32), m > 0, t) for p, m, t in around(seen, 1004)]
    place, known = background.behind(shot.pictures[1004], seen[1004][4]["mask"] > 0, others)
    thing = cv2.erode(shot.truth[1004].astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert known[~seen[1004][4]["mask"].astype(bool)].mean() > 0.9
    assert known[thing].mean() > 0.7
    differs = background.unlike(appearance.colours(shot.pictures[1004]), place)
    assert np.median(differs[thing & (known > 0)]) > 4 * np.median(differs[~shot.truth[1004]])


def test_what_moves_is_cut_out_more_closely_than_by_the_flow(make_shot):
    shot = make_shot(frames=9, speed=(16.0, 1.0), pan=1.0, start=(30.0, 75.0))
    seen = seen_in(shot.pictures)
    frames = (1003, 1005, 1007)
    scores = []
    for others in (lambda frame: (), lambda frame: around(seen, frame)):
        found = [moving.evidence(*seen[f], others(f))["regions"] > 0 for f in frames]
        pairs = zip(frames, found, strict=True)
        scores.append([iou(m.astype(np.float32), shot.truth[f].astype("f4")) for f, m in pairs])
    assert min(scores[1]) > 0.9 and np.mean(scores[1]) > np.mean(scores[0])


def test_a_shadow_that_moves_is_no_thing(make_shot):
    shot = make_shot(frames=9, speed=(16.0, 0.0), pan=0.0, start=(30.0, 50.0))
    y, x = np.mgrid[:160, :240].astype(np.float32)
    for n, picture in enumerate(shot.pictures.values()):
        inside = ((x - 30 - 16 * n) / 36) ** 2 + ((y - 128) / 16) ** 2
        picture -= 0.07 * np.clip(4.0 * (1.3 - inside), 0, 1)[..., None]
    seen = seen_in(shot.pictures)
    for frame in (1003, 1005, 1007):
        regions = moving.evidence(*seen[frame], around(seen, frame))["regions"]
        assert (regions[40:70] > 0).any(), "the thing itself is there"
        assert (regions[115:] > 0).mean() < 0.01, frame


def test_nothing_is_said_where_no_frame_shows_it(make_shot):
    shot = make_shot(frames=2)
    seen = seen_in(shot.pictures)
    _, known = background.behind(shot.pictures[1001], seen[1001][4]["mask"] > 0, [])
    assert not known.any()
