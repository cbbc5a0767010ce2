"""How a node is declared: its inputs, parameters and stages, once, for everything that asks.

A node is a class with a docstring, ``Input`` and ``Param`` attributes and ``@stage`` functions:

    @node(version=1, output=Output("Mattes", "matte"))
    class Matte:
        \"\"\"Turn masks into alpha.\"\"\"
        plate = Input("Image")
        logits = Input("Masks")
        band = Float(8.0, "Band", "Width of the unknown band", unit="plate pixels")

        @stage(per="layer", params=("band",))
        def matte(given, context): ...      # computes from exactly what was given

        @matte.needs
        def matte(at):                      # says what is given, purely and without pixels
            return {"plate": at.input("plate"), "logits": at.input("logits")}

``needs`` is the only source of what is fetched, of the key, and of what is dirty. It returns names
with a ``Need`` each, or a list or dict of Needs. The compute function receives the same structure
with values in their place, and a context with the parameters that the stage named, and no more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from rotograph.parameter import Param
from rotograph.shape import Shape

Wire = Literal["Image", "Detections", "Masks", "Mattes"]
Per = Literal["frame", "layer", "shot"]


@dataclass(frozen=True)
class Input:
    """A port. accepts: the kinds of result that may be wired to it."""

    accepts: tuple[Wire, ...]
    help: str
    optional: bool = False

    def __init__(self, *accepts: Wire, help: str, optional: bool = False) -> None:
        object.__setattr__(self, "accepts", accepts)
        object.__setattr__(self, "help", help)
        object.__setattr__(self, "optional", optional)


@dataclass(frozen=True)
class Output:
    """What the node hands on: the kind of result and the stage that makes it.

    beside: other stages that may be asked for through the same wire, such as a matte's
    foreground; they are computed only when they are.
    """

    wire: Wire
    stage: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A need: a stage's result. layer and frame are None where they mean nothing."""

    node: str
    stage: str
    layer: str | None
    frame: int | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A need: something outside the graph, named by its content.

    kind: "pixels" or "attributes" of one frame of a plate, "mask" (a file of a prompt), "inline" (a
    mask within a prompt's text, which then is the path), "frozen" (an approved result). path: the
    file, absolute. index: the frame within a movie, else None.
    selection: what of the file is meant, such as (("layer", "diffuse"),).
    """

    kind: Literal["pixels", "attributes", "mask", "inline", "frozen"]
    path: str
    index: int | None = None
    selection: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A need: a small value, keyed by itself."""

    value: Any


Need = Result | Leaf | Value
Needs = Mapping[str, "Need | list[Need] | dict[Any, Need] | None"]


@dataclass
class Stage:
    """One step of a node, with keys of its own.

    per: one result per frame, per layer and frame, or one for the whole shot.
    params: the parameters its compute receives; they are in its key.
    models: role -> the parameter that names its model; the models' identities are in its key.
    colour: whether it asks OCIO; the configuration's digest is then in its key.
    tier: what the store drops first ("features") and last ("mattes").
    stored: False for what is read again more cheaply than it is kept.
    effect: True for a stage that writes files instead of returning a result.
    operator, version: for a step that several operators have in common, the name and version it
    goes by in keys, so that its results are shared; else the node's own.
    memory: bytes that its compute takes for each pixel of the plate, so that heavy frames do not
    run side by side beyond the machine's memory.
    smaller: the ways in which it can be computed when the memory runs out all the same, of
    ``smaller.MODES``; its context's ``numeric`` then says which. Its models' cards name theirs.
    together: computes several layers of a frame; see ``layers``.
    """

    compute: Callable[..., Any]
    name: str
    per: Per = "frame"
    params: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    colour: bool = False
    tier: Literal["features", "results", "mattes"] = "results"
    stored: bool = True
    effect: bool = False
    operator: str = ""
    version: int = 0
    memory: int = 0
    smaller: tuple[str, ...] = ()
    needs_function: Callable[..., Needs] | None = field(default=None, repr=False)
    together: Callable[..., Iterable[Any]] | None = field(default=None, repr=False)

    def needs(self, function: Callable[..., Needs]) -> Stage:
        """Decorator: the function that says what this stage is given."""
        self.needs_function = function
        return self

    def layers(self, function: Callable[..., Iterable[Any]]) -> Stage:
        """Decorator: what computes several layers of one frame at once, where that is faster.

        It receives a list of what each is given and a list of contexts, and gives the results in
        that order, one after the other if they are made so. None of them may depend on which
        others are there, beyond the tolerance that the model states: whether it is called, and
        with whom, is not in any key. How many it is handed at most, the models' cards say.
        """
        self.together = function
        return self


def stage(per: Per = "frame", **options: Any) -> Callable[[Callable[..., Any]], Stage]:
    """Decorator: a step of a node; see Stage."""

    def declare(compute: Callable[..., Any]) -> Stage:
        return Stage(compute, compute.__name__, per, **options)

    return declare


@dataclass(frozen=True)
class NodeType:
    """A declared node.

    describe: from the node's parameters and what is wired to it, the Shape of its output; raises
    GraphError for what a document may not say, beyond what each parameter checks.
    files: of a node with an effect, the files that it writes on a frame.
    asks: from a Node, parameter -> what a model that is chosen for it ("auto") has to do, in the
    words of ``models.ASKED`` or as roles beside the one that a stage names.
    """

    name: str
    version: int
    help: str
    inputs: Mapping[str, Input]
    params: Mapping[str, Param]
    stages: Mapping[str, Stage]
    output: Output | None
    describe: Callable[..., Shape]
    files: Callable[..., Any] | None = None
    asks: Callable[..., Mapping[str, tuple[str, ...]]] | None = None

    @property
    def effect(self) -> Stage | None:
        """The stage that writes files, if the node has one."""
        return next((s for s in self.stages.values() if s.effect), None)

    @property
    def corrects(self) -> bool:
        """Whether it takes masks and gives masks: then its prompts are corrections."""
        return self.output is not None and self.output.wire == "Masks" and "masks" in self.inputs


def node(*, version: int, output: Output | None = None) -> Callable[[type], NodeType]:
    """Decorator: a class becomes a NodeType.

    version: raised whenever the same recipe would give other pixels.

    Raises TypeError when the declaration does not hold together: a developer sees it at import.
    """

    def declare(cls: type) -> NodeType:
        members = vars(cls)
        inputs = {n: m for n, m in members.items() if isinstance(m, Input)}
        params = {n: m for n, m in members.items() if isinstance(m, Param)}
        stages = {n: replace(m, name=n) for n, m in members.items() if isinstance(m, Stage)}
        if not cls.__doc__:
            raise TypeError(f"{cls.__name__} has no docstring")
        if output is not None and output.stage not in stages:
            raise TypeError(f"{cls.__name__} has no stage '{output.stage}' to put out")
        for step in stages.values():
            if step.needs_function is None:
                raise TypeError(f"{cls.__name__}.{step.name} does not say what it needs")
            unknown = (set(step.params) | set(step.models.values())) - set(params)
            if unknown:
                raise TypeError(f"{cls.__name__}.{step.name} names {sorted(unknown)}")
        for name in set(params) & {"type", "inputs", "layers", "locked"}:
            raise TypeError(f"{cls.__name__}: '{name}' is a word of the graph file")
        return NodeType(
            name=cls.__name__,
            version=version,
            help=inspect.cleandoc(cls.__doc__),
            inputs=MappingProxyType(inputs),
            params=MappingProxyType(params),
            stages=MappingProxyType(stages),
            output=output,
            describe=members["describe"],
            files=members.get("files"),
            asks=members.get("asks"),
        )

    return declare
