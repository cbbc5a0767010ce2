"""SAM with its own class and random weights: ours answers as transformers' class does."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.models import Models
from rotograph.weights import Folders
from rotograph_nodes.models.prompts import GridPrompts

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
transformers = pytest.importorskip("transformers", reason="needs transformers: install --networks")

SIZE = 256
TOLERANCE = 1e-6
"""Largest difference of a logit; those of the random network vary by about 0.03."""


def tiny():
    path = Path(__file__).with_name("tiny_transformers.py")
    spec = importlib.util.spec_from_file_location("tiny_transformers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.sam()


CARD = Card(
    name="tiny-sam",
    label="Tiny",
    version=1,
    adapters={"segment": "rotograph_nodes.models.sam:Adapter"},
    input_space="sRGB - Display",
    working_size=SIZE,
    licence="Apache-2.0",
    commercial=True,
    files=(WeightsFile("model.safetensors"), WeightsFile("config.json")),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files as ``rotograph models pull`` would leave them."""
    folder = tmp_path_factory.mktemp("models")
    tiny().save_pretrained(folder / "tiny-sam")
    return folder


@pytest.fixture(scope="module")
def segmenter(folder):
    return Models([CARD], folders=Folders(None, folder)).load("segment", "tiny-sam")


@pytest.fixture(scope="module")
def reference(folder):
    return transformers.SamModel.from_pretrained(folder / "tiny-sam").eval()


def scene(height=144, width=SIZE):
    return np.random.default_rng(2).random((height, width, 3)).astype(np.float32)


BOX, POINT = ((20.0, 30.0, 120.0, 130.0),), ((50.0, 60.0),)
ASKED = {
    "a box": GridPrompts(boxes=BOX),
    "one point": GridPrompts(inside=POINT),
    "points": GridPrompts(inside=(*POINT, (90.0, 90.0)), outside=((10.0, 10.0),)),
    "a box and points": GridPrompts(boxes=BOX, inside=POINT, outside=((110.0, 120.0),)),
}


def said(reference, seen, asked):
    """What the class answers, brought back as its own preparation does it."""
    points = [*asked.inside, *asked.outside]
    labels = [1] * len(asked.inside) + [0] * len(asked.outside)
    with torch.inference_mode():
        out = reference(
            image_embeddings=seen,
            input_boxes=torch.tensor([asked.boxes]) if asked.boxes else None,
            input_points=torch.tensor([[points]]) if points else None,
            input_labels=torch.tensor([[labels]]) if points else None,
            multimask_output=len(points) == 1 and not asked.boxes,
        )
    best = out.pred_masks[0, 0][out.iou_scores[0, 0].argmax()]
    large = torch.nn.functional.interpolate(
        best[None, None], (SIZE, SIZE), mode="bilinear", align_corners=False
    )
    return large[0, 0, :144].numpy()


@pytest.fixture(scope="module")
def seen(reference):
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    padded = torch.zeros(1, 3, SIZE, SIZE)
    padded[0, :, :144] = ((torch.from_numpy(scene()) - mean) / deviation).permute(2, 0, 1)
    with torch.inference_mode():
        return reference.get_image_embeddings(padded)


@pytest.mark.parametrize("which", ASKED)
def test_the_same_logits_as_the_reference(segmenter, reference, seen, which):
    features = segmenter.encode(scene())
    assert np.abs(features["coarse"] - seen[0].numpy()).max() < TOLERANCE
    ours, theirs = segmenter.segment(features, ASKED[which]), said(reference, seen, ASKED[which])
    assert ours.shape == (144, SIZE) and theirs.std() > 100 * TOLERANCE
    # in the last two rows, the class lets the padding below it reach into the picture
    assert np.abs(ours - theirs)[:-2].max() < TOLERANCE


def test_one_look_serves_all_prompts_and_layers(segmenter):
    features = segmenter.encode(scene())
    answers = [segmenter.segment(features, asked) for asked in ASKED.values()]
    for first, second in pairwise(answers):
        assert np.abs(first - second).max() > 100 * TOLERANCE


