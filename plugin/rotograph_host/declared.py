"""What there is to know of the nodes inside a host: the table that the declarations generate."""

import functools
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


@functools.lru_cache(maxsize=None)
def table():
    """``declared.json``: operators (ports, what they take and give) and nodes (knobs)."""
    with open(os.path.join(HERE, "declared.json"), encoding="utf-8") as file:
        return json.load(file)


def node_of(identifier):
    """The node's name behind a plugin's identifier or Nuke class; None when it is no node of ours.

    A PyPlug's identifier has ``.pyplug`` behind the plugin's.
    """
    for name, node in table()["nodes"].items():
        if identifier in (node["id"], node["id"] + ".pyplug", node["nuke"]):
            return name
    return None
