"""The page's contents: order, figures, escaping, the budget, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from report_runs import HOSTILE, HOSTILE_ERROR, OTHER_ADDS, OURS, OURS_MISSES, make_run, read_rows, write_results

from segtile.cli.main import main
from segtile.errors import BadInput, ReadError
from segtile.evaluation.report import write as writing
from segtile.evaluation.report import write_report
from segtile.evaluation.report.curves import precision_charts, share_points
from segtile.evaluation.report.figures import coco_tables, figure
from segtile.evaluation.report.images import Budget
from segtile.evaluation.report.pixels import EXTRA, MISSING
from segtile.evaluation.report.run_data import load_run


class Elements(HTMLParser):
    """Every element with its attributes and its own text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        self._open = True

    def handle_endtag(self, tag):
        self._open = False

    def handle_data(self, data):
        if self._open:
            self.found[-1][2].append(data)

    def of(self, tag, **wanted):
        return [
            (attributes, "".join(text))
            for name, attributes, text in self.found
            if name == tag and all(attributes.get(k.rstrip("_")) == v for k, v in wanted.items())
        ]


@pytest.fixture
def page(run_folder):
    return Elements(write_report(run_folder).read_text(encoding="utf-8"))


def pixels_of(uri):
    kind, data = uri.split(",", 1)
    assert kind.startswith("data:image/")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_pictures_stand_worst_first_by_our_own_boundary(page):
    titles = [text for attributes, text in page.of("h3") if (attributes.get("id") or "").startswith("p")]
    assert titles == ["cup", "bead", "ring"]


def test_a_failure_comes_before_all_figures_and_no_figure_after(run_folder):
    rows = read_rows(run_folder)
    for row in rows:
        if row["system"] == OURS and row["picture"] == "ring":
            row |= {"error": "it broke.", "metrics": {}, "alpha": None}
        if row["system"] == OURS and row["picture"] == "cup":
            row["metrics"]["biou2"] = None
    write_results(run_folder, rows)
    page = Elements(write_report(run_folder).read_text(encoding="utf-8"))
    titles = [text for attributes, text in page.of("h3") if (attributes.get("id") or "").startswith("p")]
    assert titles == ["ring", "bead", "cup"]


def test_error_maps_are_red_where_ours_misses_and_blue_where_the_other_adds(page):
    maps = {attributes["alt"]: pixels_of(attributes["src"]) for attributes, _ in page.of("img", class_="map")}
    ours, other = maps[f"Error map of {OURS}"], maps[f"Error map of {HOSTILE}"]

    def centre(block):
        return (block[0].start + block[0].stop) // 2, (block[1].start + block[1].stop) // 2

    np.testing.assert_allclose(ours[centre(OURS_MISSES)], MISSING, atol=8)
    np.testing.assert_allclose(other[centre(OTHER_ADDS)], EXTRA, atol=8)
    for plain in (ours[centre(OTHER_ADDS)], other[centre(OURS_MISSES)]):
        assert int(plain.max()) - int(plain.min()) < 12  # the dimmed photo: grey


def test_the_worst_window_is_marked_and_shown_pixel_by_pixel(page):
    rects = page.of("rect")
    assert len(rects) == 5  # three of ours, two of the other: one failed
    assert {(a["width"], a["height"]) for a, _ in rects} == {("256", "256")}
    windows = [a for a, _ in page.of("img") if a.get("width") == "512"]
    assert len(windows) == 5 * 4
    for attributes in windows:
        assert pixels_of(attributes["src"]).shape[:2] == (256, 256)


def test_nothing_of_the_run_becomes_markup(run_folder, page):
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    for hostile in (HOSTILE, HOSTILE_ERROR, "<i>warning</i>", "<2 px>"):
        assert hostile not in text
    assert len(page.of("script")) == 2 + 3  # data and code, and the alphas of each picture
    assert not [a for _, a, _ in page.found if any(name.startswith("on") or name == "style" for name in a)]
    data = json.loads(next(t for a, t in page.of("script", id="data")))
    assert data["systems"] == [OURS, HOSTILE]
    assert html.escape(HOSTILE_ERROR, quote=False) in text


