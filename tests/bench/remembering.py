"""SAM 2 driven by Rotograph against the package's own video predictor: same weights, same frames.

    OMP_NUM_THREADS=1 python tests/bench/remembering.py [--frames 48] [--long 480]

The network is SAM 2.1's own classes at 256 pixels with random weights (tests/rotograph_nodes/
tiny_sam2.py): the ratios tell what driving it costs, not how good or how fast the real sizes are.
Every line is a ratio within this run. Ours keeps every result in a store on disk, as a render does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rotograph.pack import pack, unpack
from rotograph.store import Store
from rotograph_nodes.models import sam2_network
from rotograph_nodes.models.prompts import GridPrompts
from rotograph_nodes.models.sam2_tracker import Sam2, Step

SIZE = 256
LOOK_BACK = 6
ANCHOR_EVERY = 12
"""Frames from one prompted frame to the next."""


def load_tiny():
    path = Path(__file__).resolve().parents[1] / "rotograph_nodes" / "tiny_sam2.py"
    spec = importlib.util.spec_from_file_location("tiny_sam2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_clip(folder: Path, count: int) -> None:
    """JPEG frames, which is what the package's predictor reads."""
    wall = np.random.default_rng(3).integers(0, 255, (16, 24, 3), np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE]
    for n in range(count):
        back = Image.fromarray(np.roll(wall, n, 1)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        picture = np.array(back)
        for layer in range(3):
            cx, cy = centre(layer, n)
            picture[(x - cx) ** 2 + (y - cy) ** 2 < 30**2] = 60 + 70 * layer
        Image.fromarray(picture).save(folder / f"{n:05d}.jpg", quality=95)


def centre(layer: int, frame: int) -> tuple[float, float]:
    return 50.0 + 60.0 * layer + abs(frame % 40 - 20), 60.0 + 50.0 * layer


def box(layer: int, frame: int, grow: float = 0.0) -> tuple[float, ...]:
    cx, cy = centre(layer, frame)
    return cx - 30.0 - grow, cy - 30.0 - grow, cx + 30.0 + grow, cy + 30.0 + grow


class Ours:
    """A first pass and corrections with every result in a store, and in memory what is used."""

    def __init__(self, sam: Sam2, clip: Path, store: Store) -> None:
        self.sam, self.clip, self.store = sam, clip, store

    def keep(self, name: str, value: dict[str, np.ndarray]) -> None:
        self.store.put(name.encode().ljust(16, b"."), pack(value), tier="features")

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        found = self.store.get(name.encode().ljust(16, b"."))
        return None if found is None else unpack(found)

    def features(self, frame: int) -> dict[str, np.ndarray]:
        found = self.get(f"e{frame}")
        if found is None:
            seen = np.array(Image.open(self.clip / f"{frame:05d}.jpg").convert("RGB"))
            found = self.sam.encode(seen.astype(np.float32) / 255)
            self.keep(f"e{frame}", found)
        return found

    def anchor(self, layer: int, frame: int, grow: float) -> dict[str, np.ndarray]:
        name = f"a{layer} {frame} {grow}"
        state = self.get(name)
        if state is None:
            seen, asked = self.features(frame), GridPrompts(boxes=(box(layer, frame, grow),))
            state = self.sam.start(seen, self.sam.segment(seen, asked), asked)
            self.keep(name, state)
        return state

    def track(
        self, layers: int, anchors: dict[int, float], first: int, last: int, together: bool = True
    ) -> None:
        """Forward from the anchor ``first``; anchors: frame -> how much its box is grown."""
        known = {f: [self.anchor(n, f, g) for n in range(layers)] for f, g in anchors.items()}
        recent: list[list[dict[str, np.ndarray]]] = [[] for _ in range(layers)]
        origin = first
        for frame in range(first + 1, last + 1):
            if frame in known:
                origin, recent = frame, [[] for _ in range(layers)]
                continue
            ahead = min((f for f in known if f > frame), default=None)
            steps = []
            for n in range(layers):
                sides = [known[origin][n]] + ([known[ahead][n]] if ahead is not None else [])
                state = recent[n][0] if recent[n] else known[origin][n]
                steps.append(Step(state, [(s, None) for s in sides], recent[n][1:LOOK_BACK]))
            seen = self.features(frame)
            if together:
                states = self.sam.step_layers(seen, steps)
            else:
                states = [self.sam.step_layers(seen, [step])[0] for step in steps]
            for n, state in enumerate(states):
                self.keep(f"s{n} {frame}", state)
                recent[n] = [state, *recent[n][: LOOK_BACK - 1]]


def timed(work) -> float:
    """Seconds of one processor: other programs on the machine count for little."""
    start = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        work()
    return time.process_time() - start


def reference(predictor, clip: Path, anchors: dict[int, float], layers: int) -> None:
    session = predictor.init_state(str(clip))
    for layer in range(layers):
        for frame, grow in anchors.items():
            corners = np.array(box(layer, frame, grow), np.float32)
            predictor.add_new_points_or_box(session, frame, layer, box=corners)
    for _ in predictor.propagate_in_video(session, start_frame_idx=0):
        pass


def networks():
    tiny = load_tiny()
    model = sam2_network.settings(tiny.CONFIG, tiny.CHANGES)
    state = tiny.random_state(model)
    sam = Sam2(sam2_network.build(model, state))
    other = model.copy()
    other["_target_"] = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    return sam, sam2_network.build(other, state)


def memory(who: str, count: int) -> None:
    """Print the peak of resident memory, in a process of its own."""
    sam, predictor = networks()
    with tempfile.TemporaryDirectory() as text:
        clip = Path(text) / "clip"
        clip.mkdir()
        make_clip(clip, count)
        if who == "ours":
            ours = Ours(sam, clip, Store(Path(text) / "store"))
            timed(lambda: ours.track(1, {0: 0.0}, 0, count - 1))
        else:
            timed(lambda: reference(predictor, clip, {0: 0.0}, 1))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def peak(who: str, count: int) -> int:
    command = [sys.executable, __file__, "--memory", who, str(count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--long", type=int, default=480)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        memory(asked.memory[0], int(asked.memory[1]))
        return
    count = asked.frames
    sam, predictor = networks()
    anchors = dict.fromkeys(range(0, count, ANCHOR_EVERY), 0.0)
    _, middle, last, *_ = anchors
    changed = {**anchors, middle: 4.0}
    beside = {f: g for f, g in changed.items() if f <= last}
    with tempfile.TemporaryDirectory() as text:
        clip = Path(text) / "clip"
        clip.mkdir()
        make_clip(clip, count)

        def ours(name: str) -> Ours:
            return Ours(sam, clip, Store(Path(text) / name))

        works = {
            "reference": lambda n: reference(predictor, clip, anchors, 1),
            "first": lambda n: ours(f"first{n}").track(1, anchors, 0, count - 1),
            # the reference can only track the shot again; ours goes from anchor to anchor
            "reference, changed": lambda n: reference(predictor, clip, changed, 1),
            "changed": lambda n: ours(f"first{n}").track(1, beside, 0, last - 1),
            "three": lambda n: ours(f"three{n}").track(3, anchors, 0, count - 1),
            "apart": lambda n: ours(f"apart{n}").track(3, anchors, 0, count - 1, together=False),
            "reference, three": lambda n: reference(predictor, clip, anchors, 3),
        }
        # in turns and the best of each, for a machine is never idle
        turns = [{name: timed(partial(work, n)) for name, work in works.items()} for n in range(3)]
        best = {name: min(turn[name] for turn in turns) for name in works}
        one, three = best["first"], best["three"]
        print(f"first pass: {best['reference'] / one:.2f} x the reference's frames per second")
        print(f"prompt {middle} changed: {best['reference, changed'] / best['changed']:.2f} x it")
        print(f"3 layers: {three / one:.2f} x the time of one; {best['apart'] / one:.2f} x apart")
        print(f"first pass, 3 layers: {best['reference, three'] / three:.2f} x the reference")
    for who in ("ours", "reference"):
        short, long = peak(who, count), peak(who, asked.long)
        print(f"memory, {who}: {long / short:.3f} x at {asked.long} frames what it is at {count}")


if __name__ == "__main__":
    main()
