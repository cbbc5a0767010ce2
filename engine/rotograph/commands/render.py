"""render: make the mattes of a graph."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotograph.commands import options
from rotograph.errors import RotographError

if TYPE_CHECKING:
    from rotograph.commands.progress import Bar


@click.command(
    epilog="""\b
Examples:
  rotograph render shot.json
  rotograph render shot.json --frames 1001-1024 --output /shows/x/mattes
  rotograph render shot.json --set refine.feather=3 --set matte.hero.outside=20

Nothing that was computed before is computed again, whatever the graph was called. Ctrl-C keeps
what is finished: the same command goes on from there.

The work is done by the engine, which is started when none runs, is shared with hosts and other
commands, keeps models loaded, and ends by itself some minutes after its last client left. A farm
job takes --private instead.
"""
)
@options.common
@options.how
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PAGE.html",
    help="Write a page about the mattes too, as the report command does.",
)
@click.pass_context
def render(
    ctx: click.Context,
    graph_file: Path,
    frames: tuple[int, ...] | None,
    settings: tuple[str, ...],
    output: Path | None,
    cache: Path | None,
    as_json: bool,
    how: options.How,
    page: Path | None,
) -> None:
    """Make the mattes: run a graph and write its files.

    Only what is not there yet is computed. Frames that fail are named, and the others are written
    all the same.
    """
    from rotograph.commands.progress import Bar

    bar = Bar(len(frames) if frames else None)
    try:
        if page is not None:
            from rotograph.deliver.report import check_page

            check_page(page)
        graph = options.load_graph(graph_file, settings)
        summary = rendered(graph, cache, how, bar, frames, output, as_json)
    except Exception as error:
        if as_json:
            options.tell_failure(_failed(bar, frames, str(error)))
        raise
    report(summary)
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    if not summary.complete:
        ctx.exit(1)
    if page is not None:
        from rotograph.commands.report import tell

        environment = options.environment(cache)
        tell(page, graph, environment, frames, output, summary, graph_file.stem, quiet=as_json)


def run(graph: Any, environment: Any, bar: Bar, frames: tuple[int, ...] | None = None) -> Any:
    """Render in this process with a progress bar and Ctrl-C; returns the ``render.Summary``.

    Raises what ``render.render`` raises, but ends the process when the user stops it.
    """
    from rotograph import render as engine

    return _watched(
        lambda stop: engine.render(graph, environment, frames, watch=bar, stop=stop), bar, frames
    )


def rendered(
    graph: Any,
    cache: Path | None,
    how: options.How,
    bar: Bar,
    frames: tuple[int, ...] | None = None,
    output: Path | None = None,
    as_json: bool = False,
) -> Any:
    """As ``run``, in the engine or wherever ``how`` says."""
    rendering = renderer(how, cache)

    def work(stop: threading.Event) -> Any:
        with rendering as made:
            return made(graph, frames=frames, output=output, watch=bar, stop=stop)

    return _watched(work, bar, frames, as_json)


def renderer(
    how: options.How, cache: Path | None
) -> contextlib.AbstractContextManager[Callable[..., Any]]:
    """Within, a function like ``render.render`` without its environment: of the engine, a private
    one or this process, as ``how`` says.

    Where the shared engine cannot be had (a container without Unix sockets, say), it is said and
    the work is done in this process. Raises RotographError when a private one cannot be had.
    """
    # of the command's context, which the thread that does the work has not
    return _renderer(how, cache, options.policy())


@contextlib.contextmanager
def _renderer(how: options.How, cache: Path | None, licences: str) -> Iterator[Callable[..., Any]]:
    from rotograph import client, remote
    from rotograph.store import default_folder

    with contextlib.ExitStack() as kept:
        if not how.here:
            try:
                engine = kept.enter_context(client.private() if how.private else client.connect())
            except client.EngineError as error:
                if how.private or not isinstance(error, client.NoEngine):
                    raise RotographError(error.message, hint=error.hint) from None
                click.echo(f"rotograph: {error}; computing in this process", err=True)
            else:
                yield functools.partial(
                    remote.render,
                    engine=engine,
                    store=cache or default_folder(),
                    jobs=how.jobs,
                    memory=how.memory,
                    licences=licences,
                )
                return
        yield functools.partial(_here, options.environment(cache, licences), _limits(how))


def _limits(how: options.How) -> Any:
    """How much a render may take: of the memory a quarter keeps results, the rest computes."""
    from rotograph.execution import Limits

    usual = Limits()
    jobs = how.jobs or usual.jobs
    if how.memory is None:
        return Limits(jobs, usual.kept, usual.working)
    return Limits(jobs, how.memory // 4, how.memory - how.memory // 4)


def _here(
    environment: Any, limits: Any, graph: Any, output: Path | None = None, **rest: Any
) -> Any:
    from rotograph import render as engine

    folder = output.absolute() if output else None
    return engine.render(graph, environment, output=folder, limits=limits, **rest)


def _watched(
    work: Callable[[threading.Event], Any],
    bar: Bar,
    frames: tuple[int, ...] | None,
    as_json: bool = False,
) -> Any:
    """The result of ``work(stop)`` with its progress shown, or the end of the process by Ctrl-C."""
    from rotograph.commands.running import stoppable

    def on_stop() -> str:
        bar.close()
        count = f"{bar.written} frame{'' if bar.written == 1 else 's'} written"
        line = f"stopped: {count}, nothing finished is lost"
        if as_json:
            click.echo(_failed(bar, frames, line))
        return f"rotograph: {line}; to go on, run the same command again"

    with bar:
        return stoppable(work, on_stop)


def report(summary: Any) -> None:
    """Say on standard error what a render did."""
    from rotograph.frames import format_frames
    from rotograph.smaller import SAID
    from rotograph.told import by_cause

    debug = click.get_current_context().meta.get("rotograph.debug")
    for error in summary.errors if debug else ():
        traceback.print_exception(error)
    for line in by_cause(summary.errors):
        click.echo(f"rotograph: {line}", err=True)
    if summary.skipped:
        text = format_frames(summary.skipped)
        click.echo(f"skipped {text}: missing in the plate", err=True)
    for node, modes in summary.smaller.items():
        for mode, made in modes.items():
            where = f", frames {format_frames(made)}" if made else ""
            click.echo(
                f"rotograph: {node}{where}: ran out of memory and was computed {SAID[mode]}; what "
                "follows from it may differ a little, and is made anew where there is more memory",
                err=True,
            )
    computed, reused = (sum(d.values()) for d in (summary.computed, summary.reused))
    now = len(summary.files)
    told = [f"{summary.written} of {summary.frames} frames are there"]
    if now:
        told.append(f"{now} file{'' if now == 1 else 's'} written now")
    told.append(
        "nothing computed"
        if not computed
        else "computed " + ", ".join(f"{n} {c}" for n, c in summary.computed.items())
    )
    if reused:
        told.append("from the cache " + ", ".join(f"{n} {c}" for n, c in summary.reused.items()))
    click.echo(f"{'; '.join(told)}; {summary.seconds:.1f} s", err=True)


def _failed(bar: Bar, frames: tuple[int, ...] | None, line: str) -> str:
    """The line of JSON of a run that came to no summary."""
    return json.dumps(
        {
            "frames": len(frames) if frames else 0,
            "written": bar.written,
            "computed": {},
            "reused": {},
            "skipped": [],
            "errors": [line],
            "seconds": round(bar.seconds, 3),
        }
    )
