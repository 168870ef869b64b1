"""Arguments that several functions take."""

import operator

import numpy as np
import numpy.typing as npt

from .errors import InvalidShapeError, InvalidTypeError


def to_int(name: str, value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidTypeError(f"{name}: got {type(value).__name__}, expected an int") from None


def spread(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Numbers of that shape, or one for all, as an array of its own."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidTypeError(f"{name}: got {type(values).__name__}, expected real numbers") from None
    if numbers.ndim > 0 and numbers.shape != shape:
        raise InvalidShapeError(f"{name}: got shape {numbers.shape}, expected {shape} or one number")
    return np.full(shape, numbers)
