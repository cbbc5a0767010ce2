#!/usr/bin/env python3
"""From a fresh checkout to a running Rotograph, with nothing but Python.

    python3 install/bootstrap.py demo              render the demo shot
    python3 install/bootstrap.py test              run the whole test suite, networks and all
    python3 install/bootstrap.py test --no-networks    without PyTorch; what needs it skips
    python3 install/bootstrap.py plugin            build the OpenFX plugin into build/
    python3 install/bootstrap.py install           only make .venv and install into it
    python3 install/bootstrap.py install --networks    PyTorch and what the networks need, too

Makes .venv beside the project. Safe to run again: what is there is kept, an interrupted
installation goes on, a broken .venv is made anew, and a complete one needs no network.
What follows demo or test is handed on:  python3 install/bootstrap.py test -m slow
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "install" / "constraints.txt"
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")

# The build tool comes first, from the constraints like all else, so that the project itself is
# installed without an isolated build that would fetch it again each time.
BASE = (
    ("build tool", ["hatchling", "editables"], {}),
    ("packages", ["--no-build-isolation", "--editable", f"{ROOT}[demo,otio,plugin,test]"], {}),
)
# torch alone and first: whatever resolves it along with others may take a newer build with
# gigabytes of CUDA packages. sam2 is a source package that would build CUDA code, and asks for
# a torchvision that it does not need.
WHEELS = ("setuptools", "wheel")
NETWORKS = (
    ("PyTorch", ["torch"], {}),
    (
        "network packages",
        ["--no-build-isolation", "--editable", f"{ROOT}[matting,networks,onnx]", *WHEELS],
        {},
    ),
    ("SAM 2", ["--no-build-isolation", "--no-deps", "sam2"], {"SAM2_BUILD_CUDA": "0"}),
)


class Failed(Exception):
    """One line that says what went wrong and what to do next."""


def too_old(version, found=shutil.which):
    """The line for a Python that is too old, or None. version: ``sys.version_info``."""
    if tuple(version[:2]) >= OLDEST:
        return None
    oldest, this = (".".join(map(str, v[:2])) for v in (OLDEST, version))
    wanted = f"Rotograph needs Python {oldest} or newer, and this is {this}"
    for name in NEWER:
        if found(name):
            return f"{wanted}; run it with {name}, which is installed"
    return f"{wanted}; install one and run it with that"


def stamp(steps, version=sys.version, root=ROOT):
    """A digest of all that decides what ends up in .venv."""
    digest = hashlib.sha256(repr((steps, version, str(root))).encode())
    for path in (root / "install" / "constraints.txt", root / "pyproject.toml"):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def environment(venv):
    """The caller's, without what would lead Python or pip out of .venv."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    env.update(VIRTUAL_ENV=str(venv), PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    env["PATH"] = os.pathsep.join([str(venv / "bin"), env.get("PATH", os.defpath)])
    return env


def works(venv):
    """Whether .venv has a Python that is this one, and a pip."""
    source = "import sys, importlib.util as u; print(sys.version, u.find_spec('pip') is not None)"
    try:
        found = subprocess.run(
            [str(venv / "bin" / "python"), "-c", source],
            env=environment(venv),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return found.stdout.decode().strip() == sys.version + " True"


def watched(label, command, log, env):
    """Run a step with its output in ``log``: a ticking line on a terminal, one line elsewhere."""
    start = time.monotonic()
    terminal = sys.stdout.isatty()
    if not terminal:
        print(f"{label} …", flush=True)
    with open(log, "ab") as output:
        step = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=ROOT)
    try:
        while True:
            try:
                code = step.wait(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                if terminal:
                    seconds = f"{time.monotonic() - start:4.0f} s"
                    room = shutil.get_terminal_size().columns - len(label) - 12
                    print(f"\r{label} {seconds}  {last_line(log)[:room]}\033[K", end="", flush=True)
    except BaseException:
        step.terminate()
        step.wait()
        raise
    if terminal:
        print(f"\r{label} {time.monotonic() - start:4.0f} s\033[K", flush=True)
    if code:
        raise Failed(f"{label} failed: {reason(log)}; everything it said is in {log}")


def last_line(log):
    lines = log.read_bytes()[-4000:].decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def reason(log):
    """The first error line of the log, or its last line."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line.split(":", 1)[1].strip() for line in lines if line.startswith("ERROR:")]
    return errors[0] if errors else last_line(log)


def install(venv, networks=False):
    """Bring .venv up to date. Returns whether there was anything to do."""
    state = venv / "rotograph-install.json"
    wanted = {"base": stamp(BASE)}
    if networks:
        wanted["networks"] = stamp(BASE + NETWORKS)
    try:
        done = json.loads(state.read_text())
    except (OSError, ValueError):
        done = {}
    if wanted.items() <= done.items() and works(venv):
        return False
    log = venv.with_name(venv.name + "-install.log")
    log.write_bytes(b"")
    if not works(venv):
        done = {}
        what = "Making" if not venv.exists() else "Making anew"
        try:
            command = [sys.executable, "-m", "venv", "--clear", str(venv)]
            watched(f"{what} {venv.name}", command, log, dict(os.environ))
        except Failed as error:
            if "ensurepip" not in log.read_text(errors="replace"):
                raise
            line = "this Python cannot make virtual environments; install its venv package "
            raise Failed(line + "(on Debian and Ubuntu: apt install python3-venv)") from error
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-c", str(CONSTRAINTS)]
    for part, steps in (("base", BASE), ("networks", NETWORKS if networks else ())):
        if part not in wanted or done.get(part) == wanted[part]:
            continue
        for label, arguments, extra in steps:
            env = {**environment(venv), **extra}
            watched(f"Installing {label}", [*pip, *arguments], log, env)
        done[part] = wanted[part]
        state.write_text(json.dumps(done))
    log.unlink()
    return True


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=["demo", "test", "plugin", "install"])
    parser.add_argument(
        "--networks",
        action=argparse.BooleanOptionalAction,
        help="what the networks need, too (default: for test)",
    )
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help=argparse.SUPPRESS)
    known, rest = parser.parse_known_args(arguments)
    if known.command == "install" and rest:
        parser.error("install takes no " + " ".join(rest))
    if known.networks is None:
        known.networks = known.command == "test"
    known.rest = rest[1:] if rest[:1] == ["--"] else rest
    return known


def main(arguments):
    line = too_old(sys.version_info)
    if line:
        raise Failed(line)
    asked = parse(arguments)
    venv = asked.venv.absolute()
    start = time.monotonic()
    if install(venv, asked.networks):
        print(f"Installed in {time.monotonic() - start:.0f} s", flush=True)
    elif asked.command == "install":
        print(f"{venv} is complete", flush=True)
    programs = {
        "demo": [str(venv / "bin" / "rotograph"), "demo"],
        "test": [str(venv / "bin" / "python"), "-m", "pytest"],
        "plugin": [
            str(venv / "bin" / "python"),
            str(ROOT / "install" / "build_plugin.py"),
        ],
    }
    if asked.command == "install":
        return 0
    if asked.command == "test":
        os.chdir(str(ROOT))
    program = programs[asked.command] + asked.rest
    os.execve(program[0], program, environment(venv))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as error:
        sys.exit(f"bootstrap: {error}")
    except KeyboardInterrupt:
        print("\nbootstrap: stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        sys.exit(f"bootstrap: {error.filename}: {error.strerror}")
