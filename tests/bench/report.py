"""How a report does on a long shot with many layers, and whether it finds what is wrong in it.

    python tests/bench/report.py [--frames 1000] [--layers 12] [--keep DIR]

Layers are discs that wander about; drop-outs, swaps, flicker and doubt are planted on frames that
are known. Prints what was found of them, the page's size, and what its making took. Needs no
material.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rotograph import exr
from rotograph.declare import Input, NodeType, Output, Value, node, stage
from rotograph.deliver.finished import Finished
from rotograph.deliver.report import write_report
from rotograph.environment import Environment
from rotograph.graph import Graph, installed_nodes
from rotograph.image import Box, Image, ImageSpec
from rotograph.matte import Matte
from rotograph.render import render
from rotograph.shape import Shape
from rotograph.store import Store

W, H, FIRST, RADIUS = 480, 270, 1001, 18
EVERY = 97
"""Frames between two faults of one layer."""
KINDS = ("drop-out", "swap", "flicker", "low confidence")


@dataclass(frozen=True)
class Faulty:
    """A shot's layers, and what is wrong with them: (frame, layer) -> kind."""

    layers: int
    frames: int
    faults: dict[tuple[int, int], str] = field(default_factory=dict)

    @classmethod
    def planted(cls, layers: int, frames: int) -> Faulty:
        made = cls(layers, frames)
        for layer in range(layers):
            for count, frame in enumerate(range(FIRST + 8 + 7 * layer, FIRST + frames - 3, EVERY)):
                kind = KINDS[(layer + count) % len(KINDS)]
                partner = layer + 1 if layer % 2 == 0 else layer - 1
                if kind != "swap":
                    made.faults.setdefault((frame, layer), kind)
                elif partner < layers:
                    made.faults[frame, layer] = made.faults[frame, partner] = kind
        return made

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"layer_{index + 1:02d}" for index in range(self.layers))

    def centre(self, layer: int, frame: int) -> tuple[float, float]:
        phase, t = 2.4 * layer, (frame - FIRST) / 40
        x = W * (0.06 + 0.88 * (layer + 0.5) / self.layers) + 6 * np.sin(t + phase)
        return x, H / 2 + (H / 3) * np.sin(0.7 * t + phase)

    def alpha(self, layer: int, frame: int) -> np.ndarray:
        """``(H, W)`` float32, wrong where that was planted."""
        kind = self.faults.get((frame, layer))
        of = (layer + 1 if layer % 2 == 0 else layer - 1) if kind == "swap" else layer
        radius = {"drop-out": 0.0, "flicker": 0.7 * RADIUS}.get(kind or "", RADIUS)
        return self.disc(of, frame, radius)

    def disc(self, layer: int, frame: int, radius: float = RADIUS) -> np.ndarray:
        y, x = np.mgrid[:H, :W] + 0.5
        cx, cy = self.centre(layer, frame)
        return np.clip(radius - np.hypot(x - cx, y - cy) + 0.5, 0, 1).astype(np.float32)

    def confidence(self, layer: int, frame: int) -> float:
        doubt = self.faults.get((frame, layer)) == "low confidence"
        return 0.3 if doubt else 0.85 + 0.1 * np.sin(frame / 23 + layer)

    def plate(self, frame: int) -> np.ndarray:
        """``(H, W, 3)`` float32: the discs as they really are, before a wall with grain."""
        y, x = np.mgrid[:H, :W]
        wall = 0.12 + 0.05 * np.sin(x / 17)[..., None] * np.cos(y / 11)[..., None]
        out = np.repeat(wall, 3, axis=2)
        for layer in range(self.layers):
            paint = 0.25 + 0.6 * np.abs(np.sin(np.array([1.0, 2.1, 3.3]) * (layer + 1)))
            alpha = self.disc(layer, frame)[..., None]
            out = out * (1 - alpha) + paint * alpha
        grain = np.random.default_rng(frame).normal(0, 0.01, out.shape)
        return np.maximum(out + grain, 0).astype(np.float32)

    def node(self) -> NodeType:
        """The node that stands in for tracker and matting."""
        shot = self

        @node(version=1, output=Output("Mattes", "known"))
        class Known:
            """Layers as they were planted."""

            plate = Input("Image", help="The plate.")

            def describe(at):
                shape = at.shape("plate")
                return Shape(shape.frames, shot.names, plate=shape.plate, size=shape.size)

            @stage(per="layer")
            def known(given, context):
                layer, frame = given["layer"], given["frame"]
                alpha = shot.alpha(layer, frame).astype(np.float16)
                return Matte(Box(0, 0, W, H), alpha, shot.confidence(layer, frame))

            @known.needs
            def known(at):
                return {
                    "plate": at.plate("plate", "header"),
                    "frame": Value(at.frame),
                    "layer": Value(shot.names.index(at.layer)),
                }

        return Known

    def write_plates(self, folder: Path) -> None:
        box = Box(0, 0, W, H)
        for frame in range(FIRST, FIRST + self.frames):
            pixels = self.plate(frame).astype(np.float16)
            spec = ImageSpec(box, box, ("R", "G", "B"))
            exr.write(folder / f"plate.{frame}.exr", Image(spec, pixels), compression="none")

    def graph(self, folder: Path) -> Graph:
        return Graph.from_dict(
            {
                "rotograph": 1,
                "nodes": {
                    "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
                    "known": {"type": "Known", "inputs": {"plate": "plate"}},
                    "out": {"type": "Write", "inputs": {"image": "known"}, "file": "m/m.####.exr"},
                },
            },
            folder,
            {**installed_nodes(), "Known": self.node()},
        )


def made(
    folder: Path, layers: int, frames: int
) -> tuple[Path, Faulty, list[Any], dict[str, float]]:
    """The page, what was planted, what was found, and seconds of each step."""
    shot, took, began = Faulty.planted(layers, frames), {}, time.monotonic()
    shot.write_plates(folder)
    took["plates"], began = time.monotonic() - began, time.monotonic()
    environment = Environment(Store(folder / "cache"))
    graph = shot.graph(folder)
    summary = render(graph, environment)
    took["render"], began = time.monotonic() - began, time.monotonic()
    page = folder / "report.html"
    finished = Finished.rendered(graph, environment)
    found = write_report(page, finished, finished.frames, f"{layers} layers", summary)
    took["report"] = time.monotonic() - began
    return page, shot, found, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = asked.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        page, shot, found, took = made(folder, asked.layers, asked.frames)
        size = page.stat().st_size
    told = {(f.frame, int(f.layer[-2:]) - 1, f.kind) for f in found}
    # what is wrong on a frame is wrong in more than one way, and going back is a swap too
    near = {(frame + step, layer) for frame, layer in shot.faults for step in (0, 1)}
    for kind in KINDS:
        planted = {(f, n, k) for (f, n), k in shot.faults.items() if k == kind}
        same = {one for one in told if one[2] == kind}
        elsewhere = sum(one[:2] not in near for one in same)
        print(f"{kind:15} planted {len(planted):4}  found {len(planted & same):4}", end="  ")
        print(f"where nothing is wrong {elsewhere:4}")
    print(f"page {size / 1e6:.1f} MB; " + ", ".join(f"{n} {s:.1f} s" for n, s in took.items()))
    if asked.keep:
        print(page)


if __name__ == "__main__":
    main()
