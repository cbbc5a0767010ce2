"""The engine as hosts and commands meet it: real processes, real sockets, real crashes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest

from rotograph import Graph, wire
from rotograph.client import COMMAND, Client, EngineError, NoEngine, Private
from rotograph.environment import Environment, pixel_digest
from rotograph.errors import MissingFrame
from rotograph.image import Box, Image, ImageSpec
from rotograph.render import render
from rotograph.store import Store
from rotograph_host import framing, segment

FAULTY = Path(__file__).with_name("faulty_engine.py")
HELLO = {"type": "hello", "protocol": 1, "version": "0", "client": "test"}


def document(last: int = 10, **ramp: object) -> dict[str, Any]:
    return {
        "rotograph": 1,
        "nodes": {
            "plate": {"type": "Ramp", "last": last, **ramp},
            "out": {"type": "Save", "inputs": {"image": "plate"}, "file": "out/####.bin"},
        },
    }


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return found


class Engine:
    """An engine whose nodes can crash, in a process of its own."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.folder = folder
        self.path = str(folder / "socket")
        self.process = subprocess.Popen(
            [sys.executable, str(FAULTY), "serve", self.path, json.dumps(limits)]
        )
        self.client().close()
        self.environment = {"store": str(folder / "cache")}

    def client(self, name: str = "test") -> Client:
        return wait_for(self._try(name))

    def _try(self, name: str) -> Callable[[], Client | None]:
        def attempt() -> Client | None:
            with contextlib.suppress(NoEngine):
                return Client(name, self.path, start=False).connect()
            return None

        return attempt

    def render(self, client: Client, folder: Path, graph: dict[str, Any], **more: Any) -> Any:
        return client.render(graph, folder, self.environment, **more)

    def raw(self) -> socket.socket:
        """A connection that has said hello and then knows no manners."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(10)
        sock.connect(self.path)
        sock.sendall(framing.pack(HELLO))
        assert read(sock)["type"] == "hello"
        return sock


def read(sock: socket.socket) -> dict[str, Any]:
    header = exactly(sock, 4)
    return json.loads(exactly(sock, *struct.unpack("<I", header)))


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@pytest.fixture
def engine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """``pytest.mark.parametrize("engine", [limits], indirect=True)`` for another ``Server``."""
    made = Engine(tmp_path, **getattr(request, "param", {}))
    yield made
    assert made.process.poll() is None, "the engine did not outlive the test"
    workers = psutil.Process(made.process.pid).children()
    made.process.terminate()
    assert made.process.wait(10) in (0, -signal.SIGTERM)
    psutil.wait_procs(workers, 10)
    assert not any(w.is_running() for w in workers)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine of one's own: nobody's engine runs here, and none is left behind."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("ROTOGRAPH_SOCKET", raising=False)
    tmp_path.chmod(0o700)
    yield tmp_path
    rotograph("stop")


def rotograph(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **more
    )


def new(name: str = "test") -> Client:
    return Client(name, command=COMMAND).connect()


# -- one engine --------------------------------------------------------------------------------


def test_clients_that_start_at_the_same_moment_share_one_engine(home):
    found: list[str] = []

    def one() -> None:
        with new() as client:
            found.append(client.instance)
            time.sleep(0.5)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1


def test_what_a_killed_engine_leaves_behind_blocks_nobody(home):
    with new() as client:
        os.kill(client.status()["pid"], signal.SIGKILL)
        first = client.instance
    (folder,) = home.glob("rotograph-*")
    assert (folder / "engine.socket").exists() and (folder / "engine.lock").exists()
    with new() as client:
        assert client.instance != first


def test_the_socket_is_this_users_alone(home):
    with new():
        (folder,) = home.glob("rotograph-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "engine.socket").stat().st_mode & 0o777 == 0o600
    rotograph("stop")
    folder.chmod(0o755)
    refused = rotograph("status")
    assert refused.returncode == 1 and "not a folder of yours alone" in refused.stderr
    folder.chmod(0o700)


def test_status_and_stop(home):
    assert rotograph("status").returncode == 1
    with new("nuke"):
        shown = json.loads(rotograph("status", "--json").stdout)
        assert {"client": "nuke", "pid": os.getpid()} in shown["clients"]
        assert "nuke" in rotograph("status").stdout
        second = rotograph("serve")
        assert second.returncode == 0 and "running already" in second.stderr
    assert rotograph("stop").returncode == 0
    assert rotograph("status").returncode == 1


def test_an_idle_engine_ends_but_not_under_a_client(home):
    process = subprocess.Popen([*COMMAND, "serve", "--idle", "1"], stderr=subprocess.DEVNULL)
    (folder,) = wait_for(lambda: list(home.glob("rotograph-*")))
    wait_for(lambda: (folder / "engine.socket").exists())
    with new() as client:
        time.sleep(1.6)
        assert client.status()["pid"] == process.pid
    assert process.wait(10) == 0
    assert not (folder / "engine.socket").exists()


def test_a_private_engine_ends_with_its_parent(home):
    engine = Private(COMMAND)
    with Client("farm", engine.address, start=False) as client:
        worker = wait_for(lambda: client.status()["worker"]["pid"])
        assert not list(home.glob("rotograph-*/engine.socket")), "it is not the shared one"
    engine.process.stdin.close()
    assert engine.process.wait(10) == 0
    engine.close()
    assert not os.path.exists(os.path.dirname(engine.address))
    wait_for(lambda: not psutil.pid_exists(worker))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_cannot_connect(engine, tmp_path):
    tmp_path.chmod(0o755)  # even if the folder and the socket stood open
    os.chmod(engine.path, 0o777)
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.chdir(tmp_path)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.connect("socket")
                os.write(tell, b"connected ")
                sock.sendall(framing.pack(HELLO))
                os.write(tell, b"answered" if sock.recv(100) else b"refused")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(tell)
    with open(told, "rb") as said:
        assert said.read() in (b"connected refused", b"connected ")


def test_a_client_of_another_protocol_is_told_what_to_update(engine):
    for protocol, advice in ((0, "update Rotograph in the host"), (2, "update the engine")):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with sock:
            sock.connect(engine.path)
            sock.sendall(framing.pack({**HELLO, "protocol": protocol, "version": "9.9"}))
            answer = read(sock)
            assert answer["kind"] == "ProtocolError" and advice in answer["hint"]
            with pytest.raises(EOFError):
                read(sock)


# -- render and plan ---------------------------------------------------------------------------


def test_a_render_through_the_engine_is_the_one_in_process(home, make_shot):
    here, there = make_shot(3), make_shot(3)
    summary = render(Graph.load(here.graph), Environment(Store(here.cache)))
    with new() as client:
        environment = {"store": str(there.cache), "ocio": os.environ.get("OCIO", "")}
        seen: list[dict[str, Any]] = []
        asked = {
            "graph": there.document(),
            "folder": there.folder,
            "environment": environment,
            "path": str(there.graph),
        }
        planned = client.plan(**asked, read=True)
        assert planned["dirty"]["refine"] == [1001, 1002, 1003]
        told = client.render(**asked, progress=seen.append)
        again = client.render(**asked)
    names = ("frames", "written", "computed", "reused", "skipped", "errors")
    assert {n: told[n] for n in names} == {n: summary.to_json()[n] for n in names}
    assert again["computed"] == {} and again["written"] == 3
    assert seen[-1]["type"] == "progress"
    for frame in here.frames:
        assert here.matte(frame).read_bytes() == there.matte(frame).read_bytes()


def test_a_render_command_may_use_either(home, make_shot):
    from rotograph import remote

    here, there = make_shot(3), make_shot(3)
    asked: list[Any] = []
    for shot, run in (
        (here, lambda graph, store: render(graph, Environment(Store(store)))),
        (there, lambda graph, store: remote.render(graph, engine, store)),
    ):
        with new() as engine:
            asked.append(run(Graph.load(shot.graph), shot.cache))
    timeless = {"seconds": 0, "spent": {}, "planned": 0}
    first, second = (summary.to_json() | timeless for summary in asked)
    assert first == second
    assert {f.name for f in asked[0].files} == {f.name for f in asked[1].files}
    for shot, run in (
        (here, lambda graph, store: render(graph, Environment(Store(store)))),
        (there, lambda graph, store: remote.render(graph, engine, store)),
    ):
        shot.plate(1002).unlink()
        with new() as engine, pytest.raises(MissingFrame) as caught:
            run(Graph.load(shot.graph), shot.cache)
        asked.append(str(caught.value).replace(str(shot.folder), ""))
    assert asked[2] == asked[3]


def test_errors_come_back_as_they_are(engine, tmp_path):
    with engine.client() as client:
        with pytest.raises(EngineError) as caught:
            engine.render(client, tmp_path, {"rotograph": 1, "nodes": {"a": {"type": "Reed"}}})
        assert caught.value.kind == "GraphError" and caught.value.node == "a"
        assert str(caught.value) == "a: there is no node type 'Reed'; did you mean 'Read'?"
        assert client.status()["queue"] == {"running": 0, "waiting": 0}


def test_two_shows_do_not_leak_into_each_other(engine, tmp_path):
    with engine.client() as client:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            told = client.render(
                document(3), tmp_path / name, {"store": str(tmp_path / name / "cache")}
            )
            assert told["computed"] == {"plate": 3}
    with pytest.raises(EngineError, match="cannot be used"), engine.client() as client:
        told = client.render(document(3), tmp_path, {"store": "/c", "ocio": "/no/config.ocio"})


def test_progress_comes_four_times_a_second(engine, tmp_path):
    times: list[float] = []
    with engine.client() as client:
        engine.render(
            client, tmp_path, document(4, seconds=1.0),
            progress=lambda told: times.append(time.monotonic()),
        )  # fmt: skip
    # on a busy machine one may be late, but they do not get fewer
    assert len(times) > 4 * (times[-1] - times[0]) and np.median(np.diff(times)) < 0.25


def test_a_cancel_takes_effect_within_a_frame(engine, tmp_path):
    cancelled: list[float] = []

    def progress(told: dict[str, Any]) -> bool:
        if told["written"] >= 2:
            cancelled.append(time.monotonic())
        return bool(cancelled)

    with engine.client() as client:
        with pytest.raises(EngineError) as caught:
            engine.render(client, tmp_path, document(100, seconds=0.3), progress=progress)
        assert caught.value.kind == "Cancelled"
        assert time.monotonic() - cancelled[0] < 2.0  # at once, and some for a busy machine
        wait_for(lambda: client.status()["queue"]["running"] == 0, 5.0)
    done = len(list((tmp_path / "out").iterdir()))
    time.sleep(0.5)
    assert len(list((tmp_path / "out").iterdir())) - done <= 2


def test_work_for_a_client_that_leaves_is_given_up(engine, tmp_path):
    sock = engine.raw()
    request = {
        "type": "render", "id": 1, "graph": document(1000, seconds=0.2),
        "folder": str(tmp_path), "environment": engine.environment,
    }  # fmt: skip
    sock.sendall(framing.pack(request))
    with engine.client() as client:
        wait_for(lambda: client.status()["queue"]["running"] == 1)
        sock.close()
        wait_for(lambda: client.status()["queue"]["running"] == 0, 10.0)


def test_identical_requests_compute_once(engine, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    graph = document(5, seconds=0.2, note=str(notes))
    told: list[Any] = []

    def one() -> None:
        with engine.client() as client:
            told.append(engine.render(client, tmp_path, graph))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [t["written"] for t in told] == [5, 5, 5]
    assert len(list(notes.iterdir())) == 5


def test_overlapping_requests_compute_each_frame_once(engine, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    graph = document(8, seconds=0.2, note=str(notes))

    def one(frames: list[int]) -> None:
        with engine.client() as client:
            engine.render(client, tmp_path, graph, frames=frames)

    threads = [threading.Thread(target=one, args=(f,)) for f in ([1, 2, 3, 4, 5, 6], [3, 4, 5, 8])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(notes.iterdir())) == 7


def test_an_artists_frame_goes_before_a_batch(engine, tmp_path):
    batch = threading.Thread(
        target=lambda: _render(engine, tmp_path / "a", document(80, seconds=0.1))
    )
    batch.start()
    with engine.client() as client:
        wait_for(lambda: client.status()["queue"]["running"] == 1)
        time.sleep(0.3)
        engine.render(
            client, tmp_path / "b", document(1, seconds=0.1, scale=2.0), priority="interactive"
        )
        assert client.status()["queue"]["running"] == 1, "the batch goes on"
    batch.join()


def _render(engine: Engine, folder: Path, graph: dict[str, Any], **more: Any) -> Any:
    with engine.client() as client:
        return engine.render(client, folder, graph, **more)


def test_a_newer_request_for_the_same_view_cancels_the_older(engine, tmp_path):
    sock = engine.raw()
    for id, last in ((1, 20), (2, 1)):
        request = {
            "type": "render", "id": id, "graph": document(last, seconds=0.3),
            "folder": str(tmp_path), "environment": engine.environment, "view": "viewer1",
        }  # fmt: skip
        sock.sendall(framing.pack(request))
    last = {}
    while len(last) < 2:
        answer = read(sock)
        if answer["type"] != "progress":
            last[answer["id"]] = answer
    assert last[1]["kind"] == "Cancelled" and last[2]["value"]["written"] == 1
    sock.close()


# -- crashes -----------------------------------------------------------------------------------


def test_a_crash_in_a_node_costs_its_frame_only(engine, tmp_path):
    other: list[Any] = []
    beside = threading.Thread(
        target=lambda: other.append(
            _render(engine, tmp_path / "b", document(10, seconds=0.2, scale=3.0))
        )
    )
    beside.start()
    with engine.client() as client:
        told = engine.render(client, tmp_path / "a", document(10, seconds=0.1, crash="4"))
        assert told["written"] == 9
        (error,) = told["errors"]
        assert error["node"] == "plate" and error["frame"] == 4
        assert "crashed the engine's worker" in error["message"]
        beside.join()
        assert other[0]["written"] == 10 and not other[0]["errors"]
        assert client.status()["worker"]["restarts"] in (2, 3)
        assert engine.render(client, tmp_path / "c", document(3))["written"] == 3


def test_two_requests_that_crash_each_lose_one_frame(engine, tmp_path):
    told: dict[str, Any] = {}

    def render(name: str, crash: str, scale: float) -> None:
        shot = document(8, seconds=0.05, crash=crash, scale=scale)
        told[name] = _render(engine, tmp_path / name, shot)

    asked = [("a", "4", 1.0), ("b", "6", 2.0)]
    threads = [threading.Thread(target=render, args=each) for each in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: [e["frame"] for e in t["errors"]] for n, t in told.items()} == {"a": [4], "b": [6]}
    assert told["a"]["written"] == told["b"]["written"] == 7


@pytest.mark.parametrize("engine", [{"patience": 1.5}], indirect=True)
def test_a_result_that_never_ends_costs_its_frame_only(engine, tmp_path):
    other: list[Any] = []
    beside = threading.Thread(
        target=lambda: other.append(
            _render(engine, tmp_path / "b", document(20, seconds=0.1, scale=3.0))
        )
    )
    beside.start()
    with engine.client() as client:
        told = engine.render(client, tmp_path / "a", document(6, hang="4"))
        assert told["written"] == 5
        (error,) = told["errors"]
        assert error["frame"] == 4 and "was not computed within 1.5 s" in error["message"]
        beside.join()
        assert other[0]["written"] == 20 and not other[0]["errors"]
        assert client.status()["worker"]["restarts"] == 1


def test_what_nobody_waits_for_holds_nobody_up(tmp_path, monkeypatch):
    from rotograph import desk, jobs

    queue = jobs.Jobs()
    request = wire.Render(1, wire.Environment("/c"), {}, "/x")
    slow = queue.add(1, request, b"")
    slow.running = True
    queue.at(slow, "aa", True)
    slow.begun["aa"] -= desk.LEFT + 1
    assert queue.hanging(1800.0, desk.LEFT) == []
    slow.ended, slow.listeners = True, []
    assert queue.hanging(1800.0, desk.LEFT) == [], "it disturbs nobody"
    queue.add(2, msgspec.structs.replace(request, folder="/y"), b"")
    assert queue.hanging(1800.0, desk.LEFT) == [(slow, "aa")]
    assert queue.hung([(slow, "aa")], 1800.0) == []
    assert [job.client for job in queue] == [2]


def test_a_killed_engine_is_noticed_at_once_and_the_work_repeated(home, make_shot):
    shot = make_shot(3)
    killed: list[float] = []

    def progress(told: dict[str, Any]) -> None:
        if not killed and told["stage"] == "rendering" and told["done"] > 3:
            os.kill(pid, signal.SIGKILL)
            killed.append(time.monotonic())
        elif killed and len(killed) == 1:
            killed.append(time.monotonic())

    with new() as client:
        pid = client.status()["pid"]
        told = client.render(
            shot.document(), shot.folder, {"store": str(shot.cache)}, progress=progress
        )
        assert told["written"] == 3 and not told["errors"]
        assert client.status()["pid"] != pid
    # no time-out is that short: a new engine was started, and was at work, on a busy machine
    assert killed[1] - killed[0] < 8.0
    assert Store(shot.cache).verify().damaged == 0


# -- frames over shared memory -----------------------------------------------------------------


def picture(width: int, height: int) -> dict[str, Any]:
    window = [0, 0, width, height]
    return {
        "display": window, "data": window, "channels": ["R", "G", "B", "A"],
        "colour_space": "ACEScg",
    }  # fmt: skip


def rgba(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 4), dtype=np.float32)


def named(pixels: np.ndarray) -> str:
    height, width, _ = pixels.shape
    box = Box(0, 0, width, height)
    spec = ImageSpec(box, box, ("R", "G", "B", "A"))
    return pixel_digest(Image(spec, pixels)).hex()


PLATE = {"rotograph": 1, "nodes": {"plate": {"type": "Read"}}}


def ask(engine: Engine, client: Client, digest: str, size: tuple[int, int], **more: Any) -> Any:
    plates = {"plate": {"picture": picture(*size), "frames": {"1001": digest}}}
    return client.matte(
        PLATE, "/", engine.environment, node="plate", frame=1001, plates=plates, **more
    )


def test_a_frame_crosses_once_and_its_matte_comes_back(engine):
    pixels = rgba(200, 100)
    digest = named(pixels)
    sent: list[str] = []

    def send(digest: str) -> Any:
        sent.append(digest)
        return picture(200, 100), pixels, "float32"

    with engine.client() as client:
        assert client.lacking([digest]) == [digest]
        for _ in range(3):
            (matte,) = ask(engine, client, digest, (200, 100), pixels=send)
            got = np.frombuffer(matte.pixels, np.float32).reshape(100, 200)
            assert np.array_equal(got, pixels[..., 3])
            del got
            matte.free()
        assert sent == [digest]
        assert client.lacking([digest]) == []
        # a client that cannot hash lets the engine do it
        other = rgba(200, 100, 1)
        assert client.send_frame(picture(200, 100), other) == named(other)
        assert client.lacking([named(other)]) == []
    with engine.client() as client:
        wait_for(lambda: client.status()["frames"]["segments"] == 0)


def test_a_killed_worker_gives_back_what_it_was_reading(engine):
    pixels = rgba(64, 64)
    digest = named(pixels)
    with engine.client() as client:
        wait_for(lambda: client.status()["worker"]["ready"])
        os.kill(client.status()["worker"]["pid"], signal.SIGSTOP)
        told: list[Any] = []
        thread = threading.Thread(
            target=lambda: told.extend(
                ask(
                    engine, client, digest, (64, 64), ahead=[digest],
                    pixels=lambda digest: (picture(64, 64), pixels, "float32"),
                )
            )
        )  # fmt: skip
        thread.start()
        with engine.client() as other:
            wait_for(lambda: other.status()["frames"]["held"] == 1)
            os.kill(other.status()["worker"]["pid"], signal.SIGKILL)
            thread.join()
            assert bytes(told[0].pixels) == pixels[..., 3].tobytes()
            told.pop().free()
            client.close()
            wait_for(lambda: other.status()["frames"]["segments"] == 0)


@pytest.mark.parametrize("engine", [{"frames": 200_000}], indirect=True)
def test_frames_make_room_for_others_the_least_recently_used_first(engine):
    frames = [rgba(100, 100, seed) for seed in range(8)]  # 160,000 bytes each
    digests = [named(pixels) for pixels in frames]
    with engine.client() as client:
        for pixels, digest in zip(frames, digests, strict=True):
            client.send_frame(picture(100, 100), pixels, digest)
        assert client.lacking(digests) == digests[:-1]
        held = client.status()["frames"]
        assert held["held"] == 1 and int(held["bytes"]) <= 200_000
        # one that was forgotten is asked for again, and is the same
        (matte,) = ask(
            engine, client, digests[0], (100, 100),
            pixels=lambda digest: (picture(100, 100), frames[0], "float32"),
        )  # fmt: skip
        assert bytes(matte.pixels) == frames[0][..., 3].tobytes()
        matte.free()


def test_a_frame_that_is_not_what_its_digest_says_is_refused(engine):
    digest = named(rgba(64, 64, 1))
    with engine.client() as client:
        client.send_frame(picture(64, 64), rgba(64, 64, 2), digest)
        with pytest.raises(EngineError, match="not what its digest says"):
            ask(engine, client, digest, (64, 64))


def test_a_real_matte_of_frames_that_lie_in_no_file(home, make_shot):
    shot = make_shot(2)
    from rotograph import exr

    images = {frame: exr.read(shot.plate(frame)) for frame in shot.frames}
    digests = {frame: pixel_digest(image).hex() for frame, image in images.items()}
    by_digest = {digest: images[frame] for frame, digest in digests.items()}
    shape = {"display": [0, 0, 160, 96], "data": [0, 0, 160, 96], "channels": ["R", "G", "B"]}
    shape["colour_space"] = "ACEScg"
    graph = shot.document()
    del graph["nodes"]["out"]
    with new() as client:
        mattes = client.matte(
            graph, shot.folder, {"store": str(shot.cache)}, node="refine", frame=1002,
            plates={"plate": {"picture": shape, "frames": {str(f): d for f, d in digests.items()}}},
            pixels=lambda digest: (shape, by_digest[digest].pixels.astype(np.float32), "float32"),
        )  # fmt: skip
        got = np.frombuffer(mattes[0].pixels, np.float32).reshape(96, 160)
        assert mattes[0].layer == "disc"
        # the same shot from files: nothing is computed for it again
        told = client.track(
            shot.document(), shot.folder, {"store": str(shot.cache)}, "refine", [1002]
        )
        assert told["computed"] == {}
        truth = exr.read(shot.truth(1002)).pixels[..., 0]
        assert np.abs(got - truth).mean() < 0.02


def test_a_long_track_needs_no_more_than_one_frame_of_the_hosts_memory(home, make_shot):
    from rotograph import exr

    shot = make_shot(4)
    images = {frame: exr.read(shot.plate(frame)) for frame in shot.frames}
    digests = {str(frame): pixel_digest(image).hex() for frame, image in images.items()}
    by_digest = {digest: images[int(frame)] for frame, digest in digests.items()}
    shape = {"display": [0, 0, 160, 96], "data": [0, 0, 160, 96], "channels": ["R", "G", "B"]}
    with new() as client:
        client._link.pool.LIMIT = 1  # one segment, whatever its size
        told = client.track(
            shot.document(), shot.folder, {"store": str(shot.cache)}, "track",
            plates={"plate": {"picture": shape, "frames": digests}},
            pixels=lambda digest: (shape, by_digest[digest].pixels.astype(np.float32), "float32"),
        )  # fmt: skip
        assert told["computed"]["track"] == 4 and not told["errors"]
        assert client.status()["frames"]["segments"] == 1


def test_what_a_first_correction_freezes_is_looked_up_and_never_computed(home, make_shot):
    shot = make_shot(4)
    asked = {
        "graph": shot.document(),
        "folder": shot.folder,
        "environment": {"store": str(shot.cache)},
    }
    with new() as client:
        assert client.freeze(node="refine", layer="disc", frame=1003, **asked) is None
        client.track(node="track", **asked)
        found = client.freeze(node="refine", layer="disc", frame=1003, **asked)
        assert (found["frame"], found["layer"], found["whole"]) == (1003, "disc", True)
        assert client.freeze(node="refine", layer="nobody", frame=1003, **asked) is None
        asked["graph"]["nodes"]["track"]["prompts"] = [found]
        assert client.track(node="track", **asked)["errors"] == []
        assert client.freeze(node="refine", layer="disc", frame=1003, **asked) is None


def test_stop_ends_what_clients_wait_for_and_starts_nothing(home, make_shot):
    shot = make_shot(4)
    with new() as client:
        with pytest.raises(EngineError) as caught:
            client.render(
                shot.document(), shot.folder, {"store": str(shot.cache)},
                progress=lambda told: told["stage"] == "rendering" and rotograph("stop") and None,
            )  # fmt: skip
        assert caught.value.kind == "Cancelled" and "stopped" in str(caught.value)
    assert rotograph("status").returncode == 1


# -- faults ------------------------------------------------------------------------------------


def bad_bytes() -> list[tuple[str, bytes]]:
    deep = b'{"type":"status","id":' + b"[" * 100 + b"]" * 100 + b"}"
    frame = framing.HEADER.pack
    return [
        ("garbage", os.urandom(4096)),
        ("zero length", frame(0)),
        ("huge length", frame(0xFFFFFFFF) + b"x"),
        ("just over", frame(framing.MAX_MESSAGE + 1)),
        ("not JSON", frame(3) + b"abc"),
        ("not UTF-8", frame(4) + b'"\xff\xff"'),
        ("too deep", frame(len(deep)) + deep),
        ("far too deep", frame(200_000) + b"[" * 200_000),
        ("an array", framing.frame(b"[]")),
        ("no type", framing.frame(b'{"id":1}')),
        ("unknown type", framing.frame(b'{"type":"rm"}')),
        ("not a number", framing.frame(b'{"type":"status","id":NaN}')),
        ("a huge number", framing.frame(b'{"type":"release","segment":' + b"9" * 5000 + b"}")),
        ("no descriptor", framing.pack({"type": "segment", "segment": 0, "bytes": 4096})),
    ]


@pytest.mark.parametrize(("what", "data"), bad_bytes(), ids=lambda v: v if type(v) is str else "")
@pytest.mark.parametrize("greeted", [False, True], ids=["before hello", "after hello"])
def test_nonsense_ends_its_own_connection_only(shared_engine, what, data, greeted):
    with shared_engine.client() as other:
        instance = other.instance
        if greeted:
            sock = shared_engine.raw()
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(10)
            sock.connect(shared_engine.path)
        with sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(data)
            answer = None
            with contextlib.suppress(EOFError, ConnectionResetError):
                answer = read(sock)
                assert answer["type"] == "error", answer
                if "id" in answer and answer["id"] is not None:
                    return
                with pytest.raises((EOFError, ConnectionResetError)):
                    read(sock)
        assert other.status()["instance"] == instance


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = Engine(tmp_path_factory.mktemp("engine"))
    yield made
    assert made.process.poll() is None
    made.process.terminate()
    made.process.wait(10)


def test_mutated_conversations_disturb_nobody(shared_engine):
    rng = random.Random(3)
    folder = Path(__file__).parents[1] / "wire"
    seeds = [p.read_bytes() for p in sorted(folder.glob("*/client-*.msg"))]
    descriptor, _ = segment.create(4096)
    with shared_engine.client() as other:
        for _ in range(150):
            with contextlib.suppress(OSError), shared_engine.raw() as sock:
                for _ in range(rng.randint(1, 5)):
                    data = bytearray(rng.choice(seeds))
                    if rng.random() < 0.5:
                        data[rng.randrange(len(data))] = rng.randrange(256)
                    if b'"stop"' not in data:
                        framing.send(sock, bytes(data), (descriptor,) * rng.randrange(2))
            if rng.random() < 0.2:
                assert other.status()["protocol"] == 1
        wait_for(lambda: other.status()["queue"] == {"running": 0, "waiting": 0})
        assert other.status()["worker"]["restarts"] == 0
        assert len(other.status()["clients"]) == 1
    os.close(descriptor)


def test_half_a_message_keeps_nobody_waiting(shared_engine):
    with shared_engine.raw() as sock, shared_engine.client() as other:
        whole = framing.pack({"type": "status", "id": 7})
        sock.sendall(whole[:9])
        assert other.status()["protocol"] == 1
        sock.sendall(whole[9:])
        assert read(sock)["id"] == 7


def test_who_does_not_read_is_let_go(shared_engine):
    with shared_engine.raw() as sock, shared_engine.client() as other:
        sock.setblocking(False)
        many = framing.pack({"type": "status", "id": 7}) * 2000
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            for _ in range(2000):
                sock.send(many)
        assert other.status()["protocol"] == 1


def lend(sock: socket.socket, descriptor: int, size: int, number: int = 0) -> None:
    message = framing.pack({"type": "segment", "segment": number, "bytes": size})
    framing.send(sock, message, (descriptor,))


def frame_message(width: int, height: int, **more: Any) -> bytes:
    message = {"type": "frame", "id": 1, "segment": 0, "picture": picture(width, height), **more}
    return framing.pack(message)


def test_segments_that_could_hurt_are_refused(shared_engine, tmp_path):
    unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(unsealed, 1 << 20)
    small, _ = segment.create(4096)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 4096)
    plain = os.open(path, os.O_RDWR)
    reader, writer = os.pipe()
    for descriptor, size, why in (
        (unsealed, 4096, "not sealed"),
        (small, 8192, "holds 4096 bytes, not 8192"),
        (plain, 4096, "memfd"),
        (reader, 4096, "memfd"),
    ):
        with shared_engine.raw() as sock:
            lend(sock, descriptor, size)
            assert why in read(sock)["message"]
    for descriptor in (unsealed, small, plain, reader, writer):
        os.close(descriptor)


def test_a_segment_cannot_be_cut_under_the_engine(shared_engine):
    pixels = rgba(64, 64)
    descriptor, memory = segment.create(pixels.nbytes)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(descriptor, 0)
    with shared_engine.raw() as sock:
        lend(sock, descriptor, pixels.nbytes)
        sock.sendall(frame_message(64, 65))
        assert "does not lie at" in read(sock)["message"]
        sock.sendall(frame_message(64, 64, offset=64))
        assert "does not lie at" in read(sock)["message"]
        sock.sendall(frame_message(64, 64, segment=9))
        assert "no segment 9" in read(sock)["message"]
        memory[:] = pixels.tobytes()
        sock.sendall(frame_message(64, 64))
        assert read(sock)["value"]["digest"] == named(pixels)
    os.close(descriptor)
    memory.close()


def test_descriptors_nobody_asked_for_are_closed(shared_engine):
    server = psutil.Process(shared_engine.process.pid)
    before = server.num_fds()
    for _ in range(20):
        with shared_engine.raw() as sock, contextlib.suppress(OSError):
            for _ in range(3):
                framing.send(sock, framing.pack({"type": "status", "id": 1}), (0, 1, 2))
            read(sock)
    wait_for(lambda: server.num_fds() <= before)


def test_the_client_runs_in_an_old_host(shared_engine):
    import ast

    import rotograph_host

    folder = Path(rotograph_host.__file__).parent
    for path in folder.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
