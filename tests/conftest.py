"""What tests of several rooms share: a tiny real shot, with a graph file beside it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rotograph import exr
from rotograph.image import Box, Image, ImageSpec

WIDTH, HEIGHT, RADIUS = 160, 96, 26
FIRST = 1001


def disc_centre(index: int) -> tuple[float, float]:
    """Where the disc is on the ``index``-th frame, in plate pixels, y down."""
    return 50.0 + 6.0 * index, 46.0 + 1.5 * index


def disc_alpha(index: int) -> np.ndarray:
    """The disc's exact coverage, ``(96, 160)`` float32, with an edge of two pixels."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    cx, cy = disc_centre(index)
    return np.clip((RADIUS - np.hypot(x - cx, y - cy)) / 2 + 0.5, 0, 1).astype(np.float32)


def disc_plate(index: int) -> np.ndarray:
    """``(96, 160, 3)`` float32: a textured warm disc before a textured cool wall, both linear."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    cx, cy = disc_centre(index)
    own = 0.15 * np.sin((x - cx) * 0.55) * np.cos((y - cy) * 0.43)
    wall = 0.04 * np.sin(x * 0.31 + 1) * np.cos(y * 0.27)
    front = np.stack([0.9 + own, 0.45 + own, 0.18 + own], axis=-1)
    back = np.stack([0.08 + wall, 0.16 + wall, 0.30 + wall], axis=-1)
    alpha = disc_alpha(index)[..., None]
    grain = np.random.default_rng(index).normal(0, 0.004, (HEIGHT, WIDTH, 3))
    return (front * alpha + back * (1 - alpha) + grain).astype(np.float32)


@dataclass(frozen=True)
class Shot:
    """A shot on disk: ``plate.####.exr``, the disc's alpha in ``truth.####.exr``, a graph file.

    cache: an empty folder for the store. frames: the numbers that are there.
    """

    folder: Path
    frames: tuple[int, ...]

    @property
    def graph(self) -> Path:
        return self.folder / "shot.json"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def plate(self, frame: int) -> Path:
        return self.folder / f"plate.{frame}.exr"

    def truth(self, frame: int) -> Path:
        return self.folder / f"truth.{frame}.exr"

    def matte(self, frame: int) -> Path:
        return self.folder / "mattes" / f"matte.{frame}.exr"

    def write_plate(self, frame: int, pixels: np.ndarray | None = None) -> Path:
        """Write one frame; the disc's by default."""
        pixels = disc_plate(frame - FIRST) if pixels is None else pixels
        return _write(self.plate(frame), pixels.astype(np.float16), ("R", "G", "B"))

    def document(self) -> dict[str, Any]:
        """The graph file's content, to be changed and given to ``save``."""
        return json.loads(self.graph.read_text(encoding="utf-8"))

    def save(self, document: dict[str, Any]) -> None:
        self.graph.write_text(json.dumps(document), encoding="utf-8")


def _write(path: Path, pixels: np.ndarray, channels: tuple[str, ...]) -> Path:
    box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    exr.write(path, Image(ImageSpec(box, box, channels), pixels))
    return path


def disc_graph(frames: tuple[int, ...]) -> dict[str, Any]:
    """The issue's graph for the shot: one layer, "disc", prompted on the first frame."""
    cx, cy = disc_centre(0)
    box = [cx - RADIUS - 3, cy - RADIUS - 3, cx + RADIUS + 3, cy + RADIUS + 3]
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
            "segment": {
                "type": "Segment",
                "inputs": {"plate": "plate"},
                "prompts": [{"frame": frames[0], "layer": "disc", "box": box}],
            },
            "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
            "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
            "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
            "out": {
                "type": "Write",
                "inputs": {"image": "refine"},
                "file": "mattes/matte.####.exr",
            },
        },
    }


@pytest.fixture(scope="session", autouse=True)
def no_engine_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither meet an engine that runs on this machine nor leave one.

    Commands compute in their own process unless a test asks for an engine, and then its socket
    lies in a folder of the test run.
    """
    from rotograph_host.client import Client, NoEngine

    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setenv("ROTOGRAPH_NO_ENGINE", "1")
        patch.delenv("ROTOGRAPH_SOCKET", raising=False)
        yield
        with contextlib.suppress(NoEngine):
            Client("tests", start=False).stop()


@pytest.fixture(scope="session")
def make_shot(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shot]:
    """``make_shot(count=4)`` writes a shot of a moving disc into a folder of its own."""

    def make(count: int = 4) -> Shot:
        made = Shot(tmp_path_factory.mktemp("shot"), tuple(range(FIRST, FIRST + count)))
        for index, frame in enumerate(made.frames):
            made.write_plate(frame)
            _write(made.truth(frame), disc_alpha(index)[..., None].astype(np.float16), ("A",))
        made.save(disc_graph(made.frames))
        return made

    return make


@pytest.fixture
def shot(make_shot: Callable[..., Shot]) -> Shot:
    """Four frames, 160 x 96, 1001 to 1004."""
    return make_shot()
