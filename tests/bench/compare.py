"""Our own mattes against exact ones, by the figures of ``rotograph compare``.

    python tests/bench/compare.py --plates ../shared/plates [--keep DIR] [blondehair lemur crowd]

Boxes are those of ``path.py``; rendered by ``rotograph render`` and measured by
``rotograph compare``, each as a user calls it. Prints a row of a table for each layer. With --keep
the graphs and mattes stay, and what is there is not computed again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import path as whole_path

FIGURES = ("mse", "sad", "conn", "grad", "band", "dtSSD", "IoU", "J", "F")
NAMES = ("blondehair", "lemur", "crowd")


def rotograph(*arguments: object) -> str:
    command = [sys.executable, "-m", "rotograph.cli", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def graph(folder: Path, boxed: tuple[int, ...]) -> dict[str, Any]:
    wires = {"plate": "plate"}
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": str(folder / "plate.####.exr")},
            "segment": {
                "type": "Segment",
                "inputs": wires,
                "prompts": whole_path.boxes(folder, boxed),
            },
            "track": {"type": "Track", "inputs": {**wires, "masks": "segment"}},
            "matte": {"type": "Matte", "inputs": {**wires, "logits": "track"}},
            "refine": {"type": "Refine", "inputs": {**wires, "matte": "matte"}},
            "out": {"type": "Write", "inputs": {"image": "refine"}, "file": "matte.####.exr"},
        },
    }


def measured(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    document = out / f"{folder.name}.json"
    document.write_text(json.dumps(graph(folder, whole_path.BOXED[folder.name]), indent=1))
    rotograph("render", document, "--cache", out / "cache", "--private")
    several = sorted(folder.glob("truth.*.exr"))
    reference = folder / ("truth.####.exr" if several else "alpha.####.exr")
    layers = [()]
    if several:
        frame = int(several[0].name.split(".")[1])
        layers = [("--layer", name) for name in whole_path.truth(folder, frame)[1]]
    for layer in layers:
        told = json.loads(rotograph("compare", out / "matte.####.exr", reference, *layer, "--json"))
        cells = [folder.name, layer[1] if layer else "hero"]
        cells += [f"{told[name]:.4f}" if name == "mse" else f"{told[name]:.3g}" for name in FIGURES]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--plates", type=Path, required=True, help="folder with the test plates")
    options.add_argument("--keep", type=Path, metavar="DIR", help="work here, and leave it")
    options.add_argument("names", nargs="*", default=list(NAMES), metavar="NAME")
    asked = options.parse_args()
    print(f"| plate | layer | {' | '.join(FIGURES)} |\n|{'---|' * (2 + len(FIGURES))}")
    with tempfile.TemporaryDirectory() as place:
        for name in asked.names:
            measured((asked.plates / name).absolute(), (asked.keep or Path(place)) / name)


if __name__ == "__main__":
    main()
