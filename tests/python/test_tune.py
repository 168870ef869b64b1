"""Predicted noise, and the shortest streams that are good enough."""

import numpy as np
import pytest
from conftest import CODINGS, make_layer, make_network

import bitaxon as bx

SEEDS = 200


def measured(network, X):
    return np.std([network.forward_batch(X, seed=seed) for seed in range(SEEDS)], axis=0, ddof=1)


def ratio(network, X):
    """Of measured to predicted deviations: each is off by 5 % (one sigma) for the 200 seeds alone."""
    ratios = measured(network, X) / network.forward_deviation(X)
    assert np.abs(ratios - 1).max() < 0.25
    return np.sqrt((ratios**2).mean())


@pytest.mark.parametrize("coding", CODINGS)
def test_the_noise_of_one_layer_is_known(rng, coding):
    network = bx.Network([make_layer(rng, length=256, coding=coding, scale="mean", input_range=2.0)])
    X = rng.uniform(-2.0 if coding == "bipolar" else 0.0, 2.0, (6, 20))
    # 42 deviations, of which those of a sample share streams: 2 % together, or less than 4 %.
    assert abs(ratio(network, X) - 1) < 0.1
    assert np.array_equal(network.forward_deviation(X[2]), network.forward_deviation(X)[2])


@pytest.mark.parametrize("coding", ["split-unipolar", "bipolar"])
def test_the_noise_of_a_network_is_known(rng, coding):
    hidden = make_layer(rng, 20, 12, 256, coding, activation="none" if coding == "bipolar" else "relu")
    last = make_layer(rng, 12, 5, 256, coding, seed=8)
    network = bx.Network([hidden, last])
    low = -1.0 if coding == "bipolar" else 0.0
    network.calibrate(rng.uniform(low, 1, (100, 20)), quantile=1.0)
    assert abs(ratio(network, rng.uniform(low, 1, (8, 20))) - 1) < 0.1


def test_the_noise_of_convolutions_and_pools_is_known(rng):
    conv = bx.Conv2d(2, 4, 3, input_size=(6, 6), padding=1, length=256, coding="split-unipolar",
                     weights=rng.normal(size=(4, 2, 3, 3)), activation="relu", seed=1)  # fmt: skip
    pool = bx.AveragePool2d(conv.output_shape, 2)
    last = bx.DenseLayer(36, 3, length=256, coding="split-unipolar", weights=rng.normal(size=(3, 36)), seed=2)
    network = bx.Network([conv, pool, last])
    network.calibrate(rng.random((50, 72)), quantile=1.0)
    assert abs(ratio(network, rng.random((8, 72))) - 1) < 0.1


def test_tune_finds_shorter_streams(rng):
    network = make_network(rng, length=4096)
    X = rng.random((150, 20))
    labels = network.forward_expected(X, weights="mean").argmax(axis=1)

    def accuracy(lengths):
        network.set_lengths(lengths)
        return np.mean(network.forward_batch(X, seed=3).argmax(axis=1) == labels)

    tuned = network.tune(X, target=0.9, seed=3)
    assert [layer["length"] for layer in network.info()["layers"]] == list(tuned.lengths)
    assert tuned.accuracy == accuracy(tuned.lengths) >= 0.9
    # No shorter ones would do: neither for all layers together, nor for the layer tuned last.
    together = max(tuned.lengths)
    assert together == 64 or accuracy([together // 2] * 2) < 0.9
    last = [tuned.lengths[0], tuned.lengths[1] // 2]
    assert tuned.lengths[1] == 64 or accuracy(last) < 0.9
    assert network.tune(X, target=0.9, labels=labels, seed=3) == tuned


def test_tune_refuses_what_it_cannot_reach(rng, network):
    X = rng.random((40, 20))
    before = repr(network)
    losers = network.forward_expected(X).argmin(axis=1)
    with pytest.raises(bx.InvalidValueError, match="target: got 1, expected at most"):
        network.tune(X, target=1.0, labels=losers, longest=128)
    for wrong, message in [
        (dict(target=0), "target"),
        (dict(labels=[0]), "labels"),
        (dict(labels=[5] * 40), r"labels\[0\]"),
        (dict(shortest=128, longest=64), "shortest"),
    ]:
        with pytest.raises(ValueError, match=message):
            network.tune(X, **wrong)
    with pytest.raises(ValueError, match="lengths"):
        network.set_lengths([64])
    assert repr(network) == before


def test_networks_with_attention_and_sequences_are_tuned(rng):
    """By measurement, as all are; their noise is predicted, too (tests/layers/deviation_test.cpp)."""
    signed = dict(length=64, coding="bipolar", seed=1)
    attentive = [
        bx.GraphLayer(4, 4, 12, weights=rng.uniform(-1, 1, (12, 4)), **signed),
        bx.Attention(4, 2, 2, length=64, seed=2),
        bx.DenseLayer(16, 3, weights=rng.normal(size=(3, 16)), **signed),
    ]
    recurrent = [
        bx.GRU(4, 4, steps=4, length=64, sequence=False, weights=rng.uniform(-1, 1, (12, 8)), seed=1),
        bx.DenseLayer(4, 3, weights=rng.normal(size=(3, 4)), **signed),
    ]
    X = rng.random((40, 16))
    for layers in attentive, recurrent:
        network = bx.Network(layers)
        network.calibrate(X)
        tuned = network.tune(X, target=0.8, longest=8192, seed=3)
        assert [layer["length"] for layer in network.info()["layers"]] == list(tuned.lengths)
        labels = network.forward_expected(X, weights="mean").argmax(axis=1)
        assert tuned.accuracy == np.mean(network.forward_batch(X, seed=3).argmax(axis=1) == labels) >= 0.8
        assert (network.forward_deviation(X) > 0).all()
