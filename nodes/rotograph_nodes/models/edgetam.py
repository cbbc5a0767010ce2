"""EdgeTAM for the roles ``segment`` and ``track``: SAM 2's idea, small enough for a laptop.

Zhou et al., "EdgeTAM: On-Device Track Anything Model", 2025, in the classes of transformers. Its
image encoder, RepViT, is timm's.
"""

from __future__ import annotations

from typing import Any

from rotograph_nodes.models import hugging_face, sam2_adapter
from rotograph_nodes.models.sam2_tracker import Sam2
from rotograph_nodes.models.sam_video import Network


class Adapter(sam2_adapter.Adapter):
    """Both roles of one card; they share one network."""

    def _make(self) -> Any:
        names = ("EdgeTamVideoModel", "EdgeTamVideoConfig")
        return hugging_face.load(*hugging_face.classes(self._supply, *names), self._supply)

    def _wrap(self, network: Any) -> Sam2:
        (session,) = hugging_face.classes(self._supply, "EdgeTamVideoInferenceSession")
        half = self._supply.card.numeric_mode == "bfloat16"
        return Sam2(
            Network(network, session),
            hugging_face.MEAN,
            hugging_face.DEVIATION,
            half,
        )
