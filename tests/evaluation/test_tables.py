from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re

import pytest

from segtile.errors import BadInput
from segtile.evaluation.results import Row, append_line
from segtile.evaluation.tables import build_tables, escape_tex, show, to_csv, to_latex, to_markdown, write_tables

RUN = {
    "systems": ["ours", "their_tool"],
    "datasets": ["set_1"],
    "metrics": {
        "mae": {"better": "lower", "unit": "x1000", "summary": ""},
        "iou": {"better": "higher", "unit": "", "summary": ""},
        "offset": {"better": "zero", "unit": "px", "summary": ""},
    },
    "slices": {"thin": "thin & fine", "none": "nobody"},
    "bootstrap": {"samples": 500, "level": 0.9, "seed": 1},
}


def row(system: str, picture: str, mae: float, iou: float, offset: float, **more) -> Row:
    return Row("x", "set_1", picture, system, metrics={"mae": mae, "iou": iou, "offset": offset}, seconds=2.0, **more)


ROWS = [
    row("ours", "a", 1.0, 0.95, -0.5, slices=("thin",), peak_rss_mb=500.0),
    row("ours", "b", 3.0, 0.95, 0.5, peak_rss_mb=700.0),
    row("their_tool", "a", 2.0, 0.90, 0.25, slices=("thin",)),
    Row(
        "x",
        "set_1",
        "b",
        "their_tool",
        error="it broke",
        stand_in={"mae": 250.0, "iou": 0.0, "offset": math.nan},
        seconds=None,
    ),
]

MARKDOWN = """\
### set_1, all pictures (2 pictures)

| system | mae ↓ x1000 | iou ↑ | offset →0 px | n | failed | s | peak MB |
|---|---:|---:|---:|---:|---:|---:|---:|
| ours | **2.000** [1.000, 3.000] | **0.9500** [0.9500, 0.9500] | **0.000** [-0.500, 0.500] | 2 | 0 | 2.0 | 700 |
| their\\_tool | 126.0 [2.000, 250.0] | 0.4500 [0.0000, 0.9000] | 0.250 (n 1) | 2 | 1 | 2.0 | - |
"""

LATEX = r"""\begin{table}
\centering
\caption{set\_1, thin: thin \& fine.}
\label{tab:set-1-thin}
\begin{tabular}{lrrrr}
\toprule
system & mae $\downarrow$ & iou $\uparrow$ & offset $\to 0$ & $n$ \\
\midrule
ours & \textbf{1.000} & \textbf{0.9500} & -0.500 & 1 \\
their\_tool & 2.000 & 0.9000 & \textbf{0.250} & 1 \\
\bottomrule
\end{tabular}
\end{table}
"""


def test_markdown_golden():
    everything, thin = build_tables(RUN, ROWS)
    assert to_markdown(everything) == MARKDOWN
    assert thin.slice == "thin"
    assert thin.pictures == 1


def test_latex_golden():
    assert to_latex(build_tables(RUN, ROWS)[1]) == LATEX


def test_csv_holds_every_cell_at_full_precision():
    third = [row("ours", "a", 1 / 3, 0.5, math.nan)]
    lines = list(csv.DictReader(io.StringIO(to_csv(build_tables(RUN, third)))))
    assert [line["metric"] for line in lines] == ["mae", "iou", "offset"]
    assert float(lines[0]["mean"]) == 1 / 3
    assert (lines[2]["mean"], lines[2]["n"]) == ("", "0")
    full = list(csv.DictReader(io.StringIO(to_csv(build_tables(RUN, ROWS)))))
    assert len(full) == 2 * 2 * 3
    assert {line["failed"] for line in full if line["system"] == "their_tool" and not line["slice"]} == {"1"}


def test_only_systems_with_all_pictures_can_be_best():
    rows = [*ROWS[:2], row("their_tool", "a", 0.1, 0.99, 0.0)]
    (ours, theirs) = build_tables(RUN, rows)[0].lines
    assert all(cell.best for cell in ours.cells)
    assert not any(cell.best for cell in theirs.cells)


def test_what_is_printed_alike_is_bold_alike():
    rows = [row("ours", "a", 1.00004, 0.9, 0.1), row("their_tool", "a", 1.00001, 0.8, -0.1)]
    ours, theirs = build_tables(RUN, rows)[0].lines
    assert (ours.cells[0].best, theirs.cells[0].best) == (True, True)


def test_a_sure_difference_is_marked():
    rows = [row("ours", str(k), 1 + k, 0.9, 0) for k in range(8)]
    rows += [row("their_tool", str(k), 2.5 + k, 0.9 + k / 1000, 0) for k in range(8)]
    theirs = build_tables(RUN, rows)[0].lines[1]
    assert [cell.against for cell in theirs.cells] == ["worse", "better", "same"]
    assert re.search(r"6\.000 - \[", to_markdown(build_tables(RUN, rows)[0]))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.98765, "", "0.9877"),
        (12.345, "", "12.35"),
        (math.nan, "", "-"),
        (math.inf, "px", "-"),
        (3.14159, "px", "3.142"),
        (31.4159, "px", "31.42"),
        (31415.9, "px", "31416"),
        (-0.00001, "px", "0.000"),
        (0.0, "px", "0.000"),
    ],
)
def test_figures_for_reading(value, unit, text):
    assert show(value, unit) == text


def test_names_from_elsewhere_do_not_lead_out_of_the_folder(tmp_path):
    run = {**RUN, "datasets": ["../../set"], "slices": {}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    for one in ROWS[:2]:
        append_line(tmp_path / "results.jsonl", {**one.to_json(), "dataset": "../../set"})
    written = write_tables(tmp_path)
    assert all(path.parent == tmp_path / "tables" for path in written)
    assert len(written) == 4
    (tmp_path / "run.json").write_text(json.dumps({**run, "bootstrap": {"samples": "many"}}))
    with pytest.raises(BadInput, match="bootstrap"):
        write_tables(tmp_path)


def test_tex_prints_what_is_written():
    assert escape_tex(r"a_b & 5% #1 $x$ {y} ~ ^ \z") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


def test_data_sets_that_count_together_get_a_table_of_their_own():
    moved = [dataclasses.replace(one, dataset="set_2") if one.picture == "b" else one for one in ROWS]
    run = {**RUN, "datasets": ["set_1", "set_2"], "together": {"both": ["set_1", "set_2"]}}
    tables = build_tables(run, moved)
    assert [(t.dataset, t.slice) for t in tables] == [
        ("both", ""),
        ("both", "thin"),
        ("set_1", ""),
        ("set_1", "thin"),
        ("set_2", ""),
    ]
    assert to_markdown(tables[0]) == MARKDOWN.replace("set_1", "both")
