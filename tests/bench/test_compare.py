"""The comparison on recorded samples: silent when nothing changed, exact when one kernel did."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest

from analysis import baselines, compare, results
from conftest import SLOWED, scaled


def words(comparison):
    return {c.name: c.word for c in comparison.changes if c.word not in ("no change", "control")}


def test_an_unchanged_build_changed_nowhere(recorded):
    assert words(compare.compare(recorded["first"], recorded["again"])) == {}
    assert words(compare.compare(recorded["again"], recorded["first"])) == {}


def test_a_result_is_no_different_from_itself(recorded):
    same = compare.compare(recorded["first"], recorded["first"])
    assert words(same) == {}
    assert all(c.percent == 0 for c in same.changes)


def test_one_slower_kernel_is_named_and_nothing_else(recorded):
    for before in ("first", "again"):
        found = words(compare.compare(recorded[before], recorded["slowed"]))
        assert found and all(name.startswith(SLOWED) and word == "regressed"
                             for name, word in found.items()), found
    back = words(compare.compare(recorded["slowed"], recorded["first"]))
    assert back and set(back.values()) == {"improved"} and all(n.startswith(SLOWED) for n in back)


@pytest.mark.parametrize("name", ["encode/bernoulli/avx2/64x1024", "kernels/dot_f64/avx2/4096",
                                  "dense/forward/portable/1x64x32x1024"])
def test_fifteen_percent_show_whatever_the_id(recorded, name):
    slower = scaled(recorded["again"], name, 1.15)
    assert words(compare.compare(recorded["first"], slower)) == {name: "regressed"}
    faster = scaled(recorded["again"], name, 1 / 1.15)
    assert words(compare.compare(recorded["first"], faster)) == {name: "improved"}


def test_changes_below_the_threshold_are_none(recorded):
    name = "kernels/dot_f64/avx2/4096"
    slower = scaled(recorded["again"], name, 1.08)
    assert words(compare.compare(recorded["first"], slower)) == {name: "regressed"}
    assert words(compare.compare(recorded["first"], slower, threshold=0.1)) == {}


def test_quiet_rounds_are_not_compared_with_disturbed_ones(recorded):
    """The neighbour doubles the time of every other launch before, and of all but one later."""
    name = "kernels/dot_f64/avx2/4096"

    def disturbed(result, loud):
        result = dict(result, results=dict(result["results"]))
        result["results"][name] = copy.deepcopy(result["results"][name])
        for launch, doubled in zip(result["results"][name]["launches"], loud):
            times = np.asarray(launch["subject"]["nanoseconds"]) * (1 + doubled)
            launch["subject"]["nanoseconds"] = times.tolist()
            launch["sentinel_ns"] = [launch["sentinel_best_ns"] * (1 + doubled)] * times.size
        return result

    before = disturbed(recorded["first"], [0, 1] * 4)
    assert words(compare.compare(before, disturbed(recorded["again"], [0] + [1] * 7))) == {}
    assert words(compare.compare(before, disturbed(recorded["again"], [0] * 5 + [1] * 3))) == {}


def test_medians_leave_out_what_is_missing():
    nan = np.nan
    rows = np.array([[3.0, 1, 2, nan], [4, nan, nan, nan], [nan, nan, nan, nan], [4, 1, 2, 3]])
    np.testing.assert_array_equal(compare.median(rows), [2, 4, nan, 2.5])
    np.testing.assert_allclose(compare.spread(rows), [2 / 3, 0, nan, 1])


def test_a_slower_clock_is_no_regression(recorded):
    """All times of all contestants 20 % longer: a machine that ran at a lower clock."""
    slower = copy.deepcopy(recorded["again"])
    for result in slower["results"].values():
        for launch in result["launches"]:
            for part in ("subject", "limit"):
                if part in launch:
                    launch[part]["nanoseconds"] = [1.2 * t for t in launch[part]["nanoseconds"]]
            launch["sentinel_ns"] = [1.2 * t for t in launch["sentinel_ns"]]
            launch["sentinel_best_ns"] *= 1.2
    assert words(compare.compare(recorded["first"], slower)) == {}


def test_any_false_alarm_is_as_rare_as_alpha_says():
    """100 pairs of 40 unchanged ids: alarms are binomial(100, 0.05) at most; 12 is 3.2 sigmas above."""
    rng = np.random.default_rng(3)

    def result():
        rows = {}
        for k in range(40):
            launches = []
            for _ in range(5):
                level = 1000 * np.exp(rng.normal(scale=0.02))
                launches.append({
                    "subject": {"work": 1, "iterations": [1] * 4,
                                "nanoseconds": list(level * np.exp(rng.normal(scale=0.01, size=4)))},
                    "sentinel_ns": [100.0] * 4, "sentinel_best_ns": 100.0})
            rows[f"a/b/c/{k}"] = {"median_ns": 1000.0, "launches": launches}
        return {"environment": {"launches": 5}, "results": rows}

    alarms = sum(bool(words(compare.compare(result(), result(), threshold=1e-9))) for _ in range(100))
    assert alarms <= 12


def test_p_of_the_largest_difference_is_exact():
    """One id, launches fully apart: of the 252 ways to call five of ten launches new, two are as far apart."""
    def result(level):
        launches = [{"subject": {"work": 1, "iterations": [1] * 4, "nanoseconds": [level + k] * 4},
                     "sentinel_ns": [100.0] * 4, "sentinel_best_ns": 100.0} for k in range(5)]
        return {"environment": {"launches": 5}, "results": {"a/b/c/d": {"median_ns": level, "launches": launches}}}

    [change] = compare.compare(result(1000.0), result(1200.0)).changes
    assert change.word == "regressed"
    assert change.p == pytest.approx(2 / 252)
    assert change.percent == pytest.approx(100 * (1202 / 1002 - 1))


def test_a_large_change_hides_no_smaller_one():
    # Ratios of three ids under five permutations, the first of which is what was observed. The first id
    # changed: under the second permutation it looks larger than what the second id shows.
    permuted = np.array([[9.0, 4, 1], [5, 1, 2], [1, 2, 1], [2, 1, 1], [1, 1, 3]])
    everyone = np.array([True, True, True])
    np.testing.assert_allclose(compare.step_down(permuted[0], permuted, everyone), [0.2, 0.2, 1])
    # Controls are in nobody's way, whatever they show.
    np.testing.assert_allclose(compare.step_down(permuted[0], permuted, np.array([False, True, True])),
                               [0, 0.2, 1])
    unknown = np.array([np.nan, 4, 1])
    np.testing.assert_allclose(compare.step_down(unknown, np.where([0, 1, 1], permuted, 0), everyone), [1, 0.2, 1])
    # No p is below that of a larger ratio.
    np.testing.assert_allclose(compare.step_down(np.array([3.0, 2.9]), np.array([[3, 2.9], [3.5, 0], [0, 1]]),
                                                 everyone[:2]), [2 / 3, 2 / 3])


def test_too_few_launches_say_so(recorded):
    few = dict(recorded["first"], environment=dict(recorded["first"]["environment"], launches=3))
    for result in few["results"].values():
        assert len(result["launches"]) == 8
    few["results"] = {name: dict(r, launches=r["launches"][:3]) for name, r in few["results"].items()}
    with pytest.raises(results.ResultError, match="--launches 5 or more"):
        compare.compare(few, few)


def test_ids_of_one_side_and_other_environments_are_named(recorded):
    other = dict(recorded["again"], results=dict(recorded["again"]["results"]),
                 environment=dict(recorded["again"]["environment"], compiler="gcc 99"))
    removed = next(iter(other["results"]))
    del other["results"][removed]
    found = compare.compare(recorded["first"], other)
    assert found.only_baseline == [removed]
    assert any("gcc 99" in w for w in found.warnings)


def run(source, *arguments):
    return subprocess.run([sys.executable, str(source / "bench/compare"), *map(str, arguments)],
                          capture_output=True, text=True, check=False)


def test_the_command_keeps_baselines_and_fails_on_regressions(source, recorded, tmp_path):
    for name in ("first", "again", "slowed"):
        results.write(recorded[name], tmp_path / f"{name}.json")
    store = ["--baselines", tmp_path / "kept"]
    assert run(source, tmp_path / "first.json", "--save-baseline", "before", *store).returncode == 0
    same = run(source, tmp_path / "again.json", "--baseline", "before", *store)
    assert same.returncode == 0 and "0 regressed, 0 improved" in same.stdout
    slower = run(source, tmp_path / "slowed.json", "--baseline", "before", *store)
    assert slower.returncode == 1 and SLOWED in slower.stdout
    lenient = run(source, tmp_path / "slowed.json", "--baseline", "before", "--threshold", "60", *store)
    assert lenient.returncode == 0
    unknown = run(source, tmp_path / "again.json", "--baseline", "after", *store)
    assert unknown.returncode == 1 and "there are: before" in unknown.stderr


def test_files_that_are_no_results_are_refused(tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"results": {}}), encoding="utf-8")
    with pytest.raises(results.ResultError, match="not a merged result file"):
        results.read(path)
    with pytest.raises(results.ResultError, match="letters, digits"):
        baselines.Store(tmp_path).save("a/b", {})
