"""Whether a model's card and its adapters keep to what their roles promise (docs/models.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from rotograph import colour
from rotograph.card import Card
from rotograph.errors import RotographError
from rotograph.models import Models
from rotograph.testing import roles
from rotograph.testing.finding import Finding, said
from rotograph.testing.roles import NEAR, Wrong
from rotograph.testing.said import check_card


def check_model(card: Card, models: Models | None = None) -> Iterator[Finding]:
    """What a model does against the rules of its roles, and what could not be tried.

    models: where its weights are; by default where they are for everybody. A model whose weights
    or packages are not here is judged by its card alone.
    """
    yield from check_card(card)
    try:
        colour.load(colour.BUILT_IN).space(card.input_space)
    except RotographError as error:
        yield Finding(
            card.name,
            "input space",
            said(error),
            "name a space of the built-in OCIO config as input_space",
        )
    models = models or Models([card], policy="any")
    if card.missing or not models.installed(card):
        lacks = f"the package '{card.missing[0]}' is" if card.missing else "its weights are"
        yield Finding(
            card.name,
            "runs",
            f"was not run: {lacks} not here",
            "rotograph models show NAME says how to get it",
            fault=False,
        )
        return
    for role, adapter in card.adapters.items():
        if adapter and role in roles.TRIALS:
            yield from _in_role(card, models, role)


def _in_role(card: Card, models: Models, role: str) -> Iterator[Finding]:
    try:
        adapter = models.load(role, card.name)
    except RotographError as error:
        yield Finding(
            card.name, "runs", f"cannot be loaded to {role}: {said(error)}", "mend its card"
        )
        return
    trial = roles.TRIALS[role]
    try:
        first = trial(adapter, card, 0)
        trial(adapter, card, 1)
        again = trial(adapter, card, 0)
    except Wrong as wrong:
        yield Finding(card.name, wrong.rule, f"in role {role}, {wrong}", wrong.hint)
        return
    except Exception as error:
        yield Finding(
            card.name,
            "interface",
            f"in role {role}, it fails: {type(error).__name__}: {error}",
            NEAR,
        )
        return
    yield from _steady(card, role, first, again)
    for mode in card.smaller:
        try:
            trial(adapter.smaller(mode), card, 0)
        except (Exception, Wrong) as error:
            yield Finding(
                card.name,
                "smaller",
                f"in role {role}, it cannot be run in the way '{mode}' that its card names: "
                f"{type(error).__name__}: {error}",
                "take the way out of the card, or mend smaller()",
            )


def _steady(card: Card, role: str, first: Any, again: Any) -> Iterator[Finding]:
    """After another picture in between, the same picture gives the same bits."""
    if _digest(first) != _digest(again):
        far = max(
            (float(np.abs(a - b).max(initial=0)) for a, b in zip(first, again, strict=True)),
            default=0.0,
        )
        yield Finding(
            card.name,
            "order",
            f"in role {role}, a picture gives something else after another one was looked at "
            f"(up to {far:.3g})",
            "keep nothing between calls; hand on in the state what must be remembered",
        )


def _digest(arrays: list[np.ndarray]) -> bytes:
    return hashlib.blake2b(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).digest()
