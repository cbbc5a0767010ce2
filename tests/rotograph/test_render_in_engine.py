"""``rotograph render`` through the engine: nobody can tell by what it says, writes or returns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from rotograph.client import NoEngine, connect
from rotograph.store import Store


def start(*arguments: object, **rest: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rotograph.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **rest,
    )


def rotograph(*arguments: object, status: int = 0, **rest: Any) -> tuple[dict[str, Any], str]:
    """The JSON that the command said last, and what it said on standard error."""
    with start(*arguments, "--json", **rest) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == status, err
    return json.loads(out.splitlines()[-1]) | {"seconds": 0, "spent": {}, "planned": 0}, err


def running() -> bool:
    try:
        with connect("test", start=False):
            return True
    except NoEngine:
        return False


@pytest.mark.slow
def test_the_three_ways_give_the_same_files_words_and_status(home, make_shot):
    told, files = [], []
    for way in ((), ("--private",), ("--no-engine",)):
        shot = make_shot(3)
        render = ("render", shot.graph, "--cache", shot.cache, *way)
        said = [rotograph(*render), rotograph(*render, "--frames", "1-9", status=1)]
        shot.plate(1002).unlink()
        said.append(rotograph(*render, "--set", "plate.missing=skip"))
        told.append([_of_no_folder(shot.folder, value, err) for value, err in said])
        files.append([shot.matte(frame).read_bytes() for frame in shot.frames])
    assert files[0] == files[1] == files[2]
    assert told[0] == told[2]
    assert told[1] == told[2]


def _of_no_folder(folder: Path, value: Any, err: str) -> tuple[Any, str]:
    """What was said, without the folder and the seconds."""
    plain = json.loads(json.dumps(value).replace(str(folder), ""))
    return plain, err.splitlines()[0].replace(str(folder), "").rsplit("; ", 1)[0]


def test_the_first_render_starts_the_engine_and_the_second_finds_it(home, make_shot):
    shot = make_shot(2)
    assert not running()
    rotograph("render", shot.graph, "--cache", shot.cache)
    with connect("test", start=False) as engine:
        first = engine.status()
    rotograph("render", shot.graph, "--cache", shot.cache, "--output", home / "again")
    with connect("test", start=False) as engine:
        assert engine.status()["instance"] == first["instance"]


def test_the_other_ways_leave_no_engine(home, make_shot):
    shot = make_shot(2)
    rotograph("render", shot.graph, "--cache", shot.cache, "--private")
    rotograph("render", shot.graph, "--cache", shot.cache, "--no-engine")
    rotograph("render", shot.graph, env={**os.environ, "ROTOGRAPH_NO_ENGINE": "1"})
    assert not running()
    for process in psutil.process_iter(["environ"]):
        assert str(home) not in (process.info["environ"] or {}).get("XDG_RUNTIME_DIR", "")
    told, _ = rotograph("render", shot.graph, "--private", "--no-engine", status=2)
    assert "--no-engine" in told["errors"][0]


def test_without_an_engine_the_work_is_done_here_and_it_is_said(home, make_shot):
    shot = make_shot(2)
    told, err = rotograph(
        "render", shot.graph, "--cache", shot.cache,
        env={**os.environ, "ROTOGRAPH_SOCKET": str(home / "nobody")},
    )  # fmt: skip
    assert told["written"] == 2
    assert "no engine is running" in err and "computing in this process" in err


@pytest.mark.slow
@pytest.mark.parametrize("way", [(), ("--private",)], ids=["shared", "private"])
def test_ctrl_c_within_a_second(home, make_shot, way):
    shot = make_shot(14)
    render = ("render", shot.graph, "--cache", shot.cache, *way)
    with start(*render, "--json") as process:
        deadline = time.monotonic() + 60
        while not shot.matte(1002).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        process.wait(30)
        seconds = time.monotonic() - stopped
        out, err = process.communicate(timeout=30)  # a private engine still finishes its file
    assert process.returncode == 130, err
    assert seconds < 1.5  # one, and some for a busy machine
    assert err.count("\n") == 1 and "run the same command again" in err
    said = json.loads(out.splitlines()[-1])["written"]
    wait(lambda: not list(shot.folder.glob("mattes/.*")))
    time.sleep(0.5)
    kept = sorted((shot.folder / "mattes").glob("*"))
    assert 2 <= len(kept) < 14 and abs(said - len(kept)) <= 2
    assert Store(shot.cache).verify().damaged == 0
    told, _ = rotograph(*render)
    assert told["written"] == 14 and told["computed"].get("refine", 0) < 14


def wait(what: Any) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
