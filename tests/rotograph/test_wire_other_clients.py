"""The wire from outside Python: a client in C that was written from docs/wire.md alone."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rotograph
from rotograph.client import COMMAND, Client, Private
from rotograph.environment import pixel_digest
from rotograph.image import Box, Image, ImageSpec

SOURCE = Path(__file__).parents[1] / "wire" / "client.c"


def compiler() -> list[str]:
    """A C compiler: the system's, or the one that the package ziglang carries."""
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    pytest.skip("there is no C compiler here (pip install ziglang is one)")


def test_a_client_in_c_lends_a_frame_and_is_understood(tmp_path: Path) -> None:
    program = tmp_path / "client"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler(), *flags, str(SOURCE), "-o", str(program)], check=True)
    with Private(COMMAND) as engine:
        with Client("test", engine.address) as other:
            instance = other.instance
        done = subprocess.run(
            [str(program), engine.address], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    pixels = np.arange(16, dtype=np.float32).reshape(2, 2, 4) / 4
    pixels[0, 1, 1] = np.nan
    box = Box(0, 0, 2, 2)
    digest = pixel_digest(Image(ImageSpec(box, box, ("R", "G", "B", "A")), pixels)).hex()
    assert said == {
        "own": "1", "version": rotograph.__version__, "status": instance,
        "digest": digest, "lacks": "0 1",
    }  # fmt: skip
