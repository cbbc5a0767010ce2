"""Frames that clients lent to the engine: which segment holds which, and when it goes back.

The pixels stay in the client's segments; the engine only keeps the descriptors. A frame is
forgotten when its room is needed (the least recently used first) or its client asks, and its
segment goes back as soon as no job reads it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from rotograph import wire
from rotograph_host import segment as shared
from rotograph_host.framing import WireError

BUDGET = 2 << 30
"""Bytes of frames that are kept on the chance that they are asked for again."""


@dataclass(eq=False)
class Lending:
    """One client's segment. users: (job or naming, frame), for who reads what in it now."""

    number: int
    client: int
    name: int
    descriptor: int
    bytes: int
    frames: set[str] = field(default_factory=set)
    users: set[tuple[object, object]] = field(default_factory=set)
    lent: bool = False
    closing: bool = False


@dataclass(frozen=True)
class Held:
    """Where a frame's pixels are."""

    lending: Lending
    offset: int
    picture: wire.Picture
    format: wire.Format
    bytes: int


class Lendings:
    """Every segment and frame that clients lent.

    give_back: called with a segment that its client may use again. closed: with one that is gone.
    """

    def __init__(
        self,
        give_back: Callable[[Lending], None],
        closed: Callable[[Lending], None],
        budget: int = BUDGET,
    ) -> None:
        self._give_back = give_back
        self._closed = closed
        self._budget = budget
        self._segments: dict[tuple[int, int], Lending] = {}
        self._frames: OrderedDict[str, Held] = OrderedDict()
        self._count = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def segments(self) -> int:
        return len(self._segments)

    def register(self, client: int, name: int, descriptor: int, size: int) -> None:
        """A new segment; the descriptor is ours from here on. Raises WireError."""
        try:
            shared.check(descriptor, size)
            old = self._segments.get((client, name))
            if old is not None and old.lent:
                raise WireError(f"segment {name} is still the engine's")
            mine = sum(1 for c, _ in self._segments if c == client)
            if old is None and mine >= wire.MAX_SEGMENTS:
                raise WireError(f"a client may have {wire.MAX_SEGMENTS} segments")
        except WireError:
            os.close(descriptor)
            raise
        if old is not None:
            self._close(old)
        self._count += 1
        self._segments[client, name] = Lending(self._count, client, name, descriptor, size)

    def borrow(self, client: int, message: wire.Pixels) -> Held:
        """The segment that a frame message speaks of, the engine's from now; raises WireError."""
        lending = self._segments.get((client, message.segment))
        if lending is None:
            raise WireError(f"there is no segment {message.segment}")
        size = wire.picture_bytes(message.picture, message.format)
        if message.offset % 64 or message.offset + size > lending.bytes:
            raise WireError(
                f"segment {message.segment} has {lending.bytes} bytes: a frame of {size} does not "
                f"lie at {message.offset} (a multiple of 64)"
            )
        lending.lent = True
        lending.closing = False
        return Held(lending, message.offset, message.picture, message.format, size)

    def keep(self, digest: str, held: Held) -> bool:
        """Know a frame by its digest; False when it is known already. Makes room for it."""
        if digest in self._frames:
            self._frames.move_to_end(digest)
            self.settle(held.lending)
            return False
        self._frames[digest] = held
        held.lending.frames.add(digest)
        self.bytes += held.bytes
        for old in list(self._frames):
            if self.bytes <= self._budget or old == digest:
                break
            if not self._frames[old].lending.users:
                self.forget(old)
        return True

    def find(self, digest: str) -> Held | None:
        """The frame, which counts as used now."""
        held = self._frames.get(digest)
        if held is not None:
            self._frames.move_to_end(digest)
        return held

    def forget(self, digest: str) -> None:
        held = self._frames.pop(digest, None)
        if held is not None:
            held.lending.frames.discard(digest)
            self.bytes -= held.bytes
            self.settle(held.lending)

    def reclaim(self, client: int, name: int) -> None:
        """The client wants a segment back."""
        lending = self._segments.get((client, name))
        if lending is not None:
            self._empty(lending)
            self.settle(lending)

    def unuse(self, who: object, what: object = None) -> None:
        """A job, or a naming, does not read a frame any more; or, with None, nothing at all."""
        for lending in list(self._segments.values()):
            gone = {(w, f) for w, f in lending.users if w == who and what in (None, f)}
            if gone:
                lending.users -= gone
                self.settle(lending)

    def unread(self) -> None:
        """Nobody reads anything any more."""
        for lending in list(self._segments.values()):
            lending.users.clear()
            self.settle(lending)

    def leave(self, client: int) -> None:
        """The client is gone: its segments go as soon as nothing reads them."""
        for (owner, _), lending in list(self._segments.items()):
            if owner == client:
                lending.closing = True
                self._empty(lending)
                self.settle(lending)

    def settle(self, lending: Lending) -> None:
        """Give a segment back, or close it, when nothing is in it and nothing reads it."""
        if lending.frames or lending.users:
            return
        if lending.closing:
            self._close(lending)
        elif lending.lent:
            lending.lent = False
            self._give_back(lending)

    def _empty(self, lending: Lending) -> None:
        for digest in list(lending.frames):
            self.bytes -= self._frames.pop(digest).bytes
        lending.frames.clear()

    def _close(self, lending: Lending) -> None:
        if self._segments.get((lending.client, lending.name)) is lending:
            del self._segments[lending.client, lending.name]
        os.close(lending.descriptor)
        self._closed(lending)
