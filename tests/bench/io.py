"""Ratios of our EXR reading and writing to the bare OpenEXR package's, and other costs of a plate.

python tests/bench/io.py [FOLDER] [--width 4096] [--height 2160] [--rounds 5]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import OpenEXR

from rotograph import colour, exr, media, sequence
from rotograph.image import Box, Image, ImageSpec


def best(work: Callable[[], object], rounds: int) -> float:
    """The shortest of ``rounds`` runs, in milliseconds."""
    found = []
    for _ in range(rounds):
        before = time.perf_counter()
        work()
        found.append((time.perf_counter() - before) * 1e3)
    return min(found)


def in_turn(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """The shortest run of each, in milliseconds; taking turns, so that both share a busy moment."""
    found = [[best(work, 1) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*found, strict=True)]


def plate(width: int, height: int) -> np.ndarray:
    """``(H, W, 4)`` float16: smooth light with grain, values over 1."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / 300) + 1.1, np.cos(y / 200) + 1.2, np.sin((x + y) / 500) + 1]
    grain = np.random.default_rng(0).normal(0, 0.01, (height, width, 4))
    return (np.stack([*waves, np.ones_like(x)], -1) + grain).astype(np.float16)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", nargs="?", type=Path)
    options.add_argument("--width", type=int, default=4096)
    options.add_argument("--height", type=int, default=2160)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        measure(Path(scratch), given.width, given.height, given.rounds)


def measure(folder: Path, width: int, height: int, rounds: int) -> None:
    pixels = plate(width, height)
    box = Box(0, 0, width, height)
    image = Image(ImageSpec(box, box, ("R", "G", "B", "A"), alpha="premultiplied"), pixels)
    matte = Image(ImageSpec(box, box, ("A",)), np.ascontiguousarray(pixels[..., 3:]))
    size = pixels.nbytes / 2**20
    print(f"{width} x {height} half RGBA, {size:.0f} MiB; best of {rounds}, milliseconds")
    print(f"{'':10}{'ours':>9}{'OpenEXR':>9}{'ratio':>7}")
    for compression in ("zip", "zips", "piz", "dwaa", "zstd"):
        kind = getattr(OpenEXR, f"{compression.upper()}_COMPRESSION")
        header = {"compression": kind, "type": OpenEXR.scanlineimage}
        ours, raw = folder / "ours.exr", str(folder / "raw.exr")
        both = (
            (
                "write",
                lambda p=ours, c=compression: exr.write(p, image, compression=c),
                lambda p=raw, h=header: OpenEXR.File(h, {"RGBA": pixels}).write(p),
            ),
            ("read", lambda p=ours: exr.read(p), lambda p=raw: OpenEXR.File(p)),
        )
        for what, *works in both:
            mine, theirs = in_turn(works, rounds)
            print(f"{compression:5}{what:5}{mine:9.1f}{theirs:9.1f}{mine / theirs:7.2f}")
    path = folder / "ours.exr"
    exr.write(path, image)
    reading = best(lambda: exr.read(path), rounds)
    print(f"zip plate read {reading:.1f}; as ratios to it:")
    config = colour.load()
    small = image.rgb()[:: height // 270, :: width // 480]
    for n in range(2000):
        (folder / f"plate.{n:04d}.exr").touch()
    for what, took in (
        ("header only", best(lambda: exr.header(path), rounds)),
        ("one channel of four", best(lambda: exr.read(path, channels=("A",)), rounds)),
        ("write a matte, zip", best(lambda: exr.write(folder / "a.exr", matte), rounds)),
        ("find 2,000 frames", best(lambda: sequence.find(folder / "plate.####.exr"), rounds)),
        ("open as a plate", best(lambda: media.open(path), rounds)),
        ("480 x 270 to ACEScct", best(lambda: config.to_model(small, "ACEScg"), rounds)),
        ("480 x 270 to the eye", best(lambda: config.to_display(small, "ACEScg"), rounds)),
        ("load the OCIO config", best(colour.load, rounds)),
    ):
        print(f"  {what:22}{took:9.2f} ms{took / reading:9.4f}")


if __name__ == "__main__":
    main()
