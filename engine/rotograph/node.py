"""One node of a graph: what it is wired to, and what the document sets on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rotograph.declare import NodeType
from rotograph.errors import GraphError, RotographError, did_you_mean, shown
from rotograph.parameter import Curve, frame_number, parse_value
from rotograph.prompt import layer_name


@dataclass
class Node:
    """One node of a graph.

    inputs: port -> name of the node wired to it. params: what the document sets, checked.
    layers: layer -> parameter -> value, for parameters that a layer may have of its own.
    locked: layer -> frame -> digest (hex) of the approved result kept beside the document.
    """

    name: str
    type: NodeType
    inputs: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    locked: dict[str, dict[int, str]] = field(default_factory=dict)

    def value(self, param: str, frame: int | None = None, layer: str | None = None) -> Any:
        """A parameter's value, on a frame and for a layer where it has keyframes or layers."""
        own = self.layers.get(layer, {}) if layer is not None else {}
        value = own.get(param, self.params.get(param, self.type.params[param].default))
        if not isinstance(value, Curve):
            return value
        return value.at(value.frames[0] if frame is None else frame)

    def model(self, param: str) -> str:
        """A model's name, as ``Models.card`` takes it: "auto" with what this node asks of it."""
        name = self.value(param)
        if name != "auto" or self.type.asks is None:
            return name
        return " ".join((name, *self.type.asks(self).get(param, ())))

    def animated(self, param: str, layer: str | None = None) -> bool:
        own = self.layers.get(layer, {}) if layer is not None else {}
        return isinstance(own.get(param, self.params.get(param)), Curve)

    def set(self, param: str, value: Any, layer: str | None = None) -> None:
        """Set a parameter, for all layers or one; raises GraphError naming the node."""
        try:
            declared = self.type.params.get(param)
            if declared is None:
                raise GraphError(
                    f"{self.type.name} has no parameter '{param}'",
                    hint=did_you_mean(param, self.type.params),
                )
            if layer is None:
                self.params[param] = parse_value(declared, param, value)
                return
            if not declared.per_layer:
                raise GraphError(f"'{param}' is one for all layers; set it on the node itself")
            self.layers.setdefault(layer_name(layer), {})[param] = parse_value(
                declared, param, value
            )
        except RotographError as error:
            raise error.located(node=self.name) from None

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"type": self.type.name}
        if self.inputs:
            out["inputs"] = dict(self.inputs)
        out |= {name: _plain(value) for name, value in self.params.items()}
        if self.layers:
            out["layers"] = {
                layer: {name: _plain(value) for name, value in own.items()}
                for layer, own in self.layers.items()
            }
        if self.locked:
            out["locked"] = {
                layer: {str(frame): name for frame, name in sorted(frames.items())}
                for layer, frames in self.locked.items()
            }
        return out


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value.to_json() if hasattr(value, "to_json") else value


def node_name(name: Any) -> str:
    """A name that a node may have: it stands in messages, in ``--set`` and in hosts.

    Raises GraphError.
    """
    if (
        isinstance(name, str)
        and 0 < len(name) <= 100
        and name.isprintable()
        and not any(c in name for c in "./")
    ):
        return name
    raise GraphError(
        f"{shown(name)} cannot be a node's name",
        hint="use letters, digits and such, no . or /, 100 at most",
    )


def parse_locks(node: str, layer: str, frames: Any) -> dict[int, str]:
    """Frame -> digest of the results approved of a layer; raises GraphError, PromptError."""
    layer_name(layer)
    wrong = GraphError(f"'locked' of '{layer}' must give a digest for each frame", node=node)
    if not isinstance(frames, Mapping):
        raise wrong
    out = {}
    for frame, name in frames.items():
        if not isinstance(name, str) or len(name) != 32 or set(name) - set("0123456789abcdef"):
            raise wrong
        out[frame_number(frame, f"'locked' of '{layer}' has a result")] = name
    return out
