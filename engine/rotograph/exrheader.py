"""Read an EXR's header without decoding a pixel, and refuse what must not reach a decoder.

OpenEXR's Python class gives neither pixel types nor every attribute (a Latin-1 string, an unknown
type or a rational with denominator 0 make it refuse the whole file), and decodes first and
complains afterwards. So the header is parsed here, in Python, and what it promises is held
against the file: windows, chunk table, file size. Layout: OpenEXR's technical notes, "OpenEXR
File Layout".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rotograph.attribute import Attribute, packed, plain
from rotograph.errors import DamagedFile
from rotograph.image import Box
from rotograph.regular import open_file, reading

MAGIC = b"\x76\x2f\x31\x01"
MAX_PIXELS = 1 << 30  # per part; a 32k x 32k plate
MAX_EXPANSION = 4096  # bytes of pixels per byte of file; real codecs stay under about 1100
FREE_BYTES = 256 << 20  # below this no expansion is suspicious

COMPRESSIONS = (
    *("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab"),
    *("htj2k256", "htj2k32", "lj2k", "zstd"),
)
LOSSLESS = ("none", "rle", "zips", "zip", "piz", "zstd")
"""Compressions that keep every pixel type, bit for bit."""
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32, 256, 1)
_TYPES = ("uint", "half", "float")
_SIZES = {"uint": 4, "half": 2, "float": 4}

# what the spec's own fields and the writer say; never carried as attributes
STRUCTURE = frozenset(
    {
        *("channels", "compression", "dataWindow", "displayWindow", "lineOrder"),
        *("pixelAspectRatio", "tiles", "type", "version", "chunkCount", "maxSamplesPerPixel"),
    }
)


@dataclass(frozen=True)
class Channel:
    """One channel: full name, ``half``, ``float`` or ``uint``, and its subsampling."""

    name: str
    type: str
    x_sampling: int = 1
    y_sampling: int = 1


@dataclass(frozen=True)
class Part:
    """One part's header; of a single-part file, the file's.

    raw: every attribute as it stands in the file; ``attributes`` are those a reader cares for.
    """

    index: int
    name: str | None
    storage: str
    channels: tuple[Channel, ...]
    display: Box
    data: Box
    pixel_aspect: float
    compression: str
    view: str | None
    views: tuple[str, ...]
    raw: Mapping[str, Attribute]

    @property
    def deep(self) -> bool:
        return self.storage.startswith("deep")

    @property
    def attributes(self) -> dict[str, object]:
        """The carried attributes: str, int, float, tuple of str, else ``Attribute``."""
        return {n: plain(a) for n, a in self.raw.items() if n not in STRUCTURE}


def parse(path: str | Path, *, complete: bool = False) -> tuple[Part, ...]:
    """Every part's header, in file order.

    complete: also require the chunk table and the last chunk to lie within the file, as they do
    in every finished EXR.

    Raises MediaError when the file cannot be opened or is not an EXR, and DamagedFile when it is
    truncated, contradicts itself, or asks for more memory than its size can justify.
    """
    with reading(path), open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        return _File(file, size, path).parts(complete)


def encoded_chunks(encoded: bytes | memoryview) -> memoryview:
    """Of a freshly encoded single-part EXR the pixels as they are in the file: all its chunks."""
    data, at = memoryview(encoded), 8
    while data[at]:
        at = _past(data, at)
    return data[int.from_bytes(data[at + 1 : at + 9], "little") :]


def with_attributes(
    encoded: bytes | memoryview, attributes: Mapping[str, object]
) -> tuple[bytes, memoryview]:
    """A freshly encoded single-part EXR with ``attributes`` put into its header: head and rest.

    The OpenEXR package can write neither every type nor text that is not UTF-8, so the bytes go
    in as they are; the chunk table moves on by as much.

    Raises ValueError for a name or value that an EXR header cannot hold.
    """
    data = memoryview(encoded)
    added = {n: packed(value) for n, value in attributes.items() if n not in STRUCTURE}
    head, at, long_names = bytearray(data[:8]), 8, False
    while data[at]:
        end = _past(data, at)
        if bytes(data[at : _zero(data, at)]).decode() not in added:
            head += data[at:end]
        at = end
    for name, attribute in added.items():
        encoded_name, kind = name.encode("utf-8"), attribute.type.encode("utf-8")
        if not all(0 < len(t) < 256 and b"\0" not in t for t in (encoded_name, kind)):
            raise ValueError(f"'{name[:40]}' cannot be an attribute's name or type")
        long_names |= max(len(encoded_name), len(kind)) > 31
        size = struct.pack("<i", len(attribute.data))
        head += encoded_name + b"\0" + kind + b"\0" + size + attribute.data
    head += b"\0"
    head[5] |= 0x04 * long_names
    table = at + 1
    first = int.from_bytes(data[table : table + 8], "little")
    offsets = np.frombuffer(data[table:first], dtype="<u8")
    if int(offsets.min()) != first:
        raise ValueError("its chunks do not follow their table in order")
    moved = offsets + np.uint64(len(head)) - np.uint64(table)
    return bytes(head) + moved.astype("<u8").tobytes(), data[first:]


def _past(data: memoryview, at: int) -> int:
    """Where the attribute that begins here ends."""
    kind_end = _zero(data, _zero(data, at) + 1)
    return kind_end + 5 + int.from_bytes(data[kind_end + 1 : kind_end + 5], "little")


def _zero(data: memoryview, start: int) -> int:
    end = start
    while data[end]:
        end += 1
    return end


class _File:
    """A position in a file that may be shorter than its header says."""

    def __init__(self, file: BinaryIO, size: int, path: str | Path) -> None:
        self.file, self.size, self.path = file, size, path
        self.block, self.block_at, self.at = b"", 0, 0

    def damaged(self, what: str) -> DamagedFile:
        return DamagedFile(what, file=self.path, hint="copy or render this frame again")

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > self.size:
            raise self.damaged(f"truncated: its header ends at byte {self.size}")
        start = self.at - self.block_at
        if start < 0 or start + count > len(self.block):
            self.file.seek(self.at)
            self.block, self.block_at, start = self.file.read(max(count, 8192)), self.at, 0
        self.at += count
        if start + count > len(self.block):
            raise self.damaged("truncated while it was being read")
        return self.block[start : start + count]

    def numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def text(self) -> bytes:
        out = bytearray()
        while (byte := self.take(1)) != b"\0":
            out += byte
            if len(out) > 255:
                raise self.damaged("a name in its header is longer than 255 bytes")
        return bytes(out)

    def parts(self, complete: bool) -> tuple[Part, ...]:
        if self.size < 8 or self.take(4) != MAGIC:
            empty = "it is empty" if self.size == 0 else "it does not begin like one"
            raise self.damaged(f"not an EXR: {empty}")
        (flags,) = self.numbers("I")
        if flags & 0xFF != 2 or flags & ~0x1EFF:
            raise self.damaged(f"EXR version {flags & 0xFF}, flags {flags >> 8:#x} are unknown")
        multipart = bool(flags & 0x1000)
        headers = []
        while raw := self.attributes():
            headers.append(raw)
            if not multipart:
                break
        if not headers:
            raise self.damaged("its header is empty")
        parts = tuple(self.part(i, raw, flags) for i, raw in enumerate(headers))
        if multipart and len({part.name for part in parts}) < len(parts):
            raise self.damaged("two of its parts have one name")
        self.affordable(parts)
        if complete:
            table = self.at
            counts = [self.chunks(part) for part in parts]
            for part, count in zip(parts, counts, strict=True):
                self.chunk_table(part, count, multipart, table + 8 * sum(counts))
        return parts

    def attributes(self) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        while name := self.text():
            kind = self.text()
            (size,) = self.numbers("i")
            # not UTF-8: kept readable, and unique enough
            found[_decoded(name)] = Attribute(_decoded(kind), self.take(size))
        return found

    def part(self, index: int, raw: dict[str, Attribute], flags: int) -> Part:
        def get(name: str, kind: str) -> tuple:
            attribute = raw.get(name)
            if attribute is None or attribute.type != kind or isinstance(attribute.value, bytes):
                raise self.damaged(f"its header has no valid '{name}'")
            return attribute.value

        def window(name: str) -> Box:
            x0, y0, x1, y1 = get(name, "box2i")
            limit = 1 << 30
            if not all(-limit < edge < limit for edge in (x0, y0, x1, y1)):
                raise self.damaged(f"its {name} {(x0, y0, x1, y1)} is beyond all bounds")
            if x1 < x0 or y1 < y0:
                raise self.damaged(f"its {name} is empty")
            return Box(x0, y0, x1 + 1, y1 + 1)

        display, data = window("displayWindow"), window("dataWindow")
        (compression,) = get("compression", "compression")
        if compression >= len(COMPRESSIONS):
            raise self.damaged(f"its compression {compression} is unknown")
        (aspect,) = get("pixelAspectRatio", "float")
        if not 1e-3 < aspect < 1e3:
            aspect = 1.0  # OpenEXR itself only refuses to write such a value
        kind = raw.get("type")
        if flags & 0x1800 and (kind is None or kind.type != "string"):
            raise self.damaged("its header has no part type")
        # in a plain single-part file the flags decide and the attribute is not looked at
        storage = "tiledimage" if flags & 0x200 else "scanlineimage"
        if flags & 0x1800:
            storage = _decoded(kind.data)
        if storage not in ("scanlineimage", "tiledimage", "deepscanline", "deeptile"):
            raise self.damaged(f"its part type '{storage[:40]}' is unknown")
        if storage in ("tiledimage", "deeptile"):
            across, down, mode = get("tiles", "tiledesc")
            if not (0 < across < 1 << 24 and 0 < down < 1 << 24) or mode & 15 > 2 or mode >> 4 > 1:
                raise self.damaged(f"its tiles of {across} x {down} cannot be")
        name = raw.get("name")
        view, views = raw.get("view"), raw.get("multiView")
        several = plain(views) if views is not None else ()
        return Part(
            index=index,
            name=_decoded(name.data) if name is not None else None,
            storage=storage,
            channels=self.channels(raw, data),
            display=display,
            data=data,
            pixel_aspect=aspect,
            compression=COMPRESSIONS[compression],
            view=_decoded(view.data) if view is not None and view.type == "string" else None,
            views=several if isinstance(several, tuple) else (),
            raw=raw,
        )

    def channels(self, raw: Mapping[str, Attribute], data: Box) -> tuple[Channel, ...]:
        listed = raw.get("channels")
        if listed is None or listed.type != "chlist":
            raise self.damaged("its header has no channel list")
        found, at, block = [], 0, listed.data
        while at < len(block) and block[at]:
            end = block.find(b"\0", at)
            if end < 0 or end + 17 > len(block):
                raise self.damaged("its channel list is cut short")
            kind, _, across, down = struct.unpack_from("<iIii", block, end + 1)
            if kind not in (0, 1, 2) or across < 1 or down < 1:
                raise self.damaged("its channel list holds impossible values")
            if data.x0 % across or data.y0 % down or data.width % across or data.height % down:
                raise self.damaged("its subsampled channels do not fit its data window")
            found.append(Channel(_decoded(block[at:end]), _TYPES[kind], across, down))
            at = end + 17
        if not found:
            raise self.damaged("it has no channels")
        if len({channel.name for channel in found}) < len(found):
            raise self.damaged("two of its channels have one name")
        return tuple(found)

    def affordable(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            pixels = part.data.width * part.data.height
            need = pixels * sum(_SIZES[c.type] for c in part.channels)
            if pixels > MAX_PIXELS or need > max(FREE_BYTES, self.size * MAX_EXPANSION):
                raise self.damaged(
                    f"its header asks for {part.data.width} x {part.data.height} pixels "
                    f"({need >> 20} MiB) in a file of {self.size} bytes"
                )

    def chunks(self, part: Part) -> int:
        """How many chunks the part's windows and tiles make."""
        width, height = part.data.size
        if part.storage in ("scanlineimage", "deepscanline"):
            lines = _LINES[COMPRESSIONS.index(part.compression)]
            return -(-height // lines)
        across, down, mode = part.raw["tiles"].value
        up = mode >> 4

        def levels(size: int) -> list[int]:
            out = [size]
            while out[-1] > 1:
                out.append(-(-out[-1] // 2) if up else out[-1] // 2)
            return out

        def tiles(wide: int, high: int) -> int:
            return -(-wide // across) * -(-high // down)

        if mode & 15 == 0:
            return tiles(width, height)
        if mode & 15 == 1:
            longest = len(levels(max(width, height)))
            sizes = [
                [size, *levels(size)[1:], *[1] * longest][:longest] for size in (width, height)
            ]
            return sum(tiles(w, h) for w, h in zip(*sizes, strict=True))
        return sum(tiles(w, h) for w in levels(width) for h in levels(height))

    def chunk_table(self, part: Part, count: int, multipart: bool, first: int) -> None:
        listed = part.raw.get("chunkCount")
        if multipart and (listed is None or listed.value != (count,)):
            raise self.damaged(f"part '{part.name}' does not have the {count} chunks it needs")
        if self.at + 8 * count > self.size:
            raise self.damaged("truncated: its chunk table is cut off")
        offsets = np.frombuffer(self.take(8 * count), dtype="<u8")
        if (offsets == 0).any():
            raise self.damaged("truncated: it was never finished, some chunks are missing")
        if int(offsets.min()) < first or int(offsets.max()) > self.size - 8:
            raise self.damaged(
                f"truncated or overwritten: chunks lie outside its {self.size} bytes"
            )
        after, self.at = self.at, int(offsets.max()) + (4 if multipart else 0)
        self.take(16 if "tile" in part.storage else 4)
        if part.deep:
            _, samples = self.numbers("QQ")
            self.take(8)
            extent = samples
        else:
            (extent,) = self.numbers("i")
        if extent < 0 or self.at + extent > self.size:
            raise self.damaged(f"truncated: its last chunk ends beyond its {self.size} bytes")
        self.at = after


def _decoded(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")
