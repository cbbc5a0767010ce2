"""What refining does to mattes, good and bad: python tests/bench/refine.py [PLATES] [FRAMES].

PLATES is the folder with ``blondehair``, ``lemur`` and ``uhd`` (default: ../shared/plates), each
frame with its exact alpha. That alpha is made worse in known ways and refined; the figures are
metrics.py's, and a figure in brackets is the ratio to what came in. "truth" and "closed form"
must not get worse; all else should get better.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from rotograph import colour, exr, metrics
from rotograph.image import Image
from rotograph_nodes import working
from rotograph_nodes.models.classic.edges import sharpen_edges
from rotograph_nodes.models.classic.matting import estimate_alpha
from rotograph_nodes.models.classic.motion import motion
from rotograph_nodes.models.classic.pieces import fill_holes, remove_specks
from rotograph_nodes.models.classic.refiner import Refinement, refine
from rotograph_nodes.models.classic.reshape import feather, resize_edge
from rotograph_nodes.models.classic.temporal import Neighbour, smooth_in_time

FIRST = 1005
GRID = 640  # long side of the pictures that the motion is found in


class Shot:
    """A few frames of a plate with their true alphas and the motion between."""

    def __init__(self, folder: Path, frames: range) -> None:
        config = colour.load()
        plates = [exr.read(folder / f"plate.{frame}.exr") for frame in frames]
        self.linear = [plate.rgb() for plate in plates]
        self.truth = [alpha(exr.read(folder / f"alpha.{frame}.exr")) for frame in frames]
        seen = [
            working.picture(with_space(plate, config), config, "ACEScct", GRID) for plate in plates
        ]
        self.motion = [motion(a, b) for a, b in pairwise(seen)]

    def neighbours(self, alphas: list[np.ndarray], at: int) -> list[Neighbour | None]:
        found: list[Neighbour | None] = [None, None]
        if at > 0:
            between = self.motion[at - 1]
            found[0] = self._neighbour(alphas, at - 1, between["backward"], between["forward"])
        if at + 1 < len(alphas):
            between = self.motion[at]
            found[1] = self._neighbour(alphas, at + 1, between["forward"], between["backward"])
        return found

    def _neighbour(self, alphas, at, there, back) -> Neighbour:
        there, back = there.astype(np.float32), back.astype(np.float32)
        return Neighbour(alphas[at], self.linear[at], there, back)


def alpha(image: Image) -> np.ndarray:
    return np.clip(image.coverage(), 0.0, 1.0)


def with_space(image: Image, config: colour.Colour) -> Image:
    return replace(image, spec=replace(image.spec, colour_space=config.space("ACEScg")))


# Ways in which a matte goes wrong


def enlarged(truth: np.ndarray, factor: int) -> np.ndarray:
    height, width = truth.shape
    small = cv2.resize(truth, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def smooth_noise(truth: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(truth.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigma)
    return noise / noise.std()


def noisy(truth: np.ndarray, seed: int) -> np.ndarray:
    mixed = (truth > 0.01) & (truth < 0.99)
    return np.clip(truth + 0.08 * mixed * smooth_noise(truth, 1.0, seed), 0.0, 1.0)


def jittered(truth: np.ndarray, seed: int) -> np.ndarray:
    """The edge wanders by up to 1.5 pixels, differently on every frame."""
    wander = np.clip(smooth_noise(truth, 12.0, seed), -1.0, 1.0)
    out, inward = resize_edge(truth, 1.5) - truth, truth - resize_edge(truth, -1.5)
    return truth + out * np.maximum(wander, 0.0) + inward * np.minimum(wander, 0.0)


def closed_form(truth: np.ndarray, linear: np.ndarray, seed: int) -> np.ndarray:
    """Matting proper, with a band that is 3 to 7 pixels wider than need be."""
    side = 2 * int(np.random.default_rng(seed).integers(3, 8)) + 1
    mixed = ((truth > 0.02) & (truth < 0.98)).astype(np.uint8)
    unknown = cv2.dilate(mixed, np.ones((side, side), np.uint8)).astype(bool)
    return estimate_alpha(linear, np.where(unknown, np.float32(0.5), np.float32(truth > 0.5)))


# Tables


def figures(alphas: list[np.ndarray], truths: list[np.ndarray]) -> tuple[float, float, float]:
    numbered = zip(range(len(alphas)), alphas, truths, strict=True)
    score = metrics.compare((i, a, t) for i, a, t in numbered)
    return score.band, score.grad, score.dtssd or 0.0


def line(label: str, after: tuple[float, ...], before: tuple[float, ...] | None = None) -> None:
    cells = []
    for i, value in enumerate(after):
        ratio = f"({value / before[i]:4.2f})" if before and before[i] > 1e-9 else "      "
        cells.append(f"{value:8.4f} {ratio}")
    print(f"  {label:30s} {'  '.join(cells)}", flush=True)


def quality(shot: Shot) -> None:
    each = list(enumerate(zip(shot.truth, shot.linear, strict=True)))
    inputs = {
        "truth": shot.truth,
        "closed form": [closed_form(t, rgb, i) for i, (t, rgb) in each],
        "from half resolution": [enlarged(t, 2) for t in shot.truth],
        "from a quarter": [enlarged(t, 4) for t in shot.truth],
        "blurred, sigma 2": [cv2.GaussianBlur(t, (0, 0), 2.0) for t in shot.truth],
        "noise in the band": [noisy(t, i) for i, (t, _) in each],
        "edge that wanders": [jittered(t, i) for i, (t, _) in each],
    }
    for name, alphas in inputs.items():
        came = figures(alphas, shot.truth)
        line(name, came)
        around = [shot.neighbours(alphas, i) for i, _ in each]
        for strength in (1.0, 2.0):
            sharp = [sharpen_edges(alphas[i], rgb, 2.0, strength) for i, (_, rgb) in each]
            line(f"  edges {strength}", figures(sharp, shot.truth), came)
        for strength in (0.5, 1.0):
            calm = [smooth_in_time(alphas[i], rgb, around[i], strength) for i, (_, rgb) in each]
            line(f"  smooth {strength}", figures(calm, shot.truth), came)
        default = [refine(alphas[i], rgb, around[i], Refinement()) for i, (_, rgb) in each]
        line("  default", figures(default, shot.truth), came)


def cost(shot: Shot) -> None:
    matte, rgb = shot.truth[1], shot.linear[1]
    around = shot.neighbours(shot.truth, 1)
    print(f"  {matte.shape[1]}x{matte.shape[0]}, a frame costs")
    steps = {
        "smooth 0.5": lambda: smooth_in_time(matte, rgb, around, 0.5),
        "edges 1": lambda: sharpen_edges(matte, rgb, 2.0, 1.0),
        "specks 200": lambda: remove_specks(matte, 200.0),
        "holes 200": lambda: fill_holes(matte, 200.0),
        "grow 0.5": lambda: resize_edge(matte, 0.5),
        "grow -20": lambda: resize_edge(matte, -20.0),
        "feather 20": lambda: feather(matte, 20.0),
        "default": lambda: refine(matte, rgb, around, Refinement()),
    }
    for label, step in steps.items():
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        tracemalloc.start()
        step()
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"  {label:30s} {seconds:6.2f} s {peak:6.0f} MB above the inputs")


def main(folder: Path, count: int) -> None:
    cv2.setNumThreads(1)
    uhd = Shot(folder / "uhd", range(1001, 1004))
    print("uhd")
    cost(uhd)
    del uhd
    for name in ("blondehair", "lemur"):
        print(f"{name}, {count} frames: band, grad, dtSSD")
        shot = Shot(folder / name, range(FIRST, FIRST + count))
        cost(shot)
        quality(shot)


if __name__ == "__main__":
    beside = Path(__file__).resolve().parents[3] / "shared" / "plates"
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else beside,
        int(sys.argv[2]) if len(sys.argv) > 2 else 6,
    )
