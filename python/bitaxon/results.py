"""Results of more than one part."""

import dataclasses
import typing

import numpy as np
import numpy.typing as npt

from .errors import InvalidValueError

__all__ = ["Recording", "Spikes", "Streamed", "Tuned"]


class Streamed(typing.NamedTuple):
    """What forward_streamed returns."""

    outputs: npt.NDArray[np.float64]
    """(n_neurons,), or (n, n_neurons) for several samples."""
    lengths: typing.Union[int, npt.NDArray[np.int64]]
    """Bits that each sample used: an int, or (n,) for several samples."""


class Tuned(typing.NamedTuple):
    """Lengths that Network.tune set, and what they reached."""

    lengths: typing.Tuple[int, ...]
    """Of each layer, in bits."""
    accuracy: float
    """Share of the samples that were classified right."""


@dataclasses.dataclass(frozen=True, eq=False)
class Spikes:
    """Who spiked when in a run of a Population."""

    bits: npt.NDArray[np.uint64]
    """(steps, ceil(n_neurons / 64)): neuron n spiked in a step if bit n % 64 of its word n // 64 is set."""
    n_neurons: int
    """Number of neurons."""
    first_step: int = 0
    """Number of the first step since the population's beginning."""
    dt: float = 1e-3
    """Seconds of a step."""

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.bits)

    @property
    def events(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(index, step): neurons that spiked, and the steps, in the order of steps, then neurons."""
        if "_events" not in self.__dict__:
            self.__dict__["_events"] = self._find_events()
        return self.__dict__["_events"]  # type: ignore[no-any-return]

    def _find_events(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        row, word = np.nonzero(self.bits)
        ones = np.unpackbits(
            np.ascontiguousarray(self.bits[row, word, np.newaxis]).astype("<u8").view(np.uint8),
            axis=1,
            bitorder="little",
        )
        which, bit = np.nonzero(ones)
        return word[which] * 64 + bit, row[which] + self.first_step

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Neuron of each spike."""
        return self.events[0]

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """Step of each spike, since the population's beginning."""
        return self.events[1]

    @property
    def time(self) -> npt.NDArray[np.float64]:
        """Seconds of each spike."""
        return self.step * self.dt

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """(n_neurons,): spikes of each neuron in a second."""
        counts = np.bincount(self.index, minlength=self.n_neurons)
        return counts / (self.steps * self.dt) if self.steps else counts * np.nan

    def dense(self) -> npt.NDArray[np.bool_]:
        """(steps, n_neurons): whether each neuron spiked in each step."""
        flat = np.ascontiguousarray(self.bits).astype("<u8", copy=False).view(np.uint8)
        used = np.ascontiguousarray(flat[:, : -(-self.n_neurons // 8)])
        flat_bits = np.unpackbits(used, bitorder="little")  # by rows it is ten times slower
        bits = flat_bits.reshape(used.shape[0], 8 * used.shape[1])
        return bits[:, : self.n_neurons].astype(np.bool_)

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return (
            f"<Spikes: {len(self)} of {self.n_neurons} neurons in {self.steps} steps from {self.first_step}, "
            f"dt={self.dt}>"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """Variables of chosen neurons, before the integration of each step."""

    values: dict[str, npt.NDArray[np.float64]]
    """name -> (steps, len(neurons))."""
    neurons: npt.NDArray[np.int64]
    """Indices of the neurons."""
    first_step: int = 0
    """Number of the first step since the population's beginning."""
    dt: float = 1e-3
    """Seconds of a step."""

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """(steps,): number of each step since the population's beginning."""
        steps = max((len(values) for values in self.values.values()), default=0)
        return self.first_step + np.arange(steps)

    @property
    def time(self) -> npt.NDArray[np.float64]:
        """(steps,): seconds."""
        return self.step * self.dt

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        if name not in self.values:
            known = ", ".join(self.values) or "a variable: nothing is recorded"
            raise InvalidValueError(f"recording: got '{name}', expected {known}")
        return self.values[name]

    def __repr__(self) -> str:
        return (
            f"<Recording: {', '.join(self.values) or 'nothing'} of {len(self.neurons)} neurons in "
            f"{len(self.step)} steps from {self.first_step}, dt={self.dt}>"
        )
