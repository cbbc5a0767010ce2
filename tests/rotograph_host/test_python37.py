"""A real Python 3.7, as Nuke 13 has it: what is installed for a host runs in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.commands.install import install

HERE = Path(__file__).parent


def _python() -> str | None:
    """``$PYTHON37``, else python3.7 on the path, else pyenv's."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    ready = sorted(versions.glob("3.7.*/bin/python3.7"))
    named = os.environ.get("PYTHON37") or shutil.which("python3.7")
    # pyenv's own python3.7 on the path is a script that may choose no version
    return str(ready[-1]) if ready else named


PYTHON = _python()

SCRIPT = """
    import json, runpy, sys
    sys.path.insert(0, {here!r})
    import stand_in_nuke
    nuke = sys.modules["nuke"] = stand_in_nuke.StandIn()
    runpy.run_path({init!r})
    nuke.menus()
    read = nuke.createNode("Read")
    read["file"].setValue({plate!r})
    read["first"].setValue(1001)
    read["last"].setValue(1002)
    nuke.root()["name"].setValue({script!r})
    node = nuke.createNode("RotographRotoFiles")
    node.setInput(0, read)
    node["box"].setValue((21, 21, 79, 79))
    node.press("add_box")
    node.press("render")
    engine = node["mattes"].value()
    from rotograph_host import nuke_menu
    tracked = nuke_menu.track_all()
    node["way"].setValue("command")
    node.press("render")
    print(json.dumps([sys.version_info[:2], nuke.said, engine, tracked]))
"""


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="there is no Python 3.7 here; $PYTHON37 names one")
def test_the_installed_menu_prompts_tracks_and_renders(make_shot, engine, tmp_path, monkeypatch):
    shot, home = make_shot(2), tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "NUKE_TEMP_DIR"):
        monkeypatch.setenv(name, str(home / name.lower() if name != "HOME" else home))
    done = CliRunner().invoke(install, ["nuke"], catch_exceptions=False)
    assert done.exit_code == 0
    script = textwrap.dedent(SCRIPT).format(
        here=str(HERE),
        init=str(home / ".nuke" / "init.py"),
        plate=f"{shot.folder}/plate.####.exr",
        script=str(shot.folder / "comp.nk"),
    )
    ran = subprocess.run(
        [PYTHON, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    version, said, pattern, tracked = json.loads(ran.stdout.splitlines()[-1])
    assert version == [3, 7]
    assert (said, tracked) == ([], 1)
    assert exr.read(pattern.replace("####", "1002")).pixels.max() > 0.9
