"""Arguments that several names of this package take."""

import copy
import operator
import typing

import numpy as np
import numpy.typing as npt

from ...errors import InvalidShapeError, InvalidTypeError, InvalidValueError

_Self = typing.TypeVar("_Self")

STREAM_SEED: typing.Final = 0xACE1
"""What streams are drawn from unless the caller says otherwise; the engine's number."""

ABOVE_ZERO: typing.Final = float(np.nextafter(0.0, 1.0))
"""The smallest number above 0."""


def whole(name: str, value: typing.SupportsIndex, low: int, high: int) -> int:
    """An int in low ... high."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidTypeError(f"{name}: got {type(value).__name__}, expected int") from None
    if not low <= number <= high:
        raise InvalidValueError(f"{name}: got {number}, expected {low} ... {high}")
    return number


def matrix(
    name: str,
    values: npt.ArrayLike,
    shape: typing.Tuple[typing.Optional[int], ...],
    high: float = np.inf,
    low: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Finite float64 in low ... high of that shape; None stands for any size. low: -inf, 0 or ABOVE_ZERO."""
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidTypeError(f"{name}: got {type(values).__name__}, expected numbers in equal rows") from None
    if numbers.ndim != len(shape) or any(e not in (None, g) for g, e in zip(numbers.shape, shape)):
        wanted = ", ".join("n" if size is None else str(size) for size in shape)
        raise InvalidShapeError(f"{name}: got shape {numbers.shape}, expected ({wanted}{',' * (len(shape) == 1)})")
    wrong = ~((low <= numbers) & (numbers <= high) & np.isfinite(numbers))
    if wrong.any():
        place = ", ".join(map(str, np.argwhere(wrong)[0]))
        least = {-np.inf: "", 0.0: ", 0 or more", ABOVE_ZERO: " above 0"}[low]
        expected = f"a finite number{least}" + (f", {high:g} at most" if high < np.inf else "")
        raise InvalidValueError(f"{name}[{place}]: got {numbers[wrong][0]:g}, expected {expected}")
    return numbers


def fresh_seed() -> int:
    """64 bits that no earlier call has given."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


class Stateful:
    """Objects that change: a copy has a state of its own."""

    def __copy__(self: _Self) -> _Self:
        return copy.deepcopy(self)
