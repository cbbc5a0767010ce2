"""A mask within the document's own text, for documents that have no folder to lay files in.

A host's project knows neither where it lies nor what a plugin would put beside it; a frozen mask
travels in the node's prompts there, through copy and paste, undo and a farm. Text:
``inline:WxH:x0,y0,x1,y1:DATA`` with the size of the grid, the plate pixels it covers, and the
logits in sixteenths between -7.9 and 7.9 as int8, deflated, in base64: about ten kilobytes for any
plate.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib

import numpy as np

from rotograph.errors import PromptError
from rotograph.image import Box, Image, ImageSpec
from rotograph.mask import MaskLogits

_STEPS = 16.0
_SIDE = 8192
_AREA = 1 << 27
"""Twice 8K by 8K, of plate pixels."""
_FORM = re.compile(r"inline:(\d{1,4})x(\d{1,4}):(-?\d{1,8}),(-?\d{1,8}),(-?\d{1,8}),(-?\d{1,8}):")


def is_inline(mask: str) -> bool:
    """Whether a prompt's mask is in the text itself, rather than in a file."""
    return mask.startswith("inline:")


def inline_mask(mask: MaskLogits) -> str:
    """The text of a mask. Logits are kept to a thirty-second, and to 7.9 at most."""
    steps = np.clip(np.rint(mask.logits * _STEPS), -127, 127).astype(np.int8)
    height, width = steps.shape
    data = base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode("ascii")
    return f"inline:{width}x{height}:{','.join(map(str, mask.window.to_list()))}:{data}"


def read_inline(text: str) -> Image:
    """The mask as a frozen mask file would have it: A, float16, at every plate pixel it covers.

    Raises PromptError.
    """
    head = _FORM.match(text)
    if head is None:
        raise PromptError("a mask within the prompts cannot be read", hint="remove it, click again")
    width, height, *corners = map(int, head.groups())
    window = Box(*corners)
    if not (0 < width <= _SIDE and 0 < height <= _SIDE) or min(window.size) <= 0:
        raise PromptError("a mask within the prompts has no size")
    if window.width * window.height > _AREA:
        raise PromptError("a mask within the prompts is larger than any plate")
    try:
        packed = base64.b64decode(text[head.end() :], validate=True)
        # one byte more than there may be shows that there is too much, and no more is inflated
        data = zlib.decompressobj().decompress(packed, width * height + 1)
    except (binascii.Error, zlib.error):
        data = b""
    if len(data) != width * height:
        raise PromptError("a mask within the prompts is damaged", hint="remove it, click again")
    logits = np.frombuffer(data, np.int8).reshape(height, width) / np.float32(_STEPS)
    return frozen_image(MaskLogits(logits, window))


def frozen_image(mask: MaskLogits) -> Image:
    """A mask as it is frozen: its alpha, float16, 0 to 1, at every plate pixel that it covers."""
    window = mask.window
    certain = np.clip(mask.at(window), -20.0, 20.0)  # beyond, a half is 0 or 1
    alpha = (1.0 / (1.0 + np.exp(-certain))).astype(np.float16)
    return Image(ImageSpec(window, window, ("A",), alpha="straight"), alpha[..., None])
