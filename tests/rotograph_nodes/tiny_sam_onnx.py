"""Pairs of ONNX files in the form in which SAM is published: of real classes, and of plain sums."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

INPUTS = (
    "image_embeddings",
    "point_coords",
    "point_labels",
    "mask_input",
    "has_mask_input",
    "orig_im_size",
)
OUTPUTS = ("masks", "iou_predictions", "low_res_masks")
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"


def export(model: Any, folder: Path, *, own: bool = True, single: bool = False) -> Path:
    """A ``SamModel`` of transformers as two files, after segment_anything's export script.

    own: the encoder takes a picture ``(h, w, 3)`` of 0 to 255, and normalises and pads it itself;
    else it takes the normalised square. single: the decoder chooses one of its four masks itself.
    """
    import torch
    from torch.nn import functional

    size = model.config.vision_config.image_size
    mean = torch.tensor([123.675, 116.28, 103.53])
    deviation = torch.tensor([58.395, 57.12, 57.375])

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, seen):
            if own:
                planes = ((seen - mean) / deviation).permute(2, 0, 1)
                height, width = planes.shape[-2:]
                seen = functional.pad(planes, (0, size - width, 0, size - height))[None]
            return self.model.get_image_embeddings(seen)

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def points(self, points, labels):
            prompt = self.model.prompt_encoder
            found = self.model.shared_image_embedding((points + 0.5) / size)
            labels = labels[..., None].expand_as(found)
            found = found * (labels != -1) + prompt.not_a_point_embed.weight * (labels == -1)
            for number, kind in enumerate(prompt.point_embed):
                found = found + kind.weight * (labels == number)
            return found

        def forward(self, seen, points, labels, earlier, has_earlier, shape):
            prompt = self.model.prompt_encoder
            dense = has_earlier * prompt.mask_embed(earlier)
            dense = dense + (1 - has_earlier) * prompt.no_mask_embed.weight.reshape(1, -1, 1, 1)
            told = {
                "image_embeddings": seen,
                "image_positional_embeddings": self.model.get_image_wide_positional_embeddings(),
                "sparse_prompt_embeddings": self.points(points, labels)[:, None],
                "dense_prompt_embeddings": dense,
            }
            one, guesses = (
                self.model.mask_decoder(**told, multimask_output=many) for many in (False, True)
            )
            small = torch.cat([one[0], guesses[0]], dim=2)[:, 0]
            scores = torch.cat([one[1], guesses[1]], dim=2)[:, 0]
            if single:
                lead = torch.tensor([[1000.0, 0.0, 0.0, 0.0]])
                best = (scores + (points.shape[1] - 2.5) * lead).argmax(dim=1)
                small, scores = small[:, best], scores[:, best]
            large = functional.interpolate(small, (size, size), mode="bilinear")
            used = torch.floor(size / shape.max() * shape + 0.5).to(torch.int64)
            large = large[..., : used[0], : used[1]]
            height, width = shape.to(torch.int64)
            return functional.interpolate(large, (height, width), mode="bilinear"), scores, small

    part = model.config.prompt_encoder_config.image_embedding_size
    channels = model.config.vision_config.output_channels
    seen = torch.rand(size // 2, size, 3) if own else torch.rand(1, 3, size, size)
    asked = (
        torch.rand(1, channels, part, part),
        torch.rand(1, 5, 2) * size,
        torch.randint(0, 4, (1, 5)).float(),
        torch.rand(1, 1, 4 * part, 4 * part),
        torch.ones(1),
        torch.tensor([100.0, 150.0]),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # about tracing, and that the way of the script is an old one
        torch.onnx.export(
            Encoder(),
            (seen,),
            folder / ENCODER,
            input_names=["input_image"],
            output_names=["image_embeddings"],
            dynamic_axes={"input_image": {0: "height", 1: "width"}} if own else {},
            opset_version=17,
            dynamo=False,
        )
        torch.onnx.export(
            Decoder(),
            asked,
            folder / DECODER,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={"point_coords": {1: "points"}, "point_labels": {1: "points"}},
            opset_version=17,
            dynamo=False,
        )
    return folder / ENCODER


def write_plain(folder: Path, size: int = 128, inputs: tuple[str, ...] = INPUTS) -> Path:
    """Two files of the same form that call bright things the layer, wherever one clicks.

    Features are what the picture is on average over squares of 4 pixels; the logits are 40 times
    what they are over a half. inputs: of the decoder.
    """
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    part = size // 4

    def constant(name, value, of=np.int64):
        return onnx.numpy_helper.from_array(np.asarray(value, of), name)

    encoder = helper.make_graph(
        [
            helper.make_node("Transpose", ["input_image"], ["planes"], perm=[2, 0, 1]),
            helper.make_node("Unsqueeze", ["planes", "first"], ["batch"]),
            helper.make_node("Shape", ["batch"], ["have"]),
            helper.make_node("Sub", ["whole", "have"], ["more"]),
            helper.make_node("Concat", ["none", "more"], ["pads"], axis=0),
            helper.make_node("Pad", ["batch", "pads"], ["square"]),
            helper.make_node("Conv", ["square", "kernel"], ["image_embeddings"], strides=[4, 4]),
        ],
        "encoder",
        [helper.make_tensor_value_info("input_image", kind, ["h", "w", 3])],
        [helper.make_tensor_value_info("image_embeddings", kind, [1, 1, part, part])],
        [
            constant("first", [0]),
            constant("whole", [1, 3, size, size]),
            constant("none", [0, 0, 0, 0]),
            constant("kernel", np.full((1, 3, 4, 4), 1 / 48 / 255), np.float32),
        ],
    )
    shapes = {
        "image_embeddings": [1, 1, part, part],
        "point_coords": [1, "points", 2],
        "point_labels": [1, "points"],
        "mask_input": [1, 1, part, part],
        "has_mask_input": [1],
        "orig_im_size": [2],
    }
    decoder = helper.make_graph(
        [
            helper.make_node("Sub", ["image_embeddings", "half"], ["over"]),
            helper.make_node("Mul", ["over", "steep"], ["logits"]),
            helper.make_node("Concat", ["logits"] * 4, ["low_res_masks"], axis=1),
            helper.make_node("Identity", ["sure"], ["iou_predictions"]),
        ],
        "decoder",
        [helper.make_tensor_value_info(name, kind, shapes[name]) for name in inputs],
        [
            helper.make_tensor_value_info("iou_predictions", kind, [1, 4]),
            helper.make_tensor_value_info("low_res_masks", kind, [1, 4, part, part]),
        ],
        [
            constant("half", 0.5, np.float32),
            constant("steep", 40.0, np.float32),
            constant("sure", [[0.9] * 4], np.float32),
        ],
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in ((ENCODER, encoder), (DECODER, decoder)):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        (folder / name).write_bytes(model.SerializeToString())
    return folder / ENCODER
