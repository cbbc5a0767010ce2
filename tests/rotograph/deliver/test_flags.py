"""Frames that need a look are found, and frames that do not are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph.deliver.flags import Flag, flags, glance, runs

H, W = 108, 192


def disc(x: float, y: float = 54, radius: float = 20) -> np.ndarray:
    rows, columns = np.mgrid[:H, :W] + 0.5
    return np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1).astype(np.float32)


def found(*layers: list[np.ndarray], confidence=None) -> list[tuple[int, str, str]]:
    """Flags of a shot from 1001 of layers a, b, …"""
    frames = []
    for index, mattes in enumerate(zip(*layers, strict=True)):
        told = 1.0 if confidence is None else confidence[index]
        shown = {name: glance(matte, told) for name, matte in zip("abc", mattes, strict=False)}
        frames.append((1001 + index, shown))
    return [(f.frame, f.layer, f.kind) for f in flags(frames)]


def test_a_steady_a_moving_and_a_growing_layer_need_no_look() -> None:
    assert found([disc(60)] * 6) == []
    assert found([disc(40 + 9 * i) for i in range(12)]) == []
    assert found([disc(90, radius=10 + 3 * i) for i in range(10)]) == []


def test_a_layer_that_leaves_by_the_edge_has_not_dropped_out() -> None:
    assert found([disc(150 + 8 * i) for i in range(10)]) == []


@pytest.mark.parametrize("lost", [1, 4])
def test_a_drop_out_is_every_frame_on_which_the_layer_is_gone(lost: int) -> None:
    gone = [disc(60)] * 3 + [disc(60) * 0] * lost + [disc(60)] * 3
    kinds = found(gone)
    assert [k for k in kinds if k[2] == "drop-out"] == [
        (1004 + i, "a", "drop-out") for i in range(lost)
    ]


def test_a_swap_names_both_layers_on_the_frame_where_it_happens() -> None:
    a, b = disc(50), disc(140)
    kinds = found([a, a, b, b], [b, b, a, a])
    assert kinds == [(1003, "a", "swap"), (1003, "b", "swap")]


def test_layers_that_cross_have_not_swapped() -> None:
    one = [disc(40 + 10 * i) for i in range(11)]
    two = [disc(140 - 10 * i) for i in range(11)]
    assert found(one, two) == []


def test_flicker_is_the_frame_unlike_its_neighbours() -> None:
    shot = [disc(60 + 2 * i) for i in range(7)]
    shot[3] = disc(66, radius=15)
    assert found(shot) == [(1004, "a", "flicker")]


def test_low_confidence_is_said_of_each_frame() -> None:
    kinds = found([disc(60)] * 4, confidence=[1.0, 0.6, 0.45, 0.2])
    assert kinds == [(1003, "a", "low confidence"), (1004, "a", "low confidence")]


def test_flags_on_frames_that_follow_each_other_are_one_run() -> None:
    low = [Flag(f, "a", "low confidence", v) for f, v in ((1, 0.4), (2, 0.1), (3, 0.2), (5, 0.3))]
    other = Flag(2, "b", "swap", 0.9)
    told = [(r.frames, r.worst.layer, r.worst.frame) for r in runs([*low, other])]
    assert told == [("1-3", "a", 2), ("2", "b", 2), ("5", "a", 5)]
