"""Cryptomatte, written: all layers in one EXR, each found again by the hash of its name.

Specification: Friedman and Jones, "Fully automatic ID mattes with support for motion blur and
transparency", 2015, and the Cryptomatte specification 1.2. A pixel holds the ids of the layers
that cover it with the coverage of each, strongest first, two pairs to an RGBA layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import mmh3
import numpy as np

from rotograph.errors import ComputeError, is_text, shown
from rotograph.image import Image, ImageSpec

NAME = "CryptoRotograph"
"""What our Cryptomatte is called in a file; a host shows it, and the channels begin with it."""
LEVELS = 3
"""RGBA layers of two ranks each: six layers may share a pixel, as renderers have it."""
PREFIX = "cryptomatte/"
CHANNELS = "RGBA"
_HASH = "MurmurHash3_32"
_CONVERSION = "uint32_to_float32"


def identify(name: str) -> int:
    """The id of a name: murmur3-32 of its UTF-8, made a float that is neither 0, infinite nor NaN.

    The same on every machine, frame and run. Raises ComputeError for a name that is no text.
    """
    if not name or not is_text(name):
        raise ComputeError(f"{shown(name)} cannot be a Cryptomatte's name", hint="rename the layer")
    found = mmh3.hash(name.encode("utf-8"), signed=False)
    exponent = found >> 23 & 0xFF
    return found ^ 1 << 23 if exponent in (0, 255) else found


def as_float(identity: int) -> np.float32:
    """An id as it stands in a pixel: its bits, read as a float."""
    return np.uint32(identity).view(np.float32)


def attribute_key(name: str) -> str:
    """What its attributes are called after ``cryptomatte/``: 7 digits of its name's id."""
    return f"{identify(name):08x}"[:7]


def manifest_of(layers: Mapping[str, object]) -> str:
    """Name -> id in hexadecimal, as JSON text, sorted by name so that frames and runs agree.

    Raises ComputeError for names that have one id between them.
    """
    ids: dict[int, str] = {}
    for name in sorted(layers):
        other = ids.setdefault(identify(name), name)
        if other != name:
            raise ComputeError(
                f"the layers {shown(other)} and {shown(name)} have one Cryptomatte id",
                hint="rename one of them",
            )
    return json.dumps(
        {name: f"{identity:08x}" for identity, name in ids.items()},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def rank(alphas: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Coverage in ranks: ``(H, W, 12)`` float32, id and coverage in turn, strongest first.

    alphas: layer -> ``(H, W)`` in [0, 1]. Each layer keeps its own alpha, also where several
    overlap and their sum is over 1. Of more than six in a pixel the weakest are left out. Equal
    ones are in the order of their names. Unused ranks are 0.
    """
    names = sorted(alphas)
    out = np.zeros((*shape, LEVELS * 4), np.float32)
    if not names:
        return out
    ids = np.array([identify(name) for name in names], np.uint32).view(np.float32)
    every = np.stack([np.nan_to_num(alphas[name]).clip(0.0, 1.0) for name in names])
    every = every.astype(np.float32)
    order = np.argsort(-every, axis=0, kind="stable")[: LEVELS * 2]
    coverage = np.take_along_axis(every, order, axis=0)
    there = coverage > 0
    for i in range(len(order)):
        out[..., 2 * i] = np.where(there[i], ids[order[i]], np.float32(0.0))
        out[..., 2 * i + 1] = coverage[i]
    return out


@dataclass(frozen=True, eq=False)
class Delivery:
    """What is written: an image whose channels must be 32-bit floats, and a sidecar or None.

    sidecar: its file name, to stand beside the image, and its bytes.
    """

    image: Image
    sidecar: tuple[str, bytes] | None = None


def deliver(
    alphas: Mapping[str, np.ndarray], spec: ImageSpec, *, sidecar: str | None = None
) -> Delivery:
    """Layers as a Cryptomatte with the geometry and attributes of ``spec``.

    alphas: layer -> ``(H, W)`` in [0, 1] over ``spec.data``. sidecar: the start of the manifest's
    file name when it is to lie beside the EXR instead of in its header; the rest of that name is
    the manifest's own hash, so one of other layers never takes its place.

    Raises ComputeError for names that cannot be told apart.
    """
    manifest = manifest_of(alphas)
    key = PREFIX + attribute_key(NAME)
    told = {f"{key}/name": NAME, f"{key}/hash": _HASH, f"{key}/conversion": _CONVERSION}
    beside = None
    if sidecar is None:
        told[f"{key}/manifest"] = manifest
    else:
        digest = mmh3.hash(manifest.encode("utf-8"), signed=False)
        beside = f"{sidecar}.{digest:08x}.json", manifest.encode("utf-8")
        told[f"{key}/manif_file"] = beside[0]
    kept = {n: v for n, v in spec.attributes.items() if not n.startswith(PREFIX)}
    channels = tuple(f"{NAME}{level:02d}.{c}" for level in range(LEVELS) for c in CHANNELS)
    made = replace(spec, channels=channels, alpha="none", attributes={**kept, **told})
    return Delivery(Image(made, rank(alphas, spec.data.shape)), beside)


def sidecar_stem(pattern: str | Path) -> str:
    """How a manifest begins that lies beside a sequence: its name up to the frame's place."""
    name = Path(pattern).name.removesuffix(".exr").removesuffix(".EXR")
    return name.rstrip("#@%0123456789d").rstrip("._-") or NAME
