"""The operators with their classic models on tiny real shots: what a compositor expects of each."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rotograph import Graph, exr
from rotograph.attribute import Attribute
from rotograph.environment import Environment
from rotograph.errors import GraphError, PromptError, WriteError
from rotograph.image import Box, Image, ImageSpec
from rotograph.render import render
from rotograph.store import Store

DISC = {"frame": 1001, "layer": "disc", "box": [21, 17, 79, 75]}


def run(shot, *, frames=None, complete=True, drop=(), **nodes):
    """Render the shot's graph with parameters (``node={...}``) or whole nodes put in."""
    document = shot.document()
    for name in drop:
        del document["nodes"][name]
    for name, parameters in nodes.items():
        document["nodes"].setdefault(name, {}).update(parameters)
    graph = Graph.from_dict(document, shot.folder)
    done = render(graph, Environment(Store(shot.cache)), frames)
    assert not complete or done.complete, done.errors
    return done


def matte(shot, frame, channels=None):
    found = exr.read(shot.matte(frame), channels=channels)
    return {n: found.channel(n).astype(np.float32) for n in found.spec.channels}


def iou(alpha, shot, frame):
    truth = exr.read(shot.truth(frame)).pixels[..., 0] > 0.5
    return ((alpha > 0.5) & truth).sum() / ((alpha > 0.5) | truth).sum()


def with_pixels(shot, change):
    """Every frame of the plate, changed in place by ``change(pixels)``."""
    for frame in shot.frames:
        pixels = np.array(exr.read(shot.plate(frame)).pixels)
        change(pixels)
        shot.write_plate(frame, pixels)


def picture(path, pixels, channels=("A",), **spec):
    pixels = np.asarray(pixels, np.float32)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    exr.write(path, Image(ImageSpec(box, box, channels, **spec), pixels))
    return str(path)


def test_the_whole_path_follows_a_disc(shot):
    run(shot)
    for frame in shot.frames:
        assert iou(matte(shot, frame)["A"], shot, frame) > 0.9


# -- Read and Write ----------------------------------------------------------------------------


def test_geometry_and_attributes_come_back_as_they_were(shot):
    attributes = {
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
        "show": "nine lives",
        "timeCode": Attribute("timecode", bytes([0x12, 0x34, 0x05, 0x01, 0, 0, 0, 0])),
    }
    display, data = Box(0, 0, 150, 90), Box(-5, -3, 155, 93)
    for frame in shot.frames:
        pixels = exr.read(shot.plate(frame)).pixels
        spec = ImageSpec(display, data, ("R", "G", "B"), 2.0, attributes=attributes)
        exr.write(shot.plate(frame), Image(spec, pixels))
    run(shot, out={"content": "plate+matte"})
    for frame in shot.frames:
        plate, written = exr.read(shot.plate(frame)), exr.read(shot.matte(frame))
        assert (written.spec.display, written.spec.data) == (display, data)
        assert written.spec.pixel_aspect == 2.0
        for name, value in plate.spec.attributes.items():
            assert written.spec.attributes[name] == value
        assert written.spec.attributes["show"] == "nine lives"
    # and the disc is found where it is, in wide pixels too
    assert iou(matte(shot, 1003)["A"], shot, 1003) > 0.5


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_what_no_model_can_use_is_still_there_in_what_is_written(shot, kind):
    def spoil(pixels):
        pixels[0, :8] = np.nan
        pixels[1, :8] = np.inf
        pixels[2, :8] = -np.inf
        pixels[40:44, 40:44] = np.nan
        pixels[50, 50] = np.inf
        pixels[3, :8] = -4.5
        pixels[4, :8] = 60000.0

    for frame in shot.frames:
        pixels = np.array(exr.read(shot.plate(frame)).pixels)
        spoil(pixels)
        picture(shot.plate(frame), pixels, ("R", "G", "B"))
        box = Box(0, 0, 160, 96)
        exact = pixels.astype(kind)
        if kind is np.float32:
            exact[6, :8] = np.float32(1 / 3) * 1e6  # more than a half can hold
        exr.write(shot.plate(frame), Image(ImageSpec(box, box), exact))
    run(shot, out={"content": "plate+matte"})
    for frame in shot.frames:
        plate, written = exr.read(shot.plate(frame)), exr.read(shot.matte(frame))
        for name in "RGB":
            assert written.channel(name).tobytes() == plate.channel(name).tobytes()
        alpha = written.channel("A")
        assert np.isfinite(alpha).all() and alpha.min() >= 0 and alpha.max() <= 1
        assert iou(alpha, shot, frame) > 0.85


