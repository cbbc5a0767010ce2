"""Small ONNX files whose result is known, and cards for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rotograph.card import Card, WeightsFile
from rotograph.models import Supply
from rotograph.resident import Resident

onnx = pytest.importorskip("onnx")


def write_onnx(
    path: Path,
    kernel: np.ndarray,
    size: tuple[int | str, int | str] = ("h", "w"),
    layout: str = "NCHW",
    bias: float = 0.0,
) -> Path:
    """One convolution of ``kernel`` ``(out, in, k, k)`` float32, padded with zeros to keep size."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    out, into, side, _ = kernel.shape
    nodes, source = [], "picture"
    shape: list[Any] = [1, into, *size] if layout == "NCHW" else [1, *size, into]
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["picture"], ["planes"], perm=[0, 3, 1, 2]))
        source = "planes"
    nodes.append(
        helper.make_node("Conv", [source, "kernel", "bias"], ["found"], pads=[side // 2] * 4)
    )
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("picture", kind, shape)],
        [helper.make_tensor_value_info("found", kind, [1, out, *size])],
        [
            onnx.numpy_helper.from_array(kernel.astype(np.float32), "kernel"),
            onnx.numpy_helper.from_array(np.full(out, bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def tiny_card(role: str = "segment", adapter: str = "", **more: Any) -> Card:
    network = more.pop("network", {})
    told = {
        "name": "tiny",
        "label": "Tiny",
        "version": 1,
        "input_space": "ACEScct",
        "working_size": 128,
        "licence": "MIT",
        "commercial": True,
        "files": (WeightsFile("tiny.onnx"),),
        **more,
    }
    adapter = adapter or "rotograph_nodes.models.onnx_segment:Segmenter"
    return Card(adapters={role: adapter}, network=network, **told)


def supply(path: Path, **more: Any) -> Supply:
    return Supply(tiny_card(**more), path, "cpu", Resident())
