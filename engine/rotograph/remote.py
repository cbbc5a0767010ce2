"""A render through the engine that looks, to whoever asked for it, like one in this process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rotograph import errors
from rotograph.client import Client, EngineError
from rotograph.errors import RotographError
from rotograph.graph import Graph
from rotograph.render import Silent, Summary, Watch
from rotograph_host import surroundings

_PLAIN = tuple(f.name for f in fields(Summary) if f.name not in ("files", "errors"))


def render(
    graph: Graph,
    engine: Client,
    store: Path,
    frames: Sequence[int] | None = None,
    output: Path | None = None,
    *,
    jobs: int | None = None,
    memory: int | None = None,
    licences: str = "",
    watch: Watch | None = None,
    stop: threading.Event | None = None,
    spare: bool = False,
) -> Summary:
    """Render through the engine, as ``rotograph.render.render`` does in this process.

    store: the folder of results. licences: the licence policy, "" for the studio's. What else
    decides pixels (the OCIO config and its variables, the folder of models) is this process's, not
    the engine's.
    Raises what ``render`` raises, and RotographError when the engine is lost.
    """
    watch = watch or Silent()

    def progress(told: dict[str, Any]) -> None:
        if told["stage"] == "reading":
            watch.reading(told["done"], told["total"])
        elif told["stage"] == "rendering":
            watch.rendering(told["now"], told["written"], told["done"], told["total"])

    try:
        told = engine.render(
            graph.to_dict(),
            graph.folder,
            {**surroundings.environment(store=store.absolute()), "licences": licences},
            path=str(graph.path or ""),
            frames=None if frames is None else list(frames),
            output=str(output.absolute()) if output else None,
            jobs=jobs,
            memory=None if memory is None else str(memory),
            progress=progress,
            stop=stop,
            spare=spare or None,
        )
    except EngineError as error:
        raise _ours(error) from None
    return Summary(
        **{name: told[name] for name in _PLAIN},
        files=[Path(file) for file in told["files"]],
        errors=[_ours(EngineError(**error)) for error in told["errors"]],
    )


def _ours(error: EngineError) -> RotographError:
    """The error as this process would have raised it."""
    kind = getattr(errors, error.kind, RotographError)
    return kind(error.message, node=error.node, frame=error.frame, file=error.file, hint=error.hint)
