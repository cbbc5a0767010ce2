"""What this package declares to the engine: its operators and its model cards."""

from __future__ import annotations

from pathlib import Path

from rotograph_nodes.detect import Detect
from rotograph_nodes.matte import Matte
from rotograph_nodes.outside_mask import OutsideMask
from rotograph_nodes.outside_matte import OutsideMatte
from rotograph_nodes.read import Read
from rotograph_nodes.read_cryptomatte import ReadCryptomatte
from rotograph_nodes.refine import Refine
from rotograph_nodes.segment import Segment
from rotograph_nodes.track import Track
from rotograph_nodes.write import Write

NODES = (
    Read,
    ReadCryptomatte,
    OutsideMask,
    OutsideMatte,
    Detect,
    Segment,
    Track,
    Matte,
    Refine,
    Write,
)
CARDS = Path(__file__).parent / "models" / "cards"
