"""Hints: the name that was meant, or a few of those there are."""

from __future__ import annotations

from rotograph.errors import did_you_mean


def test_a_slip_is_corrected():
    assert did_you_mean("persn", ["person", "car"]) == "did you mean 'person'?"


def test_a_long_list_is_not_read_to_the_end():
    few, many = [f"kind {n}" for n in range(4)], [f"kind {n:02}" for n in range(80)]
    assert did_you_mean("unicorn", few) == "known: kind 0, kind 1, kind 2, kind 3"
    assert did_you_mean("unicorn", many).endswith("kind 10, and 69 more")
    assert did_you_mean("unicorn", []) == "there are none"
