"""The built-in circuits against what they compute, for operands of all sizes and both lengths.

Bounds: a circuit of independent bits errs like a binomial count, so its RMSE over many operands is at most
sqrt(1/(4 L)) a stream that it reads; exact ones err by what their registers hold back.
"""

import os
import re
import runpy
from math import comb
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bitaxon as bx

GRID = np.arange(0, 257, 16) / 256  # of 8-bit values
LENGTHS = [256, 4096]


def independent(values, length, index, coding="unipolar"):
    """Streams of independent bits; `index` tells operands apart."""
    return bx.encode(values, length, coding=coding, seed=2, first_index=index * 1_000_000)


def correlated(values, length, coding="unipolar"):
    """Streams that share their random numbers, one register: SCC +1."""
    return bx.encode(values, length, coding=coding, encoder="lfsr16", seed=1234)


def pairs(grid=GRID):
    a, b = np.meshgrid(grid, grid, indexing="ij")
    return a.ravel(), b.ravel()


def rmse(got, expected):
    return np.sqrt(np.mean((got - expected) ** 2))


def bernoulli_bound(length, streams=1):
    return np.sqrt(streams / (4 * length))


def value(stream, length, coding="unipolar"):
    return bx.decode(stream, length, coding=coding)


def shared(streams):
    """One stream for all runs."""
    return streams[0]


@pytest.mark.parametrize("length", LENGTHS)
class TestTwoOperands:
    def run(self, name, length, make_a, make_b, coding="unipolar", grid=GRID, **extra):
        a, b = pairs(grid)
        circuit = bx.circuits[name]
        y = circuit(make_a(a, length), make_b(b, length), length=length, **extra)
        return a, b, value(y, length, coding)

    def test_multiply(self, length):
        a, b, y = self.run(
            "multiply", length, lambda v, n: independent(v, n, 0), lambda v, n: independent(v, n, 1)
        )
        assert rmse(y, a * b) < bernoulli_bound(length)
        assert (y[(a == 0) | (b == 0)] == 0).all() and (y[(a == 1) & (b == 1)] == 1).all()

    def test_multiply_bipolar(self, length):
        grid = 2 * GRID - 1
        a, b, y = self.run(
            "multiply_bipolar",
            length,
            lambda v, n: independent(v, n, 0, "bipolar"),
            lambda v, n: independent(v, n, 1, "bipolar"),
            "bipolar",
            grid,
        )
        assert rmse(y, a * b) < 2 * bernoulli_bound(length)

    def test_scaled_add(self, length):
        select = independent([0.5], length, 2)
        a, b, y = self.run(
            "scaled_add",
            length,
            lambda v, n: independent(v, n, 0),
            lambda v, n: independent(v, n, 1),
            s=shared(select),
        )
        assert rmse(y, (a + b) / 2) < 2 * bernoulli_bound(length)

    def test_toggle_add_is_exact_to_one_bit(self, length):
        for make_b in (lambda v, n: independent(v, n, 1), lambda v, n: correlated(v, n)):
            a, b = pairs()
            x, z = correlated(a, length), make_b(b, length)
            y = value(bx.circuits.toggle_add(x, z, length=length), length)
            exact = (value(x, length) + value(z, length)) / 2
            assert (np.abs(y - exact) <= 0.5 / length).all()

    @pytest.mark.parametrize(
        "name, function",
        [
            ("subtract", lambda a, b: np.maximum(a - b, 0)),
            ("absolute_difference", lambda a, b: np.abs(a - b)),
            ("minimum", np.minimum),
            ("maximum", np.maximum),
        ],
    )
    def test_operations_on_correlated_streams_are_exact(self, length, name, function):
        a, b = pairs()
        x, z = correlated(a, length), correlated(b, length)
        y = bx.circuits[name](x, z, length=length)
        # Of what the streams hold, not of what was meant: one shared register adds no error.
        assert np.array_equal(value(y, length), function(value(x, length), value(z, length)))

    def test_saturating_add_of_streams_that_avoid_each_other(self, length):
        a, b = pairs()
        x = correlated(a, length)
        z = ~correlated(1 - b, length) & bx.pack(np.ones(length, np.uint8))
        y = value(bx.circuits.saturating_add(x, z, length=length), length)
        assert np.abs(y - np.minimum(value(x, length) + value(z, length), 1)).max() <= 1 / length
        y = value(bx.circuits.saturating_add(x, independent(b, length, 1), length=length), length)
        assert rmse(y, a + b - a * b) < 2 * bernoulli_bound(length)

    def test_cordiv_of_correlated_streams(self, length):
        a, b = pairs()
        keep = (a <= b) & (b > 0.1)
        a, b = a[keep], b[keep]
        # One random number for both, another each step: a register's steps depend on each other.
        x, z = independent(a, length, 0), independent(b, length, 0)
        y = value(bx.circuits.cordiv(x, z, length=length), length)
        assert rmse(y, a / b) < 3 * bernoulli_bound(length)

    def test_divide_needs_no_correlation(self, length):
        x, z = independent([0.2], length, 0), independent([0.5], length, 1)
        y = value(bx.circuits.divide(x, z, length=length), length)
        # An output bit lasts 2 bits of z on average, so L/3 of them are independent.
        assert abs(y[0] - 0.4) < 4 * np.sqrt(0.4 * 0.6 / (length / 3))
        bare = value(bx.circuits.cordiv(x, z, length=length), length)
        assert abs(bare[0] - 0.2) < 0.12  # the mistake of others: without waiting it gives a
        a, b = pairs()
        keep = (a < b) & (b > 0.1)
        a, b = a[keep], b[keep]
        y = bx.circuits.divide(independent(a, length, 0), independent(b, length, 1), length=length)
        assert rmse(value(y, length), a / b) < 4 * bernoulli_bound(length)

    def test_jk_divide(self, length):
        a, b = pairs()
        keep = a + b > 0.2
        a, b = a[keep], b[keep]
        y = bx.circuits.jk_divide(independent(a, length, 0), independent(b, length, 1), length=length)
        assert rmse(value(y, length), a / (a + b)) < 3 * bernoulli_bound(length)


