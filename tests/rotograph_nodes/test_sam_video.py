"""EdgeTAM and SAM 3's tracker with random weights: ours answers as transformers' own session does.

Nothing here tells how good the masks are; it tells that features, prompts, memories and object
pointers reach the networks as their authors meant. EdgeTAM has SAM 2's image encoder here, for its
own is timm's, which needs torchvision; the last test takes that where it is installed.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.models import Models
from rotograph.pack import pack, unpack
from rotograph.weights import Folders
from rotograph_nodes.models.prompts import GridPrompts

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
transformers = pytest.importorskip("transformers", reason="needs transformers: install --networks")


def _tiny():
    path = Path(__file__).with_name("tiny_transformers.py")
    spec = importlib.util.spec_from_file_location("tiny_transformers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _tiny()
FRAMES, ANCHORS, LAYERS, LOOK_BACK = 24, (0, 11, 23), 3, 6
TOLERANCE = 1e-4
"""Largest difference of a logit; those of the random networks reach about 0.5 from their mean.

Memories are kept in bfloat16 here, as the authors keep them; EdgeTAM's session in transformers
keeps them in float32, which makes up nearly all of the difference.
"""


@dataclass
class Side:
    """A network as an adapter loads it, and the reference over the same weights."""

    adapter: Any
    reference: Any
    session: type
    mean: float | tuple[float, ...]
    deviation: float | tuple[float, ...]

    @property
    def size(self) -> int:
        return self.reference.image_size


def card_of(name, module, mode="float32"):
    return Card(
        name=name,
        label=name,
        version=1,
        adapters=dict.fromkeys(("segment", "track"), f"rotograph_nodes.models.{module}:Adapter"),
        input_space="sRGB - Display",
        working_size=256,
        licence="Apache-2.0",
        commercial=True,
        numeric_mode=mode,
        files=(WeightsFile("model.safetensors"), WeightsFile("config.json")),
        network={"stretch": True, "look_back": LOOK_BACK},
    )


def made(folder, name, mode="float32"):
    """Files as ``rotograph models pull`` would leave them, and what comes of them."""
    edge = name == "edgetam"
    if edge:
        tiny.edgetam().save_pretrained(folder / name)
    else:
        tiny.publish(tiny.sam3(), folder / name)
    card = card_of(name, "edgetam" if edge else "sam3_tracker", mode)
    adapter = Models([card], folders=Folders(None, folder)).load("track", name)
    if edge:
        reference = transformers.EdgeTamVideoModel.from_pretrained(folder / name)
        session = transformers.EdgeTamVideoInferenceSession
        seen = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    else:
        kind = transformers.Sam3TrackerVideoModel
        config = transformers.Sam3TrackerVideoConfig.from_json_file(folder / name / "config.json")
        reference = kind.from_pretrained(folder / name, config=config)
        session = transformers.Sam3TrackerVideoInferenceSession
        seen = 0.5, 0.5
    return Side(adapter, reference.eval().requires_grad_(False), session, *seen)


@pytest.fixture(scope="module", params=["edgetam", "sam3"])
def side(request, tmp_path_factory):
    return made(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture(scope="module")
def pictures(side):
    rng = np.random.default_rng(3)
    wall = np.kron(rng.random((side.size // 8, side.size // 8, 3)), np.ones((8, 8, 1)))
    y, x = np.mgrid[: side.size, : side.size]
    made = []
    for n in range(FRAMES):
        picture = np.roll(wall, 3 * n, 1).astype(np.float32)
        for layer in range(LAYERS):
            cx, cy = 40 + 45 * layer + 3 * n, 45 + 45 * layer
            picture[(x - cx) ** 2 + (y - cy) ** 2 < 26**2] = 0.2 + 0.25 * layer
        made.append(picture)
    return made


@pytest.fixture(scope="module")
def features(side, pictures):
    return [side.adapter.encode(picture) for picture in pictures]


def prompts(side, layer, frame):
    """A box, points inside and outside, or a drawn mask: each layer has all three.

    The masks are bands between lines of the masks' own grid: transformers remembers a drawn mask as
    it is, and SAM 2's predictor, as we do, as it comes back from that grid.
    """
    cx, cy = 40.0 + 45 * layer + 3 * frame, 45.0 + 45 * layer
    kind = (ANCHORS.index(frame) + layer) % 3
    if kind == 0:
        return GridPrompts(boxes=((cx - 26, cy - 26, cx + 26, cy + 26),))
    if kind == 1:
        return GridPrompts(inside=((cx, cy), (cx + 9, cy)), outside=((cx, cy - 35),))
    band = np.zeros((side.size, side.size), np.float32)
    band[:, 56 + 28 * layer : 112 + 28 * layer] = 1
    return GridPrompts(masks=(band,))


def start(side, features, asked):
    return side.adapter.start(features, side.adapter.segment(features, asked), asked)


def follow(side, features, anchors, order):
    """The states of one layer along ``order``, of which the first frame is an anchor."""
    states, since, origin = {}, [], None
    for position, t in enumerate(order):
        if t in anchors:
            origin, since, states[t] = t, [], anchors[t]
            continue
        ahead = next((u for u in order[position:] if u in anchors), None)
        ends = [(anchors[u], None) for u in (origin, ahead) if u is not None]
        earlier = [states[u] for u in since[-2 : -LOOK_BACK - 1 : -1]]
        states[t] = side.adapter.step(
            states[order[position - 1]], None, features[t], None, ends, earlier
        )
        since.append(t)
    return states


def said(side, pictures, reverse):
    """What transformers' session says between prompted frames: {(layer, frame): logits}."""
    mean, deviation = (
        torch.tensor(v, dtype=torch.float32).expand(3)[:, None, None]
        for v in (side.mean, side.deviation)
    )
    video = torch.stack([(torch.tensor(p).permute(2, 0, 1) - mean) / deviation for p in pictures])
    found = {}
    for layer in range(LAYERS):  # alone, for EdgeTAM's cannot mix points and masks
        for ends in pairwise(ANCHORS):
            session = side.session(
                video, video_height=side.size, video_width=side.size, dtype=torch.float32
            )
            number = session.obj_id_to_idx(layer)
            for frame in ends:
                tell(session, number, frame, prompts(side, layer, frame))
                session.obj_with_new_inputs = [layer]
                with torch.inference_mode():
                    out = side.reference(session, frame_idx=frame)
                found[layer, frame] = out.pred_masks[0, 0].numpy()
            tracked = side.reference.propagate_in_video_iterator(
                session,
                start_frame_idx=ends[1] if reverse else ends[0],
                max_frame_num_to_track=ends[1] - ends[0] - 1,
                reverse=reverse,
            )
            for out in tracked:
                if out.frame_idx not in ends:
                    found[layer, out.frame_idx] = out.pred_masks[0, 0].numpy()
    return found


