"""How times grow along a series: exponents, and where one side of a threshold overtakes the other."""

import dataclasses
import math

import numpy as np
from scipy import stats

FEWEST_POINTS = 3


@dataclasses.dataclass(frozen=True)
class Fit:
    """time = a * value^exponent, by least squares on logarithms; the interval is Student's, 95 %."""

    exponent: float
    low: float
    high: float
    from_value: float
    to_value: float


@dataclasses.dataclass(frozen=True)
class Series:
    name: str      # group/operation/tier
    over: str      # what varies
    values: np.ndarray
    times: np.ndarray  # nanoseconds
    ids: list

    @property
    def group(self):
        return self.name.split("/")[0]


def series_of(results):
    """Those of at least FEWEST_POINTS values, in order of appearance."""
    found = {}
    for name, result in results.items():
        if "series" in result:
            key = name.rsplit("/", 1)[0]
            found.setdefault((key, result["series"]["over"]), []).append(
                (result["series"]["value"], result["median_ns"], name))
    out = []
    for (key, over), points in found.items():
        points.sort()
        if len({value for value, _, _ in points}) >= FEWEST_POINTS:
            values, times, ids = zip(*points)
            out.append(Series(key, over, np.array(values, float), np.array(times), list(ids)))
    return out


def fit(values, times):
    """Of all points; `tail` fits the end where constant costs no longer count."""
    x, y = np.log(values), np.log(times)
    line = stats.linregress(x, y)
    reach = stats.t.ppf(0.975, len(x) - 2) * line.stderr if len(x) > 2 else math.inf
    return Fit(line.slope, line.slope - reach, line.slope + reach, values[0], values[-1])


def tail(values, times):
    """The fit of the upper half, at least FEWEST_POINTS points."""
    count = max(FEWEST_POINTS, math.ceil(len(values) / 2))
    return fit(values[-count:], times[-count:])


def crossover(values, ratios):
    """Where the ratio first rises above 1 for good: interpolated on logarithms of the value.

    None if it never does; the first value if it always is above 1.
    """
    above = np.asarray(ratios) > 1
    if not above[-1]:
        return None
    first = len(above) - int(np.argmin(above[::-1])) if not above.all() else 0
    if first == 0:
        return float(values[0])
    x = np.log(values[first - 1:first + 1])
    y = np.log(ratios[first - 1:first + 1])
    return float(np.exp(x[0] + (x[1] - x[0]) * (0 - y[0]) / (y[1] - y[0])))
