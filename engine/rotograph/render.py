"""A render from beginning to end: read what is unknown, plan, compute, write, sum up."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rotograph import lastrun, licence
from rotograph.declare import Leaf
from rotograph.environment import Environment
from rotograph.errors import Cancelled, ModelError, RotographError
from rotograph.execute import execute
from rotograph.execution import Execution, Limits, Outcome
from rotograph.graph import Graph
from rotograph.needs import Keys, NotYet
from rotograph.outputs import check_outputs
from rotograph.plan import Plan, plan


class Watch(Protocol):
    """Who is told how a run goes; called in the thread that renders."""

    def reading(self, done: int, total: int) -> None: ...
    def rendering(self, what: str, frames: int, done: int, total: int) -> None: ...


class Silent:
    """Nobody."""

    def reading(self, done: int, total: int) -> None:
        pass

    def rendering(self, what: str, frames: int, done: int, total: int) -> None:
        pass


@dataclass
class Summary:
    """What a render did.

    frames: how many were asked for. written: how many of them are there now, whole and as the
    graph says, be it from this run or an earlier one. skipped: missing in the plate, left out as
    the graph says. computed, reused: node -> how many frames. files: what was written now.
    errors: one line each. models: what was used, each as ``name (licence)``. smaller: node ->
    "half" or "tiles" -> frames, where the memory ran out and other pixels than the graph's were
    made. spent: node -> seconds of computing, of all jobs together. planned: seconds of planning,
    and of reading for it what was never read.
    """

    frames: int
    written: int = 0
    skipped: list[int] = field(default_factory=list)
    computed: dict[str, int] = field(default_factory=dict)
    reused: dict[str, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    errors: list[RotographError] = field(default_factory=list)
    seconds: float = 0.0
    models: list[str] = field(default_factory=list)
    smaller: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    planned: float = 0.0

    @property
    def complete(self) -> bool:
        return self.written + len(self.skipped) == self.frames and not self.errors

    def to_json(self) -> dict[str, object]:
        return {
            "frames": self.frames,
            "written": self.written,
            "computed": self.computed,
            "reused": self.reused,
            "skipped": self.skipped,
            "errors": [str(e) for e in self.errors],
            "seconds": round(self.seconds, 3),
            "models": self.models,
            "smaller": self.smaller,
            "spent": self.spent,
            "planned": round(self.planned, 3),
        }


def known_plan(
    keys: Callable[[], Keys],
    wanted: Callable[[Keys], Plan],
    *,
    read: bool,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
    keep: Callable[[Leaf, Any], None] = lambda leaf, value: None,
) -> tuple[Keys, Plan]:
    """A plan, after reading the plate frames whose digest is not known.

    keys: makes the keys anew, for what was read changes them. wanted: makes the plan from them.
    read: whether to read frames never seen before; those whose file was touched since are read in
    any case, for only their pixels can tell whether anything changed, and so are masks.
    keep: is handed the pixels that were read. Raises ModelError, before anything else is done, for
    a model that the licence policy forbids.
    """
    watch, stop = watch or Silent(), stop or threading.Event()
    while True:
        now = keys()
        licence.check_graph(now.graph, now.world.models)
        made = wanted(now)
        unread = [
            leaf for leaf in made.unread if read or leaf.kind == "mask" or now.world.moved(leaf)
        ]
        if not unread or stop.is_set():
            return now, made
        now.world.learn(unread, keep, watch.reading, stop)


def compute(
    execution: Execution,
    keys: Callable[[], Keys],
    wanted: Callable[[Keys], Plan],
    *,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
    spare: bool = False,
) -> Plan:
    """Plan and execute until nothing waits for a result that decides the graph's shape.

    Gives back the last plan; what happened is in ``execution.outcome``. spare: see
    ``check_outputs``. Raises as ``execute`` does.
    """
    watch, stop = watch or Silent(), stop or threading.Event()
    while True:
        began = time.monotonic()
        execution.keys, made = known_plan(
            keys, wanted, read=True, watch=watch, stop=stop, keep=execution.kept.put
        )
        execution.outcome.planned += time.monotonic() - began
        check_outputs(execution.keys, made, spare)
        _check_models(execution.keys, made)
        execution.kept.limit = execution.limits.room(*_largest(execution.keys))
        try:
            execute(execution, made, watch.rendering, stop)
        finally:
            execution.environment.receipts.flush()
        if not made.pending or execution.outcome.errors:
            return made


def _check_models(keys: Keys, made: Plan) -> None:
    """Raise ModelError, before any work, for a needed model that lacks weights or packages."""
    asked = {
        (entry.result.node, role, param)
        for entry in made.dirty
        for role, param in entry.stage.models.items()
    }
    for node, role, param in sorted(asked):
        try:
            keys.world.models.check_here(role, keys.graph.nodes[node].model(param))
        except ModelError as error:
            raise error.located(node=node) from None


def _largest(keys: Keys) -> tuple[int, int]:
    """(width, height) of the largest plate whose shape is known."""
    sizes = []
    for node in keys.graph:
        if node.type.output is not None:
            with contextlib.suppress(NotYet):
                sizes.append(keys.shape(node.name).size)
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def render(
    graph: Graph,
    environment: Environment,
    frames: Sequence[int] | None = None,
    output: Path | None = None,
    *,
    limits: Limits | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
    execution: Execution | None = None,
    spare: bool = False,
) -> Summary:
    """Render the graph's Write nodes; frames: None for all that the plate has.

    spare: files that hold another result of ours are not written over, as little as others'.
    Frames that fail are in the summary's errors, and the others are written; after a file that
    cannot be written (a full disk) nothing more is begun. Raises GraphError, MediaError, ModelError
    or WriteError when nothing can be done at all, Cancelled when ``stop`` is set.
    """
    start = time.monotonic()
    execution = execution or Execution(environment, limits or Limits())
    wanted: list[Plan] = []

    def planned(keys: Keys) -> Plan:
        wanted[:] = [plan(keys, frames)]
        return wanted[0]

    def note(complete: bool) -> None:
        if wanted:
            lastrun.remember(environment.store.folder, execution.keys, wanted[0].frames, complete)

    try:
        made = compute(
            execution,
            lambda: Keys(graph, environment, output),
            planned,
            watch=watch,
            stop=stop,
            spare=spare,
        )
    except Cancelled:
        note(False)
        raise
    outcome = execution.outcome
    note(not outcome.errors)
    asked = len(frames) if frames is not None else len(made.frames) + len(made.skipped)
    lost = set(made.frames) & outcome.failed if made.frames else set()
    return Summary(
        frames=asked,
        written=0 if made.pending else len(made.frames) - len(lost),
        skipped=list(made.skipped),
        computed={node: len(done) for node, done in sorted(outcome.computed.items())},
        reused={
            node: len(kept - outcome.computed.get(node, set()))
            for node, kept in sorted(made.reused.items())
        },
        files=outcome.written,
        errors=outcome.errors,
        seconds=time.monotonic() - start,
        models=licence.stated(licence.used(graph, environment.models)),
        smaller=told_smaller(outcome),
        spent={node: round(seconds, 3) for node, seconds in sorted(outcome.seconds.items())},
        planned=outcome.planned,
    )


def told_smaller(outcome: Outcome) -> dict[str, dict[str, list[int]]]:
    """node -> "half" or "tiles" -> frames, of what was made so because the memory ran out."""
    return {
        node: {mode: sorted(f for f in made if f is not None) for mode, made in modes.items()}
        for node, modes in sorted(outcome.smaller.items())
    }
