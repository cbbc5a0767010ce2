"""demo: the command that shows everything at work on a shot that needs no downloads."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options

GRAPH = "demo.json"
SHEET = "demo.png"
SHOWN = 4
"""Frames on the contact sheet, spread over the shot."""


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    metavar="DIR",
    help="Where to put the shot, its graph file and the mattes.  [default: demo]",
)
@options.cache
@options.debug
def demo(output: Path, cache: Path | None) -> None:
    """Make a short shot and its mattes, to see it work.

    24 frames in ACEScg with a camera move, motion blur and grain, a graph file to play with, the
    mattes, and a picture of them. Run it again: then nearly all comes from the cache.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.render import report, run
    from rotograph.errors import WriteError
    from rotograph.graph import Graph
    from rotograph.whole import write_whole
    from rotograph_nodes.demo_plate import (
        FIRST,
        FRAMES,
        MATTES,
        PLATE,
        demo_graph,
        make_demo_plate,
    )

    start = time.monotonic()
    output = output.absolute()
    with Bar(FRAMES) as bar:
        make_demo_plate(
            (output / PLATE).parent,
            progress=lambda done, total: bar.show("making the plate", done, total, frames=done),
        )
    document = output / GRAPH
    if not document.exists():  # it may have been played with
        text = json.dumps(demo_graph(), indent=1) + "\n"
        write_whole(document, text.encode())
    environment = options.environment(cache)
    frames = tuple(range(FIRST, FIRST + FRAMES))
    summary = run(Graph.load(document), environment, Bar(FRAMES), frames)
    if not summary.complete:
        report(summary)
        click.get_current_context().exit(1)
    sheet = output / SHEET
    if summary.files or not sheet.exists():
        try:
            _contact_sheet(sheet, output / PLATE, output / MATTES, environment.colour)
        except OSError as error:
            raise WriteError(f"cannot be written: {error.strerror}", file=sheet) from error
    computed, reused = (sum(d.values()) for d in (summary.computed, summary.reused))
    share = 100 * reused / max(1, reused + computed)
    click.echo(f"plate    {output / PLATE}")
    click.echo(f"graph    {document}")
    click.echo(f"mattes   {output / MATTES}")
    click.echo(f"picture  {sheet}")
    click.echo(
        f"{time.monotonic() - start:.1f} s: {FRAMES} frames, {computed} results computed, "
        f"{share:.0f} % from the cache"
    )


def _contact_sheet(path: Path, plates: Path, mattes: Path, colour: Any) -> None:
    """Plate, matte and composite over grey of a few frames."""
    import numpy as np

    from rotograph import media
    from rotograph.matte import Foreground
    from rotograph.picture import cell, contact_sheet
    from rotograph_nodes.foreground import estimate_foreground

    plate, matte = media.open(plates), media.open(mattes)
    spread = np.linspace(0, len(matte.frames) - 1, min(SHOWN, len(matte.frames)))
    cells = []
    for frame in (matte.frames[round(i)] for i in spread):
        image = plate.read(frame)
        alpha = matte.read(frame).coverage()
        space = colour.resolve(plate.file(frame), attributes=image.spec.attributes)
        linear = colour.to_linear(image.rgb(), space)
        own = Foreground(*estimate_foreground(linear, alpha)).over(linear)
        cells.append(cell(str(frame), linear, alpha, colour, colour.scene_linear, foreground=own))
    contact_sheet(path, cells, "Rotograph demo")
