"""How long planning a long shot takes, with every digest known and no pixels at all.

    python tests/bench/plan.py [--frames 2000] [--profile]

The graph is the README's; seconds are of CPU time. Leaf digests are made up, the store is a set
of keys: what is timed is the needs, the keys and the walk. Beside it a reference loop, because
machines differ.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import time
from pathlib import Path

from rotograph import Graph
from rotograph.explain import explain
from rotograph.image import Box, ImageSpec
from rotograph.lastrun import Before, Noted
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan


class MadeUpPlate:
    """A plate of which only the frame numbers are real."""

    still = False

    def __init__(self, frames: range) -> None:
        self.frames = tuple(frames)

    def path(self, frame: int) -> str:
        return f"/plate.{frame}.exr"

    def file(self, frame: int) -> Path:
        return Path(self.path(frame))

    def spec(self, frame: int) -> ImageSpec:
        return ImageSpec(Box(0, 0, 1920, 1080), Box(0, 0, 1920, 1080))

    def place(self, frame: int) -> tuple[str, None, tuple]:
        return self.path(frame), None, ()


class MadeUpWorld:
    """Digests made up from names; ``stored`` is a set of keys, or everything."""

    def __init__(self, frames: range, stored: set[bytes] | None) -> None:
        self.models = Models()
        self.plate = MadeUpPlate(frames)
        self.stored = stored

    def colour_digest(self) -> str:
        return "made up"

    def open_plate(self, path, start, **choice):
        return self.plate

    def plate_space(self, plate, named) -> str:
        return named or "ACEScg"

    def leaf_digest(self, leaf) -> bytes:
        return hashlib.blake2b(f"{leaf.kind}{leaf.path}".encode(), digest_size=16).digest()

    def has(self, key: bytes) -> bool:
        return self.stored is None or key in self.stored

    def small_result(self, key: bytes) -> None:
        return None

    def written(self, path: Path, key: bytes) -> str:
        return "" if self.stored is None else "new"


def graph(frames: range) -> Graph:
    made = Graph("/")
    prompts = [
        {"frame": frame, "layer": "hero", "box": [300, 60, 700, 540]}
        for frame in (frames[0], frames[len(frames) // 3], frames[-1])
    ]
    made.add("plate", "Read", file="plate.####.exr", colour_space="ACEScg")
    made.add("segment", "Segment", inputs={"plate": "plate"}, prompts=prompts)
    made.add("track", "Track", inputs={"plate": "plate", "masks": "segment"})
    made.add("matte", "Matte", inputs={"plate": "plate", "logits": "track"})
    made.add("refine", "Refine", inputs={"plate": "plate", "matte": "matte"})
    made.add("out", "Write", inputs={"image": "refine"}, file="mattes/matte.####.exr")
    made.check()
    return made


def reference(count: int) -> float:
    """CPU seconds for hashing ``count`` small things into a dict: a measure of the machine."""
    start = time.process_time()
    known = {}
    for i in range(count):
        known[f"frame.{i}"] = hashlib.blake2b(b"%d" % i * 8, digest_size=16).digest()
    assert len(known) == count
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    frames = range(1001, 1001 + asked.frames)
    unit = min(reference(100_000) for _ in range(3))
    for name, stored in (("everything stored", None), ("nothing stored", set())):
        times = []
        for _ in range(1 if asked.profile else 3):
            profile = cProfile.Profile()
            start = time.process_time()
            if asked.profile:
                profile.enable()
            made = plan(Keys(graph(frames), MadeUpWorld(frames, stored)))
            profile.disable()
            times.append(time.process_time() - start)
            if asked.profile:
                pstats.Stats(profile).sort_stats("tottime").print_stats(16)
        print(
            f"{asked.frames} frames, {name}: {min(times):.2f} s, {min(times) / unit:.1f} times "
            f"100,000 hashes in a dict ({unit:.2f} s); {len(made.dirty)} dirty"
        )
    told, seconds = explained(frames)
    print(
        f"why all of it is dirty after an edit: {seconds:.2f} s, {seconds / unit:.1f} times; {told}"
    )


def explained(frames: range) -> tuple[dict[str, list[str]], float]:
    """(node -> reasons, CPU seconds) of a plan after an edit of the tracker and of the matte."""
    world = MadeUpWorld(frames, set())
    before = Before(
        Keys(graph(frames), world), Noted("", {}, {}, "made up", [], list(frames), True)
    )
    edited = graph(frames)
    edited.set("matte.inside=9")
    edited.nodes["segment"].set("prompts", edited.nodes["segment"].to_json()["prompts"][:2])
    keys = Keys(edited, world)
    made = plan(keys)
    start = time.process_time()
    told = explain(keys, made, before)
    return {node: list(reasons) for node, reasons in told.items()}, time.process_time() - start


if __name__ == "__main__":
    main()
