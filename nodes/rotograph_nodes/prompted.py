"""Prompts on their way from the document to a model's grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rotograph.declare import Leaf, Value
from rotograph.errors import PromptError
from rotograph.image import Box, Image
from rotograph.inline import is_inline
from rotograph.prompt import Prompt
from rotograph.shape import FrameSet, Shape
from rotograph_nodes import working
from rotograph_nodes.models.prompts import GridPrompts

_DOUBT = 1.0 / (1.0 + np.exp(8.0))
"""What a mask's alpha leaves open where it is 0 or 1: logits of 8 are certain."""


def frames_by_layer(prompts: Iterable[Prompt]) -> dict[str, FrameSet]:
    """Layer -> the frames it has prompts on, layers in order of appearance."""
    found: dict[str, list[int]] = {}
    for prompt in prompts:
        found.setdefault(prompt.layer, []).append(prompt.frame)
    return {layer: FrameSet(tuple(frames)) for layer, frames in found.items()}


def merge(first: Mapping[str, FrameSet], second: Mapping[str, FrameSet]) -> dict[str, FrameSet]:
    """The frames of both, for every layer of either."""
    return {
        layer: FrameSet(
            (*first.get(layer, FrameSet()).frames, *second.get(layer, FrameSet()).frames)
        )
        for layer in dict.fromkeys((*first, *second))
    }


def check(prompts: Iterable[Prompt], plate: Shape) -> None:
    """Raise PromptError for a box or a point that has nothing of the plate in it."""
    area = Box(*plate.window)
    for prompt in prompts:
        if prompt.mask is not None:
            continue
        x0, y0, x1, y1 = prompt.box or (*prompt.point, *prompt.point)
        if x1 < area.x0 or y1 < area.y0 or x0 > area.x1 or y0 > area.y1:
            what = "point" if prompt.box is None else "box"
            raise PromptError(
                f"a {what} of '{prompt.layer}' lies outside the plate, which is "
                f"{area.width}x{area.height} at {area.x0},{area.y0}",
                frame=prompt.frame,
                hint=f"move the {what} into the picture",
            )


def said(prompts: Sequence[Prompt]) -> tuple[tuple, ...]:
    """What of the prompts enters a key: no frame, no layer's name, no file's name."""
    return tuple((p.box, p.point, p.mask is not None, p.positive, p.whole) for p in prompts)


def leaves(at: Any, prompts: Sequence[Prompt]) -> list[Leaf]:
    """The masks of the prompts, in their order, named by their content."""
    return [
        Leaf("inline", p.mask) if is_inline(p.mask) else Leaf("mask", str(at.path(p.mask)))
        for p in prompts
        if p.mask is not None
    ]


def display(at: Any, prompts: Sequence[Prompt]) -> Value | None:
    """The plate's display window, which mask files must have too; None when there are none."""
    drawn = any(p.mask is not None for p in prompts)
    return Value(at.shape("plate").display) if drawn else None


def on_grid(
    prompts: Sequence[tuple],
    masks: Sequence[Image],
    boxes: Sequence[tuple[float, float, float, float]],
    features: dict[str, np.ndarray],
    display: tuple[int, int, int, int] | None,
) -> GridPrompts:
    """Prompts (as from ``said``), their mask files and more boxes, in plate pixels, on a grid.

    display: the plate's display window. Raises PromptError for a mask of another format.
    """
    grid = features["picture"].shape[:2]
    area = working.window(features)
    for mask in masks:
        own, plate = mask.spec.display, Box(*display)
        if own.size not in (plate.size, area.size):  # a frozen mask has the overscan too
            raise PromptError(
                f"a mask is {own.width}x{own.height}, but the plate is "
                f"{plate.width}x{plate.height}",
                hint="bring it to the plate's format",
            )

    def place(points: list) -> list[tuple[float, float]]:
        return working.to_grid(np.array(points), features, grid) if points else []

    corners = [c for p in prompts if p[0] for c in (p[0][:2], p[0][2:])]
    corners += [c for box in boxes for c in (box[:2], box[2:])]
    flat = place(corners)
    drawn = [
        (prompt[3], working.mask_on_grid(image, area, grid))
        for prompt, image in zip((p for p in prompts if p[2]), masks, strict=True)
        if not prompt[4]
    ]
    return GridPrompts(
        boxes=tuple((*a, *b) for a, b in zip(flat[::2], flat[1::2], strict=True)),
        inside=tuple(place([p[1] for p in prompts if p[1] and p[3]])),
        outside=tuple(place([p[1] for p in prompts if p[1] and not p[3]])),
        masks=tuple(mask for positive, mask in drawn if positive),
        erasures=tuple(mask for positive, mask in drawn if not positive),
    )


def whole(
    prompts: Sequence[tuple], masks: Sequence[Image], features: dict[str, np.ndarray]
) -> np.ndarray | None:
    """The mask that is to be taken as it is, as logits ``(h, w)`` float32 on the grid, or None."""
    drawn = zip((p for p in prompts if p[2]), masks, strict=True)
    found = [image for prompt, image in drawn if prompt[4]]
    if not found:
        return None
    grid, area = features["picture"].shape[:2], working.window(features)
    alpha = np.max([working.mask_on_grid(image, area, grid) for image in found], axis=0)
    alpha = np.clip(alpha, _DOUBT, 1.0 - _DOUBT)
    return np.log(alpha / (1.0 - alpha)).astype(np.float32)
