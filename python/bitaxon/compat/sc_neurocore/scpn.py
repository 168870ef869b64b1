"""Coupled phase oscillators (Y. Kuramoto, 1975)."""

import typing

import numpy as np
import numpy.typing as npt

from ... import _bitaxon
from ...errors import InvalidValueError
from .arguments import ABOVE_ZERO, Stateful, matrix, whole
from .runtime import context

__all__ = ["KuramotoSolver"]

_Floats = npt.NDArray[np.float64]

_TURN: typing.Final = 2 * np.pi


def _turned(phases: _Floats) -> _Floats:
    """Phases in [0, 2 pi). What is just below 0 is rounded to 2 pi, which is 0."""
    phases = phases % _TURN
    phases[phases >= _TURN] = 0.0
    return phases


_DIRECTIONS = _bitaxon.compile("sin(theta), cos(theta)")
# Sums over the others, ahead = sum of k sin(theta_j), beside = sum of k cos(theta_j), so that
# ahead*cos - beside*sin = sum of k sin(theta_j - theta).
_ADVANCE = _bitaxon.compile(
    "(theta + dt*(omega + ahead*c - beside*s + pressure*c) + noise*randn()) % (2*pi)",
    arguments=["theta", "s", "c", "ahead", "beside", "omega", "pressure", "dt", "noise"],
)


class KuramotoSolver(Stateful):
    """KuramotoSolver(omega, coupling, phases, noise_amp=0.1): n oscillators, all coupled.

    omega      (n,) rad/s
    coupling   (n, n), or n * n numbers: row i is what oscillator i feels, divided by n
    phases     (n,) rad
    noise_amp  rad / sqrt(s), 0 or more

    A step is Euler-Maruyama's: dtheta_i = (omega_i + sum over j of k_ij / n * sin(theta_j - theta_i)) dt +
    noise_amp dW. The noise grows with sqrt(dt) and is new in each step, where the engine's grows with dt, so that it
    vanishes with small steps, and is the same in each step() of one seed. Phases lie in [0, 2 pi).
    Two matrix products make a step, or two sums where all couplings are equal.
    """

    def __init__(
        self, omega: npt.ArrayLike, coupling: npt.ArrayLike, phases: npt.ArrayLike, noise_amp: float = 0.1
    ) -> None:
        self._omega = matrix("omega", omega, (None,), low=-np.inf)
        n = self._omega.size
        if n == 0:
            raise InvalidValueError("omega: got no oscillator, expected at least one")
        square = np.asarray(coupling)
        square = matrix("coupling", square.reshape(n, n) if square.size == n * n else square, (n, n), low=-np.inf)
        self._coupling = square / n
        self._phases = _turned(matrix("phases", phases, (n,), low=-np.inf))
        self._noise_amp = float(matrix("noise_amp", [noise_amp], (1,))[0])
        self._pressure = 0.0
        self._steps = 0

    @property
    def phases(self) -> _Floats:
        """(n,) rad, a copy."""
        return self._phases.copy()

    def order_parameter(self) -> float:
        """|mean of exp(i theta)|: 1 in step, near 0 spread out."""
        s, c = _DIRECTIONS(self._phases)
        return float(np.hypot(s.mean(), c.mean()))

    def set_field_pressure(self, f: float) -> None:
        """The strength of an outer field, rad/s, which adds f*cos(theta) in step_ssgf and run_ssgf."""
        self._pressure = float(matrix("f", [f], (1,), low=-np.inf)[0])

    def step(self, dt: float, seed: typing.SupportsIndex = 0) -> float:
        """A step of dt seconds; the order parameter after it. Noise is drawn from the seed and the number of steps so
        far."""
        return float(self.run(1, dt, seed)[0])

    def run(self, n_steps: typing.SupportsIndex, dt: float, seed: typing.SupportsIndex = 0) -> _Floats:
        """(n_steps,): the order parameter after each step."""
        return self._run(n_steps, dt, seed, self._coupling, 0.0)

    def step_ssgf(
        self,
        dt: float,
        seed: typing.SupportsIndex = 0,
        W: typing.Optional[npt.ArrayLike] = None,
        sigma_g: float = 0.0,
        h_munu: typing.Optional[npt.ArrayLike] = None,
        pgbo_weight: float = 0.0,
    ) -> float:
        """A step with the couplings sigma_g*W and pgbo_weight*h_munu, (n, n), not divided by n, and the field."""
        return float(self.run_ssgf(1, dt, seed, W, sigma_g, h_munu, pgbo_weight)[0])

    def run_ssgf(
        self,
        n_steps: typing.SupportsIndex,
        dt: float,
        seed: typing.SupportsIndex = 0,
        W: typing.Optional[npt.ArrayLike] = None,
        sigma_g: float = 0.0,
        h_munu: typing.Optional[npt.ArrayLike] = None,
        pgbo_weight: float = 0.0,
    ) -> _Floats:
        """(n_steps,): the order parameter after each such step."""
        coupling = self._coupling
        for name, weight, more in (("W", sigma_g, W), ("h_munu", pgbo_weight, h_munu)):
            (factor,) = matrix("sigma_g" if name == "W" else "pgbo_weight", [weight], (1,), low=-np.inf)
            if more is not None:
                with np.errstate(over="ignore"):
                    scaled = factor * matrix(name, more, coupling.shape, low=-np.inf)
                coupling = matrix(name, coupling + scaled, coupling.shape, low=-np.inf)
        return self._run(n_steps, dt, seed, coupling, self._pressure)

    def _run(
        self, n_steps: typing.SupportsIndex, dt: float, seed: typing.SupportsIndex, coupling: _Floats, pressure: float
    ) -> _Floats:
        order = np.empty(whole("n_steps", n_steps, 0, 2**40))
        (dt,) = matrix("dt", [dt], (1,), low=ABOVE_ZERO)
        noise = self._noise_amp * np.sqrt(dt)
        equal = coupling.flat[0] if (coupling == coupling.flat[0]).all() else None
        s, c = _DIRECTIONS(self._phases)
        for k in range(order.size):
            ahead, beside = np.stack([s, c]) @ coupling.T if equal is None else (equal * s.sum(), equal * c.sum())
            self._phases = _turned(
                _ADVANCE(self._phases, s, c, ahead, beside, self._omega, pressure, dt, noise, seed=seed, step=self._steps)
            )
            self._steps += 1
            s, c = _DIRECTIONS(self._phases)
            order[k] = np.hypot(s.mean(), c.mean())
        return order

    def __repr__(self) -> str:
        return f"<KuramotoSolver: {self._omega.size} oscillators, {self._steps} steps, noise_amp={self._noise_amp:g}>"
