"""Which results of a plan may be computed now, and which layers of a frame at once.

A stage that can compute several layers together (``Stage.layers``) is handed them together: so they
are brought side by side in the plan's order, and one that is ready waits for the others while they
are on their way. Nothing hangs on it: a layer whose companions fail goes on alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

from rotograph.needs import Entry

Units = list[tuple[int, ...]]


class Schedule:
    """The entries of a plan that may run now: those whose dirty needs are done, in its order.

    at_once: how many layers of an entry's frame may be computed together; 1 for none.
    """

    def __init__(self, entries: Sequence[Entry], at_once: Callable[[Entry], int]) -> None:
        self.entries = list(entries)
        self.below = _below(self.entries)
        units = _units(self.entries, at_once)
        if units:
            order = _side_by_side(self.entries, self.below, units)
            order = [i for i in order if i < len(self.entries)]
            place = {i: n for n, i in enumerate(order)}
            self.entries = [self.entries[i] for i in order]
            self.below = _below(self.entries)
            units = [tuple(sorted(place[i] for i in unit)) for unit in units]
        self._peers = {i: unit for unit in units for i in unit}
        self.waits = [len(below) for below in self.below]
        self.users: list[list[int]] = [[] for _ in self.below]
        for i, below in enumerate(self.below):
            for needed in below:
                self.users[needed].append(i)
        self.unfinished = [len(users) for users in self.users]
        for i in range(len(self.entries), len(self.below)):
            if not self.below[i]:
                self._reach(i)
        self.ready = [i for i in range(len(self.entries)) if self.waits[i] == 0]
        heapq.heapify(self.ready)
        self._begun: set[int] = set()
        self._lost: set[int] = set()

    def next(self, wait: bool) -> tuple[int, ...]:
        """What to begin next: an entry, or the layers that are computed at once; () for nothing.

        wait: leave those alone whose companions are on their way, because something is running.
        """
        held = []
        try:
            while self.ready:
                i = heapq.heappop(self.ready)
                if i in self._begun:  # with another one
                    continue
                peers = [p for p in self._peers.get(i, (i,)) if self._expected(p)]
                ready = tuple(p for p in peers if self.waits[p] == 0)
                if wait and len(ready) < len(peers):
                    held.append(i)
                    continue
                self._begun.update(ready)
                return ready
            return ()
        finally:
            for i in held:
                heapq.heappush(self.ready, i)

    def later(self, begun: tuple[int, ...]) -> None:
        """Take back what ``next`` gave."""
        self._begun.difference_update(begun)
        for i in set(begun).difference(self.ready):
            heapq.heappush(self.ready, i)

    def _expected(self, i: int) -> bool:
        return i not in self._begun and i not in self._lost

    def done(self, i: int) -> list[bytes]:
        """Mark as done; gives back the keys of results that nobody waits for any more."""
        for user in self._reach(i):
            heapq.heappush(self.ready, user)
        return self.release(i)

    def _reach(self, i: int) -> list[int]:
        """The entries that wait for nothing more, now that what ``i`` stands for is there."""
        ready, stack = [], [i]
        while stack:
            for user in self.users[stack.pop()]:
                self.waits[user] -= 1
                if self.waits[user] == 0:
                    (ready if user < len(self.entries) else stack).append(user)
        return ready

    def release(self, i: int) -> list[bytes]:
        """The keys of results that nobody waits for any more, now that ``i`` does not."""
        released, stack = [], [i]
        while stack:
            for needed in self.below[stack.pop()]:
                self.unfinished[needed] -= 1
                if self.unfinished[needed] == 0 and needed < len(self.entries):
                    released.append(self.entries[needed].key)
                elif self.unfinished[needed] == 0:
                    stack.append(needed)
        return released

    def fail(self, i: int) -> list[int]:
        """Everything that can never run now and was not known to be lost, itself first."""
        lost, stack = [], [i]
        while stack:
            at = stack.pop()
            if at not in self._lost:
                self._lost.add(at)
                stack += self.users[at]
                if at < len(self.entries):
                    lost.append(at)
        return lost


def _below(entries: Sequence[Entry]) -> list[set[int]]:
    """For each the dirty entries that it needs, directly or through stages that are not stored.

    Results of such stages have a place of their own, behind all entries: what all layers of a
    frame need through a few of them is linked as often as there are layers, not pairs of layers.
    """
    places: dict[bytes | Entry | None, int] = {
        entry.key: i for i, entry in enumerate(entries) if not entry.stage.effect
    }
    below: list[set[int]] = []
    passing = list(entries)
    for entry in passing:  # which grows meanwhile
        needs = set()
        for needed in entry.below:
            place = places.get(needed.key)
            if place is None and not needed.stage.stored:
                place = places.get(needed)
                if place is None:
                    place = places[needed] = len(passing)
                    passing.append(needed)
            if place is not None:
                needs.add(place)
        below.append(needs)
    return below


def _units(entries: Sequence[Entry], at_once: Callable[[Entry], int]) -> Units:
    """The entries that may be computed together: of one node, stage and frame, several layers."""
    alike: dict[tuple, list[int]] = {}
    for i, entry in enumerate(entries):
        if entry.stage.together is not None:
            result = entry.result
            alike.setdefault((result.node, result.stage, result.frame), []).append(i)
    units = []
    for found in alike.values():
        most = at_once(entries[found[0]]) if len(found) > 1 else 1
        units += [tuple(found[n : n + most]) for n in range(0, len(found), most)]
    return [unit for unit in units if len(unit) > 1]


def _side_by_side(entries: Sequence[Entry], below: Sequence[set[int]], units: Units) -> list[int]:
    """The entries in an order in which those of a unit stand together, after what they need.

    Else the plan's order is kept. Where one member needs another, be it by a detour, the units of
    that stage cannot stand together and are taken out of ``units``.
    """
    while True:
        unit_of = {i: unit for unit in units for i in unit}
        order, circle = _walked(below, unit_of)
        if not circle:
            return order
        several = next(i for i in circle if i in unit_of)
        stage = entries[several].result.node, entries[several].stage.name
        units[:] = [
            u for u in units if (entries[u[0]].result.node, entries[u[0]].stage.name) != stage
        ]


def _walked(
    below: Sequence[set[int]], unit_of: Mapping[int, tuple[int, ...]]
) -> tuple[list[int], list[int]]:
    """The entries depth first, each after what it needs; or, second, those of a circle."""
    order: list[int] = []
    entered: dict[int, int] = {}
    done: set[int] = set()
    for first in range(len(below)):
        stack = [(first, False)]
        while stack:
            i, left = stack.pop()
            unit = unit_of.get(i, (i,))
            head = unit[0]
            if left:
                order += unit
                done.add(head)
            elif head in done:
                continue
            elif head in entered:
                return [], [n for n, left in stack[entered[head] :] if left]
            else:
                entered[head] = len(stack)
                stack.append((i, True))
                needed = sorted({n for member in unit for n in below[member]}, reverse=True)
                stack += [(n, False) for n in needed]
    return order, []
