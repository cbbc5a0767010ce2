"""What a written EXR says of itself: which result it holds, and what its pixels were.

So that a matte that somebody painted on is not taken for ours and written over: a host that keeps
the attributes keeps these too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xxhash

from rotograph import exr
from rotograph.errors import MediaError
from rotograph.exrchoice import DTYPES
from rotograph.exrheader import LOSSLESS
from rotograph.image import Image
from rotograph.regular import open_file, reading

KEY_ATTRIBUTE = "rotograph/key"
"""The string attribute of a written EXR that says which result it holds."""
PIXELS_ATTRIBUTE = "rotograph/pixels"
"""The string attribute of a written EXR that names its pixels, where its compression keeps them."""
ENCODED_ATTRIBUTE = "rotograph/encoded"
"""Where it does not: how many bytes they are in the file, and the digest of these."""


def write_stamped(
    path: Path, image: Image, key: str, compression: str, pixel_type: str | Mapping[str, str]
) -> None:
    """Write an EXR that says which result it holds (key, hexadecimal) and what its pixels are.

    compression, pixel_type: as for ``exr.write``. Raises WriteError.
    """
    told, seal = {KEY_ATTRIBUTE: key}, _sealed
    if compression in LOSSLESS:
        told[PIXELS_ATTRIBUTE], seal = _named(image, pixel_type), lambda chunks: {}
    exr.write(
        path,
        image.with_attributes(**told),
        compression=compression,
        pixel_type=pixel_type,
        seal=seal,
    )


def as_written(path: Path) -> bool:
    """Whether a file that says that it holds a result of ours still has the pixels it had.

    True where it does not say what they were, for it was written before this was noted. Reads the
    whole file. False for one that cannot be read.
    """
    try:
        told = exr.header(path).attributes
        if PIXELS_ATTRIBUTE in told:
            return told[PIXELS_ATTRIBUTE] == _named(exr.read(path), {})
        return told.get(ENCODED_ATTRIBUTE) in (None, _sealed_now(path, told))
    except MediaError:
        return False


def _sealed(chunks: memoryview) -> dict[str, object]:
    return {ENCODED_ATTRIBUTE: f"{len(chunks)} {xxhash.xxh3_128(chunks).hexdigest()}"}


def _sealed_now(path: Path, told: Mapping[str, object]) -> object:
    """What the file would say now of as many of its last bytes as it speaks of."""
    count = str(told.get(ENCODED_ATTRIBUTE)).partition(" ")[0]
    with reading(path), open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        if not (count.isascii() and count.isdigit() and len(count) < 20 and int(count) <= size):
            return ""
        file.seek(size - int(count))
        return _sealed(memoryview(file.read()))[ENCODED_ATTRIBUTE]


def _named(image: Image, pixel_type: str | Mapping[str, str]) -> str:
    """16 bytes, hexadecimal: the data window and every channel as its type will keep it."""
    hashed = xxhash.xxh3_128(repr(image.spec.data.to_list()).encode())
    kinds = pixel_type if isinstance(pixel_type, Mapping) else {}
    whole = pixel_type if isinstance(pixel_type, str) else None
    with np.errstate(over="ignore", invalid="ignore"):
        for name in sorted(image.spec.channels):
            plane = image.pixels[..., image.spec.channels.index(name)]
            kind = whole or kinds.get(name)
            if kind is not None:
                plane = plane.astype(DTYPES[kind])
            hashed.update(name.encode())
            hashed.update(np.ascontiguousarray(plane, dtype=np.float32))
    return hashed.hexdigest()
