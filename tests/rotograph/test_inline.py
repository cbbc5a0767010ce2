"""A mask within the document's own text: as good as the file, small, and safe to read."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from rotograph.errors import PromptError
from rotograph.image import Box
from rotograph.inline import frozen_image, inline_mask, read_inline
from rotograph.mask import MaskLogits


def blob(height=288, width=512):
    y, x = np.mgrid[:height, :width].astype(np.float32)
    edge = height / 4 * (1 + 0.2 * np.sin(5 * np.arctan2(y - height / 2, x - width / 2)))
    return MaskLogits(edge - np.hypot(y - height / 2, x - width / 2), Box(-16, 8, 3824, 2168))


def test_it_is_the_mask_that_a_file_would_hold_within_the_step_of_its_numbers():
    mask = blob()
    text = inline_mask(mask)
    found, file = read_inline(text), frozen_image(mask)
    assert found.spec == file.spec
    assert found.pixels.dtype == file.pixels.dtype == np.float16
    assert np.abs(found.pixels - file.pixels).max() < 0.01
    assert ((found.pixels > 0.5) != (file.pixels > 0.5)).mean() < 2e-4
    assert len(text) < 12000, "about ten kilobytes, whatever the size of the plate"


HEAD = "inline:4x4:0,0,8,8:"


@pytest.mark.parametrize(
    "text",
    [
        "inline:",
        HEAD,
        HEAD + "%%%",
        HEAD + base64.b64encode(b"nothing deflated").decode(),
        HEAD + base64.b64encode(zlib.compress(b"x" * 15)).decode(),
        HEAD + base64.b64encode(zlib.compress(b"x" * 17)).decode(),
        HEAD + base64.b64encode(zlib.compress(bytes(1 << 28))).decode(),
        "inline:9999x9999:0,0,8,8:AAAA",
        "inline:0x4:0,0,8,8:AAAA",
        "inline:4x4:8,8,0,0:AAAA",
        "inline:4x4:0,0,99999999,8:AAAA",
    ],
    ids=lambda t: t[:24],
)
def test_what_is_no_mask_is_refused_with_a_line(text):
    with pytest.raises(PromptError, match="mask within the prompts"):
        read_inline(text)
