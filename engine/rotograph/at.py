"""Where a node's ``needs`` and ``describe`` stand: what they may ask, none of it pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotograph.declare import Leaf, Need, Result
from rotograph.node import Node
from rotograph.shape import FrameSet, Shape

if TYPE_CHECKING:
    from rotograph.needs import Keys

_NOTHING = Shape(FrameSet())


class At:
    """A node, perhaps a layer and a frame of it."""

    def __init__(self, keys: Keys, node: Node) -> None:
        self._keys = keys
        self.node = node
        self.layer: str | None = None
        self.frame: int | None = None
        self._here: dict[int | None, tuple[tuple[str, ...], dict[str, int]]] = {}

    def value(self, param: str) -> Any:
        """A parameter, on this frame and for this layer."""
        return self.node.value(param, self.frame, self.layer)

    def wired(self, port: str) -> bool:
        return port in self.node.inputs

    def shape(self, port: str) -> Shape:
        """What is wired to a port; an empty shape when nothing is."""
        source = self.node.inputs.get(port)
        return _NOTHING if source is None else self._keys.shape(source)

    def own(self) -> Shape:
        """The shape of this node's own output."""
        return self._keys.shape(self.node.name)

    def here(self) -> tuple[str, ...]:
        """The layers that this node delivers on this frame, in their order."""
        return self._there()[0]

    def place(self) -> int:
        """The layer's place among them, from 1."""
        return self._there()[1][self.layer]

    def _there(self) -> tuple[tuple[str, ...], dict[str, int]]:
        shape = self.own()
        frame = self.frame if shape.prompted else None  # else the same on all
        if frame not in self._here:  # looked for once a frame, not once a layer
            here = (n for n in shape.layers if shape.delivers(n, self.frame))
            names = shape.layers if frame is None else tuple(here)
            self._here[frame] = names, {name: place for place, name in enumerate(names, 1)}
        return self._here[frame]

    def input(
        self,
        port: str,
        frame: int | None = None,
        layer: str | None = None,
        beside: str | None = None,
    ) -> Need | None:
        """The result wired to a port, on this frame and layer unless others are named.

        None when nothing is wired or nothing is delivered there. An approved (locked) result
        stands in for the one that would be computed. beside: another stage of the same output.
        """
        source = self.node.inputs.get(port)
        if source is None:
            return None
        frame = self.frame if frame is None else frame
        return self._keys.output(source, frame, layer or self.layer, beside)

    def plate(self, port: str, stage: str) -> Result:
        """A stage, on this frame, of the Read node that a port's results belong to."""
        plate = self.shape(port).plate
        return Result(plate, stage, None, self._keys.held(plate, self.frame))

    def view(self, port: str) -> str:
        """The view of the plate that a port's results belong to; "" where none is named."""
        plate = self.shape(port).plate
        return "" if plate is None else self._keys.shape(plate).view

    def stage(self, stage: str, frame: int | None = None, layer: str | None = None) -> Result:
        """A stage of this node, on this frame and layer unless others are named."""
        per = self.node.type.stages[stage].per
        return Result(
            self.node.name,
            stage,
            (layer or self.layer) if per == "layer" else None,
            None if per == "shot" else (self.frame if frame is None else frame),
        )

    def output(self, layer: str | None = None) -> Need | None:
        """This node's own output on this frame, the approved one if there is one."""
        return self._keys.output(self.node.name, self.frame, layer or self.layer)

    def approved(self, layer: str) -> Leaf | None:
        """The approved result of this node for a layer on this frame, if there is one."""
        return self._keys.approved(self.node.name, self.frame, layer)

    def open_plate(self, text: str, start: int, **choice: Any) -> Any:
        """The media that a path or pattern of the document names; raises MediaError."""
        return self._keys.world.open_plate(self.path(text), start, **choice)

    def plate_space(self, plate: Any, named: str | None) -> str:
        """The colour space of such a media; raises ColourError."""
        return self._keys.world.plate_space(plate, named)

    def path(self, text: str) -> Path:
        """A path of the document made absolute."""
        return self._keys.graph.resolve_path(text)

    def output_path(self, text: str) -> Path:
        """Where a file is written: below ``--output`` if given, else as the document says."""
        folder = self._keys.output_folder
        if folder is None:
            return self._keys.graph.resolve_path(text)
        path = Path(text)
        return folder / (path.name if path.is_absolute() else path)

    def small(self, port: str) -> Any:
        """The result wired to a port when it decides the shape of the graph (Detections)."""
        result = self._keys.output(self.node.inputs[port], None, None)
        return self._keys.small(result)

    def card(self, role: str, param: str = "model") -> Any:
        """The card of the model that a parameter names; raises ModelError naming the node."""
        return self._keys.world.models.card(role, self.node.model(param))

    def used_models(self) -> tuple[str, ...]:
        """The models behind this node, each as ``name (licence)``, for a file's metadata."""
        return self._keys.used_models(self.node.name)

    def finders(self, role: str) -> list[Any]:
        """The cards of models that need no prompts, those that are ready first."""
        return self._keys.world.models.finders(role)

    def readers(self, role: str) -> list[Any]:
        """The cards of models that can read a text prompt."""
        return self._keys.world.models.readers(role)
