"""Number formats: there and back, and conversions by bits."""

import numpy as np
import pytest

import bitaxon as bx
from bitaxon import encoders, formats

EXACT = encoders.Sobol(3)  # multiples of 1/256 are exact in 256 bits


def test_split():
    values = np.array([-1, -0.25, 0, 0.125, 1])
    split = formats.encode_split(values, 256, encoder=EXACT)
    assert np.array_equal(split.negative, values < 0)
    assert np.array_equal(split.magnitudes, bx.encode(np.abs(values), 256, encoder=EXACT))
    assert np.array_equal(formats.decode_split(*split, 256), values)


def test_ratio():
    values = np.array([0, 1 / 3, 1, 3, 15])
    streams = formats.encode_ratio(values, 256, encoder=EXACT)
    assert np.array_equal(bx.decode(streams, 256), values / (1 + values))
    assert np.allclose(formats.decode_ratio(streams, 256), values, rtol=1e-15)
    ones = np.arange(50)  # 1 - 42/49 is not 7/49 in floats
    streams = bx.pack((np.arange(49) < ones[:, None]).astype(np.uint8))
    with np.errstate(divide="ignore"):
        assert np.array_equal(formats.decode_ratio(streams, 49), ones / (49 - ones))


def test_extended():
    values = np.array([0, 0.25, -0.5, 1, 4, -8, 64])
    extended = formats.encode_extended(values, 256, encoder=EXACT, denominator=encoders.Sobol(4))
    assert np.array_equal(formats.decode_extended(*extended, 256), values)
    drawn = formats.encode_extended(values, 10**5, seed=3)
    assert np.allclose(formats.decode_extended(*drawn, 10**5)[:-1], values[:-1], atol=0.02, rtol=0.1)
    with pytest.raises(ValueError, match="operands.*Sobol"):
        formats.encode_extended(values, 256, encoder=EXACT)
    with np.errstate(all="raise"):
        assert formats.decode_extended(bx.pack([[1, 1]]), bx.pack([[1, 0]]), 2)[0] == np.inf


def test_integral():
    values = np.array([0, 1, 2.5, 4])
    streams = formats.encode_integral(values, 300, 4, seed=5)
    assert streams.shape == (4, 4, 5) and streams.sources.shape == (4, 4)
    flat = bx.encode(np.repeat(values / 4, 4), 300, seed=5)
    assert np.array_equal(streams.reshape(16, -1), flat)
    sums = formats.integral_elements(streams, 300)
    assert sums.dtype == np.uint16
    assert np.array_equal(sums, bx.unpack(streams, 300).sum(axis=1))
    assert np.array_equal(formats.decode_integral(streams, 300), sums.mean(axis=1))
    signed = formats.encode_integral([-3, 0, 1.5], 256, 3, coding="bipolar", encoder=EXACT)
    assert np.array_equal(formats.decode_integral(signed, 256, coding="bipolar"), [-3, 0, 1.5])


def test_to_bipolar_is_one_gate():
    values = np.array([-1, -0.3, 0.7])
    split = formats.encode_split(values, 100, seed=1)
    half = bx.encode([0.5], 100, seed=2)
    bits = bx.unpack(formats.to_bipolar(split.magnitudes, 100, half, split.negative), 100)
    gates = (bx.unpack(split.magnitudes, 100) | bx.unpack(half, 100)) ^ split.negative[:, None]
    assert np.array_equal(bits, gates)
    with pytest.raises(ValueError, match="operands"):
        formats.to_bipolar(split.magnitudes, 100, bx.encode([0.5], 100, seed=1), split.negative)


def test_reencode_counts_and_draws():
    values = np.array([0, 0.25, 1])
    streams = bx.encode(values, 256, coding="bipolar", encoder=EXACT)
    again = formats.reencode(
        streams, 256, "bipolar", "unipolar", new_length=1024, encoder=encoders.Sobol(7)
    )
    assert np.array_equal(again, bx.encode(values, 1024, encoder=encoders.Sobol(7)))
    assert formats.reencode(streams, 256, "bipolar", "bipolar", seed=1).shape == streams.shape


STREAMS = bx.encode([0.5, 0.5], 100, seed=1)
HALF = bx.encode([0.5], 100, seed=2)
WRONG = {
    "split": (ValueError, "values", lambda: formats.encode_split([-1.5], 10)),
    "NaN": (ValueError, "values", lambda: formats.encode_extended([np.nan], 10)),
    "infinity": (ValueError, "values", lambda: formats.encode_ratio([np.inf], 10)),
    "below 0": (ValueError, "values", lambda: formats.encode_ratio([-1.0], 10)),
    "above m": (ValueError, "values", lambda: formats.encode_integral([3.5], 10, 3)),
    "summands": (ValueError, "summands", lambda: formats.encode_integral([0.5], 10, 0)),
    "keyword": (TypeError, "colour", lambda: formats.encode_split([0.5], 10, colour=1)),
    "signs": (ValueError, "negative", lambda: formats.decode_split(STREAMS, [True], 100)),
    "sign shapes": (ValueError, "negative", lambda: formats.decode_split(STREAMS, [[True, False]], 100)),
    "no signs": (ValueError, "negative", lambda: formats.to_bipolar(STREAMS, 100, HALF, negative=[])),
    "ragged signs": (ValueError, "negative", lambda: formats.to_bipolar(STREAMS, 100, HALF, [[1], [1, 0]])),
    "NaN signs": (TypeError, "negative", lambda: formats.decode_split(STREAMS, [np.nan, 1.0], 100)),
    "text signs": (TypeError, "negative", lambda: formats.decode_split(STREAMS, ["", "no"], 100)),
    "sign 2": (ValueError, r"negative\[1\]: got 2", lambda: formats.decode_split(STREAMS, [1, 2], 100)),
    "constant bits": (TypeError, "bits", lambda: formats.constant([1], 1.5, 10)),
    "constant length": (ValueError, "length", lambda: formats.constant([1], 2, -1)),
    "large constant": (ValueError, "numbers", lambda: formats.constant(np.array([2**63], np.uint64), 2, 10)),
    "sizes": (ValueError, "denominators", lambda: formats.decode_extended(STREAMS, STREAMS[:1], 100)),
    "tails": (ValueError, "streams", lambda: formats.decode_ratio(STREAMS | np.uint64(2**63), 100)),
    "half": (ValueError, "half", lambda: formats.to_bipolar(STREAMS, 100, np.asarray(STREAMS))),
    "range": (ValueError, "values", lambda: formats.reencode(bx.encode([-0.5], 64, coding="bipolar"), 64, "bipolar", "unipolar")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_a_named_error(name):
    kind, text, call = WRONG[name]
    with pytest.raises(kind, match=text):
        call()
