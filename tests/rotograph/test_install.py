"""The installer, run as a person runs it: what it shows is what it does, and all comes off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from rotograph.commands.install import install
from rotograph.errors import WriteError
from rotograph.install.wanted import BEGIN, END

PROJECT = Path(__file__).parent.parent.parent
MINE = b"import os\r\nprint('mine')"
BINARY = "Contents/Linux-x86-64/Rotograph.ofx"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a Nuke folder and an init.py of its owner's, and a built plugin."""
    home = tmp_path / "home"
    (home / ".nuke").mkdir(parents=True)
    (home / ".nuke" / "init.py").write_bytes(MINE)
    bundle = tmp_path / "Rotograph.ofx.bundle"
    (bundle / BINARY).parent.mkdir(parents=True)
    (bundle / BINARY).write_bytes(b"binary")
    (bundle / "Contents" / "Resources").mkdir()
    (bundle / "Contents" / "Resources" / "nodes.json").write_text("{}")
    for name, value in (
        ("HOME", home),
        ("XDG_DATA_HOME", home / "data"),
        ("XDG_CONFIG_HOME", home / "config"),
        ("XDG_CACHE_HOME", home / "cache"),
        ("NUKE_TEMP_DIR", tmp_path / "nuketemp"),
    ):
        monkeypatch.setenv(name, str(value))
    return home


