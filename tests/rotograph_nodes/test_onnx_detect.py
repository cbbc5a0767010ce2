"""Boxes of ONNX detectors, in their place in a picture of any size."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from rotograph.errors import ModelError, PromptError
from rotograph_nodes.models.onnx_detect import Detector

from .tiny_onnx import supply, write_onnx


def detector(folder, **network) -> Detector:
    """Five plain planes and one class, after FastestDet: what is bright is a thing."""
    kernel = np.zeros((6, 3, 1, 1), np.float32)
    kernel[0] = kernel[5] = 1 / 3  # score and class: the picture's brightness
    path = write_onnx(folder / "tiny.onnx", kernel, (20, 20))
    told = {"size": [20, 20], "decode": "fastestdet", "classes": ["thing"], **network}
    return Detector(supply(path, role="detect", network=told, per_frame=True))


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_a_box_is_around_what_it_saw(tmp_path, fit):
    tool = detector(tmp_path, fit=fit)
    picture = np.zeros((200, 400, 3), np.float32)
    picture[90:110, 290:310] = 1.0
    found = tool.detect(picture, "")
    assert tool.names("") == ("thing",) and set(found["classes"]) == {0}
    middle = (found["boxes"][:, :2] + found["boxes"][:, 2:]) / 2
    assert len(middle) and np.abs(middle[0] - (300, 100)).max() <= 20
    assert (found["boxes"] >= 0).all() and (found["boxes"] <= [400, 200, 400, 200]).all()
    assert (found["scores"][:-1] >= found["scores"][1:]).all() and found["scores"].max() <= 1


def test_an_empty_picture_has_no_boxes(tmp_path):
    found = detector(tmp_path).detect(np.zeros((50, 80, 3), np.float32), "")
    assert found["boxes"].shape == (0, 4) and len(found["scores"]) == len(found["classes"]) == 0


def test_text_chooses_among_the_kinds_that_it_knows(tmp_path):
    tool = detector(tmp_path, classes=["thing", "other thing"])
    picture = np.ones((50, 80, 3), np.float32)
    assert len(tool.detect(picture, " Thing ,")["boxes"]) > 0
    assert len(tool.detect(picture, "other thing")["boxes"]) == 0
    with pytest.raises(PromptError, match="did you mean 'thing'"):
        tool.detect(picture, "thinng")


def test_a_card_must_say_how_boxes_are_read(tmp_path):
    with pytest.raises(ModelError, match="decode"):
        detector(tmp_path, decode="guess")
