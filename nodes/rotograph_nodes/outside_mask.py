"""OutsideMask: a picture's alpha from somewhere else as a mask, for Track and Matte."""

from __future__ import annotations

import numpy as np

from rotograph.declare import Input, Output, Value, node, stage
from rotograph.image import Box
from rotograph.mask import MaskLogits
from rotograph_nodes import outside


@node(version=1, output=Output("Masks", "logits"))
class OutsideMask:
    """Take an alpha that no Rotograph node made, such as a host's own roto, as a mask.

    Track needs to be told on which frames it is an anchor.
    """

    plate = Input("Image", help="The plate that it belongs to.")
    picture = Input("Image", help="The picture whose alpha it is.")
    layer = outside.layer()

    describe = outside.describe

    @stage(per="layer")
    def logits(given, context):
        """Half covered is the boundary."""
        area = Box(*given["area"])
        alpha = outside.coverage(given, area)
        return MaskLogits((16.0 * np.clip(alpha, 0.0, 1.0) - 8.0).astype(np.float32), area)

    @logits.needs
    def logits(at):
        return {**outside.needs(at), "area": Value(at.shape("plate").window)}
