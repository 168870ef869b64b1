"""The leaky neuron in fixed point, as circuits have it: a step a call, or a run of a Population."""

import dataclasses
import functools
import typing

import numpy as np
import numpy.typing as npt

from ... import _bitaxon
from ...errors import InvalidShapeError
from .arguments import Stateful, whole
from .runtime import context

__all__ = [
    "FixedPointLIFNeuron",
    "FixedPointLif",
    "batch_lif_run",
    "batch_lif_run_multi",
    "batch_lif_run_varying",
]

_Run = typing.Tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]

_INT16 = -(2**15), 2**15 - 1
# What drives the neuron, gain, current and noise together, is `drive` where it is constant, else i. Spikes are a
# variable too: a run records them as what the caller gets.
_EQUATIONS = """i : i32
v : i16 = v_rest
fired : i32 = 0
drive : i32 = 0
waiting : i32 = 0
leak : i32 = 0 (constant)
v_rest : i16 = 0 (constant)
v_reset : i16 = 0 (constant)
v_threshold : i16 = 256 (constant)
refractory : i32 = 2 (constant)
v = v_rest if waiting > 0 else i16({next})
fired = {spike}
waiting = refractory if fired > 0 else max(waiting - 1, 0)
v = v_reset if fired > 0 else v"""
_NEXT = "v + ((v_rest - i32(v))*leak >> {fraction}) + drive + i"


@functools.lru_cache(maxsize=64)
def _rule(fraction: int, unused: int, restless: bool) -> _bitaxon.Rule:
    """Shifts by numbers in the text: those by parameters take twice the time. restless: v_rest is not below the
    threshold, so that it must be said that a neuron which is held does not spike."""
    following = _NEXT.format(fraction=fraction)
    return _bitaxon.Rule(
        _EQUATIONS.format(
            next=f"({following}) << {unused} >> {unused}" if unused > 16 else following,
            spike="v >= v_threshold" + (" and waiting == 0" if restless else ""),
        )
    )


@dataclasses.dataclass(frozen=True)
class _Circuit:
    """What is wired: widths, potentials and the refractory period."""

    data_width: int
    fraction: int
    v_rest: int
    v_reset: int
    v_threshold: int
    refractory_period: int

    def __post_init__(self) -> None:
        width = whole("data_width", self.data_width, 2, 16)
        whole("fraction", self.fraction, 0, width)
        half = 1 << (width - 1)
        for name in ("v_rest", "v_reset", "v_threshold"):
            whole(name, getattr(self, name), -half, half - 1)
        whole("refractory_period", self.refractory_period, 0, 2**31 - 1)

    def drive(self, gain_k: int, current: typing.Any, noise: typing.Any) -> typing.Any:
        """What is added in a step besides the leak: of ints, and of arrays of int64."""
        return (current * gain_k >> self.fraction) + noise

    def run(self, leak_k: typing.SupportsIndex, drive: npt.NDArray[np.int64], n_neurons: int, n_steps: int) -> _Run:
        """drive: (n_neurons,) for all steps, or (n_steps, 1)."""
        population = _bitaxon.Population(
            n_neurons,
            _rule(self.fraction, 32 - self.data_width, self.v_rest >= self.v_threshold),
            dt=1.0,
            seed=0,
            work_at_once=0,
            parameters={
                "leak": whole("leak_k", leak_k, *_INT16),
                "v_rest": self.v_rest,
                "v_reset": self.v_reset,
                "v_threshold": self.v_threshold,
                "refractory": self.refractory_period,
            },
        )
        if drive.ndim == 1:
            population["drive"] = drive
        spikes = np.empty((n_neurons, n_steps), np.int32)
        voltages = np.empty((n_neurons, n_steps), np.int16)
        if n_steps > 0:
            constant = drive.ndim == 1
            population.run(0 if constant else drive[:1], 1, context=context())
            # What stands before a step is what the one before it has left.
            population.run(
                0 if constant else drive[1:],
                n_steps - 1,
                context=context(),
                record={"fired": spikes[:, :-1].T, "v": voltages[:, :-1].T},
            )
            spikes[:, -1], voltages[:, -1] = population.fired, population.v
        return spikes, voltages


