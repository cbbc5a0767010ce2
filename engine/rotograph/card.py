"""Model cards: everything that is known of a model without loading it, one TOML file each."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from rotograph.errors import ModelError

Role = Literal["detect", "segment", "track", "motion", "matte", "refine"]

CHECKPOINTS = (".pt", ".pth")
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
        """Bytes to download; 0 when not known."""
        return sum(f.size for f in self.files)

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def url(self, file: WeightsFile, endpoint: str) -> str:
        """Where a file is; "" when it has to be fetched by hand.

        endpoint: of Hugging Face or a mirror of it.
        """
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
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise ModelError(f"is not a model card: {error}", file=path) from None


def _check(card: Card) -> None:
    """Raise ValueError for what cannot be meant: a card is wrong when read, not when run."""
    kinds = {"str": str, "int": int, "bool": bool}
    for known in dataclasses.fields(Card):
        kind = kinds.get(str(known.type))
        if kind and type(getattr(card, known.name)) is not kind:
            raise ValueError(f"'{known.name}' is not {known.type}")
    if unknown := set(card.adapters) - set(Role.__args__):
        raise ValueError(f"there is no role '{unknown.pop()}'")
    for file in card.files:
        if Path(file.name).name != file.name or file.name in ("", ".", ".."):
            raise ValueError(f"'{file.name}' is not a file's name")
        if file.sha256 and (len(file.sha256) != 64 or set(file.sha256) - set("0123456789abcdef")):
            raise ValueError(f"the sha256 of '{file.name}' is not 64 lower case hex digits")
        if file.url and urlsplit(file.url).scheme not in ("https", "http"):
            raise ValueError(f"the url of '{file.name}' is not http or https")
    if Path(card.name).name != card.name or card.name in ("", ".", "..", "auto"):
        raise ValueError(f"'{card.name}' cannot be a model's name")


def installed_cards() -> list[Card]:
    """The cards of every installed package (entry point ``rotograph.models``: a folder of TOML)."""
    cards = []
    for entry in sorted(entry_points(group="rotograph.models"), key=lambda e: e.name):
        folder = Path(entry.load())
        cards += [read_card(path) for path in sorted(folder.glob("*.toml"))]
    return cards
