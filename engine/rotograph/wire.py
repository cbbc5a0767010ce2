"""The messages between a client and the engine: their fields, types and limits (docs/wire.md).

Every message is one frozen class here; the JSON schema, the documentation's tables and the checks
on what comes in are made from these classes. Framing is ``rotograph_host.framing``'s.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from rotograph_host import framing
from rotograph_host.framing import WireError

PROTOCOL = 1
"""Raised when an older client or engine would misunderstand a message."""
MAX_SEGMENTS = 64
"""Segments that one client may have registered."""
MAX_REQUESTS = 256
"""Requests that one client may have in flight."""

Id = Annotated[int, Meta(ge=0, le=framing.MAX_WHOLE)]
Frame = Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
Short = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=4096)]
Path = Annotated[str, Meta(max_length=4096, pattern=r"^(/[^\x00]*)?\Z")]
"""An absolute path, or nothing."""
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Big = Annotated[str, Meta(pattern=r"^\d{1,20}\Z")]
"""An integer of up to 64 bits, as decimal digits."""
Segments = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 36)]
Frames = Annotated[list[Frame], Meta(max_length=1_000_000)]
Digests = Annotated[list[Digest], Meta(max_length=100_000)]
FrameText = Annotated[str, Meta(pattern=r"^-?\d{1,10}\Z")]
Coordinate = Annotated[int, Meta(ge=-(1 << 24), le=1 << 24)]
Window = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Priority = Literal["interactive", "batch"]
Format = Literal["float16", "float32"]
ITEM = {"float16": 2, "float32": 4}
"""Bytes of one number of a pixel."""


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """What several messages have in common, or a part of one."""


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Anything that is sent."""


class Environment(Part):
    """What decides pixels outside the graph, and where results are kept.

    ocio: a config's path or ``ocio://`` name, the client's ``$OCIO``; empty for the built-in one.
    variables: of the client's process, those that the config may name (its context variables).
    store: the folder of results. store_limit: its size in bytes. models: a folder of weights, the
    client's ``$ROTOGRAPH_MODELS``. licences: the licence policy, empty for the studio's. device:
    what networks must run on, the client's ``$ROTOGRAPH_DEVICE``; empty for the best there is.
    """

    store: Path
    ocio: Text = ""
    variables: Annotated[dict[Name, Text], Meta(max_length=1000)] = {}
    models: Path = ""
    store_limit: Big | None = None
    licences: Literal["", "commercial", "research", "any"] = ""
    device: Short = ""


class Picture(Part):
    """What a frame sent over the wire is, apart from its pixels: as in OpenEXR, y down.

    display, data: the display and data window (x0, y0, x1, y1), half-open. channels: in the order
    of memory. colour_space: an OCIO name, or empty when the host does not say.
    """

    display: Window
    data: Window
    channels: Annotated[list[Name], Meta(min_length=1, max_length=64)]
    pixel_aspect: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    colour_space: Short = ""
    alpha: Literal["none", "straight", "premultiplied"] = "none"


class Plate(Part):
    """A plate that lies in no file: frame number -> digest. picture: what each frame is."""

    picture: Picture
    frames: Annotated[dict[FrameText, Digest], Meta(min_length=1, max_length=1_000_000)]


# -- from the client ---------------------------------------------------------------------------


class Hello(Message, tag="hello"):
    """The first message. client: who is calling, such as "natron 2.5"."""

    protocol: Id
    version: Short
    client: Short = ""


class Status(Message, tag="status"):
    """Ask how the engine is."""

    id: Id


class Stop(Message, tag="stop"):
    """End the engine, whatever it is doing; what is finished is kept."""

    id: Id


class Offer(Message, tag="offer"):
    """Ask which of these frames the engine lacks; answered by ``need``."""

    id: Id
    digests: Digests


class Segment(Message, tag="segment"):
    """A shared segment, whose descriptor comes with this message; both sides send it.

    A number names the segment on this connection, apart for each side.
    """

    segment: Segments
    bytes: Annotated[int, Meta(ge=1, le=1 << 36)]


class Pixels(Message, tag="frame"):
    """A frame's pixels, in a segment that is the engine's until it says ``release``.

    Rows from the top, without padding, channels interleaved, as numbers of ``format``. digest:
    of these pixels; empty when the client cannot compute it. Answered by a result with the digest.
    """

    id: Id
    picture: Picture
    segment: Segments
    format: Format = "float32"
    offset: Bytes = 0
    digest: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?\Z")] = ""


class Reclaim(Message, tag="reclaim"):
    """Ask for segments back; ``release`` follows for each as soon as nothing reads it."""

    segments: Annotated[list[Segments], Meta(max_length=MAX_SEGMENTS)]


class Release(Message, tag="release"):
    """Give a segment back to the side that made it; both sides send it."""

    segment: Segments


class Cancel(Message, tag="cancel"):
    """Give up a request, which is then answered by the error ``Cancelled`` (or had finished)."""

    id: Id


class Work(Message):
    """What every request about a graph says.

    graph: the document. path: its file (for what lies beside it), or empty; folder: what its
    relative paths are relative to. frames: None for all. view: a newer request of this client for
    the same view cancels the older one. plates: Read node -> the plate that it stands for.
    """

    id: Id
    environment: Environment
    graph: dict[str, Any]
    folder: Path
    path: Path = ""
    frames: Frames | None = None
    plates: Annotated[dict[Name, Plate], Meta(max_length=64)] = {}
    priority: Priority = "batch"
    view: Short = ""


