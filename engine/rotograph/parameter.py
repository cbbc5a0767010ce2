"""Parameters: what a node lets the artist set, declared once for files, hosts, help and keys."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rotograph.errors import GraphError, did_you_mean, is_text, shown
from rotograph.layer import Placed

Kind = Literal["float", "int", "bool", "choice", "text", "file", "frames", "prompts", "names"]

_FRAME = re.compile(r"0|-?[1-9][0-9]{0,17}")
_JSON: dict[str, dict[str, Any]] = {
    "float": {"type": "number"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "file": {"type": "string"},
    "frames": {"type": "string"},
    "names": {"type": "array", "items": {"type": "string"}},
}


@dataclass(frozen=True)
class Param:
    """One parameter of a node.

    pixels: whether it moves pixels; one that does not never enters a key.
    per_layer: whether a layer may have a value of its own.
    animated: whether it takes keyframes, ``{"keys": {"1001": 0, "1024": 4}}``.
    unit: for people, such as "plate pixels".
    """

    kind: Kind
    default: Any
    label: str
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pixels: bool = True
    per_layer: bool = False
    animated: bool = False

    def check(self, name: str, value: Any) -> Any:
        """The value in its canonical type; raises GraphError when it cannot be meant."""
        match self.kind:
            case "float" | "int":
                return self._number(name, value)
            case "bool":
                if not isinstance(value, bool):
                    raise GraphError(f"'{name}' must be true or false, not {shown(value)}")
                return value
            case "choice":
                if value not in self.choices:
                    raise GraphError(
                        f"'{name}' cannot be {shown(value)}",
                        hint=did_you_mean(str(value), self.choices),
                    )
                return value
            case "text" | "file" | "frames":
                if not isinstance(value, str):
                    raise GraphError(f"'{name}' must be text, not {shown(value)}")
                if not is_text(value):
                    raise GraphError(f"'{name}' holds what is no character", hint="write it anew")
                return value
            case "names":
                if not isinstance(value, list | tuple) or not all(
                    isinstance(v, str) for v in value
                ):
                    raise GraphError(f"'{name}' must be a list of names, not {shown(value)}")
                return tuple(value)
            case "prompts":
                from rotograph.prompt import parse_prompts

                return parse_prompts(value)

    def _number(self, name: str, value: Any) -> float | int:
        wanted = "a whole number" if self.kind == "int" else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise GraphError(f"'{name}' must be {wanted}, not {shown(value)}")
        # neither NaN, nor infinite, nor a whole number of hundreds of digits
        if not abs(value) <= sys.float_info.max or (self.kind == "int" and value != int(value)):
            raise GraphError(f"'{name}' must be {wanted}, not {shown(value)}")
        if self.minimum is not None and value < self.minimum:
            raise GraphError(f"'{name}' is {value}, but its least value is {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise GraphError(f"'{name}' is {value}, but its greatest value is {self.maximum:g}")
        return int(value) if self.kind == "int" else float(value)

    def schema(self) -> dict[str, Any]:
        """JSON schema of a plain value or, where allowed, of keyframes."""
        if self.kind == "choice":
            plain: dict[str, Any] = {"enum": list(self.choices)}
        elif self.kind == "prompts":
            plain = {"type": "array", "items": {"$ref": "#/$defs/prompt"}}
        else:
            plain = dict(_JSON[self.kind])
        if self.minimum is not None:
            plain["minimum"] = self.minimum
        if self.maximum is not None:
            plain["maximum"] = self.maximum
        if self.animated:
            keys = {"type": "object", "patternProperties": {r"^-?\d+$": plain}, "minProperties": 1}
            keys["additionalProperties"] = False
            plain = {
                "anyOf": [
                    plain,
                    {
                        "type": "object",
                        "properties": {"keys": keys},
                        "required": ["keys"],
                        "additionalProperties": False,
                    },
                ]
            }
        described = {"title": self.label, "description": self.help}
        if self.kind != "prompts":
            described["default"] = list(self.default) if self.kind == "names" else self.default
        return {**plain, **described}


@dataclass(frozen=True)
class Curve:
    """A parameter's keyframes, in order of frames."""

    frames: tuple[int, ...]
    values: tuple[Any, ...]
    kind: Kind

    def at(self, frame: int) -> Any:
        """The value on ``frame``: linear between keyframes, held outside them.

        Whole numbers are rounded; switches and choices hold until the next keyframe.
        """
        after = bisect_right(self.frames, frame)
        if after == 0:
            return self.values[0]
        if after == len(self.frames) or self.frames[after - 1] == frame:
            return self.values[after - 1]
        left = self.values[after - 1]
        if self.kind not in ("float", "int"):
            return left
        span = self.frames[after] - self.frames[after - 1]
        part = (frame - self.frames[after - 1]) / span
        value = left + (self.values[after] - left) * part
        return round(value) if self.kind == "int" else value

    def to_json(self) -> dict[str, Any]:
        return {"keys": {str(f): v for f, v in zip(self.frames, self.values, strict=True)}}


def frame_number(text: str, where: str) -> int:
    """A frame as a name in the document, such as ``1001``; raises GraphError.

    In one spelling only, so that no frame is there twice.
    """
    if not _FRAME.fullmatch(text):
        raise GraphError(
            f"{where} whose frame is not a whole number: {shown(text)}", hint="write such as 1001"
        )
    return int(text)


def parse_value(param: Param, name: str, value: Any) -> Any:
    """A checked plain value, or a Curve when keyframes were given.

    Raises GraphError for a wrong type, a value out of range, or keyframes where there can be none.
    """
    if not (isinstance(value, Mapping) and "keys" in value):
        return param.check(name, value)
    if not param.animated:
        raise GraphError(f"'{name}' takes no keyframes; give it one value")
    keys = value["keys"]
    if len(value) != 1 or not isinstance(keys, Mapping) or not keys:
        raise GraphError(f'\'{name}\' needs keyframes such as {{"keys": {{"1001": 0}}}}')
    pairs = sorted(
        (frame_number(frame, f"'{name}' has a keyframe"), v) for frame, v in keys.items()
    )
    return Curve(
        tuple(frame for frame, _ in pairs),
        tuple(param.check(name, v) for _, v in pairs),
        param.kind,
    )


def Float(default: float, label: str, help: str, **rest: Any) -> Param:
    return Param("float", float(default), label, help, **{"animated": True, **rest})


def Int(default: int, label: str, help: str, **rest: Any) -> Param:
    return Param("int", default, label, help, **{"animated": True, **rest})


def Bool(default: bool, label: str, help: str, **rest: Any) -> Param:
    return Param("bool", default, label, help, **rest)


def Choice(default: str, choices: tuple[str, ...], label: str, help: str, **rest: Any) -> Param:
    return Param("choice", default, label, help, choices=choices, **rest)


def Text(default: str, label: str, help: str, **rest: Any) -> Param:
    return Param("text", default, label, help, **rest)


def File(label: str, help: str, **rest: Any) -> Param:
    """A path or a pattern of paths. Never in a key: what is read has a digest of its own."""
    return Param("file", "", label, help, pixels=False, **rest)


def Frames(label: str, help: str, **rest: Any) -> Param:
    """Frames as text, such as ``1001-1100x2,1200``."""
    return Param("frames", "", label, help, **rest)


def Names(label: str, help: str, **rest: Any) -> Param:
    return Param("names", (), label, help, **rest)


def Prompts(label: str, help: str) -> Param:
    return Param("prompts", Placed(), label, help)
