"""Pictures: what is drawn, and where."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bitaxon as bx

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed, so nothing was drawn")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture
def population():
    pop = bx.Population(5, "LIF", dt=1e-3, seed=1)
    pop.record("v", [0, 3])
    return pop


def test_a_raster_has_a_dot_for_each_spike(ax, population):
    population.run(0, 10)
    spikes = population.run(np.linspace(16, 40, 5), 200)
    assert len(spikes) > 0
    line = bx.plot.raster(spikes, ax=ax, color="red")
    x, y = line.get_data()
    assert (x == spikes.step * 1e-3).all() and (y == spikes.index).all()
    assert line.axes is ax and line.get_color() == "red"
    assert ax.get_xlim() == pytest.approx((0.01, 0.21)) and ax.get_ylim() == (-0.5, 4.5)
    assert ax.get_xlabel() == "time (s)"


def test_a_raster_takes_events(ax):
    line = bx.plot.raster(([0, 2], [3, 5]), ax=ax)
    assert line.get_xdata().tolist() == [3, 5] and ax.get_xlabel() == "step"
    assert bx.plot.raster(([], []), ax=ax).get_xdata().size == 0


def test_traces_have_a_line_for_each_neuron(ax, population):
    population.run(20, 50)
    lines = bx.plot.traces(population.recording, ax=ax, offset=100)
    assert [line.get_label() for line in lines] == ["v[0]", "v[3]"]
    assert (lines[1].get_ydata() == population.recording["v"][:, 1] + 100).all()
    assert lines[0].get_xdata()[-1] == pytest.approx(0.049) and ax.get_ylabel() == "v"
    assert len(bx.plot.traces(np.zeros((7, 3)), ax=ax)) == 3
    assert len(bx.plot.traces(np.zeros(7), ax=ax, dt=0.5)) == 1


def test_the_current_axes_are_used_unless_others_are_given(ax, population):
    plt.sca(ax)
    population.run(20, 5)
    assert bx.plot.traces(population.recording, "v")[0].axes is ax
    assert bx.plot.raster(([], [])).axes is ax


def test_nothing_is_shown(ax, population, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("show was called"))
    bx.plot.raster(population.run(20, 5), ax=ax)
    bx.plot.traces(population.recording, ax=ax)


CASES = {
    "raster of a number": (TypeError, lambda ax: bx.plot.raster(3, ax=ax)),
    "raster of other shapes": (ValueError, lambda ax: bx.plot.raster(([1], [1, 2]), ax=ax)),
    "traces of a cube": (ValueError, lambda ax: bx.plot.traces(np.zeros((2, 2, 2)), ax=ax)),
    "traces of an unknown variable": (ValueError, lambda ax: bx.plot.traces(
        bx.Population(1, "LIF").recording, "w", ax=ax)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_got_and_expected(ax, case):
    exception, call = CASES[case]
    with pytest.raises(exception, match="got .*expected ") as raised:
        call(ax)
    assert isinstance(raised.value, bx.Error)


EXAMPLES = Path(__file__).parents[2] / "examples/neurons"


@pytest.mark.parametrize("name", ["typed_rule.py", "gallery.py"])
def test_the_examples_draw_a_picture(tmp_path, name):
    environment = {**os.environ, "PYTHONPATH": str(Path(bx.__file__).parents[1])}
    picture = tmp_path / "picture.png"
    done = subprocess.run([sys.executable, EXAMPLES / name, "--output", picture], env=environment,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 10_000
    if name == "gallery.py":
        assert len(done.stdout.splitlines()) == len(bx.rules)
