"""SAM 2 driven by Rotograph against the package's own video predictor: same weights, same frames.

    OMP_NUM_THREADS=1 python tests/bench/remembering.py [--frames 36] [--turns 3] [--long 480]
    OMP_NUM_THREADS=1 python tests/bench/remembering.py --shares t s b+ l

Speed: SAM 2.1 tiny as it is, but at 256 pixels, with random weights: the ratios tell what driving
it costs, not how good it is. Memory: its classes with fewer than a million weights (tests/
rotograph_nodes/tiny_sam2.py). Ours keeps every result in a store on disk, as a render does. Every
line is a ratio within this run: the works go in turns, and the median of the turns' ratios is told
with the least and the largest. ``--shares``: of the networks at 1024 pixels, in the cards' own
precision, the processor's seconds for a frame's features and for one layer's step with the memory
full, and what three layers cost by them.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import io
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image

from rotograph.pack import pack, unpack
from rotograph.store import Store
from rotograph_nodes.models import sam2_network
from rotograph_nodes.models.prompts import GridPrompts
from rotograph_nodes.models.sam2_tracker import Sam2, Step

SIZE = 256
LOOK_BACK = 6
ANCHOR_EVERY = 9
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
                states = list(self.sam.step_layers(seen, steps))
            else:
                states = [next(self.sam.step_layers(seen, [step])) for step in steps]
            for n, state in enumerate(states):
                self.keep(f"s{n} {frame}", state)
                recent[n] = [state, *recent[n][: LOOK_BACK - 1]]


def timed(work) -> float:
    """Seconds of one processor: other programs on the machine count for little."""
    gc.collect()
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


def networks(tiny: bool):
    """Ours and the reference's, with the same random weights; tiny: fewer of them."""
    module = load_tiny()
    model = sam2_network.settings(module.CONFIG, module.CHANGES if tiny else small_picture(SIZE))
    state = module.random_state(model)
    sam = Sam2(sam2_network.lighten(sam2_network.build(model, state)))
    other = model.copy()
    other["_target_"] = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    return sam, sam2_network.build(other, state)


def small_picture(size: int) -> dict:
    attention = {"feat_sizes": [size // 16, size // 16]}
    layer = {"self_attention": attention, "cross_attention": attention}
    return {"image_size": size, "memory_attention": {"layer": layer}}


def memory(who: str, count: int) -> None:
    """Print the peak of resident memory, in a process of its own.

    Looked at now and then: what the system says at the end, a process inherits from its parent.
    """
    sam, predictor = networks(tiny=True)
    process, most = psutil.Process(), [0]

    def look() -> None:
        while True:
            most[0] = max(most[0], process.memory_info().rss)
            time.sleep(0.01)

    threading.Thread(target=look, daemon=True).start()
    with tempfile.TemporaryDirectory() as text:
        clip = Path(text) / "clip"
        clip.mkdir()
        make_clip(clip, count)
        if who == "ours":
            ours = Ours(sam, clip, Store(Path(text) / "store"))
            timed(lambda: ours.track(1, {0: 0.0}, 0, count - 1))
        else:
            timed(lambda: reference(predictor, clip, {0: 0.0}, 1))
    print(most[0])


def peak(who: str, count: int) -> int:
    command = [sys.executable, __file__, "--memory", who, str(count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def speed(count: int, turns: int) -> None:
    sam, predictor = networks(tiny=False)
    anchors = dict.fromkeys(range(0, count, ANCHOR_EVERY), 0.0)
    middle = sorted(anchors)[len(anchors) // 2]
    changed = {**anchors, middle: 4.0}
    after = min((f for f in anchors if f > middle), default=count)
    before = max(f for f in anchors if f < middle)
    beside = {f: g for f, g in changed.items() if before <= f <= after}
    with tempfile.TemporaryDirectory() as text:
        clip = Path(text) / "clip"
        clip.mkdir()
        make_clip(clip, count)

        def ours(name: str) -> Ours:
            return Ours(sam, clip, Store(Path(text) / name))

        works = {
            "theirs": lambda n: reference(predictor, clip, anchors, 1),
            "ours": lambda n: ours(f"first{n}").track(1, anchors, 0, count - 1),
            # the reference can only track the shot again; ours goes from anchor to anchor
            "theirs changed": lambda n: reference(predictor, clip, changed, 1),
            "ours changed": lambda n: ours(f"first{n}").track(1, beside, before, after - 1),
            "three": lambda n: ours(f"three{n}").track(3, anchors, 0, count - 1),
            "apart": lambda n: ours(f"apart{n}").track(3, anchors, 0, count - 1, together=False),
            "theirs three": lambda n: reference(predictor, clip, anchors, 3),
        }
        timed(partial(works["theirs"], -1))
        timed(partial(works["ours"], -1))
        took = [
            {name: timed(partial(work, n)) for name, work in works.items()} for n in range(turns)
        ]

    def tell(what: str, over: str, under: str, rest: str) -> None:
        ratios = sorted(turn[over] / turn[under] for turn in took)
        spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{what}: {ratios[len(ratios) // 2]:.2f} {spread} x {rest}", flush=True)

    tell("first pass", "theirs", "ours", "the reference's frames per second")
    tell(f"prompt on {middle} of {count} changed", "theirs changed", "ours changed", "it")
    tell("three layers", "three", "ours", "the time of one")
    tell("three layers, each by itself", "apart", "ours", "the time of one")
    tell("first pass of three layers", "theirs three", "three", "the reference's")


def layers_of(sam: Sam2, seen: dict[str, np.ndarray], step: Step) -> None:
    list(sam.step_layers(seen, [step]))


def shares(names: list[str]) -> None:
    """Print what the networks take at their own size, features and steps."""
    module = load_tiny()
    picture = np.random.default_rng(0).random((540, 960, 3), np.float32)
    asked = GridPrompts(boxes=((300.0, 100.0, 600.0, 400.0),))
    for name in names:
        model = sam2_network.settings(f"sam2.1/sam2.1_hiera_{name}")
        network = sam2_network.build(model, module.random_state(model))
        sam = Sam2(sam2_network.lighten(network), half=True)
        seen = sam.encode(picture)
        first = sam.start(seen, sam.segment(seen, asked), asked)
        pointers = np.repeat(first["pointer"][None], 14, axis=0)
        full = {**first, "age": np.array([20], np.int32), "pointers": pointers}
        step = Step(full, [(first, None)], [full] * (LOOK_BACK - 1))
        layers_of(sam, seen, step)
        encode = np.median([timed(partial(sam.encode, picture)) for _ in range(3)])
        one = np.median([timed(partial(layers_of, sam, seen, step)) for _ in range(3)])
        three = (encode + 3 * one) / (encode + one)
        print(
            f"{name}: features {encode:.2f} s, a step {one:.2f} s; 3 layers {three:.2f} x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--short", type=int, default=48)
    parser.add_argument("--long", type=int, default=480)
    parser.add_argument("--shares", nargs="+", choices=("t", "s", "b+", "l"))
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        memory(asked.memory[0], int(asked.memory[1]))
        return
    if asked.shares:
        shares(asked.shares)
        return
    for who in ("ours", "reference"):
        short, long = peak(who, asked.short), peak(who, asked.long)
        print(
            f"memory, {who}: {long / short:.3f} x at {asked.long} frames that at {asked.short}",
            flush=True,
        )
    speed(asked.frames, asked.turns)


if __name__ == "__main__":
    main()
