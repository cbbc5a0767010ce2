"""Model cards: everything that is known of a model without loading it, one TOML file each."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from rotograph.errors import ModelError

Role = Literal["detect", "segment", "track", "motion", "matte", "refine"]

HUB = "https://huggingface.co"
RECEIPT = "rotograph.json"
"""Beside a model's files: what was put there, and its digest as published and as stored."""
CARDS = "cards"
"""The folder of a studio's own cards, in its folder of models."""
CHECKPOINTS = (".pt", ".pth", ".bin")
"""Published as pickles: converted to safetensors when they are added, never opened otherwise."""


@dataclass(frozen=True)
class WeightsFile:
    """One file of a model, as its authors publish it.

    name: what it is called there and, unless it is a checkpoint, here. size: bytes, 0 if nobody
    stated them. sha256: hex, or "" if nobody stated one: then what is first added counts.
    url: where it is, when that is not ``repository`` at ``revision``.
    """

    name: str
    size: int = 0
    sha256: str = ""
    url: str = ""

    @property
    def stored(self) -> str:
        """The name of the file that is opened: a checkpoint's safetensors, else its own."""
        path = Path(self.name)
        return path.stem + ".safetensors" if path.suffix in CHECKPOINTS else path.name


@dataclass(frozen=True)
class Card:
    """What a model is, known without loading it (docs/models.md).

    adapters: role -> the module that is the adapter, or ``module:name`` of a callable that makes
    it, given a ``models.Supply``; a role that the model has but that this version cannot run yet
    has an empty text.
    version: the adapter's; raised whenever it would give other pixels.
    input_space: the OCIO colour space in which the model sees the plate.
    working_size: the long side, in square pixels, of the picture it sees.
    licence, commercial, research: the weights' licence, whether it allows commercial work, and
    whether it allows research and evaluation (not when nobody states a licence).
    terms: what else the licence asks, in a line. training_data: what it was trained on and its
    terms, "" if not known.
    family: models of one family differ in size only. quality: which of several that do the same
    job "auto" takes, the higher the better; 0 is a model without weights.
    gated: whether its source gives the files only to those who asked for access.
    source: where to read about it. repository, revision: the Hugging Face repository and commit
    that ``files`` are from. files: the weights first, then what belongs to them.
    packages: import names of what it needs beside this package, such as "torch".
    reads_text: whether it can be told what to look for in words. needs_text: whether it must be.
    finds: the layer that a segmenter finds by itself, without prompts, such as "person".
    per_frame: a detector that looks at single frames rather than at motion.
    stride: the input's sides are multiples of it. numeric_mode: the precision it computes in.
    smaller: how it can be computed when the memory runs out, of "half" and "tiles"; its adapters
    then have ``smaller(mode)``, which gives an adapter that computes so.
    layers: how many layers of a frame its adapter is handed at once, at the most, by stages that
    can; no key knows of it.
    network: what the adapter needs to know of it (docs/models.md for ONNX).
    """

    name: str
    label: str
    version: int
    adapters: Mapping[str, str]
    input_space: str
    working_size: int
    licence: str
    commercial: bool
    research: bool = True
    terms: str = ""
    training_data: str = ""
    family: str = ""
    quality: int = 0
    gated: bool = False
    source: str = ""
    repository: str = ""
    revision: str = ""
    files: tuple[WeightsFile, ...] = ()
    packages: tuple[str, ...] = ()
    reads_text: bool = False
    needs_text: bool = False
    finds: str = ""
    per_frame: bool = False
    stride: int = 1
    numeric_mode: str = "float32"
    smaller: tuple[str, ...] = ()
    layers: int = 1
    citation: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> str:
        """Digest of all files, or "" when there are none or a file's digest is not known."""
        if not self.files or not all(f.sha256 for f in self.files):
            return ""
        if len(self.files) == 1:
            return self.files[0].sha256
        listed = "".join(f"{f.sha256} {f.name}\n" for f in self.files)
        return hashlib.sha256(listed.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes to download, without small files that nobody measured; 0 when not known."""
        return sum(f.size for f in self.files) if self.files and self.files[0].size else 0

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def url(self, file: WeightsFile, endpoint: str) -> str:
        """Where a file is; "" when it has to be fetched by hand.

        endpoint: of Hugging Face or a mirror of it, which also stands in for it in a whole url.
        """
        if file.url.startswith(f"{HUB}/"):
            return endpoint + file.url.removeprefix(HUB)
        if file.url or not self.repository:
            return file.url
        return f"{endpoint}/{self.repository}/resolve/{self.revision or 'main'}/{file.name}"

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
        files = tuple(WeightsFile(**f) for f in data.pop("files", ()))
        card = Card(**data | {"files": files, "packages": tuple(data.get("packages", ()))})
        _check(card)
        return card
    except (OSError, UnicodeError, TypeError, ValueError) as error:
        raise ModelError(f"is not a model card: {error}", file=path) from None


def _check(card: Card) -> None:
    """Raise ValueError for what cannot be meant: a card is wrong when read, not when run."""
    kinds = {"str": str, "int": int, "bool": bool}
    for known in dataclasses.fields(Card):
        kind = kinds.get(str(known.type))
        if kind and type(getattr(card, known.name)) is not kind:
            raise ValueError(f"'{known.name}' is not {known.type}")
    if not isinstance(card.adapters, dict) or not isinstance(card.network, dict):
        raise ValueError("'adapters' and 'network' are tables")
    for listed in ("packages", "smaller"):
        if not isinstance(getattr(card, listed), list | tuple):
            raise ValueError(f"'{listed}' is not a list")
    score = card.network.get("score", 0.0)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ValueError("'score' in [network] is not a number from 0 to 1")
    if unknown := set(card.adapters) - set(Role.__args__):
        raise ValueError(f"there is no role '{unknown.pop()}'")
    if not all(isinstance(adapter, str) for adapter in card.adapters.values()):
        raise ValueError("an adapter is a text")
    bad = [n for n in card.packages if not str(n).isidentifier() or n == "__main__"]
    if bad:
        raise ValueError(f"'{bad[0]}' is not the name of a package")
    if any(type(getattr(file, n)) is not str for file in card.files for n in ("name", "url")):
        raise ValueError("a file's name and url are texts")
    stored = [file.stored for file in card.files]
    for file in card.files:
        taken = file.stored.lower() == RECEIPT or stored.count(file.stored) > 1
        if taken or not _is_plain(file.name):
            raise ValueError(f"'{file.name}' is not a file's name, or is there twice")
        if type(file.size) is not int or file.size < 0:
            raise ValueError(f"the size of '{file.name}' is not a number of bytes")
        if file.sha256 and (len(file.sha256) != 64 or set(file.sha256) - set("0123456789abcdef")):
            raise ValueError(f"the sha256 of '{file.name}' is not 64 lower case hex digits")
        if file.url and urlsplit(file.url).scheme not in ("https", "http"):
            raise ValueError(f"the url of '{file.name}' is not http or https")
    if not _is_plain(card.name) or card.name.lower() in ("auto", CARDS) or " " in card.name:
        raise ValueError(f"'{card.name}' cannot be a model's name")


def _is_plain(name: str) -> bool:
    """Whether a name leads nowhere, on any system, but to what lies in one folder."""
    return name.isprintable() and name[:1] not in ("", ".") and not set(name) & set("/\\:")


def installed_cards() -> list[Card]:
    """The cards of every installed package (entry point ``rotograph.models``: a folder of TOML).

    By name. Raises ModelError naming the package whose entry point or card cannot be read, or two
    that give the same name to a model.
    """
    cards: list[Card] = []
    whose: dict[str, str] = {}
    for entry in sorted(entry_points(group="rotograph.models"), key=lambda e: e.name):
        package = entry.dist.name if entry.dist is not None else entry.module.split(".")[0]
        try:
            folder = Path(entry.load())
        except (Exception, SystemExit) as error:  # of its own code, at import
            why = " ".join(str(error).split())[:160] or type(error).__name__
            raise ModelError(
                f"the package '{package}' says that its models are at '{entry.value}', which "
                f"cannot be read: {why}",
                hint=f"install '{package}' again, or uninstall it",
            ) from None
        for path in folder.glob("*.toml"):
            card = read_card(path)
            if card.name in whose:
                raise _twice(card, f"the package '{whose[card.name]}'", f"'{package}'")
            whose[card.name] = package
            cards.append(card)
    return sorted(cards, key=lambda card: card.name)


def studio_cards(mirror: Path | None, installed: Iterable[Card]) -> list[Card]:
    """The cards that a studio keeps in its folder of models, by name.

    They bring no code: each adapter is one that a card of an installed package names too. Raises
    ModelError naming the file.
    """
    if mirror is None:
        return []
    taken = {card.name: "an installed package" for card in installed}
    adapters = {adapter for card in installed for adapter in card.adapters.values()}
    cards = []
    for path in sorted((mirror / CARDS).glob("*.toml")):
        card = read_card(path)
        if card.name in taken:
            raise _twice(card, taken[card.name], str(path))
        if unknown := sorted(set(card.adapters.values()) - adapters):
            raise ModelError(
                f"names the adapter '{unknown[0]}', which no card of an installed package names",
                file=path,
                hint="a new adapter comes with a package of its own (docs/models.md)",
            )
        if looser := [other for other in installed if _loosens(card, other)]:
            raise ModelError(
                f"allows more with the weights of '{looser[0].name}' than its licence does",
                file=path,
                hint=f"say of them what `rotograph models show {looser[0].name}` says",
            )
        taken[card.name] = str(path)
        cards.append(card)
    return sorted(cards, key=lambda card: card.name)


def _loosens(card: Card, other: Card) -> bool:
    """Whether a card says of another one's weights that they may be used for more."""
    same = {f.sha256 for f in card.files if f.sha256} & {f.sha256 for f in other.files}
    return bool(same) and (card.commercial > other.commercial or card.research > other.research)


def _twice(card: Card, one: str, other: str) -> ModelError:
    return ModelError(
        f"there are two models called '{card.name}', in {one} and in {other}",
        hint="give one of them another name, or uninstall its package",
    )
