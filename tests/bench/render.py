"""What a render costs the second time, after small changes, and in memory as the shot grows.

    python tests/bench/render.py [--plate 'PLATE.####.exr'] [--box X0,Y0,X1,Y1] [--frames N]

Without a plate, it makes one. Every line is a ratio within this run, or a count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from rotograph import Graph, exr
from rotograph.environment import Environment
from rotograph.execution import Limits
from rotograph.image import Box, Image, ImageSpec
from rotograph.render import render
from rotograph.store import Store

SIZE = (480, 270)


def make_plate(folder: Path, count: int) -> str:
    """A textured disc that crosses a textured wall, to and fro, each frame with its own grain."""
    width, height = SIZE
    rng = np.random.default_rng(1)
    noise = rng.random((height // 6 + 1, width // 6 + 1, 3), np.float32)
    wall = np.kron(noise, np.ones((6, 6, 1), np.float32))[:height, :width] * 0.3 + 0.1
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for i in range(count):
        at = 120.0 + 8.0 * abs(i % 48 - 24)
        inside = np.clip(60.0 - np.hypot(x - at, y - 135.0), 0.0, 1.0)[..., None]
        stripes = 0.6 + 0.4 * np.sin((x - at + y) / 5.0)[..., None]
        rgb = wall * (1 - inside) + inside * stripes * np.array([0.9, 0.5, 0.2], np.float32)
        rgb = rgb + rng.normal(0.0, 0.005, rgb.shape).astype(np.float32)
        box = Box(0, 0, width, height)
        exr.write(folder / f"plate.{1001 + i}.exr", Image(ImageSpec(box, box), rgb.astype("f2")))
    return str(folder / "plate.####.exr")


def graph(plate: str, box: list[float], last: int | None, folder: Path) -> Graph:
    frames = [1001] if last is None else [1001, last]
    made = Graph(folder)
    made.add("plate", "Read", file=plate)
    made.add(
        "segment",
        "Segment",
        inputs={"plate": "plate"},
        prompts=[{"frame": f, "layer": "hero", "box": box} for f in frames],
    )
    made.add("track", "Track", inputs={"plate": "plate", "masks": "segment"})
    made.add("matte", "Matte", inputs={"plate": "plate", "logits": "track"})
    made.add("refine", "Refine", inputs={"plate": "plate", "matte": "matte"})
    made.add("out", "Write", inputs={"image": "refine"}, file="out/matte.####.exr")
    made.check()
    return made


def run(made: Graph, cache: Path, jobs: int = 2):
    return render(made, Environment(Store(cache)), limits=Limits(jobs=jobs))


def memory(count: int, jobs: int) -> None:
    """In a process of its own: the peak of a render of that many frames, on standard output."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = graph(make_plate(folder, count), [250, 70, 375, 200], None, folder)
        summary = run(made, folder / "cache", jobs)
        assert summary.complete, summary.errors
    # not ru_maxrss: a child inherits its parent's
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def peak(count: int, jobs: int) -> int:
    """KiB."""
    command = [sys.executable, __file__, "--memory-of", str(count), str(jobs)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


def again(plate: str | None, box: list[float], count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plate = plate or make_plate(folder, count)
        cache = folder / "cache"
        first = run(graph(plate, box, None, folder), cache)
        frames = first.frames
        print(f"first render: {frames} frames, {1000 * first.seconds / frames:.0f} ms a frame")

        environment = Environment(Store(cache))
        media = environment.open_plate(Path(plate), 1)
        start = time.perf_counter()
        images = [media.media.read(f) for f in media.frames]
        reading = (time.perf_counter() - start) / frames
        matte = exr.read(folder / "out" / f"matte.{media.frames[0]}.exr")
        start = time.perf_counter()
        for _ in range(frames):
            exr.write(folder / "probe.exr", matte)
        writing = (time.perf_counter() - start) / frames
        print(f"reading a frame: {1000 * reading:.1f} ms; writing a matte: {1000 * writing:.1f} ms")

        second = run(graph(plate, box, None, folder), cache)
        share = second.seconds / frames / (reading + writing)
        print(
            f"second render: computed {second.computed}, {1000 * second.seconds / frames:.2f} ms a "
            f"frame, {share:.2f} of reading and writing one"
        )
        changed = graph(plate, box, None, folder)
        changed.set("refine.feather=3")
        third = run(changed, cache)
        print(
            f"refine.feather=3: computed {third.computed}, "
            f"{third.seconds / first.seconds:.2f} of the first"
        )
        if Path(plate).parent == folder:
            run(graph(plate, box, None, folder), cache)
            middle = media.frames[frames // 2]
            os.utime(media.file(middle))
            touched = run(graph(plate, box, None, folder), cache)
            print(f"frame {middle} touched: computed {touched.computed}")
            image = images[frames // 2]
            exr.write(media.file(middle), replace(image, pixels=image.pixels * np.float16(1.01)))
            moved = run(graph(plate, box, None, folder), cache)
            print(f"frame {middle} changed: computed {moved.computed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plate")
    parser.add_argument("--box", default="250,70,375,200")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--memory-of", type=int, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory_of:
        memory(*asked.memory_of)
        return
    again(asked.plate, [float(v) for v in asked.box.split(",")], asked.frames)
    # two jobs peak when their heaviest moments coincide: chance, not the length of the shot
    for jobs in (1, 2):
        short, long = peak(48, jobs), peak(240, jobs)
        print(
            f"peak memory, {jobs} job(s): 48 frames {short >> 10} MB, 240 frames {long >> 10} MB, "
            f"{long / short:.3f}"
        )


if __name__ == "__main__":
    main()
