"""Rotograph's menu in Natron, and what it starts: tracking of many, mattes and their Reads."""

import os

import NatronEngine

from rotograph_host import baking, chain, in_natron
from rotograph_host.chain import HostError
from rotograph_host.client import Client, EngineError


def add():
    """Put the menu into the menu bar; called by initGui.py.

    Natron calls a menu's function by its name in ``__main__``.
    """
    from NatronGui import natron

    import __main__

    for title, function in (
        ("Track selected", track_selected),
        ("Track all", track_all),
        ("Render mattes of selected", render_selected),
        ("Engine status", engine_status),
    ):
        name = "rotograph_" + function.__name__
        setattr(__main__, name, function)
        natron.addMenuCommand("Rotograph/" + title, name)


def track_selected():
    """Track every selected node of ours, one after the other."""
    app = active()
    told(app, lambda: track(_chosen(app)))


def track_all():
    """Track every chain of the project to its end."""
    app = active()
    told(app, lambda: track(in_natron.ends(app.getChildren())))


def track(nodes):
    """Track nodes through the engine; gives back how many were. Raises HostError."""
    failures = []
    for node in nodes:
        ready = chain.build(node, in_natron.look)
        with Progress(f"Rotograph: tracking {node.getLabel()}") as progress:
            failures += baking.track(ready, progress=progress)
    if failures:
        raise HostError("\n".join(failures[:10]))
    return len(nodes)


def render_selected():
    """Write the mattes of every selected node and make a Read of each."""
    app = active()
    return told(app, lambda: [_rendered(app, node) for node in _chosen(app)])


def engine_status():
    """Whether the engine runs and what it does; starts none."""
    told(active(), _status)


def _rendered(app, node):
    ready = chain.build(node, in_natron.look)
    with Progress(f"Rotograph: rendering {node.getLabel()}") as progress:
        baked = baking.bake(ready, _folder(app), progress=progress)
    read = None
    if baked.written:
        read = in_natron.create_read(app, baked.pattern, node.getLabel())
    if baked.errors:
        raise HostError("\n".join(baked.errors[:10]))
    return read


def _status():
    try:
        with Client("natron", start=False) as engine:
            told = engine.status()
    except EngineError as error:
        raise HostError(str(error)) from None
    running, waiting = told["queue"]["running"], told["queue"]["waiting"]
    raise HostError(
        f"Rotograph {told['version']} on {told['device']}: {running} at work, {waiting} waiting"
    )


def _folder(app):
    path = app.getProjectParam("projectPath").get()
    if not path or not os.path.isabs(path):
        raise HostError("the project is not saved yet; save it, so that mattes can lie beside it")
    return os.path.join(path, "rotograph")


def _chosen(app):
    found = in_natron.ours(app.getSelectedNodes())
    if not found:
        raise HostError("choose a Rotograph node first")
    return found


def active():
    return NatronEngine.natron.getActiveInstance()


def told(app, work):
    """Do it; a failure is one line on the screen, or in the log of a headless renderer."""
    try:
        return work()
    except HostError as error:
        if NatronEngine.natron.isBackground():
            app.writeToScriptEditor(f"rotograph: {error}\n")
        else:
            from NatronGui import natron

            natron.informationDialog("Rotograph", str(error))
        return None


class Progress:
    """A dialog with a bar, where PySide is there; else nothing is shown and nothing cancels."""

    def __init__(self, title):
        self._widgets = None if NatronEngine.natron.isBackground() else _qt()
        self._title = title
        self._dialog = None

    def __enter__(self):
        if self._widgets is not None:
            self._dialog = self._widgets.QProgressDialog(self._title, "Cancel", 0, 100)
            self._dialog.setMinimumDuration(0)
        return self

    def __exit__(self, *error):
        if self._dialog is not None:
            self._dialog.close()

    def __call__(self, done, total, what):
        """True once the artist cancelled."""
        if self._dialog is None:
            return False
        self._dialog.setLabelText(f"{self._title}: {what}")
        self._dialog.setValue(int(100 * done / total) if total else 0)
        self._widgets.QApplication.processEvents()
        return self._dialog.wasCanceled()


def _qt():
    """QtWidgets of whichever PySide the host brought; None without."""
    try:
        from PySide6 import QtWidgets
    except ImportError:
        try:
            from PySide2 import QtWidgets
        except ImportError:
            return None
    return QtWidgets
