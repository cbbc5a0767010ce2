"""Mask R-CNN of torchvision with random weights, where a torchvision is that fits PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError, PromptError
from rotograph.models import Models
from rotograph.weights import Folders

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
TOLERANCE = 1e-4


def torchvision():
    try:
        import torchvision
    except (ImportError, RuntimeError):
        pytest.skip("needs a torchvision that fits PyTorch")
    return torchvision


def card(**more):
    return Card(
        name="tiny-rcnn",
        label="Random",
        version=1,
        adapters={"detect": "rotograph_nodes.models.mask_rcnn:Adapter"},
        input_space="sRGB - Display",
        working_size=1333,
        licence="BSD-3-Clause",
        commercial=True,
        reads_text=True,
        per_frame=True,
        files=(WeightsFile("weights.safetensors"),),
        **more,
    )


@pytest.fixture(scope="module")
def network():
    torchvision()
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    torch.manual_seed(0)
    made = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).eval()
    with torch.no_grad():
        made.roi_heads.box_predictor.cls_score.weight.mul_(20.0)  # else nothing is sure of anything
    return made


@pytest.fixture(scope="module")
def detector(network, tmp_path_factory):
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny-rcnn").mkdir()
    save_file(network.state_dict(), folder / "tiny-rcnn" / "weights.safetensors")
    return Models([card()], folders=Folders(None, folder)).load("detect", "tiny-rcnn")


def scene(height=200, width=320):
    return np.random.default_rng(2).random((height, width, 3)).astype(np.float32)


@pytest.mark.slow
def test_the_same_boxes_as_the_reference(network, detector):
    with torch.inference_mode():
        theirs = network([torch.from_numpy(scene()).permute(2, 0, 1)])[0]
    with detector._network() as ours:
        boxes, scores, labels = detector.answer(ours, scene())
    assert len(boxes) and np.array_equal(labels, theirs["labels"].numpy())
    assert np.abs(boxes - theirs["boxes"].numpy()).max() < TOLERANCE
    assert np.abs(scores - theirs["scores"].numpy()).max() < TOLERANCE


@pytest.mark.slow
def test_what_it_finds_is_named_and_in_the_picture(detector):
    names = detector.names("")
    assert len(names) == 80 and names[0] == "person"
    found = detector.detect(scene(), "")
    assert len(found["boxes"]) and (np.diff(found["scores"]) <= 0).all()
    assert (found["boxes"] >= 0).all() and (found["boxes"] <= [320, 200, 320, 200]).all()
    kind = names[found["classes"][0]]
    only = detector.detect(scene(), kind)
    assert len(only["boxes"]) and {names[c] for c in only["classes"]} == {kind}


@pytest.mark.slow
def test_a_kind_that_it_does_not_know_is_one_line(detector):
    with pytest.raises(PromptError, match=r"knows no 'persn'.*person"):
        detector.detect(scene(), "persn")


def test_without_torchvision_or_weights_one_line_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"torchvision that fits|models pull mask-rcnn"):
        Models(folders=Folders(None, tmp_path)).load("detect", "mask-rcnn")
