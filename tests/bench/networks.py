"""How well the small real networks find people, as docs/models.md quotes it.

    python tests/bench/networks.py [../shared]
    python tests/bench/networks.py [../shared] --model isnet

Each goes through its card and a graph of three nodes (Read, Segment, Write). Prints, for three
portraits and one scene-linear plate, the intersection over union with the true alpha at a half,
and the seconds of each whole run, the reading of the picture included. Then, for two plates and
the trimap of ``matting.py`` beside it, the mean error of the unknown pixels by PyMatting's solvers.

With ``--model``, one that is installed, finds things by itself and may also do the role matte: for
the portraits and four frames of each plate of one thing, the intersection over union of its mask
with the true alpha at a half, then the same with Matte; and the mean error of the true alpha's soft
edge (``rotograph.metrics.band``) of its mask, of Matte with ``classic``, of Matte with it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matting import trimap_of, truth

from rotograph import Graph, exr, media, metrics
from rotograph.environment import Environment
from rotograph.models import Models
from rotograph.render import render
from rotograph.store import Store
from rotograph.weights import Folders

MODELS = ("mp-selfie", "mp-selfie-landscape", "prisma-net", "sinet")
PORTRAITS = ("p_09ba26b4", "p_22fc0130", "p_d684dae3")
FRAMES = (1001, 1007, 1013, 1019)


def masked(
    models: Models, plate: Path, model: str, matte: str = "", **read: str
) -> tuple[np.ndarray, float]:
    """``(H, W)`` float32 of what is written, and the seconds it took. matte: a model for Matte."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = {
            "rotograph": 1,
            "nodes": {
                "plate": {"type": "Read", "file": str(plate), **read},
                "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "model": model},
                "out": {"type": "Write", "inputs": {"image": "segment"}, "file": "m.exr"},
            },
        }
        if matte:
            wires = {"plate": "plate", "logits": "segment"}
            document["nodes"]["matte"] = {"type": "Matte", "inputs": wires, "model": matte}
            document["nodes"]["out"]["inputs"]["image"] = "matte"
        environment = Environment(Store(folder / "cache"), models)
        start = time.perf_counter()
        (file,) = render(Graph.from_dict(document, folder), environment).files
        return exr.read(file).channel("A").astype(np.float32), time.perf_counter() - start


def through(models: Models, model: str, shared: Path) -> None:
    """What is found by one model, and what Matte makes of it."""
    ways = [("", "mask"), ("classic", "classic")]
    if models.cards[model].adapters.get("matte"):
        ways.append((model, model))
    names = " | ".join([*(f"IoU, {n}" for _, n in ways), *(f"edge, {n}" for _, n in ways)])
    print(f"| picture | {names} | seconds of the mask |")
    for name, plate, read, alpha in pictures(shared):
        made = [masked(models, plate, model, matte, **read) for matte, _ in ways]
        figures = [f"{metrics.iou(found, alpha):.3f}" for found, _ in made]
        figures += [f"{metrics.band(found, alpha):.3f}" for found, _ in made]
        print(f"| {name} | {' | '.join(figures)} | {made[0][1]:.1f} |", flush=True)


def pictures(shared: Path) -> Iterator[tuple[str, Path, dict[str, str], np.ndarray]]:
    """Name, file, parameters of Read, true alpha."""
    folder = portraits(shared)
    for name in PORTRAITS:
        yield name, folder / "original" / f"{name}.jpg", {}, portrait(folder, name)
    for plate in ("blondehair", "lemur"):
        for frame in FRAMES:
            file = shared / "plates" / plate / f"plate.{frame}.exr"
            alpha = truth(shared / "plates" / plate, frame)
            yield f"{plate} {frame}", file, {"colour_space": "ACEScg"}, alpha


def portraits(shared: Path) -> Path:
    return shared / "material" / "matting" / "p3m" / "demo" / "imgs"


def portrait(folder: Path, name: str) -> np.ndarray:
    return media.read_image(folder / "alpha" / f"{name}.png", media.Choice()).coverage()


def solvers(plates: Path) -> None:
    models = Models()
    print("\n| model | plate | error | seconds |")
    for plate in ("blondehair", "lemur"):
        alpha = truth(plates / plate, 1007)
        trimap = trimap_of(alpha)
        linear = exr.read(plates / plate / "plate.1007.exr").rgb()
        for model in ("classic", "closed-form", "knn"):
            adapter = models.load("matte", model)
            start = time.perf_counter()
            found = adapter.estimate_alpha(linear, trimap)
            seconds = time.perf_counter() - start
            error = float(np.abs(found - alpha)[trimap == 0.5].mean())
            print(f"| {model} | {plate} | {error:.3f} | {seconds:.1f} |")


def people(weights: Path, shared: Path) -> None:
    folder, plates = portraits(shared), shared / "plates" / "blondehair"
    print("| model | " + " | ".join((*PORTRAITS, "plate")) + " | seconds |")
    with tempfile.TemporaryDirectory() as own:
        models = Models(folders=Folders(weights, Path(own)))
        for model in MODELS:
            figures, seconds = [], []
            for name in PORTRAITS:
                found, spent = masked(models, folder / "original" / f"{name}.jpg", model)
                figures.append(metrics.iou(found, portrait(folder, name)))
                seconds.append(spent)
            plate = plates / "plate.1007.exr"
            found, spent = masked(models, plate, model, colour_space="ACEScg")
            figures.append(metrics.iou(found, truth(plates, 1007)))
            told = " | ".join(f"{figure:.3f}" for figure in figures)
            print(f"| {model} | {told} | {np.median([*seconds, spent]):.2f} |")


def main() -> None:
    usual = Path(__file__).parents[3] / "shared"
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("shared", type=Path, nargs="?", default=usual, help="folder of the data")
    options.add_argument("--model", help="an installed one that finds things by itself")
    chosen = options.parse_args()
    if chosen.model:
        through(Models(), chosen.model, chosen.shared)
        return
    people(chosen.shared / "material" / "weights", chosen.shared)
    solvers(chosen.shared / "plates")


if __name__ == "__main__":
    main()
