"""A small random network with the inputs, outputs and wiring of Robust Video Matting.

After Lin et al., "Robust High-Resolution Video Matting with Temporal Guidance", WACV 2022: the
picture is made smaller by a ratio that is an input, an encoder goes down to a sixteenth, decoders
come back up, each with half of its channels in a ConvGRU that remembers the frame before, and a
guided step brings the result to the picture's own size. Written from the paper; no weights of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

CHANNELS = (8, 8, 12, 16)
"""Of the encoder at a half, a quarter, an eighth and a sixteenth; half of them are remembered."""
STATE = [["r1i", "r1o"], ["r2i", "r2o"], ["r3i", "r3o"], ["r4i", "r4o"]]


class _Builder:
    def __init__(self, seed: int) -> None:
        self.nodes, self.tensors = [], []
        self.rng = np.random.default_rng(seed)

    def add(self, kind: str, *inputs: str, out: str = "", **attributes: object) -> str:
        out = out or f"t{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def constant(self, values: object, kind: type = np.float32) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(onnx.numpy_helper.from_array(np.array(values, kind), name))
        return name

    def conv(self, source: str, into: int, out: int, step: int = 1, side: int = 3) -> str:
        scale = 1.4 / np.sqrt(into * side * side)
        kernel = self.constant(self.rng.normal(0, scale, (out, into, side, side)))
        bias = self.constant(self.rng.normal(0, 0.1, out))
        pads = [side // 2] * 4
        return self.add("Conv", source, kernel, bias, pads=pads, strides=[step, step])

    def like(self, source: str, other: str) -> str:
        """Resized to the height and width of another, each one's own channels kept."""
        first = self._sides(source, 0, 2)
        size = self.add("Concat", first, self._sides(other, 2, 4), axis=0)
        return self.add("Resize", source, "", "", size, mode="linear")

    def _sides(self, source: str, start: int, stop: int) -> str:
        shape = self.add("Shape", source)
        return self.add(
            "Slice", shape, self.constant([start], np.int64), self.constant([stop], np.int64)
        )

    def remembered(self, source: str, channels: int, level: int) -> str:
        """Half of the channels through a ConvGRU, whose state is the output ``r<level>o``."""
        half = channels // 2
        cut = self.constant([half, channels - half], np.int64)
        plain, own = f"p{level}", f"o{level}"
        self.nodes.append(onnx.helper.make_node("Split", [source, cut], [plain, own], axis=1))
        before = self.add("Expand", f"r{level}i", self.add("Shape", own))
        both = self.add("Concat", own, before, axis=1)
        reset = self.add("Sigmoid", self.conv(both, 2 * half, half))
        keep = self.add("Sigmoid", self.conv(both, 2 * half, half))
        seen = self.add("Concat", own, self.add("Mul", reset, before), axis=1)
        new = self.add("Tanh", self.conv(seen, 2 * half, half))
        one = self.constant(1.0)
        fresh = self.add("Mul", self.add("Sub", one, keep), before)
        now = self.add("Add", fresh, self.add("Mul", keep, new), out=f"r{level}o")
        return self.add("Concat", plain, now, axis=1)


def write_rvm(path: Path, seed: int = 1) -> Path:
    """Inputs src, r1i … r4i, downsample_ratio; outputs fgr, pha, r1o … r4o."""
    make, kind = _Builder(seed), onnx.TensorProto.FLOAT
    ones = make.constant([1.0, 1.0])
    scales = make.add("Concat", ones, "downsample_ratio", "downsample_ratio", axis=0)
    small = make.add("Resize", "src", "", scales, mode="linear")
    maps, channels, source = [], 3, small
    for count in CHANNELS:
        source = make.add("Relu", make.conv(source, channels, count, step=2))
        maps.append(source)
        channels = count
    up = make.remembered(maps[3], CHANNELS[3], 4)
    for level in (3, 2, 1):
        count, below = CHANNELS[level - 1], CHANNELS[level]
        pyramid = make.like(small, maps[level - 1])
        both = make.add("Concat", make.like(up, pyramid), maps[level - 1], pyramid, axis=1)
        mixed = make.add("Relu", make.conv(both, below + count + 3, count))
        up = make.remembered(mixed, count, level)
    both = make.add("Concat", make.like(up, small), small, axis=1)
    hidden = make.add("Relu", make.conv(both, CHANNELS[0] + 3, 6))
    wide = make.add("Concat", make.like(hidden, "src"), "src", axis=1)
    low, high = make.constant(0.0), make.constant(1.0)
    residual = make.conv(wide, 9, 3, side=1)
    make.add("Clip", make.add("Add", residual, "src"), low, high, out="fgr")
    half = make.constant(0.5)
    make.add("Clip", make.add("Add", make.conv(wide, 9, 1, side=1), half), low, high, out="pha")
    value = onnx.helper.make_tensor_value_info
    states = [value(name, kind, [f"{name}{side}" for side in "nchw"]) for name, _ in STATE]
    graph = onnx.helper.make_graph(
        make.nodes,
        "tiny-rvm",
        [value("src", kind, [1, 3, "h", "w"]), *states, value("downsample_ratio", kind, [1])],
        [
            value(name, kind, [f"{name}{side}" for side in "nchw"])
            for name in ("fgr", "pha", "r1o", "r2o", "r3o", "r4o")
        ],
        make.tensors,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
