"""How alike streams are, how soon and how well they tell their values.

Streams are (n, ceil(length / 64)) uint64; results are float64. Raises ValueError for arrays of other shapes, sizes
that disagree, ones past the length, and numbers outside the ranges named below; TypeError for other dtypes.
"""

from __future__ import annotations

import typing

import numpy as np
import numpy.typing as npt

from . import _bitaxon
from ._arguments import spread
from .errors import InvalidTypeError, InvalidValueError

__all__ = [
    "ErrorSummary",
    "autocorrelation",
    "correlation",
    "correlation_matrix",
    "discrepancy",
    "normalised_stability",
    "prefix_values",
    "stability",
    "summarise_errors",
]

_Words = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]
_Context = typing.Optional[_bitaxon.ExecutionContext]


def correlation(a: _Words, b: _Words, length: int, kind: str = "scc", context: _Context = None) -> _Floats:
    """Of stream i of a with stream i of b, (n,).

    kind  "scc": stochastic computing correlation (A. Alaghi and J. P. Hayes, 2013), +1 when the ones overlap as
          much as their counts allow, -1 as little; "pearson": of the bits (K. Pearson, 1895); "zce": zero
          correlation error (H. Hsiao et al., 2021), how far P(ab) is from P(a) P(b), less the distance that no
          streams of these counts can avoid.
    0 for streams without ones or without zeros.
    """
    return _bitaxon._correlation(a, b, length, kind, context)


def correlation_matrix(
    a: _Words,
    b: typing.Optional[_Words] = None,
    *,
    length: int,
    kind: str = "scc",
    out: typing.Optional[_Floats] = None,
    context: _Context = None,
) -> _Floats:
    """Of every stream of a with every stream of b (of a, if b is None), (n, m), as one bit-matrix product."""
    return _bitaxon._correlation_matrix(a, b, length, kind, out, context)


def autocorrelation(streams: _Words, length: int, lags: npt.ArrayLike, context: _Context = None) -> _Floats:
    """Of each stream with itself `lags` steps later, (n, lags): the estimate of G. E. P. Box and G. M. Jenkins,
    1976, whose value at lag 0 is 1. lags: 0 ... length - 1. 0 for constant streams."""
    return _bitaxon._autocorrelation(streams, _steps("lags", lags), length, context)


def prefix_values(streams: _Words, length: int, lengths: npt.ArrayLike, context: _Context = None) -> _Floats:
    """Progressive precision (A. Alaghi and J. P. Hayes, 2014): the share of ones in the first `lengths` bits,
    (n, lengths). lengths: 1 ... length, each larger than the one before."""
    return _bitaxon._prefix_values(streams, _steps("lengths", lengths), length, context)


def stability(
    streams: _Words,
    length: int,
    threshold: float = 0.05,
    values: typing.Optional[npt.ArrayLike] = None,
    context: _Context = None,
) -> _Floats:
    """1 - t / length, (n,), t the last length whose prefix is more than `threshold` away from the value (D. Wu et
    al., 2020). threshold: in (0, 1). values: probabilities, (n,); None: what the whole streams hold."""
    return _bitaxon._stability(streams, length, threshold, values, context)


def normalised_stability(
    streams: _Words, length: int, threshold: float = 0.05, context: _Context = None
) -> _Floats:
    """stability over the largest that a stream with as many ones can have (D. Wu, R. Yin and J. San Miguel,
    2021), (n,). threshold: in (0, 1)."""
    return _bitaxon._normalised_stability(streams, length, threshold, context)


def discrepancy(streams: _Words, length: int, context: _Context = None) -> _Floats:
    """The largest |ones in t bits - p t| / length over all t, (n,): how unevenly the ones lie. Over p it is the
    star discrepancy of the ones' places (H. Niederreiter, 1992)."""
    return _bitaxon._discrepancy(streams, length, context)


class ErrorSummary(typing.NamedTuple):
    """Bias and root mean square error, each with its interval."""

    bias: float
    bias_low: float
    bias_high: float
    rmse: float
    rmse_low: float
    rmse_high: float


def summarise_errors(
    estimates: npt.ArrayLike, expected: npt.ArrayLike, confidence: float = 0.95
) -> ErrorSummary:
    """Of independent runs: mean and root mean square of estimates - expected, (n,) both, and two-sided intervals,
    Student's (1908) for the bias, the central limit theorem's for the mean square. n is 2 or more, numbers finite,
    confidence in (0, 1); ValueError otherwise."""
    wanted = spread("expected", expected, np.shape(estimates))
    return ErrorSummary(*_bitaxon._summarise_errors(estimates, wanted, confidence))


def _steps(name: str, numbers: npt.ArrayLike) -> _Words:
    whole = np.atleast_1d(np.asarray(numbers))
    if whole.ndim != 1 or whole.dtype.kind not in "iu":
        raise InvalidTypeError(f"{name}: got {whole.dtype} of shape {whole.shape}, expected whole numbers, (n,)")
    if whole.size and whole.min() < 0:
        raise InvalidValueError(f"{name}: got {whole.min()}, expected none below 0")
    return np.ascontiguousarray(whole, dtype=np.uint64)
