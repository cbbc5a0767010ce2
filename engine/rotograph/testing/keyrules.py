"""Whether a node's keys move when its pixels do, and only then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rotograph.declare import NodeType
from rotograph.errors import RotographError
from rotograph.testing.cases import Case, Workshop, named, others
from rotograph.testing.finding import Finding, said
from rotograph.testing.pixels import every_pixel

_MOST = 6
"""Cases in which a parameter that moves no pixels is tried; each is computed twice."""


def check_keys(workshop: Workshop, declared: NodeType, cases: Sequence[Case]) -> Iterator[Finding]:
    """What the parameters do to the keys, and that names and paths do nothing."""
    known = [(case, named(workshop.keys(declared, case), case.name)) for case in cases]
    for name, param in declared.params.items():
        if param.kind == "file":
            continue
        if param.pixels:
            yield from _moves(workshop, declared, known, name)
        else:
            yield from _rests(workshop, declared, known[:_MOST], name)
    yield from _unnamed(workshop, declared, known)


def _moves(workshop: Workshop, declared: NodeType, known: Any, name: str) -> Iterator[Finding]:
    """A parameter that moves pixels moves a key, in some case at least."""
    tried: list[str] = []
    for case, before in known:
        for value in others(declared, name, case):
            changed = case.setting(**{name: value})
            try:
                after = named(workshop.keys(declared, changed), case.name)
            except RotographError as error:
                tried.append(said(error))
                continue
            if after != before:
                if declared.params[name].per_layer:
                    yield from _moves_its_layer(workshop, declared, case, before, name, value)
                return
            tried.append("")
    if "" in tried:
        yield Finding(
            declared.name,
            "pixel parameter",
            f"no key moves with '{name}', so that what is in "
            "the store would be taken for what is asked for",
            "name it in the params of the stage that reads it, or declare it pixels=False",
        )
    else:
        yield Finding(
            declared.name,
            "pixel parameter",
            f"'{name}' could not be tried: every value was "
            f"refused ({tried[0] if tried else 'none was known'})",
            "set what it needs in EXAMPLES",
            fault=False,
        )


def _moves_its_layer(
    workshop: Workshop, declared: NodeType, case: Case, before: Any, name: str, value: Any
) -> Iterator[Finding]:
    """What is set for one layer moves a key of that layer."""
    layers = sorted({layer for _, layer, _ in before if layer is not None})
    if not layers:
        return
    keys = workshop.keys(declared, case)
    keys.graph.nodes[case.name].set(name, value, layers[0])
    after = named(type(keys)(keys.graph, keys.world, keys.output_folder), case.name)
    if all(after.get(n) == key for n, key in before.items() if n[1] == layers[0]):
        yield Finding(
            declared.name,
            "per layer",
            f"a layer's own '{name}' changes none of its results",
            'read it in a stage that is per="layer", or take per_layer=True away',
        )


def _rests(workshop: Workshop, declared: NodeType, known: Any, name: str) -> Iterator[Finding]:
    """One that moves no pixels moves no key; one whose keys rest moves no pixels."""
    for case, before in known:
        for value in others(declared, name, case):
            changed = case.setting(**{name: value})
            try:
                after = named(workshop.keys(declared, changed), case.name)
                same = every_pixel(workshop, declared, case) == every_pixel(
                    workshop, declared, changed
                )
            except RotographError:
                continue
            if same and set(after) == set(before) and after != before:
                yield Finding(
                    declared.name,
                    "other parameter",
                    f"'{name}' moves no pixels, and yet keys "
                    "move with it: everything would be computed again for nothing",
                    "take it out of needs and of params",
                )
                return
            if not same and after == before:
                yield Finding(
                    declared.name,
                    "other parameter",
                    f"'{name}' is declared to move no pixels, and it does",
                    "declare it with pixels=True, and name it in params",
                )
                return


def _unnamed(workshop: Workshop, declared: NodeType, known: Any) -> Iterator[Finding]:
    """Neither the node's name nor asking again changes a key."""
    for case, before in known:
        again = named(workshop.keys(declared, case), case.name)
        if again != before:
            yield Finding(
                declared.name,
                "needs",
                "the same graph has other keys when they are asked for again",
                "let needs and describe depend on nothing but what 'at' tells them",
            )
            return
        renamed = replace(case, name="another name")
        if named(workshop.keys(declared, renamed), renamed.name) != before:
            yield Finding(
                declared.name,
                "name",
                "its keys move when the node is renamed",
                "take the node's name out of needs",
            )
            return
