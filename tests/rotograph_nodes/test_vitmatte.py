"""ViTMatte with its own classes and random weights: it is shown what its authors meant."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rotograph import weights
from rotograph.card import Card, WeightsFile
from rotograph.errors import ModelError
from rotograph.models import Models
from rotograph.weights import Folders

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
transformers = pytest.importorskip("transformers", reason="needs transformers: install --networks")

SPACE = "sRGB - Display"
TOLERANCE = 1e-5


def tiny():
    config = transformers.VitMatteConfig(
        backbone_config=transformers.VitDetConfig(
            image_size=64,
            pretrain_image_size=64,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_channels=4,
            out_features=["stage2"],
            use_relative_position_embeddings=True,
            residual_block_indices=[1],
            window_block_indices=[0],
            window_size=4,
        ),
        hidden_size=32,
        convstream_hidden_sizes=[8, 16, 32],
        fusion_hidden_sizes=[32, 16, 16, 8],
    )
    torch.manual_seed(0)
    network = transformers.VitMatteForImageMatting(config).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return network


@pytest.fixture(scope="module")
def network():
    return tiny()


def card_of(published: str) -> Card:
    """The tiny network's card. published: what its weights are called."""
    return Card(
        name="tiny-vitmatte",
        label="Tiny",
        version=1,
        adapters={"matte": "rotograph_nodes.models.vitmatte:Adapter"},
        input_space=SPACE,
        working_size=4096,
        licence="Apache-2.0",
        commercial=True,
        files=(WeightsFile(published), WeightsFile("config.json")),
    )


@pytest.fixture(scope="module")
def matter(network, tmp_path_factory):
    """The adapter over files as ``rotograph models pull`` would leave them."""
    folder = tmp_path_factory.mktemp("models")
    network.save_pretrained(folder / "tiny-vitmatte")
    card = card_of("model.safetensors")
    return Models([card], folders=Folders(None, folder)).load("matte", "tiny-vitmatte")


def picture(height, width):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    alpha = np.clip((0.3 * min(height, width) - np.hypot(x - width / 2, y - height / 2)) / 9, 0, 1)
    trimap = np.where(alpha > 0.99, 1.0, np.where(alpha < 0.01, 0.0, 0.5)).astype(np.float32)
    return rng.random((height, width, 3)).astype(np.float32), trimap


def test_the_same_alpha_as_the_reference_at_any_size(network, matter):
    """Prepared by its own class, with the mean and deviation that its authors trained it with."""
    module = "transformers.models.vitmatte.image_processing_pil_vitmatte"
    own = pytest.importorskip(module).VitMatteImageProcessorPil(
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )
    seen, trimap = picture(90, 141)
    levels = (seen * 255).astype(np.uint8)
    drawn = np.where(trimap == 0.5, 128, trimap * 255).astype(np.uint8)
    prepared = own(images=levels, trimaps=drawn, return_tensors="pt")["pixel_values"]
    assert prepared.shape == (1, 4, 96, 160)
    prepared[:, 3][prepared[:, 3] == 128 / 255] = 0.5
    with torch.inference_mode():
        truth = network(pixel_values=prepared.float()).alphas[0, 0, :90, :141].numpy()
    ours = matter.estimate_alpha((levels / 255.0).astype(np.float32), trimap)
    unknown = trimap == 0.5
    assert np.abs(ours[unknown] - truth[unknown]).max() < TOLERANCE
    assert ours[unknown].std() > 1e-2, "nothing was compared"
    assert np.array_equal(ours[~unknown], trimap[~unknown])


def test_only_what_lies_around_the_band_is_looked_at(matter):
    seen, trimap = picture(400, 700)
    trimap[:] = np.where(np.arange(700) < 150, 1.0, 0.0)
    trimap[180:220, 140:160] = 0.5
    far = seen.copy()
    far[:, 400:] = 0.0
    assert np.array_equal(matter.estimate_alpha(seen, trimap), matter.estimate_alpha(far, trimap))


def test_a_band_in_tiles_shows_no_seams(matter, monkeypatch):
    seen, trimap = picture(700, 900)
    monkeypatch.setattr("rotograph_nodes.models.vitmatte.LARGEST", 300_000)
    monkeypatch.setattr("rotograph_nodes.models.vitmatte.HALO", 64)
    flat = np.full_like(seen, 0.5)
    alpha = matter.estimate_alpha(flat, trimap)
    unknown = trimap == 0.5
    inside = unknown[:, 1:] & unknown[:, :-1]
    steps = np.abs(np.diff(alpha, axis=1))
    at_tiles = [x for x in range(1, 899) if (x - np.flatnonzero(unknown.any(0))[0]) % 384 == 0]
    elsewhere = np.ones(899, bool)
    elsewhere[[x - 1 for x in at_tiles]] = False
    worst = max(steps[:, x - 1][inside[:, x - 1]].max() for x in at_tiles if inside[:, x - 1].any())
    assert worst <= steps[:, elsewhere][inside[:, elsewhere]].max()


@pytest.mark.parametrize("across", [(0, 70), (90, 0), (0, 0)])
def test_a_band_from_side_to_side(matter, across):
    """A close portrait: nothing is known at two sides of the picture, or at all four."""
    seen, trimap = picture(90, 141)
    trimap[:] = np.where(np.arange(141) < 70, 1.0, 0.0)
    rows, columns = across
    trimap[rows // 3 : 90 - rows // 3, columns // 3 : 141 - columns // 3] = 0.5
    alpha = matter.estimate_alpha(seen, trimap)
    assert alpha.shape == trimap.shape and np.isfinite(alpha).all()
    assert np.array_equal(alpha[trimap != 0.5], trimap[trimap != 0.5])


def test_a_plate_of_numbers_that_are_none_does_no_harm(matter):
    seen, trimap = picture(64, 64)
    seen[30:34, 10:20] = np.nan
    seen[0, 0] = np.inf
    assert np.isfinite(matter.estimate_alpha(seen, trimap)).all()


def test_without_a_band_the_trimap_is_the_answer(matter):
    seen, trimap = picture(40, 40)
    trimap = (trimap > 0.7).astype(np.float32)
    assert np.array_equal(matter.estimate_alpha(seen, trimap), trimap)


@pytest.mark.parametrize(
    "key, value", [("fusion_hidden_sizes", [24, 16, 8, 4]), ("hidden_size", "x")]
)
def test_files_that_do_not_fit_each_other_are_told_of(network, tmp_path, capfd, key, value):
    network.save_pretrained(tmp_path / "tiny-vitmatte")
    config = tmp_path / "tiny-vitmatte" / "config.json"
    told = json.loads(config.read_text())
    assert key in told
    config.write_text(json.dumps(told | {key: value}))
    card = card_of("model.safetensors")
    adapter = Models([card], folders=Folders(None, tmp_path)).load("matte", "tiny-vitmatte")
    with pytest.raises(ModelError, match="do not make its network"):
        adapter.estimate_alpha(*picture(64, 64))
    said = capfd.readouterr()
    assert not said.out and not said.err, "one line is enough: that of the error"


def test_a_checkpoint_is_converted_and_loaded(network, matter, tmp_path):
    """As the base network is published: without safetensors."""
    network.config.save_pretrained(tmp_path)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    card = card_of("pytorch_model.bin")
    where = Folders(None, tmp_path / "own")
    for file in card.files:
        weights.add(card, tmp_path / file.name, where)
    adapter = Models([card], folders=where).load("matte", "tiny-vitmatte")
    seen = picture(64, 96)
    assert np.array_equal(adapter.estimate_alpha(*seen), matter.estimate_alpha(*seen))
