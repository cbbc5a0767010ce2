"""The first that a host runs: finds rotograph_host, the engine and the plugin beside this file.

``rotograph install`` writes rotograph_install.json here. Hosts run init.py without a ``__file__``,
but import this by name. Python 3.7, standard library.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def start():
    """Make ``rotograph_host`` importable, and name the engine and the plugin in the environment."""
    with open(os.path.join(HERE, "rotograph_install.json"), encoding="utf-8") as file:
        told = json.load(file)
    python = os.path.normpath(os.path.join(HERE, told["python"]))
    if python not in sys.path:
        sys.path.insert(0, python)
    if told["engine"] and os.path.exists(told["engine"]):
        os.environ.setdefault("ROTOGRAPH_ENGINE", told["engine"])
    bundles = os.path.normpath(os.path.join(HERE, told["ofx"]))
    paths = [p for p in os.environ.get("OFX_PLUGIN_PATH", "").split(os.pathsep) if p]
    if bundles not in paths:
        os.environ["OFX_PLUGIN_PATH"] = os.pathsep.join([bundles, *paths])