def test_the_policy_allows_its_own_style_and_script_and_no_network(page):
    policy = next(a["content"] for a, _ in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        text = next(t for a, t in page.of(tag) if a.get("type") is None)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    for _, attributes, _ in page.found:
        for name in ("src", "href"):
            assert re.match(r"data:|#|$", attributes.get(name) or "")


def test_a_failed_picture_shows_its_sentence_and_counts_as_failed(page):
    assert next(t for _, t in page.of("small", class_="bad")) == "1 failed"
    assert len(page.of("p", class_="error")) == 1


def test_figures_and_best_ones_are_those_of_the_runs_tables(page):
    cells = [a for a, _ in page.of("td")][:6]
    assert float(cells[0]["data-value"]) == pytest.approx((0.9 + 0.2 + 0.6) / 3)
    assert [c.get("class") for c in cells[:3]] == ["best", "best", "best"]
    assert cells[2]["data-value"] == repr(-0.125)  # of the two pictures that define it


def test_a_missing_alpha_is_named_and_nothing_is_written(run_folder):
    (run_folder / "alphas" / "ours" / "samples" / "bead.png").unlink()
    with pytest.raises(ReadError, match=r"the alpha of ours for samples/bead is missing"):
        write_report(run_folder)
    assert not (run_folder / "report.html").exists()


def test_a_failure_leaves_the_old_page_alone(run_folder):
    page = write_report(run_folder)
    before = page.read_bytes()
    (run_folder.parent / "data" / "cup.png").unlink()
    with pytest.raises(ReadError, match=r"the photo of samples/cup is missing"):
        write_report(run_folder)
    assert page.read_bytes() == before
    assert not list(run_folder.glob(".segtile-*"))


def test_an_alpha_outside_the_run_is_refused(run_folder):
    rows = read_rows(run_folder)
    rows[0]["alpha"] = "../data/ring_alpha.png"
    write_results(run_folder, rows)
    with pytest.raises(BadInput, match="outside the run folder"):
        write_report(run_folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metrics": {"biou2": {"better": "up"}}}, r"run\.json"),
        ({"metrics": {"biou2": 3}}, r"run\.json"),
        ({"bootstrap": {"samples": "many"}}, "bootstrap"),
    ],
)
def test_a_run_that_says_odd_things_is_refused(run_folder, change, sentence):
    about = json.loads((run_folder / "run.json").read_text()) | change
    (run_folder / "run.json").write_text(json.dumps(about))
    with pytest.raises((BadInput, ReadError), match=sentence):
        write_report(run_folder)


