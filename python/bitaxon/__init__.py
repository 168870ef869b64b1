"""Bitaxon: neural networks on random bitstreams.

Numbers become bitstreams, multiplication becomes AND, addition becomes counting.

    import numpy as np
    import bitaxon as bx

    layer = bx.DenseLayer(64, 32, length=1024, weights=np.random.rand(32, 64), seed=7)
    y = layer.forward(np.random.rand(64), seed=1)          # (32,)
    Y = layer.forward_batch(np.random.rand(100, 64), seed=1)  # row k == forward(X[k], sample=k)

Every bit is a function of (seed, stream, time) alone: threads, SIMD tier and batch size change nothing.
"""

from ._bitaxon import (
    DenseLayer,
    ExecutionContext,
    Lfsr16,
    Network,
    __version__,
    decode,
    describe,
    encode,
    info,
    load,
    pack,
    popcount,
    scc,
    scc_matrix,
    unpack,
)
from .errors import (
    CancelledError,
    Error,
    FileError,
    InvalidShapeError,
    InvalidTypeError,
    InvalidValueError,
    OutOfRangeError,
    UnsupportedError,
)
from .results import Streamed

__all__ = [
    "CancelledError",
    "DenseLayer",
    "Error",
    "ExecutionContext",
    "FileError",
    "InvalidShapeError",
    "InvalidTypeError",
    "InvalidValueError",
    "Lfsr16",
    "Network",
    "OutOfRangeError",
    "Streamed",
    "UnsupportedError",
    "__version__",
    "decode",
    "describe",
    "encode",
    "info",
    "load",
    "pack",
    "popcount",
    "scc",
    "scc_matrix",
    "unpack",
]
