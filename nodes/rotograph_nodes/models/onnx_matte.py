"""Matte with an ONNX network that needs no trimap: its alpha says where the edge is, and how soft.

The network sees the plate scaled down. So its alpha is taken as a belief, and the plate's own
pixels decide at full resolution, as they do for the classic model. A network that remembers gets
what it said of the frame before; its card names those inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rotograph.errors import ModelError
from rotograph.models import Supply
from rotograph_nodes.models.classic import matting
from rotograph_nodes.models.onnx import Network
from rotograph_nodes.models.onnx_segment import scores

BELIEF = 40.0
"""How much more the network's alpha counts than a mask would, if it saw every pixel of the plate;
less by the square of how much coarser its grid is, for so much less it knows of an edge."""


class Matter:
    """The role's interface over one network. What it remembers is handed in and out."""

    def __init__(self, supply: Supply) -> None:
        self.network = Network(supply)

    def look(
        self, picture: np.ndarray, earlier: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """``{"alpha": (h, w) float32 in [0, 1], …}`` of a picture, for all that the network finds.

        picture: ``(h, w, 3)`` float32, the card's input space. earlier: what this gave for the
        frame before, None where the memory begins. Beside alpha is what the network remembers, by
        the names of the inputs that want it. Raises ModelError.
        """
        facts = self.network.facts
        wanted = {name: _begun(earlier, name) for name, _ in facts.state}
        if facts.ratio:
            name, side = facts.ratio
            wanted[name] = np.array([min(1.0, side / max(picture.shape[:2]))], np.float32)
        outputs, place = self.network.run(picture, wanted)
        names = self.network.names()
        told = {}
        for into, out in facts.state:
            if out not in names:
                raise ModelError(
                    f"the network '{self.network.supply.card.name}' has no output '{out}'",
                    file=self.network.supply.weights,
                    hint=f"correct 'state' on the card; it has {', '.join(names)}",
                )
            told[into] = outputs[names.index(out)]
        logits = scores(self.network.output(outputs), facts, self.network.supply)
        alpha = 1.0 / (1.0 + np.exp(-logits))
        # scores stop short of certainty, and alpha does not
        alpha = np.clip((alpha - _LEAST) / (1.0 - 2.0 * _LEAST), 0.0, 1.0)
        return {"alpha": place.back(alpha.astype(np.float32)), **told}

    @staticmethod
    def estimate_alpha(
        linear: np.ndarray,
        trimap: np.ndarray,
        hint: np.ndarray | None = None,
        grid: float = 0.0,
    ) -> np.ndarray:
        """Alpha of the unknown pixels of a trimap from the plate and the network's alpha, the hint.

        As the classic model's, with a hint that counts for more. grid: plate pixels to a pixel of
        the network's; 0 for a hint that is a mask's.
        """
        belief = max(1.0, BELIEF / max(1.0, grid) ** 2) if grid else 1.0
        return matting.estimate_alpha(linear, trimap, hint, belief=belief)


_LEAST = float(1.0 / (1.0 + np.exp(8.0)))


def _begun(earlier: Mapping[str, np.ndarray] | None, name: str) -> np.ndarray:
    return np.zeros((1, 1, 1, 1), np.float32) if earlier is None else earlier[name]