def test_folders_that_are_no_runs_and_settings_out_of_range(run_folder, tmp_path):
    with pytest.raises(ReadError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(ReadError, match=r"run\.json"):
        write_report(tmp_path)
    with pytest.raises(BadInput, match="at least 64"):
        write_report(run_folder, long_side=5)
    with pytest.raises(BadInput, match="negative"):
        write_report(run_folder, limit=-1)
    write_results(run_folder, [])
    with pytest.raises(BadInput, match="no result yet"):
        write_report(run_folder)


def test_half_a_surrogate_pair_in_a_name_does_not_stop_the_page(run_folder):
    rows = read_rows(run_folder)
    rows[0]["warnings"] = ["odd \ud800 name"]
    write_results(run_folder, rows)
    assert "odd ? name" in write_report(run_folder).read_text(encoding="utf-8")


def test_a_limit_keeps_the_worst_and_says_so(run_folder):
    page = Elements(write_report(run_folder, limit=1).read_text(encoding="utf-8"))
    assert [t for a, t in page.of("h3") if (a.get("id") or "").startswith("p")] == ["cup"]
    assert page.of("p", class_="note")[0][1].startswith("The sheet shows the 1 worst of 3 pictures")


def test_a_small_budget_makes_pictures_smaller_and_the_page_says_so(tmp_path, monkeypatch):
    import cv2

    folder = make_run(tmp_path / "run")
    noise = np.random.default_rng(1).integers(0, 255, (1200, 1600, 3), dtype=np.uint8)
    big = cv2.resize(cv2.imread(str(tmp_path / "data" / "cup_alpha.png"), -1), (1600, 1200))
    for path in [*(tmp_path / "data").glob("*_alpha.png"), *(folder / "alphas").rglob("*.png")]:
        cv2.imwrite(str(path), big)
    for name in ("ring", "cup", "bead"):
        cv2.imwrite(str(tmp_path / "data" / f"{name}.png"), noise)
    rich = len(write_report(folder).read_bytes())
    budget = rich // 4

    def small(asked, pictures):
        return Budget(asked, pictures, total=budget)

    monkeypatch.setattr(writing, "Budget", small)
    text = write_report(folder).read_text(encoding="utf-8")
    note = Elements(text).of("p", class_="note")[0][1]
    side = int(re.search(r"down to (\d+) px", note).group(1))
    assert 320 <= side < 1400
    assert len(text) < budget * 1.05 + 80_000  # markup, style and script
    sizes = [pixels_of(a["src"]).shape for a, _ in Elements(text).of("img", class_="photo")]
    assert min(max(s[:2]) for s in sizes) == side


def test_pictures_share_the_budget_and_use_what_others_left():
    budget = Budget(1000, 2, total=100)
    assert budget.share == 50
    assert budget.next_side(1000, took=40, fixed=0) == 1000
    assert budget.next_side(1000, took=200, fixed=0) == 500
    assert budget.next_side(400, took=10_000, fixed=0) == 320
    budget.book(1000, 20)
    assert budget.share == 80
    assert budget.smallest == 1000


def test_curves_are_steps_of_shares():
    points = share_points([0.5, 0.25], 4)  # two of four pictures have no figure
    assert points[0] == (0.0, 0.5)
    assert (0.25, 0.25) in points
    assert (0.5, 0.25) in points
    assert points[-1] == (0.5, 0.0)
    assert share_points([], 3) == ((0.0, 0.0), (1.0, 0.0))


def test_numbers_over_a_whole_coco_set_and_their_curves(run_folder):
    folder = run_folder / "coco" / OURS
    folder.mkdir(parents=True)
    curves = {
        "iou_thresholds": [0.5, 0.55, 0.75],
        "recalls": [0.0, 0.5, 1.0],
        "classes": ["a", "b", "empty"],
        "precision": [
            [[1.0, 1.0, 0.5], [0, 0, 0], [0.5, 0, 0]],
            [[1.0, 0.5, 0.0], [0, 0, 0], [0.5, 0, 0]],
            [[None] * 3] * 3,
        ],
    }
    told = {"iou_type": "bbox", "pictures": 3, "failed": 1, "stats": {"AP": 0.4321, "APs": None}}
    (folder / "coco set.json").write_text(json.dumps(told | {"report": {"curves": curves}}))
    run = load_run(run_folder)
    table = coco_tables(run)[0]
    assert table.lines[0].stats["AP"] == 0.4321
    assert table.lines[0].curves[0.5] == ((0.0, 1.0), (0.5, 0.75), (1.0, 0.25))
    assert table.lines[0].curves[0.75][0] == (0.0, 0.5)
    assert [c.note.split("(")[0] for c in precision_charts(run, [table])] == [
        "Precision over recall at an IoU of 0.5 ",
        "Precision over recall at an IoU of 0.75 ",
    ]
    page = Elements(write_report(run_folder).read_text(encoding="utf-8"))
    assert any(t.strip() == "0.4321" for _, t in page.of("td"))
    (folder / "coco set.json").write_text(json.dumps({"iou_type": "bbox", "stats": {"AP": []}}))
    with pytest.raises(BadInput, match="does not hold what an evaluation run writes"):
        write_report(run_folder)


def test_figures_read_as_in_the_tables():
    assert figure(0.71234, "") == "0.7123"
    assert figure(-3.14159, "px") == "\u22123.142"
    assert figure(1234.5) == "1234"
    assert figure(None) == "\u2212"


def test_the_command_writes_the_page_and_opens_it(run_folder, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or True)
    for arguments in (["eval", "report", str(run_folder), "--open"], ["eval", "report", str(run_folder / "nowhere")]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        out, err = capsys.readouterr()
        if arguments[-1] == "--open":
            assert (stopped.value.code or 0) == 0
            assert out.strip() == str(run_folder / "report.html")
            assert opened == [(run_folder / "report.html").resolve().as_uri()]
        else:
            assert stopped.value.code == 1
            assert "no such folder" in err
