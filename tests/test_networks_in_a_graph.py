"""Networks as artists meet them: named in a graph, their weights on a studio's mirror.

They are the real classes at a small size with random weights, so nothing is told of quality.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.card import Card, WeightsFile, installed_cards, read_card
from rotograph.correct import Present
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.execution import Limits
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.render import known_plan, render
from rotograph.store import Store
from rotograph.weights import Folders

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
pytest.importorskip("sam2", reason="needs the sam2 package: install --networks")

from rotograph_nodes.models import sam2_adapter, sam2_network  # noqa: E402


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


@pytest.mark.slow
def test_layers_are_tracked_at_once_and_a_correction_leaves_all_other_masks_to_the_bit(
    make_shot, models, monkeypatch
):
    shot = make_shot(9)
    layers, sizes = ("disc", "left", "right"), []
    prompts = [at(f, n, 10.0 * i) for f in (1001, 1004, 1008) for i, n in enumerate(layers)]
    one_by_one = sam2_adapter.Adapter.step_layers

    def counted(self, steps):
        sizes.append(len(steps))
        yield from one_by_one(self, steps)

    monkeypatch.setattr(sam2_adapter.Adapter, "step_layers", counted)

    def masks(prompts, most, cache):
        cards = {**models.cards, "tiny-sam2": replace(models.cards["tiny-sam2"], layers=most)}
        environment = Environment(Store(shot.folder / cache), replace(models, cards=cards))
        found = Present(graph_of(shot, prompts), environment).outputs("track", (), shot.frames)
        return {(n, f): mask.logits for n, f, mask in found}

    together = masks(prompts, 8, "cache")
    assert sizes == [3] * 11, "forward and backward, without the anchors"
    alone = masks(prompts, 1, "other")
    assert len(sizes) == 11
    assert max(np.abs(together[n] - alone[n]).max() for n in alone) < 1e-4

    corrected = [at(1004, shift=6.0) if p == at(1004) else p for p in prompts]
    after = masks(corrected, 8, "cache")
    assert len(sizes) == 11, "one layer has nothing to be together with"
    changed = {name for name in after if not np.array_equal(after[name], together[name])}
    assert ("disc", 1004) in changed and {f for _, f in changed} <= set(range(1002, 1008))


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


@pytest.mark.parametrize("mode", ["half", "tiles"])
def test_a_network_that_does_not_fit_is_run_smaller_and_it_is_said(
    make_shot, models, monkeypatch, mode
):
    """The network says that there is no memory, as PyTorch does, until it is asked for less."""
    from transformers import VitMatteForImageMatting

    run, asked = VitMatteForImageMatting.forward, []

    def forward(self, pixel_values):
        asked.append((torch.is_autocast_enabled("cpu"), pixel_values[0, 0].numel()))
        fits = asked[-1][0] if mode == "half" else asked[-1][1] <= 64 * 96
        if not fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
        return run(self, pixel_values)

    monkeypatch.setattr("rotograph_nodes.models.tiles.SIZE", 48)
    monkeypatch.setattr("rotograph_nodes.models.vitmatte.HALO", 8)
    shot = make_shot(2)
    document = shot.document()
    document["nodes"]["matte"] |= {"model": "tiny-vitmatte", "inside": 3, "outside": 3}
    document["nodes"]["out"]["inputs"]["image"] = "matte"
    graph = Graph.from_dict(document, shot.folder)
    card = replace(models.cards["tiny-vitmatte"], smaller=("half", "tiles"))
    able = replace(models, cards={**models.cards, card.name: card})

    def alpha(cache):
        done = render(graph, Environment(Store(shot.folder / cache), able), limits=Limits(jobs=1))
        assert done.complete, done.errors
        return done, exr.read(shot.matte(1001)).coverage()

    _, whole = alpha("cache")
    shot.matte(1001).unlink()
    monkeypatch.setattr(VitMatteForImageMatting, "forward", forward)
    done, small = alpha("other")
    assert done.smaller == {"matte": {mode: [1001, 1002]}}
    assert asked[0][0] is False and asked[-1][0] is (mode == "half")
    # random weights make more of every difference than trained ones
    assert 0 < np.abs(small - whole).mean() < 0.02


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
