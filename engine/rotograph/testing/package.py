"""What a package adds to Rotograph, found by its name or its folder, and all of it checked."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from rotograph.card import Card, read_card
from rotograph.declare import NodeType
from rotograph.errors import GraphError, RotographError, did_you_mean
from rotograph.models import Models
from rotograph.testing.finding import Finding, said
from rotograph.testing.models import check_model
from rotograph.testing.nodes import check_node

NODES, MODELS = "rotograph.nodes", "rotograph.models"


@dataclass(frozen=True)
class Package:
    """nodes: each with its example, parameters without which it does nothing. cards: its models."""

    nodes: tuple[tuple[NodeType, Mapping[str, Any]], ...] = ()
    cards: tuple[Card, ...] = ()
    wrong: tuple[Finding, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        return [declared.name for declared, _ in self.nodes] + [card.name for card in self.cards]


def check_package(
    name: str, at: Callable[[str], None] = lambda subject: None
) -> tuple[Package, list[Finding]]:
    """What a package adds, and what of it breaks a rule or could not be tried.

    name: of an installed package, as it is installed or as it is imported, or the path of its
    folder (with a pyproject.toml) or of a Python file with ``NODES``. Its code is run. at: told
    each node and model that is about to be checked. Raises GraphError when there is no such
    package, or it adds nothing.
    """
    found = find(name)
    findings = list(found.wrong)
    # Not installed_cards, which fails with the first package whose cards cannot be read.
    known = _loaded(sorted(entry_points(group=MODELS), key=lambda e: e.name)).cards
    cards = {card.name: card for card in (*known, *found.cards)}
    for declared, example in found.nodes:
        at(declared.name)
        findings += check_node(declared, example, cards=list(cards.values()))
    models = Models(list(cards.values()), policy="any")
    for card in found.cards:
        at(card.name)
        findings += check_model(card, models)
    return found, findings


def find(name: str) -> Package:
    """The nodes and models of a package; raises GraphError."""
    path = Path(name)
    if path.suffix == ".py" and path.is_file():
        return _of_file(path)
    entries = _in_folder(path) if _is_project(path, name) else _installed(name)
    if not entries:
        known = {_top(e) for group in (NODES, MODELS) for e in entry_points(group=group)}
        raise GraphError(
            f"'{name}' adds no nodes and no models to Rotograph",
            hint=f"{did_you_mean(name, known)}, or name its folder",
        )
    return _loaded(entries)


def _is_project(path: Path, name: str) -> bool:
    """Whether a folder is meant: an installed package's own often lies in the working folder."""
    written = path.name != name or name == ".."
    return path.is_dir() and (written or (path / "pyproject.toml").is_file())


def _top(entry: EntryPoint) -> str:
    return entry.module.split(".")[0]


def _installed(name: str) -> list[EntryPoint]:
    wanted = name.lower().replace("-", "_")
    found = []
    for group in (NODES, MODELS):
        for entry in entry_points(group=group):
            called = {_top(entry).lower()}
            if entry.dist is not None:
                called.add(entry.dist.name.lower().replace("-", "_"))
            if wanted in called:
                found.append(entry)
    return found


def _in_folder(folder: Path) -> list[EntryPoint]:
    """The entry points that a project states, importable from where its packages lie."""
    file = folder / "pyproject.toml"
    try:
        stated = tomllib.loads(file.read_text(encoding="utf-8"))
        groups = stated.get("project", {}).get("entry-points", {})
        found = [
            EntryPoint(str(label), str(value), group)
            for group in (NODES, MODELS)
            for label, value in groups.get(group, {}).items()
        ]
    except OSError as error:
        raise GraphError(f"cannot be read: {error.strerror}", file=file) from None
    except (ValueError, AttributeError) as error:
        raise GraphError(f"is no project file: {error}", file=file) from None
    for place in (folder, folder / "src"):
        if place.is_dir() and str(place.resolve()) not in sys.path:
            sys.path.insert(0, str(place.resolve()))
    return found


def _loaded(entries: list[EntryPoint]) -> Package:
    nodes: list[tuple[NodeType, Mapping[str, Any]]] = []
    cards: list[Card] = []
    wrong: list[Finding] = []
    for entry in entries:
        try:
            value = entry.load()
        except (Exception, SystemExit) as error:  # of its own code, at import
            wrong.append(_unloaded(entry.value, error))
            continue
        if entry.group == NODES:
            examples = getattr(importlib.import_module(entry.module), "EXAMPLES", {})
            nodes += _declared(value, examples, entry.value, wrong)
            continue
        try:
            folder = Path(value)
        except TypeError:
            wrong.append(
                Finding(
                    entry.value,
                    "entry point",
                    f"names a {type(value).__name__}, not a folder",
                    "name the path of the folder where the models' cards lie",
                )
            )
            continue
        for path in sorted(folder.glob("*.toml")):
            try:
                cards.append(read_card(path))
            except RotographError as error:
                wrong.append(Finding(path.name, "card", said(error), "mend the card"))
    return Package(tuple(nodes), tuple(cards), tuple(wrong))


def _of_file(path: Path) -> Package:
    wrong: list[Finding] = []
    spec = importlib.util.spec_from_file_location(f"_rotograph_checked_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up what annotations mean
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # of its own code, at import
        sys.modules.pop(spec.name, None)
        return Package(wrong=(_unloaded(path.name, error),))
    examples = getattr(module, "EXAMPLES", {})
    nodes = tuple(_declared(getattr(module, "NODES", None), examples, path.name, wrong))
    return Package(nodes, (), tuple(wrong))


def _declared(
    value: Any, examples: Mapping[str, Any], where: str, wrong: list[Finding]
) -> Iterator[tuple[NodeType, Mapping[str, Any]]]:
    listed = value if isinstance(value, list | tuple) else [value]
    for declared in listed:
        if isinstance(declared, NodeType):
            yield declared, examples.get(declared.name, {})
        else:
            wrong.append(
                Finding(
                    where,
                    "entry point",
                    f"names a {type(declared).__name__}, not nodes",
                    "name a tuple of classes that are declared with @node",
                )
            )


def _unloaded(where: str, error: Exception | SystemExit) -> Finding:
    told = f"{type(error).__name__}: {error}"
    return Finding(where, "entry point", f"cannot be imported: {told}", "mend the declaration")
