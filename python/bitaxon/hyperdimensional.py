"""Hyperdimensional computing on packed words: binary spatter codes.

P. Kanerva, "The spatter code for encoding concepts at many levels" (1994), and "Hyperdimensional computing:
an introduction to computing in distributed representation with high-dimensional random vectors" (2009).
"""

import hashlib
import operator
import typing

import numpy as np
import numpy.typing as npt

from . import _bitaxon
from .errors import InvalidShapeError, InvalidTypeError, InvalidValueError

__all__ = ["Hypervector"]

_Words = npt.NDArray[np.uint64]


class Hypervector:
    """A vector of thousands of bits: Hypervector(words, dimension).

    words      (ceil(dimension / 64),) uint64, bit i is words[i // 64] >> (i % 64) & 1, zeros past the end
    dimension  number of bits, 1 to 2^31

    Random ones are nearly orthogonal: their similarity is 0 with a deviation of 1 / sqrt(dimension).
    a ^ b binds, Hypervector.bundle superposes, rotate permutes. It is a value, never changed.
    Raises InvalidShapeError for another number of words, InvalidValueError for ones past the end.
    """

    __slots__ = ("_dimension", "_words")
    _words: _Words
    _dimension: int

    def __init__(self, words: _Words, dimension: typing.SupportsIndex) -> None:
        self._dimension = _to_dimension(dimension)
        given = np.asarray(words)
        if given.dtype != np.uint64:
            raise InvalidTypeError(f"words: got dtype {given.dtype}, expected uint64")
        if given.shape != (-(-self._dimension // 64),):
            raise InvalidShapeError(
                f"words: got shape {given.shape}, expected ({-(-self._dimension // 64)},) for {self._dimension} bits"
            )
        self._words = given.copy()
        if (self._words[-1:] & ~_tail_mask(self._dimension)).any():
            raise InvalidValueError("words: got ones past the end, expected zeros there")
        self._words.flags.writeable = False

    @classmethod
    def random(
        cls,
        dimension: typing.SupportsIndex = 10_000,
        seed: typing.Optional[typing.SupportsIndex] = None,
        index: typing.SupportsIndex = 0,
    ) -> "Hypervector":
        """Fair bits: stream `index` of the seed (fresh unless given), so other indices are independent."""
        dimension = _to_dimension(dimension)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        streams = _bitaxon.encode([0.5], dimension, seed=seed, first_index=index)
        return cls(np.asarray(streams[0]), dimension)

    @classmethod
    def bundle(cls, vectors: typing.Iterable["Hypervector"], seed: typing.SupportsIndex = 0) -> "Hypervector":
        """The majority of the vectors, bit by bit: similar to each of them.

        Of an even number of vectors as many ones as zeros may meet; such a bit is a fair one, so that the result
        leans neither to zeros nor to any of the vectors. It is drawn from the seed and what the vectors are: the
        same in any order, and independent of the bits that other bundles draw.
        Raises InvalidShapeError for no vector and for different dimensions.
        """
        vectors = list(vectors)
        if not vectors:
            raise InvalidShapeError("vectors: got none, expected at least one")
        first = vectors[0]
        digits: typing.List[_Words] = []  # a count in binary for each bit, in words
        for vector in vectors:
            carry = first._same(vector)
            for k, digit in enumerate(digits):
                digits[k], carry = digit ^ carry, digit & carry
            if carry.any():
                digits.append(carry)
        more, equal = _compare(digits, len(vectors) // 2, first._words.size)
        if len(vectors) % 2 == 0:
            ties = _bitaxon.encode([0.5], first._dimension, seed=seed, role="noise", sample=_key(vectors))[0]
            more |= equal & np.asarray(ties)
        return cls(more, first._dimension)

    @property
    def dimension(self) -> int:
        """Number of bits."""
        return self._dimension

    @property
    def words(self) -> _Words:
        """(ceil(dimension / 64),) uint64, read-only."""
        return self._words

    def bind(self, other: "Hypervector") -> "Hypervector":
        """a ^ b: similar to neither; bound once more with one, it gives the other."""
        return Hypervector(self._words ^ self._same(other), self._dimension)

    __xor__ = bind

    def rotate(self, places: typing.SupportsIndex = 1) -> "Hypervector":
        """Bit i moves to i + places, round the end: for order and sequences. A word at a time."""
        try:
            shift = operator.index(places) % self._dimension
        except TypeError:
            raise InvalidTypeError(f"places: got {type(places).__name__}, expected int") from None
        up = _shift_up(self._words, shift)
        up[-1:] &= _tail_mask(self._dimension)
        return Hypervector(up | _shift_down(self._words, self._dimension - shift), self._dimension)

    def similarity(self, other: "Hypervector") -> float:
        """1 - 2 * (share of bits that differ): 1 for equal vectors, about 0 for independent ones, -1 for opposites."""
        return 1.0 - 2.0 * _bitaxon.popcount(self._words ^ self._same(other)) / self._dimension

    def nearest(self, memory: typing.Iterable["Hypervector"]) -> int:
        """The place of the most similar vector of a memory, the first of equals.

        Raises InvalidShapeError for an empty memory.
        """
        similarities = [self.similarity(vector) for vector in memory]
        if not similarities:
            raise InvalidShapeError("memory: got no vector, expected at least one")
        return int(np.argmax(similarities))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hypervector):
            return NotImplemented
        return self._dimension == other._dimension and bool((self._words == other._words).all())

    def __hash__(self) -> int:
        return hash((self._dimension, self._words.tobytes()))

    def __reduce__(self) -> typing.Tuple[typing.Any, ...]:
        return Hypervector, (self._words, self._dimension)

    def __repr__(self) -> str:
        return f"<Hypervector of {self._dimension} bits, {_bitaxon.popcount(self._words)} ones>"

    def _same(self, other: object) -> _Words:
        if not isinstance(other, Hypervector):
            raise InvalidTypeError(f"vector: got {type(other).__name__}, expected Hypervector")
        if other._dimension != self._dimension:
            raise InvalidShapeError(f"vector: got {other._dimension} bits, expected {self._dimension}")
        return other._words


def _key(vectors: typing.Iterable[Hypervector]) -> int:
    """64 bits that depend on all of the vectors, not on their order. A sum: in an XOR equal ones would cancel."""
    digests = (hashlib.blake2b(vector.words.tobytes(), digest_size=8).digest() for vector in vectors)
    return sum(int.from_bytes(digest, "little") for digest in digests) % 2**64


def _to_dimension(dimension: typing.SupportsIndex) -> int:
    try:
        value = operator.index(dimension)
    except TypeError:
        raise InvalidTypeError(f"dimension: got {type(dimension).__name__}, expected int") from None
    if not 1 <= value <= 2**31:
        raise InvalidValueError(f"dimension: got {value}, expected 1 ... {2**31}")
    return value


def _tail_mask(dimension: int) -> np.uint64:
    return np.uint64(2**64 - 1 >> -dimension % 64)


def _compare(digits: typing.List[_Words], limit: int, words: int) -> typing.Tuple[_Words, _Words]:
    """Where the numbers of binary digits are above a limit, and where they equal it."""
    more = np.zeros(words, np.uint64)
    equal = ~more
    for k in reversed(range(max(len(digits), limit.bit_length()))):
        digit = digits[k] if k < len(digits) else np.zeros(words, np.uint64)
        if limit >> k & 1:
            equal &= digit
        else:
            more |= equal & digit
            equal &= ~digit
    return more, equal


def _shift_up(words: _Words, places: int) -> _Words:
    """Bit i to i + places; those that leave the words are lost."""
    whole, part = divmod(places, 64)
    out = np.zeros_like(words)
    if whole < words.size:
        out[whole:] = words[: words.size - whole] << np.uint64(part)
        if part:
            out[whole + 1 :] |= words[: words.size - whole - 1] >> np.uint64(64 - part)
    return out


def _shift_down(words: _Words, places: int) -> _Words:
    """Bit i to i - places; those that leave the words are lost."""
    whole, part = divmod(places, 64)
    out = np.zeros_like(words)
    if whole < words.size:
        out[: words.size - whole] = words[whole:] >> np.uint64(part)
        if part:
            out[: words.size - whole - 1] |= words[whole + 1 :] << np.uint64(64 - part)
    return out
