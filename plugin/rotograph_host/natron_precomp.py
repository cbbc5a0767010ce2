"""RotoPrecomp's buttons: bake what comes in to EXR and read that; a farm then needs no engine."""

import os

import NatronEngine

from rotograph_host.chain import HostError
from rotograph_host.natron_menu import active, told


def bake(group):
    """Write every frame of the range; without a window, read them at once.

    In a window Natron goes on rendering after this: the artist presses "Use files" then.
    """
    app = active()
    told(app, lambda: _bake(app, group))


def use(group):
    """Read the files; refuses when one of the range is missing."""
    told(active(), lambda: _use(group))


def _bake(app, group):
    pattern, first, last = _wanted(group)
    try:
        os.makedirs(os.path.dirname(pattern), exist_ok=True)
    except OSError as error:
        raise HostError(f"{os.path.dirname(pattern)}: cannot be made: {error.strerror}") from None
    group.getParam("use").set(False)
    write = group.getNode("Bake")
    write.getParam("filename").set(pattern)
    app.render(write, first, last)
    if NatronEngine.natron.isBackground():
        _use(group)


def _use(group):
    pattern, first, last = _wanted(group)
    missing = [f for f in range(first, last + 1) if not os.path.isfile(_at(pattern, f))]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise HostError(
            f"{group.getLabel()}: frame {missing[0]}{more} is not there; press Bake, and wait for "
            "Natron to finish"
        )
    read = group.getNode("Baked")
    read.getParam("filename").set(pattern)
    for name, value in (("firstFrame", first), ("lastFrame", last)):
        if read.getParam(name) is not None:
            read.getParam(name).set(value)
    group.getParam("use").set(True)


def _wanted(group):
    """(pattern, first, last); raises HostError when they cannot be meant."""
    pattern, label = group.getParam("file").get(), group.getLabel()
    first, last = (int(group.getParam(name).get()) for name in ("first", "last"))
    if not pattern or not os.path.isabs(pattern):
        raise HostError(f"{label}: names no file by its full path, such as /x/precomp.####.exr")
    if last < first:
        raise HostError(f"{label}: the last frame comes before the first")
    if first != last and _at(pattern, first) == _at(pattern, last):
        raise HostError(f"{label}: '{pattern}' has no place for the frame; put #### in it")
    return pattern, first, last


def _at(pattern, frame):
    hashes = pattern.count("#")
    return pattern.replace("#" * hashes, f"{frame:0{hashes}d}") if hashes else pattern
