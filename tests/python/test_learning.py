"""Training: gradients against finite differences, noise against streams, and that it learns."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CODINGS, make_layer

import bitaxon as bx
from bitaxon import learning
from bitaxon._trainable import Model, Product

DRAWS = 400


def image_network(rng, coding, pool, weight_scale=None, length=64):
    low = 0.0 if coding == "unipolar" else -1.0
    common = dict(length=length, coding=coding, seed=1)
    conv = bx.Conv2d(2, 4, (3, 2), input_size=(6, 5), stride=(2, 1), padding=1, dilation=(1, 2), groups=2,
                     weights=rng.uniform(low, 1, (4, 1, 3, 2)), bias=rng.normal(size=4), scale="mean",
                     activation="relu", **common)  # fmt: skip
    pooled = pool(conv.output_shape, 2)
    last = bx.DenseLayer(pooled.n_neurons, 5, weights=rng.uniform(low, 1, (5, pooled.n_neurons)),
                         weight_scale=weight_scale, **common)  # fmt: skip
    return bx.Network([conv, pooled, bx.Flatten(pooled.output_shape), last])


@pytest.mark.parametrize("coding, pool, weight_scale", [
    ("unipolar", bx.AveragePool2d, 1.5),
    ("bipolar", bx.MaxPool2d, None),
    ("split-unipolar", bx.MaxPool2d, None),
])  # fmt: skip
def test_gradients_are_finite_differences(rng, coding, pool, weight_scale, monkeypatch):
    # Drawn numbers are constants to the gradient, also where weights correlate them.
    monkeypatch.setattr(Product, "draw", lambda product, rng: rng.standard_normal(product.deviation(64).shape))
    network = image_network(rng, coding, pool, weight_scale)
    X, labels = rng.random((9, 60)), rng.integers(5, size=9)
    network.calibrate(X, 1.0)
    model = Model(network)
    model.products[1].range *= 1.2  # away from the kink at the largest value
    # Probabilities have 32 bits there.
    assert np.allclose(model.forward(X), network.forward_expected(X, weights="mean"), atol=1e-7)

    for noisy in (False, True):  # without noise: what the straight-through estimator follows

        def loss():
            return learning._cross_entropy(model.forward(X, np.random.default_rng(1) if noisy else None), labels)

        model.backward(loss()[1], noisy)
        for values, gradient in zip(model.parameters, model.gradients()):
            found = np.empty_like(values)
            for k in np.ndindex(values.shape):
                kept = values[k]
                values[k] = kept + 1e-6
                above = loss()[0]
                values[k] = kept - 1e-6
                found[k] = (above - loss()[0]) / 2e-6
                values[k] = kept
            assert np.abs(found - gradient).max() < 1e-8


@pytest.mark.parametrize("coding", CODINGS)
def test_noise_is_that_of_streams(rng, coding):
    network = bx.Network([make_layer(rng, length=64, coding=coding, scale="mean", input_range=2.0)])
    X = rng.uniform(-2.0 if coding == "bipolar" else 0.0, 2.0, (6, 20))
    outputs = []
    for seed in range(DRAWS):
        network.redraw()
        outputs.append(network.forward_batch(X, seed=seed))
    model = Model(network)
    mean = model.forward(X)
    noisy = model.forward(np.repeat(X, DRAWS, axis=0), np.random.default_rng(1)).reshape(6, DRAWS, -1)
    deviation = model.products[0].deviation(64)[::DRAWS]
    # 42 deviations, each 3.5 % (one sigma) off for the draws.
    for draws in (np.array(outputs), noisy.transpose(1, 0, 2)):
        ratios = draws.std(axis=0, ddof=1) / deviation
        assert np.abs(ratios - 1).max() < 0.16
        assert np.abs((draws.mean(axis=0) - mean) / deviation).max() < 4.5 / np.sqrt(DRAWS)


@pytest.fixture
def task(rng):
    """Three clusters in eight values, and a network that does not know them."""
    labels = np.arange(120) % 3
    X = np.clip(rng.integers(2, size=(3, 8))[labels] * 0.6 + rng.normal(0.2, 0.1, size=(120, 8)), 0, 1)
    hidden = make_layer(rng, 8, 10, 64, "split-unipolar", activation="relu")
    return bx.Network([hidden, make_layer(rng, 10, 3, 64, "split-unipolar", seed=8)]), X, labels


@pytest.mark.parametrize("options", [
    {},
    {"gradient": "straight-through", "limit": (0.8, None), "decay": 1e-4},
    {"noise": "none", "optimiser": learning.Sgd(rate=0.05)},
    {"loss": "mse", "length": 256},
], ids=str)  # fmt: skip
def test_fit_learns(task, options):
    network, X, labels = task
    before = repr(network), network.forward_expected(X)
    y = np.eye(3)[labels] if options.get("loss") == "mse" else labels
    epochs, done = [], []
    options = {"optimiser": learning.Adam(rate=0.03), "epochs": 12, "batch": 12, "seed": 3} | options
    fitted = learning.fit(network, X, y, on_epoch=epochs.append,
                          progress=lambda *numbers: done.append(numbers), **options)  # fmt: skip
    right = np.mean(fitted.forward_batch(X, seed=5).argmax(axis=1) == labels)
    assert right >= 0.95
    assert [epoch.number for epoch in epochs] == list(range(1, 13)) and done[-1] == (1440, 1440)
    assert repr(network) == before[0] and np.array_equal(network.forward_expected(X), before[1])
    if "limit" in options:
        assert np.abs(fitted.layers[0].weights).max() <= 0.8
    # Conversion loses nothing: the network is the trained one.
    best = min(epochs, key=lambda epoch: epoch.loss)
    assert best.validation is None and best.loss < epochs[0].loss


def test_fit_is_a_function_of_its_seed(task):
    network, X, labels = task
    twins = [learning.fit(network, X, labels, epochs=2, seed=seed) for seed in (4, 4, 5)]
    weights = [twin.layers[0].weights for twin in twins]
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


def test_ctrl_c_leaves_the_best_weights(task, monkeypatch):
    network, X, labels = task
    losses = []

    def stop(epoch):
        losses.append(epoch.validation)
        if epoch.number == 4:
            monkeypatch.setattr(Model, "backward", interrupt)

    options = dict(batch=16, seed=3, validation=(X, labels), noise="none", optimiser=learning.Adam(rate=0.02))
    stopped = learning.fit(network, X, labels, epochs=9, on_epoch=stop, **options)
    assert len(losses) == 4
    outputs = Model(stopped).forward(X)
    # Ranges are calibrated once more, on all of X: what they clip differs a little.
    assert learning._cross_entropy(outputs, labels)[0] == pytest.approx(min(losses), rel=0.02)


def interrupt(*values):
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["on_epoch", "progress"])
def test_what_a_callers_function_raises_leaves_the_call(task, name):
    with pytest.raises(KeyboardInterrupt):
        learning.fit(*task, epochs=1, **{name: interrupt})


def test_divergence_is_said(task):
    network, X, labels = task
    for options in (dict(optimiser=learning.Sgd(rate=1e300)), dict(optimiser=learning.Sgd(), decay=1e300)):
        with pytest.raises(bx.InvalidValueError, match="training diverged in epoch 1.*rate.*decay.*limit"):
            learning.fit(network, X, labels, epochs=3, **options)


def test_divergence_leaves_the_best_weights(task, monkeypatch):
    """The weights behind the last finite epoch, not those that the step after it made."""
    network, X, labels = task
    kept, plain = [], Model.gradients

    def grow(model, decay):
        return [g * (1e200 if len(kept) == 2 else 1.0) for g in plain(model, decay)]

    def keep(epoch):
        kept.append(epoch)

    monkeypatch.setattr(Model, "gradients", grow)
    options = dict(batch=120, optimiser=learning.Sgd(rate=0.01), seed=3)
    with pytest.warns(RuntimeWarning, match="diverged in epoch 3.*those of epoch"):
        fitted = learning.fit(network, X, labels, epochs=5, on_epoch=keep, **options)
    assert len(kept) == 3 and np.abs(fitted.layers[0].weights).max() < 100


def test_the_limit_holds_before_the_first_step(task, monkeypatch):
    network, X, labels = task
    monkeypatch.setattr(Model, "backward", interrupt)
    fitted = learning.fit(network, X, labels, limit=0.1)
    assert max(np.abs(layer.weights).max() for layer in fitted.layers) <= 0.1


@pytest.mark.parametrize("coding", CODINGS)
def test_positions_share_the_noise_of_weights(rng, coding):
    """Behind an average over positions, where what they share does not average out."""
    low = 0.0 if coding == "unipolar" else -1.0
    conv = bx.Conv2d(1, 2, 3, input_size=(8, 8), length=64, coding=coding, weights=rng.uniform(low, 1, (2, 1, 3, 3)),
                     seed=1)  # fmt: skip
    network = bx.Network([conv, bx.AveragePool2d(conv.output_shape, 6)])
    X = rng.random((1, 64))
    outputs = []
    for seed in range(DRAWS):
        network.redraw()
        outputs.append(network.forward(X[0], seed=seed))
    noisy = Model(network).forward(np.repeat(X, 4000, axis=0), np.random.default_rng(1))
    # One sigma is 3.5 %; inputs that windows share, which training leaves out, add up to a fifth.
    ratios = np.std(outputs, axis=0, ddof=1) / noisy.std(axis=0)
    assert (0.88 < ratios).all() and (ratios < 1.25).all()


def test_ranges_follow_what_calibrate_counts(task):
    network, X, labels = task
    model = Model(network)
    values = np.array([[-9.0, -8.0, 1.0, 2.0]])
    product = model.products[1]
    learning._Ranges(1.0)(product, values)
    assert product.range == 2.0  # negative values are not in split-unipolar streams
    product.bipolar = True
    learning._Ranges(1.0)(product, values)
    assert product.range == 9.0


def test_validation_runs_in_blocks(task, monkeypatch):
    network, X, labels = task
    sizes, plain = [], Model.forward
    monkeypatch.setattr(Model, "forward", lambda m, x, *more: sizes.append(len(x)) or plain(m, x, *more))
    losses = []
    learning.fit(network, X, labels, epochs=1, batch=32, noise="none", validation=(X, labels), on_epoch=losses.append)
    assert max(sizes) == 32 and sum(sizes) == 2 * len(X)
    assert np.isfinite(losses[0].validation)


WRONG = {
    "network": lambda n, X, y: learning.fit(n.layers[0], X, y),
    "X: got shape": lambda n, X, y: learning.fit(n, X[:, 1:], y),
    "X: got values": lambda n, X, y: learning.fit(n, X + 1, y),
    "y: got shape": lambda n, X, y: learning.fit(n, X, y[1:]),
    "y: got labels": lambda n, X, y: learning.fit(n, X, y + 1),
    "y: got dtype": lambda n, X, y: learning.fit(n, X, y * 1.0),
    "y: got NaN": lambda n, X, y: learning.fit(n, X, np.full((120, 3), np.nan), loss="mse"),
    "X: got dtype": lambda n, X, y: learning.fit(n, "abc", y),
    "X: got list that is no array": lambda n, X, y: learning.fit(n, [[1.0], [1.0, 2.0]], y),
    "y: got dtype complex128": lambda n, X, y: learning.fit(n, X, np.full((120, 3), 1j), loss="mse"),
    "limit: got str": lambda n, X, y: learning.fit(n, X, y, limit="a"),
    "limit: got list": lambda n, X, y: learning.fit(n, X, y, limit=[[1], [1]]),
    "decay: got str": lambda n, X, y: learning.fit(n, X, y, decay="a"),
    "loss: got ..x": lambda n, X, y: learning.fit(n, X, y, loss=["x"]),
    "validation: got int": lambda n, X, y: learning.fit(n, X, y, validation=5),
    "validation: got tuple of 1": lambda n, X, y: learning.fit(n, X, y, validation=(X,)),
    "on_epoch: got int": lambda n, X, y: learning.fit(n, X, y, on_epoch=5, progress=interrupt),
    "length: got 1208925819614629174706176": lambda n, X, y: learning.fit(n, X, y, length=2**80),
    "rate: got str": lambda n, X, y: learning.Sgd(rate="1"),
    "loss": lambda n, X, y: learning.fit(n, X, y, loss="hinge"),
    "noise": lambda n, X, y: learning.fit(n, X, y, noise="white"),
    "gradient": lambda n, X, y: learning.fit(n, X, y, gradient="none"),
    "optimiser": lambda n, X, y: learning.fit(n, X, y, optimiser="adam"),
    "epochs": lambda n, X, y: learning.fit(n, X, y, epochs=0),
    "batch": lambda n, X, y: learning.fit(n, X, y, batch=1.5),
    "length": lambda n, X, y: learning.fit(n, X, y, length=0),
    "decay": lambda n, X, y: learning.fit(n, X, y, decay=-1),
    "limit: got 3": lambda n, X, y: learning.fit(n, X, y, limit=[1, 1, 1]),
    "limit: got 0": lambda n, X, y: learning.fit(n, X, y, limit=0),
    "quantile": lambda n, X, y: learning.fit(n, X, y, quantile=0),
    "progress": lambda n, X, y: learning.fit(n, X, y, progress=3),
    "rate": lambda n, X, y: learning.Adam(rate=0),
    "momentum": lambda n, X, y: learning.Sgd(momentum=1),
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_a_named_error(task, message):
    with pytest.raises((ValueError, TypeError), match=message):
        WRONG[message](*task)


def test_networks_that_cannot_be_trained(task):
    network, X, labels = task
    square = bx.Network([make_layer(np.random.default_rng(1), 8, 8, 64, "split-unipolar")] * 2, skips=[(0, 1)])
    pool = bx.Network([bx.AveragePool2d((2, 2, 2), 2), make_layer(np.random.default_rng(1), 2, 3)])
    for other in (square, pool):
        with pytest.raises(bx.UnsupportedError, match="network"):
            learning.fit(other, X, labels)


def test_layers_of_other_kinds_are_not_passed_over(task):
    graph = bx.GraphLayer(1, 1, 1, length=64, weights=[[1.0]])
    for other in object(), graph, bx.Attention(1, 1, 1):
        layers = [*task[0].layers, other]
        with pytest.raises(bx.UnsupportedError, match=f"network: got a {type(other).__name__}"):
            Model(SimpleNamespace(skips=(), layers=layers))
