"""From a host's wires to a graph file: what fits, what is refused, and in which words."""

from __future__ import annotations

import pytest

from rotograph import Graph
from rotograph_host import chain, prompting
from rotograph_host.chain import Animated, HostError, Node, Passing, Plate

BOX = '[{"frame": 1001, "layer": "disc", "box": [21, 17, 79, 75]}]'


def plate(name="Read1", file="/shows/x/plate.####.exr", space=""):
    return Plate(name, file, 1001, 1004, space)


def node(kind, *inputs, name=None, **values):
    return Node(name or f"{kind}1", kind, values, list(inputs))


def built(last):
    return chain.build(last, lambda node: node)


def test_the_one_node_that_is_all_becomes_the_operators_it_stands_for(make_shot):
    shot = make_shot(1)
    read = plate(file=f"{shot.folder}/plate.####.exr")
    values = {"prompts": BOX, "matte_inside": 3.0, "refine_feather": Animated(lambda f: f - 1001)}
    found = built(node("Roto", read, **values))
    assert [n["type"] for n in found.nodes.values()] == [
        "Read",
        "Segment",
        "Track",
        "Matte",
        "Refine",
    ]
    assert found.nodes["Roto1 Matte"]["inside"] == 3.0
    assert found.nodes["Roto1 Refine"]["feather"]["keys"]["1004"] == 3.0
    Graph.from_dict(chain.document(found), shot.folder)
    detected = built(node("Roto", read, use_detect=True))
    assert detected.nodes["Roto1 Segment"]["inputs"]["boxes"] == "Roto1 Detect"
    Graph.from_dict(chain.document(detected, "/x/m.####.exr"), shot.folder)


def test_pictures_beside_the_plate_go_to_their_ports_and_a_shared_node_is_there_once():
    read, holdout = plate(), plate("Read2", "/shows/x/holdout.####.exr")
    segment = node("Segment", Passing(read), prompts=BOX)
    track = node("Track", segment, order="a, b,")
    matte = node("Matte", track, None, holdout, segment)
    found = built(matte)
    assert found.nodes["Matte1"]["inputs"] == {
        "plate": "Read1",
        "logits": "Track1",
        "garbage": "Read2",
        "core": "Segment1",
    }
    assert found.nodes["Track1"]["order"] == ["a", "b"]
    assert len(found.nodes) == 5
    assert found.frames == (1001, 1002, 1003, 1004)


def test_names_that_a_graph_file_cannot_have_are_made_ones_that_it_can():
    found = built(node("Segment", plate("Group1.Read1"), name="Group1.Segment1", prompts=BOX))
    assert set(found.nodes) == {"Group1_Read1", "Group1_Segment1"}
    same = built(node("Segment", plate("a.b"), name="a/b", prompts=BOX))
    assert set(same.nodes) == {"a_b", "a_b_2"}


@pytest.mark.parametrize(
    ("last", "line"),
    [
        (plate(), "Read1: is a plate; choose a Rotograph node"),
        (node("Track", None), "Track1: has no plate; connect its first input"),
        (node("Track", Passing(None)), "a wire ends in nothing; connect it to a Read"),
        (node("Refine", plate()), "Refine1: needs mattes; put the node that makes them before it"),
        (
            node("Matte", node("Detect", plate())),
            "Matte1: takes no detections from Detect1; wire them as Detect, Segment, Track, Matte, "
            "Refine",
        ),
        (
            node("Segment", plate(), prompts="not json"),
            "Segment1: the prompts are not understood; undo the last edit",
        ),
        (node("Segment", plate(file="p.exr")), "Read1: 'p.exr' is no full path; name one"),
    ],
)
def test_what_cannot_be_meant_is_one_line(last, line):
    with pytest.raises(HostError) as error:
        built(last)
    assert str(error.value) == line


def test_wires_in_circles_end():
    ring = node("Track", None)
    ring.inputs[0] = ring
    with pytest.raises(HostError, match="run in circles"):
        built(ring)


def test_boxes_are_no_mattes():
    with pytest.raises(HostError, match="boxes cannot be written as mattes"):
        chain.document(built(node("Detect", plate())), "/x/m.####.exr")


def test_a_second_box_on_a_frame_takes_the_place_of_the_first():
    text = prompting.add_box("", 1001, "disc", (0, 0, 10, 10))
    text = prompting.add_box(text, 1001, "disc", (5, 5, 20, 20))
    text = prompting.add_point(text, 1001, "disc", (7.5, 8.5))
    text = prompting.add_point(text, 1003, "disc", (1, 2), positive=False)
    assert prompting.summary(text) == "disc: 1001 (1 box, 1 point)\ndisc: 1003 (1 point)"
    assert chain.prompts(text)[0]["box"] == [5, 5, 20, 20]
    assert prompting.summary(prompting.delete(text, 1001, "disc")) == "disc: 1003 (1 point)"
    for bad in ("", "  "):
        with pytest.raises(HostError, match="name the layer"):
            prompting.add_point("", 1001, bad, (1, 2))
