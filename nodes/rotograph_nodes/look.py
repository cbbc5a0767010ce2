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
from rotograph.needs import Keys
from rotograph.plan import plan_outputs
from rotograph.render import Watch, compute
from rotograph_nodes import working
from rotograph_nodes.objects import Piece, iou, overlap

GRID = 640
"""Long side of the masks that are compared."""


@dataclass
class Look:
    """What the graph's models see in the plate, computed as it is asked for and kept.

    threshold: least score of what is found; of something that moves, the intersection over union of
    its mask with what moves there. moves: of a mask that was made because something moves there,
    the share that has to move.
    """

    graph: Graph
    environment: Environment
    threshold: float
    moves: float
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
        pieces = []
        for n, (box, label, score) in enumerate(seen):
            mask = masks[f"p{n}"]
            if regions is not None:
                # a box around several things that move is mostly filled by what is behind them
                if overlap(mask, regions > 0) < self.moves:
                    continue
                score = iou(mask, regions == n + 1)
            if score >= self.threshold:
                pieces.append(Piece(mask, (box,), label, score))
        return pieces

    def tracked(
        self, told: Mapping[int, tuple[int, Piece]], frames: Sequence[int]
    ) -> dict[int, dict[int, np.ndarray]]:
        """Masks, by frame and object, of objects that are each known by a piece on some frame."""
        graph = self._only("plate", "track")
        prompts = [
            {"frame": at, "layer": f"o{n}", "box": list(box)}
            for n, (at, piece) in told.items()
            for box in piece.boxes
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
            masks[frame][name] = working.on_grid(mask, mask.window, (height, width)) > 0
        return masks

    def _regions(self, frame: int) -> np.ndarray | None:
        """``(h, w)`` uint8: what moves on its own, numbered; None where nobody looked for that."""
        regions = self._detected.fetch(Result("detect", "evidence", None, frame)).get("regions")
        if regions is None:
            return None
        return cv2.resize(regions, self._grid()[::-1], interpolation=cv2.INTER_NEAREST)

    def _grid(self) -> tuple[int, int]:
        width, height = self._detected.keys.shape("plate").size
        scale = min(1.0, GRID / max(width, height))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _boxes(self, frame: int) -> list[tuple[tuple[float, ...], str, float]]:
        """(box in plate pixels, label, score) of what the detector found on a frame.

        Of what moves the boxes are in the order of the regions' numbers, and the score is not told.
        """
        keys = self._detected.keys
        card = self.environment.models.card("detect", keys.graph.nodes["detect"].model("model"))
        if not card.per_frame and frame == self.frames[-1]:
            return []  # motion is seen between a frame and the next
        seen = self._detected.fetch(Result("detect", "evidence", None, frame))
        picture = self._detected.fetch(Result("detect", "picture", None, frame))
        window, (height, width) = Box(*map(int, picture["window"])), picture["picture"].shape[:2]
        if "regions" in seen:
            boxes, labels, scores = _around(seen["regions"]), ["object"] * 255, [np.inf] * 255
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
            if score >= self.threshold
        ]

    def _only(self, *names: str) -> Graph:
        """The graph with these nodes alone."""
        document = self.graph.to_dict()
        document["nodes"] = {n: document["nodes"][n] for n in names}
        for node in document["nodes"].values():
            node["inputs"] = {p: s for p, s in node.get("inputs", {}).items() if s in names}
        return Graph.from_dict(document, self.graph.folder)


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
