"""``rotograph splines`` as a user runs it: from a graph, and from mattes on disk."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.cli import rotograph
from rotograph.deliver.rasterise import layer_alpha
from rotograph.deliver.spline import from_json
from rotograph.image import Box

pytestmark = pytest.mark.slow


def run(*arguments: object):
    return CliRunner().invoke(rotograph, ["splines", *map(str, arguments)])


def check(shot, folder, layer: str, least: float) -> None:
    made = from_json((folder / "shapes.json").read_text(encoding="utf-8"))
    assert [a.name for a in made.layers] == [layer]
    assert made.frames == shot.frames
    for frame in shot.frames:
        mask = layer_alpha(made.layers[0], frame, Box(0, 0, 160, 96)) > 0.5
        truth = exr.read(shot.truth(frame)).coverage() > 0.5
        assert (mask & truth).sum() / (mask | truth).sum() > least
        left = exr.read(folder / "residual" / f"{layer}.{frame}.exr")
        assert left.spec.channels == ("A", "shape.A") and left.pixels.dtype == np.float32


def test_a_graph_becomes_shapes_for_every_program(make_shot, tmp_path):
    shot = make_shot(6)
    formats = [
        word
        for name in ("nuke", "natron", "ae", "silhouette", "svg", "json")
        for word in ("--format", name)
    ]
    out = tmp_path / "shapes"
    first = run(shot.graph, *formats, "-o", out, "--cache", shot.cache)
    assert first.exit_code == 0, first.output
    check(shot, out, "disc", 0.9)
    for name in ("shapes.nuke.py", "shapes.nk", "shapes.natron.py", "shapes.jsx", "shapes.fxs"):
        assert (out / name).stat().st_size > 500
    assert len(list((out / "svg").glob("disc.*.svg"))) == 6
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    again = run(shot.graph, *formats, "-o", out, "--cache", shot.cache)
    assert again.exit_code == 0, again.output
    assert made == {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}, "as it was"
    other = run(shot.graph, *formats, "--fps", 25, "-o", out, "--cache", shot.cache)
    assert other.exit_code == 1 and "say --overwrite" in other.output


def test_mattes_on_disk_become_shapes(make_shot, tmp_path):
    shot = make_shot(6)
    done = run(
        shot.folder / "truth.####.exr", "--plate", shot.folder / "plate.####.exr", "-o", tmp_path
    )
    assert done.exit_code == 0, done.output
    check(shot, tmp_path, "truth", 0.97)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--layer", "nobody"], "there is no layer 'nobody'"), (["--frames", "1-3"], "has no such")],
)
def test_what_is_not_there_is_one_clear_line(make_shot, tmp_path, arguments, why):
    shot = make_shot(2)
    done = run(shot.graph, "-o", tmp_path, "--cache", shot.cache, *arguments)
    assert done.exit_code == 1 and why in done.output
