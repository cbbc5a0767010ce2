"""The command line as a compositor and a script meet it: real processes, files and signals."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rotograph import exr


def start(*arguments: object, **rest: Any) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("OCIO", "ROTOGRAPH_CACHE")}
    return subprocess.Popen(
        [sys.executable, "-m", "rotograph.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "COLUMNS": "200"},
        **{"stderr": subprocess.PIPE, **rest},
    )


def rotograph(*arguments: object, status: int = 0, **rest: Any) -> tuple[str, str]:
    """What the command said on standard output and on standard error."""
    with start(*arguments, **rest) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    return out, err


def last(out: str) -> dict[str, Any]:
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def rendered(make_shot) -> tuple[Any, dict[str, Any]]:
    """A shot that was rendered once, for tests that change none of its files; and what was said."""
    shot = make_shot()
    out, err = rotograph("render", shot.graph, "--cache", shot.cache, "--json")
    assert err.count("\n") == 1  # no bar where nobody looks
    return shot, last(out)


def test_help_is_for_people() -> None:
    out, _ = rotograph("--help")
    for word in ("render", "plan", "compare", "cache", "doctor", "demo", "Examples"):
        assert word in out
    for command in ("render", "plan", "nodes", "compare", "cache", "doctor", "schema", "demo"):
        out, _ = rotograph(command, "--help")
        assert "Usage" in out


def test_nodes_and_their_parameters() -> None:
    out, _ = rotograph("nodes")
    for name in ("Read", "Detect", "Segment", "Track", "Matte", "Refine", "Write"):
        assert name in out
    out, _ = rotograph("nodes", "Refine")
    (line,) = [line for line in out.splitlines() if line.startswith("feather")]
    assert "0 to " in line and "plate pixels" in line and "per layer" in line
    out, err = rotograph("nodes", "Trak", status=1)
    assert out == "" and err == "rotograph: there is no node 'Trak'; did you mean 'Track'?\n"


def test_usage_errors_are_status_2() -> None:
    for arguments in (
        ("rendr",),
        ("render",),
        ("render", "shot.json", "--frames", "x"),
        ("render", "shot.json", "--jobs", "0"),
        ("cache", "prune", "--to", "much"),
    ):
        out, err = rotograph(*arguments, status=2)
        assert out == "" and "Usage" in err and "Traceback" not in err


def test_rendering_twice_and_after_a_change(rendered, tmp_path: Path) -> None:
    shot, first = rendered
    assert (first["frames"], first["written"], first["errors"]) == (4, 4, [])
    assert first["computed"]["refine"] == 4 and first["seconds"] > 0
    for frame in shot.frames:
        alpha = exr.read(shot.matte(frame)).coverage()
        truth = exr.read(shot.truth(frame)).coverage()
        assert np.abs(alpha - truth).mean() < 0.02, frame

    render = ("render", shot.graph, "--cache", shot.cache, "--json")
    second = last(rotograph(*render)[0])
    assert (second["written"], second["computed"]) == (4, {})
    assert second["reused"] == {"out": 4}

    changed = ("--set", "refine.feather=3", "--output", tmp_path)
    assert set(last(rotograph(*render, *changed)[0])["computed"]) == {"refine"}


def test_plan_says_what_and_why(rendered, tmp_path: Path) -> None:
    shot, _ = rendered
    frames = list(shot.frames)
    cold = ("plan", shot.graph, "--cache", tmp_path)
    told = last(rotograph(*cold, "--json")[0])
    assert (told["unread"], told["dirty"]["out"]) == ({"plate": frames}, frames)
    assert "never read" in rotograph(*cold)[0]
    assert last(rotograph(*cold, "--read", "--json")[0])["unread"] == {}

    plan = ("plan", shot.graph, "--cache", shot.cache)
    clean = last(rotograph(*plan, "--json")[0])
    assert (clean["dirty"], clean["reused"]) == ({}, {"out": 4})
    softer = last(rotograph(*plan, "--set", "refine.feather=2", "--json")[0])
    assert softer["dirty"] == {"refine": frames, "out": frames}
    assert softer["reasons"]["out"] == {"follows refine": frames}
    out, _ = rotograph(*plan, "--set", "refine.feather=2", "--frames", "1002-1003")
    (line,) = [line for line in out.splitlines() if line.startswith("out")]
    assert "1002-1003" in line and "follows refine" in line

    os.utime(shot.plate(1002))
    assert last(rotograph(*plan, "--json")[0])["dirty"] == {}


def test_output_takes_the_place_of_the_graphs_folder(shot, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    rotograph(
        "render", shot.graph, "--cache", shot.cache, "--output", elsewhere, "--frames", "1001"
    )
    assert (elsewhere / "mattes" / "matte.1001.exr").exists()
    assert not (shot.folder / "mattes").exists()


def test_what_fails_is_one_line_and_status_1(shot) -> None:
    render = ("render", shot.graph, "--cache", shot.cache)
    out, err = rotograph(*render, "--set", "refine.fether=3", "--json", status=1)
    line = "refine: Refine has no parameter 'fether'; did you mean 'feather'?"
    assert err == f"rotograph: {line}\n"
    assert last(out)["errors"] == [line] and last(out)["written"] == 0
    _, err = rotograph(*render, "--set", "refine.fether=3", "--debug", status=1)
    assert "Traceback" in err and err.endswith(f"rotograph: {line}\n")
    _, err = rotograph(*render, "--frames", "1001-1009", status=1)
    assert err.count("\n") == 1 and "frame 1005" in err and "1001-1004" in err
    shot.graph.unlink()
    _, err = rotograph(*render, status=1)
    assert err == f"rotograph: {shot.graph}: cannot be read: No such file or directory\n"


def test_missing_frames_are_an_error_or_skipped(shot) -> None:
    render = ("render", shot.graph, "--cache", shot.cache, "--json")
    shot.plate(1003).unlink()
    out, err = rotograph(*render, status=1)
    assert "plate, frame 1003" in err and "hold or skip" in err
    assert len(last(out)["errors"]) == 1
    out, err = rotograph(*render, "--set", "plate.missing=skip", "--frames", "1001-1004")
    told = last(out)
    assert (told["frames"], told["written"], told["skipped"]) == (4, 3, [1003])
    assert "skipped 1003" in err and not shot.matte(1003).exists()


def test_a_damaged_frame_costs_only_what_hangs_on_it(shot) -> None:
    whole = shot.plate(1004).read_bytes()
    shot.plate(1004).write_bytes(whole[: len(whole) // 2])
    out, err = rotograph("render", shot.graph, "--cache", shot.cache, "--json", status=1)
    assert str(shot.plate(1004)) in err and "Traceback" not in err
    assert last(out)["errors"]


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(make_shot) -> None:
    shot = make_shot(14)
    render = ("render", shot.graph, "--cache", shot.cache, "--json")
    with start(*render) as process:
        deadline = time.monotonic() + 120
        while not shot.matte(1002).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        out, err = process.communicate(timeout=60)
        seconds = time.monotonic() - stopped
    assert process.returncode == 130, err
    assert seconds < 1.5  # one, and some for a busy machine
    assert err.count("\n") == 1 and "run the same command again" in err
    folder = shot.folder / "mattes"
    kept = sorted(folder.glob("*.exr"))
    assert 2 <= len(kept) < 14
    assert abs(last(out)["written"] - len(kept)) <= 1
    for path in kept:
        assert exr.read(path).coverage().max() > 0.9
    assert not [p for p in folder.iterdir() if p not in kept]

    told = last(rotograph(*render)[0])
    assert told["written"] == 14
    assert told["computed"].get("refine", 0) < 14


_STUCK = """
import sys, time
from rotograph.commands.running import stoppable

