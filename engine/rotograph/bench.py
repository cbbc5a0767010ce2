"""Measure a model on this machine: a made-up shot through a real graph, each stage by the clock."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rotograph import device, exr, render
from rotograph.card import Card
from rotograph.colour import Colour
from rotograph.environment import Environment
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph, installed_nodes
from rotograph.image import Box, Image, ImageSpec
from rotograph.models import Models
from rotograph.needs import Entry
from rotograph.store import Store

_FIRST = 1001


class _Clocked(Execution):
    """An execution that adds up the seconds of each stage, without those of what it asks for."""

    def __init__(self, environment: Environment, limits: Limits) -> None:
        super().__init__(environment, limits)
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = threading.local()
        self._guard_seconds = threading.Lock()

    def compute(self, entry: Entry) -> Any:
        outer = getattr(self._inside, "below", 0.0)
        self._inside.below = 0.0
        start = time.perf_counter()
        try:
            return super().compute(entry)
        finally:
            whole = time.perf_counter() - start
            name = f"{entry.result.node}: {entry.stage.name}"
            with self._guard_seconds:
                self.seconds[name] += whole - self._inside.below
            self._inside.below = outer + whole


def bench(
    models: Models,
    card: Card,
    colour: Colour,
    role: str | None,
    size: tuple[int, int],
    frames: int,
) -> dict[str, Any]:
    """Frames per second, memory, and the share of each stage, of one model in one role.

    size: ``(width, height)`` of the plate, an ellipse that moves over a textured wall. Two runs on
    empty stores: one frame, which loads the model, and the measured one. One thing at a time.
    Returns ``role``, ``device``, ``precision`` (``bfloat16``, where the card allows it and it is
    faster), ``frames_per_second``, ``load_seconds`` (the first frame, less an ordinary one),
    ``memory_bytes`` (more resident memory of the process than before, and the accelerator's),
    ``share`` (stage -> part of the time). Raises ModelError, and what a render raises.
    """
    role = role or next((r for r, adapter in card.adapters.items() if adapter), "")
    models.card(role, card.name)
    if card.files:
        models.weights(card)
    before = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory(prefix="rotograph-bench-") as name:
        folder = Path(name)
        boxes = _plates(folder, size, frames)
        first = _run(models, card, colour, role, folder, "first", dict(list(boxes.items())[:1]))
        seconds, execution = _run(models, card, colour, role, folder, "second", boxes)
    total = sum(execution.seconds.values()) or 1.0
    each = seconds / len(boxes)
    ranked = sorted(execution.seconds.items(), key=lambda item: -item[1])
    return {
        "model": card.name,
        "role": role,
        "device": _device(models, card),
        # some compute in what is faster on the device
        "precision": getattr(models.load(role, card.name), "precision", card.numeric_mode),
        "frames_per_second": len(boxes) / seconds,
        "load_seconds": max(0.0, first[0] - each),
        "memory_bytes": max(0, psutil.Process().memory_info().rss - before) + _accelerator(),
        "share": {name: spent / total for name, spent in ranked},
    }


def _run(
    models: Models,
    card: Card,
    colour: Colour,
    role: str,
    folder: Path,
    name: str,
    boxes: dict[int, list[float]],
) -> tuple[float, _Clocked]:
    document = _graph(role, card, boxes, Path(name))
    graph = Graph.from_dict(document, folder, installed_nodes())
    environment = Environment(Store(folder / f"{name}.cache"), models, colour)
    execution = _Clocked(environment, Limits(jobs=1))
    start = time.perf_counter()
    done = render.render(graph, environment, sorted(boxes), execution=execution)
    seconds = time.perf_counter() - start
    if done.errors:
        raise done.errors[0]
    return seconds, execution


def _graph(role: str, card: Card, boxes: dict[int, list[float]], out: Path) -> dict[str, Any]:
    """The shortest graph in which the model does its job."""
    plate = {"plate": "plate"}
    frames = list(boxes)
    prompted = frames if role == "segment" else frames[:1]
    prompts = [{"frame": f, "layer": "thing", "box": boxes[f]} for f in prompted]
    nodes: dict[str, Any] = {
        "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "scene_linear"},
        "segment": {"type": "Segment", "inputs": plate, "prompts": prompts},
        "track": {"type": "Track", "inputs": {**plate, "masks": "segment"}},
        "matte": {"type": "Matte", "inputs": {**plate, "logits": "track"}},
        "refine": {"type": "Refine", "inputs": {**plate, "matte": "matte"}},
    }
    if role == "detect":
        nodes["detect"] = {"type": "Detect", "inputs": plate, "model": card.name}
        if card.reads_text:
            nodes["detect"]["text"] = "person"
        nodes["segment"] = {"type": "Segment", "inputs": {**plate, "boxes": "detect"}}
    elif role == "motion":
        nodes["track"]["motion_model"] = card.name
    else:
        nodes[role]["model"] = card.name
    last = {"detect": "segment", "segment": "segment", "motion": "track"}.get(role, role)
    nodes["write"] = {
        "type": "Write",
        "inputs": {"image": last},
        "file": str(out / "matte.####.exr"),
    }
    needed, left = set(), ["write"]
    while left:
        node = left.pop()
        if node not in needed:
            needed.add(node)
            left += nodes[node].get("inputs", {}).values()
    return {"rotograph": 1, "nodes": {n: nodes[n] for n in nodes if n in needed}}


def _plates(folder: Path, size: tuple[int, int], frames: int) -> dict[int, list[float]]:
    """Frame -> the box around what moves, in plate pixels; the plates are in ``folder``."""
    width, height = size
    noise = np.random.default_rng(1).random((height, width, 3), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    boxes = {}
    for index in range(frames):
        cx, cy = width * (0.3 + 0.3 * index / max(1, frames)), height * 0.5
        rx, ry = width * 0.15, height * 0.3
        inside = (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1)[..., None]
        pixels = np.where(inside, np.float32([0.6, 0.35, 0.2]), np.float32([0.1, 0.15, 0.25]))
        pixels = (pixels + 0.05 * noise).astype(np.float16)
        box = Box(0, 0, width, height)
        exr.write(folder / f"plate.{_FIRST + index}.exr", Image(ImageSpec(box, box), pixels))
        boxes[_FIRST + index] = [cx - rx, cy - ry, cx + rx, cy + ry]
    return boxes


def _device(models: Models, card: Card) -> str:
    if not card.files:
        device.check(models.device)
        return "cpu (without weights it computes nowhere else)"
    if card.files[0].name.endswith(".onnx"):
        return str(device.onnx_providers(models.device)[0])
    return str(device.pick(models.device))


def _accelerator() -> int:
    """Bytes that PyTorch took at most on a CUDA device; 0 without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    return int(torch.cuda.max_memory_allocated())
