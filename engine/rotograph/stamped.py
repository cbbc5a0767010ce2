"""What a written EXR says of itself: which result it holds, and what its pixels were.

So that a matte that somebody painted on is not taken for ours and written over: a host that keeps
the attributes keeps these too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xxhash

from rotograph import exr
from rotograph.errors import MediaError
from rotograph.exrchoice import DTYPES
from rotograph.exrheader import LOSSLESS
from rotograph.image import Image

KEY_ATTRIBUTE = "rotograph/key"
"""The string attribute of a written EXR that says which result it holds."""
PIXELS_ATTRIBUTE = "rotograph/pixels"
"""The string attribute of a written EXR that names its pixels, where its compression keeps them."""


def stamped(image: Image, key: str, compression: str, pixel_type: str | Mapping[str, str]) -> Image:
    """The image with both attributes, to be written with this compression and type of pixel.

    key: of its result, hexadecimal. pixel_type: as for ``exr.write``.
    """
    told = {KEY_ATTRIBUTE: key}
    if compression in LOSSLESS:
        told[PIXELS_ATTRIBUTE] = _named(image, pixel_type)
    return image.with_attributes(**told)


def as_written(path: Path) -> bool:
    """Whether a file that says that it holds a result of ours still has the pixels it had.

    True where it does not say what they were: its compression does not keep them, or it was written
    before this was noted. Reads the whole file. False for one that cannot be read.
    """
    try:
        image = exr.read(path)
    except MediaError:
        return False
    stated = image.spec.attributes.get(PIXELS_ATTRIBUTE)
    return stated is None or stated == _named(image, {})


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
