"""RotoPrecomp's buttons: bake what comes in to EXR and read that; a farm then needs no engine."""

import os
import re

import nuke

from rotograph_host import in_nuke
from rotograph_host.chain import HostError
from rotograph_host.nuke_files import told

_PLACE = re.compile(r"#+|%0?(\d*)d")


@told
def bake(group):
    """Write every frame of the range, see that all are there, then read the files."""
    first, last = int(group["first"].value()), int(group["last"].value())
    if last < first:
        raise HostError(f"{group.name()}: the last frame comes before the first")
    pattern = in_nuke.pattern(group["file"], group)
    if not pattern:
        raise HostError(f"{group.name()}: names no file; choose one, such as precomp.####.exr")
    if first != last and _at(group, first) == _at(group, last):
        raise HostError(f"{group.name()}: '{pattern}' has no place for the frame; put #### in it")
    folder = os.path.dirname(pattern)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise HostError(f"{folder}: cannot be made: {error.strerror}") from None
    group["use"].setValue(False)
    try:
        nuke.execute(group.node("Bake"), first, last)
    except RuntimeError as error:
        raise HostError(f"{group.name()}: {error}; what was read before is live again") from None
    use(group)


@told
def use(group):
    """Read the files; refuses when one of the range is missing."""
    first, last = int(group["first"].value()), int(group["last"].value())
    missing = [f for f in range(first, last + 1) if not os.path.isfile(_at(group, f))]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise HostError(f"{group.name()}: frame {missing[0]}{more} is not there; press Bake")
    in_nuke.fill_read(group.node("Baked"), in_nuke.pattern(group["file"], group), (first, last))
    group["use"].setValue(True)


def _at(group, frame):
    """The file of one frame."""
    return _PLACE.sub(
        lambda found: f"{frame:0{len(found[0]) if '#' in found[0] else int(found[1] or 0)}d}",
        in_nuke.pattern(group["file"], group),
    )