def test_a_premultiplied_foreground_carries_no_background(shot):
    """Over another colour nothing of the old wall, nor its NaN, may be seen."""

    def spoil(pixels):
        pixels[0, 0] = np.nan

    with_pixels(shot, spoil)
    run(shot, out={"content": "premultiplied"})
    found = matte(shot, 1003)
    rgb = np.stack([found[c] for c in "RGB"], axis=-1)
    assert np.isfinite(rgb).all() and not rgb[found["A"] == 0].any()
    edge = (found["A"] > 0.2) & (found["A"] < 0.8)
    own = rgb[edge] / found["A"][edge][:, None]
    # the disc is orange and the wall is blue: straight colours at the edge stay orange
    assert (own[:, 0] > own[:, 2]).all() and abs(np.median(own[:, 0]) - 0.9) < 0.2
    assert exr.read(shot.matte(1003)).spec.alpha == "premultiplied"


def test_a_plate_of_one_pixel(shot):
    for frame in shot.frames:
        shot.write_plate(frame, np.full((1, 1, 3), 0.5))
    prompt = {"frame": 1001, "layer": "disc", "box": [0, 0, 1, 1]}
    run(shot, segment={"prompts": [prompt]})
    assert matte(shot, 1004)["A"].shape == (1, 1)


def test_a_frame_of_another_size_is_named(shot):
    shot.write_plate(1004, np.full((48, 80, 3), 0.2))
    done = run(shot, complete=False)
    (error,) = done.errors
    assert (error.node, error.frame) == ("plate", 1004)
    assert "80x48" in str(error) and "160x96" in str(error)
    assert shot.matte(1001).exists() and not shot.matte(1004).exists()


def test_frames_may_differ_in_their_data_window(shot):
    """A renderer crops each frame to what is in it; the format stays."""
    for frame in shot.frames:
        image = exr.read(shot.plate(frame))
        x = 4 * (frame - 1001)
        data = Box(x, 2, 140 + x, 90)
        spec = ImageSpec(image.spec.display, data, ("R", "G", "B"))
        exr.write(shot.plate(frame), Image(spec, image.pixels[data.within(image.spec.data)]))
    run(shot)
    for frame in shot.frames:
        written = exr.read(shot.matte(frame))
        assert written.spec.data == exr.header(shot.plate(frame)).data
        assert iou(written.crop(Box(0, 0, 160, 96))[..., 0], shot, frame) > 0.9


# -- Segment and Track -------------------------------------------------------------------------


SEGMENTED = {"type": "Write", "inputs": {"image": "segment"}, "file": "mattes/matte.####.exr"}
TRACKED = {"type": "Write", "inputs": {"image": "track"}, "file": "mattes/matte.####.exr"}


@pytest.mark.parametrize("said", ["box", "points", "mask"])
def test_segment_takes_boxes_points_and_masks(shot, said):
    prompts = {
        "box": [DISC],
        "points": [
            {"frame": 1001, "layer": "disc", "point": [x, y], "positive": inside}
            for x, y, inside in [(50, 46, True), (38, 46, True), (62, 46, True), (50, 34, True),
                                 (8, 8, False), (150, 48, False), (60, 90, False)]
        ],
        "mask": [{"frame": 1001, "layer": "disc", "mask": "truth.1001.exr"}],
    }[said]  # fmt: skip
    run(shot, frames=[1001], segment={"prompts": prompts}, out=SEGMENTED)
    assert iou(matte(shot, 1001)["A"], shot, 1001) > 0.85


