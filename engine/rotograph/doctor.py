"""What a machine has and lacks for Rotograph, each with what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from rotograph import device
from rotograph.byte_size import human_size
from rotograph.errors import ModelError

State = Literal["ok", "note", "bad"]
PACKAGES = {
    "numpy": "numpy",
    "OpenCV": "opencv-contrib-python-headless",
    "OpenEXR": "openexr",
    "OpenImageIO": "openimageio",
    "OpenColorIO": "opencolorio",
    "PyAV": "av",
}
"""Needed for anything at all: name for people -> name on the registry."""
_LOW = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One line of the report. "bad": mattes cannot be made so; hint: what to do."""

    section: str
    name: str
    value: str
    state: State = "ok"
    hint: str = ""


def examine(cache: Path | None = None) -> Iterator[Finding]:
    """Every finding, in the order to show them. cache: the store's folder, if not the default.

    Loads no model, and no network library unless $ROTOGRAPH_DEVICE asks for a device.
    """
    yield from _versions()
    yield from _devices()
    yield from _colour()
    yield from _store(cache)
    yield from _operators()
    yield from _models()


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "Python", f"{platform.python_version()} on {platform.platform()}")
    for label, package in {"Rotograph": "rotograph", **PACKAGES}.items():
        try:
            yield Finding("versions", label, version(package))
        except PackageNotFoundError:
            hint = f"python -m pip install {package}"
            yield Finding("versions", label, "not installed", "bad", hint)


def _devices() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("devices", "CPU", f"{cores} cores, {platform.machine()}")
    free = f"{human_size(memory.total)}, {human_size(memory.available)} free"
    low = memory.available < _LOW
    yield Finding(
        "devices", "memory", free, "note" if low else "ok", "render with --jobs 1" if low else ""
    )
    yield Finding("devices", "GPU", _gpu(), "note")
    if asked := os.environ.get(device.VARIABLE):
        try:
            yield Finding("devices", "asked for", f"${device.VARIABLE} {device.pick()}")
        except ModelError as error:
            hint = f"networks will not run: {error.hint}"
            yield Finding("devices", "asked for", f"${device.VARIABLE} {asked}", "bad", hint)


def _gpu() -> str:
    """Asks the system, not torch: importing that takes seconds and the classic models need none."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found = "Apple GPU"
    elif Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        found = "CUDA device"
    else:
        found = "none found"
    torch = "" if importlib.util.find_spec("torch") else ", PyTorch is not installed"
    return f"{found}{torch}; not used by the classic models"


def _colour() -> Iterator[Finding]:
    from rotograph import colour
    from rotograph.errors import ColourError

    said = "$OCIO" if os.environ.get("OCIO") else "built in, for $OCIO is not set"
    try:
        config = colour.load()
        yield Finding("colour", "OCIO config", f"{config.source} ({said})")
        yield Finding("colour", "scene-linear", config.scene_linear)
    except ColourError as error:
        yield Finding("colour", "OCIO config", str(error.message), "bad", error.hint or "")


def _store(cache: Path | None) -> Iterator[Finding]:
    from rotograph.errors import StoreError
    from rotograph.store import Store

    try:
        store = Store(cache)
    except StoreError as error:
        yield Finding("cache", "folder", f"{error.file}: {error.message}", "bad", error.hint or "")
        return
    yield Finding("cache", "folder", str(store.folder))
    stats = store.stats()
    yield Finding(
        "cache", "size", f"{human_size(stats['bytes'])} of at most {human_size(store.limit_bytes)}"
    )
    free = shutil.disk_usage(store.folder).free
    hint = "free some space, or name another folder with --cache" if free < _LOW else ""
    yield Finding("cache", "free on its disk", human_size(free), "note" if hint else "ok", hint)
    try:
        with tempfile.TemporaryFile(dir=store.folder):
            pass
        yield Finding("cache", "writable", "yes")
    except OSError as error:
        hint = "results are not kept: ask for permission, or name another folder with --cache"
        yield Finding("cache", "writable", f"no: {error.strerror}", "bad", hint)


def _operators() -> Iterator[Finding]:
    from rotograph.errors import RotographError
    from rotograph.graph import installed_nodes

    try:
        names = ", ".join(installed_nodes())
        state: State = "ok" if names else "bad"
        hint = "" if names else "install the package again: python -m pip install rotograph"
        yield Finding("nodes", "installed", names or "none", state, hint)
    except (RotographError, ImportError) as error:
        yield Finding("nodes", "installed", str(error), "bad", "reinstall the package it names")


def _models() -> Iterator[Finding]:
    from rotograph.card import installed_cards, studio_cards
    from rotograph.errors import ModelError
    from rotograph.weights import find, folders

    where = folders()
    yield Finding("models", "folder", str(where.own))
    if where.mirror is not None and where.mirror.is_dir():
        yield Finding("models", "studio's folder", str(where.mirror))
    elif where.mirror is not None:
        hint = "mount it, correct $ROTOGRAPH_MODELS, or unset it"
        yield Finding("models", "studio's folder", f"{where.mirror} is not there", "bad", hint)
    try:
        cards = installed_cards()
        cards += studio_cards(where.mirror, cards)
    except ModelError as error:
        yield Finding("models", "cards", str(error), "bad", "reinstall the package it belongs to")
        return
    if not any(any(card.adapters.values()) for card in cards):
        yield Finding("models", "cards", "none can run", "bad", "install Rotograph again")
    waiting: dict[tuple[str, ...], list[str]] = {}
    for card in cards:
        able = [role for role, adapter in card.adapters.items() if adapter]
        lost = sorted({m for m in map(_missing, filter(None, card.adapters.values())) if m})
        lost += [name for name in card.missing if name not in lost]
        if not able:
            why = f"known, but cannot run in this version ({', '.join(card.adapters)})"
            yield Finding("models", card.name, why, "note", "use classic")
        elif lost:
            waiting.setdefault(tuple(lost), []).append(card.name)
        else:
            licence = f"{card.licence}{'' if card.commercial else ', not for commercial work'}"
            weights = ", its weights are here" if card.files else ", no weights to download"
            if find(card, where) is None and card.files:
                weights = ", not downloaded"
            yield Finding("models", card.name, f"{', '.join(able)} ({licence}{weights})")
    for lost, names in waiting.items():
        hint = f"python -m pip install {' '.join(lost)}"
        if "torch" in lost:  # whose right build pip alone does not choose
            hint = "python install/bootstrap.py install --networks"
        told = f"need {', '.join(lost)}: {', '.join(names)}"
        yield Finding("models", f"{len(names)} more", told, "note", hint)


def _missing(adapter: str) -> str:
    """The module of an adapter when it is not there, else nothing."""
    module = adapter.partition(":")[0]
    try:
        return "" if importlib.util.find_spec(module) else module
    except ModuleNotFoundError as error:
        return error.name or module
