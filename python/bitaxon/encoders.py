"""Ways to turn values into streams, for bx.encode(values, length, encoder=...).

Bit t of a stream is number(t) < p * levels: an encoder is a sequence of numbers. All values of one call
compare with the same numbers (SCC +1), as in a circuit with one generator, unless per_stream says
otherwise. Every bit is a function of the encoder, the stream's index and t alone.

    a = bx.encode(x, 1024, encoder=bx.encoders.Sobol(0))
    b = bx.encode(y, 1024, encoder=bx.encoders.Sobol(1))       # independent of a
    w = bx.encode(W, 1024, encoder=bx.encoders.Sobol(2).per_stream(dimension=1))
"""

from __future__ import annotations

import secrets
from collections import abc
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Optional, TypeVar, Union

import numpy as np
import numpy.typing as npt

from . import _bitaxon
from ._arguments import to_int
from .errors import InvalidTypeError, InvalidValueError

__all__ = [
    "Bernoulli",
    "ClockDivision",
    "Coprime",
    "Encoder",
    "Halton",
    "Lfsr",
    "Rotation",
    "Sequence",
    "SigmaDelta",
    "Sobol",
    "Step",
    "Temporal",
    "Unary",
    "VanDerCorput",
    "maximal_taps",
]

_Sequence = TypeVar("_Sequence", bound="Sequence")


@dataclass(frozen=True)
class Step:
    """How much an encoder's parameters grow from a stream to the next."""

    dimension: int = 0
    phase: int = 0
    rotation: int = 0
    seed: int = 0


class Encoder:
    """What all encoders have in common."""

    _kind: ClassVar[str]

    def __post_init__(self) -> None:
        _bitaxon._encoder_properties(self._specification())  # checks the parameters

    def _specification(self) -> dict[str, Any]:
        # The parameters as the engine names them.
        return {"kind": self._kind, **{field.name: getattr(self, field.name) for field in fields(self)}}

    def __repr__(self) -> str:
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def levels(self) -> Optional[int]:
        """Numbers are 0 ... levels - 1, and thresholds whole numbers. None: the length of the stream."""
        return _bitaxon._encoder_properties(self._specification())[0]

    @property
    def repeats_after(self) -> Optional[int]:
        """Bits after which the numbers repeat; None: the length of the stream, or never exactly."""
        return _bitaxon._encoder_properties(self._specification())[1]


@dataclass(frozen=True, repr=False)
class Bernoulli(Encoder):
    """Every bit independent, named by encode's seed, layer, role, sample and first_index.

    Error: sqrt(p (1 - p) / length). Streams of different names have SCC 0 (B. R. Gaines, 1969).
    """

    _kind: ClassVar[str] = "bernoulli"


class Sequence(Encoder):
    """What encoders that compare with a sequence of numbers have in common."""

    def numbers(self, count: int, first: int = 0, stream: int = 0, p: float = 0.0) -> npt.NDArray[np.uint32]:
        """The numbers that bits first ... first + count - 1 of a stream compare with.

        stream  its index, where per_stream tells streams apart
        p       the probability that they are compared with, which only SigmaDelta looks at
        """
        return _bitaxon._encoder_numbers(self._specification(), count, first, stream, p)


class _Stepped(Sequence):
    def _specification(self) -> dict[str, Any]:
        parameters = super()._specification()
        step = parameters.pop("step")
        if not isinstance(step, Step):
            raise InvalidTypeError(f"step: got {type(step).__name__}, expected a Step")
        return {**parameters, **{f"{field.name}_step": getattr(step, field.name) for field in fields(step)}}

    def per_stream(
        self: _Sequence, *, dimension: int = 0, phase: int = 0, rotation: int = 0, seed: int = 0
    ) -> _Sequence:
        """The same encoder, whose parameters grow by so much from each stream to the next.

        dimension  of Sobol and Halton: all streams are independent of one another
        phase      of a shared generator, delayed. LFSRs whose phases are at least a stream's length
                   apart do not overlap; a delay of less than `bits` leaves streams much alike
        rotation   of a shared generator whose wires are rotated (H. Ichihara et al., Compact and
                   accurate stochastic circuits with shared random number sources, 2014)
        seed       of Sobol's scramble: spreads the errors of many streams, but streams of one dimension
                   stay dependent on one another
        """
        return replace(self, step=Step(dimension, phase, rotation, seed))


