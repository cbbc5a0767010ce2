"""Where every pixel of one frame is in the next, both ways, and how far the two ways agree.

Dense inverse search (Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse
Search", 2016) on the lightness of the working picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

_LOW, _HIGH = 0.05, 0.65  # the part of ACEScct, from deep shadow to a bright sky, that is matched


def motion(
    features_a: Mapping[str, np.ndarray], features_b: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Flow between two neighbouring frames.

    features_a, features_b: ``{"picture": (h, w, 3)}`` ACEScct, of one size.
    Returns ``forward`` ``(h, w, 2)`` float16: where a pixel of ``a`` moves, (dx, dy) in pixels of
    the working picture; ``backward``: the same from ``b`` to ``a``; ``forward_error`` and
    ``backward_error`` ``(h, w)`` float16: how many pixels from its place one lands after going
    there and back.
    """
    a, b = matched(features_a["picture"]), matched(features_b["picture"])
    ahead, back = _flow(a, b), _flow(b, a)
    return {
        "forward": ahead.astype(np.float16),
        "backward": back.astype(np.float16),
        "forward_error": _round_trip(ahead, back).astype(np.float16),
        "backward_error": _round_trip(back, ahead).astype(np.float16),
    }


def fetch(field: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``(h, w[, c])`` float32: ``field`` read where ``flow`` points.

    field: values of frame ``a``. flow: ``(h, w, 2)`` from ``b`` to ``a``. The result is on ``b``.
    Off the frame the nearest pixel goes on: what enters beside a layer is most likely more of it.
    """
    height, width = flow.shape[:2]
    flow = flow.astype(np.float32)
    return cv2.remap(
        np.ascontiguousarray(field, dtype=np.float32),
        flow[..., 0] + np.arange(width, dtype=np.float32)[None],
        flow[..., 1] + np.arange(height, dtype=np.float32)[:, None],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def matched(picture: np.ndarray) -> np.ndarray:
    """``(h, w)`` uint8: the lightness that is matched, of an ACEScct picture ``(h, w, 3)``."""
    light = picture.astype(np.float32).mean(axis=2)
    return (np.clip((light - _LOW) / (_HIGH - _LOW), 0.0, 1.0) * 255.0).astype(np.uint8)


def _flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if min(a.shape) < 32:  # too small for the patches of the search
        return np.zeros((*a.shape, 2), np.float32)
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return search.calc(a, b, None)


def _round_trip(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    returned = there + fetch(back, there)
    error = np.hypot(returned[..., 0], returned[..., 1])
    height, width = error.shape
    x = there[..., 0] + np.arange(width)[None]
    y = there[..., 1] + np.arange(height)[:, None]
    gone = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return np.where(gone, 100.0, np.minimum(error, 100.0))
