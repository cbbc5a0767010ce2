"""Networks that make alpha without a trimap, with and without a memory of earlier frames."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import onnxruntime as ort

from rotograph import Graph, exr
from rotograph.card import installed_cards
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.errors import ModelError
from rotograph.execution import Execution, Limits
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan
from rotograph.render import known_plan, render
from rotograph.store import Store
from rotograph.weights import Folders, add
from rotograph_nodes.models.onnx import read_facts
from rotograph_nodes.own_alpha import narrowed


def _beside(name):
    path = Path(__file__).parent / "rotograph_nodes" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny_onnx, tiny_rvm = _beside("tiny_onnx"), _beside("tiny_rvm")
tiny_card, STATE = tiny_onnx.tiny_card, tiny_rvm.STATE
STATE_INPUTS = [into for into, _ in STATE]
MATTER = "rotograph_nodes.models.onnx_matte:Matter"
DISPLAY = "sRGB - Display"
BY_RED = np.zeros((1, 3, 1, 1), np.float32)
BY_RED[0, :, 0, 0] = [16, 0, -8]  # the disc is red, the wall behind it blue


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The installed ones and two small networks for the role matte, as artists add them."""
    folder = tmp_path_factory.mktemp("matters")
    folders = Folders(None, folder / "own")
    still = tiny_card(
        "matte",
        MATTER,
        input_space=DISPLAY,
        network={"values": "logits", "trimap": False},
    )
    add(still, tiny_onnx.write_onnx(folder / "tiny.onnx", BY_RED, bias=-5.0), folders)
    recurrent = tiny_card(
        "matte",
        MATTER,
        name="tiny-rvm",
        input_space=DISPLAY,
        network={
            "output": 1,
            "trimap": False,
            "state": STATE,
            "ratio": ["downsample_ratio", 96],
        },
    )
    add(recurrent, tiny_rvm.write_rvm(folder / "tiny.onnx"), folders)
    return Models([*installed_cards(), still, recurrent], folders=folders)


def graph_of(shot, model, **more):
    document = shot.document()
    document["nodes"]["matte"] |= {"model": model, **more}
    document["nodes"]["out"]["inputs"]["image"] = "matte"
    return Graph.from_dict(document, shot.folder)


def alpha_of(shot, frame):
    return exr.read(shot.matte(frame)).coverage().astype(np.float32)


# Without a memory


def test_it_says_where_the_edge_is_and_the_plate_where_exactly(make_shot, models):
    shot = make_shot(2)
    done = render(graph_of(shot, "tiny"), Environment(Store(shot.cache), models))
    assert done.complete, done.errors
    assert "tiny (MIT)" in done.models
    for frame in shot.frames:
        truth = exr.read(shot.truth(frame)).pixels[..., 0].astype(np.float32)
        assert np.abs(alpha_of(shot, frame) - truth).mean() < 0.01


def test_it_makes_a_matte_of_the_layer_and_not_of_all_that_it_finds(make_shot, models):
    shot = make_shot(1)
    plate = np.array(exr.read(shot.plate(1001)).pixels, np.float32)
    plate[60:90, 110:150] = [0.9, 0.4, 0.15]  # as red as the disc, and nobody's layer
    shot.write_plate(1001, plate)
    done = render(graph_of(shot, "tiny"), Environment(Store(shot.cache), models))
    assert done.complete, done.errors
    assert alpha_of(shot, 1001)[60:90, 112:].max() < 1e-3


def test_a_shift_of_the_plate_by_a_pixel_moves_the_matte_by_one(make_shot, models):
    found = []
    for shift in (0, 1):
        shot = make_shot(1)
        plate = np.array(exr.read(shot.plate(1001)).pixels)
        shot.write_plate(1001, np.roll(plate, shift, axis=1))
        graph = graph_of(shot, "tiny", screen="off")
        box = graph.nodes["segment"].value("prompts")[0].box
        box = [box[0] + shift, box[1], box[2] + shift, box[3]]
        graph.nodes["segment"].set("prompts", [{"frame": 1001, "layer": "disc", "box": box}])
        assert render(graph, Environment(Store(shot.cache), models)).complete
        found.append(alpha_of(shot, 1001))
    assert np.abs(found[0][:, 2:-3] - found[1][:, 3:-2]).mean() < 2e-3


def test_a_network_that_sees_nothing_does_not_lose_the_layer():
    trimap = np.zeros((60, 80), np.float32)
    trimap[15:45, 20:60] = 0.5
    trimap[25:35, 30:50] = 1
    nothing = np.zeros_like(trimap)
    out, hint = narrowed(trimap, nothing, grid=2.0, reach=10.0)
    assert (out[28:32, 36:44] == 1).all() and (hint == 0).all()
    everything, _ = narrowed(trimap, nothing + 1, grid=2.0, reach=10.0)
    assert set(np.unique(everything)) == {0, 0.5, 1}


def test_where_it_is_sure_the_band_is_narrower_and_beyond_the_band_wider():
    y, x = np.mgrid[:80, :80]
    alpha = np.clip((30 - np.hypot(x - 40, y - 40)) / 3 + 0.5, 0, 1).astype(np.float32)
    band = np.abs(np.hypot(x - 40, y - 40) - 26) < 10
    trimap = np.where(band, 0.5, (np.hypot(x - 40, y - 40) < 26)).astype(np.float32)
    narrow, _ = narrowed(trimap, alpha, grid=1.0, reach=12.0)
    assert 0 < (narrow == 0.5).sum() < 0.6 * band.sum()
    off = cv2.warpAffine(alpha, np.float32([[1, 0, 12], [0, 1, 0]]), (80, 80))
    wide, _ = narrowed(trimap, off, grid=1.0, reach=12.0)
    assert (wide[~band] == 0.5).any()


