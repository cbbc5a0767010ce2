"""The schema and the engine agree on what a graph file may say."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rotograph import Graph
from rotograph.errors import RotographError
from rotograph.generate.docs import page
from rotograph.generate.schema import graph_schema
from rotograph.graph import installed_nodes

REPOSITORY = Path(__file__).parents[2]
EXAMPLE: dict[str, Any] = {
    "rotograph": 1,
    "nodes": {
        "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
        "segment": {
            "type": "Segment",
            "inputs": {"plate": "plate"},
            "prompts": [
                {"frame": 1001, "layer": "hero", "box": [300, 60, 700, 540]},
                {"frame": 1001, "layer": "hero", "point": [480, 300], "positive": True},
                {"frame": 1001, "layer": "hero", "mask": "mask.1001.exr"},
            ],
        },
        "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
        "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
        "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
        "out": {
            "type": "Write",
            "inputs": {"image": "refine"},
            "file": "mattes/matte.####.exr",
        },
    },
}
GOOD = [
    {},
    {"refine.feather": 3},
    {"refine.feather": 2.5},
    {"refine.feather": {"keys": {"1001": 0, "1024": 4.5}}},
    {"refine.layers": {"hero": {"feather": 1}, "Käse 2": {"grow": {"keys": {"-5": 1}}}}},
    {"plate.missing": "hold"},
    {"plate.first_frame": 86400},
    {"plate.colour_space": ""},
    {"out.overwrite": True},
    {"segment.prompts": []},
    {"segment.prompts": [{"frame": -5, "layer": "a", "point": [0.5, -3], "positive": False}]},
    {"track.locked": {"hero": {"1001": "0123456789abcdef" * 2}}},
]
BAD = [
    {"refine.fether": 3},
    {"refine.feather": "3"},
    {"refine.feather": True},
    {"refine.feather": None},
    {"refine.feather": -1},
    {"refine.feather": {"keys": {}}},
    {"refine.feather": {"keys": {"1001": "x"}}},
    {"refine.feather": {"keys": {"one": 1}}},
    {"refine.feather": {"keys": {"1001": 1}, "curve": "smooth"}},
    {"refine.layers": {"hero": {"fether": 1}}},
    {"refine.layers": {"hero": {"model": "classic"}}},
    {"refine.layers": {"../x": {"feather": 1}}},
    {"refine.layers": ["hero"]},
    {"refine.type": "Rafine"},
    {"refine.type": 3},
    {"refine.inputs": {"plate": "plate"}},
    {"refine.inputs": {"plate": "plate", "matte": "matte", "mask": "matte"}},
    {"plate.missing": "ignore"},
    {"plate.first_frame": 1.5},
    {"plate.first_frame": {"keys": {"1": 2}}},
    {"plate.colour_space": 4},
    {"out.overwrite": "yes"},
    {"out.overwrite": 1},
    {"segment.prompts": {"frame": 1}},
    {"segment.prompts": [{"frame": 1001, "box": [0, 0, 1, 1]}]},
    {"segment.prompts": [{"frame": 1001, "layer": "1st", "box": [0, 0, 1, 1]}]},
    {"segment.prompts": [{"frame": "1001", "layer": "a", "box": [0, 0, 1, 1]}]},
    {"segment.prompts": [{"frame": 1001, "layer": "a", "box": [0, 0, 1]}]},
    {"segment.prompts": [{"frame": 1001, "layer": "a"}]},
    {"segment.prompts": [{"frame": 1001, "layer": "a", "mask": ""}]},
    {"segment.prompts": [{"frame": 1001, "layer": "a", "mask": "m.exr", "point": [1, 1]}]},
    {"segment.prompts": [{"frame": 1, "layer": "a", "box": [0, 0, 1, 1], "positive": False}]},
    {"segment.prompts": [{"frame": 1, "layer": "a", "point": [0, 0], "label": "x"}]},
    {"track.locked": {"hero": {"1001": "approved"}}},
]


def changed(change: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(EXAMPLE)
    for target, value in change.items():
        node, _, name = target.partition(".")
        document["nodes"][node][name] = value
    return document


def documents() -> Iterator[tuple[dict[str, Any], bool]]:
    yield from ((changed(change), True) for change in GOOD)
    yield from ((changed(change), False) for change in BAD)
    for other in (
        {},
        {"rotograph": 1},
        {"rotograph": 1, "nodes": {}},
        {"rotograph": 2, "nodes": EXAMPLE["nodes"]},
        {"rotograph": True, "nodes": EXAMPLE["nodes"]},
        {**EXAMPLE, "author": "me"},
        {"rotograph": 1, "nodes": {"a": {}}},
        {"rotograph": 1, "nodes": {"a.b": {"type": "Read"}}},
        {"rotograph": 1, "nodes": {"a": {"type": "Write"}}},
        [],
    ):
        yield other, False


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = graph_schema(installed_nodes().values())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_and_the_engine_take_the_same(validator) -> None:
    for document, good in documents():
        by_schema = validator.is_valid(document)
        try:
            Graph.from_dict(document)
            by_engine = True
        except RotographError:
            by_engine = False
        assert (by_schema, by_engine) == (good, good), document


def test_the_schema_says_where_and_what(validator) -> None:
    (error,) = validator.iter_errors(changed({"refine.fether": 3}))
    assert "'fether' was unexpected" in error.message
    assert list(error.path) == ["nodes", "refine"]


def test_the_examples_are_good(validator) -> None:
    files = sorted((REPOSITORY / "examples").glob("*.json"))
    assert files
    for path in files:
        validator.validate(Graph.load(path).to_dict())


def test_every_parameter_is_explained_with_a_default() -> None:
    for node in installed_nodes().values():
        assert node.help
        for name, param in node.params.items():
            assert param.label and len(param.help) > 10, (node.name, name)
            if param.kind not in ("prompts", "file", "frames", "names", "text"):
                assert param.check(name, param.default) == param.default


def test_the_reference_page_is_up_to_date() -> None:
    written = (REPOSITORY / "docs" / "nodes.md").read_text(encoding="utf-8")
    assert written == page(installed_nodes().values()), (
        "run python -m rotograph.generate.docs docs/nodes.md"
    )
