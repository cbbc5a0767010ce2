"""Models: which are at hand and allowed, and loading one only when it is first used."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rotograph import device, licence, weights
from rotograph.card import Card, installed_cards, studio_cards
from rotograph.device import Device
from rotograph.errors import ModelError, did_you_mean
from rotograph.resident import Resident
from rotograph.weights import Folders

AUTO = "auto"
"""In a graph: the best model that is installed and that the licence policy allows.

With what a node asks of it: "auto" and words of ``ASKED``, or roles that it must have beside.
"""
ASKED: Mapping[str, Callable[[Card], bool]] = {
    "text": lambda card: card.reads_text,
    "no-text": lambda card: not card.needs_text,
    "prompts": lambda card: not card.finds,
    "no-prompts": lambda card: bool(card.finds),
}
LEFT_OUT = ("timm", "torchvision")
"""Packages that the installer does not bring: which build fits depends on that of PyTorch."""
SHARE = 0.5
"""Of the memory that is free when the first network is loaded: what all of them may take."""


@dataclass(frozen=True)
class Supply:
    """What an adapter is made from.

    weights: the verified file; the card's other files lie beside it. device: the device that was
    asked for, as ``device.pick`` takes it, or None. resident: where its network is kept.
    """

    card: Card
    weights: Path
    device: str | None
    resident: Resident

    def pick(self) -> Device:
        """The device for PyTorch; raises ModelError."""
        return device.pick(self.device)


@dataclass
class Models:
    """The models at hand. Adapters are kept once made, and made by one thread at a time.

    policy: the licence policy (``licence.Policy``) that what is asked for here must keep.
    folders: where weights are. device: as ``device.pick`` takes it; None for $ROTOGRAPH_DEVICE.
    """

    cards: Iterable[Card] = field(default_factory=installed_cards)
    policy: licence.Policy = "commercial"
    folders: Folders = field(default_factory=weights.folders)
    device: str | None = None
    resident: Resident = field(default_factory=Resident)
    _loaded: dict[tuple, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    # a plan asks for every frame, and folders may be far away; within a run nothing changes
    _answered: dict[tuple[str, str], Card] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.cards, dict):
            self.cards = {card.name: card for card in self.cards}

    def under(
        self,
        policy: licence.Policy,
        folders: Folders | None = None,
        device: str | None = None,
    ) -> Models:
        """The same models, with their loaded networks, for a run of another policy, mirror, device.

        folders: with the cards that a studio keeps there. device: "auto" for the best there is,
        whatever this process's own environment asks for. Raises ModelError for a wrong card.
        """
        cards = dict(self.cards)
        if folders is not None:
            cards |= {c.name: c for c in studio_cards(folders.mirror, self.cards.values())}
        folders, device = folders or self.folders, device or self.device
        return replace(self, cards=cards, policy=policy, folders=folders, device=device)

    def card(self, role: str, name: str) -> Card:
        """The card of a model that can and may do this job here; raises ModelError that names one.

        name: a model, or "auto" and what is asked of it. Digests that the card does not state are
        those of the files here. Once given, the answer stays, so that a plan and its render mean
        the same.
        """
        if (role, name) not in self._answered:
            first, *asked = name.split(" ")
            found = self.best(role, asked) if first == AUTO else self._allowed(role, name)
            found = weights.pinned(found, self.folders)
            if found.files and not found.weights:
                raise self._absent(found, role)
            self._answered[role, name] = found
        return self._answered[role, name]

    def _allowed(self, role: str, name: str) -> Card:
        able = [c.name for c in self.cards.values() if c.adapters.get(role)]
        card = self.cards.get(name)
        if card is None:
            raise ModelError(f"there is no model '{name}'", hint=did_you_mean(name, able))
        if role not in card.adapters:
            raise ModelError(f"the model '{name}' cannot {role}", hint=self._able(role))
        if not card.adapters[role]:
            raise ModelError(
                f"the model '{name}' is known but cannot run in this version",
                hint=self._able(role),
            )
        licence.check(card, self, role)
        return card

    def _able(self, role: str) -> str:
        """A hint: the models that can do this here and now, or else how to find others."""
        able = [c for c in self.cards.values() if c.adapters.get(role)]
        able = [c for c in able if licence.allows(self.policy, c) and not c.missing]
        ready = [c.name for c in able if self.installed(c)]
        if not ready:
            return "rotograph models list shows those that can"
        return f"of those that are here, these can: {', '.join(ready)}"

    def best(self, role: str, asked: Sequence[str] = ()) -> Card:
        """What "auto" stands for: of the models that are ready and allowed, the best.

        asked: words of ``ASKED``; those that do all of it come first, but one that does not is
        better than none. Other words are roles that it must have too. One that finds only its own
        kind of thing is taken where it is asked for alone. Raises ModelError.
        """
        roles = {role, *asked} - set(ASKED)
        alone = "no-prompts" in asked
        ready = [
            c
            for c in self.cards.values()
            if all(c.adapters.get(r) for r in roles)
            and (alone or not c.finds)
            and licence.allows(self.policy, c)
            and self.installed(c)
            and not c.missing
        ]
        if not ready:
            does = " and ".join(sorted(roles))
            raise ModelError(f"no model that can {does} is ready and allowed", hint="pull one")
        wanted = [ASKED[word] for word in asked if word in ASKED]
        return max(ready, key=lambda c: (all(does(c) for does in wanted), c.quality, c.name))

    def installed(self, card: Card) -> bool:
        """Whether all its weights are here."""
        return not card.files or weights.find(card, self.folders) is not None

    def check_here(self, role: str, name: str) -> None:
        """Raise ModelError unless the model's packages and files are here; nothing is opened."""
        card = self.card(role, name)
        if card.missing:
            raise self._lacking(card, card.missing[0])
        if not self.installed(card):
            raise self._absent(card, role)

    def weights(self, card: Card) -> Path:
        """The card's weights, verified; raises ModelError when they are not here or differ."""
        found = weights.sound(weights.pinned(card, self.folders), self.folders)
        if found is None:
            raise self._absent(card, next(iter(card.adapters)))
        return found

    def _absent(self, card: Card, role: str) -> ModelError:
        way = f"rotograph models pull {card.name}"
        if card.gated:
            way = f"ask for access at {card.source}, set HF_TOKEN, then: {way}"
        if not all(f.url or card.repository for f in card.files):
            way = f"get {card.files[0].name} from {card.source}, then: rotograph models add"
            way = f"{way} {card.name} FILE"
        try:
            other = f", or choose '{self.best(role).name}'"
        except ModelError:
            other = ""
        return ModelError(f"the weights of '{card.name}' are not here", hint=way + other)

    def readers(self, role: str) -> list[Card]:
        """The cards that understand a text prompt in this role, runnable here or not."""
        return [c for c in self.cards.values() if c.reads_text and role in c.adapters]

    def finders(self, role: str) -> list[Card]:
        """The allowed cards that need no prompts in this role, those that are ready here first."""
        able = [c for c in self.cards.values() if c.finds and c.adapters.get(role)]
        able = [c for c in able if licence.allows(self.policy, c)]
        here = {c.name: self.installed(c) and not c.missing for c in able}
        return sorted(able, key=lambda c: (here[c.name], c.quality), reverse=True)

    def loaded(self) -> list[str]:
        """The names of the models that are in memory."""
        return sorted({name for _, name, *_ in list(self._loaded)})

    def load(self, role: str, name: str) -> Any:
        """The adapter; raises ModelError when it is unknown, forbidden, or something is missing."""
        card = self.card(role, name)
        # a studio's card may be another one tomorrow, or in another folder
        named = (role, card.name, card.weights, self.device, repr(card))
        with self._lock:
            if named not in self._loaded:
                self._loaded[named] = self._make(role, card)
            return self._loaded[named]

    def _make(self, role: str, card: Card) -> Any:
        module, _, attribute = card.adapters[role].partition(":")
        if card.missing:
            raise self._lacking(card, card.missing[0])
        try:
            adapter = importlib.import_module(module)
            if not attribute:
                return adapter
            make = getattr(adapter, attribute)
            if not card.files:
                return make(Supply(card, Path(), self.device, self.resident))
            found = self.weights(card)
            self._set_budget()
            return make(Supply(card, found, self.device, self.resident))
        except ImportError as error:
            raise self._lacking(card, error.name) from None

    @staticmethod
    def _lacking(card: Card, package: str | None) -> ModelError:
        way = "python install/bootstrap.py install --networks"
        if package in LEFT_OUT:
            way = "install a torchvision that fits your PyTorch, and timm"
        return ModelError(
            f"the model '{card.name}' needs the package '{package}'",
            hint=f"{way}, or choose 'classic'",
        )

    def _set_budget(self) -> None:
        if self.resident.budget is None:
            picked = device.pick(self.device) if self.device else None
            self.resident.budget = (picked and picked.memory) or _free()


def _free() -> int:
    import psutil

    return int(psutil.virtual_memory().available * SHARE)


def at_hand(policy: licence.Policy) -> Models:
    """The models of the installed packages, and of the studio's folder; raises ModelError."""
    return Models().under(policy, weights.folders())