def work(stop):
    part = open(sys.argv[1], "xb")  # a frame on a disk that hangs
    print("writing", flush=True)
    time.sleep(60)

stoppable(work, lambda: "stopped")
"""


def test_ctrl_c_waits_for_nothing_that_hangs_and_leaves_no_half_file(tmp_path: Path) -> None:
    part = tmp_path / ".0123456789abcdef.rotograph-part"
    with subprocess.Popen(
        [sys.executable, "-c", _STUCK, str(part)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "writing\n" and part.exists()
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "stopped\n")
    assert time.monotonic() - stopped < 1.5
    assert list(tmp_path.iterdir()) == []


def test_terminated_is_143(make_shot) -> None:
    shot = make_shot(14)
    with start("render", shot.graph, "--cache", shot.cache) as process:
        deadline = time.monotonic() + 60
        while not shot.cache.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 143


def test_a_bar_is_drawn_on_a_terminal_only(make_shot) -> None:
    shot = make_shot(12)  # so many that it is seen on its way
    terminal, theirs = pty.openpty()
    with start("render", shot.graph, "--cache", shot.cache, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        out = process.stdout.read()
    os.close(terminal)
    assert process.returncode == 0
    assert out == ""
    assert b"frames/s" in seen and b"12 of 12 frames" in seen


def test_compare_judges_the_mattes(rendered) -> None:
    shot, _ = rendered
    mattes, truth = shot.folder / "mattes", shot.folder / "truth.####.exr"
    told = last(rotograph("compare", mattes, truth, "--json")[0])
    assert told["frames"] == 4 and told["IoU"] > 0.95 and told["mad"] < 0.02
    assert {"mad", "band", "grad", "dtSSD", "IoU", "J", "F"} <= set(told)
    out, _ = rotograph("compare", mattes, truth)
    assert "dtSSD" in out and "1001-1004" in out
    _, err = rotograph("compare", mattes / "none.####.exr", truth, status=1)
    assert "none.####.exr" in err and "Traceback" not in err


def test_the_cache_can_be_looked_at_checked_and_emptied(rendered, tmp_path: Path) -> None:
    shot, _ = rendered
    folder = shutil.copytree(shot.cache, tmp_path / "cache")
    cache = ("--cache", folder, "--json")
    held = last(rotograph("cache", "stats", *cache)[0])
    assert held["entries"] > 0
    assert last(rotograph("cache", "verify", *cache)[0])["entries"] == held["entries"]
    entry = next(p for p in folder.rglob("*") if p.is_file() and len(p.name) == 32)
    entry.write_bytes(entry.read_bytes()[:-3])
    assert last(rotograph("cache", "verify", *cache)[0])["damaged"] == 1
    assert last(rotograph("cache", "prune", "--to", "1G", *cache)[0])["freed"] == 0
    assert last(rotograph("cache", "prune", *cache)[0])["bytes"] == 0


def test_doctor_says_what_is_there_and_what_to_do(tmp_path: Path) -> None:
    out, _ = rotograph("doctor", "--cache", tmp_path)
    for word in ("Python", "OpenEXR", "OCIO config", "classic", "writable", str(tmp_path)):
        assert word in out
    (tmp_path / "file").touch()
    out, _ = rotograph("doctor", "--cache", tmp_path / "file" / "x", status=1)
    assert "--cache" in out and "1 thing to put right" in out


def test_doctor_marks_a_device_that_was_asked_for_and_is_not_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ROTOGRAPH_DEVICE", "cuda:97")
    out, _ = rotograph("doctor", "--cache", tmp_path, status=1)
    assert "asked for" in out and "'cuda:97'" not in out and "cuda:97" in out


def test_the_schema_is_printed() -> None:
    out, _ = rotograph("schema")
    assert json.loads(out)["title"] == "Rotograph graph"