def test_a_negative_mask_takes_away(shot):
    half = np.zeros((96, 160), np.float32)
    half[:, :50] = 1
    picture(shot.folder / "half.exr", half)
    away = {"frame": 1001, "layer": "disc", "mask": "half.exr", "positive": False}
    run(shot, frames=[1001], segment={"prompts": [DISC, away]}, out=SEGMENTED)
    alpha = matte(shot, 1001)["A"]
    assert alpha[:, :45].max() < 0.5 and alpha[46, 60] > 0.5


def test_segment_alone_has_nothing_where_nobody_prompted(shot):
    prompts = [DISC, {"frame": 1003, "layer": "other", "box": [100, 10, 150, 60]}]
    run(shot, segment={"prompts": prompts}, out=SEGMENTED)
    assert set(matte(shot, 1002)) == {"A", "disc.A", "other.A"}
    assert matte(shot, 1002)["A"].max() == 0
    assert matte(shot, 1001)["disc.A"].max() > 0.5 and matte(shot, 1001)["other.A"].max() == 0


def test_matte_takes_segment_s_masks_of_layers_prompted_on_different_frames(shot):
    prompts = [DISC, {"frame": 1003, "layer": "other", "box": [100, 10, 150, 60]}]
    matting = {"inputs": {"plate": "plate", "logits": "segment"}}
    run(shot, drop=["track"], segment={"prompts": prompts}, matte=matting)
    assert matte(shot, 1001)["disc.A"].max() > 0.5 and matte(shot, 1001)["other.A"].max() == 0


@pytest.mark.parametrize("anchors", [[1004], [1002], [1001, 1004]], ids=str)
def test_anchors_may_be_anywhere(shot, anchors):
    prompts = [{"frame": frame, "layer": "disc", "mask": f"truth.{frame}.exr"} for frame in anchors]
    run(shot, segment={"prompts": prompts}, out=TRACKED)
    for frame in shot.frames:
        assert iou(matte(shot, frame)["A"], shot, frame) > 0.85


def test_a_prompt_outside_the_plate_is_named(shot):
    with pytest.raises(PromptError, match=r"frame 1009.*no such frame"):
        run(shot, segment={"prompts": [{**DISC, "frame": 1009}]})


def correct_the_right(shot):
    """1004 is given the disc's own mask, and a mask that takes its right part away."""
    right = np.zeros((96, 160), np.float32)
    right[:, 70:] = 1
    picture(shot.folder / "right.exr", right)
    truth = {"frame": 1004, "layer": "disc", "mask": "truth.1004.exr"}
    away = {"frame": 1004, "layer": "disc", "mask": "right.exr", "positive": False}
    run(shot, track={"prompts": [truth, away]}, out=TRACKED)
    return matte(shot, 1004)["A"]


def test_a_correction_on_the_tracker_changes_the_mask(shot):
    assert correct_the_right(shot)[:, 74:].max() < 0.5
    assert iou(matte(shot, 1001)["A"], shot, 1001) > 0.85


def test_a_negative_mask_takes_away_what_it_covers_and_no_more(shot):
    assert correct_the_right(shot)[50, 60] > 0.5


LAYERS = [
    DISC,
    {"frame": 1001, "layer": "left", "box": [10, 17, 52, 75]},
    {"frame": 1001, "layer": "wall", "box": [100, 5, 155, 90]},
]


@pytest.mark.parametrize("overlap", ["exclusive", "independent", "ordered"])
def test_layers_share_pixels_as_asked(shot, overlap):
    order = {"order": ["left", "disc"]} if overlap == "ordered" else {}
    run(shot, segment={"prompts": LAYERS}, track={"overlap": overlap, **order})
    found = matte(shot, 1002)
    names = {"disc.A", "left.A", "wall.A"}
    assert set(found) == {"A", *names}
    total = sum(found[name] for name in names)
    if overlap != "independent":
        assert total.max() <= 1.0, "exactly, in the written file"
    assert (found["A"] >= np.maximum.reduce([found[n] for n in names]) - 1e-3).all()


def test_an_order_that_names_no_layer_is_an_error(shot):
    with pytest.raises(GraphError, match=r"track.*'arm'"):
        run(shot, track={"overlap": "ordered", "order": ["arm"]})


