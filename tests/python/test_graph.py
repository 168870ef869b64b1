"""Graph layers from Python; what they compute is tested in C++ too."""

import copy
import pickle

import numpy as np
import pytest

import bitaxon as bx

INDPTR, INDICES, VALUES = [0, 2, 2, 3, 5], [1, 3, 0, 0, 3], [0.5, 1.0, 2.0, 3.0, 1.0]
DENSE = np.array([[0, 0.5, 0, 1], [0, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 1]])


def coefficients(aggregate):
    if aggregate == "sum":
        return DENSE
    if aggregate == "mean":
        rows = DENSE.sum(1, keepdims=True)
        return np.divide(DENSE, rows, out=np.zeros_like(DENSE), where=rows > 0)
    looped = DENSE + np.eye(4)
    degrees = looped.sum(1) ** -0.5
    return degrees[:, None] * looped * degrees


def make(rng, adjacency=(INDPTR, INDICES, VALUES), **options):
    options = {"length": 4096, "coding": "split-unipolar", "seed": 3, "activation": "relu"} | options
    return bx.GraphLayer(4, 3, 2, adjacency, weights=rng.normal(size=(2, 3)), bias=[0.1, -0.2], **options)


@pytest.mark.parametrize("aggregate", ["sum", "mean", "gcn"])
def test_aggregates(rng, aggregate, tmp_path):
    layer = make(rng, aggregate=aggregate, id=2)
    X = rng.random((6, layer.n_inputs))
    y = coefficients(aggregate) @ (X.reshape(6, 4, 3) @ layer.weights.T) + layer.bias
    y = np.maximum(y, 0).reshape(6, 8)
    assert np.allclose(layer.forward_expected(X, weights="mean"), y, atol=1e-7)
    outputs = layer.forward_batch(X, seed=1)
    # A product's variance over both streams is below 1/4 of scale^2 / length; 8 sigma.
    worst = 8 * np.abs(coefficients(aggregate)).sum(1).max() * layer.weight_scale * (3 / 4 / 4096) ** 0.5
    assert 0 < np.abs(outputs - y).max() < worst
    assert np.array_equal(layer.forward(X[2], seed=1, sample=2), outputs[2])
    assert (layer.n_nodes, layer.n_features, layer.n_node_neurons) == (4, 3, 2)
    assert layer.aggregate == aggregate and layer.weights.shape == (2, 3)
    for kept, given in zip(layer.adjacency, (INDPTR, INDICES, VALUES), strict=True):
        assert kept.tolist() == given
    network = bx.Network([make(rng, aggregate=aggregate)])
    network.save(tmp_path / "graph")
    assert repr(bx.load(tmp_path / "graph").layers[0]) == repr(network.layers[0])
    for twin in copy.copy(layer), pickle.loads(pickle.dumps(layer)):
        assert type(twin) is bx.GraphLayer and repr(twin) == repr(layer)
        assert np.array_equal(twin.forward_batch(X, seed=1), outputs)


def test_adjacency_of_scipy(rng):
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed: its matrices are not read")
    for matrix in sparse.csr_matrix(DENSE), sparse.coo_matrix(DENSE), sparse.csr_array(DENSE):
        kept = make(rng, matrix).adjacency
        assert [a.tolist() for a in kept] == [INDPTR, INDICES, VALUES]
    with pytest.raises(bx.InvalidShapeError, match=r"adjacency: got shape \(3, 3\)"):
        make(rng, sparse.eye(3))


def test_a_large_graph_is_never_dense(rng):
    n = 100_000
    indices = np.sort(np.stack([np.arange(n), (np.arange(n) + 1) % n]), axis=0).T.ravel()
    ring = bx.GraphLayer(n, 1, 1, (np.arange(0, 2 * n + 1, 2), indices), length=64, weights=[[1]],
                         aggregate="sum", seed=1)  # fmt: skip
    x = rng.random(n)
    y = ring.forward_fast(x, seed=2)
    counted = bx.decode(ring.encode(x, seed=2), 64)  # weight 1: what the streams hold
    assert np.allclose(y, counted + np.roll(counted, -1), atol=1e-12)


def test_without_adjacency_every_row_is_dense(rng):
    weights = rng.random((2, 3))
    rows = bx.GraphLayer(4, 3, 2, length=64, weights=weights, seed=1)
    dense = bx.DenseLayer(3, 2, length=64, weights=weights, seed=1)
    x = rng.random(12)
    assert np.array_equal(rows.forward(x, seed=2)[:2], dense.forward(x[:3], seed=2))
    assert rows.checksum == dense.checksum


@pytest.mark.parametrize(
    ("adjacency", "message"),
    [
        (([0, 1, 1, 2], INDICES), "indptr: got 4 values"),
        (([0, 2, 1, 3, 5], INDICES), r"indptr\[2\]: got 1"),
        ((INDPTR, [1, 9, 0, 0, 3]), r"indices\[1\]: got 9"),
        ((INDPTR, [3, 1, 0, 0, 3]), r"indices\[1\]: got 1, expected more than 3"),
        ((INDPTR, [1, -3, 0, 0, 3]), r"indices\[1\]: got -3"),
        ((INDPTR, INDICES, [1, 1, np.nan, 1, 1]), r"values\[2\]: got nan"),
        ((INDPTR, INDICES, [1, 1, -1, 1, 1]), r"values\[2\]: got -1"),
        ((INDPTR, INDICES, [1, 1]), "values: got shape"),
        ((INDPTR,), "adjacency: got 1 arrays"),
        (([], []), "indptr: got 0 values"),
    ],
)
def test_wrong_adjacencies_are_named(rng, adjacency, message):
    with pytest.raises(ValueError, match=message):
        make(rng, adjacency)


def test_wrong_options_are_named(rng):
    with pytest.raises(bx.InvalidTypeError, match="indices: got dtype float64"):
        make(rng, (INDPTR, [1.0, 3.0, 0.0, 0.0, 3.0]))
    with pytest.raises(bx.InvalidTypeError, match="adjacency: got str"):
        make(rng, "ring")
    with pytest.raises(bx.InvalidValueError, match="aggregate: got 'max', expected one of sum, mean, gcn"):
        make(rng, aggregate="max")
    with pytest.raises(bx.InvalidShapeError, match="weights: got shape"):
        bx.GraphLayer(4, 3, 2, length=64, weights=np.ones((3, 2)))
    with pytest.raises(bx.InvalidValueError, match="stop"):
        make(rng).forward_streamed(np.zeros(12))
