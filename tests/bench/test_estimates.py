"""Estimates against closed forms and naive loops."""

import math

import numpy as np
import pytest

from analysis import estimates, samples, scaling


def launch(iterations, nanoseconds, quiet=None, reference=None):
    iterations = np.asarray(iterations, float)
    ones = np.ones(iterations.size)
    return samples.Launch(iterations, np.asarray(nanoseconds, float),
                          ones.astype(bool) if quiet is None else np.asarray(quiet),
                          ones if reference is None else np.asarray(reference, float))


def test_slope_of_exact_lines_is_exact():
    iterations = np.arange(1, 31, dtype=float)
    assert estimates.slope(iterations, 7.5 * iterations) == 7.5
    assert estimates.r_squared(iterations, 7.5 * iterations) == 1


def test_slope_minimises_the_squares():
    rng = np.random.default_rng(1)
    iterations = np.arange(1, 31, dtype=float)
    times = 3 * iterations + rng.normal(size=30)
    found = estimates.slope(iterations, times)

    def squares(slope):
        return sum((t - slope * n) ** 2 for n, t in zip(iterations, times))

    assert squares(found) < min(squares(found - 1e-4), squares(found + 1e-4))


def test_mad_is_the_median_distance_from_the_median():
    assert estimates.mad(np.array([1, 1, 2, 2, 4, 6, 9.0])) == 1


def test_outliers_are_tukeys():
    # Quartiles 2 and 4 (NumPy's), so fences at -1, 7 and -4, 10.
    values = np.array([1, 2, 2, 3, 3, 3, 4, 4, 5.0])
    assert estimates.outliers(values) == estimates.Outliers(0, 0, 0, 0)
    body = np.repeat([2.0, 3, 4], 100)
    found = estimates.outliers(np.concatenate([body, [-0.5, -1.5, -4.5, 6.5, 7.5, 10.5]]))
    assert found == estimates.Outliers(low_severe=1, low_mild=1, high_mild=1, high_severe=1)


def test_interval_covers_the_truth_as_often_as_it_says():
    """300 experiments of 8 launches with a spread of their own: binomial(300, 0.95), 5 sigmas below.

    With 8 launches a percentile bootstrap covers about 91 %, so the bound is that of 0.90.
    """
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(300):
        launches = [launch(np.ones(10), 100 + rng.normal(scale=3) + rng.normal(size=10)) for _ in range(8)]
        found = estimates.estimate(launches, f"trial {trial}").median
        covered += found.low <= 100 <= found.high
    assert 300 * 0.90 - 5 * math.sqrt(300 * 0.9 * 0.1) < covered < 300


def test_intervals_are_the_same_every_time():
    launches = [launch(np.arange(1, 11), np.arange(1, 11) * (2.0 + k / 10)) for k in range(5)]
    assert estimates.estimate(launches, "a") == estimates.estimate(launches, "a")
    assert estimates.estimate(launches, "a") != estimates.estimate(launches, "b")


def test_disturbed_rounds_and_launches_are_left_out():
    quiet = launch(np.ones(6), np.full(6, 10.0))
    mixed = launch(np.ones(6), [10, 10, 10, 20, 20, 20], [True, True, True, False, False, False])
    loud = launch(np.ones(6), np.full(6, 20.0), np.zeros(6, bool))
    found = estimates.estimate(samples.usable([quiet, quiet, mixed, loud, loud]), "a")
    assert found.median.value == found.median.high == 10
    assert (found.samples, found.launches) == (15, 3)


def test_work_that_is_never_quiet_keeps_all_rounds():
    loud = launch(np.ones(6), np.full(6, 20.0), np.zeros(6, bool))
    chosen = samples.usable([loud] * 5)
    assert sum(k.iterations.size for k in chosen) == 30


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_exponents_of_power_laws(exponent):
    values = 2.0 ** np.arange(4, 12)
    found = scaling.fit(values, 3 * values**exponent)
    assert found.exponent == pytest.approx(exponent, abs=1e-12)
    assert found.low <= found.exponent <= found.high


def test_constant_costs_do_not_bend_the_tail():
    values = 2.0 ** np.arange(4, 20)
    times = 1e3 + 3 * values
    assert scaling.fit(values, times).exponent < 0.85
    assert scaling.tail(values, times).exponent == pytest.approx(1, abs=0.03)


def test_crossover_interpolates_on_logarithms():
    # gain = (v / 100)^1 around the crossing
    values = np.array([10.0, 50, 200, 1000])
    assert scaling.crossover(values, values / 100) == pytest.approx(100)
    assert scaling.crossover(values, np.full(4, 0.5)) is None
    assert scaling.crossover(values, np.full(4, 2.0)) == 10
