"""bitaxon-bench and bench/run, for real on a few ids."""

import json
import subprocess
import sys

import numpy as np
import pytest

from analysis import results

FILTER = "probes/(random_words|read)/|kernels/bit_not/"


@pytest.fixture(scope="module")
def launch(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("launch") / "launch.json"
    subprocess.run([program, "--quick", "--filter", FILTER, "--json", path], check=True, capture_output=True)
    return json.loads(path.read_text(encoding="utf-8"))


def test_samples_are_thirty_or_more_and_grow(launch):
    for name, result in launch["results"].items():
        for part in ("subject", "limit"):
            if part not in result["samples"]:
                continue
            samples = result["samples"][part]
            iterations = np.array(samples["iterations"])
            assert len(iterations) == len(samples["nanoseconds"]) == len(result["samples"]["sentinel_ns"]) >= 30
            assert (np.diff(iterations) >= 0).all(), name
        assert min(result["samples"]["subject"]["nanoseconds"]) > 0


def test_work_is_the_same_for_every_call(launch):
    for result in launch["results"].values():
        quiet = np.array(result["samples"]["sentinel_ns"]) <= 1.03 * result["samples"]["sentinel_best_ns"]
        samples = result["samples"]["subject"]
        rate = samples["work"] * np.array(samples["iterations"]) / np.array(samples["nanoseconds"])
        chosen = rate[quiet] if quiet.sum() >= 3 else rate
        assert np.median(chosen) == pytest.approx(result["throughput"], rel=1e-3)


def test_the_environment_is_all_there(launch):
    environment = launch["environment"]
    for field in ("cpu", "cache_bytes", "compiler", "flags", "commit", "dirty", "governor", "libraries", "tiers",
                  "date", "kernel", "threads"):
        assert environment[field] not in (None, ""), field
    assert "oneTBB" in environment["libraries"]


def test_inherited_kernels_are_marked_and_not_timed(launch):
    assert all(not name.startswith("kernels/") or "/".join(name.split("/")[:3]) not in launch["inherited"]
               for name in launch["results"])
    if "kernels/bit_not/popcnt" in launch["inherited"]:
        assert launch["inherited"]["kernels/bit_not/popcnt"] == "portable"


def test_run_writes_json_and_page_and_compares(source, program, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(source / "bench/run"), "--program", program, "--quick", "--launches", "5",
             "--filter", "probes/random_words", "--json", tmp_path / "b.json", "--html", tmp_path / "b.html",
             "--baselines", tmp_path / "kept", *arguments], capture_output=True, text=True, check=False)

    first = run("--save-baseline", "before")
    assert first.returncode == 0, first.stderr
    merged = results.read(tmp_path / "b.json")
    [result] = merged["results"].values()
    assert merged["environment"]["launches"] == len(result["launches"]) == 5
    assert result["samples"] >= 15
    assert (tmp_path / "b.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    again = run("--baseline", "before")
    assert again.returncode == 0 and "0 regressed" in again.stdout, again.stderr
    assert 'id="history"' in (tmp_path / "b.html").read_text(encoding="utf-8")
    wrong = run("--filter", "no such id")
    assert wrong.returncode == 1 and "no id matches" in wrong.stderr
