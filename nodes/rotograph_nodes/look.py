"""What a graph's models see in a plate, frame by frame, for whoever has to decide on layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from rotograph.correct import Present
from rotograph.declare import Result
from rotograph.environment import Environment
from rotograph.execution import Execution, Limits
from rotograph.graph import Graph
from rotograph.image import Box
from rotograph.inline import inline_mask
from rotograph.mask import MaskLogits
from rotograph.needs import Keys
from rotograph.plan import plan_outputs
from rotograph.render import Watch, compute
from rotograph_nodes import working
from rotograph_nodes.models.classic.appearance import colours
from rotograph_nodes.models.classic.grade import CERTAIN, signed_distance
from rotograph_nodes.pieces import Piece, iou, overlap

GRID = 640
"""Long side of the masks that are compared."""
_BINS = 12
_COLOURS = _BINS**3
_LOWEST, _HIGHEST = np.float32([0.0, -0.3, -0.3]), np.float32([1.0, 0.3, 0.3])
"""Lightness and two chromas, as ``colours`` has them, between which colours are counted."""
_RING = 0.055
"""Width of what is around something, of the picture's diagonal."""
_OTHERS = 0.2
"""Share of what a mask has too much that moves on its own, when it is somebody else's."""
_SLOPE = 0.6
"""Logits for every pixel of distance from the boundary of a mask."""


