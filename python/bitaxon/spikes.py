"""Values to spike trains: packed streams (n, ceil(steps / 64)) whose bits are time steps.

The codes that D. Auge, J. Hille, E. Mueller and A. Knoll name in A survey of encoding techniques for signal
processing in spiking neural networks, 2021. Values are numbers in [0, 1], (n,). ValueError is raised for
others, NaN too, for other shapes, and for parameters outside the ranges that are named.

    trains = bx.spikes.rate(values, 1000, max_rate=200)
    bx.plot.raster(bx.spikes.events(trains, 1000))
"""

from __future__ import annotations

import typing

import numpy as np
import numpy.typing as npt

from . import _bitaxon
from ._arguments import spread
from .errors import InvalidValueError
from .results import Spikes
from .streams import Streams

__all__ = ["burst", "decode_delta", "delta", "events", "latency", "phase", "population", "rate"]

_Context = typing.Optional[_bitaxon.ExecutionContext]


def rate(
    values: npt.ArrayLike,
    steps: int,
    *,
    max_rate: float = 100.0,
    dt: float = 1e-3,
    seed: typing.Optional[int] = None,
    layer: int = 0,
    sample: int = 0,
    first_index: int = 0,
    first_step: int = 0,
    context: _Context = None,
) -> Streams:
    """Poisson trains (E. D. Adrian, 1926): a step has a spike with probability
    1 - exp(-value * max_rate * dt), that of at least one event, independently of all others.

    max_rate    of value 1, in Hz, 0 or above
    dt          seconds of a step, above 0
    seed, ...   name the trains as encode's do; two trains of different names have SCC 0
    first_step  the trains begin with that step: any part is the same as that of the whole
    """
    return _bitaxon._spikes_rate(
        values, steps, max_rate, dt, seed, layer, sample, first_index, first_step, context
    )


def latency(
    values: npt.ArrayLike, steps: int, *, tau: float = 0.0, least: float = 0.0, context: _Context = None
) -> Streams:
    """One spike, the sooner the larger the value (S. J. Thorpe, 1990): in step
    round((1 - value) * (steps - 1)), or, with tau, in step floor(tau * log(value / (value - least))), when a
    capacitor that the value charges reaches `least`.

    tau    in steps; 0: linear
    least  values of at most this have no spike; above 0 with tau
    """
    return _bitaxon._spikes_latency(values, steps, tau, least, context)


def phase(values: npt.ArrayLike, steps: int, *, period: int = 8, context: _Context = None) -> Streams:
    """Weighted spikes (J. Kim, H. Kim, S. Huh, J. Lee and K. Choi, 2018): phase k of a period is worth
    2^-(k+1), and has a spike if the value, rounded to 2^-period, has that binary digit.

    period  1 to 52 steps; 1 becomes 1 - 2^-period
    """
    return _bitaxon._spikes_phase(values, steps, period, context)


def burst(
    values: npt.ArrayLike,
    steps: int,
    *,
    most_spikes: int = 5,
    shortest_gap: int = 2,
    longest_gap: int = 10,
    context: _Context = None,
) -> Streams:
    """A burst from step 0 on (W. Guo, M. E. Fouda, A. M. Eltawil and K. N. Salama, 2021):
    ceil(value * most_spikes) spikes, ceil(longest_gap - (longest_gap - shortest_gap) * value) steps apart.

    Raises ValueError for a burst that does not end within the steps.
    """
    return _bitaxon._spikes_burst(values, steps, most_spikes, shortest_gap, longest_gap, context)


def _sparse_latency(activations: npt.ArrayLike, steps: int) -> Streams:
    return latency(activations, steps, least=0.1)


def population(
    values: npt.ArrayLike,
    steps: int,
    *,
    neurons: int = 8,
    low: float = 0.0,
    high: float = 1.0,
    overlap: float = 1.5,
    code: typing.Callable[[npt.NDArray[np.float64], int], Streams] = _sparse_latency,
) -> Streams:
    """Gaussian receptive fields (S. M. Bohte, H. La Poutre and J. N. Kok, 2002): each value, in [low, high],
    excites several neurons, whose activations another code turns into trains.

    neurons  for each value, 3 to 2^20; the centre of neuron k is low + (k - 1/2) w, w = (high - low) /
             (neurons - 2)
    overlap  above 0; the width of a field is w / overlap
    code     called with (n * neurons,) activations in [0, 1] and the steps: one of this module's
             functions; linear latency, silent up to 0.1, unless given

    Returns (n, neurons, ceil(steps / 64)).
    """
    activations = _bitaxon._population_activations(values, neurons, low, high, overlap)
    trains = code(activations.ravel(), steps)
    sources = getattr(trains, "sources", None)
    shape = activations.shape
    return Streams(trains.reshape(*shape, -1), None if sources is None else sources.reshape(shape))


def delta(signals: npt.ArrayLike, threshold: float, *, context: _Context = None) -> Streams:
    """Delta modulation, send on delta (M. Miskowicz, 2006): a spike up when a signal has risen by the
    threshold above its reference, which follows by that much, a spike down when it has fallen. One spike a
    step at most; the reference starts as the signal's first value.

    signals    (n, steps) or (steps,), finite
    threshold  above 0
    Returns (n, 2, ceil(steps / 64)), or (2, ceil(steps / 64)): the train of ups, the train of downs.
    """
    return _bitaxon._spikes_delta(signals, threshold, context)


def decode_delta(
    trains: npt.NDArray[np.uint64], steps: int, threshold: float, start: npt.ArrayLike = 0.0
) -> npt.NDArray[np.float64]:
    """The references that delta's trains stand for, (n, steps) or (steps,).

    trains     as delta returns them
    threshold  above 0
    start      the first value of each signal, or of all, finite
    """
    first = spread("start", start, np.shape(trains)[:-2] or (1,))
    return _bitaxon._decode_delta(trains, steps, threshold, first)


def events(trains: npt.NDArray[np.uint64], steps: int, *, dt: float = 1e-3) -> Spikes:
    """Trains as the Spikes that a Population records: for plots, and for who spiked when.

    dt  seconds of a step, above 0
    """
    if not dt > 0:
        raise InvalidValueError(f"dt: got {dt}, expected above 0, in seconds")
    bits = _bitaxon.unpack(trains, steps).reshape(-1, steps)
    return Spikes(_bitaxon.pack(np.ascontiguousarray(bits.T)), len(bits), dt=dt)
