"""The circuits that come with the library: operations of stochastic arithmetic."""

from __future__ import annotations

import math
import typing
from collections import abc

import numpy as np
import numpy.typing as npt

from ._bitaxon import Circuit, built_in_circuit, built_in_circuits
from ._arguments import spread
from .errors import InvalidValueError


_Floats = npt.NDArray[np.float64]


def _bernstein(x: _Floats, degree: int) -> _Floats:
    k = np.arange(degree + 1)
    factors = np.array([math.comb(degree, int(j)) for j in k], dtype=np.float64)
    return factors * x[:, None] ** k * (1 - x[:, None]) ** (degree - k)


def _finite_state(x: _Floats, states: int) -> _Floats:
    k = np.arange(states)
    weights = x[:, None] ** k * (1 - x[:, None]) ** (states - 1 - k)
    return typing.cast(_Floats, weights / weights.sum(axis=1, keepdims=True))


_BASES: dict[str, tuple[str, abc.Callable[[_Floats, int], _Floats]]] = {
    "bernstein": ("degree", _bernstein),
    "finite_state": ("states", _finite_state),
}


class CorrelationNeed(typing.NamedTuple):
    """What a circuit needs of some of its inputs."""

    inputs: tuple[str, ...]
    """Their names; ("all",): every input."""
    others: tuple[str, ...]
    """Each of the inputs has that SCC with each of these; none: with the other inputs above. The same as the
    inputs: they are independent of themselves at other steps."""
    scc: int
    """-1, 0 or +1."""


class CircuitInfo(typing.NamedTuple):
    """What a circuit computes, of what, and who says so."""

    formula: str
    """The value of the output, by the values of the inputs."""
    coding: str
    """Of inputs and outputs: unipolar, bipolar or both."""
    correlation: str
    """SCC that the inputs must have, in words: of `needs`."""
    source: str
    """Author and year."""
    parameters: dict[str, int]
    """Names and defaults."""
    needs: tuple[CorrelationNeed, ...]
    """What the inputs must be to one another; empty: anything."""


class BuiltInCircuits(abc.Mapping[str, Circuit]):
    """The circuits that come with the library: bx.circuits.stanh, bx.circuits["stanh"], or, with other
    parameters, bx.circuits("stanh", states=16). bx.circuits.info("stanh") says what it computes."""

    def __call__(self, name: str, **parameters: int) -> Circuit:
        return built_in_circuit(name, parameters)

    def __getitem__(self, name: str) -> Circuit:
        try:
            return built_in_circuit(name)
        except InvalidValueError as error:
            raise KeyError(str(error)) from None

    def __getattr__(self, name: str) -> Circuit:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return built_in_circuit(name)
        except InvalidValueError as error:
            raise AttributeError(str(error)) from None

    def __iter__(self) -> abc.Iterator[str]:
        return iter(built_in_circuits())

    def __len__(self) -> int:
        return len(built_in_circuits())

    def __contains__(self, name: object) -> bool:
        return name in built_in_circuits()

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def info(self, name: str) -> CircuitInfo:
        """Formula, coding, needed correlation, source and parameters of a circuit."""
        built_in_circuit(name)
        formula, coding, correlation, source, parameters, needs = built_in_circuits()[name]
        listed = (CorrelationNeed(tuple(inputs.split()), tuple(others.split()), scc) for inputs, others, scc in needs)
        return CircuitInfo(formula, coding, correlation, source, parameters, tuple(listed))

    def coefficients(
        self, name: str, function: abc.Callable[[_Floats], npt.ArrayLike], **parameters: int
    ) -> tuple[_Floats, float]:
        """The probabilities b0, b1, ... with which the circuit "bernstein" (degree=) or "finite_state" (states=)
        computes a function from [0, 1] to [0, 1], and their root mean square error: the least over 256 values
        x = k/256. The function takes all of them at once. W. Qian et al., 2011; P. Li et al., 2012.
        """
        if name not in _BASES:
            raise InvalidValueError(f"name: got {name!r}, expected {' or '.join(_BASES)}")
        size, basis = _BASES[name]
        built_in_circuit(name, parameters)
        x = np.arange(256) / 256
        wanted = spread("function", function(x), x.shape)
        if not (np.isfinite(wanted).all() and wanted.min() >= 0 and wanted.max() <= 1):
            raise InvalidValueError(f"function: got {wanted.min():g} to {wanted.max():g}, expected values in [0, 1]")
        columns = basis(x, parameters.get(size, self.info(name).parameters[size]))
        b = _bounded_least_squares(columns, wanted)
        return b, float(np.sqrt(np.mean((columns @ b - wanted) ** 2)))

    def __repr__(self) -> str:
        return f"<built-in circuits: {', '.join(self)}>"


def _bounded_least_squares(columns: _Floats, wanted: _Floats) -> _Floats:
    # Coefficients at a bound whose gradient points outside are left there, others solve their equations, and
    # the step stops at the first bound: an active set, as J. Stark and R. Parker, 1995, for bounds 0 and 1.
    b = np.full(columns.shape[1], 0.5)
    free = np.ones(len(b), dtype=bool)
    for _ in range(20 * len(b)):
        step = np.zeros_like(b)
        if free.any():
            solved = np.linalg.lstsq(columns[:, free], wanted - columns[:, ~free] @ b[~free], rcond=1e-12)[0]
            step[free] = solved - b[free]
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0, (1 - b) / step, np.where(step < 0, -b / step, np.inf))
        length = min(1.0, float(room.min()))
        b = np.clip(b + length * step, 0, 1)
        if length < 1:
            stopped = int(room.argmin())
            b[stopped] = np.rint(b[stopped])
            free[stopped] = False
            continue
        slope = columns.T @ (wanted - columns @ b)  # downhill
        gain = np.where(free, 0, np.where(b == 0, slope, -slope))
        if gain.max(initial=0) <= 1e-9:
            break
        free[int(gain.argmax())] = True
    return b


circuits = BuiltInCircuits()
"""The circuits that come with the library, by name."""