@dataclass
class Look:
    """What the graph's models see in the plate, computed as it is asked for and kept.

    threshold: least score of what is found; of something that moves, the share that is plainly in
    front. agree: share of a box's mask that has to lie in what moves, unless the rest looks more
    like it than like what is around; else what moves is the mask. trust: confidence under which a
    track is taken for lost.
    """

    graph: Graph
    environment: Environment
    threshold: float
    agree: float
    trust: float
    watch: Watch | None = None
    frames: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        only = self._only("plate", "detect")
        self._detected = Execution(self.environment, Limits())
        first = Keys(only, self.environment).shape("plate").frames.frames[0]
        compute(
            self._detected,
            lambda: Keys(only, self.environment),
            lambda keys: plan_outputs(keys, "detect", ("",), (first,)),
            watch=self.watch,
        )
        for error in self._detected.outcome.errors:
            raise error
        self.frames = self._detected.keys.shape("plate").frames.frames

    @property
    def display(self) -> Box:
        """The plate's display window."""
        return Box(*self._detected.keys.shape("plate").display)

    def found(self, frame: int) -> list[Piece]:
        """The pieces of a frame: what the detector found there, segmented."""
        seen = self._boxes(frame)
        prompts = [
            {"frame": frame, "layer": f"p{n}", "box": list(box)}
            for n, (box, _, _) in enumerate(seen)
        ]
        if not prompts:
            return []
        graph = self._only("plate", "segment")
        graph.nodes["segment"].set("prompts", prompts)
        masks = self._masks(graph, "segment", [p["layer"] for p in prompts], (frame,))[frame]
        regions = self._regions(frame)
        counted = self._colours(frame)
        pieces = []
        for n, (box, label, score) in enumerate(seen):
            mask, drawn = masks[f"p{n}"], False
            if regions is not None:
                # a box around several things that move is mostly filled by what is behind them
                moves = regions == n + 1
                score = min(score, iou(mask, moves))
                drawn = overlap(mask, moves) < self.agree and _leaks(mask, regions, n + 1, counted)
                mask, score = (moves, score) if drawn else (mask, iou(mask, moves))
            if score >= self.threshold:
                pieces.append(Piece(mask, (box,), label, score, drawn, _look(counted, mask)))
        return pieces

    def prompts(self, frame: int, layer: str, piece: Piece, mask: str) -> list[dict]:
        """What tells a model of a piece: its boxes, or the ``mask`` it was drawn into."""
        if piece.drawn:
            return [{"frame": frame, "layer": layer, "mask": mask, "whole": True}]
        return [{"frame": frame, "layer": layer, "box": list(box)} for box in piece.boxes]

    def logits(self, piece: Piece) -> MaskLogits:
        """A piece's mask as a model would give it."""
        window = Box(*self._detected.keys.shape("plate").window)
        return MaskLogits(np.clip(_SLOPE * signed_distance(piece.mask), -CERTAIN, CERTAIN), window)

    def tracked(
        self, told: Mapping[int, tuple[int, Piece]], frames: Sequence[int]
    ) -> dict[int, dict[int, np.ndarray]]:
        """Masks, by frame and object, of objects that are each known by a piece on some frame."""
        graph = self._only("plate", "track")
        prompts = [
            prompt
            for n, (at, piece) in told.items()
            for prompt in self.prompts(
                at, f"o{n}", piece, inline_mask(self.logits(piece)) if piece.drawn else ""
            )
        ]
        graph.nodes["track"].set("prompts", prompts)
        graph.nodes["track"].set("overlap", "independent")
        masks = self._masks(graph, "track", [f"o{n}" for n in told], frames)
        return {f: {n: found[f"o{n}"] for n in told} for f, found in masks.items()}

    def _masks(
        self, graph: Graph, node: str, layers: Sequence[str], frames: Sequence[int]
    ) -> dict[int, dict[str, np.ndarray]]:
        present = Present(graph, self.environment, self.watch)
        masks: dict[int, dict[str, np.ndarray]] = {frame: {} for frame in frames}
        # all on one grid: what stands alone may come in another than what is followed
        height, width = self._grid()
        for name, frame, mask in present.outputs(node, layers, tuple(frames)):
            found = working.on_grid(mask, mask.window, (height, width)) > 0
            masks[frame][name] = found & (mask.confidence >= self.trust)
        return masks

    def _regions(self, frame: int) -> np.ndarray | None:
        """``(h, w)`` uint8: what moves on its own, numbered; None where nobody looked for that."""
        regions = self._detected.fetch(Result("detect", "evidence", None, frame)).get("regions")
        if regions is None:
            return None
        return cv2.resize(regions, self._grid()[::-1], interpolation=cv2.INTER_NEAREST)

    def _colours(self, frame: int) -> np.ndarray:
        """``(h, w)`` int: the colour of each place, as one of ``_COLOURS``."""
        picture = self._detected.fetch(Result("detect", "picture", None, frame))["picture"]
        small = cv2.resize(
            picture.astype(np.float32), self._grid()[::-1], interpolation=cv2.INTER_AREA
        )
        bins = (colours(small) - _LOWEST) / (_HIGHEST - _LOWEST) * _BINS
        bins = np.clip(np.nan_to_num(bins), 0, _BINS - 1).astype(np.int32)
        return (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]

    def _grid(self) -> tuple[int, int]:
        width, height = self._detected.keys.shape("plate").size
        scale = min(1.0, GRID / max(width, height))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _boxes(self, frame: int) -> list[tuple[tuple[float, ...], str, float]]:
        """(box in plate pixels, label, score) of what the detector found on a frame.

        Of what moves the boxes are in the order of the regions' numbers.
        """
        keys = self._detected.keys
        card = self.environment.models.card("detect", keys.graph.nodes["detect"].model("model"))
        if not card.per_frame and frame == self.frames[-1]:
            return []  # motion is seen between a frame and the next
        seen = self._detected.fetch(Result("detect", "evidence", None, frame))
        picture = self._detected.fetch(Result("detect", "picture", None, frame))
        window, (height, width) = Box(*map(int, picture["window"])), picture["picture"].shape[:2]
        if "regions" in seen:
            boxes, labels = _around(seen["regions"]), ["object"] * 255
            scores = seen.get("sure", np.ones(255, np.float32))
        else:
            adapter = self.environment.models.load("detect", card.name)
            names = adapter.names(keys.graph.nodes["detect"].value("text"))
            boxes, scores = seen["boxes"], seen["scores"]
            labels = [_label(names[kind]) for kind in seen["classes"]]
        scale = np.array([window.width / width, window.height / height] * 2)
        start = np.array([window.x0, window.y0] * 2)
        return [
            (tuple(float(v) for v in np.asarray(box) * scale + start), label, float(score))
            for box, label, score in zip(boxes, labels, scores, strict=False)
            if score >= self.threshold or "regions" in seen
        ]

    def _only(self, *names: str) -> Graph:
        """The graph with these nodes alone."""
        document = self.graph.to_dict()
        document["nodes"] = {n: document["nodes"][n] for n in names}
        for node in document["nodes"].values():
            node["inputs"] = {p: s for p, s in node.get("inputs", {}).items() if s in names}
        return Graph.from_dict(document, self.graph.folder)


def _look(counted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``(_COLOURS,)`` float32: the colours within a mask, adding up to 1."""
    look = np.bincount(counted[mask], minlength=_COLOURS).astype(np.float32)
    return look / max(1.0, float(look.sum()))


def _leaks(mask: np.ndarray, regions: np.ndarray, number: int, counted: np.ndarray) -> bool:
    """Whether what a mask has beyond what moves is another thing, or looks like what is around."""
    moves = regions == number
    beyond = mask & ~moves
    if overlap(beyond, regions > 0) >= _OTHERS:
        return True
    side = round(_RING * np.hypot(*mask.shape)) | 1
    ring = cv2.dilate((mask | moves).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    more, inside, around = (
        np.sqrt(_look(counted, where)) for where in (beyond, mask & moves, ring & ~(mask | moves))
    )
    return float(more @ around) > float(more @ inside)


def _around(regions: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes of numbered regions ``(h, w)``, 0 being none."""
    boxes = []
    for number in range(1, int(regions.max()) + 1):
        rows, columns = np.nonzero(regions == number)
        if rows.size:
            boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return boxes


def _label(name: str) -> str:
    label = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return label if label[:1].isalpha() else "object"