def test_detect_finds_what_moves_and_it_can_be_tracked(shot):
    run(
        shot,
        drop=["matte", "refine"],
        detect={"type": "Detect", "inputs": {"plate": "plate"}, "max_layers": 1},
        segment={"inputs": {"plate": "plate", "boxes": "detect"}, "prompts": []},
        out=TRACKED,
    )
    assert iou(matte(shot, 1002)["A"], shot, 1002) > 0.6


def test_detect_works_without_a_store_that_keeps_anything(shot):
    document = shot.document()
    nodes = document["nodes"]
    nodes["detect"] = {"type": "Detect", "inputs": {"plate": "plate"}}
    nodes["segment"]["inputs"]["boxes"] = "detect"
    graph = Graph.from_dict(document, shot.folder)
    assert render(graph, Environment(Store(shot.cache, limit_bytes=10))).complete


def test_detect_on_a_single_frame_finds_nothing_and_says_so(make_shot):
    shot = make_shot(1)
    detect = {"type": "Detect", "inputs": {"plate": "plate"}}
    segment = {"inputs": {"plate": "plate", "boxes": "detect"}, "prompts": []}
    with pytest.raises(GraphError, match="nothing to follow"):
        run(shot, detect=detect, segment=segment)


def test_a_text_for_a_model_that_cannot_read_names_one_that_can(shot):
    detect = {"type": "Detect", "inputs": {"plate": "plate"}, "text": "person"}
    segment = {"inputs": {"plate": "plate", "boxes": "detect"}}
    with pytest.raises(PromptError, match=r"detect.*'classic' cannot read.*grounding-dino"):
        run(shot, detect=detect, segment=segment)


# -- Matte and Refine --------------------------------------------------------------------------


def test_a_trimap_wins_over_the_masks_and_core_and_garbage_over_all(shot):
    trimap = np.zeros((96, 160), np.float32)
    trimap[10:40, 100:150] = 1
    garbage, core = np.zeros_like(trimap), np.zeros_like(trimap)
    garbage[10:20, 100:110] = 1
    core[80:90, 10:20] = 1
    for name, drawn in (("trimap", trimap), ("garbage", garbage), ("core", core)):
        picture(shot.folder / f"{name}.exr", drawn)
    reads = {
        name: {"type": "Read", "file": f"{name}.exr"} for name in ("trimap", "garbage", "core")
    }
    inputs = {"plate": "plate", "logits": "track", **{name: name for name in reads}}
    matting = {"inputs": inputs}
    out = {"inputs": {"image": "matte"}}
    run(shot, **reads, matte=matting, out=out)
    for frame in shot.frames:  # one picture stands for every frame
        alpha = matte(shot, frame)["A"]
        assert (alpha[22:38, 102:148] == 1).all() and (alpha[10:20, 100:110] == 0).all()
        assert (alpha[80:90, 10:20] == 1).all() and alpha[40:60, 40:60].max() == 0


def test_a_picture_of_another_format_is_named(shot):
    picture(shot.folder / "garbage.exr", np.zeros((48, 80)))
    reads = {"type": "Read", "file": "garbage.exr"}
    inputs = {"plate": "plate", "logits": "track", "garbage": "garbage"}
    done = run(shot, garbage=reads, matte={"inputs": inputs}, complete=False)
    assert "matte, frame 1001" in str(done.errors[0]) and "80x48" in str(done.errors[0])


def test_grow_and_feather_are_in_plate_pixels(shot):
    def area(**refine):
        run(shot, refine={"smooth": 0, **refine}, out={"file": "mattes/matte.####.exr"})
        return float(matte(shot, 1002)["A"].sum())

    plain, grown, eroded = area(), area(grow=4), area(grow=-4)
    radius = np.sqrt(plain / np.pi)
    assert np.sqrt(grown / np.pi) == pytest.approx(radius + 4, abs=1)
    assert np.sqrt(eroded / np.pi) == pytest.approx(radius - 4, abs=1)
    assert area(feather=12) == pytest.approx(plain, rel=0.1)
    row = matte(shot, 1002)["A"][47]
    assert 6 <= ((row > 0.1) & (row < 0.9)).sum() / 2 <= 18


