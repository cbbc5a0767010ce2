"""How the plugin behaves in a host: lazily, quick to stop, honest when something is amiss."""

from __future__ import annotations

import json
import socket
import threading
import time

import numpy as np
import PyOpenColorIO as ocio
import pytest

from rotograph.client import COMMAND, Client, Private


def test_a_project_with_twenty_nodes_opens_without_the_engine(bundle, hosts, tmp_path, monkeypatch):
    """Neither a connection is tried nor a process started before the first render."""
    called = tmp_path / "called"
    program = tmp_path / "engine"
    program.write_text(f"#!/bin/sh\ntouch {called}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("ROTOGRAPH_ENGINE", str(program))
    monkeypatch.setenv("ROTOGRAPH_SOCKET", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        listening.setblocking(False)
        host = hosts.Host(bundle, hosts.NUKE)
        names = [n.split(".")[-1] for n in host.plugins]
        nodes = [host.instance(names[i % 6]) for i in range(20)]
        with pytest.raises(BlockingIOError):
            listening.accept()
        for node in nodes:
            node.destroy()
        host.unload()
    assert not called.exists()
    assert host.faults == []


def test_without_an_engine_the_plate_comes_through_and_the_node_says_so(
    bundle, hosts, source, plate, prompts, tmp_path, monkeypatch
):
    monkeypatch.setenv("ROTOGRAPH_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    host = hosts.Host(bundle, hosts.NUKE)
    node = host.instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    assert np.array_equal(node.render(1002).pixels, plate[1002][::-1])
    kind, said = node.message
    assert kind == "OfxMessageError"
    assert "engine" in said
    node["refine_grow"] = 2.0
    assert node.message is None, "a persistent error blocks a host until it is cleared"
    assert host.faults == []


def test_on_a_farm_a_frame_without_its_matte_fails(
    bundle, hosts, source, plate, prompts, tmp_path, monkeypatch
):
    monkeypatch.setenv("ROTOGRAPH_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    node = hosts.Host(bundle, hosts.NATRON_RENDERER).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    assert node.render(1002) is None
    assert "engine" in node.message[1]


def test_the_shared_engine_is_started_at_the_first_render(
    bundle, hosts, source, plate, prompts, tmp_path, monkeypatch
):
    program = tmp_path / "rotograph"
    program.write_text("#!/bin/sh\nexec " + " ".join(COMMAND) + ' "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("ROTOGRAPH_ENGINE", str(program))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ROTOGRAPH_SOCKET", raising=False)
    tmp_path.chmod(0o700)
    host = hosts.Host(bundle, hosts.NATRON_RENDERER)
    node = host.instance("Segment", prompts=prompts)
    node.wire("Source", source(plate))
    try:
        assert node.render(1002) is not None, node.message
        with Client("test", start=False) as client:
            names = [c["client"] for c in client.status()["clients"]]
            assert "fr.inria.Natron" in names
        assert host.longest < 0.25
    finally:
        with Client("test", start=False) as client:
            client.stop()
    assert host.faults == []


def big(plate, size=4):
    return {f: np.kron(p, np.ones((size, size, 1), np.float32)) for f, p in plate.items()}


def scaled(prompts, size=4):
    said = json.loads(prompts)
    said[0]["box"] = [size * v for v in said[0]["box"]]
    return json.dumps(said)


def test_a_render_that_is_stopped_ends_at_once(opened, source, plate, prompts):
    node = opened(project=(384, 288)).instance("Roto", prompts=scaled(prompts))
    node.wire("Source", source(big(plate)))
    began = time.monotonic()
    stop_at = began + 0.6
    node.abort = lambda: time.monotonic() > stop_at
    assert node.render(1003) is None
    assert time.monotonic() - stop_at < 1.0
    assert node.message is None, "stopping is no error"
    gaps = np.diff(node.polls)
    assert np.median(gaps) < 0.05
    node.abort = lambda: False
    assert node.render(1003) is not None, node.message


def test_an_engine_that_dies_in_mid_render(
    bundle, hosts, source, plate, prompts, tmp_path, monkeypatch
):
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "cache"))
    engine = Private(COMMAND)
    monkeypatch.setenv("ROTOGRAPH_SOCKET", engine.address)
    host = hosts.Host(bundle, hosts.NATRON_RENDERER, (384, 288))
    node = host.instance("Roto", prompts=scaled(prompts))
    node.wire("Source", source(big(plate)))
    killer = threading.Timer(0.8, engine.process.kill)
    killer.start()
    began = time.monotonic()
    assert node.render(1003) is None
    assert time.monotonic() - began < 20
    killer.join()
    engine.close()
    assert node.message is not None
    with Private(COMMAND) as other:
        monkeypatch.setenv("ROTOGRAPH_SOCKET", other.address)
        node.changed("refine_grow")
        assert node.render(1002) is not None, node.message
    host.unload()
    assert host.faults == []


# -- an artist's session ----------------------------------------------------------------------


def test_track_reports_its_progress_and_rendering_is_a_look_up_then(
    opened, hosts, source, plate, prompts, render_graph, roto_graph
):
    node = opened(hosts.NUKE).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    node.time = 1001.0
    node.changed("track_button")
    assert node.message is None
    assert len(node.reports) >= 2
    kept = json.loads(node["recipe"])
    assert sorted(kept["plates"]["plate"]["frames"]) == [str(f) for f in sorted(plate)]
    wanted = render_graph(roto_graph, "refine", [1001, 1005])
    for frame in (1001, 1005):
        assert node.frames_needed(frame)["Source"] == (frame, frame)
        began = time.monotonic()
        assert np.array_equal(node.render(frame).pixels[..., 3], wanted[frame])
        assert time.monotonic() - began < 1.0


def test_track_can_be_cancelled(opened, hosts, source, plate, prompts):
    node = opened(hosts.NUKE, project=(384, 288)).instance("Roto", prompts=scaled(prompts))
    node.wire("Source", source(big(plate)))
    node.progress = lambda part: False
    node.changed("track_button")
    assert node["recipe"] == ""
    assert node.message is None


def test_a_click_shows_its_mask_before_anything_is_tracked(opened, hosts, source, plate, prompts):
    node = opened(hosts.NUKE).instance("Segment", prompts=prompts)
    node.wire("Source", source(plate))
    assert node.frames_needed(1002)["Source"] == (1002, 1002)
    assert node.render(1002).pixels[..., 3].mean() > 0.05


def test_where_nothing_was_tracked_the_node_says_what_to_do(opened, hosts, source, plate, prompts):
    node = opened(hosts.NUKE).instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    assert np.array_equal(node.render(1004).pixels, plate[1004][::-1])
    assert "press Track" in node.message[1]


def test_a_saved_node_needs_no_store(opened, hosts, source, plate, prompts, tmp_path, monkeypatch):
    """The recipe in the project file is enough on a blade with an empty store."""
    artist = opened(hosts.NUKE).instance("Roto", prompts=prompts)
    artist.wire("Source", source(plate))
    artist.changed("track_button")
    wanted = artist.render(1004).pixels
    monkeypatch.setenv("ROTOGRAPH_CACHE", str(tmp_path / "blade"))
    blade = opened(hosts.NUKE_FARM).instance("Roto", prompts=prompts, recipe=artist["recipe"])
    blade.wire("Source", source(plate))
    assert np.array_equal(blade.render(1004).pixels, wanted), blade.message


def test_a_changed_plate_is_never_silently_stale(
    opened, hosts, source, plate, prompts, render_graph, roto_graph
):
    """Tracked, then a frame of the plate is another: a headless render computes it anew."""
    artist = opened(hosts.NUKE).instance("Roto", prompts=prompts)
    artist.wire("Source", source(plate))
    artist.changed("track_button")
    other = dict(plate)
    other[1004] = np.roll(plate[1004], 3, axis=1)
    seen = opened(hosts.NUKE).instance("Roto", prompts=prompts, recipe=artist["recipe"])
    seen.wire("Source", source(other))
    seen.render(1004)
    assert "press Track" in seen.message[1]
    blade = opened(hosts.NUKE_FARM).instance("Roto", prompts=prompts)
    blade.wire("Source", source(other))
    wanted = render_graph(roto_graph, "refine", [1004], plate=other)
    assert np.array_equal(blade.render(1004).pixels[..., 3], wanted[1004])


def test_a_chain_wired_in_the_wrong_order_says_what_is_missing(opened, source, plate):
    node = opened().instance("Refine")
    node.wire("Source", source(plate))
    assert node.render(1002) is None
    assert "put the Rotograph node that makes them right before it" in node.message[1]


def test_what_the_engine_refuses_is_one_line(opened, source, plate, prompts):
    node = opened().instance("Roto", prompts=prompts, refine_model="nobody")
    node.wire("Source", source(plate))
    assert node.render(1002) is None
    assert "nobody" in node.message[1]
    assert "\n" not in node.message[1]
    node["refine_model"] = "classic"
    assert node.message is None
    assert node.render(1002) is not None


def test_prompts_that_are_no_json_are_refused_by_name(opened, source, plate):
    node = opened().instance("Roto", prompts='[{"frame": 1002')
    node.wire("Source", source(plate))
    assert node.render(1002) is None
    assert node.message[1] == "Prompts: are not understood; undo the last edit"


def test_a_host_is_never_kept_waiting_for_long(opened, source, plate, prompts):
    """50 ms at most between two looks at abort, while the engine computes and while it does not."""
    large = big(plate, 20)
    node = opened(project=(1920, 1440)).instance("Segment", prompts=scaled(prompts, 20))
    node.wire("Source", source(large))
    longest = []
    for _ in range(4):  # a busy machine may hold up anybody once
        host = node.host
        host.longest = 0.0
        node["model"] = "classic"
        assert node.render(1003) is not None, node.message
        longest.append(host.longest)
    assert min(longest) < 0.05
    assert longest[0] < 0.25


# -- what of the host's process goes along ----------------------------------------------------


def test_the_hosts_variables_go_with_every_request(
    opened, source, plate, prompts, tmp_path, monkeypatch
):
    """An OCIO config that names a show's variable: the engine has never heard of it."""
    config = ocio.Config.CreateFromFile("ocio://default")
    way = ocio.FileTransform("$SHOT.spi1d", interpolation=ocio.INTERP_LINEAR)
    config.addColorSpace(ocio.ColorSpace(name="of the shot", toReference=way))
    config.addEnvironmentVar("SHOT", "nothing")
    config.setSearchPath(str(tmp_path))
    (tmp_path / "config.ocio").write_text(config.serialize())
    (tmp_path / "sh010.spi1d").write_text(
        "Version 1\nFrom 0.0 1.0\nLength 2\nComponents 1\n{\n0.0\n1.0\n}\n"
    )
    monkeypatch.setenv("OCIO", str(tmp_path / "config.ocio"))
    node = opened().instance("Roto", prompts=prompts, colour_space="of the shot")
    node.wire("Source", source(plate))
    monkeypatch.setenv("SHOT", "sh999")
    assert node.render(1002) is None
    assert "shot" in node.message[1]
    monkeypatch.setenv("SHOT", "sh010")
    assert node.render(1002) is not None, node.message


def test_a_licence_policy_may_not_be_looser_than_the_studios(
    opened, source, plate, prompts, tmp_path, monkeypatch
):
    (tmp_path / "studio.toml").write_text('licence_policy = "commercial"\n')
    monkeypatch.setenv("ROTOGRAPH_MODELS", str(tmp_path))
    node = opened().instance("Roto", prompts=prompts)
    node.wire("Source", source(plate))
    monkeypatch.setenv("ROTOGRAPH_LICENCE_POLICY", "any")
    assert node.render(1002) is None
    assert "this studio allows 'commercial'" in node.message[1]
    monkeypatch.setenv("ROTOGRAPH_LICENCE_POLICY", "whatever")
    assert node.render(1002) is None
    assert "ROTOGRAPH_LICENCE_POLICY" in node.message[1]
    monkeypatch.setenv("ROTOGRAPH_LICENCE_POLICY", "commercial")
    assert node.render(1002) is not None, node.message
