"""The whole path, boxes to written mattes, against exact alpha: what an artist would get.

    python tests/bench/path.py --plates ../shared/plates [blondehair lemur crowd uhd]

Boxes are the truth's (alpha > 0.5, grown by 2 %) on the frames in ``BOXED``; everything else is as
the nodes have it by default. The mattes are read back from the files that Write wrote.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rotograph import Graph, exr, metrics
from rotograph.environment import Environment
from rotograph.render import render
from rotograph.store import Store

BOXED = {
    "blondehair": (1001, 1013),
    "lemur": (1001, 1013),
    "crowd": (1001, 1008, 1016),
    "uhd": (1001, 1004),
}
LEAST = 30
"""Plate pixels; a layer with fewer counts as hidden."""


def truth(folder: Path, frame: int) -> tuple[tuple[int, int], dict[str, np.ndarray]]:
    """Where the data window begins, and each layer's exact alpha over it."""
    several = folder / f"truth.{frame}.exr"
    if not several.exists():
        image = exr.read(folder / f"alpha.{frame}.exr")
        return (image.spec.data.x0, image.spec.data.y0), {"hero": image.coverage()}
    image = exr.read(several, channels=[f"{name}.A" for name in exr.layers(several)])
    layers = {n[:-2]: image.channel(n).astype(np.float32) for n in image.spec.channels}
    return (image.spec.data.x0, image.spec.data.y0), layers


def boxes(folder: Path, frames: tuple[int, ...]) -> list[dict]:
    said = []
    for frame in frames:
        (left, top), layers = truth(folder, frame)
        for layer, alpha in layers.items():
            rows, columns = np.nonzero(alpha > 0.5)
            if rows.size < LEAST:
                continue
            x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            wide, high = 0.02 * (x1 - x0), 0.02 * (y1 - y0)
            box = [x0 - wide + left, y0 - high + top, x1 + wide + left, y1 + high + top]
            said.append({"frame": frame, "layer": layer, "box": [float(v) for v in box]})
    return said


def measure(folder: Path, boxed: tuple[int, ...], out: Path) -> None:
    graph = Graph(out)
    graph.add("plate", "Read", file=str(folder / "plate.####.exr"))
    wires = {"plate": "plate"}
    graph.add("segment", "Segment", inputs=wires, prompts=boxes(folder, boxed))
    graph.add("track", "Track", inputs={**wires, "masks": "segment"})
    graph.add("matte", "Matte", inputs={**wires, "logits": "track"})
    graph.add("refine", "Refine", inputs={**wires, "matte": "matte"})
    graph.add("out", "Write", inputs={"image": "refine"}, file="matte.####.exr")
    graph.check()
    done = render(graph, Environment(Store(out / "cache")))
    assert done.complete, done.errors
    frames = sorted(int(p.name.split(".")[1]) for p in folder.glob("plate.*.exr"))
    # not ru_maxrss: a child inherits its parent's
    status = Path("/proc/self/status").read_text()
    peak = int(next(x.split()[1] for x in status.splitlines() if x.startswith("VmHWM"))) >> 10
    cost = f"{done.seconds / len(frames):.1f} s a frame, peak {peak} MB"
    if len(truth(folder, frames[0])[1]) == 1:
        score = metrics.compare(
            (f, exr.read(out / f"matte.{f}.exr").coverage(), truth(folder, f)[1]["hero"])
            for f in frames
        )
        worst = max(score.frames, key=lambda frame: frame.mad)
        print(
            f"{folder.name}: mad {score.mad:.4f}, worst {worst.mad:.4f} on {worst.frame}; "
            f"band {score.band:.3f}, dtSSD {score.dtssd:.2f}, J {score.j:.3f}; {cost}"
        )
        return
    found: dict[str, list[float]] = {}
    most = 0.0
    for frame in frames:
        layers = truth(folder, frame)[1]
        image = exr.read(out / f"matte.{frame}.exr", channels=[f"{n}.A" for n in layers])
        alphas = {n: image.channel(f"{n}.A").astype(np.float32) for n in layers}
        most = max(most, float(np.sum(list(alphas.values()), axis=0).max()))
        for name, alpha in layers.items():
            if (alpha > 0.5).sum() >= LEAST:
                found.setdefault(name, []).append(metrics.iou(alphas[name], alpha))
    every = [v for values in found.values() for v in values]
    told = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in found.items())
    print(f"{folder.name}: mean IoU {np.mean(every):.3f} ({told}); largest sum {most:.4f}; {cost}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--plates", type=Path, required=True, help="folder with the test plates")
    options.add_argument("names", nargs="*", default=list(BOXED), metavar="NAME")
    asked = options.parse_args()
    if len(asked.names) == 1:
        with tempfile.TemporaryDirectory() as out:
            measure((asked.plates / asked.names[0]).absolute(), BOXED[asked.names[0]], Path(out))
        return
    for name in asked.names:  # a process each, so that each peak is its own
        subprocess.run([sys.executable, __file__, "--plates", asked.plates, name], check=True)


if __name__ == "__main__":
    main()
