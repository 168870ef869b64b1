"""NumPy arrays are read and written where they lie."""

import tracemalloc

import numpy as np
import pytest
from conftest import CODINGS, make_inputs, make_layer, make_network

import bitaxon as bx

LAYOUTS = {
    "packed": lambda X: X,
    "by columns": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every third column": lambda X: np.repeat(X, 3, axis=1)[:, ::3],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda X: X.T.copy().T,
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "one row many times": lambda X: np.broadcast_to(X[0], X.shape),
    "off its boundary": lambda X: np.frombuffer(b"?" + X.tobytes(), X.dtype, offset=1).reshape(X.shape),
    "swapped bytes": lambda X: X.astype(X.dtype.newbyteorder()),
    "field of a record": lambda X: np.rec.fromarrays([X, np.zeros(X.shape, "u1")])["f0"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_gives_the_same_bits(rng, network, layout, dtype):
    X = rng.random((30, 20)).astype(dtype)
    laid_out = LAYOUTS[layout](X)
    same = np.ascontiguousarray(laid_out, np.float64)
    expected = network.forward_batch(same, seed=1)
    assert np.array_equal(network.forward_batch(laid_out, seed=1), expected)
    assert np.array_equal(network.forward(laid_out[3], seed=1, sample=3), expected[3])
    assert np.array_equal(network.forward_expected(laid_out), network.forward_expected(same))
    assert np.array_equal(
        network.forward_streamed(laid_out, stop="none").outputs,
        network.forward_streamed(same, stop="none").outputs,
    )
    network.calibrate(laid_out)


@pytest.mark.parametrize("values", [[0, 1, 0.5], (0, 1, 0.5), np.array([0, 1, 0.5], np.float16)])
def test_lists_and_other_real_dtypes_are_converted(values):
    layer = bx.DenseLayer(3, 2, length=64, weights=[[1, 0, 1], [0.5, 1, 0]], bias=[1, 2], seed=1)
    expected = layer.forward(np.array([0, 1, 0.5]))
    assert np.array_equal(layer.forward(values), expected)
    assert np.array_equal(layer.forward_batch([list(values)] * 2)[0], expected)
    assert np.array_equal(bx.encode(values, 64), bx.encode(np.array([0, 1, 0.5]), 64))


def test_integers_are_converted(layer):
    ones = np.ones(20, np.int32)
    assert np.array_equal(layer.forward(ones), layer.forward(ones.astype(float)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_batch_makes_no_numpy_copy_of_input_or_output(rng, dtype):
    layer = make_layer(rng, length=64)
    X = rng.random((40_000, 40)).astype(dtype)[:, ::-2]  # what a copy would show: 3.2 or 6.4 MB
    out = np.empty((len(X), 7))
    layer.forward_batch(X, out=out)
    tracemalloc.start()
    try:
        result = layer.forward_batch(X, out=out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result is out
    assert peak < 10_000


def test_prepacked_streams_are_read_where_they_lie(rng):
    layer = make_layer(rng, 256, 7, length=1024)
    packed = bx.encode(rng.random(2 * 256), 1024).reshape(2, 256, 16)
    big = np.zeros((2, 512, 24), np.uint64)
    big[:, ::2, :16] = packed
    strided = big[:, ::2, :16]
    expected = layer.forward_prepacked(packed)
    tracemalloc.start()
    try:
        outputs = layer.forward_prepacked(strided)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(outputs, expected)
    assert peak < strided.nbytes / 8
    for other in (packed[:, :, ::-1].copy()[:, :, ::-1], packed[::-1].copy()[::-1],
                  packed[:, ::-1].copy()[:, ::-1], np.asfortranarray(packed)):  # fmt: skip
        assert np.array_equal(layer.forward_prepacked(other), expected)
    one_for_all = np.broadcast_to(packed[0, 0], (256, 16))
    assert np.array_equal(layer.forward_prepacked(one_for_all), layer.forward_prepacked(one_for_all.copy()))


OUTPUTS = {
    "packed": lambda n, m: np.empty((n, m)),
    "by columns": lambda n, m: np.empty((m, n)).T,
    "every other": lambda n, m: np.empty((2 * n, 3 * m))[::2, ::3],
    "backwards": lambda n, m: np.empty((n, m))[::-1, ::-1],
}


@pytest.mark.parametrize("layout", OUTPUTS)
@pytest.mark.parametrize("make", [make_layer, make_network])
def test_out_may_have_any_strides(rng, layout, make):
    model = make(rng)
    X = rng.random((6, 20))
    packed = np.stack([model.encode(x, sample=k) for k, x in enumerate(X)])
    calls = {
        "batch": lambda out: model.forward_batch(X, out=out),
        "streamed": lambda out: model.forward_streamed(X, out=out).outputs,
        "expected": lambda out: model.forward_expected(X, out=out),
        "prepacked": lambda out: model.forward_prepacked(packed, out=out),
        "forward": lambda out: model.forward(X[0], out=None if out is None else out[0]),
        "fast": lambda out: model.forward_fast(X[0], out=None if out is None else out[0]),
    }
    for call in calls.values():
        out = OUTPUTS[layout](6, model.n_neurons)
        out[...] = np.nan
        expected = call(None)
        result = call(out)
        assert np.array_equal(result, expected)
        assert np.shares_memory(result, out)
        assert np.array_equal(out if result.ndim == 2 else out[0], expected)


def test_weights_are_a_read_only_view_of_the_layer(rng, layer):
    weights = layer.weights
    before = weights.copy()
    assert np.shares_memory(weights, layer.weights)
    with pytest.raises(ValueError):
        weights[0, 0] = 0.5
    with pytest.raises(ValueError):
        layer.bias.flags.writeable = True
    layer.set_weights(rng.random((7, 20)))
    assert np.array_equal(weights, before)
    assert not np.array_equal(layer.weights, before)
    del layer
    assert np.array_equal(weights, before)


@pytest.mark.parametrize("coding", CODINGS)
def test_empty_batches_give_empty_results(rng, coding):
    layer = make_layer(rng, coding=coding)
    assert layer.forward_batch(np.empty((0, 20))).shape == (0, 7)
    assert layer.forward_expected(np.empty((0, 20))).shape == (0, 7)
    outputs, lengths = layer.forward_streamed(np.empty((0, 20), np.float32))
    assert outputs.shape == (0, 7) and lengths.shape == (0,)


def test_one_sample_or_several(rng, layer):
    x = make_inputs(rng, layer)
    one = layer.forward_streamed(x)
    several = layer.forward_streamed(x[None])
    assert one.outputs.shape == (7,) and isinstance(one.lengths, int)
    assert several.outputs.shape == (1, 7) and several.lengths.dtype == np.int64
    assert np.array_equal(one.outputs, several.outputs[0]) and one.lengths == several.lengths[0]
    assert layer.forward_expected(x).shape == (7,)
