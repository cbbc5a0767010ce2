"""What the process boundary costs, as ratios within one run: python tests/bench/wire.py

Frames are 4096x2160 float32 RGBA (141 MB in, 35 MB of matte out), sent on pooled segments to a node
that does nothing but hand on the picture's alpha, against one memcpy of the same bytes. Hashing
is told apart.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rotograph import worker
from rotograph.client import Client
from rotograph.declare import Input, Output, node, stage
from rotograph.environment import pixel_digest
from rotograph.image import Box, Image, ImageSpec
from rotograph.matte import Matte
from rotograph.server import Server
from rotograph.shape import Shape

WIDTH, HEIGHT = 4096, 2160
ROUNDS = 3
WINDOW = [0, 0, WIDTH, HEIGHT]
PICTURE = {"display": WINDOW, "data": WINDOW, "channels": ["R", "G", "B", "A"]}
GRAPH = {
    "rotograph": 1,
    "nodes": {
        "plate": {"type": "Read"},
        "noop": {"type": "Noop", "inputs": {"plate": "plate"}},
    },
}


@node(version=1, output=Output("Mattes", "nothing"))
class Noop:
    """A matte that is the plate's first pixel everywhere: it costs nothing to make."""

    plate = Input("Image", help="The plate.")

    def describe(at):
        shape = at.shape("plate")
        return Shape(shape.frames, ("noop",), plate=shape.plate, size=shape.size)

    @stage(per="layer", stored=False)
    def nothing(given, context):
        window = given["plate"].spec.data
        return Matte(window, np.broadcast_to(given["plate"].pixels[0, 0, 0], window.shape))

    @nothing.needs
    def nothing(at):
        return {"plate": at.input("plate")}


def digest(pixels: np.ndarray) -> str:
    box = Box(*WINDOW)
    return pixel_digest(Image(ImageSpec(box, box, ("R", "G", "B", "A")), pixels)).hex()


def ask(
    client: Client, folder: str, name: str, pixels: np.ndarray, out: np.ndarray, node: str
) -> float:
    """Get a frame's matte; seconds that the engine hashed."""
    plates = {"plate": {"picture": PICTURE, "frames": {"1001": name}}}
    answer: dict[str, Any] = {}
    (matte,) = client.matte(
        GRAPH, "/", {"store": folder}, node, 1001, plates=plates, told=answer.update,
        pixels=lambda wanted: (PICTURE, pixels, "float32"), ahead=[name],
    )  # fmt: skip
    out[:] = np.frombuffer(matte.pixels, np.float32)
    matte.free()
    return answer["hashing"]


