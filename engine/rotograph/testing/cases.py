"""The graphs that a node is tried in: ways to wire it and to set it, on a made-up plate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rotograph.card import Card, installed_cards
from rotograph.declare import NodeType, Result
from rotograph.environment import Environment
from rotograph.errors import GraphError, RotographError
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.parameter import Param
from rotograph.plan import plan_outputs
from rotograph.render import compute
from rotograph.store import Store
from rotograph.testing import probes
from rotograph.testing.probes import FRAMES, LAYERS, PROBES

NODE = "checked"
"""The name of the node that is tried, in its graph."""
TWIN = "-twin"
"""What the name of a model's twin ends with: another model of the same pixels."""
OUTPUT = "out/check.####.exr"


@dataclass(frozen=True)
class Case:
    """One way to try a node.

    wires: port -> kind of wire. params: what is set. sparse: whether masks are there on the first
    and last frame only. kind: of the plate. name: the node's name in the graph.
    """

    wires: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    sparse: bool = False
    kind: str = "plain"
    name: str = NODE

    def setting(self, **params: Any) -> Case:
        return replace(self, params={**self.params, **params})

    def graph(self, declared: NodeType, folder: Path) -> Graph:
        """Raises RotographError for what the node does not take."""
        types = {probe.name: probe for probe in PROBES.values()} | {declared.name: declared}
        graph = Graph(folder, types)
        inputs = {}
        for port, wire in self.wires.items():
            source = f"the {wire}"
            inputs[port] = source
            if source in graph.nodes:
                continue
            sparse = {"sparse": self.sparse} if wire == "Masks" else {}
            plate = {} if wire == "Image" else {"plate": "the Image"}
            if plate and "the Image" not in graph.nodes:
                graph.add("the Image", PROBES["Image"].name, kind=self.kind)
            graph.add(source, PROBES[wire].name, inputs=plate, kind=self.kind, **sparse)
        graph.add(self.name, declared.name, inputs=inputs)
        for param, value in self.params.items():
            graph.nodes[self.name].set(param, value)
        graph.check()
        return graph


def cases(declared: NodeType, example: Mapping[str, Any]) -> Iterator[Case]:
    """The ways worth trying, the most telling first; some may be none that the node takes."""
    for params in _settings(declared, example):
        for wires in _wirings(declared):
            yield Case(wires, params)
            if "Masks" in wires.values():
                yield Case(wires, params, sparse=True)


def _wirings(declared: NodeType) -> list[dict[str, str]]:
    ports = declared.inputs
    first = {port: given.accepts[0] for port, given in ports.items()}
    needed = {port: wire for port, wire in first.items() if not ports[port].optional}
    found = [first, needed]
    found += [{**needed, port: wire} for port, wire in first.items() if port not in needed]
    for port, given in ports.items():
        found += [{**first, port: wire} for wire in given.accepts[1:]]
    return [dict(items) for items in dict.fromkeys(tuple(f.items()) for f in found)]


