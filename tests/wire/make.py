"""Makes the vectors beside it: python tests/wire/make.py

``accepted/<direction>-<name>.msg`` holds one message as it goes over the wire, header and JSON;
clients in other languages read and write these. ``refused/<direction>-<name>.msg`` must be
refused, and end nothing but the connection that it came on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from rotograph import wire
from rotograph.environment import pixel_digest
from rotograph.image import Image
from rotograph.wired import image_spec
from rotograph_host import framing

HERE = Path(__file__).parent
DIGEST = "00112233445566778899aabbccddeeff"
ENVIRONMENT = wire.Environment(
    store="/cache/rotograph",
    ocio="ocio://default",
    store_limit="53687091200",
    licences="commercial",
    variables={"SHOT": "sh010"},
    models="/studio/models",
)
PICTURE = wire.Picture(
    (0, 0, 4096, 2160), (-16, -16, 4112, 2176), ["R", "G", "B", "A"], 2.0, "ACEScg", "premultiplied"
)
PLATE = wire.Plate(PICTURE, {"1001": DIGEST, "-1": "f" * 32})
GRAPH = {"rotograph": 1, "nodes": {"plate": {"type": "Read", "file": "café.####.exr"}}}
WORK = {"id": 5, "environment": ENVIRONMENT, "graph": GRAPH, "folder": "/shows/x"}
FULL = {
    **WORK,
    "path": "/shows/x/shot.json",
    "frames": [1001, 1002],
    "plates": {"plate": PLATE},
    "priority": "interactive",
    "view": "viewer1",
}


def messages() -> Iterator[tuple[str, object]]:
    """Every message of the wire: once with every field, and once with as few as may be."""
    yield "client-hello", wire.Hello(wire.PROTOCOL, "0.1.0", "natron 2.5")
    yield "client-status", wire.Status(1)
    yield "client-stop", wire.Stop(framing.MAX_WHOLE)
    yield "client-offer", wire.Offer(2, [DIGEST, "f" * 32])
    yield "client-segment", wire.Segment(0, 1 << 20)
    yield "client-frame", wire.Pixels(3, PICTURE, 0, "float16", 64, DIGEST)
    yield "client-frame-without-digest", wire.Pixels(3, PICTURE, 0)
    yield "client-reclaim", wire.Reclaim([0, 1])
    yield "client-release", wire.Release(7)
    yield "client-cancel", wire.Cancel(5)
    yield "client-plan", wire.Plan(**FULL, output="/out", read=True)
    yield "client-plan-short", wire.Plan(**WORK)
    yield "client-render", wire.Render(**FULL, output="/out", jobs=4, memory="4294967296")
    yield "client-render-short", wire.Render(**WORK)
    yield "client-track", wire.Track(**FULL, node="track", layers=["hero"])
    yield (
        "client-matte",
        wire.Mattes(**FULL, node="matte", layers=["hero"], format="float16", outlines=True),
    )
    yield "client-freeze", wire.Freeze(**{**FULL, "frames": [1001]}, node="matte", layer="hero")
    yield "engine-hello", wire.Welcome(wire.PROTOCOL, "0.1.0", "0123456789abcdef")
    yield "engine-need", wire.Need(2, [DIGEST])
    yield "engine-progress", wire.Progress(5, "rendering", 3, 24, 2, "matte")
    yield (
        "engine-result",
        wire.Result(5, {"written": 24, "x": "Infinity", "y": str(1 << 63)}),
    )
    yield (
        "engine-error",
        wire.Error(
            "MissingFrame", "the frame is missing", 5, "plate", 1003, "/x/a.1003.exr", "render it"
        ),
    )
    yield "engine-error-of-the-connection", wire.Error("WireError", "a message was refused")
    yield "engine-segment", wire.Segment(1000001, 1 << 20)
    yield "engine-release", wire.Release(0)


def nonsense() -> Iterator[tuple[str, bytes]]:
    """What must be refused, each for one reason."""
    pack, status = framing.HEADER.pack, b'{"type":"status","id":1}'
    deep = b'{"type":"status","id":' + b"[" * 64 + b"]" * 64 + b"}"
    for name, body in (
        ("not-json", b"status"),
        ("not-utf8", b'{"type":"hello","protocol":1,"version":"\xff"}'),
        ("array", b"[]"),
        ("nothing-inside", b"{}"),
        ("unknown-type", b'{"type":"shell","id":1}'),
        ("unknown-field", status[:-1] + b',"more":1}'),
        ("missing-field", b'{"type":"status"}'),
        ("nan", b'{"type":"status","id":NaN}'),
        ("fraction", b'{"type":"status","id":1.5}'),
        ("negative-id", b'{"type":"status","id":-1}'),
        ("id-over-53-bits", b'{"type":"status","id":9007199254740992}'),
        ("id-of-5000-digits", b'{"type":"status","id":' + b"9" * 5000 + b"}"),
        ("id-as-text", b'{"type":"status","id":"1"}'),
        ("digest-too-short", b'{"type":"offer","id":1,"digests":["00"]}'),
        ("digest-with-newline", b'{"type":"offer","id":1,"digests":["' + b"0" * 32 + b'\\n"]}'),
        ("path-not-absolute", wire.encode(wire.Render(**WORK))[4:].replace(b'"/shows/x"', b'"x"')),
        ("path-with-zero", wire.encode(wire.Render(**WORK))[4:].replace(b"/shows/x", b"/x\\u0000")),
        ("too-deep", deep),
        ("trailing", status + b" 1"),
    ):
        yield f"client-{name}", pack(len(body)) + body
    yield "client-length-zero", pack(0) + status
    yield "client-length-over-the-limit", pack(framing.MAX_MESSAGE + 1) + status
    yield "client-length-4-gib", pack(0xFFFFFFFF) + status


def vectors() -> dict[str, bytes]:
    """Every file of this folder but the scripts, by its name."""
    made = {f"accepted/{name}.msg": wire.encode(message) for name, message in messages()}
    made |= {f"refused/{name}.msg": data for name, data in nonsense()}
    return made | {"digest.json": json.dumps(list(digests()), indent=1).encode() + b"\n"}


def digests() -> Iterator[dict[str, object]]:
    """Frames with their digests: the picture, its float32 pixels in hexadecimal."""
    for channels in (["R", "G", "B", "A"], ["R", "G", "B"], ["A"], ["depth", "A", "B", "G", "R"]):
        picture = wire.Picture((0, 0, 3, 2), (-1, 0, 2, 2), channels, 1.5)
        pixels = np.arange(6 * len(channels), dtype="<f4").reshape(2, 3, -1) / 8 - 1
        pixels[0, 1, 0], pixels[1, 2, 0] = np.nan, np.inf
        yield {
            "picture": msgspec.to_builtins(picture),
            "pixels": pixels.tobytes().hex(),
            "digest": pixel_digest(Image(image_spec(picture), pixels)).hex(),
        }


if __name__ == "__main__":
    for name, data in vectors().items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
