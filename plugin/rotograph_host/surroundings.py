"""What of this process decides pixels outside the graph: it goes with every request.

The engine was started by somebody else, perhaps for another show: nothing of its own environment
counts, only what is told here.
"""

import os
import re
import sys
import zipfile

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CONFIG = "config.ocio"


def cache():
    """``$ROTOGRAPH_CACHE``, else this platform's cache folder, as the engine has it."""
    named = os.environ.get("ROTOGRAPH_CACHE")
    if named:
        return os.path.abspath(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
        return os.path.join(base, "rotograph", "Cache")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/rotograph")
    base = os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")
    return os.path.join(base, "rotograph")


def environment(ocio=None, store=None):
    """The ``environment`` of a request (docs/wire.md), from this process's variables.

    ocio: the host's own config, else ``$OCIO``. store: the folder of results, else ``cache()``.
    """
    ocio = os.environ.get("OCIO", "") if ocio is None else ocio
    if ocio and "://" not in ocio:
        ocio = os.path.abspath(ocio)
    made = {"store": cache() if store is None else os.path.abspath(str(store)), "ocio": ocio}
    models = os.environ.get("ROTOGRAPH_MODELS")
    if models:
        made["models"] = os.path.abspath(models)
    device = os.environ.get("ROTOGRAPH_DEVICE")
    if device:
        made["device"] = device
    policy = os.environ.get("ROTOGRAPH_LICENCE_POLICY")
    if policy:
        made["licences"] = policy
    variables = context(ocio)
    if variables:
        made["variables"] = variables
    return made


def context(ocio):
    """The variables of this process that an OCIO config names: every one whose name is in it.

    More than it uses may be among them, never fewer. Empty for a config that cannot be read.
    """
    if not ocio or "://" in ocio:
        return {}
    try:
        if ocio.lower().endswith(".ocioz"):
            with zipfile.ZipFile(ocio) as archive:
                text = archive.read(_CONFIG)
        else:
            with open(ocio, "rb") as file:
                text = file.read()
    except (OSError, KeyError, zipfile.BadZipFile):
        return {}
    words = set(_WORD.findall(text.decode("utf-8", "replace")))
    return {name: value for name, value in os.environ.items() if name in words}
