"""Functions on streams, against NumPy."""

import copy
import pickle

import numpy as np
import pytest

import bitaxon as bx

LENGTHS = [1, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1021]


@pytest.mark.parametrize("length", LENGTHS)
def test_pack_and_unpack_are_packbits(rng, length):
    bits = rng.integers(0, 2, (5, length), dtype=np.uint8)
    padded = np.zeros((5, -(-length // 64) * 64), np.uint8)
    padded[:, :length] = bits
    words = np.packbits(padded, axis=1, bitorder="little").view("<u8")
    for form in (bits, bits.astype(bool), bits.tolist(), np.asfortranarray(bits)):
        assert np.array_equal(bx.pack(form), words)
    assert np.array_equal(bx.pack(bits[2]), words[2])
    assert np.array_equal(bx.unpack(words, length), bits)
    assert np.array_equal(bx.unpack(words[::-2], length), bits[::-2])
    assert np.array_equal(bx.unpack(words[2], length), bits[2])
    assert bx.unpack(words.reshape(1, 5, -1), length).shape == (1, 5, length)
    assert bx.popcount(words) == bits.sum() == bx.popcount(words[::-1].T)


@pytest.mark.parametrize("length", LENGTHS)
def test_decode_is_the_share_of_ones(rng, length):
    bits = rng.integers(0, 2, (3, 4, length), dtype=np.uint8)
    words = np.stack([bx.pack(rows) for rows in bits])
    assert np.array_equal(bx.decode(words, length), bits.sum(axis=2) / length)
    assert np.array_equal(bx.decode(words[0], length, coding="split-unipolar"), bits[0].sum(axis=1) / length)
    assert np.allclose(bx.decode(words, length, coding="bipolar"), 2 * bits.mean(axis=2) - 1, atol=1e-15)
    assert bx.decode(words[0, 0], length).shape == ()


def test_encode_is_exact_at_the_ends_and_unbiased_between(rng):
    values = np.concatenate([[0, 1], rng.random(200)])
    decoded = bx.decode(bx.encode(values, 100_000, seed=1), 100_000)
    assert decoded[0] == 0 and decoded[1] == 1
    sigma = np.sqrt(values * (1 - values) / 100_000)
    assert (np.abs(decoded - values)[2:] < 5 * sigma[2:]).all()
    bits = 100_000 * len(values)
    assert abs((decoded - values).sum()) < 4 * np.sqrt((values * (1 - values)).sum() / bits * len(values))


def scc(a, b):
    """Alaghi and Hayes (2013), from probabilities."""
    pa, pb, both = a.mean(), b.mean(), (a & b).mean()
    excess = both - pa * pb
    if excess > 0:
        return excess / (min(pa, pb) - pa * pb)
    return excess / (pa * pb - max(pa + pb - 1, 0)) if excess else 0.0


def test_scc_of_pairs_and_sets(rng):
    bits = rng.random((6, 333)) < rng.random((6, 1))
    bits[0] = True
    words = bx.pack(bits)
    expected = [[0.0 if i == 0 or j == 0 else scc(bits[i], bits[j]) for j in range(6)] for i in range(6)]
    assert np.allclose(bx.scc_matrix(words, length=333), expected, atol=1e-12)
    assert np.allclose(bx.scc_matrix(words[::2], words[1:], length=333), np.array(expected)[::2, 1:])
    assert bx.scc(words[1], words[2], 333) == pytest.approx(expected[1][2])
    assert bx.scc(words[1], words[1], 333) == 1.0
    assert bx.scc(words[1], bx.pack(~bits[1]), 333) == -1.0


def test_lfsr_streams_share_one_register():
    streams = bx.encode([0.3, 0.6], 65535, encoder="lfsr16", seed=1)
    assert bx.scc(streams[0], streams[1], 65535) == 1.0
    assert bx.popcount(streams[:1]) == round(0.3 * 65536) - 1


def test_lfsr_has_a_period_of_65535_and_copies():
    register = bx.Lfsr16(1)
    states = set()
    for _ in range(65535):
        states.add(register.state)
        register.step()
    assert len(states) == 65535 and register.state == 1
    register.step()
    for twin in (copy.copy(register), copy.deepcopy(register), pickle.loads(pickle.dumps(register))):
        assert twin.state == register.state
        twin.step()
        assert twin.state != register.state
    assert repr(bx.Lfsr16(44257)) == "Lfsr16(44257)"
