"""Options that several commands share, so that each means the same everywhere."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rotograph.errors import RotographError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)


class Frames(click.ParamType):
    """``1001-1100x2,1200`` as sorted frame numbers."""

    name = "frames"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        from rotograph.frames import parse_frames

        if isinstance(value, tuple):
            return value
        try:
            return parse_frames(value)
        except RotographError as error:
            self.fail(str(error), param, ctx)


class Size(click.ParamType):
    """``20G`` as a number of bytes."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.fail(f"'{value}' is not a size; write such as 500M or 20G", param, ctx)
        return int(float(found[1]) * _UNITS[found[2].upper()])


class Folder(click.Path):
    """A folder, there or not. Not the empty name that an unset variable of a script gives."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        if not str(value):
            self.fail("the folder has no name", param, ctx)
        return super().convert(value, param, ctx)


def _remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta["rotograph.debug"] = value


debug = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    is_eager=True,
    help="When something fails, show where in the program.",
)
frames = click.option(
    "--frames",
    "-f",
    type=Frames(),
    metavar="RANGE",
    help="Which frames, as 1001-1024, 1001-1100x2 or 1001,1010.  [default: all the plate has]",
)
settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NODE.PARAMETER=VALUE",
    help="Change a parameter for this run; the file stays as it is. NODE.LAYER.PARAMETER=VALUE "
    "for one layer. May be repeated.",
)
output = click.option(
    "--output",
    "-o",
    type=Folder(),
    metavar="DIR",
    help="Write below this folder: relative file names of Write nodes count from here instead of "
    "from the graph's folder; of absolute ones only the last part is used.",
)
cache = click.option(
    "--cache",
    type=Folder(),
    metavar="DIR",
    help="Where results are kept.  [default: $ROTOGRAPH_CACHE, else your cache folder]",
)


def _keep_policy(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    ctx.meta["rotograph.licence_policy"] = value


licence_policy = click.option(
    "--licence-policy",
    type=click.Choice(["commercial", "research", "any"]),
    envvar="ROTOGRAPH_LICENCE_POLICY",
    expose_value=False,
    callback=_keep_policy,
    help="Which models may be used, by their licence. A studio may allow less.  "
    "[default: commercial]",
)
as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="For scripts: end with one line of JSON on standard output.",
)
graph_file = click.argument(
    "graph_file", metavar="GRAPH.json", type=click.Path(dir_okay=False, path_type=Path)
)


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that works on a graph."""
    for option in (debug, licence_policy, as_json, cache, output, settings, frames, graph_file):
        function = option(function)
    return function


@dataclass(frozen=True)
class How:
    """How a command computes. here: in its own process. private: in an engine of its own.

    jobs: results at the same time; memory: bytes to aim for; None for the usual.
    """

    jobs: int | None = None
    memory: int | None = None
    here: bool = False
    private: bool = False


_HOW = (
    click.option(
        "--private",
        is_flag=True,
        help="Compute in an engine of this command's own, which ends with it: for farm jobs.",
    ),
    click.option(
        "--no-engine",
        is_flag=True,
        envvar="ROTOGRAPH_NO_ENGINE",
        show_envvar=True,
        help="Compute in this process; the pixels are the same. So does --debug.",
    ),
    click.option(
        "--memory",
        type=Size(),
        metavar="SIZE",
        help="How much memory to aim for, as 2G; the pixels are the same.",
    ),
    click.option(
        "--jobs",
        "-j",
        type=click.IntRange(1, 256),
        help="Results computed at the same time. More is faster until memory or cores run out; the "
        "pixels are the same.  [default: 2]",
    ),
)


def how(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that computes, as one argument ``how``."""

    @functools.wraps(function)
    def gathered(*args: Any, **rest: Any) -> Any:
        jobs, memory = rest.pop("jobs"), rest.pop("memory")
        no_engine, private = rest.pop("no_engine"), rest.pop("private")
        ctx = click.get_current_context()
        if private and ctx.get_parameter_source("no_engine") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--private is an engine, and --no-engine is none")
        here = (no_engine and not private) or bool(ctx.meta.get("rotograph.debug"))
        return function(*args, how=How(jobs, memory, here, private), **rest)

    made: Callable[..., Any] = gathered
    for option in _HOW:
        made = option(made)
    return made


def tell_failure(line: str) -> None:
    """The last line of a command with ``--json`` that failed, when it has more to say than why."""
    click.get_current_context().meta["rotograph.told"] = True
    click.echo(line)


def load_graph(path: Path, settings: tuple[str, ...]) -> Any:
    """The graph of a file with ``--set`` applied; raises GraphError."""
    from rotograph.graph import Graph

    graph = Graph.load(path)
    for assignment in settings:
        graph.set(assignment)
    return graph


def policy() -> Any:
    """The licence policy of this command, as far as the studio lets it; raises ModelError."""
    from rotograph import licence

    return licence.decide(click.get_current_context().meta.get("rotograph.licence_policy"))


def environment(cache: Path | None, licences: Any = None) -> Any:
    """The environment of a run; raises StoreError, ColourError, ModelError.

    licences: the policy, by default that of this command.
    """
    from rotograph import device
    from rotograph.environment import Environment
    from rotograph.models import at_hand
    from rotograph.store import Store

    device.check()
    return Environment(Store(cache), at_hand(licences or policy()))
