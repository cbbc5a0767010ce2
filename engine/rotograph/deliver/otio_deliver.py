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
from rotograph.execution import Execution, Limits
from rotograph.frames import format_frames
from rotograph.graph import Graph
from rotograph.needs import Keys
from rotograph.plan import Plan, plan
from rotograph.render import Watch, compute, known_plan


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
    dry_run: bool = False,
    limits: Limits | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
    told: Callable[[Delivered], None] = lambda one: None,
) -> Delivery:
    """Render the mattes of the cut's clips and write ``CUT.mattes.otio`` and ``CUT.mattes.csv``.

    A clip that cannot be delivered costs only itself and is told as such. Clips of the same media
    share every result. dry_run: write and compute nothing, only say what would be done. told:
    called with each clip once it is done.

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
            one = _one(clip, links, order, environment, dry_run, limits, watch, stop)
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
    dry_run: bool,
    limits: Limits | None,
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

    def keys() -> Keys:
        return Keys(graph, environment, folder)

    def wanted(now: Keys) -> Plan:
        made = plan(now, frames)
        if not order.overwrite:
            _spare(now, made)
        return made

    planned = Delivered(clip, "planned", "", media, used, frames)
    if dry_run:
        now, made = known_plan(keys, wanted, read=False, watch=watch, stop=stop)
        return replace(planned, plan=_told(made))
    execution = Execution(environment, limits or Limits())
    made = compute(execution, keys, wanted, watch=watch, stop=stop)
    outcome = execution.outcome
    done = replace(
        planned,
        computed=sum(map(len, outcome.computed.values())),
        written=len(outcome.written),
    )
    if outcome.errors or made.pending:
        why = str(outcome.errors[0]) if outcome.errors else "its layers are not known"
        lost = format_frames(outcome.failed)
        return replace(done, status="failed", reason=f"{why} (frames {lost})" if lost else why)
    now = execution.keys
    shown = Finished(graph, environment, keys=now)
    found, confidence = _judged(shown, frames)
    return replace(
        done,
        status="delivered",
        files=_files(now, graph, order.output.absolute(), frames[0]),
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


def _spare(keys: Keys, made: Plan) -> None:
    """Raise WriteError rather than write over what another recipe, or someone else, wrote."""
    for entry in made.dirty:
        if not entry.stage.effect or entry.key is None:
            continue
        for path in keys.files(entry.result).values():
            if keys.world.written(path, entry.key) in ("stale", "foreign"):
                raise WriteError(
                    "is there already, from another recipe",
                    frame=entry.result.frame,
                    file=path,
                    hint="choose another --output, or write over it with --overwrite",
                )


def _files(keys: Keys, graph: Graph, output: Path, frame: int) -> tuple[Files, ...]:
    """Every sequence that the graph writes, its name with the frame's place in it."""
    out = []
    for writer in graph.writers():
        shape = keys.shape(writer.name)
        text = writer.value("file")
        layers: Sequence[str | None] = shape.layers if "{layer}" in text else (None,)
        named = Path(text).name
        for layer in layers:
            # the folder as the node itself says it; only the frame's place is put back
            path = keys.files(Result(writer.name, writer.type.effect.name, None, frame))[layer]
            name = sequence.output_name(named, layer=layer, version=writer.value("version"))
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
