"""The README's tables are what the kept summary says, losses included."""

import pytest

from analysis import readme_table


def test_the_readme_is_up_to_date():
    text = readme_table.README.read_text(encoding="utf-8")
    assert readme_table.in_place(text, readme_table.render(readme_table.read_summary())) == text


def test_the_worst_of_each_group_is_shown(recorded):
    summary = readme_table.summarise(recorded["first"])
    shown = {row["id"] for row in summary["rows"]}
    for group in ("kernels", "encode", "dense", "expressions"):
        of_group = {name: r["share_of_limit"] for name, r in recorded["first"]["results"].items()
                    if name.startswith(f"{group}/") and "/avx2/" in name and r.get("share_of_limit")}
        assert min(of_group, key=of_group.get) in shown
        assert max(of_group, key=of_group.get) in shown


def test_peers_that_are_faster_are_shown_and_named_so(recorded):
    peers = {"versions": {}, "missing": {"Absent": "why"}, "rows": [{
        "work": "w", "what": "some work", "unit": "step",
        "peers": {"Bitaxon": {"ns_a_unit": 2.0, "ratio": [1, 1, 1]}, "Fast": {"ns_a_unit": 1, "ratio": [0.5, 0, 1]},
                  "Slow": {"ns_a_unit": 4, "ratio": [2.0, 1, 3]}}}]}
    text = readme_table.render(readme_table.summarise(recorded["first"], peers))
    assert "Fast 0.5 (faster), Slow 2" in text
    assert "Not there: Absent" in text


def test_a_readme_without_a_place_is_an_error():
    with pytest.raises(readme_table.TableError, match="no place"):
        readme_table.in_place("nothing", "table")
