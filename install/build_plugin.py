#!/usr/bin/env python3
"""Build the OpenFX plugin, ``build/Rotograph.ofx.bundle``, with the ziglang package's compiler.

    .venv/bin/python install/build_plugin.py [--sanitize FOLDER]

Built for glibc 2.17, whatever this machine has. What is there and made of the same sources by the
same compiler is kept. ``--sanitize`` builds one with AddressSanitizer by the system's gcc, for the
test host, into a folder where no host looks for plugins.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "plugin" / "ofx"
NAME = "Rotograph.ofx"
TARGET = "x86_64-linux-gnu.2.17"
ARCHITECTURE = "Linux-x86-64"
FAST = ("rows.c", "hash.c")
"""What goes over pixels again and again; the rest is built as small as it goes."""
FLAGS = ("-std=c11", "-fPIC", "-fvisibility=hidden", "-ffunction-sections", "-Wall", "-Wextra")
SMALL = (
    "-Werror",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fno-sanitize=all",
    "-fno-ident",
    "-fomit-frame-pointer",
    "-fno-math-errno",
    "-g0",
)
SMALLEST = (
    "-Os",
    "-Xclang",
    "-Oz",
    "-fno-vectorize",
    "-fno-slp-vectorize",
    "-mno-implicit-float",
    "-mllvm",
    "-inline-threshold=0",
    "-mllvm",
    "-disable-lsr",
    "-mllvm",
    "-enable-load-pre=false",
    "-mllvm",
    "-disable-machine-licm",
    "-mllvm",
    "-enable-machine-outliner",
)
"""zig takes a plain -Oz for -Os."""
LIBRARIES = ("-ldl", "-lpthread")


def stamp(parts):
    """A digest of all that decides what the binary is."""
    digest = hashlib.sha256(repr(parts).encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def build(sanitize=False, out=ROOT / "build"):
    """The bundle's folder, built unless it is there already."""
    bundle = out / f"{NAME}.bundle"
    contents = bundle / "Contents"
    mark = bundle.parent / f".{NAME}.stamp"
    nodes = _nodes()
    made = stamp((sanitize, _compiler(sanitize), nodes))
    binary = contents / ARCHITECTURE / NAME
    if mark.is_file() and mark.read_text() == made and binary.is_file():
        return bundle
    binary.parent.mkdir(parents=True, exist_ok=True)
    (contents / "Resources").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        library = Path(folder) / NAME
        _compile(Path(folder), library, sanitize)
        _whole(contents / "Resources" / "nodes.json", nodes.encode())
        os.replace(library, binary)
    for icon in sorted((ROOT / "gizmos" / "natron").glob("Rotograph*.png")):
        node = json.loads(nodes)["nodes"]
        for said in node:
            if icon.stem == f"Rotograph{said['name']}":
                shutil.copyfile(icon, contents / "Resources" / f"{said['id']}.png")
    _whole(mark, made.encode())
    return bundle


def _nodes():
    from rotograph.generate.ofx import nodes_text

    return nodes_text()


def _compiler(sanitize):
    if sanitize:
        return subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout
    return importlib.metadata.version("ziglang")


def _compile(folder, library, sanitize):
    compiler = ["gcc"] if sanitize else [sys.executable, "-m", "ziglang", "cc", "-target", TARGET]
    flags = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    objects = []
    for source in sorted(SOURCES.glob("*.c")):
        made = folder / f"{source.stem}.o"
        more = flags if sanitize else [*SMALL, *(["-Os"] if source.name in FAST else SMALLEST)]
        _run([*compiler, *FLAGS, *more, "-c", str(source), "-o", str(made)])
        objects.append(str(made))
    strip = flags if sanitize else ["-s", "-Wl,--gc-sections", "-Wl,--hash-style=gnu"]
    exports = f"-Wl,--version-script={SOURCES / 'exports.map'}"
    _run([*compiler, "-shared", *strip, exports, "-o", str(library), *objects, *LIBRARIES])


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the plugin does not build:\n{done.stdout}{done.stderr}")


def _whole(path, data):
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--sanitize", type=Path, metavar="FOLDER")
    folder = asked.parse_args().sanitize
    print(build(True, folder) if folder else build())
