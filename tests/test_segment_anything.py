"""SAM, EdgeTAM and SAM 3 named in a graph, and what "auto" and a node without prompts come to.

They are the real classes at a small size with random weights, so nothing is told of quality.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.card import Card, WeightsFile, installed_cards
from rotograph.environment import Environment
from rotograph.errors import ModelError, PromptError
from rotograph.image import Box, Image, ImageSpec
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.render import render
from rotograph.store import Store
from rotograph.weights import Folders

pytest.importorskip("torch", reason="needs PyTorch: install --networks")
pytest.importorskip("transformers", reason="needs transformers: install --networks")


def _tiny():
    path = Path(__file__).parent / "rotograph_nodes" / "tiny_transformers.py"
    spec = importlib.util.spec_from_file_location("tiny_transformers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NETWORKS = {
    "tiny-sam": {"segment": "sam:Adapter"},
    "tiny-edgetam": {"segment": "edgetam:Adapter", "track": "edgetam:Adapter"},
    "tiny-sam3": {
        "detect": "sam3:Detector",
        "segment": "sam3_tracker:Adapter",
        "track": "sam3_tracker:Adapter",
    },
}


def _card(name, roles):
    files = ["model.safetensors", "config.json", *(["tokenizer.json"] if "detect" in roles else [])]
    return Card(
        name=name,
        label=name,
        version=1,
        adapters={role: f"rotograph_nodes.models.{made}" for role, made in roles.items()},
        input_space="sRGB - Display",
        working_size=256,
        layers=4,
        licence="Apache-2.0",
        commercial=True,
        reads_text="detect" in roles,
        needs_text="detect" in roles,
        per_frame="detect" in roles,
        files=tuple(WeightsFile(file) for file in files),
        network={} if name == "tiny-sam" else {"stretch": True, "look_back": 6},
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The installed models and the tiny ones, as ``rotograph models pull`` would leave them."""
    own, tiny = tmp_path_factory.mktemp("own"), _tiny()
    for name in NETWORKS:
        getattr(tiny, name.removeprefix("tiny-"))().save_pretrained(own / name)
    tiny.vocabulary(own / "tiny-sam3")
    cards = [_card(name, roles) for name, roles in NETWORKS.items()]
    return Models([*installed_cards(), *cards], folders=Folders(None, own))


def graph_of(shot, prompts=None, **nodes):
    """The shot's graph with other parameters of its nodes, or other nodes."""
    document = shot.document()
    for name, told in nodes.items():
        document["nodes"][name] = {**document["nodes"].get(name, {}), **told}
    if prompts is not None:
        document["nodes"]["segment"]["prompts"] = prompts
    return Graph.from_dict(document, shot.folder)


def at(frame, layer="disc", shift=0.0):
    return {"frame": frame, "layer": layer, "box": [21 + shift, 17, 79 + shift, 75]}


def layers_of(path):
    return {n.partition(".")[0] for n in exr.read(path, channels=None).spec.channels if "." in n}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_runs_with_it_and_runs_again_from_the_store(make_shot, models, name):
    shot = make_shot(3)
    tracker = name if "track" in NETWORKS[name] else "classic"
    point = {"frame": 1003, "layer": "disc", "point": [62, 49]}
    prompts = [at(1001), point, at(1002, "other", 20.0)]
    graph = graph_of(shot, prompts, segment={"model": name}, track={"model": tracker})
    done = render(graph, Environment(Store(shot.cache), models))
    assert done.complete, done.errors
    assert done.computed["track"] == 3
    assert name in " ".join(done.models)
    again = render(graph, Environment(Store(shot.cache), models))
    assert again.complete and not again.computed


def test_what_a_text_names_becomes_layers_with_names_and_is_followed(make_shot, models):
    shot = make_shot(3)
    detect = {
        "type": "Detect",
        "inputs": {"plate": "plate"},
        "model": "tiny-sam3",
        "text": "person, red car",
        "threshold": 0.1,
        "max_layers": 2,
    }
    graph = graph_of(
        shot,
        [],
        detect=detect,
        segment={"model": "tiny-sam3", "inputs": {"plate": "plate", "boxes": "detect"}},
        track={"model": "tiny-sam3"},
    )
    done = render(graph, Environment(Store(shot.cache), models))
    assert done.complete, done.errors
    named = [layers_of(shot.matte(frame)) for frame in shot.frames]
    assert named[0] and named[0] == named[1] == named[2]
    assert all(layer.startswith(("person_", "red_car_")) for layer in named[0])


