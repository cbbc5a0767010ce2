"""The plugin in a host, with a real engine: the pictures it makes are those of the graph."""

from __future__ import annotations

import numpy as np
import pytest

FRAMES = [1002, 1003, 1005]


def test_roto_gives_the_matte_of_the_same_graph(
    opened, source, plate, prompts, render_graph, roto_graph
):
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    wanted = render_graph(roto_graph, "refine", FRAMES)
    for frame in FRAMES:
        got = node.render(frame).pixels
        assert np.array_equal(got[..., :3], plate[frame][::-1, :, :3])
        assert np.array_equal(got[..., 3], wanted[frame])
    assert wanted[1003].mean() > 0.05
    assert node.message is None


@pytest.mark.parametrize("profile", ["NATRON_RENDERER", "NUKE_FARM"])
def test_five_nodes_as_wired_give_the_matte_of_the_same_graph(
    profile, hosts, opened, source, plate, prompts, render_graph, wired_graph
):
    host = opened(getattr(hosts, profile))
    wire = source(plate)
    nodes = {}
    for name in ("Detect", "Segment", "Track", "Matte", "Refine"):
        nodes[name] = host.instance(name, **({"prompts": prompts} if name == "Segment" else {}))
        nodes[name].wire("Source", wire)
        wire = hosts.downstream(nodes[name], 1001, 1005)
    nodes["Refine"]["feather"] = 4.0
    wanted = render_graph(wired_graph(prompts, feather=4.0), "refine", FRAMES)
    for frame in FRAMES:
        got = nodes["Refine"].render(frame).pixels
        assert np.array_equal(got[..., :3], plate[frame][::-1, :, :3])
        assert np.array_equal(got[..., 3], wanted[frame])
    assert [n.message for n in nodes.values()] == [None] * 5


def test_an_animated_parameter_moves(opened, source, plate, prompts, render_graph, roto_graph):
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    node.params["refine_grow"].keys = {1001.0: 0.0, 1005.0: 4.0}
    roto_graph["refine"]["grow"] = {"keys": {"1001": 0.0, "1005": 4.0}}
    wanted = render_graph(roto_graph, "refine", FRAMES)
    for frame in FRAMES:
        assert np.array_equal(node.render(frame).pixels[..., 3], wanted[frame])


def test_negative_infinite_and_missing_numbers_come_through(opened, source, plate, prompts):
    strange = {frame: pixels.copy() for frame, pixels in plate.items()}
    for pixels in strange.values():
        pixels[3, 4, :3] = [-2.0, np.inf, -np.inf]
        pixels[5, 6, 1] = np.nan
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(strange))
    got = node.render(1002).pixels[::-1]
    assert got[3, 4, :3].tolist() == [-2.0, np.inf, -np.inf]
    assert got[5, 6, 1] == 1.0  # as a host would write it
    assert np.isfinite(got[..., 3]).all()


@pytest.mark.parametrize(("padding", "reverse"), [(48, False), (0, True), (48, True)])
def test_rows_may_be_padded_or_run_backwards(opened, source, plate, prompts, padding, reverse):
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    plain = node.render(1002)
    assert np.array_equal(node.render(1002, padding=padding, reverse=reverse).pixels, plain.pixels)


def test_bounds_may_lie_anywhere(opened, source, plate, prompts, render_graph, roto_graph):
    """Overscan: the plate's picture begins left of and below the format."""
    moved = {f: np.pad(p, ((6, 4), (8, 2), (0, 0)), mode="edge") for f, p in plate.items()}
    node = opened(project=(96, 72)).instance("Roto", prompts=prompts)
    node.wire("Source", source(moved, origin=(-8, -4)))
    header = {
        "displayWindow": ((0, 0), (95, 71)),
        "dataWindow": ((-8, -6), (97, 75)),
    }
    wanted = render_graph(roto_graph, "refine", [1002], plate=moved, **header)
    assert np.array_equal(node.render(1002).pixels[..., 3], wanted[1002])


def test_wide_pixels(opened, source, plate, prompts, render_graph, roto_graph):
    node = opened(project=(192, 72)).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate, aspect=2.0))
    wanted = render_graph(roto_graph, "refine", [1003], pixelAspectRatio=2.0)
    assert np.array_equal(node.render(1003).pixels[..., 3], wanted[1003])


def test_no_picture_is_black(opened, hosts, prompts):
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", hosts.Source(lambda time: None, 1001, 1005, rod=(0, 0, 96, 72)))
    assert not node.render(1002, size=(96, 72)).pixels.any()


def test_half_size_is_the_whole_result_made_smaller(opened, source, plate, prompts, hosts):
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    whole = node.render(1003).pixels

    def half(frame):
        return hosts.Frame(frame.pixels.reshape(36, 2, 48, 2, 4).mean((1, 3)), (0, 0))

    small = node.render(1003, scale=0.5, shrink=half).pixels
    assert small.shape == (36, 48, 4)
    wanted = whole[..., 3].reshape(36, 2, 48, 2).mean((1, 3))
    assert np.allclose(small[..., 3], wanted, atol=1e-6)


def test_a_proxy_is_never_tracked(opened, source, plate, prompts, hosts):
    node = opened(hosts.NUKE).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))

    def half(frame):
        return hosts.Frame(frame.pixels[::2, ::2], (0, 0))

    got = node.render(1003, scale=0.5, shrink=half).pixels
    assert np.array_equal(got, plate[1003][::-1][::2, ::2])
    assert "proxy" in node.message[1]


def test_outputs(opened, source, plate, prompts):
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    matte = node.render(1002).pixels
    alpha = matte[..., 3:]
    node["output"] = 1
    assert np.allclose(node.render(1002).pixels[..., :3], matte[..., :3] * alpha, atol=1e-6)
    node["output"] = 2
    assert np.array_equal(node.render(1002).pixels, matte)
    node["show_layer"] = "nobody"
    assert not node.render(1002).pixels[..., 3].any()
    node["output"] = 3
    overlay = node.render(1002).pixels
    assert np.array_equal(overlay[alpha[..., 0] == 0], matte[alpha[..., 0] == 0])
    assert not np.array_equal(overlay, matte)
    node["output"] = 4
    lines = (node.render(1002).pixels[..., :3] == [1, 1, 0]).all(2)
    inside = np.argwhere(alpha[..., 0] > 0.5)
    low, high = inside.min(0), inside.max(0)
    assert lines[low[0], low[1] : high[1]].all()
    assert lines[low[0] : high[0], high[1]].all()
    assert not lines[low[0] + 5 : high[0] - 5, low[1] + 5 : high[1] - 5].any()
