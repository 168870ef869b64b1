"""Threads and the tier: what the engine keeps for the whole process."""

import typing

from ... import _bitaxon
from .arguments import whole

__all__ = ["set_num_threads", "simd_tier"]

_context: typing.Optional[_bitaxon.ExecutionContext] = None


def context() -> typing.Optional[_bitaxon.ExecutionContext]:
    """Where the names of this package compute; None: Bitaxon's own context."""
    return _context


def set_num_threads(n: typing.SupportsIndex) -> None:
    """Threads of the calls from now on: also later ones, unlike the engine's. 0: one for each core."""
    global _context
    count = whole("n", n, 0, 4096)
    _context = _bitaxon.ExecutionContext(threads=count) if count else None


def simd_tier() -> str:
    """The tier in use, of 'avx512-vpopcntdq', 'avx512bw', 'avx512f', 'avx2', 'popcnt', 'neon', 'portable'."""
    return (_context or _bitaxon.ExecutionContext()).tier