@pytest.mark.parametrize("length", LENGTHS)
def test_sums_of_many_are_exact(rng, length):
    values = rng.random((300, 7))
    streams = [independent(values[:, k], length, k) for k in range(7)]
    counted = sum(value(s, length) for s in streams)
    y = value(bx.circuits("mean", inputs=7)(*streams, length=length), length)
    assert (np.abs(y - counted / 7) <= 1 / length).all()
    y = bx.circuits("count", inputs=7)(*streams, length=length)
    assert np.allclose(sum(value(y[:, k], length) * 2**k for k in range(3)), counted)
    small = [independent(values[:, k] / 8, length, k) for k in range(7)]
    counted = sum(value(s, length) for s in small)
    y = value(bx.circuits("sum", inputs=7)(*small, length=length), length)
    # What is owed at the end is lost: a few bits, more where the sum is near 1.
    below = counted < 0.9
    assert (np.abs(y - counted)[below] <= 24 / length).all()
    full = value(bx.circuits("sum", inputs=7)(*streams, length=length), length)
    assert (full[values.sum(axis=1) > 1.5] > 1 - 8 / length).all()


def test_approximate_count_has_little_bias(rng):
    values = rng.random((200, 16))
    streams = [independent(values[:, k], 4096, k) for k in range(16)]
    y = bx.circuits.approximate_count(*streams, length=4096)
    got = sum(value(y[:, k], 4096) * 2**k for k in range(y.shape[1]))
    # Each pair's gate errs by p (1 - p) on average, ORs up and ANDs down (exact expectation).
    p = values.reshape(200, 8, 2)
    product = p.prod(axis=2)
    gates = np.where(np.arange(8) % 2 == 0, p.sum(axis=2) - product, product)
    assert rmse(got, 2 * gates.sum(axis=1)) < 2 * np.sqrt(8) * bernoulli_bound(4096)


@pytest.mark.parametrize("length", LENGTHS)
def test_median_of_correlated_streams_is_exact(rng, length):
    values = rng.random((200, 5))
    streams = [correlated(values[:, k], length) for k in range(5)]
    y = value(bx.circuits("median", inputs=5)(*streams, length=length), length)
    assert np.array_equal(y, np.median([value(s, length) for s in streams], axis=0))


def test_roberts_cross(rng):
    values = rng.random((4, 500))
    a, b, c, d = (correlated(row, 4096) for row in values)
    y = bx.circuits.roberts_cross(s=shared(independent([0.5], 4096, 9)), a=a, b=b, c=c, d=d, length=4096)
    expected = (np.abs(values[0] - values[3]) + np.abs(values[1] - values[2])) / 2
    assert rmse(value(y, 4096), expected) < 2 * bernoulli_bound(4096)


def markov(states, p, output):
    """Mean output of the saturating counter, from its stationary distribution."""
    ratio = p / (1 - p)
    weights = ratio ** np.arange(states)
    return (weights * output).sum() / weights.sum()


