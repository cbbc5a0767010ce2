"""What the worker does for each kind of request, on the same plan and execution as in-process."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from rotograph import colour, device, licence, render, wire
from rotograph.commands.plan import to_json as plan_to_json
from rotograph.correct import frozen_prompt
from rotograph.environment import Environment, pixel_digest
from rotograph.errors import Cancelled, GraphError, MediaError, RotographError
from rotograph.graph import Graph
from rotograph.image import Box, Image
from rotograph.layer import Detections
from rotograph.mask import MaskLogits
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.outline import outline
from rotograph.plan import plan, plan_outputs
from rotograph.shared_memory import ALIGN
from rotograph.sharing import SharedExecution, Shop, Task
from rotograph.weights import Folders
from rotograph.wired import WiredEnvironment, wire_plates
from rotograph_host import framing

_NO_LINES = np.zeros((0, 2, 2), np.float32)
_ONE = np.uint16(0x3C00)
"""1 as a half: several times faster than turning truth into numbers."""
NEED = 30.0
"""Seconds that a client has to send a frame it offered."""


def perform(shop: Shop, task: Task) -> dict[str, Any]:
    """The value of a request's result, for JSON; raises RotographError."""
    request = task.request
    graph = Graph.from_dict(request.graph, request.folder, shop.nodes)
    graph.path = Path(request.path) if request.path else None
    wire_plates(graph, request.plates)
    environment = _environment(shop, request, task)
    match request:
        case wire.Plan():
            return _plan(graph, environment, task)
        case wire.Render():
            return _render(graph, environment, shop, task)
        case wire.Track():
            return _track(graph, environment, shop, task)
        case wire.Mattes():
            return _mattes(graph, environment, shop, task)
        case wire.Freeze():
            return _freeze(graph, environment, task)
    raise GraphError(f"a {type(request).__name__} cannot be asked for")


def _environment(shop: Shop, request: wire.Work, task: Task) -> Environment:
    told = request.environment

    def fetch(digest: str) -> Image:
        with shop.turns.aside():
            image = task.want(digest)
        began = time.monotonic()
        if pixel_digest(image).hex() != digest:
            task.spoilt(digest)
            raise MediaError("a frame sent to the engine is not what its digest says")
        task.hashing += time.monotonic() - began
        return image

    return WiredEnvironment(
        shop.store(told.store, None if told.store_limit is None else int(told.store_limit)),
        _models(shop, told),
        shop.colour(told.ocio or colour.BUILT_IN, told.variables),
        shop.pool,
        plates=request.plates,
        fetch=fetch,
    )


def _models(shop: Shop, told: wire.Environment) -> Models:
    """The models that a request may use; raises ModelError when it asks for too much."""
    mirror = Path(told.models) if told.models else None
    device.check(told.device or "auto")
    policy = licence.decide(told.licences or None, licence.studio_files(mirror))
    where = Folders(mirror, shop.models.folders.own)
    return shop.models.under(policy, where, told.device or "auto")


def _output(request: wire.Plan | wire.Render) -> Path | None:
    return Path(request.output) if request.output else None


def _plan(graph: Graph, environment: Environment, task: Task) -> dict[str, Any]:
    keys, made = render.known_plan(
        lambda: Keys(graph, environment, _output(task.request)),
        lambda keys: plan(keys, task.request.frames),
        read=task.request.read,
        watch=task.watch,
        stop=task.stop,
    )
    if task.stop.is_set():
        raise Cancelled("stopped")
    return plan_to_json(keys, made)


def _render(graph: Graph, environment: Environment, shop: Shop, task: Task) -> dict[str, Any]:
    request = task.request
    summary = render.render(
        graph,
        environment,
        request.frames,
        _output(request),
        watch=task.watch,
        stop=task.stop,
        execution=SharedExecution(environment, shop.limits(request), shop, task),
        spare=request.spare,
    )
    return {
        **summary.to_json(),
        "files": [str(path) for path in summary.files],
        "errors": [describe(error) for error in summary.errors],
    }


def _outputs(
    graph: Graph, environment: Environment, shop: Shop, task: Task, frames: list[int] | None
) -> tuple[SharedExecution, Any]:
    """Compute a node's results; what happened is in the execution's outcome."""
    request = task.request
    node = graph.node(request.node)
    execution = SharedExecution(environment, shop.limits(request), shop, task)

    def wanted(keys: Keys) -> Any:
        asked = keys.shape(node.name).frames.frames if frames is None else frames
        return plan_outputs(keys, node.name, request.layers, asked)

    made = render.compute(
        execution,
        lambda: Keys(graph, environment),
        wanted,
        watch=task.watch,
        stop=task.stop,
    )
    return execution, made


