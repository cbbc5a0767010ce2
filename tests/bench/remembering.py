"""SAM 2 driven by Rotograph against the package's own video predictor: same weights, same frames.

    OMP_NUM_THREADS=1 python tests/bench/remembering.py [--frames 36] [--turns 3] [--long 480]
    OMP_NUM_THREADS=1 python tests/bench/remembering.py --size 1024 --half --frames 28 --turns 1
    OMP_NUM_THREADS=1 python tests/bench/remembering.py --shares t s b+ l [--half]

Speed: SAM 2.1 tiny as it is, but at 256 pixels (``--size``), with random weights: the ratios tell
what driving it costs, not how good it is; ``--half``: both in bfloat16. Memory: its classes with
fewer than a million weights (tests/rotograph_nodes/tiny_sam2.py), at 256 pixels. Ours keeps every
result in a store on disk, as a render does. Every line is a ratio within this run: the works go in
turns, and the median of the turns' ratios is told with the least and the largest. ``--shares``: of
the networks at 1024 pixels, the processor's seconds and the multiplications and additions for a
frame's features and for one layer's step with the memory full, the package's network beside, and
what three layers cost by them.
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
from torch.utils.flop_counter import FlopCounterMode

from rotograph.pack import pack, unpack
from rotograph.store import Store
from rotograph_nodes.models import sam2_lighter, sam2_network
from rotograph_nodes.models.prompts import GridPrompts
from rotograph_nodes.models.sam2_tracker import Sam2, Step

LOOK_BACK = 6
ANCHOR_EVERY = 9
"""Frames from one prompted frame to the next."""
_FLASH = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def load_tiny():
    path = Path(__file__).resolve().parents[1] / "rotograph_nodes" / "tiny_sam2.py"
    spec = importlib.util.spec_from_file_location("tiny_sam2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_clip(folder: Path, count: int, size: int) -> None:
    """JPEG frames, which is what the package's predictor reads."""
    wall = np.random.default_rng(3).integers(0, 255, (16, 24, 3), np.uint8)
    y, x = np.mgrid[:size, :size]
    for n in range(count):
        back = Image.fromarray(np.roll(wall, n, 1)).resize((size, size), Image.Resampling.BICUBIC)
        picture = np.array(back)
        for layer in range(3):
            left, top, right, bottom = box(layer, n, size)
            cx, cy, radius = (left + right) / 2, (top + bottom) / 2, (right - left) / 2
            picture[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = 60 + 70 * layer
        Image.fromarray(picture).save(folder / f"{n:05d}.jpg", quality=95)


def box(layer: int, frame: int, size: int, grow: float = 0.0) -> tuple[float, ...]:
    """Around a disc that moves; grow: by how many 256ths of the picture."""
    cx, cy = 50.0 + 60.0 * layer + abs(frame % 40 - 20), 60.0 + 50.0 * layer
    corners = cx - 30.0 - grow, cy - 30.0 - grow, cx + 30.0 + grow, cy + 30.0 + grow
    return tuple(c * size / 256 for c in corners)


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
            corners = box(layer, frame, self.sam.network.image_size, grow)
            seen, asked = self.features(frame), GridPrompts(boxes=(corners,))
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


def reference(
    predictor, clip: Path, anchors: dict[int, float], layers: int, most: int | None = None
) -> None:
    session = predictor.init_state(str(clip))
    for layer in range(layers):
        for frame, grow in anchors.items():
            corners = np.array(box(layer, frame, predictor.image_size, grow), np.float32)
            predictor.add_new_points_or_box(session, frame, layer, box=corners)
    for _ in predictor.propagate_in_video(session, 0, most):
        pass


def networks(changes: dict, half: bool = False, name: str = "t"):
    """Ours and the reference's predictor, with the same random weights."""
    module = load_tiny()
    model = sam2_network.settings(f"sam2.1/sam2.1_hiera_{name}", changes)
    state = module.random_state(model)
    sam = Sam2(sam2_lighter.lighten(sam2_network.build(model, state), half), half=half)
    other = model.copy()
    other["_target_"] = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    # asking for gradients, which nobody works out, is what lets autocast round weights only once
    return sam, sam2_network.build(other, state).requires_grad_(half)


def small_picture(size: int) -> dict:
    attention = {"feat_sizes": [size // 16, size // 16]}
    layer = {"self_attention": attention, "cross_attention": attention}
    return {"image_size": size, "memory_attention": {"layer": layer}}


def memory(who: str, count: int) -> None:
    """Print the peak of resident memory, in a process of its own.

    Looked at now and then: what the system says at the end, a process inherits from its parent.
    """
    sam, predictor = networks(load_tiny().CHANGES)
    process, most = psutil.Process(), [0]

    def look() -> None:
        while True:
            most[0] = max(most[0], process.memory_info().rss)
            time.sleep(0.01)

    threading.Thread(target=look, daemon=True).start()
    with tempfile.TemporaryDirectory() as text:
        clip = Path(text) / "clip"
        clip.mkdir()
        make_clip(clip, count, sam.network.image_size)
        if who == "ours":
            ours = Ours(sam, clip, Store(Path(text) / "store"))
            timed(lambda: ours.track(1, {0: 0.0}, 0, count - 1))
        else:
            timed(lambda: reference(predictor, clip, {0: 0.0}, 1))
    print(most[0])


def peak(who: str, count: int) -> int:
    command = [sys.executable, __file__, "--memory", who, str(count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def speed(count: int, turns: int, size: int, half: bool) -> None:
    sam, predictor = networks(small_picture(size), half)
    anchors = dict.fromkeys(range(0, count, ANCHOR_EVERY), 0.0)
    middle = sorted(anchors)[len(anchors) // 2]
    changed = {**anchors, middle: 4.0}
    after = min((f for f in anchors if f > middle), default=count)
    before = max(f for f in anchors if f < middle)
    beside = {f: g for f, g in changed.items() if before <= f <= after}
    with tempfile.TemporaryDirectory() as text:
        clip = Path(text) / "clip"
        clip.mkdir()
        make_clip(clip, count, size)

        def ours(name: str) -> Ours:
            return Ours(sam, clip, Store(Path(text) / name))

        works = {
            "theirs": lambda n: reference(predictor, clip, anchors, 1),
            "ours": lambda n: ours(f"first{n}").track(1, anchors, 0, count - 1),
            # the reference can only track the shot again; ours goes from anchor to anchor
            "theirs changed": lambda n: reference(predictor, clip, changed, 1),
            "ours changed": lambda n: ours(f"first{n}").track(1, beside, before, after - 1),
            "three": lambda n: ours(f"three{n}").track(3, anchors, 0, count - 1),
            "theirs three": lambda n: reference(predictor, clip, anchors, 3),
        }
        if size <= 256:  # larger ones go one by one on a processor
            alone = partial(Ours.track, layers=3, first=0, last=count - 1, together=False)
            works["apart"] = lambda n: alone(ours(f"apart{n}"), anchors=anchors)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            timed(partial(reference, predictor, clip, {0: 0.0}, 1, 3))
            timed(lambda: ours("warm").track(1, {0: 0.0}, 0, 3))
            took = [
                {name: timed(partial(work, n)) for name, work in works.items()}
                for n in range(turns)
            ]

    def tell(what: str, over: str, under: str, rest: str) -> None:
        ratios = sorted(turn[over] / turn[under] for turn in took)
        spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{what}: {ratios[len(ratios) // 2]:.2f} {spread} x {rest}", flush=True)

    tell("first pass", "theirs", "ours", "the reference's frames per second")
    tell(f"prompt on {middle} of {count} changed", "theirs changed", "ours changed", "it")
    tell("three layers", "three", "ours", "the time of one")
    if "apart" in works:
        tell("three layers, each by itself", "apart", "ours", "the time of one")
    tell("first pass of three layers", "theirs three", "three", "the reference's")


def stepped(sam: Sam2, seen: dict[str, np.ndarray], step: Step) -> None:
    list(sam.step_layers(seen, [step]))


def multiplied(work) -> float:
    """Thousands of millions of multiplications and additions, attention's too."""
    counter = FlopCounterMode(display=False, custom_mapping={_FLASH: _flash_flops})
    with counter:
        work()
    return counter.get_total_flops() / 1e9


def _flash_flops(q, k, v, *args, out_shape=None, **kwargs) -> int:
    del args, out_shape, kwargs
    return 2 * q[0] * q[1] * q[2] * k[2] * (q[3] + v[3])


def shares(names: list[str], half: bool, turns: int) -> None:
    """Print what the networks take at their own size, features and steps."""
    picture = np.random.default_rng(0).random((540, 960, 3), np.float32)
    asked = GridPrompts(boxes=((300.0, 100.0, 600.0, 400.0),))
    for name in names:
        ours, predictor = networks({}, half, name)
        works = {}
        for who, sam in (("ours", ours), ("the package's", Sam2(predictor, half=half))):
            seen = sam.encode(picture)
            first = sam.start(seen, sam.segment(seen, asked), asked)
            pointers = np.repeat(first["pointer"][None], 14, axis=0)
            full = {**first, "age": np.array([20], np.int32), "pointers": pointers}
            step = Step(full, [(first, None)], [full] * (LOOK_BACK - 1))
            works[who] = partial(sam.encode, picture), partial(stepped, sam, seen, step)
        sums = {who: [multiplied(work) for work in pair] for who, pair in works.items()}
        took = [
            {who: [timed(work) for work in pair] for who, pair in works.items()}
            for _ in range(turns)
        ]
        for who in works:
            features, step = np.median([turn[who] for turn in took], axis=0)
            print(
                f"{name}, {who}: features {features:.2f} s for {sums[who][0]:.0f} G, "
                f"a step {step:.2f} s for {sums[who][1]:.0f} G; "
                f"3 layers {(features + 3 * step) / (features + step):.2f} x",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--short", type=int, default=48)
    parser.add_argument("--long", type=int, default=480)
    parser.add_argument("--size", type=int, default=256, help="of the picture, for the speed")
    parser.add_argument("--half", action="store_true", help="in bfloat16")
    parser.add_argument("--shares", nargs="+", choices=("t", "s", "b+", "l"))
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        memory(asked.memory[0], int(asked.memory[1]))
        return
    if asked.shares:
        shares(asked.shares, asked.half, asked.turns)
        return
    speed(asked.frames, asked.turns, asked.size, asked.half)
    if asked.size != 256:
        return
    for who in ("ours", "reference"):
        short, long = peak(who, asked.short), peak(who, asked.long)
        print(
            f"memory, {who}: {long / short:.3f} x at {asked.long} frames that at {asked.short}",
            flush=True,
        )


if __name__ == "__main__":
    main()
