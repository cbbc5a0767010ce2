"""What is there to be installed: the gizmos, the Python for hosts, and the built plugin."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import rotograph_host
from rotograph.errors import MediaError

BUNDLE = "Rotograph.ofx.bundle"
BUILD = ".venv/bin/python install/build_plugin.py"
"""What builds the bundle, in the project's folder."""
_SKIPPED = {"__pycache__", "ruff.toml", ".ruff_cache"}


@dataclass(frozen=True)
class Sources:
    """Folders: gizmos (with nuke and natron in it), host (the package), bundle or None."""

    gizmos: Path
    host: Path
    bundle: Path | None


def find(bundle: Path | None = None) -> Sources:
    """Where the pieces lie, in a checkout or an installed wheel.

    bundle: the plugin's folder, if it is not where the build leaves it.
    Raises MediaError when a piece that must be there is not.
    """
    host = Path(rotograph_host.__file__).parent
    project = host.parent.parent
    gizmos = next((p for p in (host / "gizmos", project / "gizmos") if p.is_dir()), None)
    if gizmos is None:
        raise MediaError("the gizmos are not there", file=host, hint="install Rotograph anew")
    if bundle is not None and not (bundle / "Contents").is_dir():
        raise MediaError("is no OpenFX bundle", file=bundle, hint=f"name the folder {BUNDLE}")
    built = project / "build" / BUNDLE
    return Sources(gizmos, host, bundle or (built if built.is_dir() else None))


def files(folder: Path) -> dict[str, Path]:
    """Relative name -> file, of everything below a folder that is to be installed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not _SKIPPED.intersection(name.parts):
            found[name.as_posix()] = path
    return found


def engine() -> Path | None:
    """The program of this installation's engine, for hosts that are not on its path."""
    program = Path(sys.executable).parent / (
        "rotograph.exe" if sys.platform == "win32" else "rotograph"
    )
    return program if program.exists() else None
