"""The values on the wires as records of the store, and back, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from rotograph.attribute import Attribute
from rotograph.image import Box, Image, ImageSpec
from rotograph.layer import Detection, Detections
from rotograph.mask import MaskLogits
from rotograph.matte import Foreground, Matte
from rotograph.record import BadRecord, Record


def pack(value: Any) -> Record:
    """The record that keeps ``value``, bit for bit.

    An Image with its attributes, MaskLogits, Matte, Foreground, Detections, a dict of arrays, or
    what JSON can say. Raises TypeError for anything else.
    """
    match value:
        case Image():
            spec = value.spec
            meta = {
                "display": spec.display.to_list(),
                "data": spec.data.to_list(),
                "channels": list(spec.channels),
                "pixel_aspect": spec.pixel_aspect,
                "colour_space": spec.colour_space,
                "alpha": spec.alpha,
                "attributes": {k: _attribute(v) for k, v in spec.attributes.items()},
            }
            return Record("image", meta, {"pixels": value.pixels})
        case MaskLogits():
            meta = {"window": value.window.to_list(), "confidence": float(value.confidence)}
            return Record("logits", meta, {"logits": value.logits})
        case Matte():
            meta = {"window": value.window.to_list(), "confidence": float(value.confidence)}
            if value.keyed:
                meta["keyed"] = float(value.keyed)
            return Record("matte", meta, {"alpha": value.alpha})
        case Foreground():
            arrays = {"indices": value.indices, "colour": value.colour}
            return Record("foreground", arrays=arrays)
        case Detections():
            boxes = [
                [d.layer, int(d.frame), list(map(float, d.box)), float(d.score)]
                for d in value.boxes
            ]
            return Record("detections", {"boxes": boxes})
        case dict() if value and all(isinstance(v, np.ndarray) for v in value.values()):
            return Record("arrays", arrays=value)
        case _ if _is_plain(value):
            return Record("json", {"value": value})
    raise TypeError(f"a {type(value).__name__} cannot be kept in the store")


def unpack(record: Record) -> Any:
    """The value that ``pack`` was given; arrays are read-only. Raises BadRecord."""
    meta, arrays = record.meta, record.arrays
    try:
        match record.kind:
            case "image":
                spec = ImageSpec(
                    Box(*meta["display"]),
                    Box(*meta["data"]),
                    tuple(meta["channels"]),
                    meta["pixel_aspect"],
                    meta["colour_space"],
                    meta["alpha"],
                    {k: _value(kind, v) for k, (kind, v) in meta["attributes"].items()},
                )
                return Image(spec, arrays["pixels"])
            case "logits":
                return MaskLogits(arrays["logits"], Box(*meta["window"]), meta["confidence"])
            case "matte":
                confidence, keyed = meta["confidence"], meta.get("keyed", 0.0)
                return Matte(Box(*meta["window"]), arrays["alpha"], confidence, keyed)
            case "foreground":
                return Foreground(**arrays)
            case "detections":
                return Detections(
                    tuple(
                        Detection(layer, frame, tuple(box), score)
                        for layer, frame, box, score in meta["boxes"]
                    )
                )
            case "arrays":
                return dict(arrays)
            case "json":
                return meta["value"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadRecord(f"{record.kind}: {error}") from error
    raise BadRecord(f"unknown kind {record.kind!r}")


def _attribute(value: object) -> list[Any]:
    """``[kind, JSON]`` of an image's attribute, as ``exrheader`` gives them."""
    if isinstance(value, Attribute):
        return [value.type, value.data.hex()]
    if isinstance(value, tuple) and all(type(v) is str for v in value):
        return ["", list(value)]
    if _is_plain(value):
        return [None, value]
    raise TypeError(f"an attribute of type {type(value).__name__} cannot be kept in the store")


def _value(kind: str | None, kept: Any) -> object:
    if kind is None:
        return kept
    return Attribute(kind, bytes.fromhex(kept)) if kind else tuple(kept)


def _is_plain(value: Any) -> bool:
    """Whether JSON brings ``value`` back as it was: lists and no tuples, keys of str."""
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(k) is str and _is_plain(v) for k, v in value.items())
    return value is None or type(value) in (bool, int, float, str)
