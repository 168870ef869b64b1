"""Numbers that take more than one stream, or more than [0, 1], and conversions between formats.

**drawing hands keyword arguments on to encode: encoder, seed, layer, role, sample, first_index, context.
ValueError is raised for values outside the ranges named below, for sizes that disagree and for ones past the
length, TypeError for other dtypes. Conversions by bits (to_bipolar) keep the streams; where no gate does it,
reencode counts them and draws others.
"""

from __future__ import annotations

import typing

import numpy as np
import numpy.typing as npt

from . import _bitaxon, encoders
from .errors import InvalidTypeError, InvalidValueError
from .streams import Streams

__all__ = [
    "Extended",
    "Split",
    "constant",
    "decode_extended",
    "decode_integral",
    "decode_ratio",
    "decode_split",
    "encode_extended",
    "encode_integral",
    "encode_ratio",
    "encode_split",
    "integral_elements",
    "reencode",
    "to_bipolar",
]

_Words = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]


class Split(typing.NamedTuple):
    """Sign and magnitude."""

    magnitudes: Streams
    """(n, ceil(length / 64)): streams of |value|."""
    negative: npt.NDArray[np.bool_]
    """(n,): whether the value is below 0."""


class Extended(typing.NamedTuple):
    """The value is the quotient of two bipolar streams."""

    numerators: Streams
    """(n, ceil(length / 64))."""
    denominators: Streams
    """(n, ceil(length / 64))."""


def constant(numbers: npt.ArrayLike, bits: int, length: int) -> _Words:
    """Whole numbers 0 ... 2^bits - 1 that stay the same over a stream, for inputs of circuits that take
    numbers: (n, bits, ceil(length / 64)), the lowest bit first. bits: 1 to 24."""
    whole = np.asarray(numbers)
    if whole.ndim != 1 or whole.dtype.kind not in "iu":
        raise InvalidTypeError(f"numbers: got {whole.dtype} of shape {whole.shape}, expected whole ones, (n,)")
    for name, number, most in (("bits", bits, 24), ("length", length, 2**31)):
        if not isinstance(number, (int, np.integer)):
            raise InvalidTypeError(f"{name}: got {type(number).__name__}, expected int")
        if not 1 <= number <= most:
            raise InvalidValueError(f"{name}: got {number}, expected 1 to {most}")
    if whole.size and not 0 <= int(whole.min()) <= int(whole.max()) < 2 ** int(bits):
        raise InvalidValueError(f"numbers: got {whole.min()} to {whole.max()}, expected 0 to {2 ** int(bits) - 1}")
    each = whole.astype(np.uint64)[:, None] >> np.arange(bits, dtype=np.uint64) & np.uint64(1)
    ones = _bitaxon.pack(np.ones(length, np.uint8))
    return np.asarray(each[:, :, None] * ones)


def encode_split(values: npt.ArrayLike, length: int, **drawing: typing.Any) -> Split:
    """Values in [-1, 1] as sign and magnitude: far less noise near 0 than bipolar has."""
    return Split(*_bitaxon._encode_split(values, length, drawing))


def decode_split(magnitudes: _Words, negative: npt.ArrayLike, length: int) -> _Floats:
    """The values, (n,). negative: (n,) bool, or whole numbers 0 and 1; ValueError or TypeError for others."""
    return _bitaxon._decode_split(magnitudes, negative, length)


def encode_ratio(values: npt.ArrayLike, length: int, **drawing: typing.Any) -> Streams:
    """Values v >= 0 as the ratio of ones to zeros (B. R. Gaines, 1969): probability v / (1 + v)."""
    return _bitaxon._encode_ratio(values, length, drawing)


def decode_ratio(streams: _Words, length: int) -> _Floats:
    """Ones over zeros, (n,); inf for a stream without zeros."""
    return _bitaxon._decode_ratio(streams, length)


def encode_extended(
    values: npt.ArrayLike,
    length: int,
    *,
    denominator: typing.Optional[encoders.Encoder] = None,
    **drawing: typing.Any,
) -> Extended:
    """Any finite values as quotients of two bipolar streams, value / 1 up to magnitude 1, else
    sign / (1 / |value|): extended stochastic logic (V. Canals, A. Morro, A. Oliver, M. L. Alomar and J. L.
    Rossello, 2016).

    A product is XNOR of numerators over XNOR of denominators: between values, and between the two parts, SCC
    must be 0.

    denominator  another encoder for the denominators. Bernoulli needs none: numerators then take the indices
                 first_index ... first_index + n - 1, denominators the n after these, so the next call should begin
                 at first_index + 2 n. With another encoder they take the numerators' indices. Where both are of
                 one source (encoders.Sobol of one dimension, say) ValueError is raised
    """
    return Extended(*_bitaxon._encode_extended(values, length, denominator, drawing))


def decode_extended(numerators: _Words, denominators: _Words, length: int) -> _Floats:
    """The quotients, (n,): inf or nan where a denominator has as many ones as zeros."""
    return _bitaxon._decode_extended(numerators, denominators, length)


def encode_integral(
    values: npt.ArrayLike, length: int, summands: int, *, coding: str = "unipolar", **drawing: typing.Any
) -> Streams:
    """Values in [0, m], bipolar in [-m, m], as sums of m = summands streams of value / m (A. Ardakani, F.
    Leduc-Primeau, N. Onizawa, T. Hanyu and W. J. Gross, 2017).

    The m streams should be independent (SCC 0) or spread: with encoders, say per_stream.

    Returns (n, m, ceil(length / 64)); stream k of value i has index first_index + i * m + k.
    """
    return _bitaxon._encode_integral(values, length, summands, coding, drawing)


def integral_elements(streams: _Words, length: int) -> npt.NDArray[np.uint16]:
    """The sums at each time, (n, length): 0 ... m. A bipolar element is 2 sum - m."""
    return _bitaxon._integral_elements(streams, length)


def decode_integral(streams: _Words, length: int, *, coding: str = "unipolar") -> _Floats:
    """The mean elements, (n,)."""
    return _bitaxon._decode_integral(streams, length, coding)


def to_bipolar(
    streams: _Words, length: int, half: _Words, negative: typing.Optional[npt.ArrayLike] = None
) -> _Words:
    """By bits, unipolar or split streams as bipolar ones of the same values: stream OR half, its complement
    where negative. Raises ValueError if half is known to share a source with a stream.

    half      one stream of probability 1/2, SCC 0 with the others
    negative  Split.negative: (n,) bool, or whole numbers 0 and 1; None: no value is below 0
    """
    return _bitaxon._to_bipolar(streams, length, half, negative)


def reencode(
    streams: _Words,
    length: int,
    from_coding: str,
    to_coding: str,
    *,
    new_length: typing.Optional[int] = None,
    **drawing: typing.Any,
) -> Streams:
    """Counts each stream and draws another of the value that it has: for a coding that no gate makes, for
    another length, for independence. Raises ValueError where a value is outside the new coding's range."""
    return _bitaxon._reencode(streams, length, from_coding, to_coding, new_length, drawing)
