"""report: a page about a shot, to be opened in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rotograph.commands import options


@click.command(
    epilog="""\b
Examples:
  rotograph report shot.json report.html
  rotograph report shot.json report.html --frames 1001-1100 --title sc010_0010

The page is one file with everything in it: mail it, or put it beside the delivery.
"""
)
@options.graph_file
@click.argument("page", metavar="PAGE.html", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--title", help="The page's title.  [default: the graph's name]")
@click.option("--overwrite", is_flag=True, help="Write over a page that is there.")
@options.frames
@options.settings
@options.output
@options.cache
@options.how
@options.licence_policy
@options.debug
def report(
    graph_file: Path,
    page: Path,
    title: str | None,
    overwrite: bool,
    frames: tuple[int, ...] | None,
    settings: tuple[str, ...],
    output: Path | None,
    cache: Path | None,
    how: options.How,
) -> None:
    """Render a graph and write a page that shows what came of it.

    Pictures with the layers drawn over them, confidence over time, the frames that need a look,
    times, models and their licences, colour, keys. What is there already is not made again.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.render import rendered
    from rotograph.commands.render import report as say
    from rotograph.deliver.report import check_page

    check_page(page, overwrite)
    graph = options.load_graph(graph_file, settings)
    summary = rendered(graph, cache, how, Bar(len(frames) if frames else None), frames, output)
    say(summary)
    if not summary.complete:
        click.get_current_context().exit(1)
    title, world = title or graph_file.stem, options.environment(cache)
    tell(page, graph, world, frames, output, summary, title, overwrite=overwrite)


def tell(
    page: Path,
    graph: Any,
    environment: Any,
    frames: tuple[int, ...] | None,
    output: Path | None,
    summary: Any,
    title: str,
    *,
    overwrite: bool = True,
    quiet: bool = False,
) -> None:
    """Write the page of a render that is done, with a progress bar; raises WriteError.

    A page that shows the same already stays, with the times of the run that made it. overwrite:
    write over one that shows something else. quiet: nothing on standard output, which a script
    reads.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.running import stoppable
    from rotograph.deliver.finished import Finished
    from rotograph.deliver.report import digest, noted, write_report
    from rotograph.errors import WriteError
    from rotograph.frames import format_frames

    folder = output.absolute() if output else None
    page = page.absolute()
    with Bar() as bar:

        def show(done: int, total: int) -> None:
            bar.show("drawing", done, total, frames=done)

        def work(stop: Any) -> Any:
            shot = Finished.rendered(graph, environment, frames, folder, summary.smaller)
            wanted = [f for f in frames or shot.frames if f not in summary.skipped]
            there = noted(page)
            if there == digest(shot, wanted, title) and not summary.computed:
                return None
            if there is not None and not overwrite:
                raise WriteError(
                    "is there already, and shows another state of the shot",
                    file=page,
                    hint="choose another name, or write over it with --overwrite",
                )
            return write_report(page, shot, wanted, title, summary, show)

        found = stoppable(work, lambda: "rotograph: stopped; no page was written")
    if found is None:
        click.echo("the page is there already", err=True)
    else:
        look = format_frames(flag.frame for flag in found)
        click.echo(f"look at {look}" if look else "nothing stood out", err=True)
    if not quiet:
        click.echo(page)
