"""Nuke's nodes as ``chain`` wants to see them, and Reads of what came out."""

import os

import nuke

from rotograph_host.chain import Animated, HostError, Node, Passing, Plate
from rotograph_host.declared import node_of, table

MARK = "rotograph"
"""The hidden knob that says which node a Group is."""

_PASSING = ("Dot", "NoOp")


def look(node):
    """What a Nuke node is; raises HostError for one that changes the picture."""
    if node.Class() in _PASSING or _off(node):
        return Passing(node.input(0))
    kind = kind_of(node)
    if kind is not None:
        return Node(node.fullName(), kind, _values(node, kind), _inputs(node, kind))
    if node.Class() == "Read":
        return _plate(node)
    raise HostError(
        f"{node.name()} ({node.Class()}): changes the picture before the engine reads it from "
        "disk; write it out first, or wire the Rotograph node to the Read"
    )


def kind_of(node):
    """``Matte`` for our node or a Group around it; None for another."""
    mark = node.knob(MARK)
    if mark is not None:
        return mark.value() if mark.value() in table()["nodes"] else None
    return node_of(node.Class())


def upstream(node):
    """``node`` and every node that it hangs on, each once, the nearest first."""
    found, waiting = [], [node]
    while waiting:
        here = waiting.pop(0)
        if here is None or any(here.fullName() == f.fullName() for f in found):
            continue
        found.append(here)
        waiting += [here.input(i) for i in range(here.inputs())]
    return found


def create_read(pattern, frames, beside=None, name="Mattes"):
    """A Read of finished mattes, below ``beside``; its pixels are taken as they are."""
    for chosen in nuke.selectedNodes():
        chosen.setSelected(False)
    read = nuke.createNode("Read", inpanel=False)
    fill_read(read, pattern, frames)
    read["label"].setValue(name)
    if beside is not None:
        read.setXYpos(beside.xpos(), beside.ypos() + 90)
    return read


def fill_read(read, pattern, frames):
    """Point a Read at a sequence: its range, raw, and an error where a frame is missing."""
    read["file"].setValue(pattern.replace("\\", "/"))
    for name, value in (
        ("first", min(frames)),
        ("last", max(frames)),
        ("origfirst", min(frames)),
        ("origlast", max(frames)),
        ("raw", True),
        ("on_error", "error"),
    ):
        if read.knob(name) is not None:
            read[name].setValue(value)


def folder():
    """Where mattes go unless told otherwise: ``rotograph`` beside the script."""
    script = nuke.root().name()
    if not script or script == "Root" or not os.path.isabs(script):
        raise HostError("the script is not saved yet; save it, so that mattes can lie beside it")
    return os.path.join(os.path.dirname(script), "rotograph")


def report(error):
    """Show one line; in a terminal session it is printed."""
    if nuke.GUI:
        nuke.message(str(error))
    else:
        nuke.tprint(f"rotograph: {error}")


class Progress:
    """Nuke's progress bar, as ``bake`` and ``track`` call it."""

    def __init__(self, title):
        self._task = nuke.ProgressTask(title)

    def __call__(self, done, total, what):
        """True once the artist cancelled."""
        self._task.setMessage(what)
        self._task.setProgress(int(100 * done / total) if total else 0)
        return bool(self._task.isCancelled())


def pattern(knob, node):
    """A file knob's text with the frame's place as it is and the folder worked out.

    ``evaluate`` puts the present frame in, so that of its answer only the folder is of use.
    """
    text = knob.value() or ""
    if "[" not in text:
        return text
    name = os.path.basename(text)
    if "[" in name or "]" in name:
        raise HostError(f"{node.name()}: '{name}' is an expression; write the file's name out")
    return os.path.join(os.path.dirname(knob.evaluate()), name)


def _off(node):
    knob = node.knob("disable")
    return knob is not None and bool(knob.value())


def _inputs(node, kind):
    return [node.input(i) for i in range(len(table()["nodes"][kind]["ports"]))]


def _plate(read):
    if read.knob("frame") is not None and read["frame"].value():
        raise HostError(f"{read.name()}: moves its frames; clear its 'frame' field")
    file = pattern(read["file"], read)  # never the proxy's
    if not file:
        raise HostError(f"{read.name()}: names no file")
    project = nuke.root().knob("project_directory")
    if not os.path.isabs(file) and project is not None and project.evaluate():
        file = os.path.join(project.evaluate(), file)
    return Plate(
        read.fullName(), file, int(read["first"].value()), int(read["last"].value()), _space(read)
    )


def config():
    """The OCIO config that Nuke works with, if the engine can have the same; else None.

    With Nuke's own colour management, or one of the configs that come with it, names of colour
    spaces mean nothing to the engine, which then goes by its own rules.
    """
    management, chosen = (nuke.root().knob(n) for n in ("colorManagement", "OCIO_config"))
    if management is None or management.value() != "OCIO":
        return None
    if os.environ.get("OCIO"):
        return os.environ["OCIO"]
    if chosen is None or chosen.value() != "custom":
        return None
    return nuke.root()["customOCIOConfigPath"].evaluate() or None


def _space(read):
    """The OCIO colour space of a Read; empty where the engine is to find it out."""
    if config() is None:
        return ""
    if read.knob("raw") is not None and read["raw"].value():
        return ""
    named = str(read["colorspace"].value())
    if named.startswith("default (") and named.endswith(")"):
        named = named[len("default (") : -1]
    return named.rsplit("/", 1)[-1]


def _values(node, kind):
    values = {}
    for declared in table()["nodes"][kind]["knobs"]:
        knob = node.knob(declared["name"])
        if knob is not None:
            values[declared["name"]] = _value(_linked(knob), declared)
    return values


def _linked(knob):
    """The plugin's own knob behind one that a Group shows."""
    behind = knob.getLinkedKnob() if hasattr(knob, "getLinkedKnob") else None
    return knob if behind is None else behind


def _value(knob, declared):
    kind = declared["kind"]
    if kind == "choice":
        return declared["choices"][int(knob.getValue())]
    if kind == "bool":
        return bool(knob.value())
    if kind not in ("float", "int"):
        return str(knob.value() or "")
    number = int if kind == "int" else float
    if not (knob.isAnimated() or knob.hasExpression()):
        return number(knob.value())
    return Animated(knob.getValueAt)


def display_height(node):
    """Rows of the plate's display window: Nuke counts upward from its bottom, prompts downward."""
    return node.format().height()
