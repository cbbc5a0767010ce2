"""``otio``, ``movie`` and ``report`` through the engine: as ``render``, down to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rotograph.client import NoEngine, connect

otio = pytest.importorskip("opentimelineio")


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rotograph.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rotograph(*arguments: object, status: int = 0) -> tuple[str, str]:
    with start(*arguments) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == status, err
    return out, err


def engine() -> dict[str, Any] | None:
    """The status of the engine that runs, if one does."""
    try:
        with connect("test", start=False) as client:
            return client.status()
    except NoEngine:
        return None


def cut_of(shot: Any, *clips: tuple[str, int, int]) -> Path:
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", kind="Video"))
    time_of = otio.opentime.RationalTime
    for name, first, count in clips:
        reference = otio.schema.ExternalReference("plate.####.exr")
        span = otio.opentime.TimeRange(time_of(first, 24), time_of(count, 24))
        timeline.tracks[0].append(otio.schema.Clip(name, reference, span))
    path = shot.folder / "cut.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


@pytest.mark.slow
def test_one_engine_computes_a_cut_a_movie_and_a_page_and_nothing_twice(home, make_shot):
    shot = make_shot(4)
    cut = cut_of(shot, ("a", 1001, 2), ("b", 1003, 2))
    deliver = ("otio", cut, "--graph", shot.graph, "-o", shot.folder / "out", "--json")
    rest = ("--cache", shot.cache)
    out, _ = rotograph(*deliver, "--handles", 0, *rest)
    told = json.loads(out)
    assert told["computed"] > 0 and [c["status"] for c in told["clips"]] == ["delivered"] * 2
    first = engine()
    assert first and shot.cache.as_posix() in " ".join(first["stores"])
    out, _ = rotograph(*deliver, "--handles", 0, *rest)
    assert json.loads(out)["computed"] == 0

    movie, page = shot.folder / "a.mp4", shot.folder / "a.html"
    _, err = rotograph("movie", shot.graph, movie, *rest)
    assert "nothing computed" in err and movie.is_file()  # the cut's mattes are this shot's
    _, err = rotograph("report", shot.graph, page, *rest)
    assert "nothing computed" in err and page.is_file()
    assert engine()["instance"] == first["instance"]


@pytest.mark.slow
def test_a_private_engine_ends_and_other_shows_files_are_refused_by_it_too(home, make_shot):
    shot = make_shot(2)
    deliver = (
        *("otio", cut_of(shot, ("a", 1001, 2)), "--graph", shot.graph, "--private"),
        *("-o", shot.folder / "out", "--cache", shot.cache, "--json"),
    )
    rotograph(*deliver)
    out, _ = rotograph(*deliver, "--set", "refine.feather=9", status=1)
    (clip,) = json.loads(out)["clips"]
    assert clip["status"] == "failed" and "--overwrite" in clip["reason"]
    rotograph(*deliver, "--set", "refine.feather=9", "--overwrite")
    assert engine() is None


@pytest.mark.slow
def test_ctrl_c_on_a_cut_ends_within_a_second_and_it_goes_on_from_there(home, make_shot):
    shot = make_shot(14)
    out = shot.folder / "out"
    deliver = (
        *("otio", cut_of(shot, ("a", 1001, 14)), "--graph", shot.graph),
        *("-o", out, "--cache", shot.cache, "--json"),
    )
    with start(*deliver) as process:
        deadline = time.monotonic() + 60
        while not (out / "a/mattes/matte.1002.exr").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        said, err = process.communicate(timeout=30)
        seconds = time.monotonic() - stopped
    assert process.returncode == 130 and seconds < 1.5, err
    assert "run the same command again" in err and err.count("\n") == 1
    assert not (out / "cut.mattes.otio").exists() and not said
    time.sleep(1)  # what was being computed is finished for the store
    kept = len(os.listdir(out / "a/mattes"))
    assert 2 <= kept < 14
    again, _ = rotograph(*deliver)
    (clip,) = json.loads(again)["clips"]
    assert clip["status"] == "delivered" and clip["written"] <= 14 - kept
