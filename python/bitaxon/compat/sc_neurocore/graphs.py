"""A graph layer: the features of a node's neighbours are averaged, then weighted."""

import typing

import numpy as np
import numpy.typing as npt

from ...errors import InvalidTypeError, InvalidValueError
from .arguments import STREAM_SEED, matrix, whole
from .attention import shares
from .layers import on_streams

__all__ = ["StochasticGraphLayer"]

_Floats = npt.NDArray[np.float64]


class StochasticGraphLayer:
    """tanh(A @ X @ weights), the rows of A over their sums: StochasticGraphLayer(adj_matrix, n_features, seed=42).

    adj_matrix  (n, n), 0 or more: row i holds what node i takes from each node. The engine divides negative rows by
                their negative sums; here they are a ValueError
    n_features  columns of X
    seed        of the weights, (n_features, n_features), drawn evenly from [0, 1)
    """

    def __init__(
        self, adj_matrix: npt.ArrayLike, n_features: typing.SupportsIndex, seed: typing.SupportsIndex = 42
    ) -> None:
        self.n_nodes = len(matrix("adj_matrix", adj_matrix, (None, None)))
        self.n_features = whole("n_features", n_features, 1, 2**31)
        self._shares = shares(matrix("adj_matrix", adj_matrix, (self.n_nodes, self.n_nodes)))
        self._sparse = False
        generator = np.random.default_rng(whole("seed", seed, 0, 2**64 - 1))
        self.weights = generator.random((self.n_features, self.n_features))

    @classmethod
    def from_sparse(
        cls,
        row_offsets: npt.ArrayLike,
        col_indices: npt.ArrayLike,
        values: npt.ArrayLike,
        n_nodes: typing.SupportsIndex,
        n_features: typing.SupportsIndex,
        seed: typing.SupportsIndex = 42,
    ) -> "StochasticGraphLayer":
        """Of compressed rows: row i has values[row_offsets[i] : row_offsets[i + 1]] in columns col_indices[...]."""
        n = whole("n_nodes", n_nodes, 1, 2**31)
        offsets, columns = np.asarray(row_offsets), np.asarray(col_indices)
        entries = matrix("values", values, (None,))
        for name, whole_numbers in (("row_offsets", offsets), ("col_indices", columns)):
            if whole_numbers.size and whole_numbers.dtype.kind not in "iu":
                raise InvalidTypeError(f"{name}: got {whole_numbers.dtype}, expected integers")
        columns = columns.astype(np.int64)
        if offsets.shape != (n + 1,) or offsets[0] != 0 or offsets[-1] != entries.size or (np.diff(offsets) < 0).any():
            raise InvalidValueError(f"row_offsets: expected {n + 1} rising numbers from 0 to {entries.size}")
        if columns.shape != entries.shape or (columns.size and not 0 <= columns.min() <= columns.max() < n):
            raise InvalidValueError(f"col_indices: expected {entries.size} of 0 ... {n - 1}")
        dense = np.zeros((n, n))
        np.add.at(dense, (np.repeat(np.arange(n), np.diff(offsets)), columns), entries)
        layer = cls(dense, n_features, seed)
        layer._sparse = True
        return layer

    @classmethod
    def from_dense_auto(
        cls,
        adj_matrix: npt.ArrayLike,
        n_features: typing.SupportsIndex,
        seed: typing.SupportsIndex = 42,
        density_threshold: float = 0.3,
    ) -> "StochasticGraphLayer":
        """One that calls itself sparse below that share of edges."""
        layer = cls(adj_matrix, n_features, seed)
        layer._sparse = bool(np.mean(layer._shares > 0) < density_threshold)
        return layer

    def is_sparse(self) -> bool:
        """Whether it was made from few edges. The results are the same."""
        return self._sparse

    def forward(self, node_features: npt.ArrayLike) -> _Floats:
        """(n_nodes, n_features) to the same shape, on numbers."""
        return np.tanh(self._shares @ self._features(node_features, -np.inf, np.inf) @ self.weights)

    def forward_sc(
        self,
        node_features: npt.ArrayLike,
        length: typing.SupportsIndex = 1024,
        seed: typing.SupportsIndex = STREAM_SEED,
    ) -> _Floats:
        """The same on streams, of features in [0, 1]: both products are dense layers with streams of their own. What
        noise lifts above 1 between them saturates, as a stream does."""
        features = self._features(node_features, 0.0, 1.0)
        means = np.minimum(on_streams(features.T, self._shares, length, seed, 0), 1.0)
        return np.tanh(on_streams(means.T, matrix("weights", self.weights.T, (None, None), 1.0), length, seed, 1))

    def _features(self, values: npt.ArrayLike, low: float, high: float) -> _Floats:
        return matrix("node_features", values, (self.n_nodes, self.n_features), high, low)

    def __repr__(self) -> str:
        return f"<StochasticGraphLayer: {self.n_nodes} nodes, {self.n_features} features>"
