"""ReadCryptomatte: the layers of a rendered Cryptomatte as masks, for Track and Matte."""

from __future__ import annotations

import re

import numpy as np

from rotograph.declare import Input, Leaf, Output, Value, node, stage
from rotograph.deliver import cryptoread
from rotograph.errors import GraphError, MediaError, did_you_mean, shown
from rotograph.image import Box
from rotograph.mask import MaskLogits
from rotograph.parameter import File, Names, Text
from rotograph.shape import FrameSet, Shape

_DOUBT = 1.0 / (1.0 + np.exp(8.0))
"""What coverage leaves open where it is 0 or 1: logits of 8 are certain."""
_MOST = 64


@node(version=1, output=Output("Masks", "logits"))
class ReadCryptomatte:
    """Read a Cryptomatte: each of its layers becomes a mask, for Track and Matte.

    The layer's name is that of the Cryptomatte; what a name here may not have (slashes, quotes)
    becomes an underscore, and the id is added.
    """

    plate = Input("Image", help="The plate that the Cryptomatte belongs to.")
    file = File("File", "The Cryptomatte: crypto.####.exr, crypto.%04d.exr or a single EXR.")
    cryptomatte = Text("", "Cryptomatte", "Which, where a file has several. Empty: its first.")
    names = Names(
        "Layers",
        "Which of its layers, by their full names or as <1a2b3c4d>. Empty: all that the manifest "
        "has.",
    )

    def describe(at):
        plate, media = at.shape("plate"), _open(at)
        frames = FrameSet(tuple(f for f in plate.frames if media.still or f in media.frames))
        if not frames:
            raise GraphError("has no frame in common with the plate", hint="check the file")
        return Shape(
            frames,
            tuple(_layers(at, media)),
            overlap="independent",
            plate=plate.plate,
            size=plate.size,
        )

    @stage(per="layer")
    def logits(given, context):
        image, area = given["ranks"], Box(*given["area"])
        if image.spec.display != Box(*given["display"]):
            own, plate = image.spec.display, Box(*given["display"])
            raise MediaError(
                f"the Cryptomatte is {own.width}x{own.height}, but the plate is "
                f"{plate.width}x{plate.height}",
                hint="bring it to the plate's format",
            )
        alpha = np.zeros(area.shape, np.float32)
        both = area.intersect(image.spec.data)
        if both:
            found = cryptoread.coverage(image.pixels, given["identity"])
            alpha[both.within(area)] = found[both.within(image.spec.data)]
        alpha = np.clip(alpha, _DOUBT, 1.0 - _DOUBT)
        return MaskLogits(np.log(alpha / (1.0 - alpha)).astype(np.float32), area)

    @logits.needs
    def logits(at):
        media = _open(at)
        source = _source(at, media)
        chosen = at.open_plate(at.value("file"), 1, part=source.part, channels=source.channels)
        path, index, selection = chosen.place(chosen.frames[0] if media.still else at.frame)
        plate = at.shape("plate")
        return {
            "ranks": Leaf("pixels", path, index, selection),
            "identity": Value(source.identity(_layers(at, media)[at.layer])),
            "area": Value(plate.window),
            "display": Value(plate.display),
        }


def _open(at):
    text = at.value("file")
    if not text:
        raise GraphError("names no file", hint='set "file", such as "crypto.####.exr"')
    media = at.open_plate(text, 1)
    if media.movie:
        raise GraphError("a movie holds no Cryptomatte", hint="name an EXR sequence")
    return media


def _source(at, media):
    return cryptoread.choose(media.file(media.frames[0]), at.value("cryptomatte") or None)


def _layers(at, media):
    """Layer here -> its name in the Cryptomatte."""
    source = _source(at, media)
    wanted = tuple(at.value("names"))
    for name in wanted:
        if source.manifest and name not in source.manifest and not name.startswith("<"):
            raise GraphError(
                f"the Cryptomatte has no layer {shown(name)}",
                hint=did_you_mean(name, source.manifest),
            )
    if not wanted and not source.manifest:
        gone = f": '{source.lost}' is not beside it" if source.lost else ""
        raise GraphError(f"the Cryptomatte has no manifest{gone}", hint="name the layers in names")
    if not wanted and len(source.manifest) > _MOST:
        raise GraphError(
            f"the Cryptomatte has {len(source.manifest)} layers", hint="say in names which to read"
        )
    return {_clean(name, source.identity(name)): name for name in wanted or source.manifest}


def _clean(name, identity):
    """A name that a layer may have (see prompt.layer_name); what was changed has the id in it."""
    clean = re.sub(r"[^\w\- ]", "_", name).strip()
    if not re.match(r"[^\W\d_]", clean):
        clean = f"id {clean}"
    return clean if clean == name and len(name) <= 63 else f"{clean[:54].strip()}_{identity:08x}"
