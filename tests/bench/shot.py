"""What ``rotograph shot`` finds in a plate whose objects are known.

    python tests/bench/shot.py [--plate ../shared/plates/crowd] [--output DIR] [--cache DIR]
        [--detector NAME --text WORDS] [--set detect.reach=0]

The folder holds ``plate.####.exr`` and ``truth.####.exr`` with ``NAME.A`` of each object, or
``alpha.####.exr`` of one. The command runs with the classic models, but for the detector that is
asked for; of each object, and of each pair of them (what moves together
is one thing to it), the two layers of most intersection over union are printed, the mean of all
frames on which the object is there. Masks are compared, before matting.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np

from rotograph import Graph, exr, metrics
from rotograph.cli import rotograph
from rotograph.correct import Present
from rotograph.environment import Environment
from rotograph.store import Store

LEAST = 30
"""Plate pixels; what has fewer is hidden."""


def objects(path: Path) -> dict[str, np.ndarray]:
    """By name or pair of names, ``(H, W)`` float32 alpha."""
    names = list(exr.layers(path))
    if path.name.startswith("alpha."):
        return {"hero": exr.read(path).coverage().astype(np.float32)}
    image = exr.read(path, channels=[f"{name}.A" for name in names])
    alone = {name: image.channel(f"{name}.A").astype(np.float32) for name in names}
    return alone | {f"{a}+{b}": alone[a] + alone[b] for a, b in combinations(names, 2)}


def measure(folder: Path, output: Path, cache: Path, asked: argparse.Namespace) -> None:
    command = ["shot", str(folder / "plate.####.exr")]
    command += ["--output", str(output), "--cache", str(cache), "--graph-only"]
    command += ["--detector", asked.detector, "--text", asked.text]
    command += ["--model", "classic", "--matting", "classic"]
    command += [word for setting in asked.set for word in ("--set", setting)]
    rotograph.main(command, standalone_mode=False)
    graph = Graph.load(output / "shot.json")
    files = sorted([*folder.glob("truth.*.exr"), *folder.glob("alpha.*.exr")])
    truth = {int(path.name.split(".")[1]): objects(path) for path in files}
    frames = tuple(truth)
    score: dict[tuple[str, str], list[float]] = {}
    there: dict[str, int] = {}
    for frame in frames:
        for name, alpha in truth[frame].items():
            there[name] = there.get(name, 0) + int((alpha > 0.5).sum() >= LEAST)
    for layer, frame, mask in Present(graph, Environment(Store(cache))).outputs(
        "track", (), frames
    ):
        found = mask.at(mask.window)
        for name, alpha in truth[frame].items():
            if (alpha > 0.5).sum() >= LEAST:
                found_there = (found > 0).astype(np.float32)
                score.setdefault((name, layer), []).append(metrics.iou(found_there, alpha))
    for name, count in there.items():
        best = sorted(
            ((sum(v) / max(1, count), layer) for (n, layer), v in score.items() if n == name),
            reverse=True,
        )
        told = ", ".join(f"{layer} {value:.3f}" for value, layer in best[:2])
        print(f"{name:16} {told}")


def main() -> None:
    usual = Path(__file__).resolve().parents[3] / "shared" / "plates" / "crowd"
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--plate", type=Path, default=usual)
    options.add_argument("--output", type=Path)
    options.add_argument("--cache", type=Path)
    options.add_argument("--detector", default="classic")
    options.add_argument("--text", default="")
    options.add_argument("--set", action="append", default=[], metavar="NODE.PARAMETER=VALUE")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = asked.output or Path(scratch) / "shot"
        measure(asked.plate.absolute(), output, asked.cache or Path(scratch) / "cache", asked)


if __name__ == "__main__":
    main()
