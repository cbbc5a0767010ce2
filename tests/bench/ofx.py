"""What the plugin costs a host, when everything is known: python tests/bench/ofx.py

A 4096x2160 picture whose matte is in the store, against one copy of the same bytes plus hashing
them as docs/wire.md says; and 1080p frames scrubbed over and over. The test host is in Python, so
what it does itself (laying out the picture) is measured apart and left out.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
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


def timed(node) -> list[float]:
    """Seconds of each render action alone, without what the host does around it."""
    took: list[float] = []
    call = node.call

    def measured(action, *given):
        began = time.perf_counter()
        answer = call(action, *given)
        if action.endswith(("Render", "GetFramesNeeded")):
            took.append(time.perf_counter() - began)
        return answer

    node.call = measured
    return took


def measure(ofx, width: int, height: int, frames: int, rounds: int) -> list[float]:
    """Seconds of the plugin for each of ``rounds`` frames that are in the store."""
    host = ofx.host.Host(ofx.build_plugin.build(), ofx.host.NATRON_RENDERER, (width, height))
    rng = np.random.default_rng(1)
    plate = {}
    for i in range(frames):
        pixels = rng.random((height, width, 4), np.float32)
        pixels[200:400, 300 + i : 500 + i, :3] += 2
        plate[1001 + i] = pixels
    prompts = '[{"frame": 1001, "layer": "hero", "box": [300, 200, 500, 400]}]'
    node = host.instance("Segment", prompts=prompts)
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
    ofx.host.laid_out = lay
    assert host.faults == []
    host.unload()
    return [a + b for a, b in zip(took[::2], took[1::2], strict=True)]


def main() -> None:
    ofx = host_module()
    with tempfile.TemporaryDirectory() as folder, Private(COMMAND) as engine:
        os.environ.update(ROTOGRAPH_SOCKET=engine.address, ROTOGRAPH_CACHE=folder)
        pixels = np.random.default_rng(0).random((2160, 4096, 4), np.float32)
        room = np.zeros_like(pixels)
        box = Box(0, 0, 4096, 2160)
        image = Image(ImageSpec(box, box, tuple("RGBA")), pixels)
        base = []
        for _ in range(5):
            began = time.perf_counter()
            np.copyto(room, pixels)
            pixel_digest(image)
            base.append(time.perf_counter() - began)
        plain = statistics.median(base)
        large = statistics.median(measure(ofx, 4096, 2160, 1, 7))
        small = statistics.median(measure(ofx, 1920, 1080, 4, 40))
    print(f"4096x2160: copying and hashing {1000 * plain:.0f} ms, plugin {1000 * large:.0f} ms, "
          f"{large / plain:.2f} times")  # fmt: skip
    print(f"1920x1080 over cached frames: {1000 * small:.1f} ms, {1 / small:.0f} frames a second")


if __name__ == "__main__":
    main()
