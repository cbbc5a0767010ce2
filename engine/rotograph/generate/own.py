"""Parameters that the OpenFX plugin gives a node beside the declared ones.

They lie in nodes.json with the rest, and the gizmos and PyPlugs show them; what each does is in
plugin/ofx.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Own:
    """One of the plugin's own.

    prompting: only on a node that takes prompts. moves: whether it changes the picture, so that a
    host renders anew. hidden: not shown in a panel.
    """

    name: str
    kind: Literal["button", "choice", "text", "bool", "recipe"]
    label: str
    help: str
    choices: tuple[str, ...] = ()
    default: str | bool = ""
    prompting: bool = False
    moves: bool = True
    hidden: bool = False

    @property
    def start(self) -> str | bool:
        """The value of a new node."""
        return self.choices[0] if self.choices and not self.default else self.default

    def to_json(self) -> dict[str, Any]:
        """As a parameter of nodes.json."""
        said: dict[str, Any] = {"name": self.name, "kind": self.kind, "label": self.label}
        said |= {"help": self.help, "default": self.start}
        if self.choices:
            said["choices"] = list(self.choices)
        if not self.moves:
            said["still"] = True
        if self.hidden:
            said["hidden"] = True
        return said


_ALL = (
    Own(
        "track_button",
        "button",
        "Track",
        "Look at the whole plate and compute every frame in the engine, with progress; press again "
        "after an edit. Rendering is a look-up then.",
    ),
    Own(
        "track_button_backward",
        "button",
        "Track backward",
        "As Track, from this frame back to the first one.",
        prompting=True,
    ),
    Own(
        "track_button_previous",
        "button",
        "Track one frame back",
        "As Track, the frame before this one only; the viewer goes there.",
        prompting=True,
    ),
    Own(
        "track_button_next",
        "button",
        "Track one frame on",
        "As Track, the frame after this one only; the viewer goes there.",
        prompting=True,
    ),
    Own(
        "track_button_forward",
        "button",
        "Track forward",
        "As Track, from this frame on to the last one.",
        prompting=True,
    ),
    Own(
        "clicks_shown",
        "bool",
        "Show overlay",
        "Prompts, outlines of the layers and anchors on the viewer, and clicks on it.",
        default=True,
        prompting=True,
        moves=False,
    ),
    Own(
        "clicks_tool",
        "choice",
        "Click",
        "What a click on the viewer does. Inside: a point on the layer; with Shift a point that is "
        "not; dragged, a box. Outside: a point that is not on the layer. Box: drag a box. Remove: "
        "take away the point or box under the pen, as Delete does with any tool. Dragging a point, "
        "a corner or a side moves it.",
        ("Inside", "Outside", "Box", "Remove"),
        prompting=True,
        moves=False,
    ),
    Own(
        "clicks_layer",
        "text",
        "Layer",
        "For which layer a click speaks, such as person_01.",
        default="layer_01",
        prompting=True,
        moves=False,
    ),
    Own(
        "output",
        "choice",
        "Output",
        "Matte: the plate untouched, the matte in alpha; what the next Rotograph node needs. The "
        "others are for looking and for delivery.",
        ("Matte", "Premultiplied", "One layer", "Overlay", "Boxes"),
    ),
    Own("show_layer", "text", "Shown layer", "For Output: One layer, which."),
    Own(
        "colour_space",
        "text",
        "Colour space",
        "The plate's OCIO colour space here. Empty: scene-linear.",
    ),
    Own(
        "recipe",
        "recipe",
        "Recipe",
        "What the node computed when Track was pressed.",
        moves=False,
        hidden=True,
    ),
)
_BEFORE = "clicks_layer"


def own_params(prompts: Iterable[str]) -> tuple[Own, ...]:
    """What the plugin gives a node beside its declared parameters, in the panel's order.

    prompts: labels of the node's parameters that hold prompts. Where there are several, the artist
    chooses which of them a click goes to.
    """
    labels = tuple(prompts)
    made = []
    for own in _ALL:
        if own.prompting and not labels:
            continue
        if own.name == _BEFORE and len(labels) > 1:
            made.append(
                Own(
                    "clicks_for",
                    "choice",
                    "Clicks are",
                    "Which of the node's prompts a click on the viewer adds to.",
                    labels,
                    prompting=True,
                    moves=False,
                )
            )
        made.append(own)
    return tuple(made)
