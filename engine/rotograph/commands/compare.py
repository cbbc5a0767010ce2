"""compare: how far mattes are from a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options

_MEANING = {
    "mad": "mean difference of alpha over the frame",
    "mse": "mean squared difference",
    "sad": "sum of differences, in thousands",
    "band": "the same where the edge is soft",
    "grad": "how sharp the edges are, against the reference's",
    "conn": "how connected it is, against the reference, in thousands",
    "dtSSD": "flicker from frame to frame",
    "IoU": "overlap of the shapes, all frames together (1 is best)",
    "J": "overlap of the shapes, mean of the frames (1 is best)",
    "F": "outlines that agree (1 is best)",
}


@click.command(
    epilog="""\b
Examples:
  rotograph compare mattes/matte.####.exr truth/alpha.####.exr
  rotograph compare mattes/ truth/ --layer hero --json
  rotograph compare mattes/ truth/ --per-frame --sheet worst.png
"""
)
@click.argument("mattes")
@click.argument("reference")
@click.option("--layer", metavar="NAME", help="Compare this layer's channel (NAME.A).")
@click.option("--per-frame", is_flag=True, help="Each frame's own figures too.")
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PNG",
    help="Write a picture of the worst frames: matte, reference and difference.",
)
@options.frames
@options.as_json
@options.debug
def compare(
    mattes: str,
    reference: str,
    layer: str | None,
    per_frame: bool,
    sheet: Path | None,
    frames: tuple[int, ...] | None,
    as_json: bool,
) -> None:
    """Say how far MATTES are from REFERENCE, frame by frame and as one figure each.

    Both are a sequence (matte.####.exr), a folder that holds one sequence, a single picture or a
    movie. What counts is A, else the only channel, over the reference's data window.
    """
    from rotograph import metrics
    from rotograph.commands.progress import Bar
    from rotograph.compare import Pair, difference_sheet
    from rotograph.frames import format_frames

    pair = Pair.open(mattes, reference, layer=layer, frames=frames)
    with Bar(len(pair.frames)) as bar:

        def watched() -> Any:
            for done, frame in enumerate(pair.read()):
                bar.show("comparing", done, len(pair.frames), frames=done)
                yield frame

        score = metrics.compare(watched())
    if sheet is not None:
        difference_sheet(sheet, pair, score, f"{mattes} against {reference}")
    own = [one.as_dict() for one in score.frames] if per_frame else []
    if as_json:
        told = {**score.as_dict(), "missing": list(pair.missing)}
        click.echo(json.dumps(told | ({"per_frame": own} if per_frame else {})))
        return
    for index, one in enumerate(own):
        if index == 0:
            click.echo("".join(f"{name:>9}" for name in one))
        click.echo("".join(_cell(value) for value in one.values()))
    figures = score.as_dict()
    for name, meaning in _MEANING.items():
        value = figures[name]
        click.echo(f"{name:6}{_cell(value)}  {meaning}")
    click.echo(f"worst frame: {score.worst_frame}, mad {score.worst_mad:.4f}")
    click.echo(f"{len(score.frames)} frames compared: {format_frames(pair.frames)}")
    if pair.missing:
        click.echo(f"no matte for {format_frames(pair.missing)}")


def _cell(value: float | None) -> str:
    text = "-" if value is None else str(value) if isinstance(value, int) else f"{value:.4f}"
    return f"{text:>9}"
