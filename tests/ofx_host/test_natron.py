"""The plugin in a real Natron: five nodes wired after a Read, rendered without a window.

``NATRON_RENDERER`` names Natron's headless renderer, which finds its readers by itself or through
``OFX_PLUGIN_PATH``. Without one these tests skip.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rotograph.environment import pixel_digest
from rotograph.image import Box, Image, ImageSpec

RENDERER = os.environ.get("NATRON_RENDERER", "")
PROJECT = Path(__file__).with_name("natron_project.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RENDERER, reason="NATRON_RENDERER names no Natron renderer"),
]


def natron(folder, bundle, prompts, frames):
    """Render the project in Natron; gives back what it printed."""
    paths = [str(bundle.parent), os.environ.get("OFX_PLUGIN_PATH", "")]
    environment = {
        **os.environ,
        "OFX_PLUGIN_PATH": os.pathsep.join(p for p in paths if p),
        "HOME": str(folder / "home"),
        "ROTOGRAPH_TEST_FOLDER": str(folder),
        "ROTOGRAPH_TEST_PROMPTS": prompts,
        "QT_QPA_PLATFORM": "offscreen",
    }
    (folder / "home").mkdir(exist_ok=True)
    done = subprocess.run(
        [RENDERER, "-w", "Out", frames, str(PROJECT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout + done.stderr


def test_five_nodes_behind_a_read(
    bundle, wired, tmp_path, plate, prompts, write_plate, render_graph, wired_graph
):
    write_plate(tmp_path, plate, "RGBA")  # Natron's reader leaves a missing alpha as it was
    printed = natron(tmp_path, bundle, prompts, "1002-1004")
    assert "Persistent message" not in printed, printed
    wanted = render_graph(wired_graph(prompts, feather=4.0), "refine", [1002, 1003, 1004])
    for frame, alpha in wanted.items():
        # openfx-io's WriteEXR mixes up the bytes of floats: what the plugin gave Natron is looked
        # for by its digest, under which the store has its recipe
        whole = np.dstack([plate[frame][..., :3], alpha[::-1]])
        box = Box(0, 0, 96, 72)
        name = pixel_digest(Image(ImageSpec(box, box, tuple("RGBA")), whole)).hex()
        assert (tmp_path / "cache" / "recipes" / name[:2] / name).is_file()
        assert (tmp_path / f"natron.{frame}.exr").is_file()