@pytest.mark.parametrize("name", ["tiny-sam", "tiny-edgetam"])
@pytest.mark.parametrize("size", [(200, 100), pytest.param((2160, 4096), marks=pytest.mark.slow)])
def test_plates_of_any_size_go_in_and_their_masks_come_back_there(tmp_path, models, name, size):
    """What an artist drew comes back where it was drawn, whatever the network sees of the plate."""
    height, width = size
    box = Box(0, 0, width, height)
    area = slice(height // 4, height // 2), slice(width // 8, width // 2)
    plate = np.full((height, width, 3), 0.18, np.float16)
    exr.write(tmp_path / "plate.1001.exr", Image(ImageSpec(box, box, ("R", "G", "B")), plate))
    drawn = np.zeros((height, width, 1), np.float16)
    drawn[area] = 1
    exr.write(tmp_path / "drawn.exr", Image(ImageSpec(box, box, ("A",)), drawn))
    document = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
            "segment": {
                "type": "Segment",
                "inputs": {"plate": "plate"},
                "model": name,
                "prompts": [{"frame": 1001, "layer": "a", "mask": "drawn.exr"}],
            },
            "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "a.####.exr"},
        },
    }
    graph = Graph.from_dict(document, tmp_path)
    done = render(graph, Environment(Store(tmp_path / "cache"), models))
    assert done.complete, done.errors
    mask = exr.read(tmp_path / "a.1001.exr").coverage() > 0.5
    y, x = np.nonzero(mask)
    cell = max(1.0, height / 64), max(1.0, width / 64)  # a pixel of the tiny network's mask
    assert abs(y.min() - area[0].start) <= cell[0] and abs(y.max() + 1 - area[0].stop) <= cell[0]
    assert abs(x.min() - area[1].start) <= cell[1] and abs(x.max() + 1 - area[1].stop) <= cell[1]


def test_without_prompts_one_line_says_what_to_do_before_anything_runs(make_shot, models):
    shot = make_shot(1)
    graph = graph_of(shot, [], segment={"model": "tiny-edgetam"})
    with pytest.raises(PromptError) as told:
        render(graph, Environment(Store(shot.cache), models))
    said = str(told.value)
    assert "segment" in said and "'tiny-edgetam' needs prompts" in said
    assert "add a point or a box" in said and "choose a model that needs none" in said
    assert not shot.matte(1001).exists()


def test_boxes_that_found_nothing_are_no_mistake(make_shot, models):
    shot = make_shot(1)  # classic finds what moves: on one frame, nothing
    graph = graph_of(
        shot,
        [],
        detect={"type": "Detect", "inputs": {"plate": "plate"}},
        segment={"model": "tiny-sam", "inputs": {"plate": "plate", "boxes": "detect"}},
    )
    document = graph.to_dict()
    document["nodes"] = {n: document["nodes"][n] for n in ("plate", "detect", "segment")}
    document["nodes"]["out"] = {
        "type": "Write",
        "inputs": {"image": "segment"},
        "file": "m.####.exr",
    }
    done = render(Graph.from_dict(document, shot.folder), Environment(Store(shot.cache), models))
    assert done.complete, done.errors


def test_a_detector_that_must_read_says_so_when_it_is_planned(make_shot, models):
    shot = make_shot(2)
    detect = {"type": "Detect", "inputs": {"plate": "plate"}, "model": "tiny-sam3"}
    segment = {"inputs": {"plate": "plate", "boxes": "detect"}}
    graph = graph_of(shot, [], detect=detect, segment=segment)
    with pytest.raises(PromptError, match="has to be told what to look for"):
        plan(Keys(graph, Environment(Store(shot.cache), models)))


def chosen(models, shot, node, role, **told):
    """What "auto" comes to in a node of the shot's graph."""
    graph = graph_of(shot, **{node: {"model": "auto", **told}})
    return models.card(role, graph.nodes[node].model("model")).name


def test_auto_does_what_the_node_asks(make_shot, models):
    """To read where there is a text, to do without prompts where there are none, or with them."""
    shot = make_shot(1)
    plain = {c.name: c for c in models.cards.values() if c.name in (*NETWORKS, "classic")}
    finder = replace(
        plain["classic"], name="people", finds="person", quality=90, adapters={"segment": "x"}
    )
    here = Models([*plain.values(), finder], folders=models.folders)
    detect = {"type": "Detect", "inputs": {"plate": "plate"}}
    assert chosen(here, shot, "detect", "detect", **detect) == "classic"
    assert chosen(here, shot, "detect", "detect", text="person", **detect) == "tiny-sam3"
    assert chosen(here, shot, "segment", "segment", prompts=[]) == "people"
    best = replace(plain["tiny-sam"], quality=50)
    here = Models([*plain.values(), best, finder], folders=models.folders)
    assert chosen(here, shot, "segment", "segment") == "tiny-sam"
    # what follows a layer must be able to start on it, with the features of its own network
    card = here.card(
        "segment", graph_of(shot, track={"model": "auto"}).nodes["track"].model("model")
    )
    assert "track" in card.adapters


def test_auto_follows_with_one_network_even_where_a_better_one_only_segments(make_shot, models):
    shot = make_shot(2)
    wanted = [c for c in models.cards.values() if c.name in ("classic", "tiny-edgetam")]
    best = replace(models.cards["tiny-sam"], quality=99)
    here = Models([*wanted, best], folders=models.folders)
    graph = graph_of(
        shot,
        segment={"model": "auto"},
        track={"model": "auto", "prompts": [at(1002, "other", 20.0)]},
    )
    for name in ("matte", "refine"):
        graph.nodes[name].set("model", "classic")
    done = render(graph, Environment(Store(shot.cache), here))
    assert done.complete, done.errors
    assert any("tiny-edgetam" in m or "classic" in m for m in done.models)
    assert any("tiny-sam" in m for m in done.models)


def test_nothing_that_can_is_one_line(models):
    here = Models([models.cards["tiny-sam"]], folders=models.folders)
    with pytest.raises(ModelError, match="can segment and track is ready and allowed"):
        here.card("track", "auto segment track")
