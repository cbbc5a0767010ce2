"""The motion of one layer, also where it leaps farther than optical flow can follow.

Flow starts from a very small picture, in which a fast object of moderate size is gone. Where its
two directions disagree over much of the layer, the layer as a whole is searched for first, and
the flow only has to find the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from rotograph_nodes.models.classic.motion import motion

_STEP = 4  # pixels of the picture to one of the search
_RANGE = 0.3  # farthest leap, of the frame's width and height
_LOST = 2.0  # pixels of round trip beyond which a flow vector is not believed
_BELIEVED = 0.7  # share of the layer whose flow must be believed, else it is searched for
_BETTER = 0.6  # a leap must leave less than this share of the flow's difference


def layer_motion(
    mask: np.ndarray,
    features_from: Mapping[str, np.ndarray],
    features_to: Mapping[str, np.ndarray],
    between: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a frame come from, as far as the layer is concerned.

    mask: ``(h, w)`` bool, the layer on the frame it comes from. between: ``motion`` from that
    frame to the other. Returns the flow ``(h, w, 2)`` float32 from the other frame back, and its
    round-trip error ``(h, w)`` float32 in pixels.
    """
    back = between["backward"].astype(np.float32)
    error = between["backward_error"].astype(np.float32)
    if mask.sum() < 16 * _STEP**2:
        return back, error
    believed = float((between["forward_error"][mask] < _LOST).mean())
    if believed > _BELIEVED:
        return back, error
    leap = _leap(mask, features_from["picture"], features_to["picture"], between["forward"])
    if leap is None:
        return back, error
    shift = np.float32([[1, 0, leap[0]], [0, 1, leap[1]]])
    size = mask.shape[::-1]
    moved = cv2.warpAffine(
        features_from["picture"].astype(np.float32), shift, size, borderMode=cv2.BORDER_REPLICATE
    )
    rest = motion({"picture": moved}, features_to)
    return (
        rest["backward"].astype(np.float32) - np.float32(leap),
        rest["backward_error"].astype(np.float32),
    )


def _leap(
    mask: np.ndarray, picture_from: np.ndarray, picture_to: np.ndarray, flow: np.ndarray
) -> tuple[int, int] | None:
    """(dx, dy) in pixels of the whole layer, or None where the flow explains it as well."""
    height, width = mask.shape
    size = max(8, width // _STEP), max(8, height // _STEP)
    here, there = (
        cv2.resize(p.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for p in (picture_from, picture_to)
    )
    weight = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    rows, columns = (
        np.flatnonzero((weight > 0.5).any(axis=1)),
        np.flatnonzero((weight > 0.5).any(axis=0)),
    )
    if rows.size < 3 or columns.size < 3:
        return None
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    reach_x, reach_y = max(1, round(_RANGE * size[0])), max(1, round(_RANGE * size[1]))
    # beyond the frame's edge its last pixels go on: part of the layer may have left
    field = cv2.copyMakeBorder(there, reach_y, reach_y, reach_x, reach_x, cv2.BORDER_REPLICATE)[
        y0 : y1 + 2 * reach_y, x0 : x1 + 2 * reach_x
    ]
    shape = np.repeat((weight[y0:y1, x0:x1] > 0.5).astype(np.float32)[..., None], 3, axis=2)
    template = np.ascontiguousarray(here[y0:y1, x0:x1])
    unlike = cv2.matchTemplate(np.ascontiguousarray(field), template, cv2.TM_SQDIFF, mask=shape)
    least, _, place, _ = cv2.minMaxLoc(unlike)
    small = cv2.resize(flow.astype(np.float32), size, interpolation=cv2.INTER_AREA) / _STEP
    grid_y, grid_x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    carried = cv2.remap(
        there,
        grid_x + small[..., 0],
        grid_y + small[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    by_flow = float((((carried - here)[y0:y1, x0:x1] ** 2) * shape).sum())
    if least > _BETTER * by_flow:
        return None
    return (place[0] - reach_x) * _STEP, (place[1] - reach_y) * _STEP
