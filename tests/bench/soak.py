"""Many requests, rude clients, and nothing may grow: python tests/bench/soak.py [REQUESTS]

Eight clients ask for statuses, plans, renders, mattes of files and of frames that they lend, and
now and then cancel, hang up in the middle or send nonsense. Every answer is held against the
in-process result.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rotograph import Graph, exr
from rotograph.client import Client, EngineError
from rotograph.environment import Environment, pixel_digest
from rotograph.image import Box, Image, ImageSpec
from rotograph.render import render
from rotograph.store import Store
from rotograph_host import framing

BENCH = Path(__file__).with_name("wire.py")
CLIENTS = 8
FRAMES = (1001, 1002, 1003)
VARIANTS = (2.0, 4.0, 6.0, 8.0)


def picture(width: int, height: int) -> dict[str, Any]:
    window = [0, 0, width, height]
    return {"display": window, "data": window, "channels": ["R", "G", "B", "A"]}


def shot(folder: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:36, :64].astype(np.float32)
    box = Box(0, 0, 64, 36)
    for frame in FRAMES:
        inside = np.clip(12 - np.hypot(x - 32, y - 18), 0, 1)[..., None]
        rgb = rng.random((36, 64, 3), np.float32) * 0.2 + inside * 0.6
        write(folder / f"plate.{frame}.exr", box, rgb, ("R", "G", "B"))
        trimap = np.clip((14 - np.hypot(x - 32, y - 18)) / 4, 0, 1)[..., None]
        write(folder / f"trimap.{frame}.exr", box, trimap, ("A",))


def write(path: Path, box: Box, pixels: np.ndarray, channels: tuple[str, ...]) -> None:
    exr.write(path, Image(ImageSpec(box, box, channels), pixels.astype(np.float16)))


def document(variant: float) -> dict[str, Any]:
    both = {"plate": "plate", "matte": "matte"}
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
            "trimap": {"type": "Read", "file": "trimap.####.exr", "colour_space": "ACEScg"},
            "matte": {"type": "Matte", "inputs": {"plate": "plate", "trimap": "trimap"}},
            "refine": {"type": "Refine", "inputs": both, "feather": variant},
            "out": {
                "type": "Write",
                "inputs": {"image": "refine"},
                "file": "matte.####.exr",
                "overwrite": True,
            },
        },
    }


def lent(seed: int) -> tuple[dict[str, Any], np.ndarray, str]:
    """(picture, pixels, digest) of a frame."""
    rng = np.random.default_rng(seed)
    width, height = (64, 36) if seed % 3 else (320, 180)
    pixels = rng.random((height, width, 4), dtype=np.float32)
    box = Box(0, 0, width, height)
    spec = ImageSpec(box, box, ("R", "G", "B", "A"))
    return picture(width, height), pixels, pixel_digest(Image(spec, pixels)).hex()


class Rude:
    """One client: polite most of the time."""

    def __init__(self, number: int, address: str, folder: Path, truth: dict[float, Any]) -> None:
        self.rng = random.Random(number)
        self.address, self.folder, self.truth = address, folder, truth
        self.own = folder / f"out{number}"
        self.environment = {"store": str(folder / "cache")}
        self.client = Client(f"soak {number}", address, start=False)
        self.counts: Counter[str] = Counter()

    def one(self) -> None:
        kinds = {
            self.status: 30, self.matte: 35, self.render: 12, self.plan: 8, self.cancel: 6,
            self.leave: 5, self.hang_up: 3, self.nonsense: 1,
        }  # fmt: skip
        kind = self.rng.choices(list(kinds), list(kinds.values()))[0]
        kind()
        self.counts[kind.__name__] += 1

    def status(self) -> None:
        assert self.client.status()["protocol"] == 1

    def matte(self) -> None:
        shape, pixels, digest = lent(self.rng.randrange(400))
        node = self.rng.choice(("plate", "noop"))
        graph = {
            "rotograph": 1,
            "nodes": {
                "plate": {"type": "Read"},
                "noop": {"type": "Noop", "inputs": {"plate": "plate"}},
            },
        }
        (matte,) = self.client.matte(
            graph, "/", self.environment, node, 1001,
            plates={"plate": {"picture": shape, "frames": {"1001": digest}}},
            pixels=lambda wanted: (shape, pixels, "float32"),
        )  # fmt: skip
        got = np.frombuffer(matte.pixels, np.float32).reshape(pixels.shape[:2])
        assert (got == (pixels[..., 3] if node == "plate" else pixels[0, 0, 0])).all()
        del got
        matte.free()

    def ask(self, kind: str, variant: float, **more: Any) -> Any:
        asked = getattr(self.client, kind)
        return asked(document(variant), self.folder, self.environment, output=str(self.own), **more)

    def render(self) -> None:
        variant = self.rng.choice(VARIANTS)
        frames = sorted(self.rng.sample(FRAMES, self.rng.randint(1, 3)))
        told = self.ask("render", variant, frames=frames)
        assert told["written"] == len(frames) and not told["errors"], told
        for frame in frames:
            found = (self.own / f"matte.{frame}.exr").read_bytes()
            assert found == self.truth[variant][frame], (variant, frame)

    def plan(self) -> None:
        frames = sorted(self.rng.sample(FRAMES, 2))
        told = self.ask("plan", self.rng.choice(VARIANTS), frames=frames)
        assert told["frames"] == frames

    def cancel(self) -> None:
        stop = threading.Event()
        threading.Timer(self.rng.random() * 0.05, stop.set).start()
        with contextlib.suppress(EngineError):
            self.ask("render", self.rng.choice(VARIANTS), stop=stop)

    def leave(self) -> None:
        self.client.close()

    def raw(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(self.address)
        hello = {"type": "hello", "protocol": 1, "version": "0"}
        sock.sendall(framing.pack(hello))
        return sock

    def hang_up(self) -> None:
        with self.raw() as sock:
            message = framing.pack(
                {
                    "type": "render",
                    "id": 1,
                    "environment": self.environment,
                    "graph": document(self.rng.random()),
                    "folder": str(self.folder),
                    "output": str(self.own / "lost"),
                }
            )
            sock.sendall(message[: self.rng.choice((5, 50, len(message), len(message)))])
            time.sleep(self.rng.random() * 0.02)

    def nonsense(self) -> None:
        with self.raw() as sock, contextlib.suppress(OSError):
            sock.sendall(self.rng.randbytes(64))


def held(server: psutil.Process) -> dict[str, float]:
    """What the engine and its worker hold now."""
    (worker,) = server.children()
    return {
        "engine MB": server.memory_info().rss / 1e6,
        "worker MB": worker.memory_info().rss / 1e6,
        "engine descriptors": server.num_fds(),
        "worker descriptors": worker.num_fds(),
        "worker threads": worker.num_threads(),
        "worker segments": sum("memfd" in m.path for m in worker.memory_maps(grouped=False)),
    }


def go(rude: list[Rude], requests: int) -> None:
    failures: list[BaseException] = []

    def run(one: Rude) -> None:
        try:
            for _ in range(requests // len(rude)):
                one.one()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in rude]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    for one in rude:
        one.client.close()


def main(requests: int) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shot(folder)
        truth: dict[float, Any] = {}
        for variant in VARIANTS:
            out = folder / "truth" / str(variant)
            graph = Graph.from_dict(document(variant), folder)
            made = render(graph, Environment(Store(folder / "own")), FRAMES, out)
            assert made.complete, made.errors
            truth[variant] = {f: (out / f"matte.{f}.exr").read_bytes() for f in FRAMES}
        address = str(folder / "socket")
        with subprocess.Popen([sys.executable, str(BENCH), "serve", address]) as process:
            try:
                server = psutil.Process(process.pid)
                while not os.path.exists(address):
                    time.sleep(0.05)
                rude = [Rude(i, address, folder, truth) for i in range(CLIENTS)]
                report(server, rude, requests, address)
            finally:
                process.terminate()


def report(server: psutil.Process, rude: list[Rude], requests: int, address: str) -> None:
    go(rude, requests // 5)
    time.sleep(2.0)
    before, began = held(server), time.monotonic()
    go(rude, requests - requests // 5)
    seconds = time.monotonic() - began
    time.sleep(2.0)
    after = held(server)
    with Client("soak", address, start=False) as client:
        found = client.status()
    print(f"{requests} requests, {requests * 0.8 / seconds:.0f} a second, every answer right")
    print(json.dumps(dict(sum((one.counts for one in rude), Counter()))))
    for what, was in before.items():
        print(f"{what:22}{was:10.1f} after a fifth{after[what]:10.1f} at the end")
    print(f"left: {found['queue']}, frames {found['frames']}, worker restarts "
          f"{found['worker']['restarts']}")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
