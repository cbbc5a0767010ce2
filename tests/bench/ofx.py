"""What the plugin costs a host, when everything is known: python tests/bench/ofx.py

A 4096x2160 picture whose matte is in the store, against one copy of the same bytes plus hashing
them as docs/wire.md says, turn by turn; and 1080p frames scrubbed over and over. The test host is
in Python, so what it does itself (laying out the picture) is measured apart and left out.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rotograph.client import COMMAND, Private
from rotograph.environment import pixel_digest
from rotograph.image import Box, Image, ImageSpec

HOST = Path(__file__).resolve().parents[1] / "ofx_host" / "conftest.py"


def host_module():
    spec = importlib.util.spec_from_file_location("conftest", HOST)
    module = importlib.util.module_from_spec(spec)
    sys.modules["conftest"] = module
    spec.loader.exec_module(module)
    return module


def timed(node) -> list[tuple[float, float]]:
    """(seconds, seconds of all threads' computing) of each action that a frame takes."""
    took: list[tuple[float, float]] = []
    call = node.call

    def measured(action, *given):
        began, computed = time.perf_counter(), time.process_time()
        answer = call(action, *given)
        if action.endswith(("Render", "GetFramesNeeded")):
            took.append((time.perf_counter() - began, time.process_time() - computed))
        return answer

    node.call = measured
    return took


def frames_of(ofx, name: str, width: int, height: int, frames: int, rounds: int) -> Iterator[float]:
    """Seconds of the plugin for each of ``rounds`` frames that are in the store, and computing."""
    host = ofx.host.Host(ofx.build_plugin.build(), ofx.host.NATRON_RENDERER, (width, height))
    rng = np.random.default_rng(1)
    plate = {}
    for i in range(frames):
        pixels = 0.1 * rng.random((height, width, 4), np.float32)
        pixels[200:400, 300 + i : 500 + i, :3] += 2
        plate[1001 + i] = pixels
    prompts = '[{"frame": 1001, "layer": "hero", "box": [300, 200, 500, 400]}]'
    node = host.instance(name, prompts=prompts)
    source = ofx.source(plate)
    node.wire("Source", source)
    laid = {}
    lay = ofx.host.laid_out

    # a real host hands out the same memory again; only the output is laid out anew
    shown = {f: source.picture(f) for f in plate}
    source.picture = lambda t: shown.get(int(t))
    for frame in shown.values():
        laid[id(frame)] = lay(frame, 0, False)
    ofx.host.laid_out = lambda frame, p, r: laid.get(id(frame)) or lay(frame, p, r)
    for frame in plate:
        assert node.render(frame) is not None, node.message
    took = timed(node)
    for turn in range(rounds):
        node.render(1001 + turn % frames)
        yield tuple(map(sum, zip(*took, strict=True)))
        took.clear()
    ofx.host.laid_out = lay
    assert host.faults == []
    host.unload()


def large(ofx, name: str) -> str:
    """A 4096x2160 frame against a copy and a hash of it, in turns."""
    pixels = np.random.default_rng(0).random((2160, 4096, 4), np.float32)
    room = np.zeros_like(pixels)
    box = Box(0, 0, 4096, 2160)
    image = Image(ImageSpec(box, box, tuple("RGBA")), pixels)
    plain, plugin = [], []
    for took in frames_of(ofx, name, 4096, 2160, 1, 9):
        plugin.append(took)
        began, computed = time.perf_counter(), time.process_time()
        np.copyto(room, pixels)
        pixel_digest(image)
        plain.append((time.perf_counter() - began, time.process_time() - computed))
    ratios = [
        statistics.median(a[k] / b[k] for a, b in zip(plugin, plain, strict=True)) for k in (0, 1)
    ]
    base, own = (1000 * statistics.median(t[0] for t in times) for times in (plain, plugin))
    return (
        f"{name} 4096x2160: copying and hashing {base:.0f} ms, plugin {own:.0f} ms: "
        f"{ratios[0]:.2f} times ({ratios[1]:.2f} times its computing)"
    )


def small(ofx, name: str) -> str:
    """1080p scrubbed over ten frames."""
    took = list(frames_of(ofx, name, 1920, 1080, 10, 80))
    wall, computing = (statistics.median(t[k] for t in took) for k in (0, 1))
    return (
        f"{name} 1920x1080 over cached frames: {1000 * wall:.1f} ms, {1 / wall:.0f} a second "
        f"({1000 * computing:.1f} ms of computing in the host)"
    )


def main() -> None:
    ofx = host_module()
    with tempfile.TemporaryDirectory() as folder, Private(COMMAND) as engine:
        os.environ.update(ROTOGRAPH_SOCKET=engine.address, ROTOGRAPH_CACHE=folder)
        for name in sys.argv[1:] or ("Segment", "Roto"):
            print(large(ofx, name), flush=True)
            print(small(ofx, name), flush=True)


if __name__ == "__main__":
    main()
