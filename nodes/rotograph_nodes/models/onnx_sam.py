"""SAM in two ONNX files: an encoder that sees a frame once, a decoder that answers prompts.

Kirillov et al., "Segment Anything", 2023; MobileSAM (Zhang et al., "Faster Segment Anything:
Towards Lightweight SAM for Mobile Applications", 2023) and others with its decoder. The files are
as segment_anything's ``export_onnx_model.py`` makes them, or others whose names the card tells.
With the same weights they answer as sam.py does, without PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from rotograph.errors import ModelError
from rotograph.models import Supply
from rotograph_nodes.models.onnx import CERTAIN, Network
from rotograph_nodes.models.onnx_file import Session, opened
from rotograph_nodes.models.prompts import CORNER, GridPrompts, drawn, questions
from rotograph_nodes.models.sam_square import cut, squared

_NO_POINT = -1
"""The label of a point that is none; SAM is given one with points that come without a box."""
_TRUST = 32.0
"""Logits of an earlier mask are told within this."""


@dataclass(frozen=True)
class Decoder:
    """The card's ``[network.decoder]`` table: what the second file calls its inputs and outputs.

    Inputs: features, ``(1, c, n, n)`` of the encoder. points ``(1, k, 2)`` in pixels of its
    input, and labels ``(1, k)``. mask: an earlier answer ``(1, 1, m, m)``, and has_mask, whether
    there is one; "" where the file takes none: then an earlier mask counts only where nothing else
    is said. size: the picture's height and width, of which only outputs depend that are not looked
    at; "" where the file takes none. Outputs: masks, logits ``(1, g, m, m)`` over the whole square,
    and scores ``(1, g)``. g is 1, or 3 guesses at one point, or 4, the first for several prompts.
    """

    features: str = "image_embeddings"
    points: str = "point_coords"
    labels: str = "point_labels"
    mask: str = "mask_input"
    has_mask: str = "has_mask_input"
    size: str = "orig_im_size"
    masks: str = "low_res_masks"
    scores: str = "iou_predictions"


class Segmenter:
    """The role's interface over one pair of files: the card's first is the encoder."""

    def __init__(self, supply: Supply) -> None:
        card = supply.card
        self.encoder = Network(supply)
        facts = self.encoder.facts
        try:
            self.decoder = Decoder(**facts.decoder)
        except TypeError as error:
            raise ModelError(f"the card of '{card.name}' is wrong in [network]: {error}") from None
        if len(card.files) < 2 or facts.fit != "letterbox" or len(set(facts.size or (0, 1))) != 1:
            raise ModelError(
                f"the card of '{card.name}' does not describe a SAM",
                hint="it names two files, an encoder and a decoder, and in [network] a square size "
                'and fit = "letterbox"',
            )
        self._supply, self._file = supply, card.files[1].stored

    def encode(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """``coarse`` ``(c, n, n)`` float32, ``grid`` ``(2,)`` int32: the picture's height, width.

        picture: ``(h, w, 3)`` float32, the card's input space. Raises ModelError.
        """
        outputs, _ = self.encoder.run(picture)
        coarse = self.encoder.output(outputs)
        if coarse.ndim != 4 or len(coarse) != 1:
            raise self._unfit(f"an encoder's output of {list(coarse.shape)} is no map of features")
        return {
            "coarse": np.asarray(coarse[0], np.float32),
            "grid": np.array(picture.shape[:2], np.int32),
        }

    def look(self, picture: np.ndarray) -> None:
        """Have both files answer a box around the middle of a picture; raises ModelError."""
        seen = self.encode(picture)
        height, width = picture.shape[:2]
        box = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
        self.segment(seen, GridPrompts(boxes=(box,)))

    def segment(
        self,
        features: Mapping[str, np.ndarray],
        prompts: GridPrompts,
        prior: np.ndarray | None = None,
    ) -> np.ndarray:
        """Logits of one layer: ``(h, w)`` float32, as fine as the picture is, ±8 is certain.

        prior: logits ``(h, w)`` of any grid over the picture that points then correct, or None.
        Several boxes give the union of what is in each. A mask that stands alone is taken as it
        is; a drawn erasure is not the layer. With nothing positive and no prior, all is outside.
        Raises ModelError.
        """
        shape = tuple(int(n) for n in features["grid"])
        known = drawn(prompts, prior)
        asked = questions(prompts, known)
        if asked:
            answers = [self._answer(features, *points, known) for points in asked]
            logits = cut(np.clip(np.max(answers, axis=0), -CERTAIN, CERTAIN), shape)
        elif known is not None:
            logits = cv2.resize(known, shape[::-1], interpolation=cv2.INTER_LINEAR)
        else:
            logits = np.full(shape, -CERTAIN)
        for mask in prompts.erasures:
            logits = np.where(mask > 0.5, -CERTAIN, logits)
        return np.clip(logits, -CERTAIN, CERTAIN).astype(np.float32)

    def _answer(
        self,
        features: Mapping[str, np.ndarray],
        points: np.ndarray,
        labels: np.ndarray,
        known: np.ndarray | None,
    ) -> np.ndarray:
        """Logits ``(m, m)`` float32 over the square, of points in pixels of the picture."""
        names, shape = self.decoder, tuple(int(n) for n in features["grid"])
        alone = len(labels) == 1 and known is None
        points = points * (self.encoder.facts.size[0] / max(shape))
        if labels.max() < CORNER:
            points, labels = np.vstack([points, [0.0, 0.0]]), np.append(labels, _NO_POINT)
        with opened(self._supply, self._file) as session:
            given = {
                names.features: features["coarse"][None],
                names.points: points[None],
                names.labels: labels[None],
                **self._earlier(session, features, known),
            }
            if names.size:
                given[names.size] = np.array(features["coarse"].shape[1:])  # as little as will do
            if given.keys() != session.inputs.keys():
                raise self._unfit(
                    f"its decoder takes {', '.join(session.inputs)}, not {', '.join(given)}"
                )
            if {names.masks, names.scores} - set(session.outputs):
                raise self._unfit(f"its decoder has the outputs {', '.join(session.outputs)}")
            masks, scores = session.run(given, [names.masks, names.scores])
        if masks.ndim != 4 or masks.shape[1] != scores.size:
            raise self._unfit(f"its decoder gives {list(masks.shape)} with {scores.size} scores")
        among, sure = range(scores.size), scores.ravel()
        if scores.size == 4:
            among = (1, 2, 3) if alone else (0,)
        best = max(among, key=lambda n: sure[n])
        return np.asarray(masks[0, best], np.float32)

    def _earlier(
        self, session: Session, features: Mapping[str, np.ndarray], known: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """What tells the decoder of an earlier mask, of logits over the picture, or of none."""
        names, shape = self.decoder, tuple(int(n) for n in features["grid"])
        if not names.mask:
            return {}
        side = session.inputs.get(names.mask, (0,))[-1]
        if not isinstance(side, int) or not side:
            side = 4 * features["coarse"].shape[-1]
        earlier = np.zeros((side, side), np.float32)
        if known is not None:
            square = squared(known, shape, -CERTAIN)
            earlier = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
        told = {names.mask: np.clip(earlier, -_TRUST, _TRUST)[None, None]}
        return {**told, names.has_mask: np.array([known is not None])} if names.has_mask else told

    def _unfit(self, why: str) -> ModelError:
        return ModelError(
            f"the files of '{self._supply.card.name}' do not fit its card: {why}",
            file=self._supply.weights.parent / self._file,
            hint="correct [network] and [network.decoder] on the card",
        )
