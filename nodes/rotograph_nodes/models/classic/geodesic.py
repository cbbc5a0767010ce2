"""How much colour has to change on the way from one place to another.

The cheapest path through the picture, where a step costs the difference of its two colours
(Bai and Sapiro, "A Geodesic Framework for Fast Interactive Image and Video Segmentation", 2007).
What the outside of a box reaches at no cost is background: the boundary connectivity prior of
Wei, Wen, Zhu and Sun, "Geodesic Saliency Using Background Priors", 2012.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

_STEP = 4  # pixels of the picture to one node of the graph
_FREE = 1e-5  # a step without any change costs this, so that ties fall to the nearer source


def geodesic(colours: np.ndarray, sources: np.ndarray, tread: float = 0.0) -> np.ndarray:
    """``(h, w)`` float32 summed colour difference of the cheapest path from any source.

    colours: ``(h, w, 3)`` float32 of ``appearance.colours``. sources: ``(h, w)`` bool. tread:
    cost of every step beside its colour. Steps under the picture's median difference (grain,
    smooth shading) cost nothing. Infinite everywhere when there is no source.
    """
    height, width = sources.shape
    rows, columns = -(-height // _STEP), -(-width // _STEP)
    small = cv2.resize(
        cv2.GaussianBlur(colours, (0, 0), _STEP * 0.5),
        (columns, rows),
        interpolation=cv2.INTER_AREA,
    ).reshape(rows, columns, -1)
    share = cv2.resize(sources.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    # a single point is far less than a node, and still a source
    start = np.flatnonzero(share > min(0.5, 0.9 * float(share.max())))
    if not sources.any():
        return np.full((height, width), np.inf, np.float32)
    if small.shape[:2] == (1, 1):  # a plate of a few pixels: no way to go
        return np.zeros((height, width), np.float32)
    node = np.arange(rows * columns).reshape(rows, columns)
    here, there, change, length = [], [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = slice(0, rows - dy), slice(max(0, -dx), columns - max(0, dx))
        b = slice(dy, rows), slice(max(0, dx), columns + min(0, dx))
        here.append(node[a].ravel())
        there.append(node[b].ravel())
        change.append(np.sqrt(((small[a] - small[b]) ** 2).sum(axis=2)).ravel())
        length.append(np.full(here[-1].size, np.hypot(dy, dx)))
    cost = np.concatenate(change)
    cost = np.maximum(cost - np.median(cost), 0.0)
    cost += (tread + _FREE) * np.concatenate(length)
    size = rows * columns
    graph = coo_matrix((cost, (np.concatenate(here), np.concatenate(there))), shape=(size, size))
    distance = dijkstra(graph.tocsr(), directed=False, indices=start, min_only=True)
    distance = distance.reshape(rows, columns).astype(np.float32)
    return cv2.resize(distance, (width, height), interpolation=cv2.INTER_LINEAR)
