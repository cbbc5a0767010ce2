"""A cut from beginning to end: every clip's mattes through one graph, and what editorial gets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rotograph import sequence
from rotograph.declare import Result
from rotograph.deliver.clips import CutClip, clips_of, select
from rotograph.deliver.finished import Finished
from rotograph.deliver.flags import Flag, Glance, flags, glance
from rotograph.deliver.otio_cut import Cut, read_cut, write_timeline
from rotograph.deliver.otio_written import Delivered, Files, read_list, with_mattes, write_list
from rotograph.deliver.relink import Relink
from rotograph.environment import Environment
from rotograph.errors import Cancelled, GraphError, RotographError, WriteError, did_you_mean
from rotograph.graph import Graph
from rotograph.needs import Keys
from rotograph.outputs import check_outputs
from rotograph.plan import Plan, plan
from rotograph.render import Summary, Watch, known_plan

Render = Callable[..., Summary]
"""``rotograph.render.render`` without its environment: of this process or of the engine."""


@dataclass(frozen=True)
class Order:
    """What is asked for.

    graph: a graph file; ``{shot}`` in its name stands for the clip's. settings: as ``--set``.
    output: the delivery's folder. shots: patterns of names, none for all. plate: the Read node
    that gets the clip's media, when the graph has several. overwrite: write over an earlier
    delivery. handles: frames beyond each end, as far as the media goes.
    """

    graph: Path
    output: Path
    settings: tuple[str, ...] = ()
    handles: int = 8
    shots: tuple[str, ...] = ()
    media_root: Path | None = None
    plate: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class Delivery:
    """What was done. timeline, list: the files written; None after a dry run."""

    clips: tuple[Delivered, ...]
    timeline: Path | None = None
    list: Path | None = None

    def count(self, status: str) -> int:
        return sum(one.status == status for one in self.clips)


def deliver(
    cut: Cut,
    order: Order,
    environment: Environment,
    *,
    render: Render,
    dry_run: bool = False,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
    told: Callable[[Delivered], None] = lambda one: None,
) -> Delivery:
    """Render the mattes of the cut's clips and write ``CUT.mattes.otio`` and ``CUT.mattes.csv``.

    A clip that cannot be delivered costs only itself and is told as such. Clips of the same media
    share every result. render: what computes, in the store and colour of ``environment``. dry_run:
    write and compute nothing, only say what would be done. told: called with each clip once it is
    done.

    Raises GraphError when no clip of that name is there, WriteError when the folder holds another
    delivery, Cancelled when stopped.
    """
    output = order.output.absolute()
    name = cut.name.removesuffix(".mattes")
    timeline, listed = output / f"{name}.mattes.otio", output / f"{name}.mattes.csv"
    clips = clips_of(cut)
    chosen = select(clips, order.shots)
    if not chosen:
        known = [c.shot for c in clips]
        hint = did_you_mean(order.shots[0].strip("*"), known) if order.shots else "check the cut"
        raise GraphError("no clip to deliver", file=cut.path, hint=hint)
    before = _before(timeline, listed, cut, order.overwrite)
    if "{shot}" not in str(order.graph):
        _graph(order, chosen[0])  # one that cannot be read is told once
    links = Relink(cut.folders, order.media_root)
    done = []
    for clip in chosen:
        try:
            one = _one(clip, links, order, environment, render, dry_run, watch, stop)
        except Cancelled:
            raise
        except RotographError as error:
            one = Delivered(clip, "failed", str(error))
        done.append(one)
        told(one)
    if dry_run:
        return Delivery(tuple(done))
    made = with_mattes(cut, done, order.graph.absolute(), order.handles, before.earlier)
    _folder(output)
    write_timeline(timeline, made)
    write_list(listed, cut, done, read_list(listed) if before.noted else ())
    return Delivery(tuple(done), timeline, listed)


def _before(timeline: Path, listed: Path, cut: Cut, overwrite: bool) -> Cut:
    """The delivery that is there, when it is of this cut; raises WriteError when it is not."""
    nothing = replace(cut, noted=None, earlier=())
    if timeline.exists():
        try:
            found = read_cut(timeline)
        except RotographError:
            found = nothing
        if found.noted and found.noted.get("cut_digest") == cut.digest:
            return found
        if not overwrite:
            what = "a delivery of another version of this cut" if found.noted else "not ours"
            raise WriteError(
                f"is there already, and is {what}",
                file=timeline,
                hint="choose another --output, or write over it with --overwrite",
            )
    elif listed.exists() and not overwrite:
        raise WriteError(
            "is there already, without the cut it belongs to",
            file=listed,
            hint="choose another --output, or write over it with --overwrite",
        )
    return nothing


def _one(
    clip: CutClip,
    links: Relink,
    order: Order,
    environment: Environment,
    render: Render,
    dry_run: bool,
    watch: Watch | None,
    stop: threading.Event | None,
) -> Delivered:
    if clip.skip or clip.refused:
        return Delivered(clip, "skipped" if clip.skip else "refused", clip.skip or clip.refused)
    graph = _graph(order, clip)
    reader = _reader(graph, order.plate)
    try:
        media = links.find(clip, reader.value("first_frame"))
        used, frames = media.wanted(clip.used, order.handles)
    except RotographError as error:
        return Delivered(clip, "refused", str(error))
    reader.set("file", media.pattern)
    folder = order.output.absolute() / clip.shot

    planned = Delivered(clip, "planned", clip.note, media, used, frames)
    spare = not order.overwrite
    if dry_run:
        now, made = known_plan(
            lambda: Keys(graph, environment, folder),
            lambda now: plan(now, frames),
            read=False,
            watch=watch,
            stop=stop,
        )
        check_outputs(now, made, spare)
        return replace(planned, plan=_told(made))
    summary = render(graph, frames=frames, output=folder, watch=watch, stop=stop, spare=spare)
    done = replace(planned, computed=sum(summary.computed.values()), written=len(summary.files))
    if not summary.complete:
        why = str(summary.errors[0]) if summary.errors else "its layers are not known"
        count = f"{summary.written} of {summary.frames} frames are there"
        return replace(done, status="failed", reason=f"{why} ({count})")
    shown = Finished.rendered(graph, environment, frames, folder, summary.smaller)
    found, confidence = _judged(shown, frames)
    return replace(
        done,
        status="delivered",
        reason=clip.note,
        files=_files(shown.keys, graph, order.output.absolute(), frames[0]),
        layers=tuple(layer.name for layer in shown.layers),
        flags=found,
        confidence=confidence,
    )


def _graph_file(order: Order, clip: CutClip) -> Path:
    return Path(str(order.graph).replace("{shot}", clip.shot))


def _graph(order: Order, clip: CutClip) -> Graph:
    """The graph as it is for this clip, all but its plate. Raises GraphError."""
    graph = Graph.load(_graph_file(order, clip))
    for assignment in order.settings:
        graph.set(assignment)
    for writer in graph.writers():
        writer.set("file", writer.value("file").replace("{shot}", clip.shot))
        if order.overwrite:
            writer.set("overwrite", True)
    _reader(graph, order.plate)
    return graph


def _reader(graph: Graph, wanted: str | None) -> Any:
    """The Read node that gets the media: the one named, else the only one, else 'plate'."""
    readers = {n.name: n for n in graph if "file" in n.type.params and n.type.output is not None}
    if wanted is not None:
        if wanted not in readers:
            raise GraphError(
                f"there is no Read node '{wanted}'", hint=did_you_mean(wanted, readers)
            )
        return readers[wanted]
    if len(readers) == 1:
        return next(iter(readers.values()))
    if "plate" in readers:
        return readers["plate"]
    raise GraphError(
        f"the graph reads {len(readers)} files", hint="say by --plate which node gets the clip's"
    )


def _files(keys: Keys, graph: Graph, output: Path, frame: int) -> tuple[Files, ...]:
    """Every sequence that the graph writes, its name with the frame's place in it."""
    out = []
    for writer in graph.writers():
        shape = keys.shape(writer.name)
        text, view = writer.value("file"), keys.shape(shape.plate).view
        layers: Sequence[str | None] = shape.layers if "{layer}" in text else (None,)
        named = Path(text).name
        for layer in layers:
            # the folder as the node itself says it; only the frame's place is put back
            path = keys.files(Result(writer.name, writer.type.effect.name, None, frame))[layer]
            name = sequence.output_name(
                named, layer=layer, version=writer.value("version"), view=view
            )
            out.append(
                Files(writer.name, layer, (path.parent / name).relative_to(output).as_posix())
            )
    return tuple(out)


def _judged(shown: Finished, frames: Sequence[int]) -> tuple[tuple[Flag, ...], dict[str, float]]:
    """What needs a look, and each layer's lowest confidence; of what is in the store, for a result
    that was evicted is not made again to be judged."""
    lowest: dict[str, float] = {}

    def glances() -> Iterator[tuple[int, dict[str, Glance]]]:
        for frame in frames:
            layers = {}
            for name in (layer.name for layer in shown.layers):
                seen = shown.seen(frame, name, compute=False)
                if seen is not None:
                    layers[name] = glance(seen.alpha, seen.confidence)
                    lowest[name] = min(seen.confidence, lowest.get(name, 1.0))
            yield frame, layers

    return tuple(flags(glances())), lowest


def _told(made: Plan) -> str:
    if made.unread:
        return f"{len(made.unread)} plate frames have not been read yet"
    if not made.dirty and not made.pending:
        return "nothing to do"
    return ", ".join(f"{node} {len(frames)}" for node, frames in made.dirty_frames().items())


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder cannot be made: {error.strerror}", file=path, hint="choose another"
        ) from None
