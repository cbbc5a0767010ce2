"""Corrections and approval: what an artist says of frames that are tracked already, and keeps."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.correct import Present, correct, frozen_prompt, lock, unlock
from rotograph.environment import Environment
from rotograph.errors import PromptError
from rotograph.needs import Keys
from rotograph.prompt import Prompt
from rotograph.render import render
from rotograph.store import Store


@pytest.fixture(scope="module")
def rendered(make_shot):
    """A rendered shot whose files no test changes."""
    shot = make_shot()
    assert render(Graph.load(shot.graph), Environment(Store(shot.cache))).complete
    return shot


@pytest.fixture
def environment(rendered):
    return Environment(Store(rendered.cache))


def outside(frame):
    return Prompt(frame, "disc", point=(76.0, 50.0), positive=False)


def test_the_first_correction_freezes_the_mask_that_is_there(rendered, environment):
    graph = Graph.load(rendered.graph)
    (kept,) = correct(graph, environment, [outside(1003)])
    frozen = exr.read(kept)
    assert kept.parent == graph.frozen_folder and frozen.spec.data.size == (160, 96)
    truth = exr.read(rendered.truth(1003)).pixels[..., 0] > 0.5
    found = frozen.pixels[..., 0] > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    first, second = graph.nodes["track"].value("prompts")
    assert (first.frame, rendered.folder / first.mask, second) == (1003, kept, outside(1003))
    assert correct(graph, environment, [outside(1003)]) == [], "an anchor already"


def test_a_correction_outside_the_plate_is_refused(rendered, environment):
    with pytest.raises(PromptError, match=r"track, frame 1009.*no such frame"):
        correct(Graph.load(rendered.graph), environment, [outside(1009)])


@pytest.mark.parametrize("node", [None, "track"], ids=["what is written", "the tracker"])
def test_a_locked_frame_takes_no_correction_until_it_is_unlocked(rendered, environment, node):
    graph = Graph.load(rendered.graph)
    assert lock(graph, environment, [1002, 1003], node=node) == 2
    assert list(graph.nodes[node or "refine"].locked["disc"]) == [1002, 1003]
    with pytest.raises(PromptError, match=r"frame 1003.*locked as approved"):
        correct(graph, environment, [outside(1003)])
    assert unlock(graph, [1003], node=node) == 1
    assert correct(graph, environment, [outside(1003)])


def test_a_document_without_a_folder_keeps_what_is_there_within_its_prompts(rendered, environment):
    from_file, in_text = Graph.load(rendered.graph), Graph.load(rendered.graph)
    correct(from_file, environment, [outside(1003)])
    keys = Keys(in_text, environment)
    found = frozen_prompt(keys, "refine", "disc", 1003)
    assert found.whole and found.mask.startswith("inline:")
    in_text.nodes["track"].set("prompts", [found.to_json(), outside(1003).to_json()])
    one, other = (
        next(Present(graph, environment).outputs("track", ("disc",), (1003,)))[2]
        for graph in (from_file, in_text)
    )
    alphas = [1 / (1 + np.exp(-m.logits)) for m in (one, other)]
    assert np.abs(alphas[0] - alphas[1]).mean() < 0.002
    assert ((one.logits > 0) != (other.logits > 0)).mean() < 1e-3
    again = Keys(in_text, environment)
    assert frozen_prompt(again, "refine", "disc", 1003) is None, "an anchor already"


def test_nothing_is_computed_to_be_frozen(rendered, tmp_path):
    empty = Environment(Store(tmp_path))
    keys = Keys(Graph.load(rendered.graph), empty)
    assert frozen_prompt(keys, "track", "disc", 1003) is None
