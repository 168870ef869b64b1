"""The algebra of streams, on streams that Hypothesis chooses: identities, monotonicity, tail bits, causality."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import bitaxon as bx

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
one_each = settings(max_examples=3, deadline=None, derandomize=True, database=None)

lengths = st.integers(1, 300)
seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 1)


def random_words(seed, count, length, share=0.5):
    bits = np.random.default_rng(seed).random((count, length)) < share
    return np.array([bx.pack(row.astype(np.uint8)) for row in bits])


def ones(words):
    return np.array([bx.popcount(row) for row in np.atleast_2d(words)])


def tail(length):
    """Bits that must be zero in a last word."""
    return np.uint64(0) if length % 64 == 0 else ~np.uint64((1 << length % 64) - 1)


def run(name, *streams, length, **parameters):
    return bx.circuits(name, **parameters)(*streams, length=length)


@few
@given(seeds, lengths, shares)
def test_identities(seed, length, share):
    a, b, c = random_words(seed, 3, length, share)
    full, none = bx.pack(np.ones(length, np.uint8)), np.zeros_like(a)

    def same(name, x, y, expected):
        assert np.array_equal(run(name, x, y, length=length), expected), name

    for name in ("multiply", "minimum"):
        same(name, a, full, a)
        same(name, a, none, none)
        same(name, a, a, a)
        same(name, a, b, run(name, b, a, length=length))
    for name in ("saturating_add", "maximum"):
        same(name, a, none, a)
        same(name, a, full, full)
        same(name, a, a, a)
        # De Morgan
        same(name, a, b, ~run("minimum", ~a & full, ~b & full, length=length) & full)
    same("multiply_bipolar", a, full, a)
    same("multiply_bipolar", a, none, ~a & full)
    same("multiply_bipolar", a, a, full)
    same("absolute_difference", a, a, none)
    same("absolute_difference", a, none, a)
    same("subtract", a, a, none)
    product = run("multiply", run("multiply", a, b, length=length), c, length=length)
    same("multiply", a, run("multiply", b, c, length=length), product)
    # |a - b| = (a - b)+ + (b - a)+ and min + max = a + b, in bits
    apart = run("subtract", a, b, length=length) | run("subtract", b, a, length=length)
    same("absolute_difference", a, b, apart)
    low, high = run("sort", a, b, length=length, inputs=2)
    assert ones(low) + ones(high) == ones(a) + ones(b)


@few
@given(seeds, lengths, shares, st.integers(2, 6))
def test_what_is_counted_is_kept(seed, length, share, inputs):
    streams = random_words(seed, inputs, length, share)
    total = ones(streams).sum()
    assert ones(run("mean", *streams, length=length, inputs=inputs)) == total // inputs
    numbers = run("count", *streams, length=length, inputs=inputs)
    assert (ones(numbers) * 2 ** np.arange(len(numbers))).sum() == total
    ordered = run("sort", *streams, length=length, inputs=inputs)
    assert sum(ones(y) for y in ordered) == total
    assert all((x & ~y == 0).all() for x, y in zip(ordered, ordered[1:]))
    if inputs % 2:
        median = run("median", *streams, length=length, inputs=inputs)
        assert np.array_equal(median, ordered[inputs // 2])
    # Bipolar: 2 scale ones(y) = 2 total - inputs L + scale L, but for what the register holds, +-scale.
    scale = inputs
    y = ones(run("add_bipolar", *streams, length=length, inputs=inputs, scale=scale, bits=12))
    assert abs(2 * scale * y - (2 * total - inputs * length + scale * length)) <= scale


@few
@given(seeds, lengths, shares, shares)
def test_monotone(seed, length, p, q):
    p, q = sorted((p, q))
    for encoder in (None, bx.encoders.Lfsr(9), bx.encoders.Sobol(2), bx.encoders.Halton(1), bx.encoders.Unary()):
        options = {"seed": seed} if encoder is None else {"encoder": encoder}
        low, high = (bx.encode([v], length, **options) for v in (p, q))
        assert (np.asarray(low) & ~np.asarray(high) == 0).all()
    x = random_words(seed, 1, length)
    products = [
        run("multiply_conditional", x, bx.formats.constant([int(255 * v)], 8, length), length=length) for v in (p, q)
    ]
    assert (products[0] & ~products[1] == 0).all() and (products[1] & ~x == 0).all()


@pytest.mark.parametrize("name", list(bx.circuits))
@one_each
@given(seeds, lengths, shares)
def test_circuits_keep_tails_and_never_look_ahead(name, seed, length, share):
    circuit = bx.circuits[name]
    widths, inputs = {}, {}
    for k, port in enumerate(circuit.inputs):
        declared = [line for line in circuit.text.splitlines() if line.startswith(f"{port} : u") and "=" not in line]
        widths[port] = int(declared[0].split("u")[1]) if declared else 1
        inputs[port] = random_words(seed + k, widths[port], length, share)
    single = {port: words[0] if widths[port] == 1 else words for port, words in inputs.items()}

    def outputs(streams, length):
        made = circuit(**streams, length=length)
        return made if isinstance(made, tuple) else (made,)

    whole = outputs(single, length)
    assert all((y[..., -1] & tail(length) == 0).all() for y in whole)
    part = 1 + seed % length
    words = -(-part // 64)

    def cut(stream):
        short = np.ascontiguousarray(stream[..., :words])
        short[..., -1] &= ~tail(part)
        return short

    shorter = outputs({port: cut(stream) for port, stream in single.items()}, part)
    assert all(np.array_equal(cut(y), z) for y, z in zip(whole, shorter))
