"""Computing what a case gives, in any order, and telling two results apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rotograph import record
from rotograph.declare import NodeType, Result
from rotograph.environment import Environment
from rotograph.execution import Execution, Limits
from rotograph.needs import Keys
from rotograph.pack import pack
from rotograph.plan import plan_outputs
from rotograph.render import compute
from rotograph.testing.cases import Case, Workshop, results
from rotograph.testing.probes import FRAMES

Made = dict[tuple[str, str | None, int | None], bytes]
"""(stage, layer, frame) -> digest of the result there, or of the files written."""


def every_pixel(
    workshop: Workshop,
    declared: NodeType,
    case: Case,
    order: Callable[[list[Result]], Iterable[Result]] = list,
    seen: Callable[[Result, Any, Keys], None] = lambda result, value, keys: None,
    threads: int = 1,
) -> Made:
    """All that a case delivers, computed from nothing in some order.

    order: the results in which order, or only some of them. seen: is handed each. threads: as many
    ask at the same time. Raises RotographError.
    """
    environment = workshop.fresh()
    keys = workshop.keys(declared, case, environment)
    execution = Execution(environment, Limits(jobs=threads))
    execution.keys = keys
    asked = list(order(results(keys, case.name)))
    for result in asked:  # as a plan does, before anything is computed
        keys.entry(result)
    with ThreadPoolExecutor(threads) as pool:
        values = list(pool.map(lambda result: _made(execution, environment, result), asked))
    found: Made = {}
    for result, value in zip(asked, values, strict=True):
        seen(result, value, keys)
        found[result.stage, result.layer, result.frame] = _digest(value)
    return found


def in_a_render(workshop: Workshop, declared: NodeType, case: Case) -> dict[tuple, Any]:
    """The same results as a render makes them: planned, several at a time, layers together.

    (stage, layer, frame) -> result. Raises RotographError.
    """
    environment = workshop.fresh()
    graph = case.graph(declared, workshop.folder)
    execution = Execution(environment, Limits(jobs=2))
    compute(
        execution,
        lambda: Keys(graph, environment, workshop.folder),
        lambda keys: plan_outputs(keys, case.name, (), FRAMES),
    )
    for error in execution.outcome.errors:
        raise error
    return {
        (result.stage, result.layer, result.frame): execution.fetch(result)
        for result in results(execution.keys, case.name)
    }


def alike(first: Any, second: Any, within: float) -> bool:
    """Whether two results are the same: bit for bit, or but for rounding where within is over 0."""
    if within == 0:
        return _digest(first) == _digest(second)
    pair = pack(first), pack(second)
    return pair[0].meta.keys() == pair[1].meta.keys() and all(
        np.allclose(array, pair[1].arrays[name], within, within, equal_nan=True)
        for name, array in pair[0].arrays.items()
    )


def _made(execution: Execution, environment: Environment, result: Result) -> Any:
    entry = execution.keys.entry(result)
    if not entry.stage.effect:
        return execution.fetch(result)
    files = sorted(execution.keys.files(result).values())
    for path in files:
        path.unlink(missing_ok=True)
    execution.run(entry)
    return files


def _digest(value: Any) -> bytes:
    """Raises TypeError for what the store cannot keep."""
    hashed = hashlib.blake2b(digest_size=16)
    if isinstance(value, list):
        for path in value:
            hashed.update(path.read_bytes() if path.exists() else b"")
    else:
        for chunk in record.encode(pack(value)):
            hashed.update(chunk)
    return hashed.digest()
