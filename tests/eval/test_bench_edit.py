from eval.bench_edit import diffmerge_cost, main, poisson_cost


def test_prints_a_row_for_every_method(capsys):
    assert main(["--long-side", "240", "--tile", "144", "--overlap", "48", "--seeds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines if line.startswith("| ")}
    assert {"linear", "poisson", "corrected, linear, swap"} <= set(rows)
    assert float(rows["corrected, linear, swap"][2]) < float(rows["linear"][2])


def test_measures_the_cost_of_poisson():
    assert "| poisson, exact |" in poisson_cost(1100)


def test_diffmerge_cost_finds_the_object_both_ways():
    rows = diffmerge_cost(500).splitlines()[3:]
    assert [row.split(" | ")[0] for row in rows] == ["| poisson", "| feather"]
    assert all(int(row.split(" | ")[-1].rstrip(" |")) >= 1 for row in rows)
