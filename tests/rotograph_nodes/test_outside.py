"""An alpha that no Rotograph node made, as a mask and as a matte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rotograph import exr
from rotograph.environment import Environment
from rotograph.errors import RotographError
from rotograph.graph import Graph
from rotograph.image import Box, Image, ImageSpec
from rotograph.render import render as render_graph
from rotograph.store import Store

SIZE = (40, 30)


def write(path: Path, channels: str, pixels: np.ndarray, display: Box | None = None) -> None:
    data = Box(0, 0, pixels.shape[1], pixels.shape[0])
    exr.write(path, Image(ImageSpec(display or data, data, tuple(channels)), pixels))


@pytest.fixture(name="shot")
def shot_fixture(tmp_path: Path) -> Path:
    """A plate of three frames, and an alpha for two of them."""
    rng = np.random.default_rng(3)
    for frame in (1001, 1002, 1003):
        pixels = rng.random((SIZE[1], SIZE[0], 3), np.float32).astype(np.float16)
        write(tmp_path / f"plate.{frame}.exr", "RGB", pixels)
        alpha = np.zeros((SIZE[1], SIZE[0], 1), np.float16)
        alpha[5:20, 8:30] = 0.25 * (frame - 1000)
        if frame < 1003:
            write(tmp_path / f"drawn.{frame}.exr", "A", alpha)
    return tmp_path


def render(folder: Path, kind: str, *frames: int) -> list[str]:
    """Render the operator's result; gives back what went wrong."""
    graph = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.exr"},
            "drawn": {"type": "Read", "file": "drawn.####.exr"},
            "it": {"type": kind, "inputs": {"plate": "plate", "picture": "drawn"}},
            "out": {"type": "Write", "inputs": {"image": "it"}, "file": "out.####.exr"},
        },
    }
    environment = Environment(Store(folder / "cache"))
    done = render_graph(Graph.from_dict(graph, folder), environment, list(frames))
    return [str(error) for error in done.errors]


def test_a_matte_is_the_alpha_as_it_is(shot: Path) -> None:
    assert render(shot, "OutsideMatte", 1001, 1002) == []
    for frame in (1001, 1002):
        found = exr.read(shot / f"out.{frame}.exr").channel("A")
        assert np.array_equal(found, exr.read(shot / f"drawn.{frame}.exr").channel("A"))


def test_a_mask_is_in_where_the_alpha_is_over_a_half(shot: Path) -> None:
    alpha = np.zeros((SIZE[1], SIZE[0], 1), np.float16)
    alpha[5:20, 8:30] = 0.75
    write(shot / "drawn.1001.exr", "A", alpha)
    assert render(shot, "OutsideMask", 1001) == []
    found = exr.read(shot / "out.1001.exr").channel("A")
    assert np.array_equal(found > 0.5, alpha[..., 0] > 0.5)


def test_a_picture_of_another_size_is_refused(shot: Path) -> None:
    write(shot / "drawn.1001.exr", "A", np.zeros((SIZE[1], SIZE[0] * 2, 1), np.float16))
    (shot / "drawn.1002.exr").unlink()
    (said,) = render(shot, "OutsideMatte", 1001)
    assert "80x30" in said
    assert "40x30" in said


def test_frames_that_the_picture_has_not_are_said(shot: Path) -> None:
    with pytest.raises(RotographError, match="1003"):
        render(shot, "OutsideMatte", 1003)
    for frame in (1001, 1002):
        (shot / f"drawn.{frame}.exr").rename(shot / f"drawn.{frame + 50}.exr")
    with pytest.raises(RotographError, match="no frame in common"):
        render(shot, "OutsideMatte", 1001)


def test_a_frame_that_the_mask_lacks_is_named(shot: Path) -> None:
    graph = {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.exr"},
            "drawn": {"type": "Read", "file": "drawn.####.exr"},
            "it": {"type": "OutsideMask", "inputs": {"plate": "plate", "picture": "drawn"}},
            "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "it"}},
            "out": {"type": "Write", "inputs": {"image": "matte"}, "file": "out.####.exr"},
        },
    }
    environment = Environment(Store(shot / "cache"))
    with pytest.raises(RotographError, match=r"matte, frame 1003: the mask of 'matte' has no such"):
        render_graph(Graph.from_dict(graph, shot), environment, [1001, 1003])
    follow = {"type": "Track", "inputs": {"plate": "plate", "masks": "it"}, "anchors": "1003"}
    graph["nodes"]["matte"] = follow
    with pytest.raises(RotographError, match=r"frame 1003: .* the wired mask has no such frame"):
        render_graph(Graph.from_dict(graph, shot), environment, [1001])
