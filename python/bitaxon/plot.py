"""Pictures of spikes and membranes. They draw into the axes that they are given, return what they drew,
and never show it."""

from __future__ import annotations

from collections import abc
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from .errors import InvalidShapeError, InvalidTypeError
from .results import Recording, Spikes

__all__ = ["raster", "traces"]

_Events = tuple[npt.ArrayLike, npt.ArrayLike]


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # type: ignore[import]  # optional, and slow to import

    return plt.gca()


def raster(
    spikes: Union[Spikes, _Events], ax: Any = None, dt: Optional[float] = None, **style: Any
) -> Any:
    """A dot for each spike: time to the right, neurons upwards.

    spikes  Spikes, or (index, step)
    ax      matplotlib Axes; the current ones unless given
    dt      seconds of a step; that of the spikes unless given, steps for (index, step) without it
    style   of matplotlib's plot: color, marker, markersize, ...
    Returns the Line2D.
    """
    if isinstance(spikes, Spikes):
        index, step = spikes.events
        dt = spikes.dt if dt is None else dt
        first, last, neurons = spikes.first_step, spikes.first_step + spikes.steps, spikes.n_neurons
    elif isinstance(spikes, tuple) and len(spikes) == 2:
        index, step = (np.asarray(part) for part in spikes)
        if index.ndim != 1 or index.shape != step.shape:
            raise InvalidShapeError(
                f"spikes: got shapes {index.shape} and {step.shape}, expected one step for each index"
            )
        first, last = (step.min(), step.max() + 1) if step.size else (0, 1)
        neurons = int(index.max()) + 1 if index.size else 1
    else:
        raise InvalidTypeError(f"spikes: got {type(spikes).__name__}, expected Spikes or (index, step)")
    unit = 1.0 if dt is None else dt
    axes = _axes(ax)
    options = {"linestyle": "none", "marker": "|" if neurons <= 100 else ".", "markersize": 3.0} | style
    (line,) = axes.plot(step * unit, index, **options)
    axes.set_xlim(first * unit, max(last, first + 1) * unit)
    axes.set_ylim(-0.5, max(neurons, 1) - 0.5)
    axes.set_xlabel("step" if dt is None else "time (s)")
    axes.set_ylabel("neuron")
    return line


def traces(
    recording: Union[Recording, npt.ArrayLike],
    names: Union[None, str, abc.Sequence[str]] = None,
    ax: Any = None,
    dt: Optional[float] = None,
    offset: float = 0.0,
    **style: Any,
) -> list[Any]:
    """A line for each recorded neuron and variable, over time.

    recording  Recording, or values (steps,) or (steps, neurons)
    names      of the Recording's variables; all unless given
    ax         matplotlib Axes; the current ones unless given
    dt         seconds of a step; that of the recording unless given, steps for values without it
    offset     by which each line stands above the one before
    style      of matplotlib's plot: color, linewidth, ...
    Returns the list of Line2D, variable by variable.
    """
    if isinstance(recording, Recording):
        chosen = list(recording.values) if names is None else [names] if isinstance(names, str) else names
        columns = {name: recording[name] for name in chosen}
        labels = [f"{name}[{neuron}]" for name in chosen for neuron in recording.neurons]
        dt = recording.dt if dt is None else dt
        steps = recording.step
    else:
        values = np.asarray(recording)
        if values.ndim not in (1, 2) or names is not None:
            raise InvalidShapeError(
                f"recording: got shape {values.shape}, expected (steps,) or (steps, neurons) and no names"
            )
        columns = {"": values.reshape(len(values), -1)}
        labels = [f"{neuron}" for neuron in range(columns[""].shape[1])]
        steps = np.arange(len(values))
    axes = _axes(ax)
    lines: list[Any] = []
    for values in columns.values():
        for column in values.T:
            lines += axes.plot(
                steps * (1.0 if dt is None else dt), column + offset * len(lines),
                **{"label": labels[len(lines)], "linewidth": 1.0} | style,
            )  # fmt: skip
    axes.set_xlabel("step" if dt is None else "time (s)")
    if len(columns) == 1:
        axes.set_ylabel(next(iter(columns)))
    return lines