@dataclass(frozen=True, repr=False)
class Lfsr(_Stepped):
    """States of a linear feedback shift register, as hardware has it.

    state <= {state, XOR of the taps}, newest bit lowest; bit t compares the state after t steps.

    bits       3 to 32
    seed       the first state, 1 to 2^bits - 1
    taps       positions of the taps, (8, 6, 5, 4) say; None: maximal_taps(bits). Others than those of a
               maximal register are refused
    de_bruijn  inserts state 0 once a period (N. G. de Bruijn, 1946): the period is 2^bits, and a stream
               of that length is exact. Without it a threshold T has T - 1 ones a period
    phase      steps before bit 0

    Registers of one polynomial and phases far apart have SCC near 0, less surely than Bernoulli's; equal
    states SCC +1.
    """

    bits: int = 16
    seed: int = 1
    taps: Optional[tuple[int, ...]] = None
    de_bruijn: bool = False
    phase: int = 0
    rotation: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "lfsr"

    def __post_init__(self) -> None:
        if self.taps is not None:
            if isinstance(self.taps, str) or not isinstance(self.taps, abc.Iterable):
                raise InvalidTypeError(
                    f"taps: got {type(self.taps).__name__}, expected positions, such as (8, 6, 5, 4), or None"
                )
            object.__setattr__(self, "taps", tuple(self.taps))
        super().__post_init__()

    def phase_of(self, state: int) -> int:
        """Steps from state 1 to a state. The difference of two is how far apart their streams are."""
        return _bitaxon._lfsr_phase(self._specification(), state)


def maximal_taps(bits: int) -> tuple[int, ...]:
    """The taps of Lfsr(bits): of a maximal register (R. Ward and T. Molteno, Table of linear feedback
    shift registers, 2007)."""
    mask = _bitaxon._maximal_taps(bits)
    return tuple(tap for tap in range(32, 0, -1) if mask >> (tap - 1) & 1)


@dataclass(frozen=True, repr=False)
class Sobol(_Stepped):
    """A dimension of the Sobol sequence in Gray-code order (I. M. Sobol, 1967; I. A. Antonov and V. M.
    Saleev, 1979), direction numbers of S. Joe and F. Y. Kuo, 2008.

    dimension  0 to 1023
    scramble   None, 'shift' (one XOR for all numbers) or 'owen' (A. B. Owen, 1995, by hashing as S. Laine
               and T. Karras, 2011): makes the mean of many seeds right and keeps the evenness
    seed       of the scramble; a fresh one unless given
    bits       the numbers keep their 1 to 32 leading ones, as the generator of a circuit does
    phase      numbers before bit 0

    Error: below 1/length for one stream of 2^k bits, about 1/length for products of different
    dimensions, whose streams have SCC near 0. Streams of one dimension are no independent operands,
    however they are scrambled.
    """

    dimension: int = 0
    scramble: Optional[str] = None
    seed: Optional[int] = None
    bits: int = 32
    phase: int = 0
    rotation: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "sobol"

    def __post_init__(self) -> None:
        if self.scramble is None and self.seed is not None:
            raise InvalidValueError(f"seed: got {self.seed} without a scramble, expected 'shift' or 'owen' with it")
        if self.scramble is not None and self.seed is None:
            object.__setattr__(self, "seed", secrets.randbits(64))
        super().__post_init__()


@dataclass(frozen=True, repr=False)
class Halton(_Stepped):
    """Van der Corput's sequence in the base of the dimension-th prime (J. H. Halton, 1960).

    dimension  0 (base 2) to 255
    bits       as Sobol's
    phase      numbers before bit 0

    Error: about 1/length. Streams of different dimensions have SCC near 0, if the stream is much longer
    than the product of their bases.
    """

    dimension: int = 0
    bits: int = 32
    phase: int = 0
    rotation: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "halton"


@dataclass(frozen=True, repr=False)
class VanDerCorput(_Stepped):
    """The radical inverse of the time: its digits behind the point (J. G. van der Corput, 1935).

    base   2 to 4096
    bits   as Sobol's
    phase  numbers before bit 0

    Error: below 1/length in base 2. Base 2 is dimension 0 of Sobol in another order, and no independent
    operand of it.
    """

    base: int = 2
    bits: int = 32
    phase: int = 0
    rotation: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "van-der-corput"


