"""The Groups of Nuke's toolbar, from the declarations:

    python -m rotograph.generate.nuke gizmos/nuke

Three kinds. ``RotographMatte.gizmo`` holds the OpenFX plugin and shows its knobs, linked, so that
an edit reaches the plugin as if it were made there. ``RotographMatteFiles.gizmo`` has the knobs
itself and works through files, where no plugin loads. ``RotoPrecomp.gizmo`` bakes what comes in.
All are written as ``Group``: a script that holds one opens where Rotograph is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rotograph.generate import nk
from rotograph.generate.hosted import PROMPTS, Hosted, Knob, hosted_nodes
from rotograph.generate.icons import icon_files
from rotograph.parameter import Param
from rotograph.whole import write_whole

ICON_SIZE = 24
PLUGIN = "Plugin"
"""The OpenFX node's name within a Group."""
_SLIDER = 100.0
"""Where a slider ends whose parameter has no greatest value."""
_KINDS = {"float": nk.FLOAT, "int": nk.INT, "bool": nk.BOOL, "choice": nk.CHOICE, "file": nk.FILE}


def gizmo_files(nodes: Iterable[Hosted] | None = None) -> dict[str, bytes]:
    """File name -> content of everything generated for Nuke."""
    files = dict(icon_files(ICON_SIZE))
    for node in hosted_nodes() if nodes is None else nodes:
        files[f"Rotograph{node.name}.gizmo"] = with_plugin(node).encode()
        files[f"Rotograph{node.name}Files.gizmo"] = through_files(node).encode()
    files["RotoPrecomp.gizmo"] = precomp().encode()
    return files


def with_plugin(node: Hosted) -> str:
    """The Group around the OpenFX node, whose knobs it shows."""
    knobs = []
    for page, listed in _pages(node.knobs):
        knobs.append(nk.user(nk.TAB, page))
        if len(knobs) == 1:
            knobs += [
                nk.user(nk.LINK, o.name, o.label, o.help, f"T {PLUGIN}.{o.name}")
                for o in node.shown
            ]
        knobs += [
            nk.user(nk.LINK, k.name, k.declared.label, k.tooltip, f"T {PLUGIN}.{k.name}")
            for k in listed
        ]
    knobs.append(
        nk.button(
            "clicks",
            "Prompts on the viewer",
            "Opens the plugin's own panel, with which its points and boxes appear on the viewer.",
            f'nuke.thisNode().node("{PLUGIN}").showControlPanel()',
        )
    )
    inside = [*_inputs(node), nk.node(node.nuke_class, name=PLUGIN, inputs=len(node.ports))]
    return _group(f"Rotograph{node.name}", node, knobs, inside)


def through_files(node: Hosted) -> str:
    """The Group with knobs of its own: Render writes the graph and the mattes, and a Read has them.

    Prompts come from the viewer's handles of a box and a point.
    """
    module = "rotograph_host.nuke_files"
    knobs = []
    for page, listed in _pages(node.knobs):
        knobs.append(nk.user(nk.TAB, page))
        for knob in listed:
            knobs += _own(knob)
        if any(k.name == PROMPTS for k in listed):
            knobs += _prompting(module)
    knobs += [
        nk.user(nk.TAB, "Files"),
        nk.user(
            nk.FILE,
            "folder",
            "Folder",
            "Where the graph file and the mattes go. Empty: 'rotograph' beside the script.",
        ),
        nk.user(
            nk.CHOICE,
            "way",
            "Rendered by",
            "Engine: the one that all share, with progress and cancel. Command: a process of its "
            "own, where the engine cannot be reached.",
            "M {engine command}",
        ),
        nk.button(
            "render",
            "Render mattes",
            "Writes the graph file, renders it, and reads the mattes.",
            f"import {module}\n{module}.render(nuke.thisNode())",
        ),
        nk.button(
            "live",
            "Show the plate",
            "Shows what comes in instead of the mattes of last time.",
            f"import {module}\n{module}.live(nuke.thisNode())",
            more="-STARTLINE",
        ),
        nk.button(
            "read",
            "Create Read",
            "Makes a Read of the finished mattes in the script.",
            f"import {module}\n{module}.create_read(nuke.thisNode())",
            more="-STARTLINE",
        ),
        nk.user(nk.FILE, "mattes", "Mattes", "What was rendered last."),
        nk.user(nk.BOOL, "ready", "Mattes are there", "Off: the plate is handed on as it is."),
    ]
    inside = [
        *_inputs(node)[:-1],
        nk.node("Read", inputs=0, file="", name="Mattes", raw="true", on_error="error"),
        _inputs(node)[-1],
        "set N1 [stack 0]",
        nk.node("Copy", inputs=2, from0="rgba.alpha", to0="rgba.alpha", name="WithMatte"),
        "push $N1",
        nk.node("Switch", inputs=2, which="{{parent.ready}}", name="Ready"),
    ]
    return _group(f"Rotograph{node.name}Files", node, knobs, inside)


