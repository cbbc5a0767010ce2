"""A result as bytes: what the store keeps, checked so that a damaged file is never a picture.

Layout, little-endian, every part starting at a multiple of 64 bytes:

    magic (8) | xxh3-128 of its name and what follows (16) | header length (4) | header | arrays

The header is canonical JSON: kind, meta, device, flags, and for each array its name, dtype,
shape, codec and stored size. Lengths are checked against the file and against fixed bounds
before anything is allocated, dtypes come from a list, and nothing is unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash
import zstandard

MAGIC = b"\x93ROTO\r\n\x01"
ALIGN = 64
PREFIX = len(MAGIC) + 16 + 4
MAX_HEADER = 16 << 20
MAX_BYTES = 4 << 30
"""No array, and no record, is larger than this once decoded (an 8K float RGBA is 0.6 GB)."""
SAMPLE = 256 << 10
DTYPES = {
    str(np.dtype(t)): np.dtype(t)
    for t in ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
}


class BadRecord(Exception):
    """The bytes are not a whole record; inside the engine this is a miss, never shown."""


@dataclass(frozen=True, eq=False)
class Record:
    """One result, ready to be kept.

    kind: what the arrays mean, such as ``matte``. meta: JSON-able. arrays: any of ``DTYPES``, and
    read-only here: a result is shared by all that need it. device: where it was computed; flags:
    how it was made when not by the book, such as ``fallback``. Neither is part of the result.
    """

    kind: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    device: str = ""
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        views = {name: array.view() for name, array in self.arrays.items()}
        for view in views.values():
            view.flags.writeable = False
        object.__setattr__(self, "arrays", views)

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in self.arrays.values())


def encode(record: Record, name: str = "") -> list[bytes | memoryview]:
    """The record as a list of chunks that follow each other in the file.

    name: what ``decode`` must be told again, so that a file under a wrong name is not taken.

    Raises ValueError for a dtype outside ``DTYPES``, TypeError for meta that is not JSON.
    """
    payloads: list[bytes | memoryview] = []
    described = []
    for label, array in record.arrays.items():
        if str(array.dtype) not in DTYPES:
            raise ValueError(f"array '{label}' has dtype {array.dtype}, which cannot be stored")
        codec, payload = _compress(np.ascontiguousarray(array))
        size = len(payload)
        described.append([label, str(array.dtype), list(array.shape), codec, size])
        payloads += [payload, bytes(-size % ALIGN)]
    header = _json(
        {
            "kind": record.kind,
            "meta": record.meta,
            "arrays": described,
            "device": record.device,
            "flags": list(record.flags),
        }
    )
    header += b" " * (-(PREFIX + len(header)) % ALIGN)
    length = len(header).to_bytes(4, "little")
    return [MAGIC, _checksum(name, length, header, *payloads), length, header, *payloads]


def decode(data: bytes | bytearray | memoryview, name: str = "") -> Record:
    """The record in ``data``. Raises BadRecord for anything else."""
    view = memoryview(data)
    if len(view) < PREFIX or view[: len(MAGIC)] != MAGIC:
        raise BadRecord("not a record of this version")
    length = int.from_bytes(view[PREFIX - 4 : PREFIX], "little")
    if length > min(MAX_HEADER, len(view) - PREFIX):
        raise BadRecord("header longer than the file")
    if _checksum(name, view[PREFIX - 4 :]) != bytes(view[len(MAGIC) : PREFIX - 4]):
        raise BadRecord("checksum")
    try:
        header = json.loads(bytes(view[PREFIX : PREFIX + length]))
        return Record(
            str(header["kind"]),
            header["meta"],
            dict(_arrays(header["arrays"], view, PREFIX + length)),
            str(header["device"]),
            tuple(header["flags"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError, zstandard.ZstdError) as error:
        raise BadRecord(f"header: {error}") from error


def _arrays(described: list[Any], view: memoryview, start: int) -> Iterator[tuple[str, np.ndarray]]:
    total = 0
    for name, dtype_name, shape, codec, size in described:
        dtype = DTYPES[dtype_name]
        if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in (*shape, size)):
            raise BadRecord("a length out of bounds")
        total += math.prod(shape) * dtype.itemsize
        if total > MAX_BYTES or len(shape) > 16 or start + size > len(view):
            raise BadRecord("a length out of bounds")
        array = _decompress(view[start : start + size], codec, dtype, math.prod(shape))
        yield str(name), array.reshape(shape)
        start += size + -size % ALIGN
    if start != len(view):
        raise BadRecord("bytes left over")


def _compress(array: np.ndarray) -> tuple[str, bytes | memoryview]:
    """The codec that pays, chosen on a sample from the middle, and the payload.

    Mattes are flat and shrink as they are; dense floats only once their bytes are sorted by
    significance; what still shrinks by less than a tenth is kept raw.
    """
    flat = array.reshape(-1)
    raw = flat.view(np.uint8)
    if raw.size <= ALIGN:
        return "raw", raw.tobytes()
    zstd = zstandard.ZstdCompressor(level=1)
    count = max(1, SAMPLE // array.itemsize)
    first = max(0, (flat.size - count) // 2)
    sample = flat[first : first + count]
    plain = len(zstd.compress(sample.view(np.uint8).data))
    if plain > 0.5 * sample.nbytes and array.itemsize > 1:
        shuffled = len(zstd.compress(_shuffle(sample).data))
        if shuffled < 0.9 * min(plain, sample.nbytes):
            payload = zstd.compress(_shuffle(flat).data)
            if len(payload) < 0.9 * array.nbytes:
                return "shuffle", payload
    if plain < 0.9 * sample.nbytes:
        payload = zstd.compress(raw.data)
        if len(payload) < 0.9 * array.nbytes:
            return "zstd", payload
    return "raw", raw.data


def _decompress(payload: memoryview, codec: str, dtype: np.dtype, count: int) -> np.ndarray:
    """``(count,)`` of ``dtype``; raw arrays are views of the payload."""
    nbytes = count * dtype.itemsize
    if codec == "raw":
        if len(payload) != nbytes:
            raise BadRecord("an array of another size")
        return np.frombuffer(payload, dtype) if count else np.empty(0, dtype)
    # the frame's own size decides what zstd allocates, so it must be the one announced,
    # and one zstd can reach (a block of four bytes says at most 128 KiB)
    if zstandard.frame_content_size(payload) != nbytes or nbytes > len(payload) << 16:
        raise BadRecord("an array of another size")
    data = zstandard.ZstdDecompressor().decompress(payload, max_output_size=nbytes)
    if codec == "zstd":
        return np.frombuffer(data, dtype=dtype, count=count)
    if codec == "shuffle" and dtype.itemsize > 1:
        return _unshuffle(np.frombuffer(data, dtype=np.uint8), dtype)
    raise BadRecord(f"codec {codec!r}")


def _shuffle(flat: np.ndarray) -> np.ndarray:
    """Bytes sorted by significance: all lowest bytes first, then the next, and so on."""
    return np.ascontiguousarray(flat.view(np.uint8).reshape(-1, flat.itemsize).T)


def _unshuffle(planes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    word = np.dtype(f"<u{dtype.itemsize}")
    out = np.zeros(planes.size // word.itemsize, dtype=word)
    for index, plane in enumerate(planes.reshape(word.itemsize, -1)):
        # shifts run ten times as fast as a strided byte copy
        out |= plane.astype(word) << word.type(8 * index)
    return out.view(dtype)


def _checksum(name: str, *chunks: bytes | memoryview) -> bytes:
    digest = xxhash.xxh3_128(name.encode())
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
