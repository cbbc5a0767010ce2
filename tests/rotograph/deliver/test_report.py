"""The report is one safe page that says what a supervisor asks, and a real browser shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.cli import rotograph
from rotograph.image import Box, Image, ImageSpec

CHROMIUM = next((p for n in ("chromium", "chromium-browser") if (p := shutil.which(n))), None)
ODD = "<script>alert('x')</script> & “ショット”"


@pytest.fixture(scope="module")
def reported(make_shot):
    """A shot of five frames that loses its disc on the fourth, and its page."""
    shot = make_shot(5)
    wall = exr.read(shot.plate(1001)).pixels.copy()
    wall[...] = wall[5, 150]
    box = Box(0, 0, wall.shape[1], wall.shape[0])
    exr.write(shot.plate(1004), Image(ImageSpec(box, box), wall))
    page = shot.folder / "report.html"
    got = CliRunner().invoke(
        rotograph,
        ["report", str(shot.graph), str(page), "--cache", str(shot.cache), "--title", ODD],
    )
    assert got.exit_code == 0, got.output
    return SimpleNamespace(shot=shot, page=page, text=page.read_text(), said=got.stderr)


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.sources, self.tags = set(), [], [], set()

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.tags.add(tag)
        self.ids.add(told.get("id"))
        self.targets += [told[n] for n in ("href", "src") if n in told]


def test_the_page_loads_nothing_and_every_link_leads_to_its_picture(reported):
    links = Links()
    links.feed(reported.text)
    inside = [t for t in links.targets if t.startswith("#")]
    assert inside and all(t[1:] in links.ids for t in inside)
    assert all(t.startswith(("#", "data:image/jpeg")) for t in links.targets)
    assert "script" not in links.tags and "&lt;script&gt;" in reported.text
    assert len(re.findall("<figure", reported.text)) == 5


def test_it_says_what_needs_a_look_and_what_it_was_made_with(reported):
    look = reported.text.split('id="look"')[1].split("</section>")[0]
    assert 'href="#f100' in look and "1004" in look and "disc" in look
    assert "look at" in reported.said and "1004" in reported.said
    for words in ("Classic", "Apache-2.0", "ACEScg", "ocio://", "sRGB", "Refine", "s a frame"):
        assert words in reported.text
    assert len(set(re.findall(r"<code>([0-9a-f]{32})</code>", reported.text))) >= 5
    assert "<polyline" in reported.text and "<circle" in reported.text


def test_a_render_writes_the_page_too(reported):
    page = reported.shot.folder / "too.html"
    got = CliRunner().invoke(
        rotograph,
        [
            *("render", str(reported.shot.graph), "--cache", str(reported.shot.cache)),
            *("--no-engine", "--report", str(page)),
        ],
    )
    assert got.exit_code == 0, got.output
    assert page.read_text().count("<figure") == 5


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_it(reported, tmp_path):
    shot = tmp_path / "page.png"
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,1600"),
            *(f"--screenshot={shot}", reported.page.as_uri()),
        ],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert shot.is_file(), done.stderr.decode()[-500:]
    picture = cv2.imread(str(shot))
    assert picture.shape == (1600, 1200, 3)
    assert picture[:20, :20].max() < 60  # the dark page, not an error's white one
    # the warm discs of the thumbnails, tinted red
    warm = (picture[..., 2].astype(int) - picture[..., 0] > 80).sum()
    assert warm > 5000 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000
