"""Models: their cards, who provides them, and loading one only when it is first used."""

from __future__ import annotations

import importlib
import threading
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from rotograph.errors import ModelError, did_you_mean

Role = Literal["detect", "segment", "track", "motion", "matte", "refine"]


@dataclass(frozen=True)
class Card:
    """What a model is, known without loading it (DESIGN: "Models").

    adapters: role -> the module that is the adapter, or ``module:name`` of a callable that makes
    it; a role that the model has but that this version cannot run yet has an empty text.
    version: the adapter's; raised whenever it would give other pixels.
    input_space: the OCIO colour space in which the model sees the plate.
    working_size: the long side, in square pixels, of the picture it sees.
    reads_text: whether it can be told what to look for in words.
    weights: digest of the weights, or "" when there are none.
    licence, commercial: the weights' licence and whether it allows commercial work.
    """

    name: str
    label: str
    version: int
    adapters: Mapping[str, str]
    input_space: str
    working_size: int
    licence: str
    commercial: bool
    source: str = ""
    reads_text: bool = False
    weights: str = ""
    numeric_mode: str = "float32"

    def identity(self, role: str) -> dict[str, Any]:
        """What of the model enters a key."""
        return {
            "name": self.name,
            "role": role,
            "version": self.version,
            "weights": self.weights,
            "numeric_mode": self.numeric_mode,
        }


def read_card(path: Path) -> Card:
    """A card from its TOML file; raises ModelError naming the file."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return Card(**data)
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ModelError(f"is not a model card: {error}", file=path) from None


def installed_cards() -> list[Card]:
    """The cards of every installed package (entry point ``rotograph.models``: a folder of TOML)."""
    cards = []
    for entry in sorted(entry_points(group="rotograph.models"), key=lambda e: e.name):
        folder = Path(entry.load())
        cards += [read_card(path) for path in sorted(folder.glob("*.toml"))]
    return cards


@dataclass
class Models:
    """The models at hand. Adapters are kept once loaded, and loaded by one thread at a time."""

    cards: Iterable[Card] = field(default_factory=installed_cards)
    _loaded: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.cards = {card.name: card for card in self.cards}

    def card(self, role: str, name: str) -> Card:
        """The card of a model that can do this job here; raises ModelError that names one."""
        able = [c.name for c in self.cards.values() if c.adapters.get(role)]
        card = self.cards.get(name)
        if card is None:
            raise ModelError(f"there is no model '{name}'", hint=did_you_mean(name, able))
        if role not in card.adapters:
            raise ModelError(
                f"the model '{name}' cannot {role}", hint=f"these can: {', '.join(able)}"
            )
        if not card.adapters[role]:
            raise ModelError(
                f"the model '{name}' is known but cannot run in this version",
                hint=f"these can: {', '.join(able)}",
            )
        return card

    def readers(self, role: str) -> list[Card]:
        """The cards that understand a text prompt in this role, runnable here or not."""
        return [c for c in self.cards.values() if c.reads_text and role in c.adapters]

    def loaded(self) -> list[str]:
        """The names of the models that are in memory."""
        return sorted({name for _, name in list(self._loaded)})

    def load(self, role: str, name: str) -> Any:
        """The adapter; raises ModelError when it is unknown or its libraries are missing."""
        card = self.card(role, name)
        with self._lock:
            if (role, name) not in self._loaded:
                module, _, attribute = card.adapters[role].partition(":")
                try:
                    adapter = importlib.import_module(module)
                except ImportError as error:
                    raise ModelError(
                        f"the model '{name}' needs the package '{error.name}'",
                        hint="install it, or choose 'classic'",
                    ) from None
                self._loaded[role, name] = getattr(adapter, attribute)() if attribute else adapter
            return self._loaded[role, name]
