"""What is behind the things that move: the frames around, brought onto one frame's camera.

A place that several frames show alike, where nothing moves, is background, and what differs from
it there is in front, however it moves. A homography takes the camera's turn, and what it leaves of
parallax is taken by the flow, which goes on behind what moves as it is around it. Where the frames
disagree nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from rotograph_nodes.models.classic import appearance
from rotograph_nodes.models.classic.motion import fetch, matched

_SPACING = 8  # pixels between flow vectors that vote for the camera
_AGREE = 1.0  # pixels a vote may be off
_MISFIT = 8.0  # difference of 8-bit lightness at which a place is not found again
_GRAIN = 2.0  # the same, that grain alone makes
_BETTER = 0.7  # of the difference, what the flow has to leave at most
_PARALLAX = 10.0  # pixels of the half-size picture
_FILL = (60.0, 20.0, 6.0)  # pixels of it: how far around the parallax is taken from
_ALIKE = 0.03  # colour difference of two frames that show the same, grain included
_WITNESSES = 3.0  # so many frames that agree are as good as all
_MOST = 0.6  # of the frames that show a place, the share that has to be alike
_DEEP, _BRIGHT = 0.14, 0.02  # ACEScct: how much darker a shadow is, and brighter a reflection
_TINT = 0.012, 0.5  # chroma by which a shadow may differ, and more for what it takes of light
_RELIEF = 0.02  # lightness: how unevenly a shadow may fall within a patch


def camera(between: Mapping[str, np.ndarray]) -> np.ndarray:
    """``(3, 3)`` float64: how the still world moves from a frame to the next, as a homography.

    between: ``motion`` from the one to the other. What most of the flow agrees on.
    """
    flow, error = (between[n].astype(np.float32) for n in ("forward", "forward_error"))
    height, width = error.shape
    ys, xs = np.mgrid[_SPACING // 2 : height : _SPACING, _SPACING // 2 : width : _SPACING]
    trusted = error[ys, xs] < _AGREE
    matrix = None
    if trusted.sum() >= 12:
        here = np.stack([xs[trusted], ys[trusted]], axis=1).astype(np.float32)
        there = here + flow[ys[trusted], xs[trusted]]
        # OpenCV seeds this search itself, the same each time
        matrix, _ = cv2.findHomography(here, there, cv2.RANSAC, _AGREE, maxIters=2000)
    if matrix is None:
        dx, dy = np.median(flow.reshape(-1, 2), axis=0)
        matrix = np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], np.float64)
    return matrix


def camera_flow(matrix: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """``(h, w, 2)`` float32: how far a homography moves each pixel."""
    grid = np.dstack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))).astype(np.float32)
    return cv2.perspectiveTransform(grid, matrix) - grid


def behind(
    here: np.ndarray,
    moving: np.ndarray,
    others: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """The background of a frame, as far as the frames around show it.

    here: ``(h, w, 3)`` float32 ACEScct. moving: ``(h, w)`` bool, what moves on it. others: of other
    frames picture, ``moving`` and the homography from here to there. Returns the ``colours``
    ``(h, w, 3)`` float32 and how far they are known, ``(h, w)`` float32 in [0, 1].
    """
    place, known = np.zeros(here.shape, np.float32), np.zeros(moving.shape, np.float32)
    stack, valid = [], []
    for picture, moves, turn in others:
        seen, shown = brought(picture, moves, turn, here, moving)
        # a little blur takes the grain and the rest of the misfit off
        stack.append(cv2.GaussianBlur(appearance.colours(seen), (0, 0), 0.8))
        valid.append(shown)
    if len(stack) < 2:
        return place, known
    votes = [v.astype(np.float32) for v in valid]
    for i in range(len(stack)):
        for j in range(i):
            same = ((stack[i] - stack[j]) ** 2).sum(axis=2) < _ALIKE**2
            same &= valid[i] & valid[j]
            votes[i] += same
            votes[j] += same
    most = np.max(votes, axis=0)
    for frame, vote in zip(stack, votes, strict=True):
        place = np.where(((vote == most) & (most > 0))[..., None], frame, place)
    agreed = (most > 1.5) & (most >= _MOST * np.sum(valid, axis=0))
    known = np.where(agreed, np.minimum(1.0, (most - 1.0) / (_WITNESSES - 1.0)), 0.0)
    return place.astype(np.float32), known.astype(np.float32)


def unlike(here: np.ndarray, background: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32: colour difference to a background, a pixel of misfit forgiven.

    here, background: ``(h, w, 3)`` ``colours``.
    """
    near = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(background, near), cv2.dilate(background, near)
    off = np.maximum(np.maximum(low - here, here - high), 0.0)
    return np.sqrt(cv2.GaussianBlur((off**2).sum(axis=2), (0, 0), 1.2))


