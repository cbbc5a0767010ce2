"""Who is in a shot, from masks on single frames: the rules that a matte's name hangs on."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph_nodes.objects import follow
from rotograph_nodes.pieces import Piece, Rules, iou, overlap, settle

SHAPE = (40, 200)
RULES = Rules(least=0.001)


def rectangle(x0, x1, y0=10, y1=30):
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, max(0, int(x0)) : max(0, int(x1))] = True
    return mask


def piece(x0, x1, score=0.9, label="person", y0=10, y1=30):
    return Piece(rectangle(x0, x1, y0, y1), ((x0, y0, x1, y1),), label, score)


def spans(pieces):
    return sorted((int(np.nonzero(p.mask.any(0))[0][0]), int(p.mask.any(0).sum())) for p in pieces)


def test_overlap_asks_how_much_of_the_first_lies_in_the_second():
    small, large = rectangle(10, 20), rectangle(10, 50)
    assert overlap(small, large) == 1.0 and overlap(large, small) == 0.25
    assert iou(small, large) == 0.25
    assert overlap(np.zeros(SHAPE, bool), large) == 0.0


def test_a_piece_within_one_other_becomes_part_of_it():
    left = settle([piece(10, 50), piece(40, 52, score=0.4)], RULES)
    assert spans(left) == [(10, 42)]
    assert len(left[0].boxes) == 2


def test_a_piece_that_lies_in_two_others_is_left_out():
    left = settle([piece(10, 50), piece(50, 90), piece(45, 56, score=0.4)], RULES)
    assert spans(left) == [(10, 40), (50, 40)]


def test_a_piece_that_overlaps_one_other_a_little_stays():
    assert len(settle([piece(10, 50), piece(40, 70, score=0.4)], RULES)) == 2


def test_the_constants_are_parameters():
    both = [piece(10, 50), piece(40, 52, score=0.4)]
    assert len(settle(both, Rules(least=0.001, merge=0.95))) == 2
    assert settle(both, Rules(least=0.5)) == []


class Stage:
    """Rectangles that move by themselves; ``seen`` says on which frames a detector sees each."""

    def __init__(self, actors, drift=0.0):
        self.actors, self.drift = actors, drift

    def found(self, frame):
        return [piece(*self.place(a, frame)) for a in self.actors if frame in a["seen"]]

    def place(self, actor, frame):
        x = actor["x"] + actor.get("speed", 0.0) * (frame - 1001)
        return x, x + actor.get("width", 20)

    def tracked(self, told, frames):
        """Follows whoever is nearest to the piece, off by ``drift`` pixels a frame."""
        return {frame: self.there(told, frame) for frame in frames}

    def there(self, told, frame):
        masks = {}
        for n, (at, known) in told.items():
            x = known.boxes[0][0]
            actor = min(self.actors, key=lambda a: abs(self.place(a, at)[0] - x))
            x0, x1 = self.place(actor, frame)
            off = self.drift * abs(frame - at)
            masks[n] = (
                rectangle(x0 + off, x1 + off)
                if frame in actor.get("there", range(9999))
                else np.zeros(SHAPE, bool)
            )
        return masks

    def objects(self, frames=range(1001, 1041), rules=RULES):
        return follow(tuple(frames), self.found, self.tracked, rules)


def test_names_stay_the_same_through_the_shot_and_go_from_left_to_right():
    stage = Stage(
        [
            {"x": 150, "speed": -0.5, "seen": range(1001, 1041)},
            {"x": 10, "speed": 0.5, "seen": range(1001, 1041)},
        ]
    )
    first, second = stage.objects()
    assert (first.name, second.name) == ("person_01", "person_02")
    assert first.anchors[1001].boxes[0][0] == 10
    assert first.anchors[1036].boxes[0][0] == pytest.approx(10 + 17.5)
    assert first.before is None and first.after is None


def test_who_is_found_late_but_was_there_is_one_object_from_the_beginning():
    found = Stage([{"x": 10, "seen": range(1018, 1041)}]).objects()
    assert [o.name for o in found] == ["person_01"]
    assert found[0].born == 1018 and found[0].before is None
    assert min(found[0].masks) == 1001


def test_who_enters_late_begins_where_he_enters():
    there = range(1013, 9999)
    found = Stage([{"x": 10, "seen": range(1016, 1041), "there": there}]).objects()
    assert found[0].before == 1012 and min(found[0].masks) == 1013


def test_who_leaves_ends_where_he_was_last():
    found = Stage([{"x": 10, "seen": range(1001, 1010), "there": range(1001, 1012)}]).objects()
    assert found[0].after == 1012 and max(found[0].masks) == 1011
    assert sorted(found[0].anchors) == [1001, 1006]


def test_every_frame_is_looked_at_and_the_best_of_them_tells_where_it_is():
    class Unsure(Stage):
        def found(self, frame):
            return [
                Piece(p.mask, p.boxes, p.label, 0.9 if frame in (1004, 1008) else 0.5)
                for p in super().found(frame)
            ]

    found = Unsure([{"x": 10, "seen": range(1001, 1011)}]).objects(range(1001, 1011))
    assert [sorted(o.anchors) for o in found] == [[1004, 1008]]


def test_what_is_seen_once_is_no_object_unless_that_is_asked_for():
    stage = Stage([{"x": 10, "seen": (1007,)}])
    assert stage.objects() == []
    assert len(stage.objects(rules=Rules(least=0.001, sightings=1))) == 1


def test_an_object_that_two_telling_frames_share_is_one():
    found = Stage([{"x": 10, "seen": range(1005, 1041)}]).objects()
    assert len(found) == 1 and found[0].born == 1005


def test_an_object_not_found_again_within_the_window_may_come_back_as_itself():
    seen = [*range(1001, 1005), *range(1016, 1041)]
    found = Stage([{"x": 10, "seen": seen}]).objects()
    assert len(found) == 1 and sorted(found[0].anchors)[:2] == [1001, 1016]


def test_beyond_the_window_it_is_joined_backward_to_who_it_was():
    seen = [*range(1001, 1005), *range(1031, 1041)]
    rules = Rules(least=0.001, window=20)
    found = Stage([{"x": 10, "seen": seen}]).objects(rules=rules)
    assert len(found) == 1, "followed back into the first one's frames"
    assert {1001, 1031} <= set(found[0].anchors)


def test_a_track_that_drifts_is_brought_back_by_what_is_found():
    found = Stage([{"x": 10, "seen": range(1001, 1041)}], drift=0.5).objects()
    assert len(found) == 1 and len(found[0].anchors) == 8


def test_nothing_found_is_no_object():
    assert Stage([{"x": 10, "seen": ()}]).objects() == []


def test_who_is_still_there_where_the_window_ends_is_not_said_to_be_gone():
    found = Stage([{"x": 10, "seen": range(1036, 1041)}]).objects()
    assert found[0].born == 1036 and found[0].before is None


def test_who_was_only_hidden_is_not_said_to_be_gone():
    there = [*range(1001, 1009), *range(1014, 1041)]
    found = Stage([{"x": 10, "seen": there, "there": there}]).objects()
    assert len(found) == 1 and found[0].after is None
