"""How well the classic models segment and track: IoU against exact mattes, frame by frame.

    python tests/bench/tracking.py --plates ../shared/plates [--size 640] [blondehair lemur crowd]

Boxes are derived from the truth (alpha > 0.5, grown by 2 %) on a few frames, as an artist would
draw them; the mask is logits > 0 at the plate's resolution. With several layers the table shows
them as ``exclusive`` mode leaves them.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import PyOpenColorIO as ocio

from rotograph.metrics import iou
from rotograph_nodes import overlap, working
from rotograph_nodes.models.classic import motion, segmenter, tracker
from rotograph_nodes.models.prompts import GridPrompts

BOXED = {"blondehair": (1001, 1013), "lemur": (1001, 1013), "crowd": (1001, 1008, 1016)}
LEAST = 30  # plate pixels; a layer with fewer is counted as hidden


def channels(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: c.pixels.astype(np.float32) for name, c in file.channels().items()}


def pictures(folder: Path, size: int) -> dict[int, np.ndarray]:
    """ACEScct at working resolution, by frame."""
    config = ocio.Config.CreateFromFile("ocio://default")
    convert = config.getProcessor("ACEScg", "ACEScct").getDefaultCPUProcessor()
    out = {}
    for path in sorted(folder.glob("plate.*.exr")):
        planes = channels(path)
        rgb = np.nan_to_num(np.dstack([planes[c] for c in "RGB"]), nan=0.0).clip(0.0, 65504.0)
        height, width = rgb.shape[:2]
        scale = min(1.0, size / max(height, width))
        target = round(width * scale), round(height * scale)
        rgb = np.ascontiguousarray(cv2.resize(rgb, target, interpolation=cv2.INTER_AREA))
        convert.applyRGB(rgb)
        out[int(path.name.split(".")[1])] = rgb
    return out


def truths(folder: Path) -> dict[int, dict[str, np.ndarray]]:
    """Exact alpha of every layer, by frame."""
    out = {}
    for path in sorted([*folder.glob("alpha.*.exr"), *folder.glob("truth.*.exr")]):
        planes = channels(path)
        named = {n[:-2]: p for n, p in planes.items() if n.endswith(".A")}
        out[int(path.name.split(".")[1])] = named or {"hero": next(iter(planes.values()))}
    return out


def box(alpha: np.ndarray, grid: tuple[int, int], grow: float = 0.02) -> GridPrompts | None:
    rows, columns = np.nonzero(alpha > 0.5)
    if rows.size < LEAST:
        return None
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    dx, dy = grow * (x1 - x0), grow * (y1 - y0)
    sx, sy = grid[1] / alpha.shape[1], grid[0] / alpha.shape[0]
    corners = (x0 - dx) * sx, (y0 - dy) * sy, (x1 + dx) * sx, (y1 + dy) * sy
    return GridPrompts(
        boxes=(
            tuple(float(np.clip(v, 0, s)) for v, s in zip(corners, grid[::-1] * 2, strict=True)),
        )
    )


def track(features, flows, anchors):
    """``{frame: (logits, confidence)}`` of one layer, and the seconds of one step."""
    frames = sorted(features)
    states = {f: tracker.start(features[f], logits) for f, logits in anchors.items()}
    known = sorted(states)
    sides = {
        f: [
            (states[a], features[a])
            for a in dict.fromkeys(
                [*[a for a in known if a <= f][-1:], *[a for a in known if a >= f][:1]]
            )
        ]
        for f in frames
    }
    began, steps = time.perf_counter(), 0
    ahead, back = {}, {}
    for f in frames:
        if f in states:
            ahead[f] = states[f]
        elif f - 1 in ahead:
            ahead[f] = tracker.step(
                ahead[f - 1], features[f - 1], features[f], flows[f - 1], sides[f]
            )
            steps += 1
    for f in reversed(frames):
        if f in states:
            back[f] = states[f]
        elif f + 1 in back:
            between = working.reverse(flows[f])
            back[f] = tracker.step(back[f + 1], features[f + 1], features[f], between, sides[f])
            steps += 1
    seconds = (time.perf_counter() - began) / max(1, steps)
    out = {}
    for f in frames:
        if f in states:
            out[f] = tracker.fuse(states[f], None, 0, None, features[f])
            continue
        before = max((a for a in known if a < f), default=None)
        after = min((a for a in known if a > f), default=None)
        out[f] = tracker.fuse(
            ahead.get(f),
            back.get(f),
            None if before is None else f - before,
            None if after is None else after - f,
            features[f],
        )
    return out, seconds


def measure(folder: Path, boxed: tuple[int, ...], size: int) -> dict[str, dict[int, float]]:
    """IoU by layer and frame; frames on which a layer is hidden are left out."""
    shown, exact = pictures(folder, size), truths(folder)
    frames = sorted(shown)
    grid = shown[frames[0]].shape[:2]
    features = {f: tracker.encode(shown[f]) for f in frames}
    began = time.perf_counter()
    flows = {a: motion.motion(features[a], features[b]) for a, b in pairwise(frames)}
    print(f"{folder.name}: motion {(time.perf_counter() - began) / len(flows):.2f} s a frame")
    tracked = {}
    for layer in exact[frames[0]]:
        asked = {f: box(exact[f][layer], grid) for f in boxed}
        began = time.perf_counter()
        anchors = {
            f: segmenter.segment(segmenter.encode(shown[f]), prompts)
            for f, prompts in asked.items()
            if prompts is not None
        }
        seconds = (time.perf_counter() - began) / max(1, len(anchors))
        tracked[layer], step = track(features, flows, anchors)
        print(f"  {layer}: segment {seconds:.2f} s, step {step:.2f} s")
    scores: dict[str, dict[int, float]] = {layer: {} for layer in tracked}
    for f in frames:
        for layer in tracked:
            others = [tracked[o][f][0] for o in tracked if o != layer]
            logits = overlap.resolve_logits("exclusive", tracked[layer][f][0], others)
            truth = exact[f][layer]
            if (truth > 0.5).sum() >= LEAST:
                mask = cv2.resize(logits, truth.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0
                scores[layer][f] = iou(mask.astype(np.float32), truth)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=Path, required=True, help="folder with the test plates")
    parser.add_argument("--size", type=int, default=640, help="long side of the working picture")
    parser.add_argument("names", nargs="*", default=list(BOXED), help="which plates")
    arguments = parser.parse_args()
    for name in arguments.names:
        scores = measure(arguments.plates / name, BOXED[name], arguments.size)
        for layer, by_frame in scores.items():
            print(f"  {layer}: " + " ".join(f"{f}:{v:.3f}" for f, v in by_frame.items()))
            values = list(by_frame.values())
            print(f"  {layer}: mean {np.mean(values):.3f}  least {min(values):.3f}")
        print(
            f"{name}: mean IoU {np.mean([np.mean(list(v.values())) for v in scores.values()]):.3f}"
        )


if __name__ == "__main__":
    main()
