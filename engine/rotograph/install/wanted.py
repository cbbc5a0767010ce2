"""Which files and lines an installation consists of, and what to tell the artist after it.

    ROOT/ofx/Rotograph.ofx.bundle    the plugin            shared by the hosts
    ROOT/python/rotograph_host       the Python for hosts   shared by the hosts
    ROOT/nuke, ROOT/natron           gizmos, PyPlugs, menus

For a user ROOT is the data folder, Nuke learns of it by lines in ~/.nuke/init.py, and Natron's
part lies in ~/.Natron, where Natron looks by itself. For a studio ROOT is the folder it names,
nothing else is touched, and environment variables lead there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import platformdirs

from rotograph.install import sources
from rotograph.install.sources import BUNDLE, Sources

HostName = Literal["nuke", "natron"]
HOSTS: tuple[HostName, ...] = ("nuke", "natron")
START = "rotograph_start.py"
PLACE = "rotograph_install.json"
BEGIN = (
    "# >>> rotograph: these lines are its own; 'rotograph install nuke --uninstall' removes them"
)
END = "# <<< rotograph"
_LABEL = {"nuke": "Nuke", "natron": "Natron"}


@dataclass(frozen=True)
class Wanted:
    """An installation as it should be.

    files: path -> content. lines: file of the artist's own -> lines that it shall have. caches:
    what the host keeps of plugins and must forget. binaries: to be touched when anything of the
    bundle changes. told: what to say at the end.
    """

    root: Path
    host: HostName
    files: dict[Path, bytes]
    lines: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    caches: tuple[Path, ...] = ()
    binaries: tuple[Path, ...] = ()
    told: tuple[str, ...] = ()


def user_root() -> Path:
    """Where a user's installation lies."""
    return platformdirs.user_data_path("rotograph", False) / "hosts"


def for_user(host: HostName, pieces: Sources, environ: Mapping[str, str] | None = None) -> Wanted:
    """An installation for the person who asks."""
    environ = os.environ if environ is None else environ
    root, home = user_root(), Path.home()
    own = root / "nuke" if host == "nuke" else home / ".Natron" / "rotograph"
    files = _files(host, pieces, root, own, sources.engine())
    lines: dict[Path, tuple[str, ...]] = {}
    if host == "nuke":
        lines[home / ".nuke" / "init.py"] = (
            "import nuke",
            f"nuke.pluginAddPath({json.dumps(own.as_posix())})",
        )
    told = list(_missing(host, pieces))
    if pieces.bundle is not None and sys.platform == "linux":
        session = Path(platformdirs.user_config_dir()) / "environment.d" / "60-rotograph.conf"
        value = f"{root / 'ofx'}${{OFX_PLUGIN_PATH:+:$OFX_PLUGIN_PATH}}"
        files[session] = f"OFX_PLUGIN_PATH={value}\n".encode()
        told += [
            "the plugin is found from your next login on; at once, in a shell:",
            f'  export OFX_PLUGIN_PATH="{value}"',
        ]
    elif pieces.bundle is not None:
        told += ["add to the environment:", f"  OFX_PLUGIN_PATH={root / 'ofx'}"]
    told += _check(host)
    binaries = tuple(path for path in files if path.suffix == ".ofx")
    return Wanted(root, host, files, lines, _caches(host, environ, home), binaries, tuple(told))


def for_studio(host: HostName, pieces: Sources, folder: Path) -> Wanted:
    """An installation for everybody, in a folder that environment variables lead to.

    Nothing is written outside the folder; it may be moved, for its parts find each other by
    relative paths.
    """
    root = folder.absolute()
    own = root / host
    files = _files(host, pieces, root, own, sources.engine())
    told = [*_missing(host, pieces), "add to everybody's environment:"]
    # Natron separates this one by ';' on every platform
    path = {"nuke": "NUKE_PATH", "natron": "NATRON_PLUGIN_PATH"}[host]
    separator = ";" if host == "natron" else os.pathsep
    for name, value, between in (
        (path, own, separator),
        ("OFX_PLUGIN_PATH", root / "ofx", os.pathsep),
    ):
        told.append(f"  export {name}={_quoted(value, name, between)}")
    told.append("or use the rez package: install/rez/package.py")
    told += _check(host)
    binaries = tuple(path for path in files if path.suffix == ".ofx")
    return Wanted(root, host, files, binaries=binaries, told=tuple(told))


def _quoted(value: Path, name: str, between: str) -> str:
    return f'"{value}${{{name}:+{between}${name}}}"'


def _files(
    host: HostName, pieces: Sources, root: Path, own: Path, engine: Path | None
) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for name, path in sources.files(pieces.gizmos / host).items():
        found[own / name] = path.read_bytes()
    found[own / START] = (pieces.gizmos / START).read_bytes()
    for name, path in sources.files(pieces.host).items():
        if not name.startswith("gizmos/"):
            found[root / "python" / "rotograph_host" / name] = path.read_bytes()
    for name, path in sources.files(pieces.bundle).items() if pieces.bundle else ():
        found[root / "ofx" / BUNDLE / name] = path.read_bytes()
    place = {
        "python": os.path.relpath(root / "python", own),
        "ofx": os.path.relpath(root / "ofx", own),
        "engine": str(engine or ""),
    }
    found[own / PLACE] = (json.dumps(place, indent=1) + "\n").encode()
    return found


def _missing(host: HostName, pieces: Sources) -> list[str]:
    if pieces.bundle is not None:
        return []
    until = {"nuke": "the nodes work through files", "natron": "the nodes do not work"}[host]
    return [
        f"the plugin is not built: run '{sources.BUILD}', then this command again; until then "
        f"{until}"
    ]


def _caches(host: HostName, environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """What the host remembers of plugins, which would hide a new one."""
    if host == "nuke":
        own = f"/var/tmp/nuke-u{os.getuid()}" if hasattr(os, "getuid") else ""
        named = environ.get("NUKE_TEMP_DIR") or own
        return (Path(named) / "ofxplugincache",) if named else ()
    bases = (
        Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "INRIA" / "Natron",
        home / "Library" / "Caches" / "INRIA" / "Natron",
    )
    return tuple(base / "OFXLoadCache" for base in bases)


def _check(host: HostName) -> list[str]:
    label = _LABEL[host]
    said = [f"to check: start {label} anew; its node toolbar has 'Rotograph' with six nodes"]
    if host == "nuke":
        said.append("  or in its Script Editor: nuke.createNode('RotoPrecomp')")
    else:
        said.append("  or: NatronRenderer -t, and there: app.createNode('org.rotograph.Detect')")
    return [*said, "  and here: rotograph doctor"]
