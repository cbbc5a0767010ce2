"""The report is one safe page that says what a supervisor asks, and a real browser shows it."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rotograph import exr
from rotograph.cli import rotograph
from rotograph.image import Box, Image, ImageSpec

CHROMIUM = next((p for n in ("chromium", "chromium-browser") if (p := shutil.which(n))), None)
BASH = shutil.which("bash")
BENCH = Path(__file__).parents[2] / "bench" / "report.py"
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
    assert all(t.startswith(("#", "data:image/webp")) for t in links.targets)
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


def test_it_says_how_long_each_node_took(reported):
    work = reported.text.split('id="work"')[1].split("</section>")[0]
    rows = {
        cells[0]: cells[1:]
        for row in re.findall("<tr>(.*?)</tr>", work)[1:]
        if (cells := re.findall("<td[^>]*>(.*?)</td>", row))
    }
    assert set(rows) == {"plate", "segment", "track", "matte", "refine", "out"}
    for name in ("track", "matte", "refine"):
        _, computed, _, seconds, each, bar = rows[name]
        assert computed == "5" and re.fullmatch(r"\d+\.\d s", seconds) and each.endswith(" s")
        assert "width:" in bar
    assert "planning, and reading" in work


def report(shot, page, *more, status=0):
    asked = ["report", str(shot.graph), str(page), "--cache", str(shot.cache), "--title", ODD]
    got = CliRunner().invoke(rotograph, [*asked, *more])
    assert got.exit_code == status, got.output
    return got.stderr


def test_a_page_that_is_there_stays_unless_it_must_be_overwritten(reported):
    was = reported.page.read_bytes()
    assert "the page is there already" in report(reported.shot, reported.page)
    assert reported.page.read_bytes() == was  # with the times of the run that made it
    other = ("--set", "refine.feather=4")
    said = report(reported.shot, reported.page, *other, status=1)
    assert "another state of the shot" in said and "--overwrite" in said
    assert reported.page.read_bytes() == was
    report(reported.shot, reported.page, *other, "--overwrite")
    assert reported.page.read_bytes() != was
    report(reported.shot, reported.page, "--overwrite")  # as the other tests want it


def test_a_file_that_is_no_page_of_ours_is_never_written_over(reported):
    notes = reported.shot.folder / "notes.html"
    notes.write_text("mine")
    said = report(reported.shot, notes, status=1)
    assert said.count("\n") == 1 and "notes.html" in said  # before anything is rendered
    render = ["render", str(reported.shot.graph), "--report", str(notes)]
    got = CliRunner().invoke(rotograph, [*render, "--cache", str(reported.shot.cache)])
    assert got.exit_code == 1 and notes.read_text() == "mine"


@pytest.mark.slow
def test_planted_faults_are_named_and_lead_to_their_pictures(tmp_path):
    bench = _bench()
    page, shot, found, _ = bench.made(tmp_path, layers=4, frames=60)
    told = {(f.frame, f.layer, f.kind) for f in found}
    planted = {(f, shot.names[layer], kind) for (f, layer), kind in shot.faults.items()}
    assert {kind for _, _, kind in planted} == set(bench.KINDS) and planted <= told
    near = {(frame + step, layer) for frame, layer, _ in planted for step in (0, 1)}
    assert {(frame, layer) for frame, layer, _ in told} <= near
    text = page.read_text()
    look = text.split('id="look"')[1].split("</section>")[0]
    for frame, layer, kind in planted:
        rows = [r for r in look.split("<tr>") if f">{layer}<" in r and f">{kind}<" in r]
        (row,) = [r for r in rows if re.search(rf">{frame}(-\d+)?</a>", r)]
        target = re.search(r'href="#(f\d+)"', row)[1]
        figure = text.split(f'<figure id="{target}"')[1].split("</figure>")[0]
        assert "data:image/webp;base64," in figure and f"{layer}: {kind}" in figure
        assert re.search(rf'href="#{target}"><circle', text)


def _bench():
    spec = importlib.util.spec_from_file_location("bench_report", BENCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


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


class Browser:
    """A real Chromium, spoken to over its debugging pipe."""

    def __init__(self, profile, width, height):
        theirs, self._to = os.pipe()
        self._of, back = os.pipe()
        self._process = subprocess.Popen(
            [
                *(BASH, "-c", f'exec "$0" "$@" 3<&{theirs} 4>&{back}', CHROMIUM),
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--remote-debugging-pipe", f"--user-data-dir={profile}"),
                *(f"--window-size={width},{height}", "about:blank"),
            ],
            pass_fds=(theirs, back),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(back)
        self._count, self._read, self._session = 0, b"", {}
        pages = self.ask("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in pages if one["type"] == "page")
        told = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": told["sessionId"]}

    def ask(self, method, **params):
        self._count += 1
        asked = {"id": self._count, "method": method, "params": params, **self._session}
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        while True:
            while b"\0" not in self._read:
                self._read += os.read(self._of, 1 << 20) or pytest.fail("Chromium ended")
            one, _, self._read = self._read.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self._count:
                return answer["result"]

    def of(self, expression):
        """The value of a JavaScript expression, awaited."""
        told = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return told["result"].get("value")

    def open(self, page):
        self.ask("Page.navigate", url=page.as_uri())
        while self.of("location.protocol + document.readyState") != "file:complete":
            time.sleep(0.05)

    def picture(self):
        """``(H, W, 3)`` uint8 BGR: what is on the screen."""
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def close(self):
        self.ask("Browser.close")
        self._process.wait(30)
        os.close(self._to)
        os.close(self._of)


SHOWN = """(async () => {
  const link = document.querySelectorAll('#look td a, #confidence svg a')[%d];
  if (!link) return null;
  const event = new MouseEvent('click', {bubbles: true, cancelable: true});
  link.dispatchEvent(event);
  await new Promise(done => setTimeout(done, 300));
  const figure = document.querySelector(':target'), image = figure.querySelector('img');
  await image.decode();
  const place = image.getBoundingClientRect();
  return [place.top >= 0 && place.bottom <= innerHeight, image.naturalWidth > 0, figure.id];
})()"""


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and BASH), reason="no Chromium, or no bash to start it")
@pytest.mark.parametrize("width", [1920, 800])
def test_a_browser_shows_it_and_every_flag_leads_to_its_picture(reported, tmp_path, width):
    browser = Browser(tmp_path / "profile", width, 1000)
    browser.open(reported.page)
    picture = browser.picture()
    assert picture.shape[1] == width
    assert picture[120:140, :8].max() < 60  # the dark page, not an error's white one
    # nothing sticks out to the right, and no picture is broken
    assert browser.of("document.documentElement.scrollWidth <= innerWidth")
    broken = "[...document.images].map(async i => { i.loading = 'eager'; await i.decode(); })"
    assert browser.of(f"Promise.all({broken}).then(all => all.length)") == 5
    count = 0
    while (shown := browser.of(SHOWN % count)) is not None:
        assert shown[:2] == [True, True], shown
        count += 1
    assert count >= 2
    picture = browser.picture()  # of the last one, enlarged: a warm disc, tinted red
    warm = (picture[..., 2].astype(int) - picture[..., 0] > 80).sum()
    assert warm > 2000 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000
    browser.close()
