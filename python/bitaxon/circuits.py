"""The circuits that come with the library: operations of stochastic arithmetic."""

from __future__ import annotations

import typing
from collections import abc

from ._bitaxon import Circuit, built_in_circuit, built_in_circuits
from .errors import InvalidValueError


class CircuitInfo(typing.NamedTuple):
    """What a circuit computes, of what, and who says so."""

    formula: str
    """The value of the output, by the values of the inputs."""
    coding: str
    """Of inputs and outputs: unipolar, bipolar or both."""
    correlation: str
    """SCC that the inputs must have."""
    source: str
    """Author and year."""
    parameters: dict[str, int]
    """Names and defaults."""


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
        return CircuitInfo(*built_in_circuits()[name])

    def __repr__(self) -> str:
        return f"<built-in circuits: {', '.join(self)}>"


circuits = BuiltInCircuits()
"""The circuits that come with the library, by name."""
