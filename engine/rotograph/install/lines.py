"""Lines of ours in a file of the artist's own, put in and taken out to the byte."""

from __future__ import annotations

from collections.abc import Sequence

from rotograph.install.wanted import BEGIN, END


def block(lines: Sequence[str], before: bytes) -> bytes:
    """What is put at the end of a file whose content is ``before``: marked, in its line ends."""
    end = b"\r\n" if b"\r\n" in before else b"\n"
    start = b"" if not before or before.endswith(b"\n") else end
    return start + end.join([line.encode() for line in (BEGIN, *lines, END)]) + end


def without(content: bytes, known: bytes) -> bytes:
    """A file's content without our lines; all else stays as it is.

    known: the lines as they were put in. If they are no longer there like that, whatever lies
    between their marks goes.
    """
    if known and known in content:
        return content.replace(known, b"", 1)
    kept, inside = [], False
    for line in content.splitlines(keepends=True):
        text = line.strip()
        if text == BEGIN.encode() and END.encode() in content:
            inside = True
        if not inside:
            kept.append(line)
        if text == END.encode():
            inside = False
    return b"".join(kept)