def _track(graph: Graph, environment: Environment, shop: Shop, task: Task) -> dict[str, Any]:
    execution, made = _outputs(graph, environment, shop, task, task.request.frames)
    outcome = execution.outcome
    return {
        "frames": len(made.frames),
        "computed": {node: len(done) for node, done in sorted(outcome.computed.items())},
        "reused": {node: len(kept) for node, kept in sorted(made.reused.items())},
        "errors": [describe(error) for error in outcome.errors],
        "smaller": render.told_smaller(outcome),
    }


def _mattes(graph: Graph, environment: Environment, shop: Shop, task: Task) -> dict[str, Any]:
    request = task.request
    (frame,) = request.frames
    execution, _made = _outputs(graph, environment, shop, task, [frame])
    if execution.outcome.errors:
        raise execution.outcome.errors[0]
    more = {
        "hashing": round(task.hashing, 6),
        "smaller": render.told_smaller(execution.outcome),
    }
    shape = execution.keys.shape(request.node)
    needs = [
        (layer, need)
        for layer in request.layers or shape.layers or (None,)
        if (need := execution.keys.output(request.node, frame, layer)) is not None
    ]
    named = [(layer, execution.name(need)) for layer, need in needs]
    what = (frame, request.format, request.outlines, named)
    held = task.held(what)
    if held is not None:
        return {"mattes": held, **more}
    views = []
    for layer, need in needs:
        value = execution.fetch(need)
        if isinstance(value, Detections):
            views += _boxes(value, frame, Box(*execution.keys.shape(shape.plate).window))
            continue
        window, alpha = _alpha(value, layer)
        views.append((layer, window, alpha))
    item = wire.ITEM[request.format]
    lines = [
        outline(window, alpha) if request.outlines else _NO_LINES for _, window, alpha in views
    ]
    offsets, size = [], 0
    for (_, window, _), pieces in zip(views, lines, strict=True):
        offsets.append(size)
        size += _aligned(window.width * window.height * item) + _aligned(pieces.nbytes)
    if not views:
        return {"mattes": [], **more}
    number, memory = task.result(size)
    told = []
    for (layer, window, alpha), pieces, offset in zip(views, lines, offsets, strict=True):
        count = window.width * window.height
        room = np.frombuffer(memory, request.format, count, offset).reshape(window.shape)
        if alpha.dtype == bool and request.format == "float16":
            np.multiply(alpha, _ONE, out=room.view(np.uint16))
        else:
            np.copyto(room, alpha, casting="unsafe")
        behind = offset + _aligned(count * item)
        memory[behind : behind + pieces.nbytes] = pieces.tobytes()
        said = {
            "layer": layer or "",
            "window": window.to_list(),
            "format": request.format,
            "segment": number,
            "offset": offset,
            "bytes": count * item,
        }
        if request.outlines:
            said["outline"] = {"offset": behind, "points": pieces.size // 2}
        told.append(said)
    task.hold(number, what, told)
    return {"mattes": told, **more}


def _freeze(graph: Graph, environment: Environment, task: Task) -> dict[str, Any]:
    request = task.request
    (frame,) = request.frames
    found = frozen_prompt(Keys(graph, environment), request.node, request.layer, frame)
    return {"prompt": "" if found is None else json.dumps(found.to_json())}


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _boxes(value: Detections, frame: int, window: Box) -> list[tuple[str, Box, np.ndarray]]:
    """(layer, window, alpha (H, W)) of each box on a frame: 1 inside, pixels it touches counted."""
    views = []
    for found in value.boxes:
        if found.frame == frame:
            x0, y0, x1, y1 = found.box
            alpha = np.zeros(window.shape, np.float32)
            box = Box(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
            if inside := box.intersect(window):
                alpha[inside.within(window)] = 1.0
            views.append((found.layer, window, alpha))
    return views


def _alpha(value: Any, layer: str | None) -> tuple[Box, np.ndarray]:
    """(window, alpha (H, W)) of a result: a matte's, a mask's decision, a plate's own A."""
    if isinstance(value, MaskLogits):
        return value.window, value.at(value.window) > 0
    if isinstance(value, Image):
        own = value.channel("A")
        return value.spec.data, value.coverage(layer) if own is None else own
    return value.window, value.alpha


def describe(error: RotographError) -> dict[str, Any]:
    """An error for JSON: the fields of ``wire.Error`` without an id."""
    return framing.plain(
        {
            "kind": type(error).__name__,
            "message": error.message,
            "node": error.node,
            "frame": error.frame,
            "file": error.file,
            "hint": error.hint,
        }
    )
