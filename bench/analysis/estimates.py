"""What samples say about one time: slope, median, MAD, intervals, outliers.

The interval is a bootstrap in two steps, launches and then rounds within them, since rounds of one
process share its memory layout (Kalibera and Jones, 2013). Outliers are Tukey's (1977), as Criterion
shows them; nothing is thrown away for being one.
"""

import dataclasses
import zlib

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95
MAD_TO_SIGMA = 1.4826022185056018  # of normally distributed values


@dataclasses.dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Outliers:
    """Numbers of samples beyond 1.5 (mild) and 3 (severe) interquartile ranges from the quartiles."""

    low_severe: int
    low_mild: int
    high_mild: int
    high_severe: int


@dataclasses.dataclass(frozen=True)
class Estimates:
    slope: Interval   # nanoseconds of one call: regression through the origin
    median: Interval  # nanoseconds of one call
    mad: float        # of the samples around their median, nanoseconds, not scaled
    r_squared: float  # of the regression
    outliers: Outliers
    samples: int
    launches: int


def slope(iterations, nanoseconds):
    """Least squares through the origin: no call takes no time."""
    return np.sum(iterations * nanoseconds, axis=-1) / np.sum(iterations * iterations, axis=-1)


def r_squared(iterations, nanoseconds):
    """Of the line through the origin, against the mean; 1 when the times vary not at all."""
    residual = np.sum((nanoseconds - slope(iterations, nanoseconds) * iterations) ** 2)
    total = np.sum((nanoseconds - np.mean(nanoseconds)) ** 2)
    return 1.0 if total == 0 else 1 - residual / total


def mad(values):
    return float(np.median(np.abs(values - np.median(values))))


def outliers(values):
    first, third = np.percentile(values, [25, 75])
    spread = third - first
    low_severe, low_mild = first - 3 * spread, first - 1.5 * spread
    high_mild, high_severe = third + 1.5 * spread, third + 3 * spread
    count = np.count_nonzero
    return Outliers(count(values < low_severe),
                    count((values >= low_severe) & (values < low_mild)),
                    count((values > high_mild) & (values <= high_severe)),
                    count(values > high_severe))


def seed_of(name):
    """The same resamples for the same id, in any order of evaluation."""
    return zlib.crc32(name.encode())


def resample(launches, name, resamples=RESAMPLES):
    """(resamples, rounds) arrays of iterations and nanoseconds, launches drawn first."""
    rng = np.random.default_rng(seed_of(name))
    count = len(launches)
    length = min(k.iterations.size for k in launches)
    chosen = rng.integers(count, size=(resamples, count))
    sizes = np.array([k.iterations.size for k in launches])
    rounds = (rng.random((resamples, count, length)) * sizes[chosen][:, :, None]).astype(int)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    index = (starts[chosen][:, :, None] + rounds).reshape(resamples, -1)
    iterations = np.concatenate([k.iterations for k in launches])
    nanoseconds = np.concatenate([k.nanoseconds for k in launches])
    return iterations[index], nanoseconds[index]


def percentile_interval(value, resampled):
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Interval(float(value), float(min(low, value)), float(max(high, value)))


def estimate(launches, name):
    """Of launches that samples.usable() chose."""
    iterations = np.concatenate([k.iterations for k in launches])
    nanoseconds = np.concatenate([k.nanoseconds for k in launches])
    per_call = nanoseconds / iterations
    drawn_iterations, drawn_nanoseconds = resample(launches, name)
    return Estimates(
        slope=percentile_interval(slope(iterations, nanoseconds),
                                  slope(drawn_iterations, drawn_nanoseconds)),
        median=percentile_interval(np.median(per_call),
                                   np.median(drawn_nanoseconds / drawn_iterations, axis=1)),
        mad=mad(per_call),
        r_squared=float(r_squared(iterations, nanoseconds)),
        outliers=outliers(per_call),
        samples=int(iterations.size),
        launches=len(launches))