def precomp() -> str:
    """The Group that bakes what comes in to EXR and then reads the files."""
    module = "rotograph_host.nuke_precomp"
    knobs = [
        nk.user(nk.TAB, "RotoPrecomp"),
        nk.user(nk.FILE, "file", "File", "Where the EXR files go, such as precomp/matte.####.exr."),
        nk.user(
            nk.CHOICE,
            "pixel_type",
            "Pixel type",
            "Bits of a channel. Range: 16 bit half, 32 bit.",
            'M {"16 bit half" "32 bit float"}',
        ),
        nk.user(nk.INT, "first", "First frame", "The first frame to bake."),
        " first 1001",
        nk.user(nk.INT, "last", "Last frame", "The last frame to bake."),
        " last 1100",
        nk.button(
            "bake",
            "Bake",
            "Renders the range to the files and reads them from then on.",
            f"import {module}\n{module}.bake(nuke.thisNode())",
        ),
        nk.button(
            "reuse",
            "Use files",
            "Reads files that are there already; all of the range must be.",
            f"import {module}\n{module}.use(nuke.thisNode())",
            more="-STARTLINE",
        ),
        nk.user(
            nk.BOOL,
            "use",
            "Read the files",
            "On: the files are read, and neither the plugin nor the engine is asked. Off: what "
            "comes in is handed on.",
        ),
    ]
    inside = [
        nk.node("Input", inputs=0, name="Input1"),
        "set N1 [stack 0]",
        nk.node(
            "Write",
            channels="rgba",
            file='"\\[value parent.file]"',
            raw="true",
            file_type="exr",
            datatype="{{parent.pixel_type}}",
            create_directories="true",
            name="Bake",
            disable="{{parent.use}}",
        ),
        nk.node(
            "Read",
            inputs=0,
            file='"\\[value parent.file]"',
            raw="true",
            on_error="error",
            name="Baked",
        ),
        "push $N1",
        nk.node("Switch", inputs=2, which="{{parent.use}}", name="Which"),
    ]
    said = "Bakes what comes in to EXR and reads it back, so that a farm needs no engine."
    return nk.group("RotoPrecomp", said, 1, "", knobs, inside)


def _group(name: str, node: Hosted, knobs: list[str], inside: list[str]) -> str:
    return nk.group(name, node.help, len(node.ports), node.name, knobs, inside)


def _pages(knobs: Iterable[Knob]) -> list[tuple[str, list[Knob]]]:
    pages: dict[str, list[Knob]] = {}
    for knob in knobs:
        pages.setdefault(knob.page, []).append(knob)
    return list(pages.items())


def _inputs(node: Hosted) -> list[str]:
    """The Group's inputs, the plate last: a node takes its first input from the stack's top."""
    found = []
    for number, (port, _) in enumerate(node.ports):
        more = {"number": str(number)} if number else {}
        found.append(nk.node("Input", inputs=0, name=port, **more))
    return found[::-1]


def _own(knob: Knob) -> list[str]:
    """A knob with its range and default."""
    param = knob.declared
    kind, more = _KINDS.get(param.kind, nk.TEXT), ""
    if kind in (nk.FLOAT, nk.INT):
        more = f"R {_least(param):g} {_greatest(param):g}"
    elif kind == nk.CHOICE:
        more = "M {" + " ".join(nk.word(c) for c in param.choices) + "}"
    elif kind == nk.BOOL:
        more = "+STARTLINE"
    lines = [nk.user(kind, knob.name, param.label, knob.tooltip, more)]
    default = _default(param)
    return [*lines, f" {knob.name} {default}"] if default else lines


def _least(param: Param) -> float:
    return param.minimum if param.minimum is not None else min(0.0, float(param.default))


def _greatest(param: Param) -> float:
    return param.maximum if param.maximum is not None else max(_SLIDER, 2 * float(param.default))


def _default(param: Param) -> str:
    if param.default in ("", (), False):
        return ""
    if param.default is True:
        return "true"
    return nk.word(param.default) if isinstance(param.default, str) else f"{param.default:g}"


def _prompting(module: str) -> list[str]:
    """Handles and buttons that put prompts into the knob of that name."""

    def button(name: str, label: str, tooltip: str, call: str, more: str = "-STARTLINE") -> str:
        return nk.button(name, label, tooltip, f"import {module}\n{module}.{call}", more)

    return [
        nk.user(nk.LABEL, "prompting", "Say on this frame", more="+STARTLINE"),
        nk.user(nk.TEXT, "layer", "Layer", "Which layer is meant, such as person_01."),
        " layer layer_01",
        nk.user(nk.BOX, "box", "Box", "A box on the viewer: the layer is inside."),
        " box {200 200 600 600}",
        button(
            "add_box",
            "Add box",
            "The layer is inside this box, on this frame.",
            "add_box(nuke.thisNode())",
        ),
        nk.user(nk.XY, "point", "Point", "A point on the viewer."),
        " point {400 400}",
        button(
            "add_inside",
            "Add: inside",
            "The point is on the layer, on this frame.",
            "add_point(nuke.thisNode(), True)",
        ),
        button(
            "add_outside",
            "Add: outside",
            "The point is not on the layer, on this frame.",
            "add_point(nuke.thisNode(), False)",
        ),
        button(
            "delete",
            "Delete of this frame",
            "Forgets what was said of the layer here.",
            "delete(nuke.thisNode())",
            "+STARTLINE",
        ),
        nk.user(nk.LABEL, "said", "Said so far", more=f"T {nk.word('nothing yet')}"),
    ]


if __name__ == "__main__":
    for _name, _content in gizmo_files().items():
        write_whole(Path(sys.argv[1]) / _name, _content)
