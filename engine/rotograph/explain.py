"""Why a plan's results are dirty, in few words: each cause named once, where it begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rotograph.changed import SAME, Cause, Changes, grouped
from rotograph.declare import Result
from rotograph.lastrun import Before
from rotograph.needs import Entry, Keys, flatten
from rotograph.plan import Plan, uncollected

_FOLLOWS = "follows "


def explain(
    keys: Keys, plan: Plan, before: Before | None = None
) -> dict[str, dict[str, list[int]]]:
    """node -> reason -> the frames that are dirty for it, in order.

    A result that is dirty because of another node's says ``follows <node>``, with the nearest
    such node; one that is dirty because of its own node's other results has their reason. A frame
    is named once for each node, with the reason of its own where it has one. What is made once
    for the whole shot counts for no frame, but its reason is there. before: the last run, by which
    a reason says what changed since.
    """
    with uncollected():
        return _explain(keys, plan, before)


def _explain(keys: Keys, plan: Plan, before: Before | None) -> dict[str, dict[str, list[int]]]:
    changes = None if before is None else Changes(keys, before)
    told: dict[Result, Cause] = {}
    out: dict[str, dict[int | None, tuple[int, Result, Cause]]] = {}
    for entry in plan.dirty:  # each comes after what it needs
        result = entry.result
        cause, edited = Cause(plan.reasons[result]), False
        if entry.unread is None:
            found = SAME if changes is None else changes.cause(result)
            edited = found is not SAME
            if edited:
                cause = found
            else:
                stands = None if before is None else _as_before(before, entry, cause)
                cause = _from_below(keys, entry, plan, told) or stands or cause
        told[result] = cause
        # an edit tells more than that something is gone, and a node's own more than another's
        rank = 2 * (not edited) + cause.text.startswith(_FOLLOWS)
        frames = out.setdefault(result.node, {})
        if result.frame not in frames or frames[result.frame][0] > rank:
            frames[result.frame] = rank, result, cause
    return {node: _by_reason(frames.values()) for node, frames in out.items()}


def _as_before(before: Before, entry: Entry, cause: Cause) -> Cause:
    """Why what the last run made, or was to make, has to be made again."""
    if entry.stage.effect:
        return cause
    frame = entry.result.frame
    if frame is not None and frame not in before.noted.frames:
        return Cause("was not asked for before")
    return Cause("no longer in the cache" if before.noted.complete else "was not finished")


def _from_below(keys: Keys, entry: Entry, plan: Plan, told: dict[Result, Cause]) -> Cause | None:
    own = None
    for below in _dirty_below(keys, entry, plan):
        if below.node != entry.result.node:
            return Cause(_FOLLOWS + below.node)
        own = own or told[below]
    return own


def _by_reason(found: Iterable[tuple[int, Result, Cause]]) -> dict[str, list[int]]:
    causes = {result: cause for _, result, cause in found}
    return {
        reason: sorted(r.frame for r in results if r.frame is not None)
        for reason, results in grouped(causes)
    }


def _dirty_below(keys: Keys, entry: Entry, plan: Plan) -> Iterator[Result]:
    """The dirty results that an entry needs, also through stages that are not stored."""
    stack = [need for _, need in flatten(entry.needs)]
    while stack:
        need = stack.pop()
        if not isinstance(need, Result):
            continue
        if need in plan.reasons:
            yield need
        elif not keys.entry(need).stage.stored:
            stack += [n for _, n in flatten(keys.entry(need).needs)]
