"""How good mattes are with a perfect trimap, beside the best that blurring a mask can do.

    python tests/bench/matting.py [--plates ../shared/plates] [--frames 1001-1004] [NAME ...]

Every folder NAME (default: all that have exact alphas) holds ``plate.####.exr`` and
``alpha.####.exr``. The trimap is made from the exact alpha: unknown is 0.02 to 0.98 grown by a
square of 4 pixels each way. The rival is the exact alpha cut at 0.5 and blurred; it may use
another sigma for each figure, the one that suits it best. Figures are those of
``rotograph.metrics``; the ratio is ours over the rival's, lower is better. The foreground is
shown by the time it takes only: nobody knows the true one here.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from rotograph import exr, metrics
from rotograph_nodes.foreground import estimate_foreground
from rotograph_nodes.models.classic.matting import estimate_alpha

SIGMAS = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)  # for 960 pixels across
FIGURES = ("mad", "band", "grad", "dtssd")


def trimap_of(alpha: np.ndarray) -> np.ndarray:
    mixed = ((alpha > metrics.BAND_LOW) & (alpha < metrics.BAND_HIGH)).astype(np.uint8)
    unknown = cv2.dilate(mixed, np.ones((9, 9), np.uint8)) > 0
    return np.where(unknown, np.float32(0.5), (alpha > 0.5).astype(np.float32))


def truth(folder: Path, frame: int) -> np.ndarray:
    return np.clip(exr.read(folder / f"alpha.{frame}.exr").coverage(), 0.0, 1.0)


def blurred(folder: Path, frames: list[int], sigma: float) -> metrics.SequenceScore:
    def pairs() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for frame in frames:
            alpha = truth(folder, frame)
            yield frame, cv2.GaussianBlur((alpha > 0.5).astype(np.float32), (0, 0), sigma), alpha

    return metrics.compare(pairs())


def solved(folder: Path, frames: list[int], seconds: dict) -> metrics.SequenceScore:
    def pairs() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for frame in frames:
            alpha, plate = truth(folder, frame), exr.read(folder / f"plate.{frame}.exr").rgb()
            trimap = trimap_of(alpha)
            seconds["unknown"] += float(np.mean(trimap == 0.5))
            start = time.process_time()
            found = estimate_alpha(plate, trimap)
            seconds["alpha"] += time.process_time() - start
            start = time.process_time()
            estimate_foreground(plate, found.astype(np.float16))
            seconds["foreground"] += time.process_time() - start
            yield frame, found, alpha

    return metrics.compare(pairs())


def report(folder: Path, wanted: range | None) -> None:
    frames = sorted(int(path.name.split(".")[1]) for path in folder.glob("alpha.*.exr"))
    frames = [frame for frame in frames if wanted is None or frame in wanted]
    if not frames:
        print(f"{folder.name}: none of these frames")
        return
    height, width = truth(folder, frames[0]).shape
    spent = {"alpha": 0.0, "foreground": 0.0, "unknown": 0.0}
    ours = solved(folder, frames, spent)
    rivals = [blurred(folder, frames, sigma * max(1.0, width / 1024)) for sigma in SIGMAS]
    print(f"\n{folder.name}: {len(frames)} frames of {width}x{height}")
    print(f"  {'':10}{'matte':>10}{'best blur':>12}{'ratio':>8}")
    for name in FIGURES:
        mine = getattr(ours, name)
        if mine is None:
            continue
        best = min(getattr(rival, name) for rival in rivals)
        print(f"  {name:10}{mine:10.4f}{best:12.4f}{mine / best:8.2f}")
    print(f"  worst frame {ours.worst_frame}: mad {ours.worst_mad:.4f}")
    count = len(frames)
    print(
        f"  {spent['unknown'] / count:.1%} unknown; CPU seconds a frame: alpha"
        f" {spent['alpha'] / count:.1f}, foreground {spent['foreground'] / count:.1f};"
        f" peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        flush=True,
    )


def main() -> None:
    usual = Path(__file__).resolve().parents[3] / "shared" / "plates"
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--plates", type=Path, default=usual, help="folder of the plates")
    options.add_argument("--frames", help="such as 1001-1004; default: all")
    options.add_argument("names", nargs="*", metavar="NAME")
    chosen = options.parse_args()
    wanted = None
    if chosen.frames:
        first, _, last = chosen.frames.partition("-")
        wanted = range(int(first), int(last or first) + 1)
    names = chosen.names or sorted(
        path.name for path in chosen.plates.iterdir() if any(path.glob("alpha.*.exr"))
    )
    for name in names:
        report(chosen.plates / name, wanted)


if __name__ == "__main__":
    main()