@dataclass(frozen=True, repr=False)
class Unary(_Stepped):
    """All ones together: thermometer code, round(p * period) ones a period, by a counter.

    period  None: the stream's length
    ones    'first' or 'last'
    phase   bits before bit 0

    Error: at most 1/(2 length). Streams of one period have SCC +1: AND is their minimum, OR their
    maximum. Products need ClockDivision, Rotation or Coprime.
    """

    period: Optional[int] = None
    ones: str = "first"
    phase: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "unary"


@dataclass(frozen=True, repr=False)
class Temporal(_Stepped):
    """The value is the time of one edge: zeros, and ones from bit (1 - p) period on, so that larger values
    come earlier (A. Madhavan, T. Sherwood and D. Strukov, Race logic, 2014).

    The same bits as Unary(ones='last'), SCC +1: OR is the first to arrive (the maximum), AND the last.

    period  None: the stream's length
    """

    period: Optional[int] = None
    phase: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "temporal"


@dataclass(frozen=True, repr=False)
class SigmaDelta(_Stepped):
    """First-order error feedback: bit t is floor((t + 1) p) - floor(t p), the most even stream there is.

    phase  bits before bit 0

    Error: below 1/length, at every length. Deterministic and periodic, so that two such streams have any
    SCC: not for products with one another.
    """

    phase: int = 0
    step: Step = Step()
    _kind: ClassVar[str] = "sigma-delta"


@dataclass(frozen=True, repr=False)
class Coprime(Sequence):
    """Operands that multiply exactly: their periods have no common factor, and repeat over the product of
    all (D. Jenson and M. Riedel, A deterministic approach to stochastic computation, 2016).

    Over the whole product of the periods operands have SCC 0 exactly.
    """

    period: int
    _kind: ClassVar[str] = "unary"


_Source = Union[Lfsr, Sobol, Halton, VanDerCorput, Unary]


@dataclass(frozen=True, repr=False)
class _Deterministic(Sequence):
    period: int
    operand: int = 0
    source: Optional[_Source] = None

    def _reordered(self, **index: int) -> dict[str, Any]:
        source = Unary(self.period) if self.source is None else self.source
        if not isinstance(source, (Lfsr, Sobol, Halton, VanDerCorput, Unary)):
            raise InvalidTypeError(
                f"source: got {type(source).__name__}, expected Lfsr, Sobol, Halton, VanDerCorput or Unary"
            )
        return {**source._specification(), "period": self.period, **index}

    def _power(self) -> int:
        operand = to_int("operand", self.operand)
        if operand < 0:
            raise InvalidValueError(f"operand: got {operand}, expected 0 or above")
        power: int = to_int("period", self.period) ** min(operand, 64)
        if power > 2**61:
            raise InvalidValueError(f"operand: got {operand}, expected period^operand of at most 2^61")
        return power


@dataclass(frozen=True, repr=False)
class Rotation(_Deterministic):
    """Operands that multiply exactly: operand k > 0 stalls for a bit every period^k bits (D. Jenson and
    M. Riedel, A deterministic approach to stochastic computation, 2016).

    period   of each operand; n operands multiply exactly in period^n bits
    operand  0, 1, ...: another one for each operand
    source   in place of a counter, another sequence that has each number once in that period: exact too,
             and near right before the end (M. H. Najafi and D. J. Lilja, High quality down-sampling for
             deterministic approaches to stochastic computing, 2018). Lfsr(de_bruijn=True), Sobol or
             VanDerCorput of a power of their base

    Over the whole length operands have SCC 0 exactly.
    """

    def _specification(self) -> dict[str, Any]:
        power = self._power()
        return self._reordered(stall=power if self.operand else 0)


@dataclass(frozen=True, repr=False)
class ClockDivision(_Deterministic):
    """Operands that multiply exactly: operand k holds each number for period^k bits (D. Jenson and M.
    Riedel, 2016). Parameters and SCC as Rotation's."""

    def _specification(self) -> dict[str, Any]:
        return self._reordered(hold=self._power())