def _settings(declared: NodeType, example: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = dict(example)
    for name, param in declared.params.items():
        if name in said:
            continue
        if param.kind == "prompts":
            said[name] = [_prompt(FRAMES[0], "a", 0)]
        elif param.kind == "file" and declared.effect is not None:
            said[name] = OUTPUT
    found = [said, dict(example)]
    files = [n for n, p in declared.params.items() if p.kind == "file" and n not in said]
    for pattern in (probes.FILES["plain"], probes.CRYPTOMATTES["plain"]):
        found += [{**said, name: pattern} for name in files]
    for name, param in declared.params.items():
        if name in example:
            continue
        if param.kind == "frames":
            found.append({**said, name: f"{FRAMES[0]},{FRAMES[-1]}"})
        elif param.kind == "choice":
            found += [{**said, name: c} for c in param.choices if c != param.default]
        elif param.kind == "bool":
            found.append({**said, name: not param.default})
    if files:
        pattern = next((f[files[0]] for f in found if files[0] in f), "")
        found += [{**f, files[0]: pattern} for f in list(found) if files[0] not in f]
    return [json.loads(text) for text in dict.fromkeys(json.dumps(f) for f in found)]


def others(declared: NodeType, name: str, case: Case) -> list[Any]:
    """Values of a parameter that differ from the case's own, as a document has them."""
    param = declared.params[name]
    now = case.params.get(name, param.default)
    return [value for value in _candidates(declared, name, param, now) if value != now]


def _candidates(declared: NodeType, name: str, param: Param, now: Any) -> Sequence[Any]:
    match param.kind:
        case "float" | "int":
            low, high = param.minimum, param.maximum
            tried = [now + 1, now * 2 + 1, now / 2, low, high]
            if low is not None and high is not None:
                tried.append((low + high) / 2)
            tried = [v for v in tried if v is not None]
            return [int(v) for v in tried] if param.kind == "int" else [float(v) for v in tried]
        case "bool":
            return [True, False]
        case "choice":
            return param.choices
        case "prompts":
            return [[_prompt(FRAMES[0], "a", 1)], [_prompt(FRAMES[0], "a", 0)]]
        case "frames":
            return [str(FRAMES[0]), f"{FRAMES[0]}-{FRAMES[2]}", f"{FRAMES[1]}"]
        case "names":
            return [list(reversed(LAYERS)), list(LAYERS), [LAYERS[0]]]
        case "text":
            roles = {p for step in declared.stages.values() for p in step.models.values()}
            models = [f"{now}{TWIN}"] if name in roles else []
            return [*models, "person", "other", "0", "ACEScct"]
    return []


def _prompt(frame: int, layer: str, grown: int) -> dict[str, Any]:
    x0, y0, x1, y1 = probes.box("plain", frame, layer)
    return {"frame": frame, "layer": layer, "box": [x0 - grown, y0, x1 + grown, y1]}


class Workshop:
    """A folder with plates, an environment with models and their twins, and results by demand."""

    def __init__(self, folder: Path, cards: Sequence[Card] | None = None) -> None:
        self.folder = folder
        probes.write_files(folder)
        known = list(installed_cards() if cards is None else cards)
        bare = [card for card in known if not card.files]
        self._cards = [*known, *(replace(c, name=c.name + TWIN) for c in bare)]
        self._count = 0
        self.environment = self.fresh()

    def fresh(self) -> Environment:
        """An environment that has no results yet."""
        self._count += 1
        store = Store(self.folder / f"store.{self._count}")
        return Environment(store, Models(self._cards, policy="any"))

    def keys(self, declared: NodeType, case: Case, where: Environment | None = None) -> Keys:
        """The keys of a case, once what decides its shape is known; raises RotographError."""
        environment = where or self.environment
        graph = case.graph(declared, self.folder)
        execution = Execution(environment, Limits(jobs=1))
        compute(
            execution,
            lambda: Keys(graph, environment, self.folder),
            lambda keys: plan_outputs(keys, case.name, (), ()),
        )
        for error in execution.outcome.errors:
            raise error
        made = Keys(graph, environment, self.folder)
        environment.learn(
            [leaf for result in results(made, case.name) for leaf in _unread(made, result)],
            lambda leaf, value: None,
            lambda done, total: None,
            execution.stop,
        )
        return Keys(graph, environment, self.folder)


def _unread(keys: Keys, root: Result) -> Iterator[Any]:
    stack = [keys.entry(root)]
    while stack:
        entry = stack.pop()
        if entry.unread is not None:
            yield from (f for f in entry.leaves if keys.world.leaf_digest(f) is None)
            stack += entry.below


def results(keys: Keys, name: str = NODE) -> list[Result]:
    """All that a node delivers or writes, in the order of frames; raises RotographError."""
    declared, shape = keys.graph.nodes[name].type, keys.shape(name)
    if declared.effect is not None:
        return [Result(name, declared.effect.name, None, frame) for frame in shape.frames]
    stages = (None, *declared.output.beside) if declared.output is not None else ()
    found = {
        keys.output(name, frame, layer, beside)
        for frame in shape.frames
        for layer in shape.layers or (None,)
        for beside in stages
    }
    ordered = [need for need in found if isinstance(need, Result)]
    return sorted(ordered, key=lambda r: (r.frame or 0, r.layer or "", r.stage))


def named(keys: Keys, name: str = NODE) -> dict[tuple[str, str | None, int | None], bytes]:
    """(stage, layer, frame) -> key of all that a node delivers or writes."""
    return {
        (result.stage, result.layer, result.frame): keys.entry(result).key
        for result in results(keys, name)
    }


def usable(workshop: Workshop, declared: NodeType, example: Mapping[str, Any]) -> Any:
    """(the cases in which the node delivers something, the first error of the others)."""
    found: list[Case] = []
    error: RotographError | None = None
    for case in cases(declared, example):
        try:
            if results(workshop.keys(declared, case), case.name):
                found.append(case)
        except RotographError as refused:
            error = error or refused
    return found, error or GraphError("delivers nothing", node=NODE)