class Plan(Work, tag="plan"):
    """What a render would do. read: read plate frames never read before."""

    output: Path = ""
    read: bool = False


class Render(Work, tag="render"):
    """Make the files of the graph's Write nodes. output: write below this folder.

    jobs: results computed at the same time. memory: bytes to aim for. spare: write over no file
    that holds another result of ours either.
    """

    output: Path = ""
    jobs: Annotated[int, Meta(ge=1, le=256)] | None = None
    memory: Big | None = None
    spare: bool = False


class Track(Work, tag="track"):
    """Compute a node's results on a range, and keep them in the store. layers: empty for all."""

    node: Name = "track"
    layers: Annotated[list[Name], Meta(max_length=4096)] = []


class Mattes(Work, tag="matte"):
    """A node's alpha on one frame, as pixels. layers: empty for all; a plate gives its own A.

    frames: exactly one. outlines: where each passes a half, too.
    """

    node: Name = "matte"
    layers: Annotated[list[Name], Meta(max_length=4096)] = []
    format: Format = "float32"
    outlines: bool = False


class Freeze(Work, tag="freeze"):
    """What the first correction of a layer on a frame would freeze there; looked up, not computed.

    node: whose result is on screen. layer: whose mask. frames: exactly one.
    """

    node: Name = "track"
    layer: Name = "layer"


# -- from the engine ---------------------------------------------------------------------------


class Welcome(Message, tag="hello"):
    """The answer to ``hello``. instance: differs for each engine process that ever ran."""

    protocol: Id
    version: Short
    instance: Short


class Need(Message, tag="need"):
    """Frames whose pixels the engine lacks: of an offer, or to go on with a request."""

    id: Id
    digests: Digests


class Progress(Message, tag="progress"):
    """How a request goes; at least four times a second until its result.

    stage: "waiting", "reading" or "rendering". now: the node at work. written: frames.
    """

    id: Id
    stage: Literal["waiting", "reading", "rendering"]
    done: Id = 0
    total: Id = 0
    written: Id = 0
    now: Short = ""


class Result(Message, tag="result"):
    """The last word on a request that went well. value: see the request."""

    id: Id
    value: dict[str, Any]


class Error(Message, tag="error"):
    """The last word on a request that did not; without an id, on the connection, which ends.

    kind: a class of errors.py, or "WireError", "ProtocolError". The rest: as the class has it.
    """

    kind: Name
    message: str
    id: Id | None = None
    node: str | None = None
    frame: Frame | None = None
    file: str | None = None
    hint: str | None = None


FromClient = (
    Hello | Status | Stop | Offer | Segment | Pixels | Reclaim | Release | Cancel
    | Plan | Render | Track | Mattes | Freeze
)  # fmt: skip
FromEngine = Welcome | Need | Progress | Result | Error | Segment | Release

_ENCODER = msgspec.json.Encoder()
_FROM_CLIENT = msgspec.json.Decoder(FromClient)
_FROM_ENGINE = msgspec.json.Decoder(FromEngine)


def encode(message: Struct) -> bytes:
    """Header and JSON of a message; raises WireError when it is too large or too deep."""
    return framing.frame(_ENCODER.encode(message))


def from_client(body: bytes) -> Any:
    """The message in JSON bytes that a client sent; raises WireError that names the field."""
    return _decode(_FROM_CLIENT, body)


def from_engine(body: bytes) -> Any:
    """The message in JSON bytes that an engine sent; raises WireError that names the field."""
    return _decode(_FROM_ENGINE, body)


def _decode(decoder: msgspec.json.Decoder, body: bytes) -> Any:
    framing.check_depth(body)
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise WireError(f"a message was refused: {error}") from None


def request_id(body: bytes) -> int | None:
    """The id in a message that was refused, if one can be made out, to answer it."""
    try:
        found = msgspec.json.decode(body, type=_Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return found


class _Named(Struct):
    id: Id | None = None


def schema() -> dict[str, Any]:
    """The JSON schema of every message, by direction."""
    directions = {"from_client": get_args(FromClient), "from_engine": get_args(FromEngine)}
    types = [t for group in directions.values() for t in group]
    types_made, parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    by_type = dict(zip(types, types_made, strict=True))
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Rotograph wire, protocol {PROTOCOL}",
        "$defs": parts
        | {name: {"anyOf": [by_type[t] for t in group]} for name, group in directions.items()},
    }
    # JSON schema's $ is the very end, as Python's \Z is
    return msgspec.json.decode(msgspec.json.encode(made).replace(rb"\\Z", b"$"))


def picture_bytes(picture: Picture, format: Format) -> int:
    """Bytes of a frame's pixels; raises WireError when it has none or its windows are turned."""
    x0, y0, x1, y1 = picture.data
    dx0, dy0, dx1, dy1 = picture.display
    if x1 <= x0 or y1 <= y0 or dx1 <= dx0 or dy1 <= dy0:
        raise WireError("a picture's window is empty or turned around")
    if len(set(picture.channels)) != len(picture.channels):
        raise WireError("a picture has two channels of one name")
    return (x1 - x0) * (y1 - y0) * len(picture.channels) * ITEM[format]