def test_a_layer_may_have_its_own_parameters(shot):
    run(shot, segment={"prompts": LAYERS}, track={"overlap": "independent"})
    before = matte(shot, 1002)
    own = {"layers": {"left": {"grow": -6}}}
    done = run(shot, segment={"prompts": LAYERS}, track={"overlap": "independent"}, refine=own)
    after = matte(shot, 1002)
    assert set(done.computed) == {"refine"}
    assert (after["disc.A"] == before["disc.A"]).all()
    assert after["left.A"].sum() < before["left.A"].sum()


# -- names of files ----------------------------------------------------------------------------


def test_each_layer_to_a_file_of_its_own(shot):
    run(shot, segment={"prompts": LAYERS}, out={"file": "mattes/{layer}/{layer}.%04d.exr"})
    for layer in ("disc", "left", "wall"):
        assert exr.header(shot.folder / f"mattes/{layer}/{layer}.1003.exr").channels == ("A",)


def test_an_existing_version_stands_unless_told_otherwise(shot):
    named = {"file": "mattes/v{version}/matte.####.exr"}
    run(shot, out=named)
    path = shot.folder / "mattes/v001/matte.1002.exr"
    before = path.read_bytes()
    assert run(shot, out=named).files == [], "an unchanged version is no conflict"
    with pytest.raises(WriteError, match=r"version.*overwrite=true"):
        run(shot, out=named, refine={"grow": 3})
    assert path.read_bytes() == before
    run(shot, out={**named, "version": 2}, refine={"grow": 3})
    assert (shot.folder / "mattes/v002/matte.1002.exr").exists()
    run(shot, out={**named, "overwrite": True}, refine={"grow": 3})
    assert path.read_bytes() != before


def test_a_foreign_file_is_not_written_over(shot):
    shot.matte(1002).parent.mkdir()
    shot.matte(1002).write_bytes(shot.truth(1002).read_bytes())
    with pytest.raises(WriteError, match=r"frame 1002.*not written by Rotograph"):
        run(shot)
    assert shot.matte(1002).read_bytes() == shot.truth(1002).read_bytes()
    assert not shot.matte(1001).exists(), "refused before anything was computed"


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize(
    ("content", "compression"),
    [("matte", "zip"), ("plate+matte", "zip"), ("cryptomatte", "zip"), ("matte", "dwaa"),
     ("plate+matte", "b44")],
)  # fmt: skip
def test_what_somebody_painted_on_is_not_written_over(shot, content, compression, forgotten):
    """Though it keeps the attributes that we wrote, and whether or not the store knows the file."""
    out = {"content": content, "compression": compression}
    run(shot, out=out)
    image = exr.read(shot.matte(1002))
    pixels = image.pixels.copy()
    pixels[10:20, 10:20] = 0.25
    exr.write(shot.matte(1002), Image(image.spec, pixels), compression=compression)
    painted = shot.matte(1002).read_bytes()
    if forgotten:
        for path in (shot.cache / "receipts").rglob("*.notes"):
            path.unlink()
    for change in ({}, {"refine": {"grow": 2}}):
        with pytest.raises(WriteError, match=r"frame 1002.*changed by somebody else"):
            run(shot, out=out, **change)
    assert shot.matte(1002).read_bytes() == painted
    run(shot, out={**out, "overwrite": True})
    assert shot.matte(1002).read_bytes() != painted


@pytest.mark.parametrize("pixel_type", ["half", "float"])
@pytest.mark.parametrize("compression", ["zip", "piz", "dwaa"])
def test_what_was_only_copied_or_touched_is_still_ours(shot, compression, pixel_type):
    out = {"compression": compression, "pixel_type": pixel_type, "content": "plate+matte"}
    run(shot, out=out)
    for frame in shot.frames:
        shot.matte(frame).touch()
    run(shot, out=out, refine={"grow": 2})


def test_two_writes_to_one_file_are_refused(shot):
    twin = shot.document()["nodes"]["out"]
    with pytest.raises(GraphError, match="same file as 'out'"):
        run(shot, twin=twin)


