"""When the memory runs out: which smaller ways a step has, and the keys of what was really made.

A result that was made in half precision or in tiles is not the one that its key names. It is kept
under the key of the recipe that really ran, and so is everything that follows from it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from rotograph.declare import Stage
from rotograph.errors import OutOfMemory
from rotograph.needs import Entry, Keys

MODES = ("half", "tiles")
"""In this order: half precision, then in tiles."""
SAID = {"half": "in half precision", "tiles": "in tiles"}
_WORDS = ("out of memory", "insufficient memory", "failed to allocate memory", "bad allocation")


def ran_out(error: BaseException) -> bool:
    """Whether a library says that there was no memory, on the device or in the machine.

    By name and words: the engine imports none of the libraries that networks run in.
    """
    if isinstance(error, MemoryError | OutOfMemory) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(words in str(error).lower() for words in _WORDS)


def modes(keys: Keys, name: str, stage: Stage) -> tuple[str, ...]:
    """The smaller ways in which a node's stage can be computed: its own and its models'."""
    node = keys.graph.nodes[name]
    cards = [
        keys.world.models.card(role, node.model(param)) for role, param in stage.models.items()
    ]
    able = {*stage.smaller, *(mode for card in cards for mode in card.smaller)}
    return tuple(mode for mode in MODES if mode in able)


class Smaller:
    """What of one run was made smaller. Threads may share it; usually it stays empty."""

    def __init__(self) -> None:
        self._modes: dict[bytes, str] = {}
        self._steps: dict[tuple[str, str], str] = {}
        self._before: dict[tuple[str, str, int], str] = {}
        self._real: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def remember(self, keys: Keys, before: Mapping[str, Mapping[str, Iterable[int]]]) -> None:
        """What another run made smaller, so that it is looked for there: node -> mode -> frames."""
        for name, made in before.items():
            for stage in keys.graph.nodes[name].type.stages.values():
                able = modes(keys, name, stage)
                for mode in set(made).intersection(able):
                    self._before |= {(name, stage.name, frame): mode for frame in made[mode]}

    def mode(self, entry: Entry) -> str:
        """How an entry that is about to be computed is computed: "" is as its recipe says.

        A step that ran out of memory on one frame stays small for the rest of the run.
        """
        step = entry.result.node, entry.stage.name
        with self._lock:
            mode = (
                self._modes.get(entry.key)
                or self._before.get((*step, entry.result.frame))
                or self._steps.get(step, "")
            )
            if mode:
                self._modes[entry.key] = mode
            return mode

    def ran(self, entry: Entry) -> str:
        """How an entry was computed, whatever other frames of its step ran into meanwhile."""
        return self._modes.get(entry.key, "")

    def next(self, keys: Keys, entry: Entry, tried: str) -> bool:
        """Go on to the next smaller way after ``tried``; False when there is none."""
        able = modes(keys, entry.result.node, entry.stage)
        rest = able[able.index(tried) + 1 :] if tried in able else able
        if not rest:
            return False
        with self._lock:
            self._modes[entry.key] = self._steps[entry.result.node, entry.stage.name] = rest[0]
        return True

    def made(self, keys: Keys, entry: Entry) -> None:
        """Remember under which key an entry's result went, for what follows from it."""
        key = self.key(keys, entry)
        if key != entry.key:
            with self._lock:
                self._real[entry.key] = key

    def kept_as(self, key: bytes) -> bytes:
        """Where the result of a planned key is."""
        return self._real.get(key, key)

    def key(self, keys: Keys, entry: Entry) -> bytes:
        """The key of the recipe that really ran, or is about to, for an entry."""
        if not self._modes or entry.key is None:
            return entry.key
        known = self._real.get(entry.key)
        if known is not None:
            return known
        mode = self._modes.get(entry.key, "")
        below = {e.result: self._below(keys, e) for e in entry.below or ()}
        if not mode and all(keys.entry(r).key == key for r, key in below.items()):
            return entry.key
        return keys.key_as(entry, below, mode)

    def _below(self, keys: Keys, entry: Entry) -> bytes:
        # what is stored was made before, and remembered; what is not goes by what is below it
        return self.kept_as(entry.key) if entry.stage.stored else self.key(keys, entry)
