"""Write: mattes as EXR, with the plate's own geometry, frame numbers and metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rotograph import licence, sequence
from rotograph.card import read_card
from rotograph.declare import Input, Value, node, stage
from rotograph.deliver import cryptomatte
from rotograph.errors import GraphError
from rotograph.exrheader import COMPRESSIONS, LOSSLESS
from rotograph.image import Image
from rotograph.parameter import Bool, Choice, File, Int
from rotograph.shape import Shape
from rotograph.stamped import write_stamped
from rotograph.whole import make_folder, write_whole

SPACE_ATTRIBUTE = "oiio:ColorSpace"
"""Where OpenImageIO, and so most hosts, look for the name of a file's colour space."""

MODELS_ATTRIBUTE = "rotograph/models"
"""The string attribute of a written EXR that names the models behind it and their licences."""

KEYED_ATTRIBUTE = "rotograph/keyed"
"""The string attribute that says, by layer, how much of an edge the screen keyer decided."""

CONTENTS = ("matte", "plate+matte", "premultiplied", "cryptomatte")


@node(version=1)
class Write:
    """Write mattes to EXR files.

    One layer is written as channel A; several as <layer>.A each, and A for their union. With
    {layer} in the name, each layer goes to a file of its own. A Cryptomatte holds all of them.
    """

    image = Input("Mattes", "Masks", help="What to write.")
    file = File(
        "File",
        "Where to: #### or %04d stands for the frame, {layer} for the layer, %V for the plate's "
        "view, {version} for the version. An existing version is never overwritten unless told to.",
    )
    content = Choice(
        "matte",
        CONTENTS,
        "Content",
        "Matte: alpha only. Plate+matte: the plate's RGB untouched, and alpha. Premultiplied: the "
        "foreground's own colour times alpha, scene-linear, for a merge. Cryptomatte: all layers "
        "in one file, 32-bit, each picked by its name.",
    )
    compression = Choice("zip", COMPRESSIONS, "Compression", "How the EXR is compressed.")
    pixel_type = Choice(
        "half",
        ("half", "float"),
        "Pixel type",
        "Bits of a channel: 16 or 32. A plate that is written beside its matte keeps its own.",
    )
    manifest = Choice(
        "header",
        ("header", "sidecar"),
        "Manifest",
        "Where a Cryptomatte has the names of its layers: in the EXR, or in a JSON file beside it.",
    )
    version = Int(
        1,
        "Version",
        "What stands for {version}.",
        minimum=0,
        maximum=9999,
        pixels=False,
        animated=False,
    )
    overwrite = Bool(
        False,
        "Overwrite",
        "Write over files of this version, and over files that Rotograph did not write.",
        pixels=False,
    )

    def describe(at):
        text = at.value("file")
        if not text:
            raise GraphError("names no file", hint='set "file", such as "mattes/matte.####.exr"')
        if not text.lower().endswith(".exr"):
            raise GraphError(f"cannot write '{text}'", hint="name an .exr file")
        shape = at.shape("image")
        if len(shape.frames) > 1 and not sequence.has_frame(text):
            raise GraphError(f"'{text}' has no place for the frame", hint="put #### before .exr")
        if at.value("content") == "cryptomatte":
            _check_cryptomatte(text, at.value("compression"), shape.layers)
        return Shape(shape.frames, shape.layers, plate=shape.plate, size=shape.size)

    def files(at):
        layers = at.own().layers if "{layer}" in at.value("file") else (None,)
        return {
            layer: Path(
                sequence.output_name(
                    at.output_path(at.value("file")),
                    frame=at.frame,
                    layer=layer,
                    version=at.value("version"),
                    view=at.view("image"),
                )
            )
            for layer in layers
        }

    @stage(effect=True, params=("content", "compression", "pixel_type"), colour=True, memory=60)
    def write(given, context):
        """Returns the files written."""
        spec = given["header"]
        names = sorted(given["mattes"], key=given["order"].index)
        alphas = {name: _alpha(given["mattes"][name], spec.data) for name in names}
        written = []
        if context["content"] == "cryptomatte":
            return [_write_cryptomatte(given, context, alphas)]
        for layer, path in context.files.items():
            mine = names if layer is None else [layer]
            channels = _colour(given, context, mine, alphas)
            if layer is None and len(mine) > 1:
                channels |= {f"{name}.A": alphas[name] for name in mine}
            channels["A"] = _union([alphas[name] for name in mine], given["overlap"], spec.data)
            image = Image(
                replace(
                    spec,
                    channels=tuple(channels),
                    alpha="premultiplied" if context["content"] == "premultiplied" else "straight",
                    attributes={
                        **_stated(spec, context),
                        **_made_with(
                            given["models"], {name: given["mattes"][name] for name in mine}
                        ),
                    },
                ),
                np.stack(list(channels.values()), axis=-1),
            )
            make_folder(path.parent)
            kinds = dict.fromkeys(channels, context["pixel_type"])
            if context["content"] == "plate+matte":
                half = given["plate"].pixels.dtype == np.float16
                kinds |= dict.fromkeys("RGB", "half" if half else "float")
            write_stamped(path, image, context.key, context["compression"], kinds)
            written.append(path)
        return written

    @write.needs
    def write(at):
        shape = at.shape("image")
        needs = {
            "header": at.plate("image", "header"),
            "mattes": {name: at.input("image", layer=name) for name in shape.layers},
            "order": Value(shape.layers),
            "overlap": Value(shape.overlap),
            "models": Value(at.used_models()),
            # a layer's own file and one of all layers may come to have the same name
            "apart": Value("{layer}" in at.value("file")),
        }
        if at.value("content") == "cryptomatte":
            stem = cryptomatte.sidecar_stem(sequence.in_view(at.value("file"), at.view("image")))
            needs["sidecar"] = Value(stem if at.value("manifest") == "sidecar" else None)
        elif at.value("content") != "matte":
            needs["plate"] = at.plate("image", "image")
        if at.value("content") == "premultiplied":
            needs["foregrounds"] = {
                name: at.input("image", layer=name, beside="foreground") for name in shape.layers
            }
        return needs


