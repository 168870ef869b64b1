"""What the Python tests share."""

import os

import numpy as np
import pytest

import bitaxon as bx

os.environ["BITAXON_CACHE_DIR"] = ""  # tests leave the user's own cache alone

CODINGS = ("unipolar", "bipolar", "split-unipolar")
SUPPORTED_TIERS = [name for name, tier in bx.info()["tiers"].items() if tier["supported"]]


@pytest.fixture
def rng():
    return np.random.default_rng(2024)


@pytest.fixture
def layer(rng):
    return make_layer(rng)


@pytest.fixture
def network(rng):
    return make_network(rng)


def make_layer(rng, n_inputs=20, n_neurons=7, length=200, coding="unipolar", seed=7, **options):
    low = 0.0 if coding == "unipolar" else -1.0
    weights = rng.uniform(low, 1.0, (n_neurons, n_inputs))
    bias = rng.normal(size=n_neurons)
    return bx.DenseLayer(
        n_inputs, n_neurons, length=length, coding=coding, weights=weights, bias=bias, seed=seed, **options
    )


def make_network(rng, length=200):
    hidden = make_layer(rng, 20, 12, length, "split-unipolar", activation="relu")
    last = make_layer(rng, 12, 5, length, "split-unipolar", seed=8)
    network = bx.Network([hidden, last])
    network.calibrate(rng.random((50, 20)))
    return network


def make_inputs(rng, layer, rows=None):
    low = -1.0 if layer.coding == "bipolar" else 0.0
    shape = (layer.n_inputs,) if rows is None else (rows, layer.n_inputs)
    return rng.uniform(low, 1.0, shape) * layer.input_range
