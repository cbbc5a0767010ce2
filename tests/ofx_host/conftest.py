"""A built plugin, a real engine in a process of its own, and small plates for the test host."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from rotograph.client import COMMAND, Client, Private

ROOT = Path(__file__).resolve().parents[2]


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


build_plugin = _load(ROOT / "install" / "build_plugin.py")
host = _load(Path(__file__).with_name("host.py"))


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    return build_plugin.build


@pytest.fixture(scope="session")
def bundle(build: Callable[..., Path]) -> Path:
    """The plugin as it is shipped, built unless it is there."""
    return build()


@pytest.fixture(scope="module")
def engine() -> Iterator[Private]:
    """A private engine, as a farm job has one."""
    with Private(COMMAND) as made:
        yield made


@pytest.fixture
def wired(engine: Private, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Private:
    """The plugin finds this engine, and a store of its own."""
    monkeypatch.setenv("ROTOGRAPH_SOCKET", engine.address)
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OCIO", raising=False)
    monkeypatch.delenv("ROTOGRAPH_MODELS", raising=False)
    return engine


def moving_disc(count: int = 5, size: tuple[int, int] = (96, 72)) -> dict[int, np.ndarray]:
    """A bright disc that moves over a textured ground: frame -> (h, w, 4), row 0 at the top."""
    width, height = size
    rng = np.random.default_rng(7)
    ground = rng.uniform(0.02, 0.12, (height, width, 3)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    plate = {}
    for i in range(count):
        distance = np.hypot(x - (30 + 4 * i), y - 32)
        alpha = np.clip(15.5 - distance, 0, 1)[..., None].astype(np.float32)
        rgb = ground * (1 - alpha) + alpha * np.float32([0.9, 0.5, 1.7])
        plate[1001 + i] = np.dstack([rgb, np.ones((height, width), np.float32)]).astype(np.float32)
    return plate


@pytest.fixture(scope="session")
def plate() -> dict[int, np.ndarray]:
    return moving_disc()


PROMPTS = '[{"frame": 1002, "layer": "disc", "box": [18, 15, 51, 49]}]'


@pytest.fixture
def prompts() -> str:
    return PROMPTS


@pytest.fixture
def hosts():
    """The module of the test host."""
    return host


@pytest.fixture
def opened(bundle: Path, wired: Private) -> Iterator[Callable[..., Any]]:
    """``opened(profile)``: a host with the plugin; whatever it did wrong fails the test."""
    made: list[Any] = []

    def open_one(profile: Any = host.NATRON_RENDERER, project: tuple[int, int] = (96, 72)) -> Any:
        made.append(host.Host(bundle, profile, project))
        return made[-1]

    yield open_one
    for one in made:
        one.unload()
        assert one.faults == []


def source(plate: dict[int, np.ndarray], **more: Any) -> Any:
    """A plate, rows from the top, as what is wired to a clip."""
    frames = sorted(plate)
    turned = {frame: np.ascontiguousarray(pixels[::-1]) for frame, pixels in plate.items()}
    origin = more.pop("origin", (0, 0))

    def picture(time: float) -> Any:
        return host.Frame(turned[int(time)], origin) if int(time) in turned else None

    return host.Source(picture, frames[0], frames[-1], **more)


@pytest.fixture(name="source")
def source_fixture():
    return source


def write_plate(
    folder: Path, plate: dict[int, np.ndarray], channels: str = "RGB", **header: Any
) -> str:
    """The plate as EXR files; gives back their pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, **header}
    for frame, pixels in plate.items():
        file = OpenEXR.File(
            dict(kind), {channels: np.ascontiguousarray(pixels[..., : len(channels)])}
        )
        file.write(str(folder / f"plate.{frame}.exr"))
    return str(folder / "plate.####.exr")


def rendered(
    engine: Private,
    folder: Path,
    nodes: dict[str, Any],
    last: str,
    pattern: str,
    frames: list[int],
    **read: Any,
) -> dict[int, np.ndarray]:
    """What ``rotograph render`` makes of a graph: frame -> alpha (h, w), row 0 at the bottom."""
    graph = {"plate": {"type": "Read", "file": pattern, **read}, **nodes}
    graph["out"] = {
        "type": "Write",
        "inputs": {"image": last},
        "file": str(folder / "out.####.exr"),
        "pixel_type": "float",
    }
    environment = {"store": str(folder / "store")}
    folder.mkdir(parents=True, exist_ok=True)
    with Client("test", engine.address) as client:
        done = client.render({"rotograph": 1, "nodes": graph}, folder, environment, frames=frames)
    assert not done["errors"]
    found = {}
    for frame in frames:
        with OpenEXR.File(str(folder / f"out.{frame}.exr")) as file:
            found[frame] = np.array(file.channels()["A"].pixels)[::-1]
    return found


@pytest.fixture
def render_graph(wired: Private, tmp_path: Path, plate: dict[int, np.ndarray]):
    """``render_graph(nodes, last, frames)``: alpha of each frame by the graph itself."""

    def make(nodes, last, frames, plate=plate, **header):
        folder = tmp_path / "graph"
        pattern = write_plate(folder, plate, **header)
        return rendered(wired, folder, nodes, last, pattern, frames)

    return make


@pytest.fixture
def roto_graph(prompts: str) -> dict[str, Any]:
    """What a Roto node with the prompts stands for, as a graph file has it."""
    return {
        "segment": {
            "type": "Segment",
            "inputs": {"plate": "plate"},
            "prompts": json.loads(prompts),
        },
        "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
        "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
        "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
    }


@pytest.fixture
def wired_graph():
    """``wired_graph(prompts, **refine)``: the five nodes as wired, as a graph file has them."""

    def make(prompts: str, **refine: Any) -> dict[str, Any]:
        said, plate = json.loads(prompts), {"plate": "plate"}
        return {
            "detect": {"type": "Detect", "inputs": plate},
            "segment": {"type": "Segment", "inputs": {**plate, "boxes": "detect"}, "prompts": said},
            "track": {"type": "Track", "inputs": {**plate, "masks": "segment"}},
            "matte": {"type": "Matte", "inputs": {**plate, "logits": "track"}},
            "refine": {"type": "Refine", "inputs": {**plate, "matte": "matte"}, **refine},
        }

    return make


@pytest.fixture(name="write_plate")
def write_plate_fixture():
    return write_plate


@pytest.fixture
def graph_files():
    """``graph_files(engine, folder, nodes, last, pattern, frames)``: a graph of files there are."""
    return rendered
