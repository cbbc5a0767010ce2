"""Natron's nodes as ``chain`` wants to see them, and Reads of what came out."""

import os

from rotograph_host.chain import Animated, HostError, Node, Passing, Plate
from rotograph_host.declared import node_of, table

_PASSING = ("fr.inria.built-in.Dot", "net.sf.openfx.NoOpPlugin")
_READ = "fr.inria.built-in.Read"


def look(node):
    """What a Natron node is; raises HostError for one that changes the picture."""
    identifier = node.getPluginID()
    if identifier in _PASSING or _off(node):
        return Passing(node.getInput(0))
    kind = node_of(identifier)
    if kind is not None:
        ports = table()["nodes"][kind]["ports"]
        inputs = [node.getInput(i) for i in range(len(ports))]
        return Node(node.getScriptName(), kind, _values(node, kind), inputs)
    if identifier == _READ:
        return _plate(node)
    raise HostError(
        f"{node.getLabel()} ({identifier}): changes the picture before the engine reads it from "
        "disk; write it out first, or wire the Rotograph node to the Read"
    )


def ours(nodes):
    """Those of ``nodes`` that are Rotograph's."""
    return [node for node in nodes if node_of(node.getPluginID()) is not None]


def ends(nodes):
    """Of our nodes those that no other of these hangs on."""
    found = ours(nodes)
    used = set()
    for node in found:
        waiting = _inputs(node)
        while waiting:
            before = waiting.pop()
            if before.getScriptName() not in used:
                used.add(before.getScriptName())
                waiting += _inputs(before)
    return [node for node in found if node.getScriptName() not in used]


def create_read(app, pattern, label):
    """A Read of finished mattes."""
    read = app.createReader(pattern)
    if read is None:
        raise HostError(f"{pattern}: Natron cannot read it")
    read.setLabel(label)
    return read


def _inputs(node):
    before = [node.getInput(i) for i in range(node.getMaxInputCount())]
    return [node for node in before if node is not None]


def _off(node):
    switch = node.getParam("disableNode")
    return switch is not None and bool(switch.get())


def _plate(read):
    file = read.getParam("filename").get()
    if not file:
        raise HostError(f"{read.getLabel()}: names no file")
    shift = read.getParam("timeOffset")
    if shift is not None and shift.get():
        raise HostError(f"{read.getLabel()}: moves its frames; set its time offset to 0")
    first, last = (int(read.getParam(name).get()) for name in ("firstFrame", "lastFrame"))
    space = read.getParam("ocioInputSpace")
    # without a config that the engine can have too, its name means nothing there
    named = str(space.get()) if space is not None and os.environ.get("OCIO") else ""
    return Plate(read.getScriptName(), file, first, last, named)


def _values(node, kind):
    values = {}
    for declared in table()["nodes"][kind]["knobs"]:
        param = node.getParam(declared["name"])
        if param is not None:
            values[declared["name"]] = _value(param, declared)
    return values


def _value(param, declared):
    kind = declared["kind"]
    if kind == "choice":
        return declared["choices"][int(param.get())]
    if kind == "bool":
        return bool(param.get())
    if kind not in ("float", "int"):
        return str(param.get() or "")
    number = int if kind == "int" else float
    if not param.getIsAnimated(0):
        return number(param.get())
    return Animated(lambda frame: param.getValueAtTime(frame, 0))