def tell(session, number, frame, asked):
    if asked.masks:
        session.add_mask_inputs(number, frame, torch.tensor(asked.masks[0])[None, None])
        return
    corners = [(box[:2], 2) for box in asked.boxes] + [(box[2:], 3) for box in asked.boxes]
    clicks = corners + [(p, 1) for p in asked.inside] + [(p, 0) for p in asked.outside]
    told = {
        "point_coords": torch.tensor([[[p for p, _ in clicks]]], dtype=torch.float32),
        "point_labels": torch.tensor([[[n for _, n in clicks]]], dtype=torch.int32),
    }
    session.add_point_inputs(number, frame, told)


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_24_frames_3_layers_3_prompted_frames_as_the_reference_says(
    side, pictures, features, reverse
):
    theirs = said(side, pictures, reverse)
    order = list(range(FRAMES))[:: -1 if reverse else 1]
    for layer in range(LAYERS):
        anchors = {f: start(side, features[f], prompts(side, layer, f)) for f in ANCHORS}
        states = follow(side, features, anchors, order)
        for frame in order:
            off = np.abs(states[frame]["logits"] - theirs[layer, frame]).max()
            assert off < TOLERANCE, (layer, frame)
        assert min(s["logits"].std() for s in states.values()) > 100 * TOLERANCE


def test_what_a_frame_remembers_counts(side, features):
    """Else the comparison above would not notice a memory that is never read."""
    anchors = {0: start(side, features[0], prompts(side, 0, 0))}
    states = follow(side, features, anchors, range(8))
    known, earlier = [(anchors[0], None)], [states[t] for t in range(5, 0, -1)]
    again = side.adapter.step(states[6], None, features[7], None, known, earlier)
    assert np.array_equal(again["logits"], states[7]["logits"])
    again = side.adapter.step(states[6], None, features[7], None, known, [states[5]] * 5)
    assert np.abs(again["logits"] - states[7]["logits"]).max() > 1e-5
    known = [(start(side, features[0], prompts(side, 1, 0)), None)]
    again = side.adapter.step(states[6], None, features[7], None, known, earlier)
    assert np.abs(again["logits"] - states[7]["logits"]).max() > 1e-5


def test_layers_on_one_frame_are_as_alone(side, features):
    told = []
    for layer in range(LAYERS):
        anchors = {0: start(side, features[0], prompts(side, layer, 0))}
        states = follow(side, features, anchors, range(4))
        told.append(
            (states[3], None, features[4], None, [(anchors[0], None)], [states[2], states[1]])
        )
    told.append((told[0][4][0][0], None, features[4], None, told[0][4], ()))  # of another age
    for step, found in zip(told, side.adapter.step_layers(told), strict=True):
        alone = side.adapter.step(*step)
        assert np.abs(alone["logits"] - found["logits"]).max() < TOLERANCE / 10
        assert alone["age"] == found["age"]


