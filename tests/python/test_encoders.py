"""Encoders: their numbers against SciPy and big integers, their parameters, and streams that know their sources."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import bitaxon as bx
from bitaxon import encoders as e

MANY = [
    e.Lfsr(16),
    e.Lfsr(8, seed=3, taps=(8, 6, 5, 1), de_bruijn=True, phase=7),
    e.Lfsr(10, rotation=2).per_stream(phase=100),
    e.Sobol(3),
    e.Sobol(5, "owen", seed=9, bits=12).per_stream(dimension=1, seed=2),
    e.Sobol(0, scramble="shift", seed=2**64 - 1),
    e.Halton(7).per_stream(dimension=2),
    e.VanDerCorput(10, bits=20),
    e.Unary(100, ones="last", phase=5),
    e.Temporal(50),
    e.SigmaDelta(phase=3),
    e.Coprime(15),
    e.Rotation(16, 2),
    e.ClockDivision(64, 1, e.Sobol(2)),
]


def values_of(rng, n=9):
    return np.concatenate([[0.0, 1.0, 0.5], rng.random(n - 3)])


def test_sobol_numbers_are_scipys():
    qmc = pytest.importorskip("scipy.stats", reason="SciPy is not installed: Sobol not compared").qmc
    # SciPy's point is a double of 30 or 64 bits; ours has 32.
    points = qmc.Sobol(1024, scramble=False, bits=32).random(512)
    ours = np.stack([e.Sobol(d).numbers(512) for d in range(1024)], axis=1)
    assert np.array_equal(ours, points * 2.0**32)


def test_halton_numbers_are_scipys():
    qmc = pytest.importorskip("scipy.stats", reason="SciPy is not installed: Halton not compared").qmc
    points = qmc.Halton(64, scramble=False).random(3000)
    ours = np.stack([e.Halton(d).numbers(3000) for d in range(64)], axis=1)
    assert np.abs(ours - points * 2.0**32).max() <= 0.5 + 2**-10  # SciPy's sums round


def test_van_der_corput_mirrors_digits_in_whole_numbers():
    for base, first in itertools.product((2, 3, 10, 311), (0, 10**6, 2**50)):
        expected = []
        for t in range(first, first + 300):
            mirrored, denominator = 0, 1
            while t:
                t, digit = divmod(t, base)
                mirrored, denominator = mirrored * base + digit, denominator * base
            expected.append(min((2 * mirrored * 2**32 + denominator) // (2 * denominator), 2**32 - 1))
        assert e.VanDerCorput(base).numbers(300, first).tolist() == expected


def test_lfsr_numbers_are_the_registers():
    for bits in (3, 8, 19, 32):
        taps = e.maximal_taps(bits)
        assert taps[0] == bits
        state, expected = 5, []
        for _ in range(500):
            expected.append(state)
            feedback = sum(state >> (tap - 1) for tap in taps) & 1
            state = (state << 1 | feedback) & (2**bits - 1)
        register = e.Lfsr(bits, seed=5)
        assert register.numbers(500).tolist() == expected
        assert (register.phase_of(expected[77]) - register.phase_of(5)) % register.repeats_after == 77 % register.repeats_after
    assert e.maximal_taps(16) == (16, 14, 13, 11)


@pytest.mark.parametrize("encoder", MANY, ids=repr)
def test_bits_are_comparisons_with_numbers(encoder, rng):
    values = values_of(rng)
    bits = bx.unpack(bx.encode(values, 700, encoder=encoder, first_index=2, first_bit=33), 700)
    for i, value in enumerate(values):
        numbers = encoder.numbers(700, first=33, stream=2 + i, p=value)
        threshold = int(np.rint(value * encoder.levels))
        assert np.array_equal(bits[i], numbers < threshold)


@pytest.mark.parametrize("encoder", [*MANY, e.Bernoulli()], ids=repr)
def test_parts_make_the_whole(encoder, rng):
    values = values_of(rng)
    whole = bx.unpack(bx.encode(values, 3000, encoder=encoder), 3000)
    for first_bit, length, first in ((0, 100, 3), (1, 64, 0), (1000, 2000, 5), (2999, 1, 8)):
        part = bx.encode(values[first:], length, encoder=encoder, first_index=first, first_bit=first_bit)
        assert np.array_equal(bx.unpack(part, length), whole[first:, first_bit : first_bit + length])


@pytest.mark.parametrize("encoder", [*MANY, e.Bernoulli()], ids=repr)
def test_encoders_say_what_they_are(encoder):
    assert eval(repr(encoder), {**vars(e)}) == encoder
    for twin in (copy.copy(encoder), copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert twin == encoder and hash(twin) == hash(encoder)
        assert repr(twin) == repr(encoder)
    with pytest.raises(AttributeError):
        encoder.anything = 1


def test_repr_shows_what_is_not_at_its_default():
    assert repr(e.Sobol(3, "owen", seed=1)) == "Sobol(dimension=3, scramble='owen', seed=1)"
    assert repr(e.Lfsr(8, taps=[8, 6, 5, 4])) == "Lfsr(bits=8, taps=(8, 6, 5, 4))"
    assert repr(e.Rotation(256, operand=1, source=e.VanDerCorput())) == (
        "Rotation(period=256, operand=1, source=VanDerCorput())"
    )
    step = "step=Step(dimension=0, phase=5, rotation=0, seed=0)"
    assert repr(e.Lfsr().per_stream(phase=5)) == f"Lfsr({step})"


def test_periods_and_levels():
    assert (e.Lfsr(8).levels, e.Lfsr(8).repeats_after) == (256, 255)
    assert e.Lfsr(8, de_bruijn=True).repeats_after == 256
    assert (e.Sobol(bits=8).levels, e.Sobol(bits=8).repeats_after) == (256, 2**32)
    assert (e.Halton(1).levels, e.Halton(1).repeats_after) == (2**32, None)
    assert (e.Unary().levels, e.Unary().repeats_after) == (None, None)
    assert (e.Unary(10).levels, e.Unary(10).repeats_after) == (10, 10)
    assert e.Rotation(16, 1).repeats_after == e.ClockDivision(16, 1).repeats_after == 256
    assert e.Rotation(16, 2).repeats_after == 16**3
    assert e.Bernoulli().levels == 2**32 and e.Bernoulli().repeats_after is None


def test_scrambles_draw_fresh_seeds_that_repr_shows():
    a, b = e.Sobol(1, "owen"), e.Sobol(1, "owen")
    assert a.seed != b.seed and f"seed={a.seed}" in repr(a)
    assert not np.array_equal(a.numbers(10), b.numbers(10))
    assert e.Sobol(1).seed is None


def test_deterministic_products_are_exact():
    n = 16
    values = np.arange(n + 1) / n
    for a, b in [
        (e.Rotation(n), e.Rotation(n, 1)),
        (e.ClockDivision(n), e.ClockDivision(n, 1)),
        (e.Rotation(n, 0, e.Sobol(0)), e.Rotation(n, 1, e.Sobol(0))),
        (e.ClockDivision(n, 0, e.Lfsr(4, de_bruijn=True)), e.ClockDivision(n, 1, e.Lfsr(4, de_bruijn=True))),
    ]:
        x, y = (bx.encode(values, n * n, encoder=encoder) for encoder in (a, b))
        bx.check_independent(x, y)
        assert np.array_equal(
            [[bx.popcount(p & q) for q in y] for p in x], np.outer(np.arange(n + 1), np.arange(n + 1))
        )
    x, y = bx.encode(values, 240, encoder=e.Coprime(16)), bx.encode([1 / 3, 0.6], 240, encoder=e.Coprime(15))
    assert [[bx.popcount(p & q) for q in y] for p in x] == [[5 * i, 9 * i] for i in range(n + 1)]


def test_temporal_is_unary_with_ones_last():
    values = np.linspace(0, 1, 11)
    late = bx.encode(values, 20, encoder=e.Temporal())
    assert np.array_equal(late, bx.encode(values, 20, encoder=e.Unary(ones="last")))
    bits = bx.unpack(late, 20)
    assert [list(row) for row in bits] == [[0] * (20 - 2 * k) + [1] * 2 * k for k in range(11)]


def test_lfsr16_by_name_is_the_encoder(rng):
    values = values_of(rng)
    named = bx.encode(values, 70000, encoder="lfsr16", seed=44257)
    assert np.array_equal(named, bx.encode(values, 70000, encoder=e.Lfsr(16, seed=44257)))


def test_streams_keep_their_sources_where_they_stay_themselves():
    streams = bx.encode(np.full(6, 0.5), 200, encoder=e.Sobol(0).per_stream(dimension=1))
    ids = streams.sources
    assert isinstance(streams, bx.Streams) and ids.shape == (6,) and len(set(ids)) == 6
    for key in (slice(1, 4), 3, slice(None, None, -2), [4, 0], np.array([True, False] * 3), (slice(2),)):
        assert np.array_equal(streams[key].sources, ids[key])
    assert streams[-1].sources == ids[-1]
    for twin in (streams.copy(), copy.copy(streams), copy.deepcopy(streams), pickle.loads(pickle.dumps(streams))):
        assert isinstance(twin, bx.Streams) and np.array_equal(twin, streams)
        assert np.array_equal(twin.sources, ids)
    for other in (streams[:, :2], streams[..., 0], streams[None], streams.reshape(3, 2, -1), streams.T, streams[streams > 0]):
        assert getattr(other, "sources", None) is None
    for computed in (streams & streams, ~streams, np.bitwise_xor(streams, 1), streams.sum(), streams.sum(axis=0)):
        assert not isinstance(computed, bx.Streams)
    changed = streams.copy()
    changed[0] = 0
    assert changed.sources is None and streams.sources is ids
    assert np.array_equal(bx.decode(streams, 200), bx.decode(np.asarray(streams), 200))


def test_one_dimension_twice_is_refused_unless_nobody_knows():
    x, y = np.random.default_rng(1).random((2, 50))
    a = bx.encode(x, 256, encoder=e.Sobol(3))
    b = bx.encode(y, 256, encoder=e.Sobol(3, "owen", seed=5))
    with pytest.raises(ValueError, match=r"operands: got stream 0 .*Sobol.*expected independent"):
        bx.check_independent(a, b)
    many = bx.encode(y, 256, encoder=e.Sobol(0).per_stream(dimension=1))
    with pytest.raises(ValueError, match="stream 0 of one and stream 3 of the other"):
        bx.check_independent(a[4], many)
    bx.check_independent(a, bx.encode(y, 256, encoder=e.Sobol(4)))
    bx.check_independent(a, np.asarray(b))
    with pytest.raises(ValueError, match="Bernoulli"):
        bx.check_independent(bx.encode(x, 256, seed=1), bx.encode(y, 256, seed=1))
    bx.check_independent(bx.encode(x, 256, seed=1), bx.encode(y, 256, seed=2))
    bx.check_independent(bx.encode(x, 256, seed=1), bx.encode(y, 256, seed=1, first_index=50))
    with pytest.raises(ValueError, match="50 and 49"):
        bx.check_independent(a, b[1:])


WRONG = {
    "bits": (ValueError, "bits: got 2", lambda: e.Lfsr(2)),
    "negative bits": (ValueError, "bits", lambda: e.Lfsr(-1)),
    "state 0": (ValueError, "seed: got 0, expected 1 to 255", lambda: e.Lfsr(8, seed=0)),
    "state": (ValueError, "seed: got 256", lambda: e.Lfsr(8, seed=256)),
    "taps": (ValueError, "taps", lambda: e.Lfsr(8, taps=(8, 4))),
    "no taps": (ValueError, "taps", lambda: e.Lfsr(8, taps=())),
    "tap": (ValueError, "taps: got 33", lambda: e.Lfsr(8, taps=(33,))),
    "taps of a number": (TypeError, "taps: got int, expected positions", lambda: e.Lfsr(8, taps=3)),
    "a flag": (TypeError, "de_bruijn", lambda: e.Lfsr(8, de_bruijn=1)),
    "dimension": (ValueError, "dimension: got 1024, expected 0 to 1023", lambda: e.Sobol(1024)),
    "a float": (TypeError, "dimension", lambda: e.Sobol(1.5)),
    "scramble": (ValueError, "scramble: got 'Owen'", lambda: e.Sobol(1, "Owen")),
    "bits of Sobol": (ValueError, "bits: got 33", lambda: e.Sobol(1, bits=33)),
    "Halton": (ValueError, "dimension: got 256", lambda: e.Halton(256)),
    "base": (ValueError, "base: got 1", lambda: e.VanDerCorput(1)),
    "period": (ValueError, "period: got 0", lambda: e.Unary(0)),
    "long period": (ValueError, "period", lambda: e.Unary(2**32 + 1)),
    "ones": (ValueError, "ones: got 'middle', expected one of 'first', 'last'", lambda: e.Unary(ones="middle")),
    "operand": (ValueError, "operand: got -1", lambda: e.Rotation(16, -1)),
    "no operand": (TypeError, "operand: got NoneType, expected an int", lambda: e.Rotation(16, None)),
    "a half": (TypeError, "period: got float, expected an int", lambda: e.ClockDivision(1.5, 1, e.Sobol())),
    "a huge operand": (ValueError, "operand", lambda: e.ClockDivision(16, 100)),
    "source": (TypeError, "source: got SigmaDelta", lambda: e.Rotation(16, 1, e.SigmaDelta())),
    "phase": (ValueError, "phase", lambda: e.Sobol(0, phase=2**61)),
    "step": (ValueError, "step", lambda: e.Lfsr(8).per_stream(dimension=1)),
    "a number for a step": (TypeError, "step: got int, expected a Step", lambda: e.Lfsr(8, step=1)),
    "rotation": (ValueError, "rotation", lambda: e.Unary(10).per_stream(rotation=1)),
    "numbers of Bernoulli": (AttributeError, "numbers", lambda: e.Bernoulli().numbers(3)),
    "numbers of no period": (ValueError, "period", lambda: e.Unary().numbers(3)),
    "NaN": (ValueError, "values", lambda: bx.encode([0.5, np.nan], 10, encoder=e.Sobol())),
    "p": (ValueError, "p: got nan", lambda: e.SigmaDelta().numbers(3, p=np.nan)),
    "too many dimensions": (
        ValueError,
        "dimension.*stream 8",
        lambda: bx.encode(np.zeros(9), 10, encoder=e.Sobol(1021).per_stream(dimension=1)),
    ),
    "a seed": (ValueError, "encoder", lambda: bx.encode([0.5], 10, encoder=e.Sobol(), seed=1)),
    "a sample": (ValueError, "encoder", lambda: bx.encode([0.5], 10, encoder=e.Sobol(), sample=1)),
    "a class": (TypeError, "encoder", lambda: bx.encode([0.5], 10, encoder=e.Sobol)),
    "an object": (TypeError, "encoder", lambda: bx.encode([0.5], 10, encoder=3)),
    "a name": (ValueError, "encoder: got 'sobol'", lambda: bx.encode([0.5], 10, encoder="sobol")),
    "first_bit": (ValueError, "first_bit", lambda: bx.encode([0.5], 10, first_bit=2**61)),
    "part without period": (
        ValueError,
        "period: got none with a first_bit",
        lambda: bx.encode([0.5], 10, encoder=e.Unary(), first_bit=1),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_parameters_are_named_errors(name):
    kind, text, call = WRONG[name]
    with pytest.raises(kind, match=text):
        call()
