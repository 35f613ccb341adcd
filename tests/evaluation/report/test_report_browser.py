"""The page in Chromium, off line: no request, no complaint, and everything that can be worked works."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from report_runs import HEIGHT, HOSTILE, OURS, WIDTH, make_run

from segtile.evaluation.report import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright's Python package is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return write_report(make_run(tmp_path_factory.mktemp("browser") / "run"))


@pytest.fixture(scope="module")
def browser():
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield started
        started.close()


class Watch:
    """A page that was opened off line, and everything it asked for or complained about."""

    def __init__(self, browser, report: Path, **options) -> None:
        self.uri = report.resolve().as_uri()
        self.context = browser.new_context(offline=True, **({"viewport": {"width": 1400, "height": 900}} | options))
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.uri)

    def check(self) -> None:
        assert self.complaints == []
        assert {url for url in self.asked if not url.startswith("data:")} == {self.uri}
        assert self.page.evaluate("window.pwned") is None
        self.context.close()


@pytest.fixture
def watch(browser, report):
    watched = Watch(browser, report)
    yield watched
    watched.check()


@pytest.fixture
def page(watch):
    return watch.page


def column(page, name):
    """The systems of the first table from top to bottom, after a click on a column's head."""
    page.locator("table.sortable").first.locator("thead button", has_text=re.compile(rf"^{name}")).click()
    return systems(page)


def systems(page):
    return (
        page.locator("table.sortable")
        .first.locator("tbody th")
        .evaluate_all("cells => cells.map(c => c.dataset.value)")
    )


def titles(page):
    return page.locator("#sheet article:not([hidden]) h3").all_text_contents()


def clip(page):
    return page.locator("#over").evaluate("c => getComputedStyle(c).clipPath")


def pixel(canvas, x, y):
    """(red, green, blue, alpha) of a canvas, read from a copy so that the page's own canvas stays as it is."""
    return canvas.evaluate(
        """(c, [x, y]) => {
          const copy = new OffscreenCanvas(c.width, c.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(c, 0, 0);
          return [...copy.getImageData(x, y, 1, 1).data];
        }""",
        [x, y],
    )


def open_card(page, picture, name):
    article = page.locator("#sheet article", has=page.locator("h3", has_text=picture))
    article.get_by_role("button", name=f"Open {picture}: {name}").click()
    page.locator("#viewer[open][aria-busy=false]").wait_for()


def test_it_opens_off_line_with_its_styles_and_script(page):
    assert page.locator("h1").inner_text() == "run"
    assert page.locator("#count").inner_text() == "3 pictures"
    assert page.evaluate("getComputedStyle(document.querySelector('.toolbar')).position") == "sticky"
    broken = "images => images.filter(i => !(i.complete && i.naturalWidth)).length"
    page.locator("details.windows summary").first.click()
    assert (
        page.locator("img").evaluate_all("images => Promise.all(images.map(i => i.decode())).then(all => all.length)")
        > 9
    )
    assert page.locator("img").evaluate_all(broken) == 0


def test_a_column_sorts_best_first_and_then_turns_round(page):
    head = page.locator("table.sortable").first.locator("thead th", has_text="biou2")
    assert systems(page) == [OURS, HOSTILE]
    assert column(page, "biou2") == [OURS, HOSTILE]  # 0.567 against 0.333
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "biou2") == [HOSTILE, OURS]
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "mae") == [OURS, HOSTILE]  # lower is better, so ascending comes first
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, "system") == sorted([OURS, HOSTILE])


def test_a_column_sorts_as_numbers_and_keeps_what_has_no_figure_last(page):
    page.evaluate(
        """() => {
          const body = document.querySelector("table.sortable tbody");
          const row = body.rows[0];
          body.replaceChildren();
          for (const value of ["9", "", "100", "-3", "20"]) {
            const copy = row.cloneNode(true);
            copy.cells[0].dataset.value = value || "none";
            for (const cell of [...copy.cells].slice(1)) cell.dataset.value = value;
            body.append(copy);
          }
        }"""
    )
    assert column(page, "mae") == ["-3", "9", "20", "100", "none"]
    assert column(page, "mae") == ["100", "20", "9", "-3", "none"]
    assert column(page, "offset") == ["-3", "9", "20", "100", "none"]  # nearest to zero first, by size
    assert column(page, "biou2") == ["100", "20", "9", "-3", "none"]


def test_a_column_sorts_from_the_keyboard(page):
    page.locator("table.sortable").first.locator("thead button", has_text="biou2").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert systems(page) == [HOSTILE, OURS]


def test_pictures_are_ordered_anew_by_system_and_metric(page):
    assert titles(page) == ["cup", "bead", "ring"]
    page.locator("#by-metric").select_option("mae")
    assert titles(page) == ["bead", "cup", "ring"]
    page.locator("#by-metric").select_option("offset")
    assert titles(page) == ["ring", "bead", "cup"]  # by size without sign; not defined for the cup
    page.locator("#by-system").select_option(HOSTILE)
    assert titles(page) == ["bead", "cup", "ring"]  # the other failed on the bead
    assert page.locator("#sheet .lead").all_text_contents() == [
        f"{HOSTILE} failed",
        "offset \u22123.000",
        "offset 2.000",
    ]
    page.locator("#only").select_option("slice holes")
    assert titles(page) == ["bead", "cup"]
    assert page.locator("#count").inner_text() == "2 pictures"