@pytest.mark.parametrize("states", [4, 8, 16])
def test_counters_are_their_markov_chains(states):
    x = np.linspace(-0.9, 0.9, 13)
    length = 1 << 17
    stream = independent(x, length, 0, "bipolar")
    c = np.arange(states)
    bound = 8 * np.sqrt(states) / np.sqrt(length)  # correlated bits: a state lasts about `states`
    half = c >= states // 2
    y = value(bx.circuits("stanh", states=states)(stream, length=length), length, "bipolar")
    exact = np.array([2 * markov(states, (v + 1) / 2, half) - 1 for v in x])
    assert np.abs(y - exact).max() < bound
    assert np.abs(exact - np.tanh(states / 2 * x)).max() < 0.2 / (states / 4)  # Brown and Card's figure
    y = value(bx.circuits("sexp", states=states, gain=2)(stream, length=length), length)
    exact = np.array([markov(states, (v + 1) / 2, c < states - 2) for v in x])
    assert np.abs(y - exact).max() < bound
    y = value(bx.circuits("absolute", states=states)(stream, length=length), length, "bipolar")
    exact = np.array([2 * markov(states, (v + 1) / 2, half ^ (c % 2 == 0)) - 1 for v in x])
    assert np.abs(y - exact).max() < bound
    if states == 16:
        assert np.abs(exact - np.abs(x)).max() < 0.1


def test_square_root_and_integrator():
    x = np.array([0.04, 0.1, 0.25, 0.5, 0.81, 1.0])
    length = 1 << 16
    uniform = np.stack([independent(np.full(len(x), 0.5), length, 10 + k) for k in range(8)], axis=1)
    streams = independent(x, length, 0)
    circuit = bx.circuits.square_root
    y = value(circuit(r=uniform, x=streams, length=length), length)
    assert np.abs(y - np.sqrt(x)).max() < 0.02
    v = 2 * x - 1
    streams = independent(v, length, 0, "bipolar")
    y = value(bx.circuits.integrate(r=uniform, x=streams, length=length), length, "bipolar")
    assert np.abs(y - v).max() < 0.03


def test_bernstein_polynomial_of_the_gamma_function():
    # Gamma correction, x^0.45, with the coefficients of Qian et al. (2011).
    b = [0.0955, 0.7207, 0.3476, 0.9988, 0.7017, 0.9695, 0.9939]
    x = GRID[1:]
    length = 4096
    copies = {f"x{k}": independent(x, length, k) for k in range(6)}
    coefficients = {f"b{k}": independent(np.full(len(x), v), length, 10 + k) for k, v in enumerate(b)}
    circuit = bx.circuits("bernstein", degree=6)
    y = value(circuit(**copies, **coefficients, length=length), length)
    exact = sum(v * comb(6, k) * x**k * (1 - x) ** (6 - k) for k, v in enumerate(b))
    assert rmse(y, exact) < bernoulli_bound(length)
    assert rmse(exact, x**0.45) < 0.02


def all_scc(a, b, length):
    return np.array([bx.scc(x, y, length) for x, y in zip(a, b)])


def test_correlation_is_made_and_unmade(rng):
    length = 4096
    p, q = rng.uniform(0.2, 0.8, (2, 100))
    a, b = independent(p, length, 0), independent(q, length, 1)
    assert abs(all_scc(a, b, length).mean()) < 0.02
    x, y = bx.circuits("synchronise", depth=16)(a, b, length=length)
    assert all_scc(x, y, length).min() > 0.95
    # Values stay, but for the ones that are still kept back.
    for before, after in ((a, x), (b, y)):
        assert np.abs(value(after, length) - value(before, length)).max() <= 16 / length
    x, y = bx.circuits("desynchronise", depth=16)(a, b, length=length)
    assert all_scc(x, y, length).max() < -0.9
    for before, after in ((a, x), (b, y)):
        assert np.abs(value(after, length) - value(before, length)).max() <= 16 / length
    shared_a, shared_b = correlated(p, length), correlated(q, length)
    assert all_scc(shared_a, shared_b, length).min() > 0.99
    uniform = np.stack([independent(np.full(100, 0.5), length, 20 + k) for k in range(6)], axis=1)
    shuffled = bx.circuits("decorrelate", address_bits=6)(r=uniform, x=shared_a, length=length)
    assert np.abs(all_scc(shuffled, shared_b, length)).mean() < 0.15
    assert np.abs(value(shuffled, length) - value(shared_a, length)).max() <= 64 / length


