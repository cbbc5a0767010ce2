"""What the OpenFX plugin tells a host of a node, property by property.

The plugin hands these lists on as they are: what a host is told is decided here, and costs the
binary nothing. Each is ``{"type": …, "strings": {name: [values]}, "ints": …, "doubles": …}``.
"""

from __future__ import annotations

from typing import Any

Told = dict[str, Any]
_FAR = 1e9
_RANGE = 100.0
_RGBA, _FLOAT = "OfxImageComponentRGBA", "OfxBitDepthFloat"
_TYPES = {
    "float": "Double",
    "int": "Integer",
    "bool": "Boolean",
    "choice": "Choice",
    "button": "PushButton",
    "page": "Page",
}
_LINES = ("prompts", "recipe")


def effect(name: str, text: str) -> Told:
    """The node itself. Whole pictures only, for a part of a picture has another digest."""
    return {
        "strings": {
            "OfxPropLabel": [name],
            "OfxPropShortLabel": [name],
            "OfxPropLongLabel": [name],
            "OfxPropPluginDescription": [text],
            "OfxImageEffectPluginPropGrouping": ["Rotograph"],
            "OfxImageEffectPropSupportedContexts": [
                "OfxImageEffectContextFilter",
                "OfxImageEffectContextGeneral",
            ],
            "OfxImageEffectPropSupportedPixelDepths": [_FLOAT],
            "OfxImageEffectPluginRenderThreadSafety": ["OfxImageEffectRenderInstanceSafe"],
            # Natron's; other hosts say that they do not know it
            "NatronOfxImageEffectPropChannelSelector": ["OfxImageComponentNone"],
        },
        "ints": {
            "OfxImageEffectPropSupportsTiles": [0],
            "OfxImageEffectPropSupportsMultiResolution": [1],
            "OfxImageEffectPropTemporalClipAccess": [1],
            "OfxImageEffectPluginPropHostFrameThreading": [0],
        },
    }


def overlay(follows: list[str]) -> Told:
    """What is drawn on the viewer. follows: parameters after whose change it is drawn anew."""
    return {"strings": {"OfxInteractPropSlaveToParam": follows}}


def preferences() -> Told:
    """What every node wants of its wires, and that each frame is another picture."""
    return {
        "strings": {
            "OfxImageClipPropComponents_Source": [_RGBA],
            "OfxImageClipPropComponents_Output": [_RGBA],
            "OfxImageEffectPropPreMultiplication": ["OfxImageAlphaPremultiplied"],
        },
        "ints": {"OfxImageEffectFrameVarying": [1]},
    }


def clip(*, output: bool = False, optional: bool = False) -> Told:
    """An input, or the output."""
    ints = {"OfxImageEffectPropSupportsTiles": [0]}
    if not output:
        ints |= {
            "OfxImageEffectPropTemporalClipAccess": [1],
            "OfxImageClipPropOptional": [int(optional)],
        }
    return {"strings": {"OfxImageEffectPropSupportedComponents": [_RGBA]}, "ints": ints}


def param(said: dict[str, Any]) -> Told:
    """A parameter of nodes.json, declared or the plugin's own."""
    kind = said["kind"]
    strings = {"OfxPropLabel": [said["label"]]}
    told: Told = {"type": f"OfxParamType{_TYPES.get(kind, 'String')}", "strings": strings}
    if said.get("help"):
        strings["OfxParamPropHint"] = [said["help"]]
    if kind == "button":
        return told
    ints: dict[str, list[int]] = {}
    if kind in ("float", "int"):
        told["doubles" if kind == "float" else "ints"] = _numbers(said)
        ints = told.get("ints", ints)
    elif kind == "bool":
        ints["OfxParamPropDefault"] = [int(said["default"])]
    elif kind == "choice":
        strings["OfxParamPropChoiceOption"] = list(said["choices"])
        ints["OfxParamPropDefault"] = [said["choices"].index(said["default"])]
    else:
        mode = "OfxParamStringIsMultiLine" if kind in _LINES else "OfxParamStringIsSingleLine"
        strings |= {"OfxParamPropDefault": [said["default"]], "OfxParamPropStringMode": [mode]}
    if not said.get("animated"):
        ints["OfxParamPropAnimates"] = [0]
    if said.get("hidden"):
        ints["OfxParamPropSecret"] = [1]
    if said.get("still"):
        ints["OfxParamPropEvaluateOnChange"] = [0]
    return {**told, "ints": ints}


def _numbers(said: dict[str, Any]) -> dict[str, list[float]]:
    start, low, high = said["default"], said.get("min", -_FAR), said.get("max", _FAR)
    values = {
        "OfxParamPropDefault": start,
        "OfxParamPropMin": low,
        "OfxParamPropMax": high,
        "OfxParamPropDisplayMin": low if "min" in said else start - _RANGE,
        "OfxParamPropDisplayMax": high if "max" in said else start + _RANGE,
    }
    number = int if said["kind"] == "int" else float
    return {name: [number(value)] for name, value in values.items()}


def pages(own: list[dict[str, Any]], params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A page of each name that the parameters give, in their order; the own ones on the first."""
    children: dict[str, list[str]] = {}
    for said in params:
        named = children.setdefault(said["page"], [] if children else [o["name"] for o in own])
        named.append(said["name"])
    return [
        {
            "name": f"page{page}",
            "ofx": {
                "type": "OfxParamTypePage",
                "strings": {"OfxPropLabel": [page], "OfxParamPropPageChild": names},
            },
        }
        for page, names in children.items()
    ]
