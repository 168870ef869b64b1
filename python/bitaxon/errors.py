"""What Bitaxon raises. Each error is an Error and the built-in exception that fits it.

Every message names the argument and says what it got and what it expected.
"""

__all__ = [
    "CancelledError",
    "Error",
    "FileError",
    "InvalidShapeError",
    "InvalidTypeError",
    "InvalidValueError",
    "OutOfRangeError",
    "UnknownNameError",
    "UnsupportedError",
]


class Error(Exception):
    """Base of all of them."""


class InvalidValueError(Error, ValueError):
    """A value outside its range, NaN, infinity, an unknown name, a read-only array."""


class UnknownNameError(InvalidValueError, NameError):
    """A name in an expression that has no value where it is evaluated."""


class InvalidTypeError(Error, TypeError):
    """A dtype or an object of another kind."""


class InvalidShapeError(Error, ValueError):
    """Another shape, or arrays that overlap."""


class OutOfRangeError(Error, IndexError):
    """An index past the end."""


class UnsupportedError(Error, RuntimeError):
    """Valid, but not on this machine: a SIMD tier, say."""


class CancelledError(Error, RuntimeError):
    """The call was stopped."""


class FileError(Error, RuntimeError):
    """A file that cannot be written, read or trusted."""
