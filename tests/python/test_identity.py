"""Every bit is the one that the definition names, whatever path, tier or thread draws it."""

import numpy as np
import oracle
import pytest
from conftest import CODINGS, SUPPORTED_TIERS, make_inputs, make_layer, make_network

import bitaxon as bx

AWKWARD_VALUES = [0.0, 1.0, 0.5, 2.0**-32, 1 - 2.0**-33, 3 / 256, 0.1, 0.7310585786300049]


@pytest.mark.parametrize("length", [1, 63, 64, 65, 130])
def test_encode_is_the_definition(length):
    streams = bx.encode(AWKWARD_VALUES, length, seed=12345, layer=3, role="noise", sample=9, first_index=2)
    expected = [
        oracle.to_words(oracle.bernoulli(oracle.stream_key(12345, 3, "noise", 9, 2 + i), p, length))
        for i, p in enumerate(AWKWARD_VALUES)
    ]
    assert streams.tolist() == expected


@pytest.mark.parametrize("name", ["seed", "layer", "sample", "first_index"])
def test_names_reach_up_to_their_bounds(name):
    most = {"layer": 2**56, "first_index": 2**63}.get(name, 2**64) - 1
    identity = {"seed": 1, "layer": 2, "sample": 3, "first_index": 4, name: most}
    key = oracle.stream_key(identity["seed"], identity["layer"], "input", identity["sample"],
                            identity["first_index"])  # fmt: skip
    assert bx.encode([0.3], 64, **identity).tolist() == [oracle.to_words(oracle.bernoulli(key, 0.3, 64))]


def test_bipolar_values_are_coded_as_half_of_one_more():
    values = np.array([-1.0, -0.25, 0.0, 0.9, 1.0])
    assert np.array_equal(
        bx.encode(values, 100, coding="bipolar", seed=4), bx.encode((values + 1) / 2, 100, seed=4)
    )


@pytest.mark.parametrize("coding", CODINGS)
def test_forward_is_the_definition(rng, coding):
    layer = make_layer(rng, 5, 3, length=70, coding=coding, seed=11, id=6, input_range=4.0)
    layer.redraw()
    x = make_inputs(rng, layer)
    counts = oracle.dense_counts(layer, x, seed=5, sample=8)
    factor = layer.weight_scale * layer.input_range / layer.length
    expected = [factor * count + b for count, b in zip(counts, layer.bias)]
    assert layer.forward(x, seed=5, sample=8).tolist() == expected


def test_lfsr_is_the_circuit():
    values = np.array([0.0, 1 / 65536, 0.25, 0.5, 65535 / 65536, 1.0])
    states = oracle.lfsr16(0xACE1, 200)
    expected = [oracle.to_words([int(s < round(p * 65536)) for s in states]) for p in values]
    assert bx.encode(values, 200, seed=0xACE1, encoder="lfsr16").tolist() == expected

    register = bx.Lfsr16(0xACE1)
    for state in states:
        assert register.state == state
        register.step()


@pytest.mark.parametrize("make", [make_layer, make_network])
def test_all_whole_stream_paths_agree(rng, make):
    model = make(rng)
    X = rng.random((9, 20))
    Y = model.forward_batch(X, seed=3, first_sample=100)
    for k, x in enumerate(X):
        packed = model.encode(x, seed=3, sample=100 + k)
        assert np.array_equal(Y[k], model.forward(x, seed=3, sample=100 + k))
        assert np.array_equal(Y[k], model.forward_fast(x, seed=3, sample=100 + k))
        assert np.array_equal(Y[k], model.forward_prepacked(packed, seed=3, first_sample=100 + k))
    packed = np.stack([model.encode(x, seed=3, sample=100 + k) for k, x in enumerate(X)])
    assert np.array_equal(Y, model.forward_prepacked(packed, seed=3, first_sample=100))
    halves = [model.forward_batch(X[:4], seed=3, first_sample=100),
              model.forward_batch(X[4:], seed=3, first_sample=104)]  # fmt: skip
    assert np.array_equal(Y, np.vstack(halves))


def test_streamed_to_the_end_is_forward(rng, layer):
    X = rng.random((9, 20))
    outputs, lengths = layer.forward_streamed(X, stop="none", seed=3, first_sample=5)
    assert np.array_equal(outputs, layer.forward_batch(X, seed=3, first_sample=5))
    assert lengths.tolist() == [layer.length] * 9


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("tier", SUPPORTED_TIERS)
def test_tiers_and_threads_change_no_bit(rng, tier, threads):
    X = rng.random((70, 20))
    expected = make_network(np.random.default_rng(1)).forward_batch(X, seed=3)
    context = bx.ExecutionContext(threads=threads, tier=tier)
    assert context.tier == tier
    network = make_network(np.random.default_rng(1))
    assert np.array_equal(network.forward_batch(X, seed=3, context=context), expected)
    assert np.array_equal(bx.encode(X[0], 999, seed=1, context=context), bx.encode(X[0], 999, seed=1))


def test_the_seed_comes_from_the_call_else_the_context_else_zero(rng, layer):
    x = rng.random(20)
    five = bx.ExecutionContext(seed=5)
    assert np.array_equal(layer.forward(x), layer.forward(x, seed=0))
    assert np.array_equal(layer.forward(x, context=five), layer.forward(x, seed=5))
    assert np.array_equal(layer.forward(x, seed=6, context=five), layer.forward(x, seed=6))
    assert not np.array_equal(layer.forward(x, seed=5), layer.forward(x, seed=6))


def test_a_layer_keeps_the_context_that_it_was_made_with(rng):
    layer = make_layer(rng, context=bx.ExecutionContext(seed=5, threads=1))
    x = rng.random(20)
    assert np.array_equal(layer.forward(x), layer.forward(x, seed=5))


def test_fresh_seeds_differ_and_show(rng):
    first, second = (make_layer(rng, seed=None) for _ in range(2))
    assert first.seed != second.seed
    assert f"seed={first.seed}" in repr(first)
