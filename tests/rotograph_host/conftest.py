"""What tests of the Python for hosts share: stand-ins for the hosts, and an engine of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rotograph_host
from rotograph_host.client import Client, EngineError

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-ins can be imported by name."""
    monkeypatch.syspath_prepend(HERE)


@pytest.fixture
def nuke(beside: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The stand-in for Nuke, with the generated Groups on its path."""
    stand_in = importlib.import_module("stand_in_nuke").StandIn()
    stand_in._paths.append(PROJECT / "gizmos" / "nuke")
    monkeypatch.setitem(sys.modules, "nuke", stand_in)
    yield stand_in
    _forget("nuke")


@pytest.fixture
def natron(beside: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The stand-in for Natron's module; ``natron.app`` is its project."""
    stand_in = importlib.import_module("stand_in_natron").StandIn()
    monkeypatch.setitem(sys.modules, "NatronEngine", stand_in)
    monkeypatch.syspath_prepend(PROJECT / "gizmos" / "natron")
    yield stand_in
    _forget("natron")


def _forget(host: str) -> None:
    """Modules that hold on to a stand-in are imported anew by the next test."""
    for name in list(sys.modules):
        package, _, module = name.rpartition(".")
        if (package == "rotograph_host" and host in module) or name.startswith("Roto"):
            del sys.modules[name]
            if package and hasattr(rotograph_host, module):
                delattr(rotograph_host, module)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine and a store of this test's own, started by whoever asks first."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ROTOGRAPH_ENGINE", str(Path(sys.executable).parent / "rotograph"))
    monkeypatch.delenv("ROTOGRAPH_SOCKET", raising=False)
    yield
    try:
        with Client(start=False) as running:
            running.stop()
    except EngineError:
        pass
