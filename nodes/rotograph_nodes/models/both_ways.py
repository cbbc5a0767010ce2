"""What came from the anchor before and what came from the one after, as one belief."""

from __future__ import annotations

import numpy as np

Side = tuple[np.ndarray, float, int]


def blend(sides: list[Side]) -> tuple[np.ndarray, float]:
    """Logits ``(h, w)`` float32 and confidence 0 to 1 of one frame from one or both directions.

    sides: (logits ``(h, w)`` float32, trust 0 to 1, frames from the anchor) of each direction that
    there is. The nearer and the more trusted one counts for more. A layer that is little trusted
    is paler, so that it yields to a sure one; two directions that disagree lower the confidence.
    """
    if len(sides) == 1:
        logits, trust, _ = sides[0]
        return _pale(logits, trust), trust
    (first, trust_a, far_a), (second, trust_b, far_b) = sides
    weight_a = ((trust_a + 1e-3) / (far_a + 0.5)) ** 2
    weight_b = ((trust_b + 1e-3) / (far_b + 0.5)) ** 2
    share = weight_a / (weight_a + weight_b)
    both, either = ((first > 0) & (second > 0)).sum(), ((first > 0) | (second > 0)).sum()
    agree = float(both / either) if either else 1.0
    trust = share * trust_a + (1.0 - share) * trust_b
    confidence = float(np.clip(agree * (0.5 + 0.5 * trust), 0.0, 1.0))
    mean = share * first + (1.0 - share) * second
    # where one is sure of the contrary, how far away its own boundary is must not count
    vote = share * np.clip(first, -1.0, 1.0) + (1.0 - share) * np.clip(second, -1.0, 1.0)
    mean = np.where((mean > 0) == (vote > 0), mean, vote)
    return _pale(mean, trust), confidence


def _pale(logits: np.ndarray, trust: float) -> np.ndarray:
    """Logits less certain by how little the track is trusted."""
    return logits * np.float32(0.5 + 0.5 * min(1.0, trust))
