"""The analysis of the benches is Python beside them: bench/analysis."""

import copy
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(os.environ.get("BITAXON_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(ROOT / "bench"))

RECORDED = pathlib.Path(__file__).parent / "recorded"


@pytest.fixture(scope="session")
def source():
    return ROOT


SLOWED = "kernels/popcount/avx2/"


def scaled(result, name, factor):
    """The result with all times of one id multiplied."""
    out = dict(result, results=dict(result["results"]))
    changed = copy.deepcopy(result["results"][name])
    for launch in changed["launches"]:
        launch["subject"]["nanoseconds"] = [t * factor for t in launch["subject"]["nanoseconds"]]
    changed["median_ns"] *= factor
    out["results"][name] = changed
    return out


@pytest.fixture(scope="session")
def recorded():
    """Results of one machine: `first` and `again` of one build, and `slowed`, `again` with one kernel 15 % slower.

    Eight launches each of `bitaxon-bench --quick --samples 5`, half an hour apart at most, on a virtual
    machine whose neighbour kept the core's other thread busy half of the time; thinned by record.py. The
    slow-down is put on the recorded times.
    """
    from analysis import results

    found = {name: results.read(RECORDED / f"{name}.json.gz") for name in ("first", "again")}
    found["slowed"] = found["again"]
    for name in found["again"]["results"]:
        if name.startswith(SLOWED):
            found["slowed"] = scaled(found["slowed"], name, 1.15)
    return found


@pytest.fixture(scope="session")
def program():
    """bitaxon-bench, where ctest (or the caller) says that there is one."""
    path = os.environ.get("BITAXON_BENCH_PROGRAM")
    if not path:
        pytest.skip("BITAXON_BENCH_PROGRAM names no bitaxon-bench")
    return path
