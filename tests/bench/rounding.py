"""What half precision moves when SAM 2.1 tiny follows a layer, against float32.

    OMP_NUM_THREADS=1 python tests/bench/rounding.py [--size 1024] [--frames 24]

Random weights, the made-up shot of remembering.py, one prompt on the first frame: each precision
goes on from its own memory, so what is told of later frames holds what has piled up. Logits of
random weights lie near 0 in many places, so that more of a mask changes than of a trained one's.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from remembering import LOOK_BACK, box, load_tiny, make_clip, small_picture

from rotograph_nodes.models import half, sam2_lighter, sam2_network
from rotograph_nodes.models.prompts import GridPrompts
from rotograph_nodes.models.sam2_tracker import Sam2


def follow(sam: Sam2, clip: Path, count: int) -> list[np.ndarray]:
    """Logits of each frame after the first."""
    asked = GridPrompts(boxes=(box(0, 0, sam.network.image_size),))
    found, anchor, recent = [], None, []
    for n in range(count):
        picture = np.array(Image.open(clip / f"{n:05d}.jpg").convert("RGB"))
        seen = sam.encode(picture.astype(np.float32) / 255)
        if anchor is None:
            anchor = sam.start(seen, sam.segment(seen, asked), asked)
            continue
        state = recent[0] if recent else anchor
        state = sam.step(state, None, seen, None, [(anchor, None)], recent[1:LOOK_BACK])
        recent = [state, *recent[: LOOK_BACK - 1]]
        found.append(state["logits"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--frames", type=int, default=24)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"half precision pays here: {half.pays('cpu')}")
    module = load_tiny()
    model = sam2_network.settings(module.CONFIG, small_picture(asked.size))
    weights = module.random_state(model)
    with tempfile.TemporaryDirectory() as text:
        make_clip(Path(text), asked.frames, asked.size)
        full, rounded = (
            follow(
                Sam2(sam2_lighter.lighten(sam2_network.build(model, weights), less), half=less),
                Path(text),
                asked.frames,
            )
            for less in (False, True)
        )
    for n in range(0, len(full), max(1, len(full) // 5)):
        moved, spread = np.abs(full[n] - rounded[n]), np.ptp(full[n])
        same = ((full[n] > 0) == (rounded[n] > 0)).mean()
        print(
            f"frame {n + 1}: logits move by {moved.mean() / spread:.2%} of their range, "
            f"{moved.max() / spread:.1%} at most; {same:.2%} of the mask is the same"
        )


if __name__ == "__main__":
    main()
