"""Rotograph: machine-learned rotoscoping in a compositor's node graph."""

from rotograph.graph import Graph

__all__ = ["Graph"]
__version__ = "0.1.0"
