"""Why a plan's results are dirty, in few words: each cause named once, where it begins."""

from __future__ import annotations

from collections.abc import Iterator

from rotograph.declare import Result
from rotograph.needs import Entry, Keys, flatten
from rotograph.plan import Plan

_FOLLOWS = "follows "


def explain(keys: Keys, plan: Plan) -> dict[str, dict[str, list[int]]]:
    """node -> reason -> the frames that are dirty for it, in order.

    A result that is dirty because of another node's says ``follows <node>``, with the nearest
    such node; one that is dirty because of its own node's other results has their reason. A frame
    is named once for each node, with the reason of its own where it has one. What is made once
    for the whole shot counts for no frame, but its reason is there.
    """
    told: dict[Result, str] = {}
    out: dict[str, dict[int | None, str]] = {}
    for entry in plan.dirty:  # each comes after what it needs
        result = entry.result
        reason = plan.reasons[result]
        if entry.unread is None:
            own = None
            for below in _dirty_below(keys, entry, plan):
                if below.node != result.node:
                    reason = _FOLLOWS + below.node
                    break
                own = own or told[below]
            else:
                reason = own or reason
        told[result] = reason
        frames = out.setdefault(result.node, {})
        if frames.get(result.frame, _FOLLOWS).startswith(_FOLLOWS):
            frames[result.frame] = reason
    return {node: _by_reason(frames) for node, frames in out.items()}


def _by_reason(frames: dict[int | None, str]) -> dict[str, list[int]]:
    reasons: dict[str, list[int]] = {}
    for frame, reason in frames.items():
        reasons.setdefault(reason, [])
        if frame is not None:
            reasons[reason].append(frame)
    return {reason: sorted(found) for reason, found in reasons.items()}


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
