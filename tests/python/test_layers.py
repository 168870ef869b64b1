"""Layers, networks and contexts: what they compute, show, copy, pickle and save."""

import copy
import pickle

import numpy as np
import pytest
from conftest import CODINGS, make_inputs, make_layer, make_network

import bitaxon as bx


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("scale", ["sum", "mean"])
def test_outputs_scatter_around_the_product(rng, coding, scale):
    layer = make_layer(rng, length=4096, coding=coding, scale=scale, weight_scale=1.0)
    x = make_inputs(rng, layer)
    factor = 1 / 20 if scale == "mean" else 1.0
    exact = factor * layer.weights @ x + layer.bias
    # A product's variance is at most 1/4 (1 for bipolar, whose values are twice as far apart).
    sigma = factor * np.sqrt(20 / 4096) * (1.0 if coding == "bipolar" else 0.5)
    assert np.abs(layer.forward(x) - exact).max() < 5 * sigma
    assert np.abs(layer.forward_expected(x, weights="mean") - exact).max() < 1e-8
    mean = np.mean(layer.forward_batch(np.tile(x, (400, 1))), axis=0)
    assert np.abs(mean - layer.forward_expected(x)).max() < 5 * sigma / np.sqrt(400)


def test_activations(rng):
    x = rng.random(20)
    linear = make_layer(np.random.default_rng(1), coding="split-unipolar").forward(x)
    assert linear.min() < 0 and linear.max() > 1
    for activation, expected in {"relu": linear.clip(0), "clip": linear.clip(0, 1)}.items():
        layer = make_layer(np.random.default_rng(1), coding="split-unipolar", activation=activation)
        assert np.array_equal(layer.forward(x), expected)


def test_streamed_stops_early_with_the_same_winner(rng):
    weights = np.full((4, 20), 0.2)
    weights[2] = 0.9
    layer = bx.DenseLayer(20, 4, length=4096, weights=weights, seed=1)
    X = rng.uniform(0.3, 1, (200, 20))
    outputs, lengths = layer.forward_streamed(X, delta=0.01)
    assert (outputs.argmax(axis=1) == 2).all()
    assert lengths.max() < 1000 and (lengths % 64 == 0).all()
    assert layer.forward_streamed(X, stop=None).lengths.tolist() == [4096] * 200


def test_redraw_draws_the_same_weights_anew(rng, layer):
    x = rng.random(20)
    before, checksum, weights = layer.forward(x), layer.checksum, layer.weights
    layer.redraw()
    assert layer.redraws == 1 and layer.checksum != checksum
    assert not np.array_equal(layer.forward(x), before)
    assert np.array_equal(layer.weights, weights)


def test_set_weights_follows_the_largest_weight_unless_told(rng):
    W = rng.random((7, 20))
    following = make_layer(rng)
    following.set_weights(3 * W)
    assert following.weight_scale == 3 * W.max()
    fixed = make_layer(rng, weight_scale=8.0)
    fixed.set_weights(3 * W)
    assert fixed.weight_scale == 8.0


def test_properties_are_the_options():
    options = dict(length=65, coding="bipolar", scale="mean", activation="clip", weight_scale=2.0,
                   input_range=3.0, seed=2**64 - 1, id=5)  # fmt: skip
    layer = bx.DenseLayer(3, 2, weights=np.ones((2, 3)), **options)
    assert {name: getattr(layer, name) for name in options} == options
    assert (layer.n_inputs, layer.n_neurons, layer.redraws, layer.context) == (3, 2, 0, None)
    assert layer.bias.tolist() == [0, 0]
    for shown in ("DenseLayer(3, 2", "length=65", "coding='bipolar'", "seed=18446744073709551615", "id=5"):
        assert shown in repr(layer)


def test_numpy_integers_are_integers(rng):
    layer = make_layer(rng, length=np.int32(64), seed=np.uint64(2**63))
    assert layer.seed == 2**63
    x = rng.random(20)
    assert np.array_equal(layer.forward(x, seed=np.uint8(3), sample=np.int64(4)), layer.forward(x, 3, 4))


