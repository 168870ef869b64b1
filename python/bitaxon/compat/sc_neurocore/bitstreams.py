"""Packing, counting and encoding: lists with the plain names, arrays with the names in _numpy."""

import array
import typing

import numpy as np
import numpy.typing as npt

from ... import _bitaxon
from ...errors import InvalidShapeError, InvalidTypeError, InvalidValueError
from .arguments import STREAM_SEED, whole
from .runtime import context

__all__ = [
    "batch_encode",
    "batch_encode_numpy",
    "pack_bitstream",
    "pack_bitstream_numpy",
    "popcount",
    "popcount_numpy",
    "unpack_bitstream",
    "unpack_bitstream_numpy",
]

_Words = npt.NDArray[np.uint64]
_Packed = typing.Union[typing.Sequence[int], typing.Sequence[typing.Sequence[int]], _Words]


def pack_bitstream(bits: npt.ArrayLike) -> typing.List[typing.Any]:
    """Bits, (length,) or (n, length), to words, as lists: bit t is word[t // 64] >> (t % 64) & 1.

    Raises ValueError for anything but 0 and 1, where the engine takes any other number for 1.
    """
    words: typing.List[typing.Any] = pack_bitstream_numpy(bits).tolist()
    return words


def pack_bitstream_numpy(bits: npt.ArrayLike) -> _Words:
    """The same to an array: (length,) or (n, length) of uint8 or bool to (..., ceil(length / 64)) uint64."""
    return _bitaxon.pack(bits, context=context())


def unpack_bitstream(
    packed: _Packed,
    original_length: typing.SupportsIndex,
    original_shape: typing.Optional[typing.Tuple[int, int]] = None,
) -> typing.Union[bytes, typing.List[bytes]]:
    """Words to bits, a byte each: bytes of one stream, a list of them for several.

    original_length  of one stream; of all n of them together for several
    original_shape   (n, length), if anybody wants to say so

    Raises ValueError where words and lengths do not fit, and for ones past the end.
    """
    words = to_words("packed", packed)
    length = whole("original_length", original_length, 0, 2**62)
    if words.ndim == 1:
        return unpack_bitstream_numpy(words, length).tobytes()
    shape = (len(words), length // max(1, len(words))) if original_shape is None else original_shape
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise InvalidShapeError(f"original_shape: got {original_shape}, expected (n, length)")
    shape = whole("original_shape", shape[0], 0, 2**62), whole("original_shape", shape[1], 0, 2**62)
    if shape[0] != len(words) or shape[0] * shape[-1] != length:
        raise InvalidShapeError(
            f"original_length, original_shape: got {length} and {original_shape} for {len(words)} streams, expected "
            "as many bits in each"
        )
    return [row.tobytes() for row in unpack_bitstream_numpy(words, shape[-1])]


def unpack_bitstream_numpy(
    packed: _Words, original_length: typing.SupportsIndex
) -> npt.NDArray[np.uint8]:
    """(..., ceil(length / 64)) uint64 to (..., length) uint8."""
    return _bitaxon.unpack(packed, original_length, context=context())


def popcount(packed: _Packed) -> int:
    """The ones of one or several packed streams."""
    return _bitaxon.popcount(to_words("packed", packed), context=context())


def popcount_numpy(packed: _Words) -> int:
    """The ones of an array of words."""
    return _bitaxon.popcount(packed, context=context())


def batch_encode(
    probs: npt.ArrayLike, length: typing.SupportsIndex = 1024, seed: typing.SupportsIndex = STREAM_SEED
) -> typing.List[typing.List[int]]:
    """batch_encode_numpy as lists."""
    rows: typing.List[typing.List[int]] = batch_encode_numpy(probs, length, seed).tolist()
    return rows


def batch_encode_numpy(
    probs: npt.ArrayLike, length: typing.SupportsIndex = 1024, seed: typing.SupportsIndex = STREAM_SEED
) -> _Words:
    """Bernoulli streams of (n,) probabilities: (n, ceil(length / 64)) uint64.

    Probabilities have 32 bits: 0 and 1 are exact and nothing is floored. No seed's streams are another's.
    Raises ValueError for NaN and numbers outside [0, 1], where the engine clamps.
    """
    return _bitaxon.encode(probs, length, seed=seed, context=context())


def to_words(name: str, packed: _Packed) -> _Words:
    """Lists of ints as words; arrays as they are."""
    if isinstance(packed, np.ndarray):
        return packed
    if not isinstance(packed, typing.Sequence):
        raise InvalidTypeError(f"{name}: got {type(packed).__name__}, expected ints, or lists of ints")
    nested = len(packed) > 0 and not isinstance(packed[0], (int, np.integer))
    rows = typing.cast(typing.Sequence[typing.Sequence[int]], packed if nested else [packed])
    try:
        words = [array.array("Q", row) for row in rows]
    except TypeError:
        raise InvalidTypeError(f"{name}: expected ints, or lists of ints") from None
    except OverflowError:
        raise InvalidValueError(f"{name}: expected words, 0 ... 2^64 - 1") from None
    if len({len(row) for row in words}) > 1:
        raise InvalidShapeError(f"{name}: got rows of different lengths, expected equal ones")
    return np.array(words if nested else words[0], dtype=np.uint64)
