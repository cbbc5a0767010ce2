"""How well editable shapes carry mattes: python tests/bench/splines.py [PLATES] [NAME ...].

PLATES is the folder with ``blondehair`` and ``crowd`` (default: ../shared/plates). The exact mattes
become shapes, the shapes are rasterised again, anti-aliased and with their feather, and held
against the mattes: IoU of alpha > 0.5, all frames together ("IoU") and the worst frame that has at
least 200 pixels of the layer. "residual" is the mean absolute value of what is delivered beside
the shapes. Shapes "+2" are those of the layers before it that are cut out of it.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from rotograph import exr
from rotograph.deliver import correspondence, splines
from rotograph.deliver.rasterise import layer_alpha
from rotograph.picture import layer_colour


def load(folder: Path):
    """frames, layers, (layer, frame) -> alpha, the window, and the plates' motion."""
    files = sorted([*folder.glob("alpha.*.exr"), *folder.glob("truth.*.exr")])
    frames = [int(path.name.split(".")[1]) for path in files]
    images = [exr.read(path) for path in files]
    names = [c[:-2] for c in images[0].spec.channels if c.endswith(".A")] or ["hero"]
    alphas = {
        (name, frame): np.clip(image.coverage(name), 0.0, 1.0)
        for frame, image in zip(frames, images, strict=True)
        for name in names
    }
    window = images[0].spec.data
    size = splines.working_size(window)
    plates = (exr.read(folder / f"plate.{frame}.exr").rgb() for frame in frames)
    seen = [cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) for rgb in plates]
    flows = [(correspondence.motion(a, b), correspondence.motion(b, a)) for a, b in pairwise(seen)]
    return frames, names, alphas, window, flows


def report(folder: Path, pictures: Path | None) -> None:
    frames, names, alphas, window, flows = load(folder)
    start = time.perf_counter()
    shot = splines.take(frames, names, lambda n, f: alphas[n, f], window, flows)
    layers = splines.build(shot, {n: layer_colour(i) for i, n in enumerate(names)})
    seconds = time.perf_counter() - start
    print(
        f"\n{folder.name}: {len(frames)} frames of {window.width}x{window.height}, {seconds:.1f} s"
    )
    print(f"  {'':10}{'IoU':>8}{'worst':>8}{'shapes':>8}{'points':>8}{'keys':>12}{'residual':>10}")
    sums = np.zeros(2)
    for layer in layers:
        both, either, worst, left = 0, 0, (1.0, 0), []
        for frame in frames:
            truth, made = alphas[layer.name, frame], layer_alpha(layer, frame, window)
            a, b = truth > 0.5, made > 0.5
            one, all_ = np.count_nonzero(a & b), np.count_nonzero(a | b)
            both, either = both + one, either + all_
            left.append(np.abs(truth - made).mean())
            if np.count_nonzero(a) >= 200:
                worst = min(worst, (one / all_, frame))
            if pictures is not None:
                draw(pictures / f"{folder.name}.{layer.name}.{frame}.png", layer, frame, truth)
        sums += both, either
        own = [s for s in layer.shapes if " behind " not in s.name]
        cut = len(layer.shapes) - len(own)
        print(
            f"  {layer.name:10}{both / either:8.4f}{worst[0]:8.4f}{len(own):5}+{cut:<2}"
            f"{max(len(s.keys[0].points) for s in layer.shapes):8}{keyed(layer.shapes, frames):>12}"
            f"{np.mean(left):10.4f}  (worst is {worst[1]})"
        )
    print(f"  {'all':10}{sums[0] / sums[1]:8.4f}", flush=True)


def keyed(shapes, frames) -> str:
    """Keyframes of the shape that has the most of the frames that it is there on."""
    there = {s.name: sum(s.first <= f <= s.last for f in frames) for s in shapes}
    worst = max(shapes, key=lambda s: len(s.keys) / there[s.name])
    return f"{len(worst.keys)} of {there[worst.name]}"


def draw(path: Path, layer, frame: int, truth: np.ndarray) -> None:
    """The matte in grey, shapes over it: added ones green, cut ones red, and their points."""
    from rotograph.deliver.rasterise import outline

    picture = cv2.cvtColor((truth * 140).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    for shape in layer.shapes:
        key = shape.at(frame)
        if key is None:
            continue
        colour = (80, 80, 255) if shape.subtract else (80, 255, 80)
        cv2.polylines(
            picture, [np.round(outline(key.points) * 16).astype(np.int32)], True, colour, 1, 16, 4
        )
        for i, (_, point, _) in enumerate(key.points):
            at = tuple(int(v) for v in np.round(point))
            cv2.circle(picture, at, 2, (255, 255, 255) if i else (0, 255, 255), -1)
            if not shape.subtract:
                cv2.putText(picture, str(i), at, cv2.FONT_HERSHEY_PLAIN, 0.7, (0, 255, 255), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def main() -> None:
    usual = Path(__file__).resolve().parents[3] / "shared" / "plates"
    given = [a for a in sys.argv[1:] if not a.startswith("--pictures=")]
    pictures = next((Path(a[11:]) for a in sys.argv if a.startswith("--pictures=")), None)
    folder = Path(given[0]) if given else usual
    cv2.setNumThreads(1)
    for name in given[1:] or ("blondehair", "crowd"):
        report(folder / name, pictures)


if __name__ == "__main__":
    main()
