"""SAM 2's attention to what it remembers, with less to do for the same answer.

A step looks from every place of a frame at every place of up to eight remembered ones: at 1024
pixels 4,096 at 28,000, the largest part of it. Two things are done otherwise than in the package.
The table of rotary positions, which is the same for each remembered frame, is multiplied in where
the keys lie instead of being repeated for them. And in float32 on a processor the attention mixes
the memories as they are, of 64 channels, and makes values of 256 of the mixture: weights add up to
one, so a linear map may as well come after. Both are equal up to the order of additions.
"""

from __future__ import annotations

import torch
from sam2.modeling.sam.transformer import RoPEAttention
from torch.nn import functional

_ROWS = 256  # places looked from at a time: their weights fit a processor's cache


class MemoryAttention(RoPEAttention):
    """A ``RoPEAttention`` as the package's; for one that exists, set its ``__class__``."""

    def forward(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, num_k_exclude_rope: int = 0
    ) -> torch.Tensor:
        """q: ``(b, n, c)``. k, v: ``(b, m, d)``, of which the last few have no place."""
        q, k = (
            self._separate_heads(linear(x), self.num_heads)
            for linear, x in ((self.q_proj, q), (self.k_proj, k))
        )
        table = self._table(q)
        _turn(q, table)
        _turn(k[:, :, : k.shape[2] - num_k_exclude_rope], table)
        thin = self.num_heads == 1 and v.shape[-1] < q.shape[-1]
        if thin and q.device.type == "cpu" and q.dtype == torch.float32:
            return self.out_proj(self.v_proj(_mixed(q[:, 0], k[:, 0], v)))
        v = self._separate_heads(self.v_proj(v), self.num_heads)
        out = functional.scaled_dot_product_attention(q, k, v)
        return self.out_proj(self._recombine_heads(out))

    def _table(self, q: torch.Tensor) -> torch.Tensor:
        """``(n, c / 2)`` complex, for the places of a square frame."""
        side = round(q.shape[2] ** 0.5)
        self.freqs_cis = self.freqs_cis.to(q.device)
        if len(self.freqs_cis) != q.shape[2]:
            self.freqs_cis = self.compute_cis(end_x=side, end_y=side).to(q.device)
        return self.freqs_cis


def _turn(x: torch.Tensor, table: torch.Tensor) -> None:
    """Turn ``(b, heads, frames * n, c)`` in place; the frames' places are the same."""
    exact = x.float()
    pairs = exact.unflatten(2, (-1, len(table))).unflatten(-1, (-1, 2))
    torch.view_as_complex(pairs).mul_(table)
    if exact is not x:
        x.copy_(exact)


def _mixed(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention ``(b, n, d)`` where ``v`` ``(b, m, d)`` has fewer channels than ``k``."""
    out = q.new_empty(*q.shape[:2], v.shape[-1])
    weights = q.new_empty(min(_ROWS, q.shape[1]), k.shape[1])
    q = q * q.shape[-1] ** -0.5
    for number, (keys, values) in enumerate(zip(k, v, strict=True)):
        for first in range(0, q.shape[1], _ROWS):
            rows = q[number, first : first + _ROWS]
            part = torch.mm(rows, keys.T, out=weights[: len(rows)])
            part.sub_(part.amax(-1, keepdim=True)).exp_()
            mixed = torch.mm(part, values) / part.sum(-1, keepdim=True)
            out[number, first : first + _ROWS] = mixed
    return out
