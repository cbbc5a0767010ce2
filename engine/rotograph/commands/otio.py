"""otio: the mattes of a whole cut."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from rotograph.commands import options

_MARKS = {"delivered": "ok", "planned": "plan", "skipped": "skip", "refused": "no", "failed": "no"}


@click.command(
    epilog="""\b
Examples:
  rotograph otio cut.otio --graph roto.json --handles 8 --output /shows/x/mattes
  rotograph otio cut.edl --rate 25 --graph 'roto/{shot}.json' --media-root /shows/x/plates -o out
  rotograph otio cut.otio --graph roto.json -o out --shots 'sc010*' --dry-run

Each clip's mattes go to a folder of its own below DIR, and DIR/CUT.mattes.otio is the cut with
tracks of mattes added. Run it again to go on or to take in a change: only what is new is computed.
"""
)
@click.argument("cut_file", metavar="CUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--graph",
    "graph_file",
    required=True,
    metavar="GRAPH.json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The graph for every clip; {shot} in its name stands for the clip's. Its Read node gets "
    "the clip's media; {shot} may stand in the names that its Write nodes give.",
)
@click.option(
    "--output", "-o", required=True, type=options.Folder(), metavar="DIR", help="Where to deliver."
)
@click.option(
    "--handles",
    type=click.IntRange(0, 10_000),
    default=8,
    show_default=True,
    metavar="N",
    help="Frames beyond each end of a clip, as far as its media goes.",
)
@click.option(
    "--shots",
    multiple=True,
    metavar="PATTERN",
    help="Only clips of this name, such as 'sc010*'. May be repeated.",
)
@click.option(
    "--media-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to look for media that is not where the cut says: by path, by name, and by reel "
    "and timecode.",
)
@click.option("--rate", type=click.FloatRange(1, 240), help="Frames per second of an EDL.")
@click.option("--timeline", metavar="NAME", help="Which timeline, of a file that holds several.")
@click.option("--plate", metavar="NODE", help="Which Read node gets the media.  [default: plate]")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write and compute nothing.")
@click.option("--overwrite", is_flag=True, help="Write over an earlier delivery in DIR.")
@options.settings
@options.cache
@options.how
@options.licence_policy
@options.as_json
@options.debug
def otio(
    cut_file: Path,
    graph_file: Path,
    output: Path,
    handles: int,
    shots: tuple[str, ...],
    media_root: Path | None,
    rate: float | None,
    timeline: str | None,
    plate: str | None,
    dry_run: bool,
    overwrite: bool,
    settings: tuple[str, ...],
    cache: Path | None,
    how: options.How,
    as_json: bool,
) -> None:
    """Make the mattes of every clip of a cut, and give the cut back with them.

    CUT is .otio, .edl, .fcpxml, .xml (Final Cut 7, Premiere) or .aaf. For each clip the frames
    that it shows, and handles, are rendered with their own numbers. A clip that cannot be done is
    named, and the others are delivered all the same; then the exit status is 1.
    """
    from rotograph.commands.progress import Bar
    from rotograph.commands.render import renderer
    from rotograph.commands.running import stoppable
    from rotograph.deliver.otio_cut import read_cut
    from rotograph.deliver.otio_deliver import Order, deliver

    cut = read_cut(cut_file, rate=rate, timeline=timeline)
    order = Order(graph_file, output, settings, handles, shots, media_root, plate, overwrite)
    environment = options.environment(cache)
    # nothing is computed in a dry run, and no engine is started for it
    rendering = renderer(replace(how, here=True) if dry_run else how, cache)
    with Bar() as bar:

        def work(stop: threading.Event) -> Any:
            with rendering as render:
                return deliver(
                    cut,
                    order,
                    environment,
                    render=render,
                    dry_run=dry_run,
                    watch=bar,
                    stop=stop,
                    told=_tell,
                )

        delivery = stoppable(
            work, lambda: "rotograph: stopped; to go on, run the same command again"
        )
    lost = delivery.count("refused") + delivery.count("failed")
    if as_json:
        click.echo(json.dumps(_summary(delivery)))
    else:
        _say(delivery, lost)
    if lost:
        click.get_current_context().exit(1)


def _tell(one: Any) -> None:
    from rotograph.frames import format_frames

    parts = []
    if one.frames:
        used = format_frames(one.used)
        parts.append(f"{used}, with handles {format_frames(one.frames)}")
    if one.status == "delivered":
        parts.append(f"{one.written} files written" if one.written else "all there")
    look = format_frames(f.frame for f in one.flags)
    parts += [p for p in (one.plan, one.reason, f"look at {look}" if look else "") if p]
    click.echo(f"{_MARKS[one.status]:>4}  {one.clip.shot}: {'; '.join(parts)}", err=True)


def _say(delivery: Any, lost: int) -> None:
    computed = sum(one.computed for one in delivery.clips)
    told = [f"{delivery.count('delivered')} of {len(delivery.clips)} clips delivered"]
    if delivery.timeline is None:
        told = [f"{delivery.count('planned')} of {len(delivery.clips)} clips would be delivered"]
    for status in ("skipped", "refused", "failed"):
        if delivery.count(status):
            told.append(f"{delivery.count(status)} {status}")
    if delivery.timeline is not None:
        told.append(f"{computed} results computed" if computed else "nothing computed")
    click.echo("; ".join(told), err=True)
    for path in (delivery.timeline, delivery.list):
        if path is not None:
            click.echo(path)


def _summary(delivery: Any) -> dict[str, Any]:
    return {
        "timeline": str(delivery.timeline) if delivery.timeline else None,
        "list": str(delivery.list) if delivery.list else None,
        "computed": sum(one.computed for one in delivery.clips),
        "clips": [
            {
                "shot": one.clip.shot,
                "clip": one.clip.name,
                "status": one.status,
                "reason": one.reason,
                "plate": one.media.pattern if one.media else None,
                "used": list(one.used),
                "frames": list(one.frames),
                "files": [f.pattern for f in one.files],
                "computed": one.computed,
                "written": one.written,
                "flags": [[f.frame, f.layer, f.kind] for f in one.flags],
            }
            for one in delivery.clips
        ],
    }
