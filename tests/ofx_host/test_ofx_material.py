"""The plugin on real plates: hair over an HDR plate, fur with overscan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rotograph import exr

PLATES = Path(__file__).resolve().parents[3] / "shared" / "plates"
FRAMES = (1007,)
BOXES = {"blondehair": [390, 80, 955, 540], "lemur": [200, 60, 800, 540]}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.material,
    pytest.mark.skipif(not PLATES.is_dir(), reason="no real plates beside the checkout"),
]


def opened_plate(folder: Path):
    """(frame -> (h, w, 4) float32, spec) of a plate as a host's reader hands it out."""
    plate = {}
    for frame in FRAMES:
        image = exr.read(folder / f"plate.{frame}.exr")
        alpha = image.channel("A")
        alpha = np.ones(image.spec.data.shape, np.float32) if alpha is None else alpha
        plate[frame] = np.dstack([image.rgb(), alpha]).astype(np.float32)
    return plate, image.spec


@pytest.mark.parametrize("name", sorted(BOXES))
def test_a_real_plate_gives_the_matte_of_the_same_graph(
    name, opened, source, engine, tmp_path, graph_files
):
    plate, spec = opened_plate(PLATES / name)
    prompts = [{"frame": 1007, "layer": "hero", "box": BOXES[name]}]
    node = opened(project=spec.display.size).instance("Roto", prompts=json.dumps(prompts))
    node.wire("Source", source(plate, origin=(spec.data.x0, spec.display.y1 - spec.data.y1)))
    for frame in FRAMES:
        (tmp_path / f"plate.{frame}.exr").symlink_to(PLATES / name / f"plate.{frame}.exr")
    nodes = {
        "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "prompts": prompts},
        "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
        "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
        "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
    }
    space = {"colour_space": "scene_linear"}  # which the node takes it to be
    pattern = str(tmp_path / "plate.####.exr")
    wanted = graph_files(engine, tmp_path / "graph", nodes, "refine", pattern, [1007], **space)
    got = node.render(1007)
    assert got is not None, node.message
    assert np.array_equal(got.pixels[..., 3], wanted[1007])
    assert np.array_equal(got.pixels[..., :3], plate[1007][::-1, :, :3])
    assert 0.1 < wanted[1007].mean() < 0.9
