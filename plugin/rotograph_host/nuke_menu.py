"""Rotograph's menu in Nuke, and what it starts: nodes, tracking of many, mattes and their Reads."""

import functools
import os

import nuke

from rotograph_host import baking, chain, in_nuke, nuke_files
from rotograph_host.chain import HostError
from rotograph_host.client import Client, EngineError
from rotograph_host.declared import table

ICON = "Rotograph{}.png"


def add():
    """Put the menu into the node toolbar; called by menu.py."""
    menu = nuke.menu("Nodes").addMenu("Rotograph", icon=ICON.format(""))
    for name in table()["nodes"]:
        menu.addCommand(name, _creator(name), icon=ICON.format(name))
    menu.addCommand("RotoPrecomp", _maker("RotoPrecomp"), icon=ICON.format("Precomp"))
    menu.addSeparator()
    files = menu.addMenu("Through files", icon=ICON.format("Files"))
    for name in table()["nodes"]:
        files.addCommand(name, _maker(f"Rotograph{name}Files"), icon=ICON.format(name))
    menu.addSeparator()
    menu.addCommand("Track selected", track_selected)
    menu.addCommand("Track all", track_all)
    menu.addCommand("Render mattes of selected", render_selected)
    menu.addCommand("Read finished mattes...", read_finished)
    menu.addCommand("Engine status", engine_status)
    return menu


@functools.lru_cache(maxsize=None)
def has_plugin(name):
    """Whether this Nuke loaded the OpenFX plugin; one that is non-commercial loads none.

    Nuke lists no OpenFX plugins to Python: a node is made and taken away again, once a session.
    """
    if nuke.env.get("nc"):
        return False
    chosen = nuke.selectedNodes()
    try:
        probe = nuke.createNode(table()["nodes"][name]["nuke"], inpanel=False)
    except RuntimeError:
        return False
    nuke.delete(probe)
    for node in chosen:
        node.setSelected(True)
    return True


def create(name):
    """A node: with the plugin where there is one, else through files."""
    return nuke.createNode(f"Rotograph{name}" if has_plugin(name) else f"Rotograph{name}Files")


@nuke_files.told
def track_selected():
    """Track every selected node of ours, one after the other."""
    return track(_chosen(nuke.selectedNodes()))


@nuke_files.told
def track_all():
    """Track every chain of the script to its end."""
    return track(ends(nuke.allNodes()))


def track(nodes):
    """Track nodes through the engine; gives back how many were. Raises HostError."""
    failures = []
    for node in nodes:
        ready = chain.build(node, in_nuke.look)
        title = f"Rotograph: tracking {node.name()}"
        ocio = in_nuke.config()
        failures += baking.track(ready, ocio=ocio, progress=in_nuke.Progress(title))
    if failures:
        raise HostError("\n".join(failures[:10]))
    return len(nodes)


@nuke_files.told
def render_selected():
    """Write the mattes of every selected node and make a Read of each."""
    reads = []
    for node in _chosen(nuke.selectedNodes()):
        ready = chain.build(node, in_nuke.look)
        title = f"Rotograph: rendering {node.name()}"
        baked = baking.bake(
            ready, in_nuke.folder(), ocio=in_nuke.config(), progress=in_nuke.Progress(title)
        )
        if baked.written:
            reads.append(in_nuke.create_read(baked.pattern, baked.frames, node, node.name()))
        if baked.errors:
            in_nuke.report("\n".join(baked.errors[:10]))
    return reads


@nuke_files.told
def read_finished():
    """Reads of mattes that are on disk, such as those of a farm."""
    chosen = nuke.getClipname("Mattes", "*.exr", multiple=True) or []
    reads = []
    for clip in chosen:
        pattern, _, span = clip.rpartition(" ")
        bounds = span.split("-") if pattern else []
        if len(bounds) != 2 or not all(b.isdigit() for b in bounds):
            raise HostError(f"{clip}: is no sequence with a range; choose one")
        frames = (int(bounds[0]), int(bounds[1]))
        reads.append(in_nuke.create_read(pattern, frames, None, os.path.basename(pattern)))
    return reads


@nuke_files.told
def engine_status():
    """Whether the engine runs and what it does; starts none."""
    try:
        with Client("nuke", start=False) as engine:
            told = engine.status()
    except EngineError as error:
        raise HostError(str(error)) from None
    running, waiting = told["queue"]["running"], told["queue"]["waiting"]
    line = f"Rotograph {told['version']} on {told['device']}: {running} at work, {waiting} waiting"
    in_nuke.report(line)
    return line


def ends(nodes):
    """Of our nodes those that no other node of ours hangs on."""
    ours = [node for node in nodes if in_nuke.kind_of(node) is not None]
    used = set()
    for node in ours:
        used.update(other.fullName() for other in in_nuke.upstream(node)[1:])
    return [node for node in ours if node.fullName() not in used]


def _chosen(nodes):
    ours = [node for node in nodes if in_nuke.kind_of(node) is not None]
    if not ours:
        raise HostError("choose a Rotograph node first")
    return ours


def _creator(name):
    return lambda: create(name)


def _maker(file):
    return lambda: nuke.createNode(file)
