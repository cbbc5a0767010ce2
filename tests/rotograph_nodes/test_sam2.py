"""SAM 2 with its own classes and random weights: ours answers as the package's own predictor does.

Nothing here tells how good the masks are, for the weights are random; it tells that features,
prompts, memory and object pointers reach the network as its authors meant.
"""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rotograph.errors import ModelError
from rotograph.image import Box
from rotograph.mask import MaskLogits
from rotograph.metrics import iou
from rotograph.models import Models
from rotograph.pack import pack, unpack
from rotograph.weights import Folders
from rotograph_nodes.models.prompts import GridPrompts

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
pytest.importorskip("sam2", reason="needs the sam2 package: install --networks")

from rotograph_nodes.models import sam2_lighter, sam2_network  # noqa: E402
from rotograph_nodes.models.sam2_tracker import Sam2, Step  # noqa: E402

SIZE, FRAMES = 256, 24
ANCHORS = (0, 11, 23)
TOLERANCE = 2e-5
"""Largest difference of a logit; the logits of the random network reach about ±0.5."""


def _tiny():
    path = Path(__file__).with_name("tiny_sam2.py")
    spec = importlib.util.spec_from_file_location("tiny_sam2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _tiny()


@pytest.fixture(scope="module")
def state():
    return tiny.random_state(sam2_network.settings(tiny.CONFIG, tiny.CHANGES))


@pytest.fixture(scope="module")
def sam(state):
    network = sam2_network.build(sam2_network.settings(tiny.CONFIG, tiny.CHANGES), state)
    return Sam2(sam2_lighter.lighten(network))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder of JPEG frames, which is what the package's predictor reads, and the frames."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("clip")
    rng = np.random.default_rng(3)
    wall = rng.integers(0, 255, (16, 24, 3), np.uint8)
    pictures = []
    y, x = np.mgrid[:SIZE, :SIZE]
    for n in range(FRAMES):
        back = Image.fromarray(np.roll(wall, n, 1)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        picture = np.array(back)
        for layer in range(3):
            cx, cy = 50 + 60 * layer + 3 * n, 60 + 50 * layer
            picture[(x - cx) ** 2 + (y - cy) ** 2 < 30**2] = 60 + 70 * layer
        path = folder / f"{n:05d}.jpg"
        Image.fromarray(picture).save(path, quality=98)
        pictures.append(np.array(Image.open(path).convert("RGB")).astype(np.float32) / 255)
    return folder, pictures


def prompts(layer, frame):
    """A box, points inside and outside, or a drawn mask: each layer has all three."""
    cx, cy = 50 + 60 * layer + 3 * frame, 60 + 50 * layer
    kind = (ANCHORS.index(frame) + layer) % 3
    if kind == 0:
        return GridPrompts(boxes=((cx - 30.0, cy - 30.0, cx + 30.0, cy + 30.0),))
    if kind == 1:
        return GridPrompts(inside=((cx, cy), (cx + 9.0, cy)), outside=((cx, cy - 40.0),))
    y, x = np.mgrid[:SIZE, :SIZE]
    return GridPrompts(masks=(((x - cx) ** 2 + (y - cy) ** 2 < 900).astype(np.float32),))


def start(sam, features, asked):
    return sam.start(features, sam.segment(features, asked), asked)


def follow(sam, features, anchors, order, look_back=6):
    """The states of one layer along ``order``, of which the first frame is an anchor."""
    states, since = {}, []
    origin = None
    for position, t in enumerate(order):
        if t in anchors:
            origin, since = t, []
            states[t] = anchors[t]
            continue
        ahead = next((u for u in order[position:] if u in anchors), None)
        sides = [(anchors[u], features[u]) for u in (origin, ahead) if u is not None]
        before = order[position - 1]
        earlier = [states[u] for u in since[-2 : -look_back - 1 : -1]]
        states[t] = sam.step(states[before], features[before], features[t], None, sides, earlier)
        since.append(t)
    return states


@pytest.fixture(scope="module")
def reference(state, clip):
    """What the package's predictor says: {(direction, layer, frame): logits}.

    Between two prompted frames, which is as far as a memory of ours reaches, it is told the prompts
    on both and tracks from the one to the other, all layers in one session.
    """
    model = sam2_network.settings(tiny.CONFIG, tiny.CHANGES)
    model["_target_"] = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    predictor = sam2_network.build(model, state)
    session = predictor.init_state(str(clip[0]))
    said = {}
    for reverse in (False, True):
        for ends in pairwise(ANCHORS):
            predictor.reset_state(session)
            for layer in range(3):
                for frame in ends:
                    prompt_reference(predictor, session, layer, frame)
            tracked = predictor.propagate_in_video(
                session,
                start_frame_idx=ends[1] if reverse else ends[0],
                max_frame_num_to_track=ends[1] - ends[0] - 1,
                reverse=reverse,
            )
            for frame, _, _ in tracked:
                for layer in range(3):
                    held = session["output_dict_per_obj"][layer]
                    kind = "cond_frame_outputs" if frame in ends else "non_cond_frame_outputs"
                    logits = held[kind][frame]["pred_masks"][0, 0]
                    said[reverse, layer, frame] = logits.numpy().copy()
    return said


def prompt_reference(predictor, session, layer, frame):
    asked = prompts(layer, frame)
    if asked.masks:
        predictor.add_new_mask(session, frame, layer, asked.masks[0] > 0.5)
        return
    clicks = (*asked.inside, *asked.outside)
    labels = [1] * len(asked.inside) + [0] * len(asked.outside)
    predictor.add_new_points_or_box(
        session,
        frame,
        layer,
        points=np.array(clicks, np.float32) if clicks else None,
        labels=np.array(labels, np.int32) if clicks else None,
        box=np.array(asked.boxes[0], np.float32) if asked.boxes else None,
    )


@pytest.fixture(scope="module")
def features(sam, clip):
    return [sam.encode(picture) for picture in clip[1]]


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_24_frames_3_layers_3_prompted_frames_as_the_reference_says(
    sam, features, reference, reverse
):
    order = list(range(FRAMES))[:: -1 if reverse else 1]
    for layer in range(3):
        anchors = {f: start(sam, features[f], prompts(layer, f)) for f in ANCHORS}
        states = follow(sam, features, anchors, order)
        for frame in order[:-1]:
            ours, theirs = states[frame]["logits"], reference[reverse, layer, frame]
            assert np.abs(ours - theirs).max() < TOLERANCE, (layer, frame)
        assert min(s["logits"].std() for s in states.values()) > 1e-3, "nothing was compared"


def test_what_a_frame_remembers_counts(sam, features):
    """Else the comparison above would not notice a memory that is never read."""
    anchors = {0: start(sam, features[0], prompts(0, 0))}
    states = follow(sam, features, anchors, range(8))
    again = sam.step(states[6], None, features[7], None, [(anchors[0], None)], [states[5]] * 5)
    assert np.abs(again["logits"] - states[7]["logits"]).max() > 10 * TOLERANCE


@pytest.fixture(scope="module")
def steps(sam, features):
    """The next step of three layers, of one whose memory is of another size, and of older ones."""
    found = []
    for layer in range(3):
        anchors = {0: start(sam, features[0], prompts(layer, 0))}
        states = follow(sam, features, anchors, range(4))
        found.append(Step(states[3], [(anchors[0], None)], [states[2], states[1]]))
    older = []
    for layer, first in ((0, 0), (1, 3)):  # as much memory, but of anchors on other frames
        anchors = {first: start(sam, features[first], prompts(layer, 0))}
        states = follow(sam, features, anchors, range(first, 16))
        earlier = [states[t] for t in range(14, 9, -1)]
        older.append(Step(states[15], [(anchors[first], None)], earlier))
    return [*found, Step(found[0].anchors[0][0], found[0].anchors), *older]


def test_layers_in_one_run_of_the_network_are_as_alone(sam, features, steps):
    together = list(sam.step_layers(features[4], steps))
    for step, found in zip(steps, together, strict=True):
        alone = sam.step(step.state, None, features[4], None, step.anchors, step.earlier)
        assert np.abs(alone["logits"] - found["logits"]).max() < TOLERANCE
        assert alone["age"] == found["age"]
    assert together[3]["age"] == 1


def test_in_half_precision_they_are_as_near_as_that_can_tell(sam, features, steps):
    half = Sam2(sam.network, half=True)
    together = list(half.step_layers(features[4], steps))
    for step, found in zip(steps, together, strict=True):
        alone = half.step(step.state, None, features[4], None, step.anchors, step.earlier)
        assert np.abs(alone["logits"] - found["logits"]).max() < 0.02 * np.ptp(alone["logits"])


def test_large_pictures_on_a_processor_are_tracked_one_layer_after_another(
    sam, features, steps, monkeypatch
):
    """There one layer leaves nothing idle; so what others are there does not change a bit."""
    monkeypatch.setattr("rotograph_nodes.models.sam2_tracker._SMALL", SIZE - 1)
    for step, found in zip(steps, sam.step_layers(features[4], steps), strict=True):
        alone = sam.step(step.state, None, features[4], None, step.anchors, step.earlier)
        assert all(np.array_equal(alone[name], found[name]) for name in alone)


def test_a_state_does_not_grow_and_goes_on_after_it_was_stored(sam, features):
    anchors = {0: start(sam, features[0], prompts(0, 0))}
    states = follow(sam, features, anchors, range(FRAMES))
    size = {t: sum(a.nbytes for a in s.values()) for t, s in states.items()}
    assert size[FRAMES - 1] == size[10]
    stored = {t: unpack(pack(s)) for t, s in states.items()}
    earlier = [stored[t] for t in range(21, 16, -1)]
    again = sam.step(stored[22], None, features[23], None, [(stored[0], None)], earlier)
    assert np.array_equal(again["logits"], states[23]["logits"])


@pytest.mark.parametrize("grid", [(256, 256), (37, 211), (300, 80)])
def test_a_drawn_mask_is_remembered_where_it_was_drawn(sam, grid):
    height, width = grid
    seen = sam.encode(np.full((height, width, 3), 0.4, np.float32))
    y, x = np.mgrid[:height, :width] + 0.5
    inside = ((x - width * 0.4) / (width * 0.2)) ** 2 + ((y - height * 0.6) / (height * 0.3)) ** 2
    mask = np.where(inside < 1, np.float32(8.0), np.float32(-8.0))
    logits = MaskLogits(sam.start(seen, mask)["logits"], Box(0, 0, width, height))
    held = logits.at(logits.window) > 0
    assert iou(held.astype(np.float32), (mask > 0).astype(np.float32)) > 0.93
    assert abs(x[held].mean() - x[mask > 0].mean()) < 0.3
    assert abs(y[held].mean() - y[mask > 0].mean()) < 0.3


def test_half_precision_is_close_and_keeps_half_the_bytes(sam, features, clip):
    half = Sam2(sam.network, half=True)
    seen = half.encode(clip[1][0])
    assert seen["coarse"].dtype == np.float16
    full = sam.segment(features[0], prompts(0, 0))
    assert np.abs(half.segment(seen, prompts(0, 0)) - full).max() < 0.1 * np.abs(full).max()


def test_an_erased_part_is_outside_and_without_a_prompt_all_is(sam, features):
    erased = np.zeros((SIZE, SIZE), np.float32)
    erased[:, : SIZE // 2] = 1
    asked = prompts(0, 0)
    logits = sam.segment(features[0], GridPrompts(boxes=asked.boxes, erasures=(erased,)))
    assert (logits[:, : logits.shape[1] // 2 - 1] < 0).all()
    nothing = sam.segment(features[0], GridPrompts(outside=((9.0, 9.0),)))
    assert (nothing < 0).all()


def test_without_weights_one_line_says_how_to_get_them(tmp_path):
    models = Models(folders=Folders(None, tmp_path))
    with pytest.raises(ModelError, match=r"rotograph models pull sam2\.1-hiera-t"):
        models.load("track", "sam2.1-hiera-t")


def test_a_card_may_not_name_classes_and_weights_must_fit(state, tmp_path):
    with pytest.raises(ModelError, match="not its classes"):
        sam2_network.settings(tiny.CONFIG, {"image_encoder": {"_target_": "os.system"}})
    with pytest.raises(ModelError, match="no configuration"):
        sam2_network.settings("../../etc/passwd")
    own = tmp_path / "own.yaml"  # the package's configurations name classes: no other may
    own.write_text("model: {_target_: pathlib.Path}")
    for config in (own.with_suffix(""), f"../../../../../../../../{own.with_suffix('')}"):
        with pytest.raises(ModelError, match="has no configuration"):
            sam2_network.settings(str(config))
    with pytest.raises(ModelError, match="not this network's"):
        fewer = {name: value for name, value in state.items() if "memory" not in name}
        sam2_network.build(sam2_network.settings(tiny.CONFIG, tiny.CHANGES), fewer)


@pytest.mark.parametrize("size", ["t", "s", "b-plus", "l"])
def test_the_cards_name_configurations_that_the_package_has(size):
    card = Models().cards[f"sam2.1-hiera-{size}"]
    model = sam2_network.settings(card.network["config"], card.network.get("changes"))
    assert model.image_size == card.working_size
    assert card.network["look_back"] == model.num_maskmem - 1


def test_weights_are_rounded_once_to_what_half_precision_makes_of_them(sam, state, clip):
    rounded = sam2_network.build(sam2_network.settings(tiny.CONFIG, tiny.CHANGES), state)
    once = Sam2(sam2_lighter.lighten(rounded, half=True), half=True)
    for_every_frame = Sam2(sam.network, half=True)
    seen, again = once.encode(clip[1][0]), for_every_frame.encode(clip[1][0])
    assert all(np.array_equal(seen[name], again[name]) for name in seen)
    anchor, other = (start(s, seen, prompts(0, 0)) for s in (once, for_every_frame))
    step, same = (
        s.step(a, None, seen, None, [(a, None)])
        for s, a in ((once, anchor), (for_every_frame, other))
    )
    assert np.array_equal(step["logits"], same["logits"])


def test_a_processor_that_cannot_halve_is_not_made_slower_by_it(sam, clip, monkeypatch):
    """It computes in float32, and what is kept is as small as elsewhere."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_f": True})
    seen = Sam2(sam.network, half=True).encode(clip[1][0])
    full = sam.encode(clip[1][0])
    assert seen["coarse"].dtype == np.float16
    assert all(np.array_equal(seen[n], full[n].astype(seen[n].dtype)) for n in full)
