"""Prompts as text in a knob: put in and taken out, for hosts without the plugin's overlay."""

import json

from rotograph_host.chain import HostError, prompts


def add_box(text, frame, layer, box):
    """With a box more, (x0, y0, x1, y1) in plate pixels, y down; one box a layer and frame."""
    x0, y0, x1, y1 = box
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise HostError("the box is empty; draw it around the object first")
    kept = [p for p in prompts(text) if not ("box" in p and _at(p, frame, layer))]
    return _text([*kept, {"frame": frame, "layer": _layer(layer), "box": [x0, y0, x1, y1]}])


def add_point(text, frame, layer, point, positive=True):
    """With a point more, (x, y) in plate pixels, y down; positive: it is on the layer."""
    prompt = {"frame": frame, "layer": _layer(layer), "point": list(point), "positive": positive}
    return _text([*prompts(text), prompt])


def delete(text, frame, layer):
    """Without what was said about a layer on a frame."""
    return _text([p for p in prompts(text) if not _at(p, frame, layer)])


def summary(text):
    """For the artist: ``hero: 1001 (1 box, 2 points)``, a line for each layer and frame."""
    counts = {}
    for prompt in prompts(text):
        kind = next((k for k in ("box", "point", "mask") if k in prompt), "prompt")
        here = counts.setdefault((prompt.get("layer", "?"), prompt.get("frame", 0)), {})
        here[kind] = here.get(kind, 0) + 1
    plural = {"box": "boxes"}
    return "\n".join(
        "{}: {} ({})".format(
            layer,
            frame,
            ", ".join(
                "{} {}".format(n, k if n == 1 else plural.get(k, k + "s")) for k, n in kinds.items()
            ),
        )
        for (layer, frame), kinds in sorted(counts.items())
    )


def _at(prompt, frame, layer):
    return prompt.get("frame") == frame and prompt.get("layer") == layer


def _layer(name):
    if not name.strip():
        raise HostError("name the layer first, such as person_01")
    return name.strip()


def _text(found):
    found.sort(key=lambda p: (p.get("frame", 0), str(p.get("layer", ""))))
    return json.dumps(found)
