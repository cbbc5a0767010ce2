"""SAM in two ONNX files, as on the card of MobileSAM: what it answers, where, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from rotograph import Graph, exr
from rotograph.card import Card, WeightsFile, installed_cards
from rotograph.environment import Environment
from rotograph.errors import ModelError
from rotograph.image import Box, Image, ImageSpec
from rotograph.models import Models, Supply
from rotograph.render import render
from rotograph.resident import Resident
from rotograph.store import Store
from rotograph.weights import Folders, add
from rotograph_nodes.models.onnx_sam import Segmenter
from rotograph_nodes.models.prompts import GridPrompts

from .test_onnx import PLATES, blob, centre, found
from .tiny_onnx import tiny_card
from .tiny_sam_onnx import DECODER, ENCODER, INPUTS, export, write_plain

SIZE = 256
TOLERANCE = 1e-6
"""Largest difference of a logit to PyTorch's; those of the random network vary by about 0.006."""
FILES = (WeightsFile(ENCODER), WeightsFile(DECODER))
OWN = {"size": [SIZE, SIZE], "fit": "letterbox", "layout": "HWC", "scale": 255.0}
SQUARE = {
    "size": [SIZE, SIZE],
    "fit": "letterbox",
    "pad": [0.485, 0.456, 0.406],
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
PLAIN = {**OWN, "size": [128, 128]}
ADAPTER = "rotograph_nodes.models.onnx_sam:Segmenter"


def card(network=PLAIN, **more) -> Card:
    told = {"network": network, "adapter": ADAPTER, "files": FILES, **more}
    return tiny_card(**told)


def segmenter(folder, network=PLAIN, **more) -> Segmenter:
    return Segmenter(Supply(card(network, **more), folder / ENCODER, "cpu", Resident()))


@pytest.fixture
def plain(tmp_path) -> Segmenter:
    write_plain(tmp_path)
    return segmenter(tmp_path)


# -- the same weights in PyTorch ------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random SAM for PyTorch, and as the pairs of files in which SAM is published."""
    pytest.importorskip("torch", reason="needs PyTorch: install --networks")
    pytest.importorskip("transformers", reason="needs transformers: install --networks")
    from .tiny_transformers import sam

    folder, model = tmp_path_factory.mktemp("sam"), sam()
    model.save_pretrained(folder / "torch-sam")
    export(model, folder / "own")
    export(model, folder / "square", own=False)
    export(model, folder / "single", single=True)
    return folder


@pytest.fixture(scope="module")
def reference(folder):
    """The adapter of the same weights in PyTorch; test_sam.py holds it to transformers' class."""
    files = (WeightsFile("model.safetensors"), WeightsFile("config.json"))
    told = tiny_card(name="torch-sam", adapter="rotograph_nodes.models.sam:Adapter", files=files)
    return Models([told], folders=Folders(None, folder)).load("segment", "torch-sam")


BOX, POINT = (20.0, 10.0, 60.0, 40.0), (30.0, 25.0)
ASKED = {
    "a box": GridPrompts(boxes=(BOX,)),
    "two boxes": GridPrompts(boxes=(BOX, (5.0, 5.0, 30.0, 20.0))),
    "one point": GridPrompts(inside=(POINT,)),
    "points": GridPrompts(inside=(POINT, (50.0, 32.0)), outside=((10.0, 10.0),)),
    "a box and points": GridPrompts(boxes=(BOX,), inside=(POINT,), outside=((55.0, 20.0),)),
}
SHAPES = {
    "wide": (144, 256),
    "tall": (256, 100),
    "smaller than the network": (60, 90),
    "larger": (300, 512),
}


def scene(shape):
    return np.random.default_rng(2).random((*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "network"), [("own", OWN), ("square", SQUARE)])
def test_the_same_logits_as_in_pytorch(folder, reference, shape, kind, network):
    ours, picture = segmenter(folder / kind, network), scene(SHAPES[shape])
    seen, told = ours.encode(picture), reference.encode(picture)
    assert seen.keys() == told.keys()
    assert np.abs(seen["coarse"] - told["coarse"]).max() < 1e-5
    for asked in ASKED.values():
        here, there = ours.segment(seen, asked), reference.segment(told, asked)
        assert here.shape == there.shape == picture.shape[:2]
        assert np.abs(here - there).max() < TOLERANCE and there.std() > 1000 * TOLERANCE


def test_a_point_corrects_what_is_there_as_in_pytorch(folder):
    import torch
    from transformers import SamModel

    ours, picture = segmenter(folder / "own", OWN), scene((256, 256))
    seen = ours.encode(picture)
    prior = np.full((64, 64), -8.0, np.float32)
    prior[20:50, 10:40] = 8.0
    model = SamModel.from_pretrained(folder / "torch-sam").eval()
    with torch.inference_mode():
        out = model(
            image_embeddings=torch.from_numpy(seen["coarse"])[None],
            input_points=torch.tensor([[[POINT]]]),
            input_labels=torch.tensor([[[1]]]),
            input_masks=torch.from_numpy(prior)[None, None],
            multimask_output=False,
        )
    large = torch.nn.functional.interpolate(out.pred_masks[0], (SIZE, SIZE), mode="bilinear")[0, 0]
    # given at the picture's size, it comes to the decoder as it was
    given = np.repeat(np.repeat(prior, 4, axis=0), 4, axis=1)
    asked = GridPrompts(inside=(POINT,))
    told = ours.segment(seen, asked, given)
    assert np.abs(told - large.numpy()).max() < TOLERANCE
    assert np.abs(told - ours.segment(seen, asked)).max() > 1000 * TOLERANCE


def test_a_decoder_that_chooses_itself_chooses_the_same(folder):
    """Files with one mask: for points, for a box that comes with a point."""
    many, one = segmenter(folder / "own", OWN), segmenter(folder / "single", OWN)
    seen = many.encode(scene((144, 256)))
    for asked in ("one point", "points", "a box and points"):
        here, there = (tool.segment(seen, ASKED[asked]) for tool in (many, one))
        assert np.abs(here - there).max() < TOLERANCE


# -- where things are -----------------------------------------------------------------------


class Clicked:
    """A segmenter with one point in the middle of the picture, for ``test_onnx.found``."""

    def __init__(self, tool: Segmenter) -> None:
        self.tool, self.network = tool, tool.encoder

    def encode(self, picture):
        height, width = picture.shape[:2]
        asked = GridPrompts(inside=((width / 2, height / 2),))
        return {"logits": self.tool.segment(self.tool.encode(picture), asked)}


@pytest.mark.parametrize("plate", PLATES)
def test_what_comes_back_is_where_it_is_in_the_plate(plain, plate):
    width, height, aspect = PLATES[plate]
    x, y = width * 0.5, height * 0.5
    tool = Clicked(plain)
    first = centre(found(tool, blob(width, height, x, y, aspect), aspect))
    grid = max(width * aspect, height) / 32  # plate pixels for one of the decoder's
    assert np.abs(first - (x, y)).max() < 0.05 * max(1.0, grid)
    for step in ((1, 0), (0, 1)):
        moved = blob(width, height, x + step[0], y + step[1], aspect)
        assert np.allclose(centre(found(tool, moved, aspect)) - first, step, atol=0.06)


def test_values_that_a_plate_may_hold_do_not_break_it(plain):
    pixels = blob(160, 120, 80, 60)
    pixels[:40, :40] = [np.nan, np.inf, -np.inf]
    pixels[80:, 120:] = 6e4
    assert np.isfinite(found(Clicked(plain), pixels)).all()


@pytest.mark.parametrize("shape", [(144, 256), (200, 100), (37, 211), (300, 80)])
def test_a_drawn_mask_is_the_layer_where_it_was_drawn(plain, shape):
    height, width = shape
    features = plain.encode(scene(shape))
    drawn = np.zeros(shape, np.float32)
    drawn[height // 4 : height // 2, width // 4 : width // 2] = 1
    assert ((plain.segment(features, GridPrompts(masks=(drawn,))) > 0) == (drawn > 0)).all()
    erased = plain.segment(features, GridPrompts(inside=((5.0, 5.0),), erasures=(drawn,)))
    assert (erased[drawn > 0] < 0).all()


def test_without_a_prompt_all_is_outside(plain):
    features = plain.encode(np.ones((64, 128, 3), np.float32))
    assert (plain.segment(features, GridPrompts()) < 0).all()
    assert (plain.segment(features, GridPrompts(outside=((9.0, 9.0),))) < 0).all()
    assert (plain.segment(features, GridPrompts(inside=((9.0, 9.0),))) > 0).all()


# -- other files ----------------------------------------------------------------------------


def test_a_card_tells_what_a_decoder_lacks(tmp_path):
    """As EdgeSAM's: no earlier mask, no size of the picture."""
    write_plain(tmp_path, inputs=INPUTS[:3])
    with pytest.raises(ModelError, match="takes image_embeddings, point_coords, point_labels, not"):
        tool = segmenter(tmp_path)
        tool.segment(tool.encode(scene((60, 90))), ASKED["one point"])
    told = {**PLAIN, "decoder": {"mask": "", "has_mask": "", "size": ""}}
    tool = segmenter(tmp_path, told)
    picture = np.ones((64, 128, 3), np.float32)
    assert (tool.segment(tool.encode(picture), ASKED["one point"]) > 0).all()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"size": [128, 64]}, "does not describe a SAM"),
        ({"fit": "stretch"}, "does not describe a SAM"),
        ({"decoder": {"point": "p"}}, r"\[network\].*'point'"),
        ({"decoder": {"points": "coords"}}, "takes image_embeddings"),
        ({"decoder": {"masks": "large"}}, "has the outputs"),
        ({"layout": "NCHW"}, "takes"),
    ],
)
def test_a_card_that_does_not_fit_its_files_is_one_line(tmp_path, network, said):
    write_plain(tmp_path)
    with pytest.raises(ModelError, match=said) as caught:
        tool = segmenter(tmp_path, {**PLAIN, **network})
        tool.segment(tool.encode(scene((60, 90))), ASKED["one point"])
    assert "\n" not in str(caught.value)


