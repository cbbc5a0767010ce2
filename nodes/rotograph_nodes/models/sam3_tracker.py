"""SAM 3's tracker for the roles ``segment`` and ``track``: boxes, points and masks as with SAM 2.

Carion et al., "SAM 3: Segment Anything with Concepts", 2025, in the classes of transformers. One
checkpoint holds this tracker and the detector in sam3.py, which reads text.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from rotograph_nodes.models import hugging_face, sam2_adapter
from rotograph_nodes.models.held import held
from rotograph_nodes.models.sam2_tracker import Sam2
from rotograph_nodes.models.sam3 import DEVIATION, MEAN
from rotograph_nodes.models.sam_video import Network


class Adapter(sam2_adapter.Adapter):
    """Both roles of one card; they share one network."""

    def _network(self) -> AbstractContextManager[Sam2]:
        return held(self._supply, self._make, self._wrap, part="tracker")

    def _make(self) -> Any:
        names = ("Sam3TrackerVideoModel", "Sam3TrackerVideoConfig")
        return hugging_face.load(*hugging_face.classes(self._supply, *names), self._supply)

    def _wrap(self, network: Any) -> Sam2:
        (session,) = hugging_face.classes(self._supply, "Sam3TrackerVideoInferenceSession")
        half = self._supply.card.numeric_mode == "bfloat16"
        return Sam2(Network(network, session), MEAN, DEVIATION, half)
