"""Values that travel beside the pixels: an EXR's attributes, bit for bit, as Python values."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

# name -> struct of the attribute types that are plain numbers
_NUMBERS = {
    **{"box2i": "4i", "box2f": "4f", "chromaticities": "8f", "double": "d", "envmap": "B"},
    **{"float": "f", "int": "i", "keycode": "7i", "rational": "iI", "timecode": "II"},
    **{"m33f": "9f", "m33d": "9d", "m44f": "16f", "m44d": "16d", "tiledesc": "IIB"},
    **{"v2i": "2i", "v2f": "2f", "v2d": "2d", "v3i": "3i", "v3f": "3f", "v3d": "3d"},
    **{"compression": "B", "lineOrder": "B", "deepImageState": "B"},
}


@dataclass(frozen=True)
class Attribute:
    """An EXR attribute that is not plainly text, whole number or float: its type and its bytes.

    The bytes are the file's own (little endian), so every type comes back bit for bit: timecode,
    keycode, rational, chromaticities, boxes, vectors, matrices, preview, ID manifest, and types
    that nobody here knows.
    """

    type: str
    data: bytes

    @classmethod
    def of(cls, type: str, *numbers: float) -> Attribute:
        """An attribute of a numeric type, such as ``Attribute.of("rational", 24000, 1001)``."""
        try:
            if type == "floatvector":
                return cls(type, struct.pack(f"<{len(numbers)}f", *numbers))
            return cls(type, struct.pack("<" + _NUMBERS[type], *numbers))
        except (KeyError, struct.error) as error:
            raise ValueError(f"{numbers} are not the numbers of a '{type}'") from error

    @property
    def value(self) -> tuple[float, ...] | bytes:
        """Its numbers in the file's order, or the bytes when the type is not numeric."""
        if self.type == "floatvector" and len(self.data) % 4 == 0:
            return struct.unpack(f"<{len(self.data) // 4}f", self.data)
        layout = _NUMBERS.get(self.type)
        if layout is None or struct.calcsize("<" + layout) != len(self.data):
            return self.data
        return struct.unpack("<" + layout, self.data)


def plain(attribute: Attribute) -> object:
    """An attribute as an everyday Python value where that loses nothing, else itself."""
    if attribute.type == "string":
        try:
            return attribute.data.decode("utf-8")
        except UnicodeDecodeError:
            return attribute
    if attribute.type == "stringvector":
        try:
            # an empty one stays as it is: () would not say of what
            return tuple(t.decode("utf-8") for t in _strings(attribute.data)) or attribute
        except (UnicodeDecodeError, struct.error, ValueError):
            return attribute
    if attribute.type in ("int", "float") and len(attribute.data) == 4:
        value = attribute.value[0]
        return value if value == value else attribute
    return attribute


def packed(value: object) -> Attribute:
    """The reverse of ``plain``; also takes bool and numpy scalars and vectors of numbers.

    Raises ValueError for what no EXR attribute can hold.
    """
    if isinstance(value, Attribute):
        return value
    if isinstance(value, str):
        return Attribute("string", value.encode("utf-8"))
    if isinstance(value, (bool, int, np.integer)):
        value = int(value)
        if -(2**31) <= value < 2**31:
            return Attribute.of("int", value)
        return Attribute("string", str(value).encode())
    if isinstance(value, (float, np.floating)):
        single = np.float32(value)
        exact = float(single) == float(value) or value != value
        return Attribute.of("float" if exact else "double", float(value))
    if isinstance(value, (list, tuple, np.ndarray)):
        items = list(value)
        if items and all(isinstance(item, str) for item in items):
            texts = [item.encode("utf-8") for item in items]
            return Attribute("stringvector", b"".join(struct.pack("<i", len(t)) + t for t in texts))
        try:
            return Attribute.of("floatvector", *(float(item) for item in items))
        except (TypeError, ValueError):
            pass
    raise ValueError(f"a {type(value).__name__} cannot be an EXR attribute")


def _strings(data: bytes) -> list[bytes]:
    texts, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<i", data, at)
        if size < 0 or at + 4 + size > len(data):
            raise ValueError("a string runs over its attribute")
        texts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return texts
