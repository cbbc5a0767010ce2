"""A matte: alpha at the plate's resolution; and the foreground's own colour, to go with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rotograph.image import Box


@dataclass(frozen=True, eq=False)
class Matte:
    """Alpha of one layer on one frame.

    window: the plate's data window, which alpha covers.
    alpha: ``(H, W)`` float16 in [0, 1], plate resolution.
    confidence: 0 to 1, handed on from the tracker. keyed: the part of the edge, 0 to 1, that the
    screen keyer decided and not the model that was asked for.
    """

    window: Box
    alpha: np.ndarray
    confidence: float = 1.0
    keyed: float = 0.0

    def at(self, window: Box) -> np.ndarray:
        """Alpha of every pixel of ``window``: ``(H, W)`` float16, 0 outside the matte's own.

        What was approved may be of another data window than the plate has now.
        """
        if window == self.window:
            return self.alpha
        out = np.zeros(window.shape, self.alpha.dtype)
        both = window.intersect(self.window)
        if both:
            out[both.within(window)] = self.alpha[both.within(self.window)]
        return out


@dataclass(frozen=True, eq=False)
class Foreground:
    """A layer's own colour where the background shines through, without that background.

    indices: ``(N,)`` uint32, flat positions (row * W + column) in the alpha that it belongs to;
    everywhere else the plate's own pixels are the foreground.
    colour: ``(N, 3)`` float32, scene-linear (the OCIO role), straight, unclamped.
    """

    indices: np.ndarray
    colour: np.ndarray

    def over(self, linear: np.ndarray) -> np.ndarray:
        """``(H, W, 3)`` float32 foreground: the plate (scene-linear) with these colours put in."""
        out = np.array(linear, dtype=np.float32, copy=True)
        out.reshape(-1, 3)[self.indices] = self.colour
        return out
