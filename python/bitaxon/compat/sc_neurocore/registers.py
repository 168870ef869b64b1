"""The circuit's parts that work a bit a call: LFSR, comparator, counter."""

import collections
import typing

from ... import _bitaxon
from .arguments import STREAM_SEED, Stateful, whole

__all__ = ["BitstreamAverager", "BitstreamEncoder", "Lfsr16"]


class Lfsr16(Stateful):
    """The 16-bit LFSR with taps 16, 14, 13, 11: bitaxon.Lfsr16 with the engine's names.

    seed  1 to 65535; 0 never leaves itself and raises ValueError

    For many bits bitaxon.encode(..., encoder='lfsr16') makes the same ones, whole words at a time.
    """

    def __init__(self, seed: typing.SupportsIndex = STREAM_SEED) -> None:
        self._lfsr = _bitaxon.Lfsr16(seed)

    @property
    def reg(self) -> int:
        """The register, 1 to 65535."""
        return self._lfsr.state

    @property
    def width(self) -> int:
        """16."""
        return 16

    def step(self) -> int:
        """Shifts once; returns the register."""
        self._lfsr.step()
        return self._lfsr.state

    def reset(self, seed: typing.Optional[typing.SupportsIndex] = None) -> None:
        """Loads a seed; without one 0xACE1, as the engine does whatever the first seed was."""
        self._lfsr = _bitaxon.Lfsr16(STREAM_SEED if seed is None else seed)

    def __repr__(self) -> str:
        return f"Lfsr16(seed={self.reg})"


class BitstreamEncoder(Stateful):
    """An LFSR and a comparator: a bit a step, one while the register is below the value.

    data_width  bits of the values, 1 to 16: the upper ones of the register are compared. The engine compares all 16
                whatever the width, so that its probability is x / 2^16.
    seed        1 to 65535

    x = 2^data_width is allowed and means always 1; of 16 bits the bits are those of the circuit, and of
    bitaxon.encode([x / 2**16], length, encoder='lfsr16', seed=seed).
    """

    def __init__(
        self, data_width: typing.SupportsIndex = 16, seed: typing.SupportsIndex = STREAM_SEED
    ) -> None:
        self._data_width = whole("data_width", data_width, 1, 16)
        self._lfsr = Lfsr16(seed)

    @property
    def data_width(self) -> int:
        """Bits of the values."""
        return self._data_width

    @property
    def reg(self) -> int:
        """The register, 1 to 65535."""
        return self._lfsr.reg

    def step(self, x_value: typing.SupportsIndex) -> int:
        """The next bit, 0 or 1, of a value 0 ... 2^data_width."""
        x = whole("x_value", x_value, 0, 1 << self._data_width)
        bit = int(self.reg >> (16 - self._data_width) < x)
        self._lfsr.step()
        return bit

    def reset(self, seed: typing.Optional[typing.SupportsIndex] = None) -> None:
        """Loads a seed, 0xACE1 without one."""
        self._lfsr.reset(seed)

    def __repr__(self) -> str:
        return f"BitstreamEncoder(data_width={self.data_width}, seed={self.reg})"


class BitstreamAverager(Stateful):
    """The share of ones among the last `window` bits, 1 to 2^31."""

    def __init__(self, window: typing.SupportsIndex = 1024) -> None:
        self._bits: typing.Deque[int] = collections.deque(maxlen=whole("window", window, 1, 2**31))
        self._ones = 0

    @property
    def window(self) -> int:
        """Number of bits."""
        assert self._bits.maxlen is not None
        return self._bits.maxlen

    def push(self, bit: typing.SupportsIndex) -> None:
        """Takes a bit, 0 or 1, and forgets the oldest of a full window."""
        one = whole("bit", bit, 0, 1)
        self._ones += one - (self._bits[0] if len(self._bits) == self.window else 0)
        self._bits.append(one)

    def estimate(self) -> float:
        """Ones over the bits so far, at most a window of them; 0 without any."""
        return self._ones / len(self._bits) if self._bits else 0.0

    def reset(self) -> None:
        """Forgets all bits."""
        self._bits.clear()
        self._ones = 0

    def __repr__(self) -> str:
        return f"<BitstreamAverager: {self._ones} ones of {len(self._bits)} bits, window={self.window}>"