def test_worst_windows_open_together(page):
    details = page.locator("details.windows")
    page.locator("#windows").click()
    assert details.evaluate_all("all => all.every(d => d.open)")
    shown = page.locator(".panes img").first
    assert shown.evaluate("i => [i.clientWidth, i.clientHeight, getComputedStyle(i).imageRendering]") == [
        512,
        512,
        "pixelated",
    ]
    page.locator("#windows").click()
    assert not details.evaluate_all("all => all.some(d => d.open)")


def test_opening_a_picture_shows_the_system_against_the_truth(page):
    open_card(page, "cup", OURS)
    assert page.locator("#viewer-title").inner_text() == "cup"
    assert page.locator("#left").input_value() == f"system {OURS}"
    assert page.locator("#right").input_value() == "truth"
    over, under = page.locator("#over"), page.locator("#under")
    assert over.evaluate("c => [c.width, c.height]") == [WIDTH, HEIGHT]
    assert pixel(over, 212, 130)[3] < 12  # what ours misses is cut out of it
    assert pixel(under, 212, 130)[3] > 243  # and is there in the truth
    for canvas in (over, under):
        assert pixel(canvas, 20, 200)[3] < 12
        assert pixel(canvas, 120, 80)[3] > 243
        assert pixel(canvas, 160, 190)[3] < 12  # the hole
    assert "0.2000" in page.locator("#figures").inner_text()


def test_the_views_can_be_chosen(page):
    open_card(page, "cup", "the photo")
    assert page.locator("#left").input_value() == "photo"
    assert page.locator("#right").input_value() == f"system {OURS}"
    page.locator("#left").select_option(f"map {HOSTILE}")
    page.locator("#viewer[aria-busy=false]").wait_for()
    red, _, blue, alpha = pixel(page.locator("#over"), 40, 28)
    assert blue > 200 > 120 > red
    assert alpha == 255
    page.locator("#ground").select_option("black")
    assert page.locator("#stage").evaluate("s => getComputedStyle(s).backgroundColor") == "rgb(0, 0, 0)"


def test_the_slider_moves_by_keyboard_and_mouse(page):
    open_card(page, "cup", OURS)
    assert clip(page) == "inset(0px 50% 0px 0px)"
    page.keyboard.press("ArrowRight")  # the slider has the focus
    page.keyboard.press("ArrowRight")
    assert clip(page) == "inset(0px 49% 0px 0px)"
    page.keyboard.press("Home")
    assert clip(page) == "inset(0px 100% 0px 0px)"
    box = page.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    page.mouse.up()
    right = float(re.search(r"inset\(0px ([\d.]+)%", clip(page)).group(1))
    assert right == pytest.approx(75, abs=1)
    handle = page.locator(".handle").bounding_box()
    assert handle["x"] + handle["width"] / 2 == pytest.approx(box["x"] + box["width"] * 0.25, abs=box["width"] * 0.01)


def test_escape_closes_and_gives_the_focus_back(page):
    open_card(page, "ring", OURS)
    page.keyboard.press("Escape")
    assert page.locator("#viewer[open]").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Open ring: {OURS}"


def test_the_next_picture_keeps_the_choice_and_goes_round(page):
    open_card(page, "cup", "the truth")
    page.locator("#ground").select_option("white")
    for wanted in ("bead", "ring", "cup"):
        page.locator("#next").click()
        assert page.locator("#viewer-title").inner_text() == wanted
        assert page.locator("#left").input_value() == "truth"
        assert page.locator("#right").input_value() == f"system {OURS}"
    page.locator("#previous").click()
    assert page.locator("#viewer-title").inner_text() == "ring"
    page.locator("#close").click()
    assert page.locator("#viewer[open]").count() == 0


@pytest.mark.parametrize("width", [360, 768, 2560])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_width_scrolls_sideways_and_text_can_be_read(browser, report, width, scheme):
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "reduced_motion": "reduce"}
    watched = Watch(browser, report, **options)
    page = watched.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    open_card(page, "cup", OURS)
    stage = page.locator("#stage").bounding_box()
    assert stage["x"] >= 0
    assert stage["x"] + stage["width"] <= width
    watched.check()


#: WCAG contrast of every kind of text against the nearest background that is painted.
CONTRASTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const kinds = ["h1", ".quiet", ".lede", ".counts", "nav a", "td", "td.best", "td small", "td.best small", "small.bad",
    ".way", "select", ".tag", ".error", ".card dt", ".card dd", ".warn", ".lead", "#count",
    ".definitions dd", ".against"];
  return kinds.flatMap((kind) => [...document.querySelectorAll(kind)].slice(0, 3)).map((element) => {
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(back(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
}"""
