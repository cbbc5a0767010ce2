"""EXR in and out: what was in the file is in the image, and nothing half-written stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from rotograph import exr
from rotograph.attribute import Attribute
from rotograph.errors import DamagedFile, MediaError, WriteError
from rotograph.exrheader import COMPRESSIONS
from rotograph.image import Box, Image, ImageSpec
from rotograph.luminance import REC709, luminance_weights, to_rgb

MATERIAL = Path(__file__).parents[3] / "shared" / "material" / "exr"
IMAGES = MATERIAL / "openexr-images"
material = [
    pytest.mark.material,
    pytest.mark.skipif(not MATERIAL.is_dir(), reason="no ../shared/material beside the checkout"),
]

# one of every type that OpenEXR defines, and of one that it does not
ATTRIBUTES = {
    "owner": "Zoë",
    "take": -3,
    "focal": 35.5,
    "keywords": ("sky", "", "été"),
    "timeCode": Attribute.of("timecode", 0x01125923, 7),
    "keyCode": Attribute.of("keycode", 1, 2, 3, 4, 5, 4, 120),
    "framesPerSecond": Attribute.of("rational", 48000, 2002),
    "captureRate": Attribute.of("rational", 24, 0),
    "chromaticities": Attribute.of("chromaticities", *REC709),
    "adoptedNeutral": Attribute.of("v2f", 0.32, 0.33),
    "originalDataWindow": Attribute.of("box2i", -1, -2, 30, 40),
    "cropBox": Attribute.of("box2f", 0, 0.5, 1, 1.5),
    "distance": Attribute.of("double", 0.1),
    "envmap": Attribute.of("envmap", 1),
    "m33f": Attribute.of("m33f", *range(9)),
    "m33d": Attribute.of("m33d", *range(9)),
    "worldToCamera": Attribute.of("m44f", *range(16)),
    "m44d": Attribute.of("m44d", *range(16)),
    "v2i": Attribute.of("v2i", 1, 2),
    "v2d": Attribute.of("v2d", 1, 2),
    "v3i": Attribute.of("v3i", 1, 2, 3),
    "v3f": Attribute.of("v3f", 1, 2, 3),
    "v3d": Attribute.of("v3d", 1, 2, 3),
    "curve": Attribute.of("floatvector", 0, 0.5, 1),
    "preview": Attribute("preview", b"\2\0\0\0\1\0\0\0" + bytes(range(8))),
    "tile": Attribute.of("tiledesc", 64, 32, 1),
    "latin": Attribute("string", "café".encode("latin-1")),
    "nothing": Attribute("stringvector", b""),
    "idManifest": Attribute("idmanifest", bytes(range(64))),
    "blob": Attribute("bytes", b"\4\0\0\0text\1\2\3"),
    "studio/rig": Attribute("studioRig", b"\0\1\2"),
    "a name that is rather longer than thirty-one bytes": 1,
    "view": "left",
    "name": "beauty",
    "screenWindowCenter": Attribute.of("v2f", 0.25, -1),
    "screenWindowWidth": 2.0,
}


FRAME = Box(0, 0, 40, 30)


def picture(
    box: Box = FRAME,
    names: tuple[str, ...] = ("R", "G", "B", "A"),
    dtype: type = np.float16,
    **spec: object,
) -> Image:
    values = np.random.default_rng(1).normal(0.5, 2.0, (*box.shape, len(names)))
    given = {"display": box, "data": box, "channels": names, **spec}
    return Image(ImageSpec(**given), values.astype(dtype))


def test_every_attribute_type_comes_back_bit_for_bit(tmp_path):
    image = picture().with_attributes(**ATTRIBUTES)
    exr.write(tmp_path / "a.exr", image)
    assert dict(exr.read(tmp_path / "a.exr").spec.attributes) == ATTRIBUTES
    exr.write(tmp_path / "b.exr", exr.read(tmp_path / "a.exr"))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_openexr_itself_reads_what_we_wrote(tmp_path):
    known = {n: ATTRIBUTES[n] for n in ("owner", "timeCode", "chromaticities", "worldToCamera")}
    image = picture(alpha="premultiplied").with_attributes(**known)
    exr.write(tmp_path / "a.exr", image)
    part = OpenEXR.File(str(tmp_path / "a.exr")).parts[0]
    np.testing.assert_array_equal(part.channels["RGBA"].pixels, image.pixels)
    code = part.header["timeCode"]
    assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 12, 59, 23)
    assert part.header["owner"] == "Zoë"
    np.testing.assert_allclose(part.header["chromaticities"], REC709)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(tmp_path, compression):
    image = picture(Box(0, 0, 70, 300))
    exr.write(tmp_path / "a.exr", image, compression=compression)
    back = exr.read(tmp_path / "a.exr").pixels
    if compression in ("b44", "b44a", "dwaa", "dwab", "lj2k"):
        assert back.shape == image.pixels.shape
    else:
        np.testing.assert_array_equal(back, image.pixels)


def test_windows_aspect_and_extreme_values_are_kept(tmp_path):
    image = picture(
        Box(-20, -7, 3, 5), display=Box(10, 10, 12, 11), pixel_aspect=2.0, alpha="premultiplied"
    )
    image.pixels[0, 0] = (np.nan, np.inf, -np.inf, 65504)
    image.pixels[0, 1] = (6e-8, -0.0, 1.0, 0.0)
    exr.write(tmp_path / "a.exr", image)
    back = exr.read(tmp_path / "a.exr")
    assert back.spec == image.spec
    assert back.pixels.tobytes() == image.pixels.tobytes()
    assert exr.header(tmp_path / "a.exr") == back.spec


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
def test_one_pixel_of_each_type(tmp_path, dtype):
    image = picture(Box(5, 6, 6, 7), ("id",), dtype)
    exr.write(tmp_path / "a.exr", image)
    back = exr.read(tmp_path / "a.exr")
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, image.pixels)


def test_pixel_types_by_channel(tmp_path):
    image = picture(names=("R", "G", "B", "depth.Z"), dtype=np.float32)
    exr.write(tmp_path / "a.exr", image, pixel_type={"R": "half", "G": "half", "B": "half"})
    (part,) = exr.parts(tmp_path / "a.exr")
    assert {c.name: c.type for c in part.channels} == {
        **dict.fromkeys("RGB", "half"),
        "depth.Z": "float",
    }
    assert exr.read(tmp_path / "a.exr", channels="RGB").pixels.dtype == np.float16
    depth = exr.read(tmp_path / "a.exr", layer="depth")
    assert depth.spec.channels == ("Z",)
    np.testing.assert_array_equal(depth.pixels[..., 0], image.pixels[..., 3])


def test_an_empty_window_and_wrong_names_are_refused_before_writing(tmp_path):
    empty = picture(Box(0, 0, 0, 4))
    with pytest.raises(WriteError, match="0 pixels"):
        exr.write(tmp_path / "a.exr", empty)
    with pytest.raises(WriteError, match="did you mean 'zips'"):
        exr.write(tmp_path / "a.exr", picture(), compression="zipss")
    with pytest.raises(WriteError, match="cannot be an EXR attribute"):
        exr.write(tmp_path / "a.exr", picture().with_attributes(thing=object()))
    assert not list(tmp_path.iterdir())


def layered(path: Path) -> None:
    names = ("R", "G", "B", "A", "diffuse.R", "diffuse.G", "diffuse.B", "deep.down.x")
    exr.write(path, picture(names=names))


def test_a_layer_loses_its_prefix(tmp_path):
    layered(tmp_path / "a.exr")
    whole = exr.read(tmp_path / "a.exr")
    assert whole.spec.channels[:4] == ("R", "G", "B", "A")
    assert exr.layers(tmp_path / "a.exr") == ("deep.down", "diffuse")
    diffuse = exr.read(tmp_path / "a.exr", layer="diffuse")
    assert diffuse.spec.channels == ("R", "G", "B")
    assert diffuse.spec.alpha == "none"
    np.testing.assert_array_equal(diffuse.channel("G"), whole.channel("diffuse.G"))
    assert exr.read(tmp_path / "a.exr", channels=("A", "G")).spec.channels == ("A", "G")
    with pytest.raises(MediaError, match=r"no layer 'difuse'.*did you mean 'diffuse'"):
        exr.read(tmp_path / "a.exr", layer="difuse")
    with pytest.raises(MediaError, match="no channel 'Q'"):
        exr.read(tmp_path / "a.exr", channels=("Q",))
    with pytest.raises(MediaError, match="not stereo"):
        exr.read(tmp_path / "a.exr", view="left")


def test_views_in_one_part(tmp_path):
    names = ("R", "G", "B", "right.R", "right.G", "right.B", "diffuse.right.R", "other.x")
    image = picture(names=names).with_attributes(multiView=("left", "right"))
    exr.write(tmp_path / "a.exr", image)
    assert exr.views(tmp_path / "a.exr") == ("left", "right")
    left = exr.read(tmp_path / "a.exr")
    assert left.spec.channels == ("R", "G", "B", "other.x")
    right = exr.read(tmp_path / "a.exr", view="right")
    assert right.spec.channels == ("R", "G", "B", "diffuse.R", "other.x")
    np.testing.assert_array_equal(right.channel("R"), image.channel("right.R"))
    assert right.spec.attributes["view"] == "right"
    with pytest.raises(MediaError, match=r"no view 'centre'.*left, right"):
        exr.read(tmp_path / "a.exr", view="centre")


def test_parts_by_number_name_layer_and_view(tmp_path):
    rng = np.random.default_rng(0)
    planes = {name: rng.random((8, 9, 3)).astype(np.float16) for name in ("l", "r", "d")}
    parts = [
        OpenEXR.Part({"view": "left"}, {"RGB": planes["l"]}, "beauty.left"),
        OpenEXR.Part({"view": "right"}, {"RGB": planes["r"]}, "beauty.right"),
        OpenEXR.Part({"view": "left"}, {"RGB": planes["d"]}, "diffuse"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    for wanted, plane in (
        ({}, "l"),
        ({"view": "right"}, "r"),
        ({"part": 1}, "r"),
        ({"part": "diffuse"}, "d"),
        ({"layer": "diffuse"}, "d"),
    ):
        back = exr.read(tmp_path / "a.exr", **wanted)
        np.testing.assert_array_equal(back.pixels, planes[plane])
        assert exr.header(tmp_path / "a.exr", **wanted) == back.spec
    with pytest.raises(MediaError, match=r"no part 'dif'.*did you mean 'diffuse'"):
        exr.read(tmp_path / "a.exr", part="dif")
    with pytest.raises(MediaError, match=r"no part 3.*it has 3"):
        exr.read(tmp_path / "a.exr", part=3)
    with pytest.raises(MediaError, match=r"nothing of view 'right'|no layer"):
        exr.read(tmp_path / "a.exr", part="diffuse", view="right")


def test_tiles(tmp_path):
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 32
    tiles.mode = OpenEXR.ONE_LEVEL
    pixels = np.random.default_rng(0).random((75, 100, 3)).astype(np.float16)
    header = {"type": OpenEXR.tiledimage, "tiles": tiles}
    OpenEXR.File(header, {"RGB": pixels}).write(str(tmp_path / "a.exr"))
    np.testing.assert_array_equal(exr.read(tmp_path / "a.exr").pixels, pixels)


def test_luminance_and_chroma_become_rgb():
    # a smooth picture, as camera footage at chroma's half resolution is
    y, x = np.mgrid[0:64, 0:96].astype(np.float32)
    rgb = np.stack([1 + np.sin(x / 15), 1.2 + np.cos(y / 12), 1 + np.sin((x + y) / 20)], -1)
    weights = luminance_weights(REC709)
    luma = rgb @ weights
    ry, by = (rgb[..., 0] - luma) / luma, (rgb[..., 2] - luma) / luma
    found = to_rgb(luma, ry[::2, ::2], by[::2, ::2], weights)
    np.testing.assert_allclose(found[8:-8, 8:-8], rgb[8:-8, 8:-8], atol=0.005)
    grey = to_rgb(luma, 0 * ry[::2, ::2], 0 * by[::2, ::2], weights)
    np.testing.assert_array_equal(grey, np.repeat(luma[..., None], 3, axis=-1))


def test_luminance_alone_stays_y(tmp_path):
    exr.write(tmp_path / "a.exr", picture(names=("Y",)))
    assert exr.read(tmp_path / "a.exr").spec.channels == ("Y",)


def test_deep_pixels_are_refused_with_a_way_out(tmp_path):
    pixels = np.empty((2, 3), dtype=object)
    for i in np.ndindex(pixels.shape):
        pixels[i] = np.ones(2, np.float32)
    header = {"type": OpenEXR.deepscanline, "compression": OpenEXR.ZIPS_COMPRESSION}
    OpenEXR.File(header, {"Z": pixels}).write(str(tmp_path / "a.exr"))
    with pytest.raises(MediaError, match="deep pixels; flatten"):
        exr.read(tmp_path / "a.exr")


def test_a_truncated_file_is_damaged_wherever_it_was_cut(tmp_path):
    exr.write(tmp_path / "a.exr", picture(Box(0, 0, 64, 64)).with_attributes(**ATTRIBUTES))
    whole = (tmp_path / "a.exr").read_bytes()
    cut = tmp_path / "cut.exr"
    for length in (*range(0, 400, 7), *range(400, len(whole), 601), len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(DamagedFile, match=r"cut\.exr: .*(truncated|not an EXR)") as caught:
            exr.read(cut)
        assert "again" in str(caught.value)


def test_what_is_no_exr_says_so(tmp_path):
    (tmp_path / "a.exr").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DamagedFile, match="not an EXR"):
        exr.read(tmp_path / "a.exr")
    with pytest.raises(MediaError, match="No such file"):
        exr.read(tmp_path / "b.exr")


def test_a_small_file_cannot_ask_for_much_memory(tmp_path):
    exr.write(tmp_path / "a.exr", picture())
    data = (tmp_path / "a.exr").read_bytes()
    window = b"dataWindow\0box2i\0\x10\0\0\0"
    at = data.index(window) + len(window)
    bomb = data[:at] + np.array([0, 0, 29999, 29999], "<i4").tobytes() + data[at + 16 :]
    (tmp_path / "a.exr").write_bytes(bomb)
    with pytest.raises(DamagedFile, match="30000 x 30000 pixels"):
        exr.read(tmp_path / "a.exr")


def test_an_empty_data_window_is_refused(tmp_path):
    exr.write(tmp_path / "a.exr", picture())
    data = (tmp_path / "a.exr").read_bytes()
    window = b"dataWindow\0box2i\0\x10\0\0\0"
    at = data.index(window) + len(window)
    for corners in ((0, 0, -1, 29), (0, 0, 39, -1), (0, 0, -(2**31), 2**31 - 1)):
        changed = data[:at] + np.array(corners, "<i4").tobytes() + data[at + 16 :]
        (tmp_path / "a.exr").write_bytes(changed)
        with pytest.raises(DamagedFile, match=r"dataWindow .*(empty|beyond all bounds)"):
            exr.read(tmp_path / "a.exr")


def test_an_overwritten_file_is_the_old_or_the_new_one(tmp_path):
    exr.write(tmp_path / "a.exr", picture())
    before = (tmp_path / "a.exr").read_bytes()
    with pytest.raises(WriteError):
        exr.write(tmp_path / "a.exr", picture().with_attributes(bad=object()))
    assert (tmp_path / "a.exr").read_bytes() == before
    exr.write(tmp_path / "a.exr", picture(Box(0, 0, 3, 3)))
    assert exr.read(tmp_path / "a.exr").spec.data == Box(0, 0, 3, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["a.exr"]


def test_no_folder_and_no_permission_are_one_line(tmp_path):
    with pytest.raises(WriteError, match="make the folder first"):
        exr.write(tmp_path / "nope" / "a.exr", picture())
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="a file, not a folder"):
        exr.write(tmp_path / "file" / "a.exr", picture())
    (tmp_path / "taken.exr").mkdir()
    with pytest.raises(WriteError, match="choose another"):
        exr.write(tmp_path / "taken.exr", picture())
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(WriteError, match="permission"):
            exr.write(tmp_path / "a.exr", picture())
        tmp_path.chmod(0o700)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken.exr"]


def run(code: str, *arguments: object, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """A limit on file size stands in for the full disk: both stop a write in its middle."""
    (tmp_path / "old.exr").write_bytes(b"old")
    done = run(
        """
        import resource, sys
        import numpy as np
        from rotograph import exr
        from rotograph.errors import WriteError
        from rotograph.image import Box, Image, ImageSpec
        box = Box(0, 0, 256, 256)
        noise = np.random.default_rng(0).random((256, 256, 3)).astype(np.float32)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        for name in ("new.exr", "old.exr"):
            try:
                exr.write(sys.argv[1] + "/" + name, Image(ImageSpec(box, box), noise))
            except WriteError as error:
                print(error)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["old.exr"]
    assert (tmp_path / "old.exr").read_bytes() == b"old"