def test_the_plate_is_never_written_over(shot):
    """Not even where it is a matte of ours, nor when told to overwrite."""
    run(shot, out={"content": "plate+matte"})
    before = shot.matte(1002).read_bytes()
    for overwrite in (False, True):
        with pytest.raises(WriteError, match="this graph reads"):
            run(shot, plate={"file": "mattes/matte.####.exr"}, out={"overwrite": overwrite})
    assert shot.matte(1002).read_bytes() == before


def test_a_version_goes_on_when_nothing_is_known_of_its_files(shot):
    """The machine died before it noted what it wrote."""
    named = {"file": "mattes/v{version}/matte.####.exr"}
    run(shot, out=named)
    for path in (shot.cache / "receipts").rglob("*.notes"):
        path.unlink()
    assert run(shot, out=named).computed == {}


def test_a_layer_s_own_file_is_not_taken_for_one_of_all_layers(shot):
    together, apart = {"file": "mattes/disc.####.exr"}, {"file": "mattes/{layer}.####.exr"}
    for named in (together, apart, together):
        run(shot, frames=[1001], segment={"prompts": LAYERS}, out=named)
    found = exr.header(shot.folder / "mattes/disc.1001.exr").channels
    assert set(found) == {"A", "disc.A", "left.A", "wall.A"}


def test_a_mask_has_no_foreground_to_premultiply(shot):
    with pytest.raises(GraphError, match=r"out.*'track' \(Track\) has no foreground"):
        run(shot, out={"inputs": {"image": "track"}, "content": "premultiplied"})


def test_percent_v_stands_for_the_view_in_what_is_read_and_what_is_written(shot):
    for frame in shot.frames:
        image = exr.read(shot.plate(frame))
        for view, gain in (("left", 1.0), ("right", 0.5)):
            path = shot.folder / view / f"plate_{view[0]}.{frame}.exr"
            path.parent.mkdir(exist_ok=True)
            exr.write(path, Image(image.spec, image.pixels * np.float16(gain)))
    file, out = "%V/plate_%v.####.exr", {"file": "mattes/%V/m.####.exr", "content": "plate+matte"}
    for view in ("left", "right"):
        run(shot, plate={"file": file, "view": view}, out=out)
        for frame in shot.frames:
            written = exr.read(shot.folder / f"mattes/{view}/m.{frame}.exr")
            given = exr.read(shot.folder / f"{view}/plate_{view[0]}.{frame}.exr")
            assert np.array_equal(written.rgb(), given.rgb())


@pytest.mark.parametrize("node", ["plate", "out"])
def test_percent_v_without_a_view_says_where_to_name_it(shot, node):
    with pytest.raises(GraphError, match=rf"{node}: .*%V stands for a view.*set 'view' of"):
        run(shot, **{node: {"file": "%V.####.exr"}})


def test_a_view_cannot_lead_elsewhere(shot):
    with pytest.raises(GraphError, match=r"view ''\.\./x'' cannot be part"):
        run(shot, plate={"file": "%V/plate.####.exr", "view": "../x"})


def test_one_view_of_a_stereo_plate_is_chosen_by_name(shot):
    for frame in shot.frames:
        image = exr.read(shot.plate(frame))
        other = np.zeros_like(image.pixels)
        spec = ImageSpec(
            image.spec.display,
            image.spec.data,
            ("R", "G", "B", "left.R", "left.G", "left.B"),
            attributes={"multiView": ("right", "left")},
        )
        exr.write(shot.plate(frame), Image(spec, np.concatenate([other, image.pixels], axis=-1)))
    run(shot, plate={"view": "left"}, out={"content": "plate+matte"})
    assert iou(matte(shot, 1003)["A"], shot, 1003) > 0.9
    assert matte(shot, 1003)["R"].max() > 0.5


def test_parameters_may_be_animated(shot):
    grow = json.loads('{"keys": {"1001": 0, "1004": 6}}')
    run(shot, refine={"grow": grow})
    areas = [float(matte(shot, frame)["A"].sum()) for frame in shot.frames]
    assert areas == sorted(areas) and areas[3] > 1.3 * areas[0]
