"""Several layers of one frame computed at once, where a stage and its models can.

Which layers happen to be together is in no key; so what they make together must be what each would
make alone, within the model's stated tolerance.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rotograph.errors import Cancelled
from rotograph.needs import Entry, Keys
from rotograph.smaller import ran_out

if TYPE_CHECKING:
    from rotograph.execution import Execution

MOST = 8
"""Layers that a stage without a model is handed at once."""
_log = logging.getLogger("rotograph")


def at_once(keys: Keys, entry: Entry) -> int:
    """How many layers of an entry's frame may be computed together."""
    node = keys.graph.nodes[entry.result.node]
    models = keys.world.models
    cards = [models.card(role, node.model(param)) for role, param in entry.stage.models.items()]
    return min((card.layers for card in cards), default=MOST)


class Together:
    """How one run computes layers together: fewer at a time once the memory did not take more."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._few: dict[tuple[str, str], int] = {}

    def compute(self, entries: Sequence[Entry]) -> Cancelled | None:
        """Compute and keep those of one node, stage and frame, as many as work together.

        What fails is left, for each to be tried by itself. Gives back Cancelled when stopped.
        """
        left = list(entries)
        while len(left) > 1:
            name = left[0].result.node, left[0].stage.name
            batch = left[: self._few.get(name, len(left))]
            if len(batch) < 2:
                break
            try:
                for entry, value in zip(batch, self._values(batch), strict=True):
                    self._execution.made(entry, value)
                    left.remove(entry)
            except Cancelled as stopped:
                return stopped
            except Exception as error:
                if not ran_out(error):
                    _log.info("%s, %s: one layer at a time, for: %s", *name, error)
                    break
                self._few[name] = len(batch) // 2
        return None

    def _values(self, batch: Sequence[Entry]) -> Iterator[Any]:
        """The results as they are made, each exactly from what it needs."""
        run, step = self._execution, batch[0].stage
        given = [run.given(entry) for entry in batch]
        values = iter(step.together(given, [run.context(entry, "") for entry in batch]))
        while True:
            if run.stop.is_set():
                raise Cancelled("stopped")
            with run.spent(batch[0].result.node):
                try:
                    value = next(values)
                except StopIteration:
                    return
            yield value
