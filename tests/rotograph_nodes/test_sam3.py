"""SAM 3's detector with its own class, random weights and a vocabulary of a few words."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError, PromptError
from rotograph.models import Models
from rotograph.weights import Folders

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
transformers = pytest.importorskip("transformers", reason="needs transformers: install --networks")

SIZE = 224
TOLERANCE = 1e-5
"""Largest difference of a score, or of a box in shares of the picture."""


def _tiny():
    path = Path(__file__).with_name("tiny_transformers.py")
    spec = importlib.util.spec_from_file_location("tiny_transformers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CARD = Card(
    name="tiny-sam3",
    label="Tiny",
    version=1,
    adapters={
        "detect": "rotograph_nodes.models.sam3:Detector",
        "segment": "rotograph_nodes.models.sam3_tracker:Adapter",
    },
    input_space="sRGB - Display",
    working_size=SIZE,
    licence="SAM License",
    commercial=True,
    reads_text=True,
    needs_text=True,
    per_frame=True,
    files=tuple(WeightsFile(n) for n in ("model.safetensors", "config.json", "tokenizer.json")),
    network={"stretch": True},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files as ``rotograph models pull`` would leave them: one checkpoint, as it is published."""
    folder = tmp_path_factory.mktemp("models")
    tiny = _tiny()
    tiny.publish(tiny.sam3(), folder / "tiny-sam3")
    tiny.vocabulary(folder / "tiny-sam3")
    return folder


@pytest.fixture(scope="module")
def models(folder):
    return Models([CARD], folders=Folders(None, folder))


@pytest.fixture(scope="module")
def detector(models):
    return models.load("detect", "tiny-sam3")


@pytest.fixture(scope="module")
def reference(folder):
    path = folder / "tiny-sam3"
    config = transformers.Sam3VideoConfig.from_json_file(path / "config.json")
    return transformers.Sam3VideoModel.from_pretrained(path, config=config).detector_model.eval()


def scene(height=SIZE, width=SIZE):
    return np.random.default_rng(2).random((height, width, 3)).astype(np.float32)


def said(reference, ids):
    """The class's answer to a text, padded and scored as its own preparation does it."""
    pixels = torch.from_numpy((scene() - 0.5) / 0.5).permute(2, 0, 1)[None]
    padded = torch.tensor([ids + [0] * (32 - len(ids))])
    mask = torch.tensor([[1] * len(ids) + [0] * (32 - len(ids))])
    with torch.inference_mode():
        out = reference(pixel_values=pixels, input_ids=padded, attention_mask=mask)
    scores = out.pred_logits.sigmoid() * out.presence_logits.sigmoid()
    return scores[0].numpy(), out.pred_boxes[0].numpy()


@pytest.mark.parametrize(("kind", "ids"), [("person", [1, 2, 0]), ("red car", [1, 3, 4, 0])])
def test_the_same_scores_and_boxes_as_the_reference(detector, reference, kind, ids):
    with detector._network() as network:
        assert detector._ids(network, kind) == ids
        scores, boxes = detector.answer(network, detector.look(network, scene()), ids)
    theirs = said(reference, ids)
    assert scores.std() > 10 * TOLERANCE and boxes.std() > 10 * TOLERANCE
    assert np.abs(scores - theirs[0]).max() < TOLERANCE
    assert np.abs(boxes - theirs[1]).max() < TOLERANCE


def test_every_kind_of_the_text_is_looked_for(detector, reference):
    text = "Person, red  CAR."
    assert detector.names(text) == ("person", "red car")
    found = detector.detect(scene(), text)
    assert set(found["classes"]) == {0, 1}
    assert (np.diff(found["scores"]) <= 0).all()
    for number, ids in enumerate(([1, 2, 0], [1, 3, 4, 0])):
        scores, _ = said(reference, ids)
        for score in found["scores"][found["classes"] == number]:
            assert np.abs(scores - score).min() < TOLERANCE


@pytest.mark.parametrize("shape", [(100, 200), (300, 90), (540, 1024)])
def test_boxes_are_in_the_picture_whatever_its_shape(detector, shape):
    found = detector.detect(scene(*shape), "person")
    boxes = found["boxes"]
    assert len(boxes) and boxes.dtype == found["scores"].dtype == np.float32
    assert found["classes"].dtype == np.int32
    assert (boxes >= 0).all() and (boxes <= [*shape[::-1], *shape[::-1]]).all()


def test_the_tracker_of_the_same_file_makes_masks_of_the_boxes(models, detector):
    from rotograph_nodes.models.prompts import GridPrompts

    box = tuple(float(v) for v in detector.detect(scene(), "person")["boxes"][0])
    segmenter = models.load("segment", "tiny-sam3")
    logits = segmenter.segment(segmenter.encode(scene()), GridPrompts(boxes=(box,)))
    assert logits.shape == (64, 64) and np.isfinite(logits).all() and logits.std() > 0


@pytest.mark.parametrize("text", ["", " , ", "."])
def test_it_has_to_be_told_what_to_look_for(detector, text):
    with pytest.raises(PromptError, match="what to look for"):
        detector.detect(scene(), text)


def test_a_text_that_is_too_long_is_one_line(detector):
    with pytest.raises(PromptError, match="fewer words"):
        detector.detect(scene(), "a " * 40)


def test_a_broken_tokenizer_is_one_line(tmp_path, folder):
    (tmp_path / "tiny-sam3").mkdir()
    for path in (folder / "tiny-sam3").iterdir():
        (tmp_path / "tiny-sam3" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tiny-sam3" / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json.*again"):
        Models([CARD], folders=Folders(None, tmp_path)).load("detect", "tiny-sam3")


def test_the_installed_card_tells_where_to_ask_for_access(tmp_path):
    with pytest.raises(
        ModelError, match=r"ask for access at https://huggingface\.co/facebook/sam3"
    ):
        Models(folders=Folders(None, tmp_path)).load("detect", "sam3")