def shaded(here: np.ndarray, background: np.ndarray) -> np.ndarray:
    """``(h, w)`` bool: the background itself, under a shadow or a reflection.

    In ACEScct, which is a logarithm of light, a shadow takes the same from all channels: the
    lightness falls evenly, with the texture still there, and the chroma stays but for the tint of
    the light that fills it.
    """
    off = cv2.GaussianBlur(here - background, (0, 0), 1.5)
    darker = off[..., 0]
    mean, square = (cv2.GaussianBlur(field, (0, 0), 2.5) for field in (darker, darker**2))
    uneven = np.sqrt(np.maximum(square - mean**2, 0.0))
    tint = np.linalg.norm(off[..., 1:], axis=2)
    allowed = _TINT[0] + _TINT[1] * np.maximum(-darker, 0.0)
    return (darker > -_DEEP) & (darker < _BRIGHT) & (tint < allowed) & (uneven < _RELIEF)


def brought(
    picture: np.ndarray, moves: np.ndarray, turn: np.ndarray, here: np.ndarray, moving: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A picture as seen from here, and ``(h, w)`` bool where it shows what does not move."""
    height, width = moving.shape
    size = max(1, width // 2), max(1, height // 2)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpPerspective(matched(picture), turn, (width, height), flags=how)
    a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (matched(here), turned))
    rest = np.zeros((*a.shape, 2), np.float32)
    if min(size) >= 32:
        search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        rest = search.calc(a, b, None)
    plain, led = (
        cv2.GaussianBlur(np.abs(field - a), (0, 0), 2.0)
        for field in (b.astype(np.float32), fetch(b.astype(np.float32), rest))
    )
    # where the camera alone explains it as well, the flow is only noise
    rest[(led > _BETTER * plain) | (plain < _GRAIN)] = 0.0
    sure = (np.minimum(plain, led) < _MISFIT) & (np.linalg.norm(rest, axis=2) < _PARALLAX)
    sure &= cv2.resize(moving.astype(np.uint8), size, interpolation=cv2.INTER_AREA) == 0
    rest = np.where(sure[..., None], rest, _filled(rest, sure.astype(np.float32)))
    scale = np.float32([width / size[0], height / size[1]])
    rest = scale * cv2.resize(rest, (width, height), interpolation=cv2.INTER_LINEAR)
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    place = cv2.perspectiveTransform(grid + rest, turn)
    x, y = np.ascontiguousarray(place[..., 0]), np.ascontiguousarray(place[..., 1])
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    still = cv2.remap((~moves).astype(np.uint8), x, y, cv2.INTER_NEAREST) > 0
    seen = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return seen, still & inside


def _filled(flow: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A flow where it is not known, from what is known around, near and far."""
    out = np.zeros_like(flow)
    for reach in _FILL:
        norm = cv2.GaussianBlur(weight, (0, 0), reach)[..., None]
        near = cv2.GaussianBlur(flow * weight[..., None], (0, 0), reach) / (norm + 1e-6)
        share = norm / (norm + 1e-3)
        out = share * near + (1.0 - share) * out
    return out.astype(np.float32)
