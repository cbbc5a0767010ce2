"""Why a result is dirty: what changed since the last run, by what that run noted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rotograph import Graph, exr, lastrun
from rotograph.commands.plan import to_json
from rotograph.declare import NodeType
from rotograph.environment import Environment
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.render import known_plan, render
from rotograph.store import Store

ALL = [1001, 1002, 1003, 1004]


@pytest.fixture(scope="module")
def rendered(make_shot):
    shot = make_shot(4)
    done = render(Graph.load(shot.graph), Environment(Store(shot.cache)))
    assert done.complete, done.errors
    return shot


def reasons(shot, *settings: str, environment: Environment | None = None, **nodes):
    """node -> reason -> frames, after edits of the document."""
    document = shot.document()
    for name, change in nodes.items():
        document["nodes"].setdefault(name, {}).update(change)
    graph = Graph.from_dict(document, shot.folder)
    graph.path = shot.graph
    for assignment in settings:
        graph.set(assignment)
    environment = environment or Environment(Store(shot.cache))
    keys, made = known_plan(lambda: Keys(graph, environment), lambda keys: plan(keys), read=True)
    return to_json(keys, made)["reasons"]


def test_a_parameter_says_what_it_was(rendered) -> None:
    found = reasons(rendered, "refine.feather=3")
    assert found == {
        "refine": {"parameter feather 0 → 3": ALL},
        "out": {"follows refine": ALL},
    }
    found = reasons(rendered, "matte.disc.outside=20")
    assert found["matte"] == {"parameter outside of disc 14 → 20": ALL}
    assert found["refine"] == {"follows matte": ALL}


def test_what_was_tried_elsewhere_is_not_the_last_run(make_shot, tmp_path) -> None:
    shot = make_shot(2)
    render(Graph.load(shot.graph), Environment(Store(shot.cache)))
    softer = Graph.load(shot.graph)
    softer.set("refine.feather=3")
    render(softer, Environment(Store(shot.cache)), output=tmp_path)
    found = reasons(shot, "matte.inside=9")
    assert found["refine"] == {"follows matte": [1001, 1002]}


def test_an_animated_parameter_is_named_where_it_moves(rendered) -> None:
    keys = {"keys": {"1002": 0, "1004": 4}}
    found = reasons(rendered, refine={"feather": keys})
    assert found["refine"] == {
        "parameter feather 0 → 2": [1003],
        "parameter feather 0 → 4": [1004],
    }


def test_a_write_names_its_own(rendered) -> None:
    found = reasons(rendered, "out.compression=piz")
    assert found == {"out": {'parameter compression "zip" → "piz"': ALL}}


def test_prompts_are_named_by_layer_and_frame(rendered) -> None:
    prompts = [{"frame": 1003, "layer": "disc", "point": [62, 49], "positive": True}]
    found = reasons(rendered, track={"prompts": prompts})
    assert set(found["track"]) == {"prompts of disc at 1003"}
    assert found["matte"] == {"follows track": found["track"]["prompts of disc at 1003"]}
    box = rendered.document()["nodes"]["segment"]["prompts"]
    box[0]["box"][0] -= 2
    found = reasons(rendered, segment={"prompts": box})
    assert found["segment"] == {"prompts of disc at 1001": [1001]}
    assert set(found["track"]) == {"follows segment"}


def test_a_new_layer_and_a_new_node_are_new(rendered) -> None:
    prompts = [
        *rendered.document()["nodes"]["segment"]["prompts"],
        {"frame": 1001, "layer": "wall", "box": [120, 5, 155, 60]},
    ]
    found = reasons(rendered, segment={"prompts": prompts})
    assert set(found["segment"]) == {"the layer wall is new"}
    more = {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}, "grow": 2}
    found = reasons(rendered, more=more, out={"inputs": {"image": "more"}})
    assert found["more"] == {"the node is new": ALL}
    assert set(found["out"]) == {"the input image is wired to another node"}


def test_a_changed_plate_frame_is_named(make_shot) -> None:
    shot = make_shot(4)
    render(Graph.load(shot.graph), Environment(Store(shot.cache)))
    pixels = exr.read(shot.plate(1003)).pixels.astype(np.float32)
    pixels[:40, 60:90] *= 0.5
    shot.write_plate(1003, pixels)
    found = reasons(shot)
    assert found["track"] == {"plate frame 1003 changed": [1003, 1004]}
    assert found["out"] == {"follows refine": found["out"]["follows refine"]}


def test_what_was_evicted_says_so(make_shot) -> None:
    shot = make_shot(4)
    store = Store(shot.cache)
    render(Graph.load(shot.graph), Environment(store))
    for path in shot.matte(1001).parent.glob("*.exr"):
        path.unlink()
    store.prune()
    found = reasons(shot)
    assert found["refine"] == {"follows matte": ALL} or "no longer in the cache" in found["refine"]
    assert set(found["segment"]) == {"no longer in the cache"}
    assert found["out"] == {"follows refine": ALL}


def test_another_model_or_other_weights(rendered) -> None:
    cards = [
        replace(card, version=card.version + 1) if card.name == "classic" else card
        for card in Models().cards.values()
    ]
    environment = Environment(Store(rendered.cache), Models(cards))
    found = reasons(rendered, environment=environment)
    assert "the model classic has other adapter" in found["segment"]
    found = reasons(rendered, "matte.model=chroma")
    assert found["matte"] == {"model classic → chroma": ALL}


def test_a_node_of_another_version(toy, tmp_path) -> None:
    graph = toy(tmp_path)
    environment = Environment(Store(tmp_path / "cache"))
    render(graph, environment)
    newer: NodeType = replace(graph.types["Tint"], version=2)
    again = Graph.from_dict(graph.to_dict(), tmp_path, {**graph.types, "Tint": newer})
    keys = Keys(again, environment)
    told = to_json(keys, plan(keys))["reasons"]
    assert told["tint"] == {"Tint is version 2 now": list(range(1, 11))}


def test_a_long_tracker_is_explained_without_recursion(toy, tmp_path) -> None:
    frames = 3000
    environment = Environment(Store(tmp_path / "cache"))
    graph = toy(tmp_path, frames)
    keys = Keys(graph, environment)
    plan(keys, [1])
    lastrun.remember(environment.store.folder, keys, range(1, frames + 1), True)
    keys = Keys(toy(tmp_path, frames, plate__scale=2), environment)
    made = plan(keys)
    told = to_json(keys, made)["reasons"]
    assert set(told["plate"]) == {"parameter scale 1 → 2"}
    assert set(told["track"]) == {"follows plate"}


def test_without_a_last_run_it_only_says_what_is_not_there(toy, tmp_path) -> None:
    environment = Environment(Store(tmp_path / "cache"))
    render(toy(tmp_path), environment)
    for path in (tmp_path / "cache" / "runs").iterdir():
        path.write_bytes(b"\xff" * 40)
    keys = Keys(toy(tmp_path, plate__scale=2), environment)
    told = to_json(keys, plan(keys))["reasons"]
    assert set(told["plate"]) == {"not in the cache"}
