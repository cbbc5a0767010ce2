"""ViTMatte for the role ``matte``: alpha in the unknown band from a network.

Yao, Wang, Wang and Liu, "ViTMatte: Boosting Image Matting with Pretrained Plain Vision
Transformers", 2023, in the classes of transformers; the picture is prepared here, because that
package's own preparation asks for torchvision. It gets the mean and deviation with which its
authors trained it (ImageNet's), not the 0.5 that stands beside the converted weights.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from rotograph.models import Supply
from rotograph_nodes.models import hugging_face
from rotograph_nodes.models.held import held
from rotograph_nodes.models.tiles import tiles

LARGEST = 1536 * 1024
"""Pixels that the network sees at once; its attention grows with their square."""
HALO = 192
"""Pixels that a tile sees around it, and over which it gives way to its neighbour."""
MARGIN = 64
"""Pixels around the band that are looked at."""
STRIDE = 32


class Adapter:
    """The role's interface over one network.

    mode: "" as the card says; "half", in bfloat16; "tiles", a small part of the band at a time.
    """

    def __init__(self, supply: Supply, mode: str = "") -> None:
        self._supply = supply
        self._mode = mode
        self.input_space = supply.card.input_space

    def smaller(self, mode: str) -> Adapter:
        """The same network where memory ran out: about half of it with "half", least in "tiles"."""
        return Adapter(self._supply, mode)

    def estimate_alpha(
        self, picture: np.ndarray, trimap: np.ndarray, hint: np.ndarray | None = None
    ) -> np.ndarray:
        """Alpha of the unknown pixels of a trimap; the others keep their 0 or 1.

        picture: ``(H, W, 3)`` float32 in ``input_space``, display-referred in [0, 1], at the
        plate's resolution. trimap: ``(H, W)`` float32: 0 outside, 1 inside, anything between
        unknown. hint: not asked for. Returns ``(H, W)`` float32 in [0, 1]. A band too large to be
        seen at once is solved in tiles that give way to each other gradually.
        """
        del hint
        unknown = (trimap > 0.0) & (trimap < 1.0)
        alpha = np.where(unknown, np.float32(0.5), trimap).astype(np.float32)
        if not unknown.any():
            return alpha
        seen = np.clip(np.nan_to_num(picture, nan=0.0), 0.0, 1.0).astype(np.float32)
        rows, columns = (_reach(unknown.any(axis=a), MARGIN) for a in (1, 0))
        summed, weights = np.zeros(alpha.shape, np.float32), np.zeros(alpha.shape, np.float32)
        most = 0 if self._mode == "tiles" else LARGEST
        if (rows.stop - rows.start) * (columns.stop - columns.start) <= most:
            parts = [(rows, columns)]
        else:
            parts = [outer for outer, _ in tiles(unknown, HALO)]
        with self._network() as network, self._precision(network):
            for part in parts:
                share = _fade(alpha[part].shape, part, alpha.shape)
                summed[part] += share * self.answer(network, seen[part], alpha[part])
                weights[part] += share
        found = summed[unknown] / weights[unknown]
        alpha[unknown] = np.clip(found, 0.0, 1.0)
        return alpha

    @staticmethod
    @torch.inference_mode()
    def answer(network: Any, picture: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        """The network's alpha ``(h, w)`` float32 of a picture ``(h, w, 3)`` in [0, 1]."""
        height, width = trimap.shape
        device = network.device
        image = hugging_face.normalised(torch.tensor(picture, device=device))
        both = torch.cat([image, torch.tensor(trimap, device=device)[None]])[None]
        both = functional.pad(both, (0, -width % STRIDE, 0, -height % STRIDE))
        return network(pixel_values=both).alphas[0, 0, :height, :width].float().cpu().numpy()

    def _precision(self, network: Any) -> AbstractContextManager[Any]:
        half = self._mode == "half"
        return torch.autocast(network.device.type, dtype=torch.bfloat16, enabled=half)

    def _network(self) -> AbstractContextManager[Any]:
        def make() -> torch.nn.Module:
            names = ("VitMatteForImageMatting", "VitMatteConfig")
            return hugging_face.load(*hugging_face.classes(self._supply, *names), self._supply)

        return held(self._supply, make, lambda network: network)


def _reach(where: np.ndarray, margin: int) -> slice:
    found = np.flatnonzero(where)
    return slice(max(0, int(found[0]) - margin), min(len(where), int(found[-1]) + 1 + margin))


def _fade(shape: tuple[int, int], part: tuple[slice, slice], whole: tuple[int, int]) -> np.ndarray:
    """``(h, w)`` float32: how much a part counts, less towards its sides inside the picture."""
    sides = []
    for length, along, end in zip(shape, part, whole, strict=True):
        here, far = np.arange(length) + 0.5, np.full(length, np.inf)
        first = here if along.start > 0 else far
        last = length - here if along.stop < end else far
        sides.append(np.clip(np.minimum(first, last) / HALO, 1e-3, 1.0))
    return np.multiply.outer(*sides).astype(np.float32)
