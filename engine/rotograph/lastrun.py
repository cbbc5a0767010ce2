"""The last run of each graph: its document and what it was made from, to say what changed since.

    <store>/runs/<the paths of the graph file and of the output folder, hashed>.run

Written at the end of a render, whole; the next one takes its place. It only serves to explain: a
key never depends on it, and where it is gone or damaged a plan says less.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from rotograph.declare import Leaf, NodeType
from rotograph.digests import RUNS
from rotograph.errors import RotographError, WriteError
from rotograph.graph import Graph
from rotograph.needs import Keys
from rotograph.regular import open_file
from rotograph.whole import write_whole

SUFFIX = ".run"
MAX_BYTES = 64 << 20
Row = tuple[str, str, int | None, tuple[tuple[str, str], ...], str]


class Noted(msgspec.Struct, frozen=True):
    """What a run was made from.

    graph: the document, as JSON. versions: ``type.stage`` -> version. models: ``role name`` -> what
    of the model enters a key. colour: the OCIO configuration's digest. leaves: kind, path, index,
    selection and digest of what was read. frames: what was delivered. complete: whether all was.
    """

    graph: str
    versions: dict[str, int]
    models: dict[str, dict[str, Any]]
    colour: str
    leaves: list[Row]
    frames: list[int]
    complete: bool


def remember(folder: Path, keys: Keys, frames: Iterable[int], complete: bool) -> None:
    """Note what a run was made from; a full or read-only disk costs the note and nothing else."""
    graph, world = keys.graph, keys.world
    stages = [(node, step) for node in graph for step in node.type.stages.values()]
    try:
        models = {
            f"{role} {node.model(param)}": world.models.card(role, node.model(param)).identity(role)
            for node, step in stages
            for role, param in step.models.items()
        }
    except RotographError:
        return
    noted = Noted(
        json.dumps(graph.to_dict()),
        {f"{node.type.name}.{step.name}": _version(node.type, step.name) for node, step in stages},
        models,
        world.colour_digest(),
        [
            (leaf.kind, leaf.path, leaf.index, leaf.selection, digest.hex())
            for leaf, digest in keys.leaves.items()
        ],
        list(frames),
        complete,
    )
    path = _path(folder, keys)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, zstandard.compress(msgspec.msgpack.encode(noted), 1))
    except (OSError, WriteError):
        return


def recall(folder: Path, now: Keys) -> Before | None:
    """The last run of a graph, or None when none is known or it cannot be read any more."""
    try:
        with open_file(_path(folder, now)) as file:
            packed = file.read(MAX_BYTES)  # a real one is a few hundred kilobytes
        if not 0 < zstandard.frame_content_size(packed) <= MAX_BYTES:
            return None
        data = zstandard.decompress(packed)
        noted = msgspec.msgpack.decode(data, type=Noted)
        types = {name: _as_it_was(t, noted.versions) for name, t in now.graph.types.items()}
        graph = Graph.from_dict(json.loads(noted.graph), now.graph.folder, types)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError, zstandard.ZstdError):
        return None  # damaged
    except RotographError:
        return None  # not there, or of a version that has other nodes
    graph.path = now.graph.path
    return Before(Keys(graph, _Then(now.world, noted), now.output_folder), noted)


@dataclass(frozen=True)
class Before:
    """The last run: its keys as they were then, and what was noted."""

    keys: Keys
    noted: Noted


def _path(folder: Path, keys: Keys) -> Path:
    # what was rendered elsewhere, to try something, is not what stands here
    output = os.fsencode(keys.output_folder or "")
    called = os.fsencode(keys.graph.path or keys.graph.folder)
    name = hashlib.blake2b(called + b"\0" + output, digest_size=16).hexdigest()
    return folder / RUNS / f"{name}{SUFFIX}"


def _version(declared: NodeType, stage: str) -> int:
    return declared.stages[stage].version or declared.version


def _as_it_was(declared: NodeType, versions: dict[str, int]) -> NodeType:
    stages = {
        name: replace(
            step, version=versions.get(f"{declared.name}.{name}", _version(declared, name))
        )
        for name, step in declared.stages.items()
    }
    return replace(declared, stages=stages)


class _Then:
    """The world as it was when the run was noted; what was not noted is as it is now."""

    def __init__(self, now: Any, noted: Noted) -> None:
        self._now = now
        self._colour = noted.colour
        self._leaves = {
            Leaf(kind, path, index, selection): bytes.fromhex(digest)
            for kind, path, index, selection, digest in noted.leaves
        }
        self.models = _Models(now.models, noted.models)

    def colour_digest(self) -> str:
        return self._colour

    def leaf_digest(self, leaf: Leaf) -> bytes | None:
        return self._leaves.get(leaf) or self._now.leaf_digest(leaf)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)


class _Models:
    """The models as they were then."""

    def __init__(self, now: Any, identities: dict[str, dict[str, Any]]) -> None:
        self._now = now
        self._identities = identities

    def card(self, role: str, name: str) -> Any:
        card = self._now.card(role, name)
        identity = self._identities.get(f"{role} {name}")
        return card if identity is None else _Card(card, identity)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)


class _Card:
    def __init__(self, now: Any, identity: dict[str, Any]) -> None:
        self._now = now
        self._identity = identity

    def identity(self, role: str) -> dict[str, Any]:
        return dict(self._identity)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)
