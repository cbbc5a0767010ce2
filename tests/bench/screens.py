"""How far the screen keyer helps, on composites before green, blue and murky screens.

    python tests/bench/screens.py [--material ../shared/material] [--knn]

Portraits with network-made alpha (P3M) and the lemur, their colour unmixed from what is behind, are
put before a screen that is lit unevenly, with grain and spill, 960 pixels wide; one of each with
motion blur. The mask is the alpha as a tracker would know it. Printed is ``band`` of
``rotograph.metrics`` for each model alone, with the keyer where it is not sure (Matte's default),
and the part of the edge that the keyer decided.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from rotograph import metrics
from rotograph_nodes.band import widen_where_soft
from rotograph_nodes.fallback import key_where_unsure
from rotograph_nodes.foreground import estimate_foreground
from rotograph_nodes.models import chroma
from rotograph_nodes.models.classic import matting
from rotograph_nodes.trimap import trimap_from_logits

SCREENS = {"green": (0.045, 0.42, 0.075), "blue": (0.05, 0.10, 0.42), "murky": (0.10, 0.26, 0.11)}
PORTRAITS = ("p_09ba26b4", "p_22fc0130", "p_d684dae3")
WIDTH = 960
LEAST = 0.95
"""Matte's own default of ``confidence``."""


def read(path: Path) -> np.ndarray:
    """``(h, w, 3)`` float32, linear light, no wider or higher than WIDTH."""
    pixels = _small(cv2.imread(str(path))[..., 2::-1].astype(np.float32) / 255)
    return np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)


def _small(picture: np.ndarray) -> np.ndarray:
    scale = min(1.0, WIDTH / max(picture.shape[:2]))
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def subjects(material: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, straight foreground ``(h, w, 3)`` and alpha ``(h, w)``."""
    folder = material / "matting" / "p3m" / "demo" / "imgs"
    for name in PORTRAITS:
        plate = read(folder / "original" / f"{name}.jpg").astype(np.float32)
        alpha = _small(
            cv2.imread(str(folder / "alpha" / f"{name}.png"), 0).astype(np.float32) / 255
        )
        where, colour = estimate_foreground(plate, alpha)
        plate.reshape(-1, 3)[where] = colour
        yield name, plate, alpha
    folder = material / "matting" / "pymatting" / "data" / "lemur"
    alpha = _small(cv2.imread(str(folder / "lemur_alpha.png"), 0).astype(np.float32) / 255)
    yield "lemur", read(folder / "lemur_foreground.png").astype(np.float32), alpha


def before(
    screen: tuple[float, float, float], front: np.ndarray, alpha: np.ndarray, moving: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The plate and its exact alpha."""
    random = np.random.default_rng(3)
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    folds = cv2.GaussianBlur(random.normal(size=alpha.shape).astype(np.float32), (0, 0), 25)
    light = 0.75 + 0.45 * x / width - 0.2 * (y / height - 0.5) + 0.03 * folds / folds.std()
    away = 1 - cv2.GaussianBlur(alpha, (0, 0), 12)[..., None]
    own = (front + 0.06 * np.float32(screen) * away) * alpha[..., None]
    if moving:
        kernel = np.zeros((15, 15), np.float32)
        cv2.line(kernel, (0, 4), (14, 10), 1.0)
        own, alpha = (cv2.filter2D(a, -1, kernel / kernel.sum()) for a in (own, alpha))
    plate = own + np.float32(screen) * light[..., None] * (1 - alpha[..., None])
    grain = 0.002 + 0.01 * np.sqrt(np.maximum(plate, 0))
    return (plate + grain * random.normal(size=plate.shape)).astype(np.float32), alpha


def measure(name: str, plate: np.ndarray, alpha: np.ndarray, knn: bool) -> dict[str, list[float]]:
    height, width = alpha.shape
    half = cv2.resize(
        cv2.GaussianBlur(alpha, (0, 0), 3), (width // 2, height // 2), interpolation=cv2.INTER_AREA
    )
    logits = cv2.resize((half - 0.5) * 16, (width, height), interpolation=cv2.INTER_LINEAR)
    trimap = trimap_from_logits(logits, inside=8, outside=14, grid=2)
    trimap = widen_where_soft(plate, trimap, matting.estimate_alpha, reach=16)
    mask = 1 / (1 + np.exp(-logits))
    models = {
        "classic": matting.estimate_alpha(plate, trimap, mask),
        "coarse": np.where(trimap == 0.5, mask, trimap).astype(np.float32),
    }
    if knn:
        from pymatting import estimate_alpha_knn

        from rotograph_nodes.models.knn import Solver

        models["knn"] = Solver(estimate_alpha_knn).estimate_alpha(plate, trimap)
    told = {"chroma": [metrics.band(chroma.estimate_alpha(plate, trimap, mask), alpha)]}
    for model, found in models.items():
        helped, share = key_where_unsure(plate, trimap, found, mask, least=LEAST)
        told[model] = [metrics.band(found, alpha), metrics.band(helped, alpha), share]
    parts = (f"{m} " + " ".join(f"{v:.4f}" for v in values) for m, values in told.items())
    print(f"{name:22} " + " | ".join(parts), flush=True)
    return told


def main() -> None:
    usual = Path(__file__).resolve().parents[3] / "shared" / "material"
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--material", type=Path, default=usual)
    options.add_argument("--knn", action="store_true", help="KNN matting too, before green")
    asked = options.parse_args()
    every: dict[str, list[list[float]]] = {}
    for name, front, alpha in subjects(asked.material):
        for kind, screen in SCREENS.items():
            for moving in (False, True)[: 2 if kind == "green" else 1]:
                plate, exact = before(screen, front, alpha, moving)
                knn = asked.knn and kind == "green" and not moving
                title = f"{name} {kind}{' moving' if moving else ''}"
                for model, figures in measure(title, plate, exact, knn).items():
                    every.setdefault(model, []).append(figures)
    for model, figures in every.items():
        print(f"mean {model}: " + " ".join(f"{v:.4f}" for v in np.mean(figures, axis=0)))


if __name__ == "__main__":
    main()
