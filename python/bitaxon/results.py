"""Results of more than one part."""

import typing

import numpy as np
import numpy.typing as npt

__all__ = ["Streamed"]


class Streamed(typing.NamedTuple):
    """What forward_streamed returns."""

    outputs: npt.NDArray[np.float64]
    """(n_neurons,), or (n, n_neurons) for several samples."""
    lengths: typing.Union[int, npt.NDArray[np.int64]]
    """Bits that each sample used: an int, or (n,) for several samples."""