def copies(value):
    yield copy.copy(value)
    yield copy.deepcopy(value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(value, protocol))


@pytest.mark.parametrize("coding", CODINGS)
def test_copies_of_layers_have_the_same_bits(rng, coding):
    layer = make_layer(rng, coding=coding, id=3, input_range=2.0, scale="mean", activation="relu")
    layer.redraw()
    x = make_inputs(rng, layer)
    expected = layer.forward(x, seed=1)
    for twin in copies(layer):
        assert repr(twin) == repr(layer) and twin.checksum == layer.checksum
        assert np.array_equal(twin.forward(x, seed=1), expected)
        twin.redraw()
        twin.set_weights(np.full((7, 20), 2.0))
        assert twin.weight_scale == 2.0
        assert np.array_equal(layer.forward(x, seed=1), expected)


def test_copies_keep_a_weight_scale_that_was_given(rng):
    layer = make_layer(rng, weight_scale=4.0)
    for twin in copies(layer):
        twin.set_weights(np.zeros((7, 20)))
        assert twin.weight_scale == 4.0


def test_copies_of_networks_have_the_same_bits(rng, network):
    X = rng.random((5, 20))
    expected = network.forward_batch(X, seed=1)
    for twin in copies(network):
        assert repr(twin) == repr(network)
        assert np.array_equal(twin.forward_batch(X, seed=1), expected)
        twin.redraw()
        assert np.array_equal(network.forward_batch(X, seed=1), expected)


def test_copies_of_contexts():
    for context in (
        bx.ExecutionContext(threads=3, tier="portable", seed=9),
        bx.ExecutionContext(pinned=True, core_type="efficient", priority="high"),
        bx.ExecutionContext(),
    ):
        for twin in copies(context):
            assert repr(twin) == repr(context)
    assert repr(bx.ExecutionContext(threads=1, tier="portable", pinned=True, priority="low")) == (
        "ExecutionContext(threads=1, tier='portable', seed=0, pinned=True, priority='low')"
    )
    assert repr(bx.ExecutionContext(threads=3, tier="portable", seed=9)) == (
        "ExecutionContext(threads=3, tier='portable', seed=9)"
    )


def test_context_travels_with_its_layer(rng):
    layer = make_layer(rng, context=bx.ExecutionContext(threads=1, seed=4))
    for twin in copies(layer):
        assert twin.context.seed == 4


def test_save_and_load(tmp_path, rng, network):
    network.redraw()
    path = tmp_path / "network.safetensors"
    for form in (path, str(path), str(path).encode()):
        network.save(form)
        loaded = bx.load(form)
        assert repr(loaded) == repr(network)
    X = rng.random((5, 20))
    assert np.array_equal(loaded.forward_batch(X, seed=1), network.forward_batch(X, seed=1))
    assert bx.load(path, context=bx.ExecutionContext(seed=6)).context.seed == 6


def test_network_numbers_its_layers_and_leaves_the_originals(rng):
    first, second = make_layer(rng, 20, 12), make_layer(rng, 12, 5)
    network = bx.Network([first, second])
    assert [layer.id for layer in network.layers] == [0, 1]
    assert second.id == 0
    assert [layer.n_neurons for layer in network.layers] == [12, 5]
    network.layers[0].redraw()
    assert network.layers[0].redraws == 0


def test_calibration_sets_ranges_and_saturation_is_counted(rng):
    network = make_network(rng)
    reach = network.layers[1].input_range
    X = rng.random((50, 20))
    network.calibrate(X, quantile=0.8)
    info = network.info()
    assert info["saturated"] == 0
    assert info["layers"][1]["input_range"] == network.layers[1].input_range < reach
    network.forward_batch(X)
    assert network.info()["saturated"] > 0
    hidden = network.layers[0].forward_expected(X, weights="mean")
    assert np.quantile(np.abs(hidden), 0.8, method="higher") >= network.layers[1].input_range


