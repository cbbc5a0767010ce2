"""Grounding DINO with its own classes and random weights, and a vocabulary of a few words."""

from __future__ import annotations

import numpy as np
import pytest

from rotograph.card import Card, WeightsFile
from rotograph.errors import PromptError
from rotograph.models import Models
from rotograph.weights import Folders

torch = pytest.importorskip("torch", reason="needs PyTorch: install --networks")
transformers = pytest.importorskip("transformers", reason="needs transformers: install --networks")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "person", "red", "car", "##s", "dog"]
TOLERANCE = 1e-5


def vocabulary(folder):
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    tokens = Tokenizer(WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.normalizer, tokens.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokens.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokens.save(str(folder / "tokenizer.json"))


def tiny():
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64,
            embed_dim=16,
            depths=[1, 1, 1, 1],
            num_heads=[1, 2, 2, 2],
            window_size=4,
            out_indices=[2, 3, 4],
        ),
        text_config=transformers.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        ),
        d_model=32,
        num_queries=20,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
    )
    torch.manual_seed(0)
    network = transformers.GroundingDinoForObjectDetection(config).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


@pytest.fixture(scope="module")
def network():
    return tiny()


@pytest.fixture(scope="module")
def detector(network, tmp_path_factory):
    """The adapter over files as ``rotograph models pull`` would leave them."""
    folder = tmp_path_factory.mktemp("models")
    network.save_pretrained(folder / "tiny-dino")
    vocabulary(folder / "tiny-dino")
    names = ("model.safetensors", "config.json", "tokenizer.json")
    card = Card(
        name="tiny-dino",
        label="Tiny",
        version=1,
        adapters={"detect": "rotograph_nodes.models.grounding_dino:Adapter"},
        input_space="sRGB - Display",
        working_size=1333,
        licence="Apache-2.0",
        commercial=True,
        reads_text=True,
        per_frame=True,
        files=tuple(WeightsFile(name) for name in names),
    )
    return Models([card], folders=Folders(None, folder)).load("detect", "tiny-dino")


def scene(height=800, width=1000):
    return np.random.default_rng(2).random((height, width, 3)).astype(np.float32)


@pytest.mark.slow
def test_the_same_boxes_and_scores_as_the_reference(network, detector):
    seen = scene()  # 800 on its shorter side: seen as it is
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    ids = [[2, 6, 5, 7, 8, 5, 3]]  # [CLS] person . red car . [SEP]
    with torch.inference_mode():
        out = network(
            pixel_values=torch.from_numpy(((seen - mean) / deviation).transpose(2, 0, 1)[None]),
            input_ids=torch.tensor(ids),
            attention_mask=torch.ones(1, 7, dtype=torch.long),
            token_type_ids=torch.zeros(1, 7, dtype=torch.long),
        )
    logits, boxes = detector.answer(network, seen, ids[0])
    assert np.abs(logits - out.logits[0, :, :7].numpy()).max() < TOLERANCE
    assert np.abs(boxes - out.pred_boxes[0].numpy()).max() < TOLERANCE
    found = detector.detect(seen, "Person, red  CAR")
    assert detector.names("Person, red  CAR") == ("person", "red car")
    probabilities = torch.sigmoid(out.logits[0]).numpy()
    own = np.stack([probabilities[:, 1], probabilities[:, [3, 4]].max(axis=1)], axis=1)
    assert len(found["boxes"]) and set(found["classes"]) <= {0, 1}
    for score, kind in zip(found["scores"], found["classes"], strict=True):
        assert np.abs(own[:, kind] - score).min() < TOLERANCE
    assert (np.diff(found["scores"]) <= 0).all()


@pytest.mark.slow
def test_boxes_are_in_the_picture_whatever_its_shape(detector):
    for shape in ((60, 200), (300, 90)):
        found = detector.detect(scene(*shape), "person")
        boxes = found["boxes"]
        assert found["scores"].dtype == np.float32 and found["classes"].dtype == np.int32
        assert (boxes >= 0).all() and (boxes <= [*shape[::-1], *shape[::-1]]).all()


def test_a_kind_of_several_words_has_the_places_of_all_of_them(detector):
    said = detector._caption(("person", "red cars"))
    assert said["ids"] == [2, 6, 5, 7, 8, 9, 5, 3]
    assert said["places"] == [[1], [3, 4, 5]]


@pytest.mark.parametrize("text", ["", " , ", "."])
def test_it_has_to_be_told_what_to_look_for(detector, text):
    with pytest.raises(PromptError, match="what to look for"):
        detector.detect(scene(64, 64), text)


class Seen(Exception):
    """What a network was to look at, so that it need not."""


def shown(network, call):
    """The ``pixel_values`` with which the network is called."""

    def stop(_module, _given, named):
        raise Seen(named["pixel_values"])

    hook = network.register_forward_pre_hook(stop, with_kwargs=True)
    with pytest.raises(Seen) as caught:
        call()
    hook.remove()
    return caught.value.args[0]


@pytest.mark.parametrize("shape", [(540, 960), (540, 720), (500, 333), (90, 1200)])
def test_it_is_shown_what_its_own_preparation_makes(detector, shape):
    """To the pixel in size; in value as near as a picture of 8 bits can be."""
    module = "transformers.models.grounding_dino.image_processing_pil_grounding_dino"
    own = pytest.importorskip(module).GroundingDinoImageProcessorPil()
    levels = np.kron(scene(*(n // 10 + 1 for n in shape)) * 255, np.ones((10, 10, 1)))
    levels = levels[: shape[0], : shape[1]].astype(np.uint8)
    theirs = own(images=levels, return_tensors="pt")["pixel_values"]
    with detector._network() as network:
        picture = (levels / np.float32(255)).astype(np.float32)
        ours = shown(network, lambda: detector.answer(network, picture, [2, 6, 3]))
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1.1 / 255 / 0.224
