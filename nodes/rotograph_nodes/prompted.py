"""Prompts on their way from the document to a model's grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rotograph.declare import Leaf
from rotograph.image import Image
from rotograph.prompt import Prompt
from rotograph.shape import FrameSet
from rotograph_nodes import working
from rotograph_nodes.models.prompts import GridPrompts


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


def at_frame(prompts: Iterable[Prompt], layer: str, frame: int) -> list[Prompt]:
    return [p for p in prompts if p.layer == layer and p.frame == frame]


def said(prompts: Sequence[Prompt]) -> tuple[tuple, ...]:
    """What of the prompts enters a key: no frame, no layer's name, no file's name."""
    return tuple((p.box, p.point, p.mask is not None, p.positive) for p in prompts)


def leaves(at: Any, prompts: Sequence[Prompt]) -> list[Leaf]:
    """The mask files of the prompts, in their order, named by their content."""
    return [Leaf("mask", str(at.path(p.mask))) for p in prompts if p.mask is not None]


def on_grid(
    prompts: Sequence[tuple],
    masks: Sequence[Image],
    boxes: Sequence[tuple[float, float, float, float]],
    features: dict[str, np.ndarray],
) -> GridPrompts:
    """Prompts (as from ``said``), their mask files and more boxes, in plate pixels, on a grid."""
    grid = features["picture"].shape[:2]
    area = working.window(features)

    def place(points: list) -> list[tuple[float, float]]:
        return working.to_grid(np.array(points), features, grid) if points else []

    corners = [c for p in prompts if p[0] for c in (p[0][:2], p[0][2:])]
    corners += [c for box in boxes for c in (box[:2], box[2:])]
    flat = place(corners)
    drawn = [
        (prompt[3], working.mask_on_grid(image, area, grid))
        for prompt, image in zip((p for p in prompts if p[2]), masks, strict=True)
    ]
    return GridPrompts(
        boxes=tuple((*a, *b) for a, b in zip(flat[::2], flat[1::2], strict=True)),
        inside=tuple(place([p[1] for p in prompts if p[1] and p[3]])),
        outside=tuple(place([p[1] for p in prompts if p[1] and not p[3]])),
        masks=tuple(mask for positive, mask in drawn if positive),
        erasures=tuple(mask for positive, mask in drawn if not positive),
    )
