"""Attention with linear weights, on numbers and on streams."""

import typing

import numpy as np
import numpy.typing as npt

from ...errors import InvalidShapeError, InvalidValueError
from .arguments import ABOVE_ZERO, STREAM_SEED, matrix, whole
from .layers import on_streams

__all__ = ["StochasticAttention"]

_Floats = npt.NDArray[np.float64]


class StochasticAttention:
    """StochasticAttention(dim_k, temperature=None): what each query takes from the values.

    dim_k        columns of queries and keys, of a head
    temperature  what softmax divides the scores by, above 0; sqrt(dim_k) unless given

    Q (n, dim_k), K (m, dim_k), V (m, d): finite numbers; the result is (n, d). Without softmax a query's weights are
    its scores Q @ K.T over their sum, none if that is 0.
    """

    def __init__(self, dim_k: typing.SupportsIndex, temperature: typing.Optional[float] = None) -> None:
        self.dim_k = whole("dim_k", dim_k, 1, 2**31)
        given = np.sqrt(self.dim_k) if temperature is None else temperature
        self.temperature = float(matrix("temperature", [given], (1,), low=ABOVE_ZERO)[0])

    def forward(self, Q: npt.ArrayLike, K: npt.ArrayLike, V: npt.ArrayLike) -> _Floats:
        """Linear weights, on numbers."""
        return self._heads(Q, K, V, 1, shares)

    def forward_softmax(self, Q: npt.ArrayLike, K: npt.ArrayLike, V: npt.ArrayLike) -> _Floats:
        """softmax(Q @ K.T / temperature) @ V, on numbers."""
        return self._heads(Q, K, V, 1, self._softmax)

    def forward_multihead(
        self, Q: npt.ArrayLike, K: npt.ArrayLike, V: npt.ArrayLike, n_heads: typing.SupportsIndex
    ) -> _Floats:
        """Linear weights in each of n_heads equal parts of the columns, (n, d)."""
        return self._heads(Q, K, V, whole("n_heads", n_heads, 1, 2**31), shares)

    def forward_multihead_softmax(
        self, Q: npt.ArrayLike, K: npt.ArrayLike, V: npt.ArrayLike, n_heads: typing.SupportsIndex
    ) -> _Floats:
        """The same with softmax."""
        return self._heads(Q, K, V, whole("n_heads", n_heads, 1, 2**31), self._softmax)

    def forward_sc(
        self,
        Q: npt.ArrayLike,
        K: npt.ArrayLike,
        V: npt.ArrayLike,
        length: typing.SupportsIndex = 1024,
        seed: typing.SupportsIndex = STREAM_SEED,
    ) -> _Floats:
        """Linear weights on streams: both products are dense layers, whose inputs, keys and values have streams of
        their own; the scores are counted and normalised in between. All numbers in [0, 1]."""
        queries, keys, values = self._operands(Q, K, V, 1, 1.0)
        return on_streams(shares(on_streams(queries, keys, length, seed, 0)), values.T, length, seed, 1)

    def _softmax(self, scores: _Floats) -> _Floats:
        powers = np.exp((scores - scores.max(axis=1, keepdims=True, initial=-np.inf)) / self.temperature)
        return shares(powers)

    def _operands(
        self, Q: npt.ArrayLike, K: npt.ArrayLike, V: npt.ArrayLike, n_heads: int, high: float
    ) -> typing.Tuple[_Floats, _Floats, _Floats]:
        low = -np.inf if high == np.inf else 0.0
        queries = matrix("Q", Q, (None, n_heads * self.dim_k), high, low)
        keys = matrix("K", K, (None, n_heads * self.dim_k), high, low)
        return queries, keys, matrix("V", V, (len(keys), None), high, low)

    def _heads(
        self,
        Q: npt.ArrayLike,
        K: npt.ArrayLike,
        V: npt.ArrayLike,
        n_heads: int,
        weigh: typing.Callable[[_Floats], _Floats],
    ) -> _Floats:
        operands = self._operands(Q, K, V, n_heads, np.inf)
        if operands[2].shape[1] % n_heads:
            raise InvalidShapeError(f"V: got {operands[2].shape[1]} columns, expected a multiple of {n_heads} heads")
        parts = (np.split(operand, n_heads, axis=1) for operand in operands)
        with np.errstate(over="ignore", invalid="ignore"):
            result = np.hstack([weigh(queries @ keys.T) @ values for queries, keys, values in zip(*parts)])
        if not np.isfinite(result).all():
            raise InvalidValueError("Q, K, V: got products past the largest float64, expected smaller numbers")
        return result

    def __repr__(self) -> str:
        return f"StochasticAttention(dim_k={self.dim_k}, temperature={self.temperature:g})"


def shares(scores: _Floats) -> _Floats:
    """Rows over their sums; rows of sum 0 become zeros."""
    total = scores.sum(axis=1, keepdims=True)
    return np.divide(scores, total, out=np.zeros_like(scores), where=total != 0)

