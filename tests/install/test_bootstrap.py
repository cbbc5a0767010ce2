"""The newcomer's script: clear about what it needs, instant when there is nothing to do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "install" / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "install" / "constraints.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9.]*", line) for line in pinned)
    assert len(set(pinned)) == len(pinned)
    return dict(line.split("==") for line in pinned)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


def needed(name: str, extras: frozenset[str], found: dict[str, str]) -> dict[str, str]:
    """Every installed distribution that ``name`` requires on this machine, with its version."""
    for line in importlib.metadata.requires(name) or []:
        asked = Requirement(line)
        environments = [{"extra": extra} for extra in extras or {""}]
        if asked.marker and not any(map(asked.marker.evaluate, environments)):
            continue
        key = canonicalize_name(asked.name)
        if key not in found:
            found[key] = importlib.metadata.version(key)
            needed(key, frozenset(asked.extras), found)
    return found


def test_help_names_the_two_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "bootstrap.py demo" in done.stdout and "bootstrap.py test" in done.stdout


def test_an_unknown_command_is_refused() -> None:
    done = run("dmeo")
    assert done.returncode == 2 and "dmeo" in done.stderr


def test_an_old_python_is_told_what_to_do(bootstrap: ModuleType) -> None:
    assert bootstrap.too_old((3, 11, 0)) is None
    assert bootstrap.too_old((3, 14, 0)) is None
    line = bootstrap.too_old((3, 9, 18), found=lambda name: None)
    assert "needs Python 3.11" in line and "this is 3.9" in line
    found = bootstrap.too_old((3, 10, 0), found=lambda name: name == "python3.12")
    assert "run it with python3.12" in found


def test_all_that_is_needed_is_pinned_and_installed_as_pinned(pins: dict[str, str]) -> None:
    here = needed("rotograph", frozenset({"", "demo", "otio", "plugin", "test"}), {})
    here |= needed("hatchling", frozenset(), {"hatchling": importlib.metadata.version("hatchling")})
    assert {name: pins.get(name) for name in here} == here


def test_torch_is_pinned_for_whoever_asks_for_it(
    pins: dict[str, str], bootstrap: ModuleType
) -> None:
    assert pins["torch"] == "2.13.0" and pins["sam2"] == "1.1.0"
    named = [a for _, step, _ in bootstrap.BASE + bootstrap.NETWORKS for a in step]
    assert all(name in pins for name in named if not name.startswith("-") and "/" not in name)
    assert bootstrap.NETWORKS[0][1] == ["torch"]


def test_the_stamp_moves_with_the_constraints_the_project_and_python(
    bootstrap: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "install").mkdir()
    constraints, project = tmp_path / "install" / "constraints.txt", tmp_path / "pyproject.toml"
    constraints.write_text("numpy==2")
    project.write_text("[project]")

    def stamp(version: str = "3.11") -> str:
        return bootstrap.stamp((), version, tmp_path)

    stamps = [stamp(), stamp("3.12")]
    constraints.write_text("numpy==3")
    stamps.append(stamp())
    project.write_text("[project]\n")
    stamps.append(stamp())
    assert len(set(stamps)) == 4 and stamp() == stamps[-1]


def packages(venv: Path) -> Path:
    (found,) = venv.glob("lib/python*/site-packages")
    return found


@pytest.fixture
def venv(tmp_path: Path, bootstrap: ModuleType) -> Path:
    """A real environment with a fake pip, which says that it is complete."""
    made = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    fake_pip = packages(made) / "pip"
    fake_pip.mkdir()
    (fake_pip / "__init__.py").touch()
    error = "ERROR: No matching distribution found for hatchling"
    (fake_pip / "__main__.py").write_text(f"import sys; print({error!r}); sys.exit(1)")
    version = subprocess.run(
        [str(made / "bin" / "python"), "-c", "import sys; print(sys.version)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout[:-1]
    state = {
        "base": bootstrap.stamp(bootstrap.BASE, version),
        "networks": bootstrap.stamp(bootstrap.BASE + bootstrap.NETWORKS, version),
    }
    (made / "rotograph-install.json").write_text(json.dumps(state))
    return made


def test_a_complete_environment_needs_nothing_and_no_network(venv: Path) -> None:
    done = run("install", "--venv", str(venv), timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is complete" in done.stdout


def test_the_exit_code_and_the_arguments_are_those_of_the_tests(venv: Path) -> None:
    (packages(venv) / "pytest.py").write_text("import sys; print(sys.argv[1:]); sys.exit(5)")
    done = run("test", "--venv", str(venv), "--", "-m", "slow")
    assert done.returncode == 5 and done.stdout.strip() == "['-m', 'slow']"


def test_a_failed_installation_is_one_line_that_names_its_log(venv: Path) -> None:
    (venv / "rotograph-install.json").write_text("{half")
    done = run("install", "--venv", str(venv))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "hatchling" in line and "venv-install.log" in line
    assert (venv.parent / "venv-install.log").read_text()
    assert (venv / "rotograph-install.json").read_text() == "{half"


def test_continuous_integration_runs_the_readme_command() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("python3 install/bootstrap.py test")
