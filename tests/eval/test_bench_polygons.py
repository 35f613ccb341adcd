"""The bench runs at a small size and its checks of the outlines hold."""

import sys

from eval import bench_polygons


def test_the_table_is_printed_and_nothing_is_lost(monkeypatch, capsys):
    arguments = ["bench", "--instances", "4", "--side", "60", "--frame", "200", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    bench_polygons.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "call|CPU s|x findContours"
    assert lines[-2:] == ["bits back|1.0000|", "simplified|1.0000|"]
    assert len(lines) == 13
