"""Attention from Python; what it computes is tested in C++ too."""

import copy
import pickle

import numpy as np
import pytest

import bitaxon as bx


def softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(Q, K, V, heads, causal=False):
    """By the formula, for arrays (samples, rows, width)."""
    split = lambda a: a.reshape(*a.shape[:2], heads, -1).swapaxes(1, 2)  # noqa: E731
    q, k, v = split(Q), split(K), split(V)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    return (softmax(scores) @ v).swapaxes(1, 2).reshape(Q.shape)


@pytest.mark.parametrize(("n_queries", "causal"), [(None, False), (None, True), (3, False)])
def test_attention_is_what_the_formula_says(rng, n_queries, causal, tmp_path):
    layer = bx.Attention(5, 2, 4, n_queries=n_queries, causal=causal, length=4096, input_range=2, seed=3)
    Q = rng.uniform(-2, 2, (2, n_queries or 5, 8))
    K, V = rng.uniform(-2, 2, (2, 2, 5, 8))
    exact = attention(Q, K, V, 2, causal)
    X = layer.pack(Q, K, V)
    assert X.shape == (2, layer.n_inputs)
    assert np.allclose(layer.forward_expected(X).reshape(Q.shape), exact, atol=1e-6)
    Y = layer(Q, K, V, seed=1)
    # Gates add 2 / sqrt(L) at most; scores of deviation 4 / sqrt(L) move an output by up to
    # sum p_j |v_j - y| <= 4 times that: 8 sigma of both.
    assert 0 < np.abs(Y - exact).max() < 8 * 18 / 4096**0.5
    assert np.sqrt(np.mean((Y - exact) ** 2)) < 4 / 4096**0.5
    assert np.array_equal(layer(Q[1], K[1], V[1], seed=1, first_sample=1), Y[1])
    P = layer.encode(X[1], seed=1, sample=1)
    assert np.array_equal(layer.forward_prepacked(P, seed=1, first_sample=1), Y[1].ravel())
    assert np.array_equal(layer.forward_streamed(X, stop="none", seed=1).outputs, Y.reshape(2, -1))
    assert (layer.n_tokens, layer.n_heads, layer.head_width) == (5, 2, 4)
    assert (layer.n_queries, layer.causal) == (n_queries or 5, causal)
    network = bx.Network([layer])
    network.save(tmp_path / "attention")
    loaded = bx.load(tmp_path / "attention").layers[0]
    for twin in copy.copy(layer), pickle.loads(pickle.dumps(layer)), loaded:
        assert type(twin) is bx.Attention and repr(twin) == repr(layer)
        assert np.array_equal(twin(Q, K, V, seed=1), Y)


def test_a_transformer_block(rng):
    tokens, width = 4, 6
    weights = rng.normal(scale=0.5, size=(4, width, width))
    project = bx.GraphLayer(tokens, width, 3 * width, length=4096, coding="bipolar", seed=1,
                            weights=weights[:3].reshape(-1, width))  # fmt: skip
    attend = bx.Attention(tokens, 2, 3, length=4096, seed=2)
    back = bx.GraphLayer(tokens, width, width, length=4096, coding="bipolar", seed=3, weights=weights[3])
    network = bx.Network([project, attend, back])
    X = rng.uniform(-1, 1, (3, tokens * width))
    network.calibrate(X, quantile=1.0)
    q, k, v = (X.reshape(3, tokens, width) @ w.T for w in weights[:3])
    exact = (attention(q, k, v, 2) @ weights[3].T).reshape(3, -1)
    assert np.allclose(network.forward_expected(X, weights="mean"), exact, atol=1e-6)
    error = network.forward_batch(X, seed=1) - exact
    assert np.sqrt(np.mean(error**2)) < 0.25 * np.sqrt(np.mean(exact**2)) + 0.05


def test_wrong_arguments_are_named(rng):
    layer = bx.Attention(5, 2, 4)
    Q = np.zeros((5, 8))
    with pytest.raises(bx.InvalidShapeError, match=r"K: got shape \(4, 8\), expected \(5, 8\)"):
        layer(Q, Q[:4], Q)
    with pytest.raises(bx.InvalidShapeError, match="Q, K, V"):
        layer.pack(Q[None], Q, Q)
    with pytest.raises(bx.InvalidValueError, match=r"samples\[0\]|X\[0\]|x\["):
        layer(Q + 2, Q, Q)
    with pytest.raises(bx.InvalidValueError, match="causal"):
        bx.Attention(5, 2, 4, n_queries=3, causal=True)
    with pytest.raises(bx.InvalidTypeError, match="causal"):
        bx.Attention(5, 2, 4, causal=1)
    with pytest.raises(bx.InvalidValueError, match="coding"):
        bx.Attention(5, 2, 4, coding="split-unipolar")
    with pytest.raises(bx.InvalidValueError, match="n_heads"):
        bx.Attention(5, 0, 4)
    with pytest.raises(bx.InvalidValueError, match="stop"):
        layer.forward_streamed(np.zeros(120))
