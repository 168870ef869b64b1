"""Pooling, Flatten and batch normalisation from Python; what they compute is tested in C++ too."""

import copy
import pickle

import numpy as np
import pytest

import bitaxon as bx

SHAPE = (2, 4, 6)


def windows(x, fill):
    """(channels, 2, 3, 6): blocks of 3 x 2 of an image padded by a row above and below."""
    padded = np.pad(x.reshape(SHAPE), ((0, 0), (1, 1), (0, 0)), constant_values=fill)
    return padded.reshape(2, 2, 3, 3, 2).swapaxes(2, 3).reshape(2, 2, 3, 6)


@pytest.mark.parametrize("kind", [bx.AveragePool2d, bx.MaxPool2d])
def test_pools(rng, kind, tmp_path):
    layer = kind(SHAPE, (3, 2), padding=(1, 0), length=200, input_range=2.0, seed=3)
    x = rng.uniform(0, 2, layer.n_inputs)
    counted = 2.0 * bx.decode(layer.encode(x, seed=1), 200)
    pooled = windows(counted, 0).mean(-1) if kind is bx.AveragePool2d else windows(counted, -9).max(-1)
    assert np.allclose(layer.forward(x, seed=1), pooled.ravel(), atol=1e-12)
    assert layer.input_shape == SHAPE and layer.output_shape == (2, 2, 3)
    assert (layer.kernel_size, layer.stride, layer.padding) == ((3, 2), (3, 2), (1, 0))
    bx.Network([layer]).save(tmp_path / "pool")
    twins = copy.copy(layer), pickle.loads(pickle.dumps(layer)), bx.load(tmp_path / "pool").layers[0]
    for twin in twins:
        assert type(twin) is kind and repr(twin) == repr(layer)
        assert np.array_equal(twin.forward(x, seed=1), layer.forward(x, seed=1))


def test_a_network_of_images(rng):
    weights = rng.normal(size=(3, 2, 3, 3))
    conv = bx.Conv2d(2, 3, 3, input_size=(4, 6), padding=1, length=4096, weights=weights, seed=1,
                     coding="split-unipolar", activation="none")  # fmt: skip
    mean, variance = rng.normal(size=3), rng.uniform(0.5, 2, 3)
    conv.fold_batch_norm(mean, variance, gamma=[1, -1, 2], beta=[0, 1, 0.5])
    gain = np.array([1, -1, 2]) / np.sqrt(variance + 1e-5)
    assert np.allclose(conv.weights, weights * gain.reshape(-1, 1, 1, 1))
    assert np.allclose(conv.bias, -mean * gain + [0, 1, 0.5])
    pool = bx.AveragePool2d(conv.output_shape, 2)
    flat = bx.Flatten(pool.output_shape)
    dense = bx.DenseLayer(18, 4, length=4096, weights=rng.normal(size=(4, 18)), coding="split-unipolar", seed=2)
    network = bx.Network([conv, pool, flat, dense])
    X = rng.random((5, 48))
    network.calibrate(X)
    hidden = conv.forward_expected(X).reshape(5, 3, 2, 2, 3, 2).mean((3, 5)).reshape(5, 18)
    hidden = hidden.clip(0, network.layers[3].input_range)
    assert np.allclose(network.forward_expected(X), network.layers[3].forward_expected(hidden), atol=1e-9)
    assert [layer["type"] for layer in network.info()["layers"]] == ["conv2d", "average_pool2d", "flatten", "dense"]
    twin = pickle.loads(pickle.dumps(network))
    assert np.array_equal(twin.forward_batch(X, seed=3), network.forward_batch(X, seed=3))


def test_wrong_options_are_named():
    with pytest.raises(bx.InvalidShapeError, match="input_shape: got 2 numbers"):
        bx.MaxPool2d((4, 4), 2)
    with pytest.raises(bx.InvalidTypeError, match="input_shape"):
        bx.Flatten(4)
    with pytest.raises(bx.InvalidShapeError, match="padding"):
        bx.MaxPool2d(SHAPE, 2, padding=2)
    with pytest.raises(bx.InvalidValueError, match="stop"):
        bx.MaxPool2d(SHAPE, 2).forward_streamed(np.zeros(48))
    with pytest.raises(bx.InvalidShapeError, match="mean"):
        bx.DenseLayer(1, 1, length=64, weights=[[1]]).fold_batch_norm([1, 2], [1, 2])