def _check_cryptomatte(text, compression, layers):
    """Raise GraphError, ComputeError for what would make no Cryptomatte."""
    if "{layer}" in text:
        raise GraphError("a Cryptomatte holds all layers", hint="take {layer} out of the name")
    if compression not in LOSSLESS:
        raise GraphError(
            f"{compression} would damage the ids of a Cryptomatte",
            hint=f"set compression to one of {', '.join(LOSSLESS)}",
        )
    cryptomatte.manifest_of(dict.fromkeys(layers))


def _write_cryptomatte(given, context, alphas):
    """The file written, its manifest beside it if that was asked for."""
    (path,) = context.files.values()
    made = cryptomatte.deliver(alphas, given["header"], sidecar=given["sidecar"])
    make_folder(path.parent)
    if made.sidecar is not None:
        name, manifest = made.sidecar
        write_whole(path.with_name(name), manifest)
    write_stamped(path, made.image, context.key, context["compression"], "float")
    return path


def _made_with(models, mattes):
    """The attributes that name the models, and what the screen keyer decided in their place."""
    shares = {name: getattr(matte, "keyed", 0.0) for name, matte in mattes.items()}
    told = [f"{name} {share:.1%} of the edge" for name, share in shares.items() if share > 0]
    if not told:
        return {MODELS_ATTRIBUTE: ", ".join(models)}
    keyer = licence.stated([read_card(Path(__file__).parent / "models" / "cards" / "chroma.toml")])
    named = ", ".join(sorted({*models, *keyer}))
    return {MODELS_ATTRIBUTE: named, KEYED_ATTRIBUTE: ", ".join(told)}


def _alpha(matte, window):
    """``(H, W)`` float32 in [0, 1]; a mask is shown as its probability."""
    if matte is None:
        return np.zeros(window.shape, np.float32)
    if hasattr(matte, "logits"):
        return 1.0 / (1.0 + np.exp(-matte.at(window)))
    return matte.at(window).astype(np.float32)


def _union(alphas, overlap, window):
    """Where any layer is: layers that do not overlap add up, others cover each other."""
    if not alphas:
        return np.zeros(window.shape, np.float32)
    if overlap == "independent":
        return 1.0 - np.prod([1.0 - a for a in alphas], axis=0)
    return np.minimum(np.sum(alphas, axis=0), 1.0)


def _space(spec, context):
    """The space that premultiplied colour is written in: the plate's, if that is scene-linear."""
    space, colour = spec.colour_space, context.colour
    return space if colour.is_linear(space) else colour.scene_linear


def _stated(spec, context):
    """The plate's attributes, and the colour space of R, G and B where those do not tell it."""
    content, told = context["content"], dict(spec.attributes)
    space = _space(spec, context) if content == "premultiplied" else spec.colour_space
    if content == "matte" or (space == spec.colour_space and context.colour.is_linear(space)):
        return told
    if space != spec.colour_space:
        told.pop("chromaticities", None)
    return {**told, SPACE_ATTRIBUTE: space}


def _colour(given, context, names, alphas):
    """R, G and B as the content asks for.

    The plate's own values untouched, or scene-linear colour times alpha (``_space``): a merge
    expects linear light in an EXR, and a product of display values is not the product's.
    """
    if context["content"] == "matte":
        return {}
    plate = given["plate"]
    rgb = plate.rgb()
    if context["content"] == "premultiplied":
        colour, space = context.colour, _space(plate.spec, context)
        linear = colour.to_linear(rgb, plate.spec.colour_space)
        rgb = np.zeros_like(rgb)
        for name in names:
            if given["foregrounds"][name] is not None:
                own = given["foregrounds"][name].over(linear)
                alpha = alphas[name][..., None]
                own = colour.convert(own, colour.scene_linear, space)
                # not a product alone: where there is no matte, a NaN of the plate is 0 too
                rgb += np.multiply(own, alpha, out=np.zeros_like(own), where=alpha > 0)
        if given["overlap"] == "independent" and len(names) > 1:
            # what several layers cover is there once, as in their union
            total = np.sum([alphas[name] for name in names], axis=0)
            union = _union([alphas[name] for name in names], "independent", plate.spec.data)
            rgb *= np.divide(union, total, out=np.ones_like(total), where=total > 0)[..., None]
    return {name: rgb[..., i] for i, name in enumerate("RGB")}
