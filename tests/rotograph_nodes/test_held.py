"""Networks in memory: the same one for all who ask with the same card, another for another card."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from rotograph.models import Supply
from rotograph.resident import Resident
from rotograph_nodes.models.held import held

from .tiny_onnx import tiny_card


def test_a_card_that_says_something_else_of_the_same_weights_gets_a_network_of_its_own(tmp_path):
    (tmp_path / "weights").write_bytes(b"x")
    made, resident = [], Resident()

    def make():
        import torch

        made.append(torch.nn.Linear(1, 1))
        return made[-1]

    first = tiny_card(network={"look_back": 6})
    for card in (first, first, replace(first, network={"look_back": 2}), replace(first, version=2)):
        with held(Supply(card, tmp_path / "weights", "cpu", resident), make, lambda n: n) as used:
            assert used is made[-1]
    assert len(made) == 3
