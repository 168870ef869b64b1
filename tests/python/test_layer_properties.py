"""The algebra of layers, hypervectors and formats, on what Hypothesis chooses: identities, monotonicity, tail bits."""

import numpy as np
from hypothesis import given, settings, strategies as st

import bitaxon as bx

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)

lengths = st.integers(1, 200)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 9)


def clean(words, length):
    """Whether nothing is set past the end."""
    return length % 64 == 0 or not (np.asarray(words)[..., -1] >> np.uint64(length % 64)).any()


@few
@given(seeds, lengths, sizes, sizes)
def test_dense_layers(seed, length, n, m):
    rng = np.random.default_rng(seed)
    W, x = rng.random((m, n)), rng.random(n)
    layer = bx.DenseLayer(n, m, length=length, weights=W, weight_scale=1.0, seed=seed)
    y = layer.forward(x)
    assert clean(layer.encode(x), length)
    # A larger number has all the ones of a smaller one in the same stream.
    assert (layer.forward(np.minimum(x + rng.random(n), 1)) >= y).all()
    assert (layer.forward(np.zeros(n)) == 0).all() and (y <= n).all()
    # Inputs of 1 leave the weights' own ones, and a sum over any split of the inputs is the whole.
    part = rng.random(n) < 0.5
    assert np.allclose(layer.forward(x * part) + layer.forward(x * ~part), y)
    layer.set_weights(np.ones((m, n)))
    assert np.allclose(layer.forward(x), bx.decode(layer.encode(x), length).sum())
    signed = bx.DenseLayer(n, m, length=length, weights=W, coding="split-unipolar", seed=seed, bias=np.ones(m))
    negated = bx.DenseLayer(n, m, length=length, weights=-W, coding="split-unipolar", seed=seed, bias=-np.ones(m))
    assert np.allclose(signed.forward(x), -negated.forward(x))


@few
@given(seeds, lengths, st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
def test_images(seed, length, channels, filters, rows, columns):
    rng = np.random.default_rng(seed)
    shape = (channels, rows, columns)
    x, more = rng.random((2, channels * rows * columns))
    W = rng.random((filters, channels, rows, columns))
    options = dict(length=length, weight_scale=1.0, seed=seed)
    # A kernel as large as the image is a dense layer, bit for bit.
    conv = bx.Conv2d(channels, filters, (rows, columns), input_size=(rows, columns), weights=W, **options)
    dense = bx.DenseLayer(x.size, filters, weights=W.reshape(filters, -1), **options)
    assert np.allclose(conv.forward(x), dense.forward(x), rtol=1e-12)
    padded = bx.Conv2d(channels, filters, (rows, columns), input_size=(rows, columns), weights=W,
                       padding=(rows - 1, columns - 1), **options)  # fmt: skip
    assert (padded.forward(np.maximum(x, more)) >= padded.forward(x)).all()
    values = bx.Flatten(shape, length=length, seed=seed).forward(x)
    assert np.allclose(values, bx.decode(bx.Flatten(shape, length=length, seed=seed).encode(x), length))
    window = (rows, columns)
    largest = bx.MaxPool2d(shape, window, length=length, seed=seed).forward(x)
    mean = bx.AveragePool2d(shape, window, length=length, seed=seed).forward(x)
    image = values.reshape(channels, -1)
    assert np.allclose(largest, image.max(axis=1)) and np.allclose(mean, image.mean(axis=1))


@few
@given(seeds, st.integers(1, 200), st.integers(-300, 300), st.integers(-300, 300))
def test_hypervectors(seed, dimension, i, j):
    a, b, c = (bx.Hypervector.random(dimension, seed=seed, index=k) for k in range(3))
    none = bx.Hypervector(np.zeros_like(a.words), dimension)
    assert a ^ b == b ^ a and (a ^ b) ^ c == a ^ (b ^ c) and a ^ a == none and a ^ none == a
    assert a.rotate(i).rotate(j) == a.rotate(i + j) and a.rotate(i) ^ b.rotate(i) == (a ^ b).rotate(i)
    assert a.similarity(b) == (a ^ c).similarity(b ^ c) == a.rotate(i).similarity(b.rotate(i))
    bundle = bx.Hypervector.bundle
    assert bundle([a, a, b]) == a and bundle([a]) == a and bundle([a, b, c]) == bundle([c, a, b])
    assert bundle([a ^ c, b ^ c, none]) == bundle([a, b, c]) ^ c
    assert all(clean(v.words, dimension) for v in (a ^ b, a.rotate(i), bundle([a, b]), bundle([a, b, c])))


@few
@given(seeds, lengths, st.integers(1, 20), st.integers(1, 6))
def test_formats(seed, length, count, summands):
    x = np.random.default_rng(seed).uniform(-1, 1, count)
    split = bx.formats.encode_split(x, length, seed=seed)
    opposite = bx.formats.encode_split(-x, length, seed=seed)
    assert (split.magnitudes == opposite.magnitudes).all() and (split.negative != opposite.negative).all()
    assert (bx.formats.decode_split(*split, length) == -bx.formats.decode_split(*opposite, length)).all()
    numbers = abs(x) * summands
    streams = bx.formats.encode_integral(numbers, length, summands, seed=seed)
    elements = bx.formats.integral_elements(streams, length)
    assert elements.max() <= summands
    assert np.allclose(bx.formats.decode_integral(streams, length), elements.mean(axis=-1))
    assert clean(split.magnitudes, length) and clean(streams, length)