@pytest.mark.parametrize("shape", [(144, 256), (200, 100), (37, 211), (300, 80)])
def test_a_drawn_mask_is_the_layer_where_it_was_drawn(segmenter, shape):
    height, width = shape
    features = segmenter.encode(scene(*shape))
    drawn = np.zeros(shape, np.float32)
    drawn[height // 4 : height // 2, width // 4 : width // 2] = 1
    assert ((segmenter.segment(features, GridPrompts(masks=(drawn,))) > 0) == (drawn > 0)).all()
    erased = segmenter.segment(features, GridPrompts(masks=(drawn,), erasures=(drawn,)))
    assert (erased < 0).all()


def test_a_point_corrects_what_is_there(segmenter):
    """A frozen mask of another grid and a click: the network is told both."""
    features = segmenter.encode(scene())
    prior = np.full((72, 128), -8.0, np.float32)
    prior[20:50, 30:80] = 8.0
    told = segmenter.segment(features, ASKED["one point"], prior)
    untold = segmenter.segment(features, ASKED["one point"])
    assert told.shape == (144, SIZE) and np.abs(told - untold).max() > 100 * TOLERANCE


def test_without_a_prompt_all_is_outside(segmenter):
    assert (segmenter.segment(segmenter.encode(scene()), GridPrompts()) < 0).all()


def test_a_file_of_another_network_is_one_line(tmp_path, folder):
    (tmp_path / "tiny-sam").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "tiny-sam" / name).write_bytes((folder / "tiny-sam" / name).read_bytes())
    from safetensors.torch import load_file, save_file

    weights = tmp_path / "tiny-sam" / "model.safetensors"
    kept = {k: v for k, v in load_file(weights).items() if "mask_decoder" not in k}
    save_file(kept, weights, metadata={"format": "pt"})
    adapter = Models([CARD], folders=Folders(None, tmp_path)).load("segment", "tiny-sam")
    with pytest.raises(ModelError, match="weights are missing"):
        adapter.encode(scene())


ALONE = """
import sys
from pathlib import Path
import numpy as np
from rotograph.card import Card, WeightsFile
from rotograph.models import Models
from rotograph.weights import Folders
card = Card("tiny-sam", "Tiny", 1, {"segment": "rotograph_nodes.models.sam:Adapter"},
            "sRGB - Display", 256, "Apache-2.0", True,
            files=(WeightsFile("model.safetensors"), WeightsFile("config.json")))
adapter = Models([card], folders=Folders(None, Path(sys.argv[1]))).load("segment", card.name)
try:
    adapter.encode(np.zeros((9, 9, 3), np.float32))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_torchvision_that_does_not_fit_is_one_line(tmp_path, folder):
    """transformers fails to import beside it, with a traceback of fifty lines."""
    (tmp_path / "torchvision").mkdir()
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision" / "__init__.py").write_text(broken)
    (tmp_path / "torchvision-0.1.dist-info").mkdir()
    told = "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.99\n"
    (tmp_path / "torchvision-0.1.dist-info" / "METADATA").write_text(told)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ModelError" in done.stdout and "torchvision::nms" in done.stdout
    assert "must fit your PyTorch" in done.stdout


def test_a_file_that_is_cut_off_is_one_line(tmp_path, folder):
    (tmp_path / "tiny-sam").mkdir()
    for name in ("config.json", "model.safetensors"):
        whole = (folder / "tiny-sam" / name).read_bytes()
        (tmp_path / "tiny-sam" / name).write_bytes(whole[:900] if name != "config.json" else whole)
    with pytest.raises(ModelError, match="is not a safetensors file"):
        Models([CARD], folders=Folders(None, tmp_path)).load("segment", "tiny-sam")


@pytest.mark.parametrize("name", ["sam-vit-b", "sam-vit-l", "sam-vit-h", "slimsam-77"])
def test_the_cards_say_how_to_get_the_weights(tmp_path, name):
    with pytest.raises(ModelError, match=f"rotograph models pull {name}"):
        Models(folders=Folders(None, tmp_path)).load("segment", name)
