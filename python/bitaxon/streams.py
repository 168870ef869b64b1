"""Packed streams that know what their bits are made from."""

from __future__ import annotations

import typing

import numpy as np
import numpy.typing as npt

from . import _bitaxon
from .errors import InvalidShapeError, InvalidTypeError

__all__ = ["Streams", "check_independent"]

if typing.TYPE_CHECKING:
    _Words = npt.NDArray[np.uint64]
else:
    _Words = np.ndarray


class Streams(_Words):
    """What encode returns: an array (n, ceil(length / 64)) of uint64 with the sources of its streams.

    Streams(words, sources=None) sees an array so, without copying it.

    Streams picked by index or slice keep their sources. What is computed from streams, and streams that
    were written to by `streams[...] = ...`, have none; writing through a view, or as `out=`, is not seen.
    """

    sources: typing.Optional[npt.NDArray[np.uint64]] = None
    """(n,): streams of one source compare with the same numbers, or share a dimension of a low-discrepancy
    sequence, so that they are no independent operands. None: unknown."""

    def __new__(
        cls, words: npt.NDArray[np.uint64], sources: typing.Optional[npt.NDArray[np.uint64]] = None
    ) -> "Streams":
        array = np.asarray(words)
        if array.dtype != np.uint64:
            raise InvalidTypeError(f"words: got dtype {array.dtype}, expected uint64")
        streams = array.view(cls)
        streams.sources = None if sources is None else np.asarray(sources, dtype=np.uint64)
        if streams.sources is not None and streams.sources.shape != array.shape[:-1]:
            raise InvalidShapeError(f"sources: got shape {streams.sources.shape}, expected {array.shape[:-1]}")
        return streams

    def __getitem__(self, key: typing.Any) -> typing.Any:
        picked = super().__getitem__(key)
        if isinstance(picked, Streams) and self.sources is not None and _picks_streams(key, self.ndim):
            picked.sources = self.sources[key]
        return picked

    def __setitem__(self, key: typing.Any, value: typing.Any) -> None:
        super().__setitem__(key, value)  # type: ignore[no-untyped-call]
        self.sources = None

    def __array_wrap__(
        self, array: npt.NDArray[typing.Any], context: typing.Any = None, return_scalar: bool = False
    ) -> typing.Any:
        plain = np.asarray(array)
        return plain[()] if plain.ndim == 0 else plain

    def copy(self, order: typing.Literal["K", "A", "C", "F", None] = "C") -> "Streams":
        """A copy, of the same sources."""
        twin = super().copy(order)
        twin.sources = self.sources
        return twin

    def __copy__(self) -> "Streams":
        return self.copy()

    def __deepcopy__(self, memo: typing.Any) -> "Streams":
        return self.copy()

    def __reduce__(self) -> typing.Any:
        make, arguments, state = super().__reduce__()  # type: ignore[misc]
        return make, arguments, (state, self.sources)

    def __setstate__(self, state: typing.Any) -> None:
        array, self.sources = state
        super().__setstate__(array)


def _picks_streams(key: typing.Any, ndim: int) -> bool:
    # Whether the words of each stream stay as they are.
    keys = key if isinstance(key, tuple) else (key,)
    return sum(map(_axes_of, keys)) < ndim and not any(k is None or k is Ellipsis for k in keys)


def _axes_of(key: typing.Any) -> int:
    # A mask takes as many axes as it has, any other index one.
    if isinstance(key, (int, slice)):
        return 1
    index = np.asarray(key)
    return index.ndim if index.dtype == np.bool_ else 1


def check_independent(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> None:
    """Raises ValueError if streams that an operation takes together have one source.

    Operations that need independent operands (SCC 0: products, scaled sums) call it. a[i] is taken with
    b[i], or one stream with many. Arrays that are no Streams pass, since nobody knows their sources.
    """
    _bitaxon._check_independent(a, b)
