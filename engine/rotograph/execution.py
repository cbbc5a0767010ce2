"""One result being fetched or computed: exactly what it needs is given to it, and nothing else.

A result is kept in memory while there is room and in the store for good, so a long shot takes no
more memory than a short one. What the store refuses (a full disk) stays in memory until its last
consumer has run: that costs memory and speed, never a result.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotograph.declare import Leaf, Need, Result, Value
from rotograph.environment import Environment
from rotograph.errors import Cancelled, ComputeError, MediaError, PromptError, RotographError
from rotograph.kept import Kept
from rotograph.needs import Entry, Keys
from rotograph.pack import pack, unpack
from rotograph.plan import missing

_LEAST_KEPT, _FRAMES_KEPT = 64 << 20, 10


@dataclass(frozen=True)
class Limits:
    """How much of the machine a run may take; none of it moves a pixel.

    jobs: results computed at the same time. kept: bytes of results held in memory; None for a
    few of the shot's own frames. working: bytes that computations may take together (one alone
    may always run).
    """

    jobs: int = 2
    kept: int | None = None
    working: int = 1500 << 20

    def room(self, width: int, height: int) -> int:
        """Bytes of results to hold in memory for a plate of this size."""
        if self.kept is not None:
            return self.kept
        return max(_LEAST_KEPT, _FRAMES_KEPT * width * height * 6)  # half float RGB


@dataclass
class Outcome:
    """What a run did.

    computed, reused: node -> frames. written: files. failed: frames that were not written.
    errors: each cause once.
    """

    computed: dict[str, set[int | None]] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    errors: list[RotographError] = field(default_factory=list)


@dataclass(frozen=True)
class Context:
    """All that a stage may know beside what it was given.

    params: the parameters that the stage named, on this frame and layer. models: role -> adapter.
    colour: the colour configuration. frame, files, key: for effects only.
    """

    params: dict[str, Any]
    models: dict[str, Any]
    colour: Any = None
    frame: int | None = None
    files: dict[str | None, Path] = field(default_factory=dict)
    key: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.params[name]


class Execution:
    """One graph's results being fetched and computed; see ``execute``.

    keys: the plan's; set anew when the plan is made anew. stop: set it, and nothing more is begun.
    """

    keys: Keys
    stop: threading.Event

    def __init__(self, environment: Environment, limits: Limits) -> None:
        self.environment = environment
        self.limits = limits
        self.kept = Kept(limits.room(0, 0))
        self.outcome = Outcome()
        self.stop = threading.Event()
        self._locks: dict[Any, threading.Lock] = {}
        self._guard = threading.Lock()

    def fetch(self, need: Need) -> Any:
        """The value of a need: from memory, the store or the disk, or computed again.

        Raises RotographError located at the need's node and frame.
        """
        if isinstance(need, Value):
            return need.value
        name = self._name(need)
        value = self.kept.get(name)
        if value is not None:
            return value
        with self._single(name):
            value = self.kept.get(name)
            if value is None:
                value = self._load(need)
                self.kept.put(name, value)
        return value

    def _name(self, need: Result | Leaf) -> Any:
        """Results go by their keys, for two nodes may need the same one."""
        return self.keys.entry(need).key if isinstance(need, Result) else need

    def _load(self, need: Result | Leaf) -> Any:
        if isinstance(need, Leaf):
            return self.environment.read_leaf(need)
        entry = self.keys.entry(need)
        if entry.stage.stored:
            record = self.environment.store.get(entry.key)
            if record is not None:
                return unpack(record)
            # Evicted or damaged since the plan was made. What it hangs on may be gone too, back
            # to an anchor a thousand frames away: in order, not by recursion.
            *below, entry = missing(self.keys, need)
            for lost in below:
                self.run(lost)
            value = self.compute(entry)
            for lost in below:
                self.kept.unpin(lost.key)
            return value
        return self.compute(entry)

    def _single(self, name: Any) -> threading.Lock:
        """One lock for each result, so that two threads never load or compute the same one."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def run(self, entry: Entry) -> None:
        """Make sure that an entry's result is there, or its files are written."""
        if entry.stage.effect:
            self.compute(entry)
            return
        with self._single(entry.key):
            if self.kept.get(entry.key) is not None or self.environment.has(entry.key):
                return
            value = self.compute(entry)
            if entry.stage.per == "shot":
                self.environment.small[entry.key] = value
            record = pack(value)
            stored = self.environment.store.put(entry.key, record, tier=entry.stage.tier)
            self.kept.put(entry.key, unpack(record), pin=not stored)

    def compute(self, entry: Entry) -> Any:
        """Give the stage exactly what it needs and nothing else."""
        result, step = entry.result, entry.stage
        if self.stop.is_set():
            raise Cancelled("stopped")
        try:
            given = {name: self._given(need) for name, need in entry.needs.items()}
            value = step.compute(given, self._context(entry))
        except RotographError as error:
            if len(entry.leaves) == 1 and isinstance(error, MediaError | PromptError):
                error.located(file=entry.leaves[0].path)
            raise error.located(node=result.node, frame=result.frame) from error.__cause__
        except MemoryError:
            raise ComputeError(
                "ran out of memory",
                node=result.node,
                frame=result.frame,
                hint="render with --jobs 1 or a smaller --memory",
            ) from None
        except Exception as error:
            raise ComputeError(
                f"failed in {step.name}: {type(error).__name__}: {error}",
                node=result.node,
                frame=result.frame,
                hint="run again with --debug and report it",
            ) from error
        if step.stored or step.effect:
            with self._guard:
                if not step.effect:
                    self.outcome.computed.setdefault(result.node, set()).add(result.frame)
                if step.effect:
                    self.outcome.written += value
                    for path in value:
                        self.environment.receipts.remember(path, entry.key.hex())
        return value

    def _given(self, need: Any) -> Any:
        if isinstance(need, dict):
            return {name: self._given(n) for name, n in need.items()}
        if isinstance(need, list):
            return [self._given(n) for n in need]
        return None if need is None else self.fetch(need)

    def _context(self, entry: Entry) -> Context:
        result, step = entry.result, entry.stage
        node = self.keys.graph.nodes[result.node]
        effect = step.effect
        return Context(
            params={p: node.value(p, result.frame, result.layer) for p in step.params},
            models={
                role: self.environment.models.load(role, node.value(param))
                for role, param in step.models.items()
            },
            colour=self.environment.colour if step.colour else None,
            frame=result.frame if effect else None,
            files=self.keys.files(result) if effect else {},
            key=entry.key.hex() if effect else "",
        )
