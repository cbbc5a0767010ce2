"""How many prompts it takes: a simulated artist corrects the worst frame until all are good.

    python tests/bench/correction.py --plates ../shared/plates [crowd blondehair lemur] [--good 0.9]

The artist starts with a box on the first and the last frame on which a layer is seen, taken from
the truth. Then, again and again, he looks for the mask with the lowest IoU and clicks in the middle
of the largest error there; he draws the mask where it is lost (IoU under 0.5) or two clicks did
not do. After every prompt all masks of all layers are compared bit by bit with those before: the
run fails if one changed that lies beyond the anchors next to the corrected frame. With ``--one``
there is a box on the first frame alone: then nothing lies beyond, and a correction reaches to the
end of the shot.
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
from rotograph.image import Box, Image, ImageSpec
from rotograph.metrics import iou
from rotograph.prompt import Prompt
from rotograph.store import Store

LEAST = 200
"""Plate pixels: a layer with fewer is hidden, and nobody corrects it."""
CLICKS, LOST = 2, 0.5
Masks = dict[tuple[str, int], np.ndarray]


def truths(folder: Path) -> tuple[Masks, Box]:
    """(layer, frame) -> ``(H, W)`` bool over the data window, where the layer is seen."""
    found: Masks = {}
    for path in sorted([*folder.glob("alpha.*.exr"), *folder.glob("truth.*.exr")]):
        image, frame = exr.read(path), int(path.name.split(".")[1])
        named = {n[:-2]: image.channel(n) for n in image.spec.channels if n.endswith(".A")}
        for layer, alpha in (named or {"hero": image.coverage()}).items():
            if (alpha > 0.5).sum() >= LEAST:
                found[layer, frame] = alpha > 0.5
    return found, image.spec.data


def box_of(mask: np.ndarray, window: Box) -> tuple[float, ...]:
    rows, columns = np.nonzero(mask)
    x0, y0 = columns.min() + window.x0, rows.min() + window.y0
    x1, y1 = columns.max() + 1 + window.x0, rows.max() + 1 + window.y0
    return tuple(map(float, (x0 - 4, y0 - 4, x1 + 4, y1 + 4)))


def click(mask: np.ndarray, truth: np.ndarray, window: Box) -> tuple[tuple[float, float], bool]:
    """The middle of the largest error, and whether it is missing (else it is too much)."""
    found = []
    for missing, wrong in ((True, truth & ~mask), (False, mask & ~truth)):
        padded = np.pad(wrong, 1).astype(np.uint8)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append((float(depth[y, x]), (x + 0.5 + window.x0, y + 0.5 + window.y0), missing))
    _, at, missing = max(found)
    return (float(at[0]), float(at[1])), missing


def drawn(mask: np.ndarray, window: Box, path: Path) -> str:
    spec = ImageSpec(window, window, ("A",), alpha="straight")
    exr.write(path, Image(spec, mask.astype(np.float16)[..., None]))
    return path.name


def graph_of(folder: Path, model: str, prompts: list[Prompt], work: Path) -> Graph:
    plate = str(folder.absolute() / "plate.####.exr")
    nodes = {
        "plate": {"type": "Read", "file": plate, "colour_space": "ACEScg"},
        "track": {
            "type": "Track",
            "inputs": {"plate": "plate"},
            "model": model,
            "prompts": [prompt.to_json() for prompt in prompts],
        },
    }
    Graph.from_dict({"rotograph": 1, "nodes": nodes}, work).save(work / "graph.json")
    return Graph.load(work / "graph.json")


def measure(folder: Path, asked: argparse.Namespace) -> None:
    truth, window = truths(folder)
    layers = list(dict.fromkeys(layer for layer, _ in truth))
    seen = {layer: [f for name, f in truth if name == layer] for layer in layers}
    frames = sorted({f for _, f in truth})
    boxed = [(n, f) for n in layers for f in seen[n][:: 1 if asked.one else len(seen[n]) - 1]]
    if asked.one:
        boxed = [(n, seen[n][0]) for n in layers]
    start = [Prompt(f, n, box=box_of(truth[n, f], window)) for n, f in boxed]
    reached: list[float] = []
    with tempfile.TemporaryDirectory() as text:
        work = Path(text)
        graph = graph_of(folder, asked.model, start, work)
        environment = Environment(Store(work / "store"))
        before: Masks = {}
        anchors: set[int] = set()
        layer, frame = boxed[0]
        tries: dict[tuple[str, int], int] = {}
        masks_drawn = 0
        for count in range(asked.most + 1):
            found = Present(graph, environment).outputs("track", layers, frames)
            masks = {(n, f): mask for n, f, mask in found}
            now = {name: mask.logits for name, mask in masks.items()}
            if before:
                reached.append(changed(before, now, layer, frame, anchors))
            before = now
            at = {name: masks[name].at(window) > 0 for name in truth}
            scores = {name: iou(at[name].astype("f4"), truth[name].astype("f4")) for name in truth}
            layer, frame = min(scores, key=scores.get)
            worst = scores[layer, frame]
            line = f"  {len(start)} boxes, {count} corrections: worst IoU {worst:.3f}"
            print(f"{line} ({layer} on {frame})", flush=True)
            if worst >= asked.good:
                break
            known = graph.nodes["track"].value("prompts")
            anchors = {p.frame for p in known if p.layer == layer}
            tries[layer, frame] = tries.get((layer, frame), 0) + 1
            if tries[layer, frame] > CLICKS or worst < LOST:
                masks_drawn += 1
                name = drawn(truth[layer, frame], window, work / f"{layer}.{frame}.exr")
                graph.nodes["track"].set("prompts", [
                    *(p.to_json() for p in known if (p.layer, p.frame) != (layer, frame)),
                    Prompt(frame, layer, mask=name, whole=True).to_json(),
                ])  # fmt: skip
            else:
                point, missing = click(at[layer, frame], truth[layer, frame], window)
                said = Prompt(frame, layer, point=point, positive=missing)
                correct(graph, environment, [said])
    done = f"{len(start) + len(reached)} prompts for {len(layers)} layers on {len(frames)} frames"
    how = f"{len(start)} boxes, {len(reached) - masks_drawn} clicks, {masks_drawn} drawn"
    good = f"until IoU {asked.good}" if worst >= asked.good else f"and still IoU {worst:.3f}"
    print(f"{folder.name}: {done} ({how}) {good} on all of them")
    if reached:
        print(
            f"{folder.name}: a correction changed {100 * np.mean(reached):.0f} % of its layer's "
            f"frames on average, the others of all layers to the bit not"
        )


def changed(before: Masks, now: Masks, layer: str, frame: int, anchors: set[int]) -> float:
    """Part of the layer's frames that changed; raises when any changed beyond the next anchors."""
    low = max((a for a in anchors if a < frame), default=-(10**9))
    high = min((a for a in anchors if a > frame), default=10**9)
    moved = {name for name, logits in now.items() if not np.array_equal(logits, before[name])}
    beyond = sorted(f for _, f in moved if not low < f < high)
    if beyond:
        raise SystemExit(f"frames {beyond} changed, though {layer} was corrected on {frame}")
    own = [f for name, f in now if name == layer]
    return len([f for name, f in moved if name == layer]) / len(own)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=Path, required=True)
    parser.add_argument("--model", default="classic")
    parser.add_argument("--good", type=float, default=0.9)
    parser.add_argument("--most", type=int, default=60, help="corrections")
    parser.add_argument("--one", action="store_true", help="a box on the first frame alone")
    parser.add_argument("names", nargs="*", default=["crowd", "blondehair", "lemur"])
    asked = parser.parse_args()
    for name in asked.names:
        measure(asked.plates / name, asked)


if __name__ == "__main__":
    main()
