"""Who passes behind somebody and comes out again is one object, and nobody else becomes him."""

from __future__ import annotations

import numpy as np

from rotograph_nodes.crossings import Object, rejoined
from rotograph_nodes.pieces import Piece, Rules

SHAPE = (40, 300)
FRAMES = tuple(range(1001, 1031))
RULES = Rules(least=0.001)
RED, BLUE = np.float32([1, 0, 0]), np.float32([0, 0, 1])


def walker(x, speed, frames, look=RED, label="person", width=20, score=0.9):
    """Somebody who walks evenly and is seen on some frames, found best on the first of them."""
    seen, masks = {}, {}
    for frame in frames:
        left = int(x + speed * (frame - FRAMES[0]))
        masks[frame] = np.zeros(SHAPE, bool)
        masks[frame][10:30, left : left + width] = True
        box = (left, 10, left + width, 30)
        seen[frame] = Piece(masks[frame], (box,), label, score, look=look)
    first = frames[0]
    return Object(label, {first: seen[first]}, seen, masks)


def test_who_is_hidden_on_his_way_is_one():
    before, after = walker(10, 6, range(1001, 1009)), walker(10, 6, range(1014, 1031))
    before.after = 1012
    (one,) = rejoined([before, after], FRAMES, RULES)
    assert set(one.seen) == {*range(1001, 1009), *range(1014, 1031)}
    assert {1001, 1014} <= set(one.anchors)
    assert one.after is None, "he is there at the end"


def test_two_who_pass_each_other_are_not_mixed_up():
    there = [walker(10, 6, range(1001, 1010)), walker(220, -6, range(1001, 1010))]
    back = [walker(10, 6, range(1016, 1026)), walker(220, -6, range(1016, 1026))]
    found = rejoined([*there, *back[::-1]], FRAMES, RULES)
    assert len(found) == 2
    for one in found:
        places = [np.flatnonzero(p.mask.any(0))[0] for _, p in sorted(one.seen.items())]
        steps = np.sign(np.diff(places))
        assert (steps == steps[0]).all()


def test_another_one_who_appears_there_is_another():
    first = walker(10, 6, range(1001, 1009))
    for other in (
        walker(10, 6, range(1014, 1031), look=BLUE),
        walker(10, 6, range(1014, 1031), label="dog"),
        walker(150, 0, range(1014, 1031)),
    ):
        assert len(rejoined([first, other], FRAMES, RULES)) == 2


def test_beyond_the_window_nobody_is_joined():
    pair = [walker(10, 4, range(1001, 1005)), walker(10, 4, range(1016, 1031))]
    assert len(rejoined(pair, FRAMES, Rules(least=0.001, window=5))) == 2


def test_a_track_that_ran_on_after_it_was_lost_is_forgotten():
    before, after = walker(10, 6, range(1001, 1009)), walker(10, 6, range(1014, 1031))
    astray = np.zeros(SHAPE, bool)
    astray[:, 250:] = True
    before.masks |= dict.fromkeys(range(1009, 1018), astray)
    (one,) = rejoined([before, after], FRAMES, RULES)
    assert not any((mask & astray)[35].any() for mask in one.masks.values())


def test_the_best_sightings_around_the_crossing_become_anchors():
    before, after = walker(10, 6, range(1001, 1013)), walker(10, 6, range(1016, 1031))
    best = before.seen[1010]
    before.seen[1010] = Piece(best.mask, best.boxes, best.label, 0.95, look=RED)
    (one,) = rejoined([before, after], FRAMES, RULES)
    assert 1010 in one.anchors
