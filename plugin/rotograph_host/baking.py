"""Mattes as files, for a host that loads no plugin: the graph goes to disk, the engine renders it.

Through the engine that hosts share, with progress and cancel; or, where it cannot be reached, by
the command ``rotograph render``, which needs nothing but the program.
"""

import collections
import json
import os
import shutil
import subprocess
import tempfile

from rotograph_host import chain as chains
from rotograph_host.chain import HostError
from rotograph_host.client import Client, EngineError, NoEngine
from rotograph_host.framing import WireError
from rotograph_host.place import PlaceError
from rotograph_host.surroundings import environment

Baked = collections.namedtuple("Baked", "graph pattern frames written errors")
"""graph: the file. pattern: of the mattes, with ####. frames: asked for. errors: lines."""


def pattern(folder, name):
    """Where a node's mattes go: a folder of their own, so that nothing else is written over."""
    return os.path.join(folder, name, f"{name}.####.exr")


def save(chain, folder):
    """Write the graph file below ``folder``; gives back (its path, document, pattern)."""
    if not os.path.isabs(folder):
        raise HostError(f"'{folder}' is no full path; save the script or choose a folder")
    name = chain.last.split(" ")[0]  # of the host's node, without the operator's
    mattes = pattern(folder, name)
    document = chains.document(chain, mattes)
    path = os.path.join(folder, f"{name}.json")
    try:
        os.makedirs(folder, exist_ok=True)
        _write_whole(path, json.dumps(document, indent=1).encode())
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from None
    return path, document, mattes


def bake(chain, folder, frames=None, ocio=None, progress=None, stop=None, way="engine"):
    """Render a chain's mattes below ``folder``; gives back ``Baked``.

    frames: numbers, else those that the host's Read has. ocio: the host's config, if it is not
    ``$OCIO``. way: "engine", or "command" for a process of its
    own. progress: called with (done, total, what); when it gives back True, all is cancelled.
    Raises HostError; when the artist stopped it, ``Cancelled``.
    """
    path, document, mattes = save(chain, folder)
    wanted = sorted(frames or chain.frames)
    render = _by_engine if way == "engine" else _by_command
    told = render(path, document, wanted, environment(ocio), progress, stop)
    return Baked(path, mattes, wanted, told["written"], _lines(told["errors"]))


class Cancelled(HostError):
    """The artist stopped it; what is finished is kept."""


def track(chain, frames=None, ocio=None, progress=None, stop=None):
    """Compute a chain's last node on a range and keep it in the store; gives back error lines.

    For frames and the rest see ``bake``. After that the plugin and ``bake`` find every frame there.
    """
    document = chains.document(chain)
    try:
        with Client("rotograph_host") as engine:
            told = engine.track(
                document,
                "/",
                environment(ocio),
                chain.last,
                sorted(frames or chain.frames),
                progress=_reported(progress),
                stop=stop,
                priority="batch",
            )
    except (EngineError, PlaceError, WireError, OSError) as error:
        raise _as_host_error(error) from None
    return _lines(told["errors"])


def program():
    """The engine's program; raises HostError."""
    found = os.environ.get("ROTOGRAPH_ENGINE") or shutil.which("rotograph")
    if not found:
        raise HostError("the engine is not installed here; install it or set $ROTOGRAPH_ENGINE")
    return found


def _by_engine(path, document, frames, around, progress, stop):
    try:
        with Client("rotograph_host") as engine:
            return engine.render(
                document,
                os.path.dirname(path),
                around,
                path=path,
                frames=frames,
                progress=_reported(progress),
                stop=stop,
            )
    except (EngineError, PlaceError, WireError, OSError) as error:
        raise _as_host_error(error) from None


def _by_command(path, document, frames, around, progress, stop):
    command = [program(), "render", path, "--json", "--cache", around["store"]]
    command += ["--frames", ",".join(str(frame) for frame in frames)]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
                close_fds=True,
                env=dict(os.environ, OCIO=around["ocio"]),
            )
        except OSError as error:
            raise HostError(f"{command[0]}: {error.strerror}") from None
        while True:
            try:
                process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                asked = progress is not None and progress(0, 0, "rendering")
                if asked or (stop is not None and stop.is_set()):
                    process.terminate()
                    process.wait()
                    raise Cancelled("stopped; what is finished is kept") from None
        said.seek(0)
        complained.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError):
            last = complained.read().decode("utf-8", "replace").strip().splitlines()
            raise HostError(last[-1] if last else f"{command[0]} said nothing") from None


def _reported(progress):
    if progress is None:
        return None
    return lambda told: progress(told["done"], told["total"], told.get("now") or told["stage"])


def _as_host_error(error):
    if isinstance(error, NoEngine) or not isinstance(error, EngineError):
        return HostError(str(error))
    return Cancelled(str(error)) if error.kind == "Cancelled" else HostError(str(error))


def _lines(errors):
    """Failures of single frames as text, whichever way they came."""
    return [e if isinstance(e, str) else str(EngineError(**e)) for e in errors]


def _write_whole(path, data):
    descriptor, part = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