def test_a_network_is_its_layers_in_turn(rng):
    network = make_network(rng, length=4096)
    X = rng.random((20, 20))
    hidden = network.layers[0].forward_expected(X).clip(0, network.layers[1].input_range)
    exact = network.layers[1].forward_expected(hidden)
    assert np.allclose(network.forward_expected(X), exact, atol=1e-12)
    assert np.abs(network.forward_batch(X) - exact).max() < 0.3
    assert np.abs(network.forward_streamed(X, stop="none").outputs - exact).max() < 0.3


def test_copies_of_a_network_count_saturation_on_their_own(rng, network):
    twin, before = copy.deepcopy(network), network.info()["saturated"]
    twin.calibrate(rng.random((50, 20)), quantile=0.6)
    other = copy.copy(twin)
    other.forward_batch(rng.random((50, 20)))
    assert other.info()["saturated"] > twin.info()["saturated"] == 0
    assert network.info()["saturated"] == before


@pytest.mark.parametrize("name", ["DenseLayer", "Network", "ExecutionContext", "Lfsr16"])
def test_classes_are_final_and_objects_without_init_are_refused(name):
    cls = getattr(bx, name)
    with pytest.raises(TypeError):
        type("Sub", (cls,), {})
    bare = cls.__new__(cls)
    with pytest.raises(TypeError, match="__init__ was not called"):
        repr(bare)


def test_a_context_without_init_is_refused(rng, layer):
    bare = bx.ExecutionContext.__new__(bx.ExecutionContext)
    with pytest.raises(TypeError, match="__init__ was not called"):
        layer.forward(rng.random(20), context=bare)


def test_skips_add_the_outputs_of_earlier_layers(rng, tmp_path):
    layers = [make_layer(rng, n, m, 256, "split-unipolar", seed=n) for n, m in ((20, 9), (9, 9), (9, 9), (9, 4))]
    network = bx.Network(layers, skips=[(0, 2), (0, 1)])
    X = rng.random((8, 20))
    network.calibrate(X)
    first, second, third, last = network.layers

    def chain(path, x):
        a = path(first, x)
        b = path(second, a.clip(0, second.input_range)) + a
        c = path(third, b.clip(0, third.input_range)) + a
        return path(last, c.clip(0, last.input_range))

    Y = network.forward_batch(X, seed=3)
    for k, x in enumerate(X):
        expected = chain(lambda layer, h: layer.forward(h, seed=3, sample=k), x)
        assert np.array_equal(Y[k], expected)
        assert np.array_equal(network.forward_fast(x, seed=3, sample=k), expected)
        packed = network.encode(x, seed=3, sample=k)
        assert np.array_equal(network.forward_prepacked(packed, seed=3, first_sample=k), expected)
    assert np.allclose(network.forward_expected(X), chain(lambda layer, h: layer.forward_expected(h), X), atol=1e-12)
    network.set_lengths([1 << 16] * 4)
    limit = network.forward_expected(X)
    # Sigma of an output is below 0.1 at 65,536 bits, of streams in blocks some more.
    assert np.abs(network.forward_streamed(X, stop="none").outputs - limit).max() < 0.6
    network.save(tmp_path / "skips")
    for twin in (bx.load(tmp_path / "skips"), *copies(network)):
        assert twin.skips == ((0, 2), (0, 1)) and repr(twin) == repr(network)
        assert np.array_equal(twin.forward_batch(X, seed=1), network.forward_batch(X, seed=1))
    assert repr(network).endswith("], skips=[(0, 2), (0, 1)])")
    for skips, error in [([(1, 0)], ValueError), ([(0, 3)], ValueError), ([(0, 4)], ValueError), ([1], TypeError),
                         (3, TypeError)]:  # fmt: skip
        with pytest.raises(error, match="skips"):
            bx.Network(layers, skips=skips)
    with pytest.raises(ValueError, match="stop"):
        bx.Network(layers[:3], skips=[(0, 2)]).forward_streamed(X)