class FixedPointLif(Stateful):
    """A leaky neuron in fixed point, a step a call.

    data_width  2 to 16 bits, to which the membrane wraps; potentials lie in them
    fraction    0 to data_width bits behind the point: Q8.8 is 16 and 8
    v_rest, v_reset, v_threshold  in units of 2^-fraction
    refractory_period  steps, 0 or more, in which the neuron rests at v_rest after a spike

    A step, in whole numbers, >> rounding down:
        v += ((v_rest - v)*leak_k >> fraction) + (i_t*gain_k >> fraction) + noise_in
    A neuron that spikes in step s integrates again in step s + refractory_period + 1. The difference v_rest - v has
    the bits that it needs, where the engine's wraps at 16. Numbers out of range raise ValueError.
    """

    def __init__(
        self,
        data_width: int = 16,
        fraction: int = 8,
        v_rest: int = 0,
        v_reset: int = 0,
        v_threshold: int = 256,
        refractory_period: int = 2,
    ) -> None:
        self._circuit = _Circuit(data_width, fraction, v_rest, v_reset, v_threshold, refractory_period)
        self._v, self._waiting = v_rest, 0

    def step(
        self,
        leak_k: typing.SupportsIndex,
        gain_k: typing.SupportsIndex,
        i_t: typing.SupportsIndex,
        noise_in: typing.SupportsIndex = 0,
    ) -> typing.Tuple[int, int]:
        """(spike, v): 0 or 1, and the membrane after the step. Arguments are 16-bit integers.

        A run of many steps is batch_lif_run and its like, which do a step in nanoseconds.
        """
        leak, gain = whole("leak_k", leak_k, *_INT16), whole("gain_k", gain_k, *_INT16)
        current, noise = whole("i_t", i_t, *_INT16), whole("noise_in", noise_in, *_INT16)
        circuit = self._circuit
        if self._waiting > 0:
            self._waiting -= 1
            self._v = circuit.v_rest
            return 0, self._v
        v = self._v + ((circuit.v_rest - self._v) * leak >> circuit.fraction) + circuit.drive(gain, current, noise)
        half = 1 << (circuit.data_width - 1)
        self._v = (v + half) % (2 * half) - half
        if self._v < circuit.v_threshold:
            return 0, self._v
        self._v, self._waiting = circuit.v_reset, circuit.refractory_period
        return 1, self._v

    def reset(self) -> None:
        """At rest, not refractory."""
        self._v, self._waiting = self._circuit.v_rest, 0

    def reset_state(self) -> None:
        """The same."""
        self.reset()

    def get_state(self) -> typing.Dict[str, int]:
        """{'v': membrane, 'refractory_counter': steps that the neuron still rests}."""
        return {"v": self._v, "refractory_counter": self._waiting}

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={value}" for name, value in dataclasses.asdict(self._circuit).items())
        return f"{type(self).__name__}({parameters})"


class FixedPointLIFNeuron(FixedPointLif):
    """FixedPointLif whose current is called I_t."""

    def step(
        self,
        leak_k: typing.SupportsIndex,
        gain_k: typing.SupportsIndex,
        I_t: typing.SupportsIndex,
        noise_in: typing.SupportsIndex = 0,
    ) -> typing.Tuple[int, int]:
        """(spike, v) of a step."""
        return super().step(leak_k, gain_k, I_t, noise_in)


def batch_lif_run(
    n_steps: typing.SupportsIndex,
    leak_k: typing.SupportsIndex,
    gain_k: typing.SupportsIndex,
    i_t: typing.SupportsIndex,
    noise_in: typing.SupportsIndex = 0,
    data_width: int = 16,
    fraction: int = 8,
    v_rest: int = 0,
    v_reset: int = 0,
    v_threshold: int = 256,
    refractory_period: int = 2,
) -> _Run:
    """n_steps of one neuron with a constant current: (spikes, voltages), (n_steps,) int32 and int16.

    Arguments as for FixedPointLif. Voltages are those after each step.
    """
    circuit = _Circuit(data_width, fraction, v_rest, v_reset, v_threshold, refractory_period)
    drive = circuit.drive(
        whole("gain_k", gain_k, *_INT16), whole("i_t", i_t, *_INT16), whole("noise_in", noise_in, *_INT16)
    )
    spikes, voltages = circuit.run(leak_k, np.array([drive]), 1, whole("n_steps", n_steps, 0, 2**40))
    return spikes[0], voltages[0]


def batch_lif_run_multi(
    n_neurons: typing.SupportsIndex,
    n_steps: typing.SupportsIndex,
    leak_k: typing.SupportsIndex,
    gain_k: typing.SupportsIndex,
    currents: npt.ArrayLike,
    data_width: int = 16,
    fraction: int = 8,
    v_rest: int = 0,
    v_reset: int = 0,
    v_threshold: int = 256,
    refractory_period: int = 2,
) -> _Run:
    """n_steps of n_neurons, each with a constant current of its own: (spikes, voltages), (n_neurons, n_steps)."""
    circuit = _Circuit(data_width, fraction, v_rest, v_reset, v_threshold, refractory_period)
    count = whole("n_neurons", n_neurons, 1, 2**31)
    drive = circuit.drive(whole("gain_k", gain_k, *_INT16), _int16s("currents", currents, count), 0)
    return circuit.run(leak_k, drive, count, whole("n_steps", n_steps, 0, 2**40))


def batch_lif_run_varying(
    leak_k: typing.SupportsIndex,
    gain_k: typing.SupportsIndex,
    currents: npt.ArrayLike,
    noises: typing.Optional[npt.ArrayLike] = None,
    data_width: int = 16,
    fraction: int = 8,
    v_rest: int = 0,
    v_reset: int = 0,
    v_threshold: int = 256,
    refractory_period: int = 2,
) -> _Run:
    """One neuron with a current, and noise where given, for each step: (spikes, voltages), (n_steps,)."""
    circuit = _Circuit(data_width, fraction, v_rest, v_reset, v_threshold, refractory_period)
    current = _int16s("currents", currents)
    noise = 0 if noises is None else _int16s("noises", noises, current.size)
    drive = circuit.drive(whole("gain_k", gain_k, *_INT16), current, noise)
    spikes, voltages = circuit.run(leak_k, drive.reshape(-1, 1), 1, current.size)
    return spikes[0], voltages[0]


def _int16s(name: str, values: npt.ArrayLike, count: typing.Optional[int] = None) -> npt.NDArray[np.int64]:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or count not in (None, numbers.size):
        raise InvalidShapeError(f"{name}: got shape {numbers.shape}, expected ({'n' if count is None else count},)")
    if numbers.size:
        if numbers.dtype.kind not in "iu":
            numbers = numbers.astype(object)  # whole() names what is wrong
        for worst in (numbers.min(), numbers.max()):
            whole(name, worst, *_INT16)
    return numbers.astype(np.int64)
