"""From nodes wired in a host to a graph file, without knowing which host it is.

A host's adapter (``in_nuke``, ``in_natron``) gives a function ``look(node)`` that says what a node
is: ``Passing``, ``Plate`` or ``Node``. Whatever else stands between a Read and one of our nodes
changes the picture, and the file on disk would not be what the artist sees: that is refused.
"""

import collections
import json
import os
import re

from rotograph_host.declared import table


class HostError(Exception):
    """One line for the artist: which node, what is wrong, what to do."""


Passing = collections.namedtuple("Passing", "upstream")
"""A node that hands its input on as it is (a Dot); upstream: the node before it, or None."""

Plate = collections.namedtuple("Plate", "name file first last colour_space")
"""A plate on disk. file: with #### or %04d. first, last: frames. colour_space: OCIO name or ''."""

Node = collections.namedtuple("Node", "name kind values inputs")
"""One of our nodes. kind: ``Matte``. values: knob -> value as the graph file has it, or Animated.

inputs: the host's node at each port, or None.
"""

Animated = collections.namedtuple("Animated", "at")
"""A number that moves; at: a function of the frame. A host's curves are no straight lines between
their keyframes, so that in the graph file every frame is a keyframe."""

Chain = collections.namedtuple("Chain", "nodes last plate frames gives")
"""A graph in the making: its nodes, the names of the last and of the plate, the plate's frames."""

_Wire = collections.namedtuple("_Wire", "name gives plate")
_NOT_IN_NAMES = re.compile(r"[./\x00-\x1f]")
_LONGEST = 100
"""Rotograph nodes in a row; a host forbids circles, so that nobody gets there."""


def build(node, look):
    """The chain that ends in ``node``; raises HostError."""
    building = _Building(look)
    wire = building.wire(node, 0)
    if wire.gives == "Image":
        raise HostError(f"{wire.name}: is a plate; choose a Rotograph node")
    plate = building.plates[wire.plate]
    frames = tuple(range(plate.first, plate.last + 1))
    return Chain(building.nodes, wire.name, wire.plate, frames, wire.gives)


def document(chain, file=None, content="matte"):
    """The graph file; with ``file`` (a pattern) it writes mattes there, over those of last time."""
    nodes = dict(chain.nodes)
    if file is not None:
        if chain.gives == "Detections":
            raise HostError(
                f"{chain.last}: boxes cannot be written as mattes; choose a node behind it"
            )
        nodes[_free("write", nodes)] = {
            "type": "Write",
            "inputs": {"image": chain.last},
            "file": file,
            "content": content,
            "overwrite": True,
        }
    return {"rotograph": 1, "nodes": nodes}


class _Building:
    """The nodes met so far; one that two others use is there once."""

    def __init__(self, look):
        self.look = look
        self.nodes, self.plates, self.done = {}, {}, {}

    def wire(self, node, depth):
        """What comes out of a host's node."""
        if depth > _LONGEST:
            raise HostError("the wires run in circles; disconnect one")
        seen = self.look(node)
        while isinstance(seen, Passing):
            if seen.upstream is None:
                raise HostError("a wire ends in nothing; connect it to a Read")
            seen = self.look(seen.upstream)
        if seen.name in self.done:
            return self.done[seen.name]
        made = self.read(seen) if isinstance(seen, Plate) else self.ours(seen, depth)
        self.done[seen.name] = made
        return made

    def read(self, plate):
        if not os.path.isabs(plate.file):
            raise HostError(f"{plate.name}: '{plate.file}' is no full path; name one")
        name = self.add(plate.name, {"type": "Read", "file": plate.file})
        if plate.colour_space:
            self.nodes[name]["colour_space"] = plate.colour_space
        self.plates[name] = plate
        return _Wire(name, "Image", name)

    def ours(self, node, depth):
        declared = table()["nodes"][node.kind]
        if not node.inputs or node.inputs[0] is None:
            raise HostError(f"{node.name}: has no plate; connect its first input")
        before = self.wire(node.inputs[0], depth + 1)
        beside = {}
        for port, given in zip(declared["ports"][1:], node.inputs[1:]):
            if given is not None:
                beside[port] = self.wire(given, depth + 1).name
        settings = _settings(declared, node, self.plates[before.plate])
        parts = declared["parts"]
        if len(parts) > 1 and not node.values.get("use_detect"):
            parts = [part for part in parts if part != "Detect"]
        for part in parts:
            own = node.name if len(parts) == 1 else f"{node.name} {part}"
            before = self.operator(part, own, before, beside, settings.get(part, {}))
        return before

    def operator(self, kind, name, before, beside, settings):
        declared = table()["operators"][kind]
        inputs = {"plate": before.plate}
        carried = declared["carried"]
        if before.gives != "Image":
            if carried is None or before.gives not in carried["accepts"]:
                raise HostError(
                    f"{name}: takes no {before.gives.lower()} from {before.name}; wire them as "
                    "Detect, Segment, Track, Matte, Refine"
                )
            inputs[carried["port"]] = before.name
        elif carried is not None and not carried["optional"]:
            raise HostError(
                "{}: needs {}; put the node that makes them before it".format(
                    name, " or ".join(carried["accepts"]).lower()
                )
            )
        inputs.update((port, beside[port]) for port in declared["ports"][1:] if port in beside)
        made = self.add(name, dict({"type": kind, "inputs": inputs}, **settings))
        return _Wire(made, declared["gives"], before.plate)

    def add(self, name, node):
        free = _free(_NOT_IN_NAMES.sub("_", name)[:90] or "node", self.nodes)
        self.nodes[free] = node
        return free


def _free(name, taken):
    """``name``, or with a number where it is taken."""
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found


def _settings(declared, node, plate):
    """Operator -> the parameters that are not at their default."""
    found = {}
    for knob in declared["knobs"]:
        if "node" not in knob or knob["name"] not in node.values:
            continue
        value = _value(node, knob, node.values[knob["name"]], plate)
        if value != knob["default"]:
            found.setdefault(knob["node"], {})[knob["parameter"]] = value
    return found


def _value(node, knob, value, plate):
    """A knob's value as the graph file has it: lists of names and prompts are text in a host."""
    if isinstance(value, Animated):
        number = int if knob["kind"] == "int" else float
        keys = {str(f): number(value.at(f)) for f in range(plate.first, plate.last + 1)}
        still = len(set(keys.values())) == 1
        return next(iter(keys.values())) if still else {"keys": keys}
    if knob["kind"] == "names":
        return [name.strip() for name in value.split(",") if name.strip()]
    if knob["kind"] == "prompts":
        return prompts(value, node.name)
    return value


def prompts(text, where="the prompts"):
    """The list in a knob of prompts; raises HostError when it is none."""
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise HostError(f"{where}: the prompts are not understood; undo the last edit")
    return found
