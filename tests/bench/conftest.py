"""The analysis of the benches is Python beside them: bench/analysis."""

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


@pytest.fixture(scope="session")
def recorded():
    """Results of one machine: `first` and `again` of one build, `slowed` with 15 % more popcount on avx2.

    Eight launches each of `bitaxon-bench --quick --samples 5`, the three in turn, on a virtual machine
    with two cores; thinned by record.py.
    """
    from analysis import results

    return {name: results.read(RECORDED / f"{name}.json.gz") for name in ("first", "again", "slowed")}


@pytest.fixture(scope="session")
def program():
    """bitaxon-bench, where ctest (or the caller) says that there is one."""
    path = os.environ.get("BITAXON_BENCH_PROGRAM")
    if not path:
        pytest.skip("BITAXON_BENCH_PROGRAM names no bitaxon-bench")
    return path
