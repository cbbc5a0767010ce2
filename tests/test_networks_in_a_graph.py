"""Networks as artists meet them: named in a graph, their weights on a studio's mirror.

They are the real classes at a small size with random weights, so nothing is told of quality.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.card import Card, WeightsFile, installed_cards, read_card
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.render import known_plan, render
from rotograph.store import Store
from rotograph.weights import Folders

pytest.importorskip("torch", reason="needs PyTorch: install --networks")
pytest.importorskip("sam2", reason="needs the sam2 package: install --networks")

from rotograph_nodes.models import sam2_network


def _beside(name):
    path = Path(__file__).parent / "rotograph_nodes" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _beside("tiny_sam2")

CARD = """
name = "tiny-sam2"
label = "Tiny SAM 2 with random weights"
version = 1
licence = "Apache-2.0"
commercial = true
input_space = "sRGB - Display"
working_size = 256
files = [{{ name = "tiny.safetensors" }}]

[adapters]
segment = "rotograph_nodes.models.sam2_adapter:Adapter"
track = "rotograph_nodes.models.sam2_adapter:Adapter"

[network]
config = "{config}"
stretch = true
look_back = 6
changes = {changes}
"""


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return str(value)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The installed models and the tiny one, its weights on a studio's mirror."""
    from safetensors.torch import save_file

    state = tiny.random_state(sam2_network.settings(tiny.CONFIG, tiny.CHANGES))
    mirror = tmp_path_factory.mktemp("mirror")
    (mirror / "tiny-sam2").mkdir()
    save_file(state, mirror / "tiny-sam2" / "tiny.safetensors")
    card = mirror / "tiny-sam2.toml"
    card.write_text(CARD.format(config=tiny.CONFIG, changes=_toml(tiny.CHANGES)))
    folders = Folders(mirror, tmp_path_factory.mktemp("own"))
    others = [_saved(mirror, *row) for row in OTHERS]
    return Models([*installed_cards(), read_card(card), *others], folders=folders)


OTHERS = (
    ("test_vitmatte", "tiny-vitmatte", "matte", "vitmatte", ("config.json",)),
    (
        "test_grounding_dino",
        "tiny-dino",
        "detect",
        "grounding_dino",
        ("config.json", "tokenizer.json"),
    ),
)


def _saved(mirror, test, name, role, module, files):
    """The card of a network of transformers, its files as its authors publish them."""
    pytest.importorskip("transformers", reason="needs transformers: install --networks")
    made = _beside(test)
    made.tiny().save_pretrained(mirror / name)
    if role == "detect":
        made.vocabulary(mirror / name)
    return Card(
        name=name,
        label=name,
        version=1,
        adapters={role: f"rotograph_nodes.models.{module}:Adapter"},
        input_space="sRGB - Display",
        working_size=1333,
        licence="Apache-2.0",
        commercial=True,
        reads_text=role == "detect",
        per_frame=role == "detect",
        files=tuple(WeightsFile(f) for f in ("model.safetensors", *files)),
    )


def graph_of(shot, prompts):
    document = shot.document()
    document["nodes"]["segment"] |= {"model": "tiny-sam2", "prompts": prompts}
    document["nodes"]["track"]["model"] = "tiny-sam2"
    return Graph.from_dict(document, shot.folder)


def at(frame, layer="disc", shift=0.0):
    return {"frame": frame, "layer": layer, "box": [21 + shift, 17, 79 + shift, 75]}


def test_the_graph_runs_with_it_and_runs_again_from_the_store(make_shot, models):
    shot = make_shot(5)
    graph = graph_of(shot, [at(1001), at(1004), at(1002, "other", 20.0)])
    environment = Environment(Store(shot.cache), models)
    done = render(graph, environment)
    assert done.complete, done.errors
    assert done.computed["track"] == 5
    again = render(graph, Environment(Store(shot.cache), models))
    assert again.complete and not again.computed


def test_a_correction_reaches_no_further_than_the_next_anchors(make_shot, models):
    shot = make_shot(9)
    environment = Environment(Store(shot.cache), models)

    def keys_of(shift):
        prompts = [at(1001), at(1004, shift=shift), at(1007)]
        graph = graph_of(shot, prompts)
        keys, _ = known_plan(lambda: Keys(graph, environment), plan, read=True)
        return {f: keys.entry(Result("track", "fuse", "disc", f)).key for f in shot.frames}

    before, after = keys_of(0.0), keys_of(5.0)
    assert [f for f in shot.frames if before[f] != after[f]] == [1002, 1003, 1004, 1005, 1006]


def test_a_matte_of_a_network_keeps_what_is_known_and_fills_the_band(make_shot, models):
    shot = make_shot(2)
    document = shot.document()
    document["nodes"]["matte"] |= {"model": "tiny-vitmatte", "inside": 3, "outside": 3}
    document["nodes"]["out"]["inputs"]["image"] = "matte"
    graph = Graph.from_dict(document, shot.folder)
    done = render(graph, Environment(Store(shot.cache), models))
    assert done.complete, done.errors
    alpha = exr.read(shot.matte(1001)).coverage()
    truth = exr.read(shot.truth(1001)).pixels[..., 0].astype(np.float32)
    deep = cv2.erode((truth > 0.99).astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert (alpha[deep] == 1).all() and (alpha[:5] == 0).all()
    assert ((alpha > 0) & (alpha < 1)).any()


@pytest.mark.slow
def test_what_a_text_names_becomes_layers_with_names(make_shot, models):
    shot = make_shot(2)
    document = shot.document()
    document["nodes"]["detect"] = {
        "type": "Detect",
        "inputs": {"plate": "plate"},
        "model": "tiny-dino",
        "text": "person, red car",
        "threshold": 0.1,
        "max_layers": 2,
    }
    document["nodes"]["segment"] |= {"inputs": {"plate": "plate", "boxes": "detect"}, "prompts": []}
    done = render(
        Graph.from_dict(document, shot.folder), Environment(Store(shot.cache), models), [1001]
    )
    assert done.complete, done.errors
    channels = exr.read(shot.matte(1001), channels=None).spec.channels
    named = {name.partition(".")[0] for name in channels if "." in name}
    assert named and all(n.startswith(("person_", "red_car_")) for n in named)
