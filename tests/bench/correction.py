"""How many prompts it takes: a simulated artist corrects the worst frame until all are good.

    python tests/bench/correction.py --plates ../shared/plates [blondehair lemur] [--good 0.9]

The artist starts with a box on the first frame, taken from the truth. Then, again and again, he
looks for the frame with the lowest IoU and clicks in the middle of the largest error there. After
every click all masks outside the corrected interval are compared bit by bit with those before.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from rotograph import Graph, exr
from rotograph.correct import Present, correct
from rotograph.environment import Environment
from rotograph.metrics import iou
from rotograph.prompt import Prompt
from rotograph.store import Store

LAYER = "hero"


def truths(folder: Path) -> dict[int, np.ndarray]:
    """``(H, W)`` bool by frame, over the data window."""
    paths = sorted(folder.glob("alpha.*.exr"))
    return {int(p.name.split(".")[1]): exr.read(p).coverage() > 0.5 for p in paths}


def box_of(mask: np.ndarray, window) -> tuple[float, ...]:
    rows, columns = np.nonzero(mask)
    x0, y0 = columns.min() + window.x0, rows.min() + window.y0
    x1, y1 = columns.max() + 1 + window.x0, rows.max() + 1 + window.y0
    return tuple(map(float, (x0 - 4, y0 - 4, x1 + 4, y1 + 4)))


def click(mask: np.ndarray, truth: np.ndarray, window) -> tuple[tuple[float, float], bool]:
    """The middle of the largest error, and whether it is missing (else it is too much)."""
    found = []
    for missing, wrong in ((True, truth & ~mask), (False, mask & ~truth)):
        padded = np.pad(wrong, 1).astype(np.uint8)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append((float(depth[y, x]), (x + 0.5 + window.x0, y + 0.5 + window.y0), missing))
    _, at, missing = max(found)
    return (float(at[0]), float(at[1])), missing


def graph_of(folder: Path, model: str, work: Path) -> Graph:
    plate = str(folder.absolute() / "plate.####.exr")
    nodes = {
        "plate": {"type": "Read", "file": plate, "colour_space": "ACEScg"},
        "track": {"type": "Track", "inputs": {"plate": "plate"}, "model": model},
    }
    graph = Graph.from_dict({"rotograph": 1, "nodes": nodes}, work)
    graph.save(work / "graph.json")
    return Graph.load(work / "graph.json")


def measure(folder: Path, model: str, good: float, most: int) -> None:
    truth = truths(folder)
    frames = sorted(truth)
    window = exr.header(next(iter(sorted(folder.glob("plate.*.exr"))))).data
    with tempfile.TemporaryDirectory() as text:
        graph = graph_of(folder, model, Path(text))
        environment = Environment(Store(Path(text) / "store"))
        box = Prompt(frames[0], LAYER, box=box_of(truth[frames[0]], window))
        graph.nodes["track"].set("prompts", [box.to_json()])
        before: dict[int, np.ndarray] = {}
        clicked, anchors = frames[0], set[int]()
        for count in range(most + 1):
            present = Present(graph, environment)
            masks = {f: m for _, f, m in present.outputs("track", (LAYER,), frames)}
            if before:
                check(before, masks, anchors, clicked)
            before = {f: m.logits for f, m in masks.items()}
            at = {f: masks[f].at(window) > 0 for f in frames}
            scores = {f: iou(at[f].astype("f4"), truth[f].astype("f4")) for f in frames}
            clicked = min(scores, key=scores.get)
            print(
                f"  {count + 1:3} prompts: worst IoU {scores[clicked]:.3f} on {clicked}", flush=True
            )
            if scores[clicked] >= good:
                print(f"{folder.name}: {count + 1} prompts until IoU {good} on all frames")
                return
            anchors = {p.frame for p in graph.nodes["track"].value("prompts")}
            point, missing = click(at[clicked], truth[clicked], window)
            said = Prompt(clicked, LAYER, point=point, positive=missing)
            correct(graph, environment, [said])
        print(f"{folder.name}: not in {most} prompts")


def check(before, masks, anchors: set[int], clicked: int) -> None:
    """Raise when a frame changed that lies beyond the anchors next to the corrected frame."""
    low = max((a for a in anchors if a < clicked), default=-(10**9))
    high = min((a for a in anchors if a > clicked), default=10**9)
    changed = [f for f, m in masks.items() if not np.array_equal(m.logits, before[f])]
    beyond = [f for f in changed if not low < f < high]
    if beyond:
        raise SystemExit(f"frames {beyond} changed, though {clicked} was corrected")
    print(
        f"      {len(changed)} frames changed, the other {len(masks) - len(changed)} to the bit not"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=Path, required=True)
    parser.add_argument("--model", default="classic")
    parser.add_argument("--good", type=float, default=0.9)
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("names", nargs="*", default=["blondehair", "lemur"])
    asked = parser.parse_args()
    for name in asked.names:
        measure(asked.plates / name, asked.model, asked.good, asked.most)


if __name__ == "__main__":
    main()
