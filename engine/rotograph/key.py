"""The key: the 128-bit name of one result, a digest of the recipe that makes it.

One typed, canonical encoding: every value is written as a tag, its length and its bytes, so that
no two values share an encoding (``1`` and ``"1"``, ``[1, 23]`` and ``[12, 3]``). Children enter
by their own keys (a Merkle tree). The digests are pinned in the tests: a change here makes
every store in the world cold, so raise ``FORMAT`` only on purpose.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

FORMAT = b"rotograph.key.1"
SIZE = 16


def encode(value: Any) -> bytes:
    """The canonical bytes of a value made of None, bool, int, float, str, bytes, sequences, maps.

    Maps are ordered by their encoded names. ``-0.0`` is written as ``0.0``; a NaN is refused.
    Objects say what they are through a ``to_json`` method.

    Raises TypeError for anything else.
    """
    match value:
        case None:
            return b"n"
        case True:
            return b"t"
        case False:
            return b"f"
        case int():
            return _tagged(b"i", str(value).encode())
        case float():
            if value != value:
                raise TypeError("NaN has no place in a key")
            return b"d" + struct.pack("<d", value + 0.0)
        case str():
            return _tagged(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return _tagged(b"b", value)
        case Mapping():
            items = sorted((encode(name), encode(v)) for name, v in value.items())
            return _tagged(b"m", b"".join(a + b for a, b in items))
        case list() | tuple():
            return _tagged(b"l", b"".join(encode(v) for v in value))
        case _ if hasattr(value, "to_json"):
            return encode(value.to_json())
    raise TypeError(f"a {type(value).__name__} has no canonical encoding")


def _tagged(tag: bytes, data: bytes) -> bytes:
    return tag + struct.pack("<Q", len(data)) + data


def digest(value: Any) -> bytes:
    """16 bytes that name a value."""
    return hashlib.blake2b(encode(value), digest_size=SIZE, person=FORMAT).digest()


class Recipe:
    """The part of a recipe that many frames share, hashed once and then copied.

    operator, version, stage: what computes. settings: the pixel parameters it reads, the
    model's identity, the colour configuration.
    """

    __slots__ = ("_hash",)

    def __init__(
        self, operator: str, version: int, stage: str, settings: Mapping[str, Any]
    ) -> None:
        self._hash = hashlib.blake2b(digest_size=SIZE, person=FORMAT)
        self._hash.update(encode((operator, version, stage, settings)))

    def key(self, needs: list[tuple[str, int, bytes]]) -> bytes:
        """The key of one result.

        needs: for everything it receives, in the declared order: the name it is received under,
        its frame's offset from this one (0 where frames mean nothing) and its key.
        """
        made = self._hash.copy()
        for name, offset, child in needs:
            text = name.encode()
            made.update(b"k%d:%s%d:" % (len(text), text, offset))
            made.update(child)
        return made.digest()
