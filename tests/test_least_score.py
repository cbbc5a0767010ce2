"""Detect's least score: the model's own, unless the artist says another."""

from __future__ import annotations

import pytest

from rotograph.card import Card
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph
from rotograph.models import Models
from rotograph.needs import Keys
from rotograph.plan import plan_outputs
from rotograph.render import compute
from rotograph.store import Store

PROPOSED = Result("detect", "propose", None, None)


def graph_of(shot, **settings):
    nodes = {
        "plate": {"type": "Read", "file": "plate.####.exr", "colour_space": "ACEScg"},
        "detect": {"type": "Detect", "inputs": {"plate": "plate"}, **settings},
    }
    return Graph.from_dict({"rotograph": 1, "nodes": nodes}, shot.folder)


def test_nothing_said_is_what_the_card_says(make_shot):
    shot = make_shot(3)
    network = {"score": 0.7}
    sure = Card(
        "sure", "Sure", 1, {"detect": "nowhere"}, "ACEScct", 64, "MIT", True, network=network
    )
    silent = Card("silent", "Silent", 1, {"detect": "nowhere"}, "ACEScct", 64, "MIT", True)
    models = Models([Models().cards["classic"], sure, silent])

    def least(**settings):
        keys = Keys(graph_of(shot, **settings), Environment(Store(shot.cache), models))
        return keys.entry(PROPOSED).needs["threshold"].value

    assert [least(model=name) for name in ("classic", "sure", "silent")] == [0.2, 0.7, 0.2]
    assert least(model="sure", threshold=0.1) == pytest.approx(0.1)


@pytest.mark.parametrize(("said", "same"), [(0.2, True), (0.3, False)])
def test_the_same_score_is_the_same_result_whoever_says_it(make_shot, said, same):
    shot = make_shot(3)
    environment = Environment(Store(shot.cache))
    keys = []
    for settings in ({}, {"threshold": said}):
        execution = Execution(environment, Limits())
        graph = graph_of(shot, **settings)
        compute(
            execution,
            lambda graph=graph: Keys(graph, environment),
            lambda known: plan_outputs(known, "detect", ("",), (1001,)),
        )
        keys.append(execution.keys.entry(PROPOSED).key)
    assert None not in keys and (keys[0] == keys[1]) is same
