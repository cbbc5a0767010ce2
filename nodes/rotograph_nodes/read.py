"""Read: the plate, as it is on disk."""

from __future__ import annotations

import re
from dataclasses import replace

from rotograph import sequence
from rotograph.declare import Leaf, Output, Value, node, stage
from rotograph.errors import GraphError, MediaError, RotographError
from rotograph.image import Box
from rotograph.parameter import Choice, File, Int, Text
from rotograph.shape import FrameSet, Shape


@node(version=1, output=Output("Image", "image"))
class Read:
    """Read a plate: an EXR sequence, other stills, or a movie. Nothing is clamped or converted."""

    file = File("File", "The plate: plate.####.exr, plate.%04d.exr, a single picture, or a movie.")
    colour_space = Text(
        "",
        "Colour space",
        "The plate's OCIO colour space. Empty: by the configuration's file rules, else by the "
        "file's own attributes, else scene-linear.",
        pixels=False,
    )
    part = Text(
        "",
        "Part",
        "Which part of a multi-part EXR, by name or number. Empty: the first.",
        pixels=False,
    )
    layer = Text(
        "",
        "Layer",
        "Which layer of an EXR, such as 'diffuse'. Empty: R, G, B and A.",
        pixels=False,
    )
    view = Text(
        "",
        "View",
        "Which view of a stereo plate, by name: of a file that holds several (empty: its first), "
        "and what stands for %V in a file's name.",
        pixels=False,
    )
    missing = Choice(
        "error",
        ("error", "hold", "skip"),
        "Missing frames",
        "What to do about a frame that is not on disk: stop and name it, use the frame before it, "
        "or leave it out.",
        pixels=False,
    )
    first_frame = Int(
        1, "First frame", "The number of a movie's first frame.", animated=False, pixels=False
    )

    def describe(at):
        plate = _open(at)
        frames = tuple(plate.frames)
        if not frames:
            raise GraphError("the plate has no frames", hint="check the file")
        gaps = sorted(set(range(frames[0], frames[-1] + 1)).difference(frames))
        spec = plate.spec(frames[0])
        if max(spec.data.size) > _LONGEST:
            raise MediaError(
                f"is {spec.data.width}x{spec.data.height}, and no side may be over {_LONGEST}",
                frame=frames[0],
                file=plate.file(frames[0]),
                hint="crop it or scale it down",
            )
        missing, stands_in = at.value("missing"), {}
        for frame in gaps if missing == "hold" else ():
            stands_in[frame] = stands_in.get(frame - 1, frame - 1)
        return Shape(
            FrameSet((*frames, *stands_in)),
            plate=at.node.name,
            view=at.value("view"),
            stands_in=stands_in,
            holds=missing == "hold",
            absent={f: plate.path(f) for f in gaps} if missing == "error" else {},
            still=plate.still,
            size=spec.data.size,
            display=tuple(spec.display.to_list()),
            window=tuple(_seen(spec).to_list()),
        )

    @stage(stored=False, colour=True)
    def image(given, context):
        """The frame, with its colour space stated."""
        image = given["pixels"]
        wanted = Box(*given["display"])
        if image.spec.display != wanted:
            raise MediaError(
                f"the frame is {_format(image.spec.display)}, but the plate began as "
                f"{_format(wanted)}",
                hint="bring all frames to one format",
            )
        spec = replace(image.spec, colour_space=given["colour_space"])
        return replace(image, spec=spec)

    @image.needs
    def image(at):
        plate = _open(at)
        return {
            "pixels": _leaf(at, plate, "pixels"),
            "colour_space": Value(_space(at, plate)),
            "display": Value(at.own().display),
        }

    @stage(stored=False, colour=True)
    def header(given, context):
        """The frame's spec with all its attributes, without pixels."""
        return replace(given["spec"], colour_space=given["colour_space"])

    @header.needs
    def header(at):
        plate = _open(at)
        return {
            "spec": _leaf(at, plate, "attributes"),
            "colour_space": Value(_space(at, plate)),
        }


_LONGEST = (1 << 15) - 2
"""The longest side of a picture that OpenCV can move along a motion field."""
_FAR = 4
"""A data window is looked at apart when the picture around it would be so many times larger."""


def _seen(spec):
    """What models look at: the format and its overscan, even where a frame has fewer pixels."""
    both = spec.display.union(spec.data)
    largest = max(box.width * box.height for box in (spec.display, spec.data))
    return both if both.width * both.height <= _FAR * largest else spec.data


def _format(box):
    at = f" at {box.x0},{box.y0}" if (box.x0, box.y0) != (0, 0) else ""
    return f"{box.width}x{box.height}{at}"


def _open(at):
    text = at.value("file")
    if not text:
        raise GraphError("names no file", hint='set "file", such as "plate.####.exr"')
    choice = {name: at.value(name) or None for name in ("part", "layer", "view")}
    one = sequence.in_view(text, at.value("view"))
    if one != text:  # each view has files of its own
        text, choice["view"] = one, None
    if choice["part"] is not None and re.fullmatch("[0-9]{1,9}", choice["part"]):
        choice["part"] = int(choice["part"])
    return at.open_plate(text, start=at.value("first_frame"), **choice)


def _space(at, plate):
    """The plate's colour space: one for the whole sequence, from its first frame."""
    try:
        return at.plate_space(plate, at.value("colour_space") or None)
    except RotographError as error:
        raise error.located(file=plate.file(plate.frames[0])) from None


def _leaf(at, plate, kind):
    frame = at.own().stands_in.get(at.frame, at.frame)
    path, index, selection = plate.place(frame)
    return Leaf(kind, path, index, selection)