def test_one_file_is_no_pair(tmp_path):
    write_plain(tmp_path)
    with pytest.raises(ModelError, match="does not describe a SAM"):
        segmenter(tmp_path, files=FILES[:1])


@pytest.mark.parametrize("which", [ENCODER, DECODER])
def test_a_wrong_file_is_one_line_and_nothing_else_is_printed(tmp_path, capfd, which):
    write_plain(tmp_path)
    for content in (b"not a network", (tmp_path / which).read_bytes()[:200], b""):
        (tmp_path / which).write_bytes(content)
        tool = segmenter(tmp_path)
        with pytest.raises(ModelError) as caught:
            tool.segment(tool.encode(scene((60, 90))), ASKED["one point"])
        assert which in str(caught.value) and "\n" not in str(caught.value)
    write_plain(tmp_path)
    other = tmp_path / (ENCODER if which == DECODER else DECODER)
    (tmp_path / which).write_bytes(other.read_bytes())  # the pair's other half
    tool = segmenter(tmp_path)
    with pytest.raises(ModelError) as caught:
        tool.segment(tool.encode(scene((60, 90))), ASKED["one point"])
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


# -- in a graph -----------------------------------------------------------------------------


def test_a_graph_names_it_and_a_second_click_looks_no_more(tmp_path):
    write_plain(tmp_path / "given")
    own = card(input_space="sRGB - Display")
    where = Folders(None, tmp_path / "own")
    for name in (ENCODER, DECODER):
        add(own, tmp_path / "given" / name, where)
    models = Models([*installed_cards(), own], folders=where)
    area = Box(0, 0, 240, 136)
    pixels = blob(240, 136, 100, 68).astype(np.float16)
    exr.write(tmp_path / "plate.1001.exr", Image(ImageSpec(area, area), pixels))

    def run(*points):
        prompts = [{"frame": 1001, "layer": "disc", "point": p} for p in points]
        segment = {"type": "Segment", "inputs": {"plate": "plate"}, "model": "tiny"}
        document = {
            "rotograph": 1,
            "nodes": {
                "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
                "segment": {**segment, "prompts": prompts},
                "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.####.exr"},
            },
        }
        graph = Graph.from_dict(document, tmp_path)
        done = render(graph, Environment(Store(tmp_path / "cache"), models))
        assert done.complete, done.errors
        assert done.models == ["tiny (MIT)"]
        return done, exr.read(tmp_path / "m.1001.exr").channel("A").astype(np.float64)

    _, alpha = run([100, 68])
    assert np.abs(centre(alpha) - (100, 68)).max() < 0.3
    again, _ = run([100, 68], [10, 10])
    assert again.computed["segment"] == 1  # the logits; features and picture are there


def test_the_cards_say_how_to_get_the_weights(tmp_path):
    for name in ("mobile-sam", "isnet"):
        with pytest.raises(ModelError, match=f"rotograph models pull {name}"):
            Models(folders=Folders(None, tmp_path)).load("segment", name)


def test_auto_takes_it_for_prompts_before_classic_and_after_the_larger_ones(tmp_path, monkeypatch):
    """With nothing but names here: what counts is which cards are installed."""
    cards = {c.name: c for c in installed_cards()}
    ready = [
        replace(cards[n], packages=()) for n in ("classic", "mobile-sam", "isnet", "slimsam-77")
    ]
    models = Models(ready, folders=Folders(None, tmp_path))
    here = {"classic"}
    monkeypatch.setattr(Models, "installed", lambda self, card: card.name in here)

    def best(*asked):
        return models.best("segment", asked).name

    assert best("prompts") == "classic"
    here |= {"isnet"}
    assert (best("prompts"), best("no-prompts")) == ("classic", "isnet")
    here |= {"mobile-sam"}
    assert (best("prompts"), best("no-prompts")) == ("mobile-sam", "isnet")
    here |= {"slimsam-77"}
    assert best("prompts") == "slimsam-77"
