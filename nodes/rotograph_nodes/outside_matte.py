"""OutsideMatte: a picture's alpha from somewhere else as a matte, for Refine."""

from __future__ import annotations

import numpy as np

from rotograph.declare import Input, Output, node, stage
from rotograph.matte import Matte
from rotograph_nodes import outside


@node(version=1, output=Output("Mattes", "alpha"))
class OutsideMatte:
    """Take an alpha that no Rotograph node made, such as a graded matte, as the matte it is."""

    plate = Input("Image", help="The plate that it belongs to.")
    picture = Input("Image", help="The picture whose alpha it is.")
    layer = outside.layer()

    describe = outside.describe

    @stage(per="layer", tier="mattes")
    def alpha(given, context):
        window = given["plate"].spec.data
        alpha = outside.coverage(given, window)
        return Matte(window, np.clip(alpha, 0.0, 1.0).astype(np.float16))

    @alpha.needs
    def alpha(at):
        return {**outside.needs(at), "plate": at.input("plate")}
