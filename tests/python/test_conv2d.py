"""Convolutions: bits, shapes, copies, networks, errors."""

import copy
import pickle

import numpy as np
import oracle
import pytest
from conftest import CODINGS

import bitaxon as bx

OPTIONS = dict(input_size=(4, 3), length=70, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2,
               input_range=2.0, weight_scale=1.5, seed=5, id=3)  # fmt: skip


def make(rng, coding="unipolar", **changed):
    low = 0.0 if coding == "unipolar" else -1.0
    weights = rng.uniform(low, 1.0, (4, 1, 3, 2))
    return bx.Conv2d(2, 4, (3, 2), weights=weights, bias=rng.normal(size=4), coding=coding,
                     **{**OPTIONS, **changed})  # fmt: skip


def inputs(rng, layer, *rows):
    low = -2.0 if layer.coding == "bipolar" else 0.0
    return rng.uniform(low, 2.0, (*rows, layer.n_inputs))


def streams(seed, layer, role, sample, values, coding):
    """(index, time) bits of a flat array of coded values."""
    key = [oracle.stream_key(seed, layer.id, role, sample, i) for i in range(values.size)]
    p = (values + 1) / 2 if coding == "bipolar" else np.abs(values)
    return np.array([oracle.bernoulli(k, float(q), layer.length) for k, q in zip(key, p.flat)])


def bit_loop(layer, x, seed, sample):
    """Signed products of every output, from bits: +-1 or 0 each, 0 for padding."""
    combined, coding = oracle.mix(layer.seed) ^ seed, layer.coding
    a = streams(combined, layer, "input", sample, x / layer.input_range, coding)
    w = layer.weights / layer.weight_scale
    b = streams(oracle.mix(layer.seed), layer, "weight", layer.redraws, w, coding)
    if coding == "bipolar":
        a, b = 2 * a - 1, 2 * b - 1
    else:
        b = b * np.where(w.reshape(-1, 1) < 0, -1, 1)
    channels, height, width = layer.input_shape
    (py, px), (sy, sx), (dy, dx) = layer.padding, layer.stride, layer.dilation
    image = np.zeros((channels, height + 2 * py, width + 2 * px, layer.length), int)
    image[:, py : py + height, px : px + width] = a.reshape(channels, height, width, -1)
    kernels = b.reshape(*layer.weights.shape, layer.length)
    filters, group_channels, ky, kx = layer.weights.shape
    result = np.zeros(layer.output_shape, int)
    for f, y, x in np.ndindex(*layer.output_shape):
        first = f // (filters // layer.groups) * group_channels
        patch = image[first : first + group_channels, y * sy : y * sy + ky * dy : dy, x * sx : x * sx + kx * dx : dx]
        result[f, y, x] = (patch * kernels[f]).sum()
    unit = layer.weight_scale * layer.input_range / layer.length
    return (unit * result + layer.bias.reshape(-1, 1, 1)).ravel()


@pytest.mark.parametrize("coding", CODINGS)
def test_every_path_equals_the_bit_loop(rng, coding):
    layer = make(rng, coding)
    layer.redraw()
    X = inputs(rng, layer, 2)
    expected = [bit_loop(layer, x, 9, 4 + k) for k, x in enumerate(X)]
    for k, x in enumerate(X):
        assert np.array_equal(layer.forward(x, seed=9, sample=4 + k), expected[k])
        assert np.array_equal(layer.forward_fast(x, seed=9, sample=4 + k), expected[k])
        assert np.array_equal(layer.forward_prepacked(layer.encode(x, seed=9, sample=4 + k)), expected[k])
    assert np.array_equal(layer.forward_batch(X, seed=9, first_sample=4), expected)
    streamed = layer.forward_streamed(X, stop="none", seed=9, first_sample=4)
    assert np.array_equal(streamed.outputs, expected) and streamed.lengths.tolist() == [70, 70]


def test_shapes_and_properties(rng):
    layer = make(rng, scale="mean", activation="relu")
    assert layer.input_shape == (2, 4, 3) and layer.n_inputs == 24
    assert layer.output_shape == (4, 2, 5) and layer.n_neurons == 40
    assert layer.weights.shape == (4, 1, 3, 2)
    assert {name: getattr(layer, name) for name in OPTIONS if name != "input_size"} == {
        name: value for name, value in OPTIONS.items() if name != "input_size"
    }
    assert repr(layer).startswith("Conv2d(2, 4, (3, 2), input_size=(4, 3), stride=(2, 1), padding=(1, 2), ")
    assert isinstance(layer, bx.Layer) and not isinstance(layer, bx.DenseLayer)
    assert bx.Conv2d(1, 1, 1, input_size=2, length=64, weights=[[[[1]]]]).output_shape == (1, 2, 2)


def test_copies_have_the_same_bits(rng):
    layer = make(rng)
    layer.redraw()
    x = inputs(rng, layer)
    expected = layer.forward(x, seed=1)
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(twin) is bx.Conv2d and repr(twin) == repr(layer)
        assert np.array_equal(twin.forward(x, seed=1), expected)
        twin.set_weights(np.zeros((4, 1, 3, 2)))
        assert np.array_equal(twin.forward(x), np.repeat(twin.bias, 10))
        assert np.array_equal(layer.forward(x, seed=1), expected)


def test_networks_hold_both_kinds(rng, tmp_path):
    conv = make(rng, "split-unipolar", activation="relu")
    dense = bx.DenseLayer(40, 3, length=70, weights=rng.normal(size=(3, 40)), coding="split-unipolar", seed=2)
    network = bx.Network([conv, dense])
    X = inputs(rng, conv, 20)
    network.calibrate(X)
    assert [type(layer) for layer in network.layers] == [bx.Conv2d, bx.DenseLayer]
    assert [layer["type"] for layer in network.info()["layers"]] == ["conv2d", "dense"]
    network.save(tmp_path / "network.safetensors")
    Y = network.forward_batch(X, seed=1)
    for twin in (bx.load(tmp_path / "network.safetensors"), pickle.loads(pickle.dumps(network))):
        assert repr(twin) == repr(network)
        assert np.array_equal(twin.forward_batch(X, seed=1), Y)


@pytest.mark.parametrize("changed, error, message", [
    (dict(input_size=None), bx.InvalidTypeError, "input_size"),
    (dict(stride=0), bx.InvalidValueError, "stride: got 0"),
    (dict(padding=(1, 2, 3)), bx.InvalidShapeError, "padding: got 3 numbers"),
    (dict(dilation=7), bx.InvalidShapeError, "kernel.y"),
    (dict(groups=3), bx.InvalidShapeError, r"weights: .*expected \(out_channels, .*\) = \(\d+, \d+, \d+, \d+\)"),
    (dict(input_range=float("nan")), bx.InvalidValueError, "input_range"),
])  # fmt: skip
def test_wrong_options_are_named(rng, changed, error, message):
    with pytest.raises(error, match=message):
        make(rng, **changed)
