"""Who owns a pixel that several layers claim."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph.errors import GraphError
from rotograph_nodes import overlap
from rotograph_nodes.models.classic.grade import signed_distance


def disc(x, radius):
    rows, columns = np.mgrid[:80, :120]
    return np.clip(signed_distance(np.hypot(columns - x, rows - 40) < radius), -8, 8)


def resolved(mode, *layers):
    return settled(overlap.resolve_logits, mode, layers)


def settled(resolve, mode, layers):
    """Each layer after ``resolve`` against its rivals."""
    last = [overlap.last_rival(mode, place, len(layers)) for place in range(1, len(layers) + 1)]
    return [
        resolve(mode, own, [*layers[: last[n]][:n], *layers[: last[n]][n + 1 :]])
        for n, own in enumerate(layers)
    ]


def test_exclusive_leaves_one_owner_and_no_gap():
    a, b = disc(45, 25), disc(75, 25)
    first, second = resolved("exclusive", a, b)
    assert not ((first > 0) & (second > 0)).any()
    lost = ((a > 0) | (b > 0)) & ~((first > 0) | (second > 0))
    assert lost.mean() < 0.001


def test_exclusive_gives_a_small_layer_what_lies_within_a_large_one():
    large, small = resolved("exclusive", disc(60, 35), disc(60, 12))
    assert small[40, 60] > 0 > large[40, 60]
    assert large[40, 30] > 0 > small[40, 30]


def test_exclusive_believes_the_surer_layer():
    pale, sure = resolved("exclusive", 0.5 * disc(50, 25), disc(70, 25))
    assert sure[40, 60] > 0 > pale[40, 60]


def test_ordered_lets_the_front_win_and_independent_changes_nothing():
    a, b = disc(50, 25), disc(70, 25)
    front, rear = resolved("ordered", a, b)
    assert np.array_equal(front, a) and rear[40, 60] < 0
    assert all(
        np.array_equal(x, y) for x, y in zip(resolved("independent", a, b), (a, b), strict=True)
    )


@pytest.mark.parametrize("mode", ["exclusive", "ordered"])
def test_alphas_never_add_up_to_more_than_one(mode):
    random = np.random.default_rng(7)
    alphas = list(random.random((3, 64, 64)).astype(np.float16))
    alphas[1][:8] = alphas[0][:8] = 1.0
    out = settled(overlap.resolve_alphas, mode, alphas)
    assert all(o.dtype == np.float16 for o in out)
    total = sum(o.astype(np.float64) for o in out)
    assert total.max() <= 1.0
    if mode == "exclusive":
        assert np.abs(total - np.minimum(1, sum(a.astype(np.float64) for a in alphas))).max() < 4e-3


def test_an_unknown_mode_is_named():
    with pytest.raises(GraphError, match="exclusive"):
        overlap.resolve_logits("exclusiv", disc(5, 5), [])
