"""Work near a matte's edge only, tile by tile, so that a 4K frame needs little memory and time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Slices = tuple[slice, slice]

SIZE = 384


def tiles(where: np.ndarray, halo: int) -> Iterator[tuple[Slices, Slices]]:
    """The tiles of a picture that hold a wanted pixel.

    where: ``(H, W)`` bool, the wanted pixels. halo: pixels that a filter reaches beyond the
    pixel it writes. Yields ``(outer, inner)``: rows and columns to read, in the picture, and
    the tile itself within what was read. Only the bounding box of ``where`` is tiled; tiles
    do not overlap, and what a filter of that reach writes does not depend on where they lie.
    """
    height, width = where.shape
    rows = np.flatnonzero(where.any(axis=1))
    columns = np.flatnonzero(where.any(axis=0))
    if not rows.size:
        return
    for y0 in range(int(rows[0]), int(rows[-1]) + 1, SIZE):
        for x0 in range(int(columns[0]), int(columns[-1]) + 1, SIZE):
            y1, x1 = min(y0 + SIZE, height), min(x0 + SIZE, width)
            if not where[y0:y1, x0:x1].any():
                continue
            top, left = max(0, y0 - halo), max(0, x0 - halo)
            outer = (slice(top, min(height, y1 + halo)), slice(left, min(width, x1 + halo)))
            inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            yield outer, inner


def placed(outer: Slices, inner: Slices) -> Slices:
    """Where the tile lies in the picture."""
    rows, columns = outer[0].start, outer[1].start
    return (
        slice(rows + inner[0].start, rows + inner[0].stop),
        slice(columns + inner[1].start, columns + inner[1].stop),
    )
