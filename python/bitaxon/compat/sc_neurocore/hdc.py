"""Hyperdimensional vectors: bitaxon.Hypervector with the engine's names."""

import typing

import numpy as np
import numpy.typing as npt

from ... import _bitaxon
from ...errors import InvalidTypeError
from ...hyperdimensional import Hypervector
from .arguments import STREAM_SEED, Stateful
from .bitstreams import to_words

__all__ = ["BitStreamTensor", "HDCVector"]

_Words = typing.Union[typing.Sequence[int], npt.NDArray[np.uint64]]


class BitStreamTensor(Stateful):
    """BitStreamTensor(dimension=10000, seed=0xACE1): fair bits, in packed words, that may be changed.

    Raises ValueError for other numbers of words and for ones past the end, which the engine counts.
    """

    def __init__(
        self, dimension: typing.SupportsIndex = 10_000, seed: typing.SupportsIndex = STREAM_SEED
    ) -> None:
        self._vector = Hypervector.random(dimension, seed)

    @classmethod
    def from_packed(cls, data: _Words, length: typing.SupportsIndex) -> "BitStreamTensor":
        """Of (ceil(length / 64),) words."""
        return _tensor(Hypervector(to_words("data", data), length))

    @staticmethod
    def bundle(vectors: typing.Iterable["BitStreamTensor"]) -> "BitStreamTensor":
        """The majority, bit by bit. Ties are fair bits, where the engine's are zeros."""
        return _tensor(Hypervector.bundle(_vector_of(vector, BitStreamTensor) for vector in vectors))

    @property
    def data(self) -> typing.List[int]:
        """The words."""
        words: typing.List[int] = self._vector.words.tolist()
        return words

    @property
    def length(self) -> int:
        """Number of bits."""
        return self._vector.dimension

    def xor(self, other: "BitStreamTensor") -> "BitStreamTensor":
        """The exclusive or, a new one."""
        return _tensor(self._vector ^ _vector_of(other, BitStreamTensor))

    def xor_inplace(self, other: "BitStreamTensor") -> None:
        """The exclusive or, in here."""
        self._vector ^= _vector_of(other, BitStreamTensor)

    def rotate_right(self, shift: typing.SupportsIndex) -> None:
        """Bit i moves to i + shift, round the end, in here."""
        self._vector = self._vector.rotate(shift)

    def hamming_distance(self, other: "BitStreamTensor") -> float:
        """The share of bits that differ."""
        return (1.0 - self._vector.similarity(_vector_of(other, BitStreamTensor))) / 2.0

    def popcount(self) -> int:
        """Number of ones."""
        return _bitaxon.popcount(self._vector.words)

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        return f"BitStreamTensor(length={self.length}, popcount={self.popcount()})"


class HDCVector:
    """HDCVector(dimension=10000, *, seed=None): a * b binds, a + b bundles; a value, never changed.

    seed  None: a fresh one

    Similarity is the share of equal bits: 1 for equal vectors, about 1/2 for independent ones. (That of
    bitaxon.Hypervector is 1, 0 and -1.)
    """

    __slots__ = ("_vector",)
    _vector: Hypervector

    def __init__(
        self,
        dimension: typing.SupportsIndex = 10_000,
        *,
        seed: typing.Optional[typing.SupportsIndex] = None,
    ) -> None:
        self._vector = Hypervector.random(dimension, seed)

    @classmethod
    def from_packed(cls, data: _Words, length: typing.SupportsIndex) -> "HDCVector":
        """Of (ceil(length / 64),) words."""
        return _hdc(Hypervector(to_words("data", data), length))

    @staticmethod
    def bundle(vectors: typing.Iterable["HDCVector"]) -> "HDCVector":
        """The majority, bit by bit. Ties are fair bits, where the engine's are zeros."""
        return _hdc(Hypervector.bundle(_vector_of(vector, HDCVector) for vector in vectors))

    @property
    def vector(self) -> Hypervector:
        """The bitaxon.Hypervector that holds the bits."""
        return self._vector

    @property
    def dimension(self) -> int:
        """Number of bits."""
        return self._vector.dimension

    def xor(self, other: "HDCVector") -> "HDCVector":
        """Binds: similar to neither; bound once more with one, it gives the other."""
        return _hdc(self._vector ^ _vector_of(other, HDCVector))

    __mul__ = xor

    def __add__(self, other: "HDCVector") -> "HDCVector":
        return HDCVector.bundle([self, other])

    def permute(self, shift: typing.SupportsIndex = 1) -> "HDCVector":
        """Bit i moves to i + shift, round the end; back with -shift, which the engine refuses."""
        return _hdc(self._vector.rotate(shift))

    def similarity(self, other: "HDCVector") -> float:
        """The share of equal bits."""
        return (1.0 + self._vector.similarity(_vector_of(other, HDCVector))) / 2.0

    def popcount(self) -> int:
        """Number of ones."""
        return _bitaxon.popcount(self._vector.words)

    def __len__(self) -> int:
        return self.dimension

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HDCVector):
            return NotImplemented
        return self._vector == other._vector

    def __hash__(self) -> int:
        return hash(self._vector)

    def __repr__(self) -> str:
        return f"HDCVector(dim={self.dimension}, popcount={self.popcount()})"


def _vector_of(other: typing.Any, kind: typing.Type[typing.Any]) -> Hypervector:
    if not isinstance(other, kind):
        raise InvalidTypeError(f"other: got {type(other).__name__}, expected {kind.__name__}")
    vector: Hypervector = other._vector
    return vector


def _tensor(vector: Hypervector) -> BitStreamTensor:
    made = BitStreamTensor.__new__(BitStreamTensor)
    made._vector = vector
    return made


def _hdc(vector: Hypervector) -> HDCVector:
    made = HDCVector.__new__(HDCVector)
    made._vector = vector
    return made
