"""The key's encoding: no two values share one, and every digest is the same for ever.

A pinned digest that moves makes every store in the world cold.
"""

from __future__ import annotations

import itertools

import pytest

from rotograph.key import SIZE, Recipe, digest, encode

PINNED = {
    "nothing": (None, "9a5c484dfaeee009897718915ae63fb6"),
    "a whole number": (1, "db9964bd44d74ea0f502854c0e163a2e"),
    "a number": (1.0, "2ba11f5c8b2c2fcaba4d936dd33ca8a5"),
    "a text": ("1", "58af6496aad2a601c484e095d6360eb8"),
    "bytes": (b"1", "e0506c07daf61d21f2eee356b8dbd652"),
    "a switch": (True, "43ed308c3b8ca976653b1266c0bf7076"),
    "a list": ([1, 23], "e09cc871ae3b8fb8f739236c15c5a577"),
    "a map": (
        {"feather": 3.0, "grow": -1.5, "layers": ["a", "ä"]},
        "03458ae8e2fa7bc4ed84f31f213970d2",
    ),
}


@pytest.mark.parametrize("name", PINNED)
def test_digests_are_pinned(name):
    value, expected = PINNED[name]
    assert digest(value).hex() == expected


def test_the_key_of_a_result_is_pinned():
    recipe = Recipe("Matte", 1, "solve", {"params": {"inside": 6.0}, "models": {}})
    needs = [("plate", 0, bytes(16)), ("others.0", -1, b"k" * 16)]
    assert recipe.key(needs).hex() == "971a6bdaf62db4b6e09ee088bc5760c2"
    assert recipe.key([]).hex() == "87e878c44d9fa740d2df58d1ba80f526"


def test_values_that_look_alike_differ():
    values = [
        None, False, True, 0, 1, -1, 1.0, 1.5, "1", "1.0", "", "true", b"1", b"", [], [1], ["1"],
        [1, 23], [12, 3], [123], [[1], 23], [[1, 23]], [[]], {}, {"1": 1}, {1: 1}, {"a": None},
        {"a": {"b": 1}}, {"a": 1, "b": 1}, ["a", 1, "b", 1], 10**30, "é", "e\u0301", "\0",
    ]  # fmt: skip
    for one, other in itertools.combinations(values, 2):
        assert encode(one) != encode(other), (one, other)


def test_the_order_of_a_map_does_not_matter_and_that_of_a_list_does():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest((1, 2)) == digest([1, 2]), "JSON knows no tuples"


def test_the_two_zeros_are_one_and_nan_is_none():
    assert digest(-0.0) == digest(0.0)
    assert digest(0.0) != digest(0)
    with pytest.raises(TypeError, match="NaN"):
        digest([float("nan")])


def test_what_has_no_encoding_is_refused():
    with pytest.raises(TypeError, match="set"):
        digest({1, 2})


def test_an_object_is_what_it_says_of_itself():
    class Said:
        def to_json(self):
            return {"keys": {"1001": 0}}

    assert digest(Said()) == digest({"keys": {"1001": 0}})


def test_everything_in_a_recipe_moves_the_key():
    child, other = bytes(16), b"x" * 16
    settings = {"params": {"a": 1}}
    keys = {
        Recipe(*what).key(needs)
        for what, needs in [
            (("Matte", 1, "solve", settings), [("plate", 0, child)]),
            (("Refine", 1, "solve", settings), [("plate", 0, child)]),
            (("Matte", 2, "solve", settings), [("plate", 0, child)]),
            (("Matte", 1, "resolve", settings), [("plate", 0, child)]),
            (("Matte", 1, "solve", {"params": {"a": 2}}), [("plate", 0, child)]),
            (("Matte", 1, "solve", settings), [("trimap", 0, child)]),
            (("Matte", 1, "solve", settings), [("plate", 1, child)]),
            (("Matte", 1, "solve", settings), [("plate", 0, other)]),
            (("Matte", 1, "solve", settings), [("plate", 0, child), ("plate", 0, child)]),
            (("Matte", 1, "solve", settings), []),
        ]
    }
    assert len(keys) == 10 and {len(key) for key in keys} == {SIZE}