def noop(client: Client, folder: str) -> None:
    pixels = np.random.default_rng(0).random((HEIGHT, WIDTH, 4), dtype=np.float32)
    copy, out = np.empty_like(pixels), np.empty(WIDTH * HEIGHT, np.float32)
    times: dict[str, list[float]] = {}

    def note(what: str, began: float, less: float = 0.0) -> None:
        times.setdefault(what, []).append(time.perf_counter() - began - less)

    for i in range(48):
        node = ("noop", "plate")[i % 2]
        pixels[0, 0] = i
        began = time.perf_counter()
        np.copyto(copy, pixels)
        np.copyto(out, copy.reshape(-1)[: out.size])
        note("copy", began)
        began = time.perf_counter()
        name = digest(pixels)
        note("hash", began)
        began = time.perf_counter()
        hashing = ask(client, folder, name, pixels, out, node)
        note(node, began, hashing)
        times.setdefault("engine", []).append(hashing)
        wanted = pixels[..., 3] if node == "plate" else pixels[0, 0, 0]
        assert (out.reshape(HEIGHT, WIDTH) == wanted).all()
        began = time.perf_counter()
        assert client.lacking([name]) == []
        note("known", began)
    # the fastest tenth: what the machine does when nothing else runs on it
    ms = {what: statistics.quantiles(t[len(t) // 3 :], n=10)[0] * 1e3 for what, t in times.items()}
    print(f"memcpy of 141 + 35 MB                {ms['copy']:8.1f} ms")
    for node, what in (
        ("noop", "a node that does nothing  "),
        ("plate", "the plate's own A, by row "),
    ):
        print(f"frame in, matte out: {what}{ms[node]:6.1f} ms   {ms[node] / ms['copy']:.2f} x")
    print(f"  hashing: client, engine            {ms['hash']:8.1f} ms, {ms['engine']:.1f} ms")
    print(f"known frame, on top of hashing       {ms['known']:8.3f} ms")


def tiny(client: Client, folder: str) -> float:
    """Seconds of a whole request for a matte of a frame of 64x36: all that is not pixels."""
    window = [0, 0, 64, 36]
    shape = {**PICTURE, "display": window, "data": window}
    pixels = np.random.default_rng(1).random((36, 64, 4), dtype=np.float32)
    box, times = Box(*window), []
    for i in range(60):
        pixels[0, 0] = i
        spec = ImageSpec(box, box, ("R", "G", "B", "A"))
        name = pixel_digest(Image(spec, pixels)).hex()
        began = time.perf_counter()
        (matte,) = client.matte(
            GRAPH, "/", {"store": folder}, "noop", 1001, ahead=[name],
            plates={"plate": {"picture": shape, "frames": {"1001": name}}},
            pixels=lambda wanted: (shape, pixels, "float32"),
        )  # fmt: skip
        times.append(time.perf_counter() - began)
        matte.free()
    return statistics.quantiles(times, n=10)[0]


def status(client: Client) -> float:
    times = []
    for _ in range(3000):
        began = time.perf_counter()
        client.status()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def shot(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """A plate of a moving disc and a graph for it; the results of another seed are others."""
    from rotograph import exr

    folder.mkdir()
    rng = np.random.default_rng(seed)
    wall = rng.random((270, 480, 3), np.float32) * 0.3
    y, x = np.mgrid[:270, :480].astype(np.float32)
    box = Box(0, 0, 480, 270)
    for i in range(count):
        inside = np.clip(60 - np.hypot(x - 150 - 6 * i, y - 135), 0, 1)[..., None]
        rgb = wall * (1 - inside) + inside * np.array([0.9, 0.5, 0.2], np.float32)
        path = folder / f"plate.{1001 + i}.exr"
        exr.write(path, Image(ImageSpec(box, box), rgb.astype(np.float16)))
    prompt = {"frame": 1001, "layer": "hero", "box": [85, 70, 215, 200]}
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Read", "file": str(folder / "plate.####.exr")},
            "segment": {"type": "Segment", "inputs": {"plate": "plate"}, "prompts": [prompt]},
            "track": {"type": "Track", "inputs": {"plate": "plate", "masks": "segment"}},
            "matte": {"type": "Matte", "inputs": {"plate": "plate", "logits": "track"}},
            "refine": {"type": "Refine", "inputs": {"plate": "plate", "matte": "matte"}},
            "out": {"type": "Write", "inputs": {"image": "refine"}, "file": "out/m.####.exr"},
        },
    }


def two_clients(address: str, folder: Path, count: int = 16) -> None:
    """Throughput of two clients with a shot each, against that of one client with one."""
    shots = [shot(folder / f"shot{i}", count, i) for i in range(4)]

    def one(client: Client, index: int, gaps: list[float]) -> None:
        written, last = 0, time.monotonic()

        def progress(told: dict[str, Any]) -> None:
            nonlocal written, last
            if told["written"] > written:
                gaps.append(time.monotonic() - last)
                written, last = told["written"], time.monotonic()

        told = client.render(
            shots[index], folder / f"shot{index}", {"store": str(folder / f"cache{index}")},
            progress=progress,
        )  # fmt: skip
        assert told["written"] == count, told

    rounds: list[tuple[float, float, float, float]] = []
    alone: list[float] = []
    together: list[list[float]] = [[], []]
    busy: list[float] = []
    with Client("a", address, start=False) as a, Client("b", address, start=False) as b:
        worker_process = psutil.Process(a.status()["worker"]["pid"])

        def measured(work: Callable[[], None]) -> tuple[float, float]:
            began, cpu = time.monotonic(), sum(worker_process.cpu_times()[:2])
            work()
            return time.monotonic() - began, sum(worker_process.cpu_times()[:2]) - cpu

        def both() -> None:
            threads = [
                threading.Thread(target=one, args=(client, index, gaps))
                for client, index, gaps in ((a, 2, together[0]), (b, 3, together[1]))
            ]
            for thread in threads:
                thread.start()
            time.sleep(1.0)
            with Client("c", address, start=False) as watcher:
                busy.append(status(watcher))
            for thread in threads:
                thread.join()

        one(a, 0, [])  # models and files warm
        for _ in range(ROUNDS):
            for index in range(4):
                shutil.rmtree(folder / f"cache{index}", ignore_errors=True)
                shutil.rmtree(folder / f"shot{index}" / "out", ignore_errors=True)
            single = measured(lambda: one(a, 1, alone))
            rounds.append((*single, *measured(both)))
    wall, cpu, wall_both, cpu_both = (min(column) for column in zip(*rounds, strict=True))
    print(f"one client                           {count / wall:8.2f} frames/s")
    print(f"two clients together                 {2 * count / wall_both:8.2f} frames/s   "
          f"{2 * wall / wall_both:.2f} x; by cpu time {2 * cpu / cpu_both:.2f} x")  # fmt: skip
    print(f"longest wait for a frame: alone {max(alone):.2f} s, together "
          f"{max(together[0]):.2f} and {max(together[1]):.2f} s")  # fmt: skip
    print(f"status round trip, busy engine       {min(busy):8.1f} us")


def serve(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    Server(listener, idle=None, worker=[sys.executable, __file__, "worker"]).run()


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        address = str(Path(name) / "socket")
        with subprocess.Popen([sys.executable, __file__, "serve", address]) as process:
            try:
                while not os.path.exists(address):
                    time.sleep(0.05)
                with Client("bench", address, start=False) as client:
                    while not client.status()["worker"]["ready"]:
                        time.sleep(0.1)
                    print(f"status round trip, idle engine       {status(client):8.1f} us")
                    noop(client, str(Path(name) / "cache"))
                    seconds = tiny(client, str(Path(name) / "cache"))
                    print(f"a tiny frame's matte, all in all     {seconds * 1e3:8.1f} ms")
                two_clients(address, Path(name))
            finally:
                process.terminate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["worker"]:
        del sys.argv[1]
        worker.main({Noop.name: Noop})
    else:
        main()