def test_a_name_with_a_question_mark(tmp_path):
    path = tmp_path / "a?subimage=1.exr"
    image = picture()
    exr.write(path, image)
    np.testing.assert_array_equal(exr.read(path).pixels, image.pixels)


class TestMaterial:
    """Real files of many programs."""

    pytestmark = material

    def test_every_valid_file_is_what_openexr_reads(self):
        paths = [p for p in MATERIAL.rglob("*.exr") if not {"invalid", "Damaged"} & {*p.parts}]
        assert len(paths) > 60
        read = 0
        for path in paths:
            if exr.parts(path)[0].deep:
                with pytest.raises(MediaError, match="deep"):
                    exr.read(path)
                continue
            image = exr.read(path)
            stored = OpenEXR.File(str(path), separate_channels=True).parts[0].channels
            if "RY" not in stored:
                for name in image.spec.channels:
                    layer, _, last = name.rpartition(".")
                    full = name if name in stored else f"{layer}.right.{last}"
                    mine, theirs = image.channel(name), stored[full].pixels
                    np.testing.assert_array_equal(mine, theirs.astype(mine.dtype), err_msg=path)
            assert exr.header(path) == image.spec
            read += 1
        assert read > 60

    def test_every_attribute_in_the_wild_survives(self, tmp_path):
        for path in MATERIAL.rglob("*.exr"):
            if {"invalid", "Damaged"} & {*path.parts}:
                continue
            spec = exr.header(path)
            small = Image(
                ImageSpec(Box(0, 0, 1, 1), Box(0, 0, 1, 1), ("A",), attributes=spec.attributes),
                np.zeros((1, 1, 1), np.float16),
            )
            exr.write(tmp_path / "a.exr", small)
            (before,), (after,) = exr.parts(path)[:1], exr.parts(tmp_path / "a.exr")
            carried = {name: before.raw[name] for name in before.attributes if name in after.raw}
            carried.pop("view", None)
            assert carried.items() <= after.raw.items(), path
            assert set(before.attributes) - set(after.raw) <= {"multiView"}, path

    def test_luminance_chroma_of_other_primaries(self):
        """The same picture as Rec. 709 RGB and as chroma-subsampled XYZ."""
        straight = exr.read(IMAGES / "Chromaticities" / "Rec709.exr").rgb()
        xyz = exr.read(IMAGES / "Chromaticities" / "XYZ_YC.exr").rgb()
        # Rec. 709 out of XYZ with white (1, 1, 1): scaled to D65 (IEC 61966-2-1)
        to_rec709 = np.array(
            [
                [3.2404542, -1.5371385, -0.4985314],
                [-0.9692660, 1.8760108, 0.0415560],
                [0.0556434, -0.2040259, 1.0572252],
            ]
        )
        found = xyz @ to_rec709.T
        luma = straight @ luminance_weights(REC709)
        np.testing.assert_allclose(found @ luminance_weights(REC709), luma, atol=0.02)
        assert np.abs(found - straight).mean() < 0.01

    def test_stereo_in_one_part_and_in_many(self):
        single, multi = (IMAGES / "Beachball" / f"{k}part.0001.exr" for k in ("single", "multi"))
        assert exr.views(single) == exr.views(multi) == ("right", "left")
        for view in (None, "left"):
            one, many = exr.read(single, view=view), exr.read(multi, view=view)
            assert {"R", "G", "B", "A"} <= {*one.spec.channels}
            assert many.spec.channels == ("R", "G", "B", "A")
            box = many.spec.data
            inside = one.pixels[box.within(one.spec.data)]
            for name in "RGBA":
                at = one.spec.channels.index(name)
                np.testing.assert_array_equal(inside[..., at], many.channel(name))

    def test_an_id_channel_is_exact_when_read_alone(self):
        path = MATERIAL / "own" / "uint_id_mixed.exr"
        ids = exr.read(path, channels=("id",))
        assert ids.pixels.dtype == np.uint32
        stored = OpenEXR.File(str(path), separate_channels=True).channels()["id"].pixels
        np.testing.assert_array_equal(ids.pixels[..., 0], stored)

    def test_damaged_files_never_crash_hang_or_eat_memory(self):
        """All in one child, so that a native crash is a failure here and no more."""
        done = run(
            """
            import pathlib, resource, sys
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
            from rotograph import exr
            from rotograph.errors import MediaError
            root = pathlib.Path(sys.argv[1])
            files = [*root.glob("**/Damaged/*"), *root.glob("**/invalid/**/*.exr")]
            for path in sorted(files):
                print("at", path.name, flush=True)
                try:
                    image = exr.read(path)
                    print("image", *image.pixels.shape)
                except MediaError as error:
                    assert str(path) in str(error) and ";" in str(error), error
                    print("refused", type(error).__name__)
            # the peak of this process alone: ru_maxrss would begin at its parent's
            status = pathlib.Path("/proc/self/status").read_text()
            peak = next(l.split()[1] for l in status.splitlines() if l.startswith("VmHWM"))
            print("end", len(files), peak)
            """,
            MATERIAL,
        )
        lines = done.stdout.splitlines()
        assert done.returncode == 0, (lines[-1:], done.stderr[-500:])
        _, count, memory = lines[-1].split()
        assert int(count) > 60
        assert int(memory) < 400_000
        refused = [line for line in lines if line == "refused DamagedFile"]
        # seven of the "invalid" are readable by rule: wrong type attributes that nobody looks at
        assert len(refused) == int(count) - 7
        assert done.stderr == ""

    def test_real_files_cut_short_or_scribbled_over(self, tmp_path):
        done = run(
            """
            import pathlib, random, resource, sys
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
            from rotograph import exr
            from rotograph.errors import DamagedFile, RotographError
            root, scratch = map(pathlib.Path, sys.argv[1:])
            rnd = random.Random(7)
            files = sorted(p for p in root.rglob("*.exr") if p.stat().st_size < 200_000)
            files = [p for p in files if "invalid" not in p.parts]
            for turn in range(300):
                data = bytearray(rnd.choice(files).read_bytes())
                cut = turn % 2
                if cut:
                    del data[rnd.randrange(len(data)) :]
                else:
                    for _ in range(rnd.choice((1, 4, 16))):
                        data[rnd.randrange(min(len(data), 2000))] = rnd.randrange(256)
                scratch.write_bytes(data)
                try:
                    exr.read(scratch)
                    assert not cut, "a truncated file was read"
                except DamagedFile:
                    pass
                except RotographError:
                    assert not cut
            print("end")
            """,
            MATERIAL,
            tmp_path / "a.exr",
        )
        assert done.returncode == 0 and done.stdout.endswith("end\n"), done.stderr[-500:]
