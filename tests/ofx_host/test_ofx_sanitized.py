"""The plugin built with AddressSanitizer, LeakSanitizer and UBSan, under random stops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rotograph.client import Client

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")


@pytest.fixture(name="sanitized", scope="module")
def sanitized_fixture(build, tmp_path_factory):
    return build(sanitize=True, out=tmp_path_factory.mktemp("sanitized"))


def sanitizer():
    said = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True)
    return said.stdout.strip()


@pytest.mark.parametrize("count", [30, pytest.param(10_000, marks=pytest.mark.slow)])
def test_random_stops_leave_nothing_behind(sanitized, wired, tmp_path, count):
    environment = {
        **os.environ,
        "LD_PRELOAD": sanitizer(),
        "ASAN_OPTIONS": "detect_leaks=1:exitcode=0",  # Python's own leaks are not ours
        "PYTHONMALLOC": "malloc",
    }
    script = Path(__file__).with_name("stress.py")
    done = subprocess.run(
        [sys.executable, str(script), str(sanitized), str(count)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["faults"] == []
    assert told["rendered"] > count / 10
    assert told["stopped"] > count / 10
    blamed = [line for line in done.stderr.splitlines() if "plugin/ofx" in line]
    assert not blamed, "\n".join(blamed[:20])
    assert "ERROR: AddressSanitizer" not in done.stderr
    with Client("test", wired.address) as client:
        assert client.status()["queue"] == {"running": 0, "waiting": 0}
