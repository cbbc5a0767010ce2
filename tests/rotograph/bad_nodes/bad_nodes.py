"""A package of nodes and a model that break every rule once; what its checks must find."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.image import Box
from rotograph.matte import Matte
from rotograph.parameter import Bool, Float
from rotograph.shape import Shape

CARDS = Path(__file__).parent / "cards"
_visits = itertools.count()


def _pass(at):
    return {"matte": at.input("matte")}


def _shape(at):
    return at.shape("matte")


@node(version=1, output=Output("Mattes", "made"))
class Silent:
    """Gain"""

    matte = Input("Mattes", help="")
    gain = Float(1.0, "", "", minimum=0.0, maximum=0.5)
    describe = _shape

    @stage(per="layer", params=("gain",), tier="mattes")
    def made(given, context):
        return given["matte"]

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Deaf:
    """A gain that no stage names, so that no key moves."""

    matte = Input("Mattes", help="The matte.")
    gain = Float(1.0, "Gain", "How much.", minimum=0.0, maximum=1.0)
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return given["matte"]

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Thief:
    """Reads a parameter that its stage did not name."""

    matte = Input("Mattes", help="The matte.")
    gain = Float(1.0, "Gain", "How much.", minimum=0.0, maximum=1.0)
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return replace(given["matte"], alpha=given["matte"].alpha * np.float16(context["gain"]))

    @made.needs
    def made(at):
        return {**_pass(at), "animated": Value(at.value("gain"))}


@node(version=1, output=Output("Mattes", "made"))
class Fussy:
    """A note for people makes everything dirty."""

    matte = Input("Mattes", help="The matte.")
    flag = Bool(False, "Flag", "A mark for people.", pixels=False)
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return given["matte"]

    @made.needs
    def made(at):
        return {**_pass(at), "flag": Value(at.value("flag"))}


@node(version=1, output=Output("Mattes", "made"))
class Sly:
    """A switch that is declared to move no pixels turns the matte round."""

    matte = Input("Mattes", help="The matte.")
    invert = Bool(False, "Invert", "Inside out.", pixels=False)
    describe = _shape

    @stage(per="layer", params=("invert",), tier="mattes")
    def made(given, context):
        alpha = given["matte"].alpha
        return replace(given["matte"], alpha=1 - alpha if context["invert"] else alpha)

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Flat:
    """A parameter per layer that is read once for all of them."""

    matte = Input("Mattes", help="The matte.")
    gain = Float(1.0, "Gain", "How much.", minimum=0.0, maximum=1.0, per_layer=True)
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return replace(given["matte"], alpha=given["matte"].alpha * np.float16(given["gain"]))

    @made.needs
    def made(at):
        return {**_pass(at), "gain": Value(at.node.value("gain"))}


@node(version=1, output=Output("Mattes", "made"))
class Vain:
    """Has its own name in its keys."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return given["matte"]

    @made.needs
    def made(at):
        return {**_pass(at), "name": Value(at.node.name)}


@node(version=1, output=Output("Mattes", "made"))
class Moody:
    """Needs something else each time it is asked."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return given["matte"]

    @made.needs
    def made(at):
        return {**_pass(at), "when": Value(next(_visits))}


@node(version=1, output=Output("Mattes", "made"))
class Counting:
    """Has a hidden counter, so that the order of visits shows."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        fade = np.float16(1.0 / (1 + next(_visits) % 7))
        return replace(given["matte"], alpha=given["matte"].alpha * fade)

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Herd:
    """Layers that are computed together come out otherwise than alone."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return given["matte"]

    made.needs(_pass)

    @made.layers
    def made(given, contexts):
        share = np.float16(1 / len(given))
        return [replace(g["matte"], alpha=g["matte"].alpha * share) for g in given]


@node(version=1, output=Output("Mattes", "made"))
class Scribbler:
    """Writes into what it was given."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        given["matte"].alpha.flags.writeable = True
        given["matte"].alpha[:] *= np.float16(0.5)
        return given["matte"]

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Cropped:
    """Forgets overscan."""

    plate = Input("Image", help="The plate.")
    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        window = Box(*given["display"])
        return Matte(window, given["matte"].at(window))

    @made.needs
    def made(at):
        return {**_pass(at), "display": Value(at.shape("plate").display)}


@node(version=1, output=Output("Mattes", "made"))
class Bright:
    """Goes over 1."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return replace(given["matte"], alpha=given["matte"].alpha * np.float16(2))

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Fragile:
    """Cannot bear a NaN in the plate."""

    plate = Input("Image", help="The plate.")
    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        if not np.isfinite(given["plate"].pixels).all():
            raise ValueError("what is this")
        return given["matte"]

    @made.needs
    def made(at):
        return {**_pass(at), "plate": at.input("plate")}


@node(version=1, output=Output("Mattes", "made"))
class Foreign:
    """Gives something of its own that nobody can keep."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return object()

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Broken:
    """Fails on everything."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape

    @stage(per="layer", tier="mattes")
    def made(given, context):
        raise ZeroDivisionError("no")

    made.needs(_pass)


@node(version=1, output=Output("Mattes", "made"))
class Shapeless:
    """Delivers nothing, whatever is wired."""

    matte = Input("Mattes", help="The matte.")

    def describe(at):
        return Shape(frames=())

    @stage(per="layer", tier="mattes")
    def made(given, context):
        return given["matte"]

    made.needs(_pass)


@node(version=1)
class Pointless:
    """Gives nothing and writes nothing."""

    matte = Input("Mattes", help="The matte.")
    describe = _shape


class Matter:
    def __init__(self, supply):
        pass

    def estimate_alpha(self, linear, trimap, hint=None):
        unknown = trimap == 0.5
        return np.where(unknown, np.float32(1 / (1 + next(_visits))), trimap)


class Segmenter:
    def __init__(self, supply):
        pass

    def encode(self, picture):
        return {"picture": picture}

    def segment(self, features, asked, prior=None):
        return features["picture"][::2, ::2, 0].astype(np.float64)


NODES = (
    Silent, Deaf, Thief, Fussy, Sly, Flat, Vain, Moody, Counting, Herd, Scribbler, Cropped, Bright,
    Fragile,
    Foreign, Broken, Shapeless, Pointless, "Nonsense",
)  # fmt: skip
