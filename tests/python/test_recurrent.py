"""Layers with a state from Python: float recurrences, copies, networks, reservoirs. Bits are tested in C++."""

import copy
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bitaxon as bx

KINDS = {bx.Recurrent: 1, bx.MGU: 2, bx.GRU: 3}


def make(rng, kind, coding="split-unipolar", **changed):
    rows = KINDS[kind] * 5
    options = dict(steps=4, length=256, coding=coding, bias=rng.normal(size=rows), seed=5, input_range=2.0)
    if kind is bx.Recurrent:
        options["leak"] = 0.75
    return kind(3, 5, weights=rng.uniform(-0.7, 0.7, (rows, 8)), **{**options, **changed})


def samples(rng, layer, rows):
    return rng.uniform(-2.0 if layer.coding == "bipolar" else 0.0, 2.0, (rows, layer.n_inputs))


def recurrence(layer, X):
    """States (n, steps, units) in floats."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    n, units = len(X), layer.n_units
    weights, bias = layer.weights.reshape(-1, units, layer.weights.shape[1]), layer.bias.reshape(-1, units)
    h, states = np.zeros((n, units)), []
    for x in X.reshape(n, layer.steps, layer.input_size).swapaxes(0, 1):
        gates = [sigmoid(np.hstack([x, h]) @ w.T + b) for w, b in zip(weights[:-1], bias[:-1])]
        reset, update = (gates[0], gates[-1]) if gates else (1, layer.leak)
        candidate = np.tanh(np.hstack([x, reset * h]) @ weights[-1].T + bias[-1])
        h = (1 - update) * h + update * candidate
        states.append(h)
    return np.stack(states, axis=1)


@pytest.mark.parametrize("coding", ["split-unipolar", "bipolar"])
@pytest.mark.parametrize("kind", KINDS)
def test_noise_falls_with_the_root_of_length(kind, coding):
    errors = []
    for length in (256, 4096):
        rng = np.random.default_rng(2024)  # the same weights and samples
        layer = make(rng, kind, coding, length=length)
        X = samples(rng, layer, 100)
        assert np.allclose(layer.forward_expected(X, weights="mean").reshape(100, 4, 5), recurrence(layer, X), atol=1e-7)
        error = layer.forward_batch(X, seed=1) - layer.forward_expected(X)
        errors.append(np.sqrt(np.mean(error**2)))
        if length == 4096:  # 2000 errors, of four dependent steps
            assert abs(error.mean()) < 5 * error.std() / np.sqrt(2000 / 4)
    assert 4 * 0.8 < errors[0] / errors[1] < 4 * 1.25


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_networks(rng, kind, tmp_path):
    layer = make(rng, kind, sequence=np.False_)
    layer.redraw()
    assert (layer.input_size, layer.n_units, layer.steps, layer.sequence) == (3, 5, 4, False)
    assert (layer.n_inputs, layer.n_neurons, layer.weights.shape) == (12, 5, (KINDS[kind] * 5, 8))
    assert repr(layer).startswith(f"{kind.__name__}(3, 5, steps=4, sequence=False, ")
    X = samples(rng, layer, 6)
    Y = layer.forward_batch(X, seed=1)
    states = make(np.random.default_rng(2024), kind)
    states.redraw()
    assert np.array_equal(states.forward_batch(X, seed=1)[:, -5:], Y)
    P = layer.encode(X[2], seed=1, sample=2)
    assert np.array_equal(layer.forward_prepacked(P, seed=1, first_sample=2), Y[2])
    dense = bx.DenseLayer(5, 2, length=256, weights=rng.normal(size=(2, 5)), coding="bipolar", seed=2)
    network = bx.Network([layer, dense])
    assert {"steps": 4, "n_units": 5}.items() <= network.info()["layers"][0].items()
    network.save(tmp_path / "network")
    Z = network.forward_batch(X, seed=1)
    for twin in (bx.load(tmp_path / "network"), pickle.loads(pickle.dumps(network))):
        assert repr(twin) == repr(network) and type(twin.layers[0]) is kind
        assert np.array_equal(twin.forward_batch(X, seed=1), Z)
    for twin in (copy.copy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(twin) is kind and repr(twin) == repr(layer)
        assert np.array_equal(twin.forward_batch(X, seed=1), Y)
    assert set(network.forward_streamed(X, delta=0.2, seed=1).lengths) <= {64, 128, 192, 256}


def test_a_reservoir_learns(rng):
    """The stochastic reservoir's readout of a delayed product, against the float one's."""
    u = rng.uniform(0, 1, 400)
    target = np.concatenate([[0, 0], u[1:-1] * u[:-2]])
    layer = bx.Recurrent(1, 30, steps=400, length=1024, spectral_radius=0.8, density=0.2, leak=0.9, seed=3)
    W = bx.reservoir_weights(1, 30, spectral_radius=0.8, density=0.2, seed=3)
    assert np.array_equal(layer.weights, W)
    assert np.isclose(np.abs(np.linalg.eigvals(W[:, 1:])).max(), 0.8, rtol=1e-6)
    errors = []
    for states in (recurrence(layer, u[np.newaxis])[0], layer.forward(u, seed=1).reshape(400, 30)):
        train, test = slice(20, 250), slice(250, 400)
        weights, bias = bx.fit_readout(states[train], target[train], ridge=1e-4)
        centred = states[train] - states[train].mean(0)
        exact = np.linalg.solve(centred.T @ centred + 1e-4 * np.eye(30), centred.T @ target[train])
        assert np.allclose(weights, exact[np.newaxis], atol=1e-6)
        error = states[test] @ weights.T + bias - target[test, np.newaxis]
        errors.append(np.sqrt(np.mean(error**2)) / target[test].std())
    assert errors[0] < errors[1] < 0.6 and errors[0] < 0.2


def test_the_example_draws_a_picture(tmp_path):
    program = Path(__file__).parents[2] / "examples/reservoir/reservoir.py"
    environment = {**os.environ, "PYTHONPATH": str(Path(bx.__file__).parents[1])}
    done = subprocess.run([sys.executable, program, "--output", tmp_path / "picture.png", "--lengths", "64", "1024"],
                          env=environment, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    floats, short, long = (float(line.split()[-1]) for line in done.stdout.splitlines())
    assert floats < 0.03 and floats < long < short < 1


@pytest.mark.parametrize("kind, changed, error, message", [
    (bx.Recurrent, dict(steps=None), bx.InvalidTypeError, "steps"),
    (bx.Recurrent, dict(leak=1.5), bx.InvalidValueError, "leak: got 1.5"),
    (bx.Recurrent, dict(density=0.5), bx.InvalidValueError, "density: got 0.5"),
    (bx.Recurrent, dict(coding="unipolar"), bx.InvalidValueError, "coding"),
    (bx.MGU, dict(weights=np.zeros((5, 8))), bx.InvalidShapeError, "weights: got shape"),
    (bx.GRU, dict(sequence=1), bx.InvalidTypeError, "sequence"),
    (bx.GRU, dict(bias=np.zeros(5)), bx.InvalidShapeError, "bias"),
])  # fmt: skip
def test_wrong_options_are_named(rng, kind, changed, error, message):
    with pytest.raises(error, match=message):
        make(rng, kind, **changed) if "weights" not in changed else kind(3, 5, steps=4, length=64, **changed)


def test_wrong_calls_are_named(rng):
    layer = make(rng, bx.MGU)
    with pytest.raises(bx.InvalidValueError, match="stop"):
        layer.forward_streamed(np.zeros(12))
    with pytest.raises(bx.InvalidShapeError, match="x: got"):
        layer.forward(np.zeros(3))
    with pytest.raises(bx.InvalidValueError, match="density"):
        bx.reservoir_weights(1, 5, density=0)
    with pytest.raises(bx.InvalidShapeError, match="targets"):
        bx.fit_readout(np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(bx.InvalidValueError, match="ridge"):
        bx.fit_readout(np.zeros((3, 2)), np.zeros(3), ridge=0)
    x = rng.normal(size=(50, 2))
    for states, targets in ((x, np.full(50, 1e308)), (1e200 * x, x), (np.full((50, 2), 1e308), x)):
        with pytest.raises(bx.InvalidValueError, match="magnitude"):
            bx.fit_readout(states, targets)
    for sizes in ((2, 2**63), (2**64 - 1, 2), (2**64 - 3, 3)):
        with pytest.raises(bx.InvalidShapeError, match="inputs, units"):
            bx.reservoir_weights(*sizes)
    with pytest.raises(bx.InvalidShapeError, match="inputs, units"):
        bx.Recurrent(2**64 - 3, 3, steps=2, length=64)
    with pytest.raises(bx.InvalidShapeError, match="steps"):  # before it draws for minutes
        bx.Recurrent(1, 2000, steps=2**31, length=64)


def test_ctrl_c_ends_the_drawing_of_reservoirs():
    def interrupt(number, frame):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(InterruptedError):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            bx.reservoir_weights(2**27, 1, density=1e-300)  # at its end it would miss a cycle
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