def run(home, *arguments, bundle=True):
    more = ["--bundle", str(home.parent / "Rotograph.ofx.bundle")] if bundle else []
    done = CliRunner().invoke(install, [*arguments, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def tree(folder):
    """Every file and folder below, with content and rights."""
    return {
        str(p.relative_to(folder)): (p.read_bytes() if p.is_file() else None, p.stat().st_mode)
        for p in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("host", ["nuke", "natron"])
def test_uninstalling_leaves_every_byte_as_it_was(home, host):
    before = tree(home)
    shown = run(home, host)
    after = tree(home)
    assert before != after
    for name in after.keys() - before.keys():
        path = home / name
        if path.is_file():
            assert str(path) in shown
    run(home, host, "--uninstall")
    assert tree(home) == before


def test_a_dry_run_shows_the_same_and_changes_nothing(home):
    before = tree(home)
    planned = run(home, "nuke", "--dry-run")
    assert tree(home) == before
    assert "nothing was changed" in planned
    done = run(home, "nuke")
    assert f"+ OFX_PLUGIN_PATH={home}/data/rotograph/hosts/ofx" in planned
    steps = [line for line in planned.splitlines() if line.startswith(("write", "keep", " "))]
    assert all(line in done for line in steps)
    assert f"+ {BEGIN}" in planned
    run(home, "nuke", "--uninstall", "--dry-run")
    assert "nothing to do" in run(home, "nuke")


def test_a_second_time_there_is_nothing_to_do(home):
    run(home, "nuke")
    once = tree(home)
    times = {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.is_file()}
    assert "nothing to do" in run(home, "nuke")
    assert tree(home) == once
    assert all(p.stat().st_mtime_ns == time for p, time in times.items())


def test_what_was_written_into_init_py_in_the_meantime_survives(home):
    init = home / ".nuke" / "init.py"
    run(home, "nuke")
    init.write_bytes(b"first = 1\n" + init.read_bytes() + b"last = 2\n")
    assert "nothing to do" in run(home, "nuke")
    run(home, "nuke", "--uninstall")
    assert init.read_bytes() == b"first = 1\n" + MINE + b"last = 2\n"


def test_lines_that_somebody_edited_still_go(home):
    init = home / ".nuke" / "init.py"
    run(home, "nuke")
    text = init.read_bytes()
    init.write_bytes(text.replace(b"nuke.pluginAddPath", b"# nuke.pluginAddPath") + b"x = 1\n")
    run(home, "nuke", "--uninstall")
    left = init.read_text()
    assert BEGIN not in left and END not in left and "pluginAddPath" not in left
    assert left.startswith("import os") and left.endswith("x = 1\n")


def test_an_init_py_that_is_a_link_stays_one(home):
    init, real = home / ".nuke" / "init.py", home / "dotfiles.py"
    init.rename(real)
    init.symlink_to(real)
    run(home, "nuke")
    assert init.is_symlink() and BEGIN in real.read_text()
    run(home, "nuke", "--uninstall")
    assert init.is_symlink() and real.read_bytes() == MINE


@pytest.mark.parametrize("writes", [1, 2, 3, 20, 40])
def test_an_installation_that_broke_off_can_be_undone_and_done_again(home, monkeypatch, writes):
    from rotograph.install import carry_out
    from rotograph.whole import write_whole

    before, left = tree(home), iter(range(writes))

    def full(path, *pieces):
        if next(left, None) is None:
            raise WriteError("no space left", file=path)
        write_whole(path, *pieces)

    with monkeypatch.context() as patch:
        patch.setattr(carry_out, "write_whole", full)
        with pytest.raises(WriteError):
            run(home, "nuke")
    run(home, "nuke")
    run(home, "nuke", "--uninstall")
    assert tree(home) == before
    left = iter(range(writes))
    with monkeypatch.context() as patch:
        patch.setattr(carry_out, "write_whole", full)
        with pytest.raises(WriteError):
            run(home, "nuke")
    run(home, "nuke", "--uninstall")
    assert tree(home) == before


def test_without_an_init_py_none_is_left_behind(home):
    shutil.rmtree(home / ".nuke")
    run(home, "nuke")
    assert (home / ".nuke" / "init.py").exists()
    run(home, "nuke", "--uninstall")
    assert not (home / ".nuke").exists()


def test_what_lay_in_the_place_of_ours_comes_back_and_what_was_changed_stays(home):
    gizmo = home / "data" / "rotograph" / "hosts" / "nuke" / "RotographTrack.gizmo"
    gizmo.parent.mkdir(parents=True)
    gizmo.write_bytes(b"somebody's own")
    run(home, "nuke")
    assert gizmo.read_bytes() != b"somebody's own"
    menu = gizmo.with_name("menu.py")
    menu.write_bytes(b"# changed by hand")
    shown = run(home, "nuke", "--uninstall")
    assert gizmo.read_bytes() == b"somebody's own"
    assert menu.read_bytes() == b"# changed by hand"
    assert "changed by hand, so it stays" in shown


def test_two_hosts_share_the_plugin_until_the_last_one_goes(home):
    run(home, "nuke")
    run(home, "natron")
    shared = home / "data" / "rotograph" / "hosts" / "python" / "rotograph_host" / "client.py"
    run(home, "nuke", "--uninstall")
    assert shared.exists()
    assert (home / ".Natron" / "rotograph" / "RotographTrack.py").exists()
    run(home, "natron", "--uninstall")
    assert not shared.exists()
    assert not (home / ".Natron").exists()


def test_a_new_plugin_is_touched_and_the_hosts_forget_the_old_one(home):
    natron = home / "cache" / "INRIA" / "Natron" / "OFXLoadCache"
    nuke = Path(os.environ["NUKE_TEMP_DIR"]) / "ofxplugincache"
    for folder in (natron, nuke):
        folder.mkdir(parents=True)
        (folder / "cache.xml").write_text("old")
    (nuke.parent / "other").write_text("not ours")
    run(home, "nuke")
    run(home, "natron")
    assert not nuke.exists() and not natron.exists()
    assert (nuke.parent / "other").exists()
    bundle = home / "data" / "rotograph" / "hosts" / "ofx" / "Rotograph.ofx.bundle"
    os.utime(bundle / BINARY, (1, 1))
    nuke.mkdir()
    (home.parent / "Rotograph.ofx.bundle/Contents/Resources/nodes.json").write_text('{"new": 1}')
    run(home, "nuke")
    assert (bundle / BINARY).stat().st_mtime > 1e9
    assert not nuke.exists()


def test_a_studio_folder_is_all_that_is_written_and_may_be_moved(home):
    before, folder = tree(home), home.parent / "apps" / "rotograph"
    shown = run(home, "natron", "--studio", str(folder))
    assert tree(home) == before
    assert (
        f'NATRON_PLUGIN_PATH="{folder}/natron${{NATRON_PLUGIN_PATH:+;$NATRON_PLUGIN_PATH}}"'
        in shown
    )
    assert f'OFX_PLUGIN_PATH="{folder}/ofx${{OFX_PLUGIN_PATH:+:$OFX_PLUGIN_PATH}}"' in shown
    shown = run(home, "nuke", "--studio", str(folder))
    assert f'="{folder}/nuke${{NUKE_PATH:+:$NUKE_PATH}}"' in shown
    place = json.loads((folder / "nuke" / "rotograph_install.json").read_text())
    assert place["python"] == "../python" and place["ofx"] == "../ofx"
    assert (folder / "ofx" / "Rotograph.ofx.bundle" / BINARY).exists()
    run(home, "nuke", "--studio", str(folder), "--uninstall")
    run(home, "natron", "--studio", str(folder), "--uninstall")
    assert not folder.exists()


def test_without_a_built_plugin_one_line_says_how_to_build_it(home, monkeypatch):
    from rotograph.install import sources

    monkeypatch.setattr(sources, "BUNDLE", "not-there.ofx.bundle")
    shown = run(home, "nuke", bundle=False)
    (line,) = [text for text in shown.splitlines() if "not built" in text]
    assert sources.BUILD in line
    script = PROJECT / sources.BUILD.split()[1]
    assert script.exists(), "the line names a script that is not there"


def test_a_host_starts_with_what_was_installed_and_nothing_else(home):
    """In a Python that does not know the project: Nuke's init.py and menu.py, by a stand-in."""
    run(home, "nuke")
    script = textwrap.dedent(
        f"""
        import runpy, sys, os, json
        sys.path.insert(0, {str(PROJECT / "tests" / "rotograph_host")!r})
        import stand_in_nuke
        nuke = sys.modules["nuke"] = stand_in_nuke.StandIn()
        runpy.run_path({str(home / ".nuke" / "init.py")!r})
        menu = nuke.menus().items["Rotograph"]
        nuke.createNode("RotographMatteFiles")
        nuke.createNode("RotoPrecomp")
        import rotograph_host
        print(json.dumps([list(menu.items), rotograph_host.__file__, os.environ["ROTOGRAPH_ENGINE"],
                          os.environ["OFX_PLUGIN_PATH"]]))
        """
    )
    env = {k: v for k, v in os.environ.items() if k not in ("ROTOGRAPH_ENGINE", "PYTHONPATH")}
    # -S: without site-packages, so that only what was installed can be found
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    items, module, engine, bundles = json.loads(done.stdout.splitlines()[-1])
    root = home / "data" / "rotograph" / "hosts"
    assert items[:7] == ["Detect", "Segment", "Track", "Matte", "Refine", "Roto", "RotoPrecomp"]
    assert Path(module).is_relative_to(root)
    assert Path(engine).name.startswith("rotograph")
    assert bundles.split(os.pathsep)[0] == str(root / "ofx")
    run(home, "nuke", "--uninstall")
    assert not root.exists()
