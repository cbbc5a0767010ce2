"""Coverage-guided fuzzing of the decoder: python tests/wire/fuzz.py CORPUS -max_total_time=600

Needs the package atheris, and engine/ and plugin/ on the path; CORPUS may begin as a copy of the
vectors. Whatever it finds becomes a vector in make.py.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["rotograph", "rotograph_host"]):
    from rotograph import wire
    from rotograph_host import framing


def one(data: bytes) -> None:
    """Refused, or whole: then it must survive being said again, and both decoders must agree."""
    try:
        bodies = framing.Inbox().feed(data)
    except framing.WireError:
        return
    for body in bodies:
        for decode in (wire.from_client, wire.from_engine):
            try:
                message = decode(body)
            except framing.WireError:
                continue
            again = wire.encode(message)[framing.HEADER.size :]
            assert decode(again) == message
            plain = framing.unpack(again)
            assert decode(framing.pack(plain)[framing.HEADER.size :]) == message
        try:
            plain = framing.unpack(body)
        except framing.WireError:
            continue
        framing.pack(plain)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
