"""Spike codes, against their formulas in NumPy."""

import numpy as np
import pytest

import bitaxon as bx
from bitaxon import spikes


def trains_of(words, steps):
    return bx.unpack(words, steps).astype(bool)


@pytest.fixture
def values(rng):
    return np.concatenate([[0, 1, 0.5], rng.random(20)])


def test_rates_are_bernoulli_streams_of_the_poisson_probability(values):
    trains = spikes.rate(values, 500, max_rate=300, dt=2e-3, seed=4, layer=2, sample=3, first_index=5)
    p = -np.expm1(-values * 0.6)
    assert np.array_equal(trains, bx.encode(p, 500, seed=4, layer=2, sample=3, first_index=5))
    assert isinstance(trains, bx.Streams)
    later = spikes.rate(values, 400, max_rate=300, dt=2e-3, seed=4, layer=2, sample=3, first_index=5, first_step=77)
    assert np.array_equal(trains_of(later, 400), trains_of(trains, 500)[:, 77:477])


def test_latency_is_one_spike(values):
    bits = trains_of(spikes.latency(values, 101), 101)
    assert np.array_equal(bits.sum(axis=1), values > 0)
    assert np.array_equal(bits.argmax(axis=1)[1:], np.rint((1 - values) * 100)[1:])
    charged = trains_of(spikes.latency(values, 60, tau=20, least=0.05), 60)
    with np.errstate(all="ignore"):
        step = np.floor(20 * np.log(values / (values - 0.05)))
    fires = (values > 0.05) & (step < 60)
    assert np.array_equal(charged.any(axis=1), fires)
    assert np.array_equal(charged.argmax(axis=1)[fires], step[fires])


def test_phases_are_binary_digits(values):
    bits = trains_of(spikes.phase(values, 80, period=10), 80).reshape(len(values), 8, 10)
    assert (bits == bits[:, :1]).all()
    assert np.array_equal(bits[:, 0] @ 0.5 ** np.arange(1, 11), np.minimum(np.rint(values * 1024), 1023) / 1024)


def test_bursts(values):
    bits = trains_of(spikes.burst(values, 100, most_spikes=6, shortest_gap=3, longest_gap=9), 100)
    for value, train in zip(values, bits):
        gap = int(np.ceil(9 - 6 * value))
        assert np.flatnonzero(train).tolist() == [k * gap for k in range(int(np.ceil(value * 6)))]


def test_population_is_gaussian_fields_and_another_code(values):
    words = spikes.population(values * 4 - 2, 50, neurons=7, low=-2, high=2)
    assert words.shape == (len(values), 7, 1)
    centres = -2 + (np.arange(7) - 0.5) * 0.8
    activations = np.exp(-(((values * 4 - 2)[:, None] - centres) ** 2) / (2 * (0.8 / 1.5) ** 2))
    expected = np.where(activations > 0.1, np.rint((1 - activations) * 49), -1)
    bits = trains_of(words, 50)
    assert np.array_equal(np.where(bits.any(axis=2), bits.argmax(axis=2), -1), expected)

    noisy = spikes.population(values, 200, code=lambda a, steps: spikes.rate(a, steps, seed=1))
    assert noisy.shape == (len(values), 8, 4) and noisy.sources.shape == (len(values), 8)


def test_delta_and_back(rng):
    signals = np.cumsum(rng.uniform(-0.1, 0.1, (4, 300)), axis=1)
    words = spikes.delta(signals, 0.1)
    assert words.shape == (4, 2, 5)
    back = spikes.decode_delta(words, 300, 0.1, start=signals[:, 0])
    assert np.abs(back - signals).max() < 0.1 + 1e-9
    one = spikes.delta(signals[1], 0.1)
    assert np.array_equal(one, words[1])
    assert np.array_equal(spikes.decode_delta(one, 300, 0.1, start=signals[1, 0]), back[1])
    assert np.array_equal(spikes.delta(signals.T[::-1].T, 0.1), spikes.delta(signals[:, ::-1].copy(), 0.1))


def test_events_are_spikes_of_a_population(values):
    words = spikes.rate(values, 150, seed=1)
    found = spikes.events(words, 150, dt=2e-3)
    neuron, step = np.nonzero(trains_of(words, 150))
    assert sorted(zip(*found.events)) == sorted(zip(neuron, step))
    assert found.n_neurons == len(values) and found.steps == 150 and found.dt == 2e-3


WRONG = {
    "NaN": ("values", lambda: spikes.rate([np.nan], 10)),
    "above 1": ("values", lambda: spikes.latency([1.1], 10)),
    "steps": ("steps", lambda: spikes.phase([0.5], 0)),
    "max_rate": ("max_rate", lambda: spikes.rate([0.5], 10, max_rate=-1)),
    "dt": ("dt", lambda: spikes.rate([0.5], 10, dt=0)),
    "tau": ("tau", lambda: spikes.latency([0.5], 10, tau=-1, least=0.1)),
    "least": ("least", lambda: spikes.latency([0.5], 10, tau=3)),
    "period": ("period", lambda: spikes.phase([0.5], 10, period=53)),
    "no spikes": ("most_spikes", lambda: spikes.burst([0.5], 10, most_spikes=0)),
    "gaps": ("longest_gap", lambda: spikes.burst([0.5], 10, shortest_gap=5, longest_gap=4)),
    "too long": ("steps: got 8, expected at least 9", lambda: spikes.burst([1.0], 8)),
    "neurons": ("neurons", lambda: spikes.population([0.5], 10, neurons=2)),
    "range": ("values", lambda: spikes.population([1.5], 10)),
    "high": ("high", lambda: spikes.population([0.5], 10, low=1, high=1)),
    "threshold": ("threshold", lambda: spikes.delta([0.5, 0.6], 0)),
    "NaN signal": ("signals", lambda: spikes.delta([0.5, np.nan], 0.1)),
    "axes": ("signals", lambda: spikes.delta(np.zeros((2, 2, 2)), 0.1)),
    "NaN start": (r"start\[0\]: got nan", lambda: spikes.decode_delta(np.zeros((2, 1), np.uint64), 10, 0.1, np.nan)),
    "wide": ("high", lambda: spikes.population([0.5], 10, low=-1e308, high=1e308)),
    "trains": ("trains", lambda: spikes.decode_delta(np.zeros((3, 1), np.uint64), 10, 0.1)),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_a_named_error(name):
    text, call = WRONG[name]
    with pytest.raises(ValueError, match=text):
        call()
