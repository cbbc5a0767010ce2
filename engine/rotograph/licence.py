"""The licence policy: which models a run may use, decided before any of them is loaded."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs

from rotograph.errors import ModelError

if TYPE_CHECKING:
    from rotograph.card import Card

Policy = Literal["commercial", "research", "any"]
POLICIES: tuple[Policy, ...] = ("commercial", "research", "any")
"""From strict to loose."""
DEFAULT: Policy = "commercial"
STUDIO_FILE = "studio.toml"


def allows(policy: Policy, card: Card) -> bool:
    """Whether a run under ``policy`` may use the model.

    commercial: its licence allows commercial work. research: that, or research and evaluation.
    any: whatever there is, also what nobody states a licence for.
    """
    if policy == "any":
        return True
    return card.commercial or (policy == "research" and card.research)


def studio_files(mirror: Path | None) -> list[Path]:
    """Where a studio may state its policy; every file that is there counts.

    The system's configuration folder, which users can neither write to nor move by a variable, and
    the model mirror. Raises ModelError for a mirror that is not there, for what it says, and which
    models it has, would be passed over.
    """
    if mirror is not None and not mirror.is_dir():
        raise ModelError(
            "the studio's folder of models, $ROTOGRAPH_MODELS, is not there",
            file=mirror,
            hint="mount it, correct the variable, or unset it",
        )
    found = [_system_folder() / STUDIO_FILE]
    return found if mirror is None else [*found, mirror / STUDIO_FILE]


def _system_folder() -> Path:
    if sys.platform == "win32":
        return Path(platformdirs.site_config_dir("rotograph", appauthor=False))
    # not platformdirs here: it follows XDG_CONFIG_DIRS, which anybody can set
    if sys.platform == "darwin":
        return Path("/Library/Application Support/rotograph")
    return Path("/etc/rotograph")


def decide(asked: str | None = None, files: Iterable[Path] | None = None) -> Policy:
    """The policy of a run: what is asked for, as far as the studio lets it.

    asked: by the user, or None: then the studio's, else "commercial". files: the studio's, by
    default ``studio_files`` with the mirror of ``$ROTOGRAPH_MODELS``. Raises ModelError when the
    user asks for more than the studio allows, or a studio file cannot be read: it is never passed
    over.
    """
    limit, by = None, None
    if files is None:
        mirror = os.environ.get("ROTOGRAPH_MODELS")
        files = studio_files(Path(mirror) if mirror else None)
    for path in files:
        stated = _stated(path)
        if stated and (limit is None or POLICIES.index(stated) < POLICIES.index(limit)):
            limit, by = stated, path
    if asked is None:
        return limit or DEFAULT
    if asked not in POLICIES:
        raise ModelError(
            f"there is no licence policy '{asked}'", hint=f"known: {', '.join(POLICIES)}"
        )
    if limit is not None and POLICIES.index(asked) > POLICIES.index(limit):
        raise ModelError(
            f"the licence policy '{asked}' was asked for, but this studio allows '{limit}'",
            file=by,
            hint=f"leave --licence-policy out, or say {limit}",
        )
    return asked


def _stated(path: Path) -> Policy | None:
    """The policy that a studio file states, None when it is not there or says nothing of it."""
    try:
        if not path.exists():
            return None
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(
            f"the studio's settings cannot be read: {error}", file=path, hint="tell who keeps them"
        ) from None
    if unknown := sorted(set(told) - {"licence_policy"}):
        raise ModelError(
            f"the studio's settings say '{unknown[0]}', which this version does not know",
            file=path,
            hint="only 'licence_policy' is known; tell who keeps them",
        )
    stated = told.get("licence_policy")
    if stated is not None and stated not in POLICIES:
        raise ModelError(
            f"licence_policy is {stated!r}", file=path, hint=f"one of {', '.join(POLICIES)}"
        )
    return stated


def check(card: Card, models: Any, role: str) -> None:
    """Raise ModelError when ``models.policy`` forbids the model, naming one that does its job."""
    if allows(models.policy, card):
        return
    what = "commercial work" if models.policy == "commercial" else "research"
    others = [c for c in models.cards.values() if c.adapters.get(role) and c.name != card.name]
    others = [c for c in others if allows(models.policy, c)]
    # one that looks for the same kind of thing comes first, then one that is ready
    others.sort(key=lambda c: (c.finds == card.finds, models.installed(c), c.quality))
    other = f"use '{others[-1].name}' ({others[-1].licence}) instead" if others else ""
    raise ModelError(
        f"the model '{card.name}' is under the licence {card.licence}, which does not allow {what}"
        if card.research or models.policy == "commercial"
        else f"nobody states a licence for the model '{card.name}'",
        hint=other or "choose another model",
    )


def check_graph(graph: Any, models: Any) -> None:
    """Raise ModelError, naming the node, for a model of the graph that is unknown or forbidden.

    Before anything is loaded or computed. graph: a ``Graph``; models: ``Models``.
    """
    for node, role, name in _asked_for(graph, None):
        try:
            models.card(role, name)
        except ModelError as error:
            raise error.located(node=node) from None


def used(graph: Any, models: Any, before: str | None = None) -> tuple[Card, ...]:
    """The cards of the models that a graph, or what leads to the node ``before``, uses; by name."""
    found = {}
    for _, role, name in _asked_for(graph, before):
        card = models.card(role, name)
        found[card.name] = card
    return tuple(found[name] for name in sorted(found))


def stated(cards: Iterable[Card]) -> list[str]:
    """Each as ``name (licence)``, for a file's metadata and for reports."""
    return [f"{card.name} ({card.licence})" for card in cards]


def _asked_for(graph: Any, before: str | None) -> list[tuple[str, str, str]]:
    """(node, role, model) of every model that the graph's nodes, or those before one, name."""
    names = set(graph.nodes) if before is None else _behind(graph, before)
    return [
        (node.name, role, node.model(param))
        for node in graph
        if node.name in names
        for step in node.type.stages.values()
        for role, param in step.models.items()
    ]


def _behind(graph: Any, name: str) -> set[str]:
    """The node and what leads to it, and the detectors whose boxes became prompts there.

    These are wired to nothing: ``rotograph shot`` leaves its own beside the layers that it found.
    """
    taken = {source for node in graph for source in node.inputs.values()}
    found, left = set(), [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += [source for source in graph.nodes[one].inputs.values() if source]
    return found | {
        node.name
        for node in graph
        if node.type.output is not None
        and node.type.output.wire == "Detections"
        and node.name not in taken
        and found & set(node.inputs.values())
    }
