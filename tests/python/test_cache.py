"""The persistent cache of rewritten expressions, across processes."""

import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

import bitaxon as bx

TEXT = "2*y + 4*x*y*y/(x*(y*y + 1)) - y*2"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("BITAXON_CACHE_DIR", str(path))
    return path


def compile_fast(**options):
    return bx.compile(TEXT, mode="fast", cache_calls=5, **options)


def wait_for_the_disk(f, calls=5):
    for _ in range(calls):
        f(1.0, 2.0)
    started = time.perf_counter()
    while f.stats()["cache"] == "miss":
        assert time.perf_counter() - started < 20
        time.sleep(0.001)
    return f.stats()["cache"]


def inputs():
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**64, 4000, dtype=np.uint64).view(np.float64)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.0, -1.0])
    x = np.concatenate([special, rng.normal(size=4000), bits])
    return x, rng.permutation(x)


def bits_of(values):
    return np.where(np.isnan(values), 1, np.asarray(values).view(np.uint64))


def test_a_later_process_finds_what_an_earlier_one_kept(folder, tmp_path):
    f = compile_fast()
    assert wait_for_the_disk(f) == "written"
    (file,) = folder.iterdir()
    x, y = inputs()
    np.save(tmp_path / "x.npy", np.stack([x, y]))
    script = f"""
import numpy as np, bitaxon as bx
f = bx.compile({TEXT!r}, mode="fast")
x, y = np.load({str(tmp_path / "x.npy")!r})
np.save({str(tmp_path / "z.npy")!r}, f(x, y))
print(f.stats()["cache"], "read from" in f.explain(), bx.compile({TEXT!r}).stats()["cache"])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["hit", "True", "off"]
    fresh = compile_fast(cache=False)
    assert fresh.stats()["cache"] == "off"
    assert (bits_of(np.load(tmp_path / "z.npy")) == bits_of(fresh(x, y))).all()
    assert TEXT in file.read_text()


def test_nothing_is_written_where_the_user_says_so(folder, monkeypatch):
    f = compile_fast(cache=False)
    for _ in range(20):
        f(1.0, 2.0)
    monkeypatch.setenv("BITAXON_CACHE_DIR", "")
    g = compile_fast()
    for _ in range(20):
        g(1.0, 2.0)
    assert f.stats()["cache"] == g.stats()["cache"] == "off"
    assert "not kept: BITAXON_CACHE_DIR is empty" in g.explain()
    assert not folder.exists()


def test_ten_thousand_calls_are_the_default(folder):
    f = bx.compile(TEXT, mode="fast")
    for _ in range(9_999):
        f(1.0, 2.0)
    assert f.stats()["cache"] == "miss" and not folder.exists()
    assert wait_for_the_disk(f, 1) == "written"


def test_a_folder_that_cannot_be_written_is_no_error(folder):
    folder.write_text("in the way")
    f = compile_fast()
    assert wait_for_the_disk(f) == "failed"
    assert "could not be written" in f.explain()
    assert f(1.0, 2.0) == compile_fast(cache=False)(1.0, 2.0)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"(" * 100_000, b"\x00" * 5_000_000])
def test_a_damaged_entry_is_written_anew(folder, damage):
    assert wait_for_the_disk(compile_fast()) == "written"
    (file,) = folder.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage)
    f = compile_fast()
    assert f.stats()["cache"] == "miss" and "was not used" in f.explain()
    assert f(3.0, 2.0) == compile_fast(cache=False)(3.0, 2.0)
    assert wait_for_the_disk(f) == "written" and file.read_bytes() == good


def test_pickles_keep_the_options(folder):
    f = pickle.loads(pickle.dumps(compile_fast()))
    assert wait_for_the_disk(f) == "written"
    assert pickle.loads(pickle.dumps(f)).stats()["cache"] == "hit"
    off = pickle.loads(pickle.dumps(compile_fast(cache=False)))
    assert off.stats()["cache"] == "off"
