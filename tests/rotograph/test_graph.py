"""A graph file is read whole and checked, or refused in one line that says what to do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rotograph import Graph
from rotograph.errors import GraphError, PromptError, RotographError

DOCUMENT: dict[str, Any] = {
    "rotograph": 1,
    "nodes": {
        "plate": {"type": "Read", "file": "plate.####.exr"},
        "segment": {
            "type": "Segment",
            "inputs": {"plate": "plate"},
            "prompts": [{"frame": 1001, "layer": "hero", "box": [3, 6, 70, 54]}],
        },
        "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
        "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
        "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
        "out": {"type": "Write", "inputs": {"image": "refine"}, "file": "m/matte.####.exr"},
    },
}


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


def refused(document: Any, *words: str, error: type[RotographError] = GraphError) -> None:
    """The document is refused, in one line that has these words."""
    with pytest.raises(error) as caught:
        Graph.from_dict(document)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


def test_unknown_names_suggest_the_nearest(document) -> None:
    nodes = document["nodes"]
    nodes["refine"]["fether"] = 3
    refused(document, "refine: Refine has no parameter 'fether'", "did you mean 'feather'?")
    del nodes["refine"]["fether"]
    nodes["refine"]["type"] = "refin"
    refused(document, "refine: there is no node type 'refin'", "did you mean 'Refine'?")
    nodes["refine"]["type"] = "Refine"
    nodes["refine"]["inputs"]["mate"] = "matte"
    refused(document, "refine: Refine has no input 'mate'", "did you mean 'matte'?")
    del nodes["refine"]["inputs"]["mate"]
    nodes["refine"]["inputs"]["matte"] = "mat"
    refused(document, "refine: input 'matte' is wired to 'mat'", "did you mean 'matte'?")
    nodes["refine"]["inputs"]["matte"] = "matte"
    document["node"] = {}
    refused(document, "a graph has no 'node'", "did you mean 'nodes'?")


def test_wrong_types_and_ranges(document) -> None:
    refine = document["nodes"]["refine"]
    for value, words in (
        ("3", "'feather' must be a number, not \"3\""),
        (True, "'feather' must be a number, not true"),
        (float("nan"), "'feather' must be a number"),
        (-1, "'feather' is -1, but its least value is 0"),
        ({"keys": {"x": 1}}, "keyframe whose frame is not a whole number"),
    ):
        refine["feather"] = value
        refused(document, "refine: ", words)
    del refine["feather"]
    document["nodes"]["plate"]["missing"] = "holt"
    refused(document, "plate: 'missing' cannot be \"holt\"", "did you mean 'hold'?")


def test_a_prompt_without_meaning(document) -> None:
    segment = document["nodes"]["segment"]
    for prompt, words in (
        ({"frame": 1001, "layer": "hero"}, "needs one of box, point or mask"),
        ({"frame": 1001, "layer": "hero", "box": [5, 5, 5, 9]}, "has no inside"),
        ({"frame": 1001, "layer": "../hero", "point": [5, 5]}, "cannot be a layer's name"),
        ({"frame": 1001, "layer": "hero", "pont": [5, 5]}, "did you mean 'point'?"),
        ({"layer": "hero", "point": [5, 5]}, "needs a frame"),
    ):
        segment["prompts"] = [prompt]
        refused(document, "segment: ", words, error=PromptError)


def test_wires_that_cannot_be(document) -> None:
    nodes = document["nodes"]
    nodes["matte"]["inputs"]["logits"] = "plate"
    refused(document, "matte: input 'logits' takes Masks, but 'plate' (Read) gives Image")
    nodes["matte"]["inputs"]["logits"] = "out"
    refused(document, "'out' (Write) gives nothing")
    nodes["matte"]["inputs"]["logits"] = "track"
    del nodes["refine"]["inputs"]["matte"]
    refused(document, "refine: input 'matte' is not wired", '"matte": …')


def test_a_circle_is_shown(document) -> None:
    nodes = document["nodes"]
    nodes["refine"]["inputs"]["matte"] = "again"
    nodes["again"] = {"type": "Refine", "inputs": {"plate": "plate", "matte": "refine"}}
    refused(document, "the wires run in a circle: refine ← again ← refine")


def test_the_order_is_upstream_first_even_for_a_thousand_nodes() -> None:
    graph = Graph()
    graph.add("out", "Write", inputs={"image": "r999"}, file="m.####.exr")
    for i in reversed(range(1000)):
        source = f"r{i - 1}" if i else "matte"
        graph.add(f"r{i}", "Refine", inputs={"plate": "plate", "matte": source})
    graph.add("matte", "Matte", inputs={"plate": "plate", "logits": "track"})
    graph.add("track", "Track", inputs={"plate": "plate"})
    graph.add("plate", "Read", file="plate.####.exr")
    graph.check()
    place = {node.name: i for i, node in enumerate(graph.order())}
    assert all(place[source] < place[n.name] for n in graph for source in n.inputs.values())


def test_keys_are_held_outside_and_linear_between(document) -> None:
    document["nodes"]["refine"]["feather"] = {"keys": {"1011": 4, "1001": 0}}
    refine = Graph.from_dict(document).node("refine")
    assert [refine.value("feather", f) for f in (990, 1001, 1006, 1011, 1100)] == [0, 0, 2, 4, 4]
    assert refine.animated("feather")
    document["nodes"]["plate"]["first_frame"] = {"keys": {"1": 1}}
    refused(document, "plate: 'first_frame' takes no keyframes")


def test_a_layer_may_have_its_own_value(document) -> None:
    document["nodes"]["refine"] |= {"feather": 1, "layers": {"hero": {"feather": 5}}}
    refine = Graph.from_dict(document).node("refine")
    assert refine.value("feather", 1001, "hero") == 5
    assert refine.value("feather", 1001, "dog") == refine.value("feather", 1001) == 1
    document["nodes"]["refine"]["layers"] = {"hero": {"model": "classic"}}
    refused(document, "refine: 'model' is one for all layers")


def test_set_takes_json_or_text(document) -> None:
    graph = Graph.from_dict(document)
    graph.set("refine.feather=3")
    graph.set("refine.hero.feather=4.5")
    graph.set('refine.grow={"keys": {"1001": 0, "1002": 1}}')
    graph.set("plate.missing=hold")
    graph.set("plate.file=plates/a=b.####.exr")
    graph.set("out.overwrite=true")
    graph.set("plate.part=2")
    graph.set('plate.layer=""')
    refine, plate = graph.node("refine"), graph.node("plate")
    assert refine.value("feather", 1, "hero") == 4.5 and refine.value("feather") == 3
    assert refine.value("grow", 1002) == 1
    assert plate.value("missing") == "hold" and plate.value("file") == "plates/a=b.####.exr"
    assert plate.value("part") == "2" and plate.value("layer") == ""
    assert graph.node("out").value("overwrite") is True
    for wrong, words in (
        ("refine.feather", "sets nothing"),
        ("feather=3", "NODE.PARAMETER=VALUE"),
        ("refin.feather=3", "did you mean 'refine'?"),
        ("refine.feather=soft", "must be a number"),
        ("refine.a.b.feather=3", "sets nothing"),
    ):
        with pytest.raises(GraphError) as caught:
            graph.set(wrong)
        assert words in str(caught.value)


def test_saving_and_loading_gives_the_same(document, tmp_path: Path) -> None:
    document["nodes"]["refine"] |= {
        "feather": {"keys": {"1001": 0.0, "1024": 4.0}},
        "layers": {"hero": {"grow": 1.5}},
    }
    document["nodes"]["track"]["locked"] = {"hero": {"1003": "ab" * 16}}
    path = Graph.from_dict(document, tmp_path).save(tmp_path / "größe.json")
    again = Graph.load(path)
    assert again.folder == tmp_path and again.path == path
    again.save()
    assert Graph.load(path).to_dict() == Graph.from_dict(document).to_dict()
    assert [p.name for p in tmp_path.iterdir()] == ["größe.json"]


def test_files_that_are_no_graphs(tmp_path: Path) -> None:
    path = tmp_path / "shot.json"
    twice = '{"rotograph": 1, "nodes": {"a": {"type": "Read"}, "a": {"type": "Read"}}}'
    for text, words in (
        ("", "is not a graph file"),
        ('{"rotograph": 1, "nodes": {', "is not a graph file"),
        ("[" * 100_000, "is not a graph file"),
        ("[]", 'needs "rotograph": 1'),
        ('{"rotograph": 2, "nodes": {}}', "update Rotograph"),
        ('{"rotograph": 1, "nodes": {}}', "has no nodes"),
        ('{"rotograph": 1, "nodes": {"a": 1}}', 'needs a "type"'),
        ('{"rotograph": 1, "nodes": {"a/b": {"type": "Read"}}}', "cannot be a node's name"),
        (twice, "'a' is there twice"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(GraphError) as caught:
            Graph.load(path)
        assert words in str(caught.value) and str(path) in str(caught.value)
    path.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(GraphError, match="is not a graph file"):
        Graph.load(path)
    with pytest.raises(GraphError, match="No such file"):
        Graph.load(tmp_path / "none.json")


def test_paths_count_from_the_graph_file(document, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "show").mkdir()
    (tmp_path / "show" / "shot.json").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    graph = Graph.load("show/shot.json")
    assert graph.resolve_path("plate.####.exr") == tmp_path / "show" / "plate.####.exr"
    assert graph.resolve_path("/mnt/plate.exr") == Path("/mnt/plate.exr")
    assert graph.resolve_path("~/plate.exr") == tmp_path / "home" / "plate.exr"


def test_two_nodes_of_one_name() -> None:
    graph = Graph()
    graph.add("plate", "Read", file="a.exr")
    with pytest.raises(GraphError, match="two nodes"):
        graph.add("plate", "Read", file="b.exr")
