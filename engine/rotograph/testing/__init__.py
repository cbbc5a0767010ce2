"""The compliance suite: whether a node or a model of any package keeps the rules of the house.

    rotograph check PACKAGE

or, in the package's own tests:

    from rotograph.testing import check_node

    def test_sweep_keeps_the_rules():
        assert not [str(found) for found in check_node(Sweep) if found.fault]

Everything is tried on plates of a few pixels that are made up here; nothing is downloaded.
"""

from __future__ import annotations

from rotograph.testing.finding import Finding
from rotograph.testing.models import check_model
from rotograph.testing.nodes import check_node
from rotograph.testing.package import check_package

__all__ = ["Finding", "check_model", "check_node", "check_package"]
