"""The package as a user meets it: help, types, command line, README, example."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bitaxon as bx

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PACKAGE_PARENT = str(Path(bx.__file__).parents[1])


def run(*command, **environment):
    environment = {**os.environ, "PYTHONPATH": PACKAGE_PARENT, "MYPYPATH": PACKAGE_PARENT, **environment}
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True,
                          env=environment, timeout=280)  # fmt: skip


def public_callables():
    for name in bx.__all__:
        value = getattr(bx, name)
        if callable(value):
            yield name, value
        if inspect.isclass(value) and not issubclass(value, (Exception, tuple)):
            for member, function in inspect.getmembers(value, callable):
                if not member.startswith("_") and function is not getattr(np.ndarray, member, None):
                    yield f"{name}.{member}", function


@pytest.mark.parametrize("name, value", public_callables())
def test_everything_public_is_documented(name, value):
    assert inspect.getdoc(value)
    assert "--\n" not in value.__doc__
    if not (inspect.isclass(value) and issubclass(value, Exception)):
        assert inspect.signature(value)


def test_names_are_those_of_the_package():
    assert bx.DenseLayer.__module__ == bx.encode.__module__ == "bitaxon"
    version = (REPOSITORY / "core/include/bitaxon/core/version.hpp").read_text()
    assert f'"{bx.__version__}"' in version


def test_stubs_match_the_package(tmp_path, monkeypatch):
    pytest.importorskip("mypy", reason="mypy is not installed, so the stubs were not checked")
    monkeypatch.chdir(tmp_path)
    done = run("-m", "mypy.stubtest", "bitaxon", "--allowlist", HERE / "stubtest-allowlist.txt")
    assert done.returncode == 0, done.stdout + done.stderr


PROGRAM = """
import numpy as np
import bitaxon as bx

layer = bx.DenseLayer(2, 1, length=64, weights=[[1, 0]], coding="split-unipolar")
outputs, lengths = layer.forward_streamed(np.ones((3, 2)))
reveal_type(layer.forward([1, 0]))
reveal_type(bx.Network([layer]).layers)
layer.forward("ones", seed="1")
"""


def test_stubs_are_of_use(tmp_path, monkeypatch):
    pytest.importorskip("mypy", reason="mypy is not installed, so the stubs were not used")
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text(PROGRAM)
    lines = run("-m", "mypy", "--strict", "program.py").stdout.splitlines()
    assert 'note: Revealed type is "numpy.ndarray[' in lines[0]
    assert 'note: Revealed type is "builtins.tuple[bitaxon._bitaxon.Layer, ...]"' in lines[1]
    assert 'error: Argument "seed" to "forward"' in lines[2]
    assert lines[3].startswith("Found 1 error")


def test_info_is_the_same_for_programs_and_people():
    info = bx.info()
    assert info["version"] == bx.__version__
    assert [t["active"] for t in info["tiers"].values()].count(True) == 1
    done = run("-m", "bitaxon", "info")
    assert done.returncode == 0 and done.stderr == ""
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    flags = {"yes": True, "-": False}
    for name, tier in info["tiers"].items():
        assert [flags[word] for word in rows[name]] == [tier["compiled"], tier["supported"], tier["active"]]
    for operation, origin in info["origins"].items():
        assert rows[operation] == [origin]


def test_the_environment_forces_a_tier():
    assert re.search(r"^portable +yes +yes +yes$", run("-m", "bitaxon", "info", BITAXON_TIER="portable").stdout,
                     re.M)  # fmt: skip
    context = bx.ExecutionContext(tier="portable")
    assert set(bx.info(context)["origins"].values()) == {"portable"}


def test_a_wrong_tier_in_the_environment_is_an_error_and_no_traceback():
    done = run("-m", "bitaxon", "info", BITAXON_TIER="sse9")
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"BITAXON_TIER: got unknown name 'sse9', expected .*portable.*\n", done.stderr)
    done = run("-c", "import bitaxon; bitaxon.encode([0.5], 64)", BITAXON_TIER="sse9")
    assert "InvalidValueError: BITAXON_TIER: got" in done.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/language.md"])
def test_snippets_run(page, tmp_path, monkeypatch):
    snippets = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / page).read_text(), re.S | re.M)
    assert snippets
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "snippets"}
    for number, snippet in enumerate(snippets, 1):
        exec(compile(snippet, f"{page}, snippet {number}", "exec"), names)


def test_the_page_of_texts_names_all_that_there_is():
    page = (REPOSITORY / "docs/language.md").read_text()
    for name in bx.math.__all__:
        assert f"`{name}`" in page or f"`{name}()`" in page
    assert ", ".join(bx.rules) in page.replace("\n", " ")


def test_the_digits_example_keeps_its_promises(tmp_path):
    done = run(REPOSITORY / "examples/digits/digits.py", "--output", tmp_path / "digits.png")
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^L=(\d+) accuracy=(0\.\d{4}) float=(0\.\d{4}) samples_per_s=\d+$", done.stdout, re.M)
    assert [int(length) for length, _, _ in lines] == [64, 128, 256, 512, 1024]
    reached = {int(length): float(accuracy) for length, accuracy, _ in lines}
    exact = float(lines[0][2])
    assert exact >= 0.97
    for length, points in {64: 3.5, 256: 1.2, 1024: 0.5}.items():
        assert exact - reached[length] <= points / 100
    streamed = re.search(r"^streamed: mean_length=(\d+) of 1024 accuracy=(0\.\d+)", done.stdout, re.M)
    assert int(streamed[1]) < 128 and exact - float(streamed[2]) <= 0.005
    pytest.importorskip("matplotlib")
    assert (tmp_path / "digits.png").stat().st_size > 10_000


def test_python_knows_every_kind_of_layer():
    table = (REPOSITORY / "layers/src/network/layer_kinds.cpp").read_text()
    kinds = re.findall(r'{"(\w+)", read_', table)
    sources = "".join(path.read_text() for path in (REPOSITORY / "python/src").glob("*.cpp"))
    named = dict(re.findall(r'const LayerKind (k\w+)\{\s*(?:\.type = )?"(\w+)"', sources))
    listed = re.search(r"kKinds\[\] = {(.*?)}", (REPOSITORY / "python/src/layer.cpp").read_text(), re.S)[1]
    assert sorted(named[kind] for kind in re.findall(r"&(k\w+)", listed)) == sorted(kinds)
