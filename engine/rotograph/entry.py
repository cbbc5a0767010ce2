"""An entry: one result of a graph, with all that it needs, its key once that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rotograph.declare import Leaf, Need, Needs, Result, Stage


@dataclass(slots=True, eq=False)
class Entry:
    """One result of the graph: what it needs and, once every leaf below is known, its key.

    flat: the needs as ``flatten`` gives them, until the key is known. below: the entries of those
    that are results, in that order; None until they are looked at.
    """

    result: Result
    stage: Stage
    needs: Needs
    flat: list[tuple[str, Need]]
    below: list[Entry] | None = None
    key: bytes | None = None
    unread: Leaf | None = None

    @property
    def leaves(self) -> list[Leaf]:
        """The needs that lie outside the graph."""
        return leaves(self.needs)


def flatten(needs: Needs) -> Iterator[tuple[str, Need]]:
    """Every need with the name it enters the key under, in a fixed order; None is no need."""
    for name, need in needs.items():
        if isinstance(need, dict):
            several = [(f"{name}.{part}", need[part]) for part in sorted(need)]
        elif isinstance(need, list):
            several = [(f"{name}.{index}", item) for index, item in enumerate(need)]
        else:
            several = [(name, need)]
        for one in several:
            if one[1] is not None:
                yield one


def leaves(needs: Needs) -> list[Leaf]:
    return [need for _, need in flatten(needs) if type(need) is Leaf]
