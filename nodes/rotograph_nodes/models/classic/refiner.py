"""Refine without weights: what is done to a matte after matting, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rotograph_nodes.models.classic.edges import sharpen_edges
from rotograph_nodes.models.classic.pieces import fill_holes, remove_specks
from rotograph_nodes.models.classic.reshape import feather, resize_edge
from rotograph_nodes.models.classic.temporal import Neighbour, smooth_in_time


@dataclass(frozen=True)
class Refinement:
    """How much of each; 0 leaves the step out.

    smooth: temporal smoothing, 0 to 1. edges: strength of the plate's own edges, 0 to 2.
    edge_radius: softness of the incoming edge in plate pixels. specks, holes: areas in plate
    pixels. grow: plate pixels, negative erodes. feather: plate pixels from 10 % to 90 %.
    """

    smooth: float = 0.5
    edges: float = 1.0
    edge_radius: float = 2.0
    specks: float = 0.0
    holes: float = 0.0
    grow: float = 0.0
    feather: float = 0.0


def refine(
    alpha: np.ndarray,
    linear: np.ndarray,
    neighbours: Sequence[Neighbour | None],
    refinement: Refinement,
    aspect: float = 1.0,
) -> np.ndarray:
    """One frame's alpha, refined.

    alpha: ``(H, W)`` float32 in [0, 1]. linear: ``(H, W, 3)`` float32, the plate, scene-linear,
    unclamped, the same pixels. neighbours: the frames before and after as they came, None where
    there is none; needed only when ``refinement.smooth`` is over 0. aspect: the pixel's width
    over its height. Returns ``(H, W)`` float32 in [0, 1].

    Flicker goes first, while all three frames are alike; then the edge is found, islands that
    it left are removed, and last comes what the artist asks for on top of a right matte.
    """
    alpha = smooth_in_time(alpha, linear, neighbours, refinement.smooth)
    alpha = sharpen_edges(alpha, linear, refinement.edge_radius, refinement.edges)
    alpha = remove_specks(alpha, refinement.specks)
    alpha = fill_holes(alpha, refinement.holes)
    alpha = resize_edge(alpha, refinement.grow, aspect)
    return feather(alpha, refinement.feather, aspect)
