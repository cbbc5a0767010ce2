"""What Matte is asked to solve: the trimap, from a drawn one or around the edge of a mask, and what
is wired beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rotograph.errors import ComputeError, MissingFrame
from rotograph.image import Box
from rotograph_nodes import working
from rotograph_nodes.band import widen_where_soft
from rotograph_nodes.trimap import (
    defocus_widening,
    keep_middles,
    motion_widening,
    trimap_from_image,
    trimap_from_logits,
)


def asked(given, context, linear, estimate):
    """What is to be solved, from the drawn trimap or the mask, and what the mask believes.

    linear: ``(H, W, 3)``, the plate over its data window, scene-linear. estimate: the model's
    ``estimate_alpha``. Returns ``(H, W)`` float32 of 0, 0.5, 1 and ``(H, W)`` float32 in [0, 1],
    None with a drawn trimap.
    """
    plate, logits = given["plate"], given["logits"]
    if given["trimap"] is not None:
        drawn = _drawn(given["trimap"])
        return trimap_from_image(coverage(drawn, given["layer"], plate)), None
    scores = logits.at(plate.spec.data)
    grid = logits.window.width / logits.logits.shape[1]
    trimap = trimap_from_logits(
        scores,
        inside=context["inside"],
        outside=context["outside"],
        widening=_widening(given, context, linear, scores),
        grid=grid,
    )
    reach = context["outside"] + 2.0 * (grid - 1.0)
    trimap = keep_middles(widen_where_soft(linear, trimap, estimate, reach=reach), scores > 0)
    # what the tracker believes, for limbs too thin for a known inside
    return trimap, 1.0 / (1.0 + np.exp(-scores))


def wired(at, port):
    """The wired picture on this frame; raises MissingFrame when it has none there."""
    found = at.input(port)
    if found is None and at.wired(port) and not at.shape(port).layers:
        raise MissingFrame(
            f"the picture wired to '{port}' has no such frame",
            frame=at.frame,
            hint=f"add the frame, or set 'missing' to hold on '{at.node.inputs[port]}'",
        )
    return found


def coverage(given, layer, plate):
    """``(H, W)`` float32 of a wired picture or mask over the plate's data window."""
    window = plate.spec.data
    if not hasattr(given, "spec"):
        return (given.at(window) > 0).astype(np.float32)
    if given.spec.display.size != plate.spec.display.size:
        raise ComputeError(
            f"a wired picture is {given.spec.display.width}x{given.spec.display.height}, but the "
            f"plate is {plate.spec.display.width}x{plate.spec.display.height}",
            hint="bring it to the plate's format",
        )
    covered = replace(
        given, pixels=given.coverage(layer)[..., None], spec=replace(given.spec, channels=("A",))
    )
    return covered.crop(window)[..., 0]


def _drawn(picture):
    """A trimap without an alpha that is the same everywhere: then its colour is what was drawn."""
    alpha = picture.channel("A")
    if alpha is None or len(picture.spec.channels) == 1 or alpha.min() != alpha.max():
        return picture
    kept = [i for i, name in enumerate(picture.spec.channels) if name != "A"]
    spec = replace(picture.spec, channels=tuple(picture.spec.channels[i] for i in kept))
    return replace(picture, spec=spec, pixels=picture.pixels[..., kept])


def _widening(given, context, linear, scores):
    """``(H, W)`` plate pixels that motion blur and defocus add to the band."""
    added = np.zeros(scores.shape, np.float32)
    if context["defocus"] > 0:
        added += np.float32(context["defocus"]) * defocus_widening(linear, scores)
    if given.get("motion") is not None:
        flow = working.motion_over(
            given["motion"][given["side"]], Box(*given["seen"]), given["plate"].spec.data
        )
        # apart for x and y: the flow is in square pixels, the plate's may be wide ones
        scale = np.divide(scores.shape[::-1], flow.shape[1::-1]).astype(np.float32)
        added = np.maximum(
            added, motion_widening(flow * scale, scores.shape, context["motion_blur"])
        )
    return added
