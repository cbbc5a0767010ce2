"""SAM 2 for the roles ``segment`` and ``track``, loaded when it is first used; see sam2_tracker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from rotograph.models import Supply
from rotograph_nodes.models import half, sam2_lighter, sam2_network
from rotograph_nodes.models.held import held, read_state
from rotograph_nodes.models.prompts import GridPrompts
from rotograph_nodes.models.sam2_state import State, believed
from rotograph_nodes.models.sam2_tracker import Anchor, Features, Sam2, Step


class Adapter:
    """Both roles of one card; they share one network.

    The card's ``network`` table: ``config``, a configuration of the sam2 package such as
    ``sam2.1/sam2.1_hiera_t``; ``changes``, numbers in it that differ; ``look_back``, how many
    earlier frames a step is given (``num_maskmem - 1``). ``numeric_mode = "bfloat16"`` computes in
    half precision where that is faster, and keeps features as float16.
    """

    def __init__(self, supply: Supply) -> None:
        self._supply = supply

    def encode(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """See ``Sam2.encode``."""
        with self._network() as sam:
            return sam.encode(picture)

    def segment(
        self, features: Features, prompts: GridPrompts, prior: np.ndarray | None = None
    ) -> np.ndarray:
        """See ``Sam2.segment``."""
        with self._network() as sam:
            return sam.segment(features, prompts, prior)

    def start(
        self, features: Features, logits: np.ndarray, asked: GridPrompts | None = None
    ) -> State:
        """See ``Sam2.start``."""
        with self._network() as sam:
            return sam.start(features, logits, asked)

    def step(
        self,
        state: State,
        features_from: Features | None,
        features_to: Features,
        between: Mapping[str, np.ndarray] | None,
        anchors: Sequence[Anchor],
        earlier: Sequence[State] = (),
    ) -> State:
        """See ``Sam2.step``."""
        with self._network() as sam:
            return sam.step(state, features_from, features_to, between, anchors, earlier)

    def step_layers(self, steps: Sequence[tuple[Any, ...]]) -> Iterator[State]:
        """``step`` for several layers on one frame, each given as ``step`` is."""
        told = [Step(state, anchors, earlier) for state, _, _, _, anchors, earlier in steps]
        with self._network() as sam:
            yield from sam.step_layers(steps[0][2], told)

    def fuse(
        self,
        forward: State | None,
        backward: State | None,
        distance_forward: int | None,
        distance_backward: int | None,
        features: Features | None,
    ) -> tuple[np.ndarray, float]:
        """See ``believed``; it takes no network."""
        del features
        sides = ((forward, distance_forward), (backward, distance_backward))
        return believed([(state, far) for state, far in sides if state is not None])

    def _network(self) -> AbstractContextManager[Sam2]:
        return held(self._supply, self._make, self._wrap)

    @property
    def precision(self) -> str:
        """See ``half.precision``."""
        return half.precision(self._supply)

    def _make(self) -> Any:
        told = self._supply.card.network
        model = sam2_network.settings(told["config"], told.get("changes"))
        network = sam2_network.build(model, read_state(self._supply))
        return sam2_lighter.lighten(network, half=self.precision == "bfloat16")

    def _wrap(self, network: Any) -> Sam2:
        return Sam2(network, half=self._supply.card.numeric_mode == "bfloat16")
