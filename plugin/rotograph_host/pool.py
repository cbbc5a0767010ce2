"""Segments that are lent to the engine and come back, used again and again."""

from rotograph_host import segment


class Pool:
    """The client's segments, numbered from 0."""

    LIMIT = 1 << 30
    """Bytes of all segments, unless a single one is larger."""
    MOST = 64

    def __init__(self):
        self._order = []
        self._segments = {}
        self._free = set()
        self._count = 0

    def take(self, size):
        """(number, map, descriptor if it is new) with room for size bytes; None: wait for one."""
        fitting = [n for n in self._free if len(self._segments[n]) >= size]
        if fitting:
            number = min(fitting, key=lambda n: len(self._segments[n]))
            descriptor = None
        else:
            held = sum(len(m) for m in self._segments.values())
            full = len(self._segments) >= self.MOST or held + size > self.LIMIT
            if self._segments and full and not self._free:
                return None
            if full and self._free:
                number = next(iter(self._free))  # too small: the engine takes a new one by its name
            else:
                number, self._count = self._count, self._count + 1
            descriptor, self._segments[number] = segment.create(-(-size // 4096) * 4096)
        self._free.discard(number)
        self._order = [n for n in self._order if n != number] + [number]
        return number, self._segments[number], descriptor

    def oldest(self):
        """The number of the segment that the engine has had for longest."""
        return next(n for n in self._order if n not in self._free)

    def release(self, number):
        """The engine has given a segment back."""
        if number in self._segments:
            self._free.add(number)