def test_a_state_does_not_grow_and_goes_on_after_it_was_stored(side, features):
    anchors = {0: start(side, features[0], prompts(side, 0, 0))}
    states = follow(side, features, anchors, range(12))
    size = {t: sum(a.nbytes for a in s.values()) for t, s in states.items()}
    assert size[11] == size[9]
    stored = {t: unpack(pack(s)) for t, s in states.items()}
    earlier = [stored[t] for t in range(9, 4, -1)]
    again = side.adapter.step(stored[10], None, features[11], None, [(stored[0], None)], earlier)
    assert np.array_equal(again["logits"], states[11]["logits"])


@pytest.mark.parametrize("shape", [(200, 100), (37, 211), (700, 1240)])
def test_what_is_found_covers_a_picture_of_any_shape(side, shape):
    """A drawn mask comes back where it was drawn."""
    height, width = shape
    seen = side.adapter.encode(np.full((height, width, 3), 0.4, np.float32))
    drawn = np.zeros(shape, np.float32)
    drawn[height // 4 : height // 2, width // 4 : width // 2] = 1
    logits = side.adapter.start(seen, np.where(drawn > 0.5, 8.0, -8.0).astype(np.float32))["logits"]
    found, wanted = (
        [(np.mean(n) + 0.5) / size for n, size in zip(np.nonzero(m > 0), m.shape, strict=True)]
        for m in (logits, drawn)
    )
    assert np.allclose(found, wanted, atol=0.01)


def test_half_precision_is_close(tmp_path, side, features, pictures):
    half = made(tmp_path, "edgetam" if side.mean != 0.5 else "sam3", "bfloat16")
    seen = half.adapter.encode(pictures[0])
    assert seen["coarse"].dtype == np.float16
    full = side.adapter.segment(features[0], prompts(side, 0, 0))
    near = half.adapter.segment(seen, prompts(side, 0, 0))
    assert np.abs(near - full).max() < 0.1 * np.abs(full).max()
    anchor = half.adapter.start(seen, near, prompts(side, 0, 0))
    after = half.adapter.step(
        anchor, None, half.adapter.encode(pictures[1]), None, [(anchor, None)]
    )
    assert np.isfinite(after["logits"]).all() and after["age"] == 1


def test_a_picture_is_shown_as_its_own_preparation_makes_it(side):
    try:
        own = transformers.Sam2VideoVideoProcessor(
            image_mean=np.broadcast_to(side.mean, 3).tolist(),
            image_std=np.broadcast_to(side.deviation, 3).tolist(),
            size={"height": side.size, "width": side.size},
        )
    except (ImportError, RuntimeError):
        pytest.skip("needs a torchvision that fits PyTorch")
    levels = np.random.default_rng(5).integers(0, 256, (54, 96, 3), np.uint8).repeat(10, 0)
    theirs = own(videos=[levels.repeat(10, 1)[None]], return_tensors="pt")["pixel_values_videos"]
    shown = []
    with side.adapter._network() as sam:
        looked = sam.network.forward_image
        sam.network.forward_image = lambda image: shown.append(image) or looked(image)
        sam.encode((levels.repeat(10, 1) / 255.0).astype(np.float32))
        del sam.network.forward_image
    assert (shown[0] - theirs[0]).abs().max() < 1.1 / 255 / min(np.atleast_1d(side.deviation))


@pytest.mark.parametrize(("name", "role"), [("edgetam", "track"), ("sam3", "segment")])
def test_the_installed_cards_say_how_to_get_the_weights(tmp_path, name, role):
    models = Models(folders=Folders(None, tmp_path))
    with pytest.raises(ModelError, match=f"rotograph models (pull|add) {name}|the package 'timm'"):
        models.load(role, name)


def test_edgetam_with_its_own_image_encoder(tmp_path):
    """RepViT, where timm and torchvision are: it sees, segments and follows."""
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError):
        pytest.skip("needs timm and a torchvision that fits PyTorch")
    backbone = transformers.TimmWrapperConfig(
        architecture="repvit_m1",
        do_pooling=True,
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    tiny.edgetam(backbone).save_pretrained(tmp_path / "edgetam")
    models = Models([card_of("edgetam", "edgetam")], folders=Folders(None, tmp_path))
    adapter = models.load("track", "edgetam")
    rng = np.random.default_rng(0)
    first, second = (adapter.encode(rng.random((180, 320, 3)).astype(np.float32)) for _ in range(2))
    asked = GridPrompts(boxes=((40.0, 40.0, 150.0, 150.0),))
    anchor = adapter.start(first, adapter.segment(first, asked), asked)
    after = adapter.step(anchor, None, second, None, [(anchor, None)])
    assert after["logits"].shape == (64, 64) and after["logits"].std() > 0
