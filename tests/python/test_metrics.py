"""bitaxon.metrics against the definitions, computed from unpacked bits."""

import numpy as np
import pytest

import bitaxon as bx

LENGTHS = [1, 2, 63, 64, 65, 200, 1027]


@pytest.fixture(params=LENGTHS)
def bits(request, rng):
    """(12, length): random, constant, alternating, and one edge."""
    length = request.param
    rows = list((rng.random((8, length)) < rng.random((8, 1))).astype(np.uint8))
    rows += [np.zeros(length, np.uint8), np.ones(length, np.uint8), np.arange(length, dtype=np.uint8) % 2]
    rows += [(np.arange(length) >= length // 3).astype(np.uint8)]
    return np.array(rows)


def packed(bits):
    return np.array([bx.pack(row) for row in bits])


def counts(bits):
    x = bits.astype(np.int64)
    return x.shape[1], x.sum(1)[:, None], x.sum(1)[None, :], x @ x.T


def scc(bits):
    n, a, b, both = counts(bits)
    excess = both / n - a * b / n**2
    most, least = np.minimum(a, b) / n - a * b / n**2, a * b / n**2 - np.maximum(a + b - n, 0) / n
    bound = np.where(excess > 0, most, least)
    varies = (a * (n - a) * b * (n - b)) > 0
    return np.divide(excess, bound, where=varies & (bound != 0), out=np.zeros(excess.shape))


def pearson(bits):
    deviation = bits - bits.mean(1, keepdims=True)
    norm = np.sqrt((deviation**2).sum(1))
    norms = np.outer(norm, norm)
    return np.divide(deviation @ deviation.T, norms, where=norms > 1e-9, out=np.zeros(norms.shape))


def zce(bits):
    n, a, b, both = counts(bits)
    delta = both / n - a * b / n**2
    nearest = np.floor(a * b / n + 0.5) / n - a * b / n**2
    return np.where(np.abs(delta) < 1e-15, 0, np.sign(delta) * (np.abs(delta) - np.abs(nearest)))


@pytest.mark.parametrize("kind, definition", [("scc", scc), ("pearson", pearson), ("zce", zce)])
def test_correlations_are_their_definitions(bits, kind, definition):
    words, length = packed(bits), bits.shape[1]
    expected = definition(bits)
    matrix = bx.metrics.correlation_matrix(words, length=length, kind=kind)
    assert np.allclose(matrix, expected, atol=1e-12)
    others = bx.metrics.correlation_matrix(words, words[::-1], length=length, kind=kind)
    assert np.array_equal(others, matrix[:, ::-1])
    pairs = bx.metrics.correlation(words, words[::-1], length, kind)
    assert np.array_equal(pairs, np.diagonal(others))
    out = np.full(matrix.shape, np.nan)
    assert bx.metrics.correlation_matrix(words, length=length, kind=kind, out=out) is out
    assert np.array_equal(out, matrix)


def test_large_matrices_are_mirrored(rng):
    words = bx.encode(rng.random(150), 300, seed=1)
    matrix = bx.scc_matrix(words, length=300, out=np.empty((150, 150)))
    assert np.array_equal(matrix, bx.scc_matrix(words, words.copy(), length=300))
    assert np.array_equal(matrix, matrix.T) and (np.diagonal(matrix) == 1).all()


def test_autocorrelation(bits):
    length = bits.shape[1]
    lags = sorted({0, 1 % length, length // 2, length - 1, 64 % length})
    deviation = bits - bits.mean(1, keepdims=True)
    expected = np.zeros((len(bits), len(lags)))
    for k, lag in enumerate(lags):
        products = (deviation[:, : length - lag] * deviation[:, lag:]).sum(1)
        norm = (deviation**2).sum(1)
        expected[:, k] = np.divide(products, norm, where=norm > 1e-9, out=np.zeros(len(bits)))
    assert np.allclose(bx.metrics.autocorrelation(packed(bits), length, lags), expected, atol=1e-10)


def test_what_prefixes_say(bits):
    words, length = packed(bits), bits.shape[1]
    prefixes = bits.cumsum(1) / np.arange(1, length + 1)
    at = sorted({1, (length + 1) // 2, length})
    assert np.allclose(bx.metrics.prefix_values(words, length, at), prefixes[:, np.array(at) - 1], atol=1e-15)
    t = np.arange(1, length + 1)
    p = bits.mean(1, keepdims=True)
    distance = np.abs(bits.cumsum(1) - p * t)
    assert np.allclose(bx.metrics.discrepancy(words, length), distance.max(1) / length, atol=1e-12)
    for threshold in (0.013, 0.11):
        for values in (None, np.linspace(0, 1, len(bits))):
            wanted = p if values is None else values[:, None]
            off = np.abs(prefixes - wanted) > threshold
            last = np.where(off.any(1), length - off[:, ::-1].argmax(1), 0)
            got = bx.metrics.stability(words, length, threshold, values)
            assert np.allclose(got, 1 - last / length, atol=1e-15)
        nearest = np.abs(np.rint(p * t) - p * t) > threshold * t
        best = 1 - np.where(nearest.any(1), length - nearest[:, ::-1].argmax(1), 0) / length
        stable = bx.metrics.stability(words, length, threshold)
        expected = np.divide(stable, best, where=best > 0, out=np.ones(len(bits)))
        assert np.allclose(bx.metrics.normalised_stability(words, length, threshold), expected, atol=1e-12)


def test_an_even_stream_is_as_stable_as_can_be():
    values = np.arange(1, 64) / 64
    even = bx.encode(values, 4096, encoder=bx.encoders.SigmaDelta())
    random = bx.encode(values, 4096, seed=1)
    assert bx.metrics.normalised_stability(even, 4096, 0.01).min() > 0.97
    assert bx.metrics.normalised_stability(random, 4096, 0.01).mean() < 0.9
    assert bx.metrics.discrepancy(even, 4096).max() <= 1 / 4096


def test_error_summaries_are_textbook_intervals(rng):
    # t(0.975, 9 degrees) = 2.262157, z(0.975) = 1.959964: tables of Student's and the normal distribution.
    errors = rng.normal(0.1, 1, 10)
    s = bx.metrics.summarise_errors(errors + 0.5, 0.5)
    assert np.isclose(s.bias, errors.mean()) and np.isclose(s.rmse, np.sqrt((errors**2).mean()))
    half = 2.262157 * errors.std(ddof=1) / np.sqrt(10)
    assert np.allclose([s.bias_low, s.bias_high], errors.mean() + np.array([-half, half]), rtol=1e-6)
    half = 1.959964 * (errors**2).std(ddof=1) / np.sqrt(10)
    assert np.isclose(s.rmse_high, np.sqrt((errors**2).mean() + half), rtol=1e-6)
    # Cauchy's, t with one degree: t(0.99) = tan(0.99 pi / 2).
    for confidence in (0.99, 1 - 1e-12):
        s = bx.metrics.summarise_errors([0.0, 1.0], [0.0, 0.0], confidence=confidence)
        assert np.isclose(s.bias_high - s.bias, 0.5 / np.tan((1 - confidence) * np.pi / 2))
    # 400 intervals of 90 % miss 40 times, give or take 6.
    missed = 0
    for row in rng.normal(0, 1, (400, 12)):
        s = bx.metrics.summarise_errors(row, np.zeros(12), confidence=0.9)
        missed += not s.bias_low <= 0 <= s.bias_high
    assert abs(missed - 40) < 5 * 6


WORDS = np.zeros((2, 1), np.uint64)


@pytest.mark.parametrize(
    "message, call",
    {
        "kind: got 'phi'": lambda m: m.correlation(WORDS, WORDS, 64, "phi"),
        "streams: got 2 and 1": lambda m: m.correlation(WORDS, WORDS[:1], 64),
        "past its 63 bits": lambda m: m.discrepancy(~WORDS, 63),
        "lags: got 64": lambda m: m.autocorrelation(WORDS, 64, [64]),
        "lags: got -1": lambda m: m.autocorrelation(WORDS, 64, [-1]),
        "lengths: got float64": lambda m: m.prefix_values(WORDS, 64, 0.5),
        "ascending numbers from 1 to 64": lambda m: m.prefix_values(WORDS, 64, [3, 3]),
        "threshold: got 1": lambda m: m.stability(WORDS, 64, 1.0),
        r"values\[1\]: got nan": lambda m: m.stability(WORDS, 64, 0.1, [0.5, np.nan]),
        r"values: got shape \(0,\)": lambda m: m.stability(WORDS, 64, 0.1, []),
        "streams: got shape": lambda m: m.discrepancy(WORDS[0], 64),
        "out: got shape": lambda m: m.correlation_matrix(WORDS, length=64, out=np.zeros((2, 3))),
        "out: got a strided array": lambda m: m.correlation_matrix(WORDS, length=64, out=np.zeros((2, 4))[:, ::2]),
        "at least 2": lambda m: m.summarise_errors([1.0], 1.0),
        "finite numbers": lambda m: m.summarise_errors([1.0, np.inf], 1.0),
        "confidence: got 1": lambda m: m.summarise_errors([1.0, 2.0], 1.0, 1.0),
    }.items(),
)
def test_wrong_input_is_refused(message, call):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call(bx.metrics)
