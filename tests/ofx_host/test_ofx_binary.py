"""What the built bundle is: small, self-contained, and old enough for every studio's Linux."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rotograph.generate.ofx import nodes_text
from rotograph.generate.ofx_says import SAYS
from rotograph.graph import installed_nodes


@pytest.fixture(name="binary")
def binary_fixture(bundle):
    return bundle / "Contents" / "Linux-x86-64" / "Rotograph.ofx"


def symbols(binary):
    """(name, version, whether it is the plugin's own) of every dynamic symbol."""
    lines = subprocess.run(
        ["objdump", "-T", str(binary)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for line in lines:
        found = re.match(
            r"[0-9a-f]{16} .{7} (\S+)\s+[0-9a-f]{16}\s+(?:\(?(\S+?)\)?\s+)?(\S+)$", line
        )
        if found:
            section, version, name = found.groups()
            yield name, version or "", section != "*UND*"


def test_only_the_two_entry_points_are_exported(binary):
    own = {name for name, _, defined in symbols(binary) if defined}
    assert own == {"OfxGetNumberOfPlugins", "OfxGetPlugin"}


def test_it_runs_on_glibc_2_17(binary):
    text = subprocess.run(
        ["objdump", "-p", str(binary)], capture_output=True, text=True, check=True
    ).stdout
    needed = {tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_([\d.]+)", text)}
    assert needed
    assert max(needed) <= (2, 17)
    libraries = set(re.findall(r"NEEDED\s+(\S+)", text))
    assert {name.split(".")[0] for name in libraries} <= {"libc", "libm", "libdl", "libpthread"}


def test_it_is_under_64_kib(binary):
    assert binary.stat().st_size < 64 << 10


def test_every_declared_parameter_is_in_the_bundle(bundle):
    text = (bundle / "Contents" / "Resources" / "nodes.json").read_text(encoding="utf-8")
    assert text == nodes_text()
    listed = {node["name"]: node for node in json.loads(text)["nodes"]}
    declared = installed_nodes()
    for name in ("Detect", "Segment", "Track", "Matte", "Refine"):
        assert {p["name"] for p in listed[name]["params"]} == set(declared[name].params)
        own = {p["param"] for p in listed["Roto"]["params"] if p["part"] == name}
        assert own == set(declared[name].params)


def test_a_number_out_of_range_is_no_plugin(binary):
    library = ctypes.CDLL(str(binary))
    library.OfxGetPlugin.restype = ctypes.c_void_p
    assert library.OfxGetNumberOfPlugins() == 6
    assert library.OfxGetPlugin(6) is None
    assert library.OfxGetPlugin(-1) is None


PLATFORM = ("transport_unix.c", "memory_linux.c")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["aarch64-macos", "x86_64-windows-gnu"])
def test_all_but_two_files_are_the_same_on_every_platform(target, tmp_path):
    """That they compile there; nobody has run them there."""
    sources = Path(__file__).resolve().parents[2] / "plugin" / "ofx"
    for source in sorted(sources.glob("*.c")):
        if source.name not in PLATFORM:
            command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-std=c11", "-c"]
            made = [str(source), "-o", str(tmp_path / "made.o")]
            done = subprocess.run([*command, *made], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_what_the_plugin_says_lies_in_nodes_json():
    sources = Path(__file__).resolve().parents[2] / "plugin" / "ofx"
    text = "".join(path.read_text(encoding="utf-8") for path in sources.glob("*.c"))
    used = set(re.findall(r'(?:saying|work_say)\((?:&?work, )?"([^"]+)"\)', text))
    assert used == set(SAYS)
