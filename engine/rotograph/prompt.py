"""Prompts: what the artist said, on a frame, for a layer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotograph.errors import PromptError, did_you_mean

FIELDS = ("frame", "layer", "box", "point", "positive", "mask")

# A layer's name becomes a channel prefix and may become a part of a file name.
_LAYER = re.compile(r"[^\W\d_][\w\- ]{0,62}")


@dataclass(frozen=True)
class Prompt:
    """One box, point or mask, in plate pixels of the display window, y down.

    box: (x0, y0, x1, y1), the layer is inside. point: (x, y). positive: whether the point or mask
    says "inside" (else "outside"). mask: a file whose alpha (or only channel) over 0.5 is meant.
    Exactly one of box, point and mask is set.
    """

    frame: int
    layer: str
    box: tuple[float, float, float, float] | None = None
    point: tuple[float, float] | None = None
    mask: str | None = None
    positive: bool = True

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"frame": self.frame, "layer": self.layer}
        if self.box is not None:
            return {**out, "box": list(self.box)}
        out |= {"point": list(self.point)} if self.point is not None else {"mask": self.mask}
        return {**out, "positive": self.positive}


def layer_name(name: Any) -> str:
    """A name that can be a channel prefix and a part of a file name; raises PromptError."""
    if not isinstance(name, str) or not _LAYER.fullmatch(name):
        raise PromptError(
            f"{json.dumps(name, ensure_ascii=False)} cannot be a layer's name",
            hint="begin with a letter and use letters, digits, '_', '-' and spaces, 63 at most",
        )
    return name


def _numbers(value: Any, count: int, what: str) -> tuple[float, ...]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != count
        or any(isinstance(v, bool) or not isinstance(v, int | float) for v in value)
        or not all(math.isfinite(v) for v in value)
    ):
        raise PromptError(f"a {what} needs {count} numbers, not {json.dumps(value)}")
    return tuple(float(v) for v in value)


def parse_prompt(entry: Any) -> Prompt:
    """A prompt from its JSON form; raises PromptError."""
    if isinstance(entry, Prompt):
        return entry
    if not isinstance(entry, Mapping):
        raise PromptError(f"a prompt is an object, not {json.dumps(entry)}")
    for name in entry:
        if name not in FIELDS:
            raise PromptError(f"a prompt has no '{name}'", hint=did_you_mean(str(name), FIELDS))
    frame = entry.get("frame")
    if isinstance(frame, bool) or not isinstance(frame, int):
        raise PromptError("a prompt needs a frame, a whole number such as 1001")
    layer = layer_name(entry.get("layer"))
    kinds = [k for k in ("box", "point", "mask") if k in entry]
    if len(kinds) != 1:
        raise PromptError(
            f"the prompt for '{layer}' on frame {frame} needs one of box, point or mask"
        )
    positive = entry.get("positive", True)
    if not isinstance(positive, bool):
        raise PromptError(f"'positive' is true or false, not {json.dumps(positive)}")
    if "box" in entry:
        if not positive:
            raise PromptError("a box is always positive; say 'outside' with points or a mask")
        x0, y0, x1, y1 = _numbers(entry["box"], 4, "box")
        if x1 <= x0 or y1 <= y0:
            raise PromptError(f"the box {json.dumps(list(entry['box']))} has no inside")
        return Prompt(frame, layer, box=(x0, y0, x1, y1))
    if "point" in entry:
        x, y = _numbers(entry["point"], 2, "point")
        return Prompt(frame, layer, point=(x, y), positive=positive)
    mask = entry["mask"]
    if not isinstance(mask, str) or not mask or "\0" in mask:
        raise PromptError(f"a mask is the name of a file, not {json.dumps(mask)}")
    return Prompt(frame, layer, mask=mask, positive=positive)


def parse_prompts(value: Any) -> tuple[Prompt, ...]:
    """All prompts of a parameter; raises PromptError."""
    if not isinstance(value, list | tuple):
        raise PromptError(f"prompts are a list, not {json.dumps(value)}")
    return tuple(parse_prompt(entry) for entry in value)