# With a memory


def sequentially(models, execution, frames, starts):
    """What ONNX Runtime gives when the frames are run in order, the memory anew at ``starts``."""
    path = models.weights(models.card("matte", "tiny-rvm"))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state, told = None, {}
    for frame in frames:
        seen = execution.fetch(Result("matte", "seen", None, frame))["picture"]
        if frame in starts:
            state = {into: np.zeros((1, 1, 1, 1), np.float32) for into, _ in STATE}
        source = np.clip(seen.astype(np.float32), 0, 1).transpose(2, 0, 1)[None]
        ratio = np.array([96 / max(seen.shape)], np.float32)
        names = ["pha", *(out for _, out in STATE)]
        pha, *rest = session.run(names, {"src": source, "downsample_ratio": ratio, **state})
        state = {into: value for (into, _), value in zip(STATE, rest, strict=True)}
        told[frame] = pha[0, 0]
    return told


def with_two_layers(graph):
    prompts = [
        {"frame": 1001, "layer": "disc", "box": [21, 17, 79, 75]},
        {"frame": 1004, "layer": "late", "box": [39, 22, 97, 80]},
    ]
    graph.nodes["segment"].set("prompts", prompts)
    return graph


@pytest.mark.slow
def test_the_same_alpha_as_the_network_run_frame_after_frame(make_shot, models):
    shot = make_shot(7)
    graph = with_two_layers(graph_of(shot, "tiny-rvm"))
    environment = Environment(Store(shot.cache), models)
    execution = Execution(environment, Limits())
    done = render(graph, environment, execution=execution)
    assert done.complete, done.errors
    for layer, starts in (("disc", (1001,)), ("late", (1001, 1004))):
        truth = sequentially(models, execution, shot.frames, starts)
        for frame in shot.frames:
            ours = execution.fetch(Result("matte", "recall", layer, frame))["alpha"]
            assert np.abs(ours - truth[frame]).max() < 5e-4, (layer, frame)
    early, late = (
        execution.fetch(Result("matte", "recall", layer, 1006))["alpha"]
        for layer in ("disc", "late")
    )
    assert not np.array_equal(early, late), "what it remembers is not the same"


def test_its_memory_is_kept_and_gone_on_with(make_shot, models):
    shot = make_shot(6)
    graph = graph_of(shot, "tiny-rvm")
    first = Execution(Environment(Store(shot.cache), models), Limits())
    assert render(graph, first.environment, [1001, 1002, 1003], execution=first).complete
    environment = Environment(Store(shot.cache), models)
    done = render(graph, environment)
    assert done.complete and done.computed["matte"] == 3


def keys_of(graph, environment, layer="disc"):
    keys, _ = known_plan(lambda: Keys(graph, environment), plan, read=True)
    frames = keys.shape("plate").frames.frames
    return {f: keys.entry(Result("matte", "recall", layer, f)).key for f in frames}


def test_a_memory_ends_at_an_anchor(make_shot, models):
    shot = make_shot(8)
    environment = Environment(Store(shot.cache), models)
    graph = graph_of(shot, "tiny-rvm")
    prompts = [{"frame": f, "layer": "disc", "box": [21, 17, 79, 75]} for f in (1001, 1005)]
    graph.nodes["segment"].set("prompts", prompts)
    before = keys_of(graph, environment)
    shot.write_plate(1003, np.array(exr.read(shot.plate(1001)).pixels))
    after = keys_of(graph, Environment(Store(shot.cache), models))
    assert [f for f in shot.frames if before[f] != after[f]] == [1003, 1004]
    prompts.append({"frame": 1007, "layer": "disc", "box": [21, 17, 79, 75]})
    graph.nodes["segment"].set("prompts", prompts)
    more = keys_of(graph, Environment(Store(shot.cache), models))
    assert [f for f in shot.frames if after[f] != more[f]] == [1007, 1008]


def test_a_card_with_a_wrong_memory_names_what_is_there(make_shot, models):
    shot = make_shot(1)
    card = tiny_card(
        "matte",
        MATTER,
        name="tiny-rvm",
        input_space=DISPLAY,
        network={
            "output": 1,
            "trimap": False,
            "state": [["r1i", "r1o"], ["r2i", "r2o"], ["r3i", "r3o"], ["r4i", "gone"]],
            "ratio": ["downsample_ratio", 96],
        },
    )
    wrong = Models([*installed_cards(), card], folders=models.folders)
    done = render(graph_of(shot, "tiny-rvm"), Environment(Store(shot.cache), wrong))
    (error,) = done.errors
    assert isinstance(error, ModelError)
    assert "no output 'gone'" in str(error) and "r4o" in str(error)


# The real ones


@pytest.mark.parametrize("name", ["modnet", "birefnet-matting", "rvm"])
def test_the_cards_of_real_ones_say_all_that_is_needed(name):
    card = Models().cards[name]
    facts = read_facts(name, card.network)
    assert card.adapters["matte"] == MATTER and not facts.trimap and card.finds
    assert [into for into, _ in facts.state] == (STATE_INPUTS if name == "rvm" else [])


def test_copyleft_allows_commercial_work_and_is_never_chosen_by_itself(tmp_path):
    folders = Folders(None, tmp_path)
    known = Models(policy="commercial", folders=folders)
    card = known.cards["rvm"]
    assert card.licence == "GPL-3.0" and "copyleft" in card.terms
    assert known.card("matte", "rvm") == card
    with pytest.raises(ModelError, match="weights of 'rvm' are not here"):
        known.load("matte", "rvm")
    here = Models([c for c in known.cards.values() if c.name in ("classic", "rvm")])
    here.installed = lambda card: True
    assert here.best("matte").name == "classic"
