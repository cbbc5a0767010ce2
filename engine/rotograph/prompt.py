"""Prompts: what the artist said, on a frame, for a layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rotograph.errors import PromptError, did_you_mean, is_text, shown
from rotograph.layer import Placed

FIELDS = ("frame", "layer", "box", "point", "positive", "mask", "whole")

# A layer's name becomes a channel prefix and may become a part of a file name.
_LAYER = re.compile(r"[^\W\d_](?:[\w\- ]{0,61}[\w\-])?")
_FAR = 1 << 31
"""No EXR window and no frame number lies further from 0."""


@dataclass(frozen=True)
class Prompt:
    """One box, point or mask, in plate pixels of the display window, y down.

    box: (x0, y0, x1, y1), the layer is inside. point: (x, y). positive: whether the point or mask
    says "inside" (else "outside"). mask: a file whose alpha (or only channel) over 0.5 is meant, or
    a mask within the text (``inline``).
    whole: the mask is all that is known of the layer there, to be taken as it is and corrected by
    the other prompts (a frozen mask), not a hint.
    Exactly one of box, point and mask is set.
    """

    frame: int
    layer: str
    box: tuple[float, float, float, float] | None = None
    point: tuple[float, float] | None = None
    mask: str | None = None
    positive: bool = True
    whole: bool = False

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"frame": self.frame, "layer": self.layer}
        if self.box is not None:
            return {**out, "box": list(self.box)}
        out |= {"point": list(self.point)} if self.point is not None else {"mask": self.mask}
        out |= {"positive": self.positive}
        return {**out, "whole": True} if self.whole else out


def layer_name(name: Any) -> str:
    """A name that can be a channel prefix and a part of a file name; raises PromptError."""
    if not isinstance(name, str) or not _LAYER.fullmatch(name):
        raise PromptError(
            f"{shown(name)} cannot be a layer's name",
            hint="begin with a letter and use letters, digits, '_', '-' and spaces, 63 at most",
        )
    return name


def _numbers(value: Any, count: int, what: str) -> tuple[float, ...]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != count
        or any(isinstance(v, bool) or not isinstance(v, int | float) for v in value)
        or not all(abs(v) <= _FAR for v in value)
    ):
        raise PromptError(f"a {what} needs {count} numbers, not {shown(value)}")
    return tuple(float(v) for v in value)


def parse_prompt(entry: Any) -> Prompt:
    """A prompt from its JSON form; raises PromptError."""
    if isinstance(entry, Prompt):
        return entry
    if not isinstance(entry, Mapping):
        raise PromptError(f"a prompt is an object, not {shown(entry)}")
    for name in entry:
        if name not in FIELDS:
            raise PromptError(f"a prompt has no '{name}'", hint=did_you_mean(str(name), FIELDS))
    frame = entry.get("frame")
    if isinstance(frame, bool) or not isinstance(frame, int) or abs(frame) > _FAR:
        raise PromptError("a prompt needs a frame, a whole number such as 1001")
    layer = layer_name(entry.get("layer"))
    kinds = [k for k in ("box", "point", "mask") if k in entry]
    if len(kinds) != 1:
        raise PromptError(
            f"the prompt for '{layer}' on frame {frame} needs one of box, point or mask"
        )
    positive = entry.get("positive", True)
    if not isinstance(positive, bool):
        raise PromptError(f"'positive' is true or false, not {shown(positive)}")
    if "box" in entry:
        if not positive:
            raise PromptError("a box is always positive; say 'outside' with points or a mask")
        x0, y0, x1, y1 = _numbers(entry["box"], 4, "box")
        if x1 <= x0 or y1 <= y0:
            raise PromptError(f"the box {shown(list(entry['box']))} has no inside")
        return Prompt(frame, layer, box=(x0, y0, x1, y1))
    if "point" in entry:
        x, y = _numbers(entry["point"], 2, "point")
        return Prompt(frame, layer, point=(x, y), positive=positive)
    mask = entry["mask"]
    if not isinstance(mask, str) or not mask or not is_text(mask):
        raise PromptError(f"a mask is the name of a file, not {shown(mask)}")
    whole = entry.get("whole", False)
    if not isinstance(whole, bool) or (whole and not positive):
        raise PromptError(
            f"'whole' is true or false, and only for a positive mask, not {shown(whole)}"
        )
    return Prompt(frame, layer, mask=mask, positive=positive, whole=whole)


def parse_prompts(value: Any) -> Placed:
    """All prompts of a parameter; raises PromptError."""
    if not isinstance(value, list | tuple):
        raise PromptError(f"prompts are a list, not {shown(value)}")
    return Placed(parse_prompt(entry) for entry in value)
