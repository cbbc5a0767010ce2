"""How well the small real networks find people, as docs/models.md quotes it.

    python tests/bench/networks.py [../shared]

Each goes through its card and a graph of three nodes (Read, Segment, Write). Prints, for three
portraits and one scene-linear plate, the intersection over union with the true alpha at a half,
and the seconds of each whole run, the reading of the picture included. Then, for two plates and
the trimap of ``matting.py`` beside it, the mean error of the unknown pixels by PyMatting's solvers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from matting import trimap_of, truth

from rotograph import Graph, exr, media
from rotograph.environment import Environment
from rotograph.models import Models
from rotograph.render import render
from rotograph.store import Store
from rotograph.weights import Folders

MODELS = ("mp-selfie", "mp-selfie-landscape", "prisma-net", "sinet")
PORTRAITS = ("p_09ba26b4", "p_22fc0130", "p_d684dae3")


def masked(models: Models, plate: Path, model: str, **read: str) -> tuple[np.ndarray, float]:
    """``(H, W)`` float32 of what is written, and the seconds it took."""
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
        environment = Environment(Store(folder / "cache"), models)
        start = time.perf_counter()
        (file,) = render(Graph.from_dict(document, folder), environment).files
        return exr.read(file).channel("A").astype(np.float32), time.perf_counter() - start


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    a, b = found > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


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


def main() -> None:
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[3] / "shared"
    weights = shared / "material" / "weights"
    pictures = shared / "material" / "matting" / "p3m" / "demo" / "imgs"
    plates = shared / "plates" / "blondehair"
    print("| model | " + " | ".join((*PORTRAITS, "plate")) + " | seconds |")
    with tempfile.TemporaryDirectory() as own:
        models = Models(folders=Folders(weights, Path(own)))
        for model in MODELS:
            figures, seconds = [], []
            for name in PORTRAITS:
                found, spent = masked(models, pictures / "original" / f"{name}.jpg", model)
                alpha = media.read_image(pictures / "alpha" / f"{name}.png", media.Choice())
                figures.append(overlap(found, alpha.coverage()))
                seconds.append(spent)
            plate = plates / "plate.1007.exr"
            found, spent = masked(models, plate, model, colour_space="ACEScg")
            figures.append(overlap(found, exr.read(plates / "alpha.1007.exr").coverage()))
            told = " | ".join(f"{figure:.3f}" for figure in figures)
            print(f"| {model} | {told} | {np.median([*seconds, spent]):.2f} |")
    solvers(shared / "plates")


if __name__ == "__main__":
    main()
