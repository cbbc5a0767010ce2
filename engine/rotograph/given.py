"""What a stage is handed: just what it declared. And how its failure is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotograph.declare import Need, Needs
from rotograph.entry import Entry
from rotograph.environment import Environment
from rotograph.errors import ComputeError, MediaError, OutOfMemory, PromptError, RotographError
from rotograph.needs import Keys
from rotograph.smaller import SAID, ran_out


@dataclass(frozen=True)
class Context:
    """All that a stage may know beside what it was given.

    params: the parameters that the stage named, on this frame and layer. models: role -> adapter.
    colour: the colour configuration. numeric: "" or, after the memory ran out, how to compute
    ("half", "tiles"); the models compute so already. frame, files, key: for effects only.
    """

    params: dict[str, Any]
    models: dict[str, Any]
    colour: Any = None
    numeric: str = ""
    frame: int | None = None
    files: dict[str | None, Path] = field(default_factory=dict)
    key: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.params[name]


def given(needs: Needs, fetch: Callable[[Need], Any]) -> dict[str, Any]:
    """The values of an entry's needs, in the structure that its stage declared."""

    def value(need: Any) -> Any:
        if isinstance(need, dict):
            return {name: value(n) for name, n in need.items()}
        if isinstance(need, list):
            return [value(n) for n in need]
        return None if need is None else fetch(need)

    return {name: value(need) for name, need in needs.items()}


def context(keys: Keys, environment: Environment, entry: Entry, mode: str, key: str) -> Context:
    """What an entry's stage may know beside that.

    mode, key: of the recipe that really runs; key: "" but for an effect.
    """
    result, step = entry.result, entry.stage
    node = keys.graph.nodes[result.node]
    effect = step.effect
    return Context(
        params={p: node.value(p, result.frame, result.layer) for p in step.params},
        models={
            role: _model(environment.models, role, node.model(param), mode)
            for role, param in step.models.items()
        },
        colour=environment.colour if step.colour else None,
        numeric=mode,
        frame=result.frame if effect else None,
        files=keys.files(result) if effect else {},
        key=key,
    )


def _model(models: Any, role: str, name: str, mode: str) -> Any:
    adapter = models.load(role, name)
    return adapter.smaller(mode) if mode in models.card(role, name).smaller else adapter


@contextmanager
def located(entry: Entry, mode: str = "") -> Iterator[None]:
    """Whatever goes wrong within, as one of our errors, with the node and the frame."""
    result = entry.result
    try:
        yield
    except RotographError as error:
        files = [leaf.path for leaf in entry.leaves if leaf.kind != "inline"]
        if len(files) == len(entry.leaves) == 1 and isinstance(error, MediaError | PromptError):
            error.located(file=files[0])
        raise error.located(node=result.node, frame=result.frame) from error.__cause__
    except Exception as error:
        if ran_out(error):
            raise OutOfMemory(
                f"ran out of memory{', even ' + SAID[mode] if mode else ''}",
                node=result.node,
                frame=result.frame,
                hint="render with --jobs 1 or a smaller --memory, or choose a smaller model",
            ) from None
        raise ComputeError(
            f"failed in {entry.stage.name}: {type(error).__name__}: {error}",
            node=result.node,
            frame=result.frame,
            hint="run again with --debug and report it",
        ) from error