def test_errors_are_those_of_theory():
    """What docs/arithmetic.md is written from, at the shorter length."""
    path = Path(os.environ.get("BITAXON_SOURCE_DIR", Path(__file__).parents[2])) / "scripts/arithmetic-errors"
    script = SimpleNamespace(**runpy.run_path(str(path)))
    cases = list(script.cases())
    assert {case.name for case in cases} == set(bx.circuits)
    tested_above = {"multiply", "scaled_add", "toggle_add", "cordiv", "divide", "jk_divide", "roberts_cross", "median"}
    for case in cases:
        if case.name not in tested_above:
            measured, theory = script.run(case, 256), case.theory(256)
            assert script.agrees(case, measured, theory), (case.name, case.operands, measured, theory)


def test_coefficients_of_a_function():
    # Any polynomial of that degree is met, and bounds hold where the best ones without them do not.
    b, error = bx.circuits.coefficients("bernstein", lambda x: x * x, degree=3)
    assert np.allclose(b, [0, 0, 1 / 3, 1]) and error < 1e-9
    b, error = bx.circuits.coefficients("bernstein", lambda x: x**0.45, degree=6)
    assert (b >= 0).all() and (b <= 1).all() and error < 0.02  # Qian et al.: 0.02
    b, error = bx.circuits.coefficients("finite_state", np.log1p, states=6)
    assert np.abs(np.rint(256 * b) - [1, 231, 0, 163, 50, 177]).max() <= 1 and error < 0.002
    for name, function, message in (
        ("bernstein", lambda x: 2 * x, "values in"),
        ("stanh", np.sin, "bernstein or finite_state"),
        ("finite_state", lambda x: x * np.nan, "values in"),
    ):
        with pytest.raises(ValueError, match=message):
            bx.circuits.coefficients(name, function)


@pytest.mark.parametrize("coding, name", [("unipolar", ""), ("bipolar", "_bipolar")])
def test_a_conditional_product_of_streams_is_that_of_the_circuit(coding, name):
    a = bx.encode(np.linspace(0, 1, 40), 300, seed=1)
    numbers = np.arange(40) * 6
    b = bx.encode(numbers / 256, 300, encoder=bx.encoders.VanDerCorput(bits=8))
    expected = bx.circuits[f"multiply_conditional{name}"](a, bx.formats.constant(numbers, 8, 300), length=300)
    assert (bx.multiply_conditional(a, b, 300, coding=coding) == expected).all()
    one = bx.multiply_conditional(a[7], b[7:8], 300, coding=coding)
    assert one.shape == a[7].shape and (one == expected[7]).all()
    with pytest.raises(ValueError, match="b: got 1 rows of 2 streams"):
        bx.multiply_conditional(a, b[:2], 300)


def test_the_list_says_what_each_computes():
    assert len(bx.circuits) > 20
    for name in bx.circuits:
        info = bx.circuits.info(name)
        assert info.formula and info.coding and info.correlation
        assert re.search(r"(19|20)\d\d", info.source), name
        assert bx.circuits[name].outputs
        for need in info.needs:
            assert set(need.inputs + need.others) <= {"all", *bx.circuits[name].inputs} and abs(need.scc) <= 1
        for parameter, default in info.parameters.items():
            assert bx.circuits(name, **{parameter: default}).text == bx.circuits[name].text
    correlations = {
        "roberts_cross": "a, d: +1; b, c: +1; s with all: 0, at 1/2",
        "scaled_add": "s with a, b: 0",
        "saturating_add": "a, b: -1; at 0 it gives a + b - a*b",
        "sort": "all: +1",
        "stanh": "none with itself",
        "mean": "any",
    }
    assert {name: bx.circuits.info(name).correlation for name in correlations} == correlations
    assert bx.circuits.info("cordiv").needs == (bx.CorrelationNeed(("a", "b"), (), 1),)
    assert "stanh" in dir(bx.circuits) and "stanh" in bx.circuits and "tanh" not in bx.circuits
    with pytest.raises(AttributeError, match="did you mean"):
        bx.circuits.stahn
    with pytest.raises(ValueError, match="states: got 7, expected 2, 4 ... 1024 for stanh"):
        bx.circuits("stanh", states=7)
    with pytest.raises(ValueError, match="parameters: got 'state', expected states for stanh"):
        bx.circuits("stanh", state=8)
    with pytest.raises(ValueError, match="gain: got 8, expected less than states, 8"):
        bx.circuits("sexp", states=8, gain=8)
