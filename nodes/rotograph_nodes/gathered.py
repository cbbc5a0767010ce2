"""The other layers of a frame, asked for in few needs however many there are.

A layer that needed each of its rivals by itself would make a frame of n layers cost n² needs. So
layers are gathered as in a binary indexed tree (Fenwick, "A new data structure for cumulative
frequency tables", 1994): the gathering at place p, counted from 1 at the front, holds the layers
of the places after ``p - (p & -p)`` up to p. All in front of any place are then in at most log2 n
gatherings, and no layer behind is among them: what can take no pixels enters no key.
"""

from __future__ import annotations

from typing import Any

from rotograph.declare import Needs, Stage, Value, stage
from rotograph_nodes import overlap


def gathering(source: str) -> Stage:
    """The node's stage ``gather``: ``[(layer's result, whether it is approved), …]``, front first.

    source: the node's stage that gives the results. What is approved stands in for it.
    """

    @stage(operator="Gather", version=1, per="layer", stored=False)
    def gather(given, context):
        before = [layer for gathered in given["before"] for layer in gathered]
        return [*before, (given["own"], given["approved"])]

    @gather.needs
    def gather(at):
        place, approved = at.place(), at.approved(at.layer)
        return {
            "before": _gathered(at, place - 1, beyond=place - (place & -place)),
            "own": at.stage(source) if approved is None else approved,
            "approved": Value(approved is not None),
        }

    return gather


def settling(at: Any, source: str) -> Needs:
    """What settles a layer's overlap with the others of its frame.

    The node has a stage ``gather``. For its compute, ``rivals`` takes the others out of them.
    """
    mode, place = at.own().overlap, at.place()
    last = overlap.last_rival(mode, place, len(at.here()))
    return {
        "own": at.stage(source),
        "rivals": _gathered(at, last),
        "place": Value(place - 1) if place <= last else None,
        "mode": Value(mode),
    }


def rivals(given: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """The results of a layer's rivals, front first, and those of them that are approved."""
    layers = [layer for gathered in given["rivals"] for layer in gathered]
    if given["place"] is not None:
        del layers[given["place"]]  # the layer itself
    return [r for r, approved in layers if not approved], [r for r, approved in layers if approved]


def _gathered(at: Any, place: int, beyond: int = 0) -> list[Any]:
    """The gatherings that hold the layers after the place ``beyond`` up to ``place``."""
    here, found = at.here(), []
    while place > beyond:
        found.append(at.stage("gather", layer=here[place - 1]))
        place -= place & -place
    return found[::-1]
