"""Is the new result faster or slower than the baseline? One word for each id.

Each launch gives one number, the logarithm of its median. Two measures are looked at: the time, and the
time over the time of the limit (or sentinel) in the same rounds, which cancels changes of the clock. The
steadier of the two decides, chosen without looking at which launch belongs to which result. Its
difference between the medians of new and old launches is divided by the launches' spread.

The p-value is that of the largest such ratio of all ids under permutations of the launches (P. H.
Westfall and S. S. Young, 1993): the chance that *any* id would show as much if nothing had changed,
however the ids depend on one another. Step by step: an id is measured against the ids that show no
more than it does, since one that did change looks different under many permutations and would hide
smaller changes. Differences that all ids share, beyond what launches of one result differ by, widen
the yardstick: two results from different hours need larger changes than two interleaved ones.

A change counts when p is at most `alpha`, the change reaches the threshold, and the other measure
agrees: same sign, at least half as large.
"""

import dataclasses
import itertools
import math

import numpy as np

from . import estimates, results, samples

PERMUTATIONS = 2000  # all of them where there are no more
FEWEST_IDS = 30      # from which the ids' common noise can be told
CONTROLS = ("probes/",)  # measure the machine, not the library


@dataclasses.dataclass(frozen=True)
class Change:
    name: str
    word: str         # improved, regressed, no change, control
    percent: float    # of the time, by the deciding measure; positive is slower
    low: float        # percent: bootstrap interval
    high: float
    p: float
    measure: str      # time, share
    other_percent: float
    baseline_ns: float
    new_ns: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    changes: list
    only_baseline: list
    only_new: list
    noise: float       # times the launches' spread: 1 where the two results differ no more than launches do
    drift_percent: float  # median change of the controls
    warnings: list

    def with_word(self, word):
        return [c for c in self.changes if c.word == word]


def measures(launches, quiet_only):
    """Logarithms a launch: (launches,) of time and of time over reference; NaN where disturbed."""
    time, share = [], []
    for launch in launches:
        keep = launch.quiet if quiet_only else np.ones_like(launch.quiet)
        if quiet_only and not samples.is_quiet(launch):
            time.append(math.nan)
            share.append(math.nan)
            continue
        per_call = launch.per_call[keep]
        time.append(math.log(np.median(per_call)))
        share.append(math.log(np.median(per_call / launch.reference_ns[keep])))
    return np.array(time), np.array(share)


def median(values):
    """Along the last axis, NaN left out; NaN where there is nothing else. NumPy's takes ten times as long."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, np.clip(k, 0, None), axis=-1) for k in ((count - 1) // 2, count // 2))
    return np.where(count > 0, (low + high) / 2, math.nan)[..., 0]


def spread(values):
    """Mean absolute deviation from the median, of each row; NaN are left out."""
    apart = np.abs(values - median(values)[..., None])
    known = np.isfinite(apart)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, apart, 0).sum(axis=-1) / np.maximum(count, 1), math.nan)


def statistic(values, is_new, floor):
    """(ids,) difference of medians over the spread within old and new launches, pooled.

    NaN where a side has too few quiet launches for its spread to mean anything.
    """
    old, new = values[:, ~is_new], values[:, is_new]
    counts = [np.isfinite(side).sum(axis=1) for side in (old, new)]
    total = sum(np.where(n > 0, n * spread(side), 0) for n, side in zip(counts, (old, new)))
    pooled = total / np.maximum(sum(counts) - 2, 1)
    enough = np.minimum(*counts) >= samples.FEWEST_LAUNCHES
    return np.where(enough, (median(new) - median(old)) / (pooled + floor), math.nan)


def splits(count, new_count):
    """Rows of booleans: which launches are called new. The identity is among them."""
    total = math.comb(count, new_count)
    if total <= PERMUTATIONS:
        rows = np.zeros((total, count), bool)
        for row, chosen in zip(rows, itertools.combinations(range(count), new_count)):
            row[list(chosen)] = True
        return rows
    rng = np.random.default_rng(1)
    rows = np.zeros((PERMUTATIONS, count), bool)
    rows[:, :new_count] = True
    rows = rng.permuted(rows, axis=1)
    rows[0] = np.arange(count) >= count - new_count
    return rows


def step_down(observed, permuted, judged):
    """p of each id, (permutations, ids) of ratios without NaN given: 1 where nothing was observed.

    Those that are not judged are measured against all that are, and are in nobody's way.
    """
    permuted = np.where(judged, permuted, 0)
    size = np.where(np.isfinite(observed), np.abs(observed), -1)
    order = np.argsort(np.where(judged, size, -1))  # smallest first
    largest = np.empty_like(permuted)
    largest[:, order] = np.maximum.accumulate(np.abs(permuted)[:, order], axis=1)
    largest[:, ~judged] = np.abs(permuted).max(axis=1, keepdims=True)
    # Rounding must not make equal splits differ.
    p = np.where(size < 0, 1.0, np.mean(largest >= size * (1 - 1e-12), axis=0))
    down = order[::-1]
    down = down[judged[down]]
    p[down] = np.maximum.accumulate(p[down])
    return p


def robust_scale(values):
    return float(median(np.abs(values - median(values))))


def change_interval(old, new, name):
    """Percent, from resampled launches."""
    rng = np.random.default_rng(estimates.seed_of(name))
    old, new = old[np.isfinite(old)], new[np.isfinite(new)]
    drawn = (np.median(new[rng.integers(new.size, size=(estimates.RESAMPLES, new.size))], axis=1)
             - np.median(old[rng.integers(old.size, size=(estimates.RESAMPLES, old.size))], axis=1))
    found = estimates.percentile_interval(np.median(new) - np.median(old), drawn)
    return tuple(100 * math.expm1(x) for x in (found.value, found.low, found.high))


def compare(baseline, new, threshold=0.05, alpha=0.05):
    """A Comparison of two merged results.

    @raises results.ResultError if they have no id in common, or too few launches to ever reach alpha.
    """
    old_results, new_results = baseline["results"], new["results"]
    names = [name for name in old_results if name in new_results]
    if not names:
        raise results.ResultError("baseline and new result have no id in common")
    old_count, new_count = (r["environment"]["launches"] for r in (baseline, new))
    smallest = 2 / math.comb(old_count + new_count, new_count)
    if smallest > alpha:
        raise results.ResultError(
            f"{old_count} and {new_count} launches: no p-value below {smallest:.2g} is possible, but alpha"
            f" is {alpha:g}; run both with --launches 5 or more")

    tables = {"time": [], "share": []}
    for name in names:
        sides = [results.launches_of(r[name]) for r in (old_results, new_results)]
        # Quiet rounds are compared with quiet ones, or all with all.
        quiet_only = all(map(samples.quiet_enough, sides))
        old, fresh = (measures(launches, quiet_only) for launches in sides)
        tables["time"].append(np.concatenate([old[0], fresh[0]]))
        tables["share"].append(np.concatenate([old[1], fresh[1]]))
    tables = {measure: np.array(rows) for measure, rows in tables.items()}
    is_new = np.arange(old_count + new_count) >= old_count
    steadier = np.where(spread(tables["time"]) <= spread(tables["share"]), "time", "share")
    other = np.where(steadier == "time", "share", "time")
    pick = {key: np.where((key == steadier)[:, None], tables[key], 0) for key in tables}
    values = pick["time"] + pick["share"]

    judged = np.array([not name.startswith(CONTROLS) for name in names])
    # Spreads far below the threshold are no reason to believe in small changes.
    floor = threshold / 5
    observed = statistic(values, is_new, floor)
    permuted = np.array([statistic(values, split, floor) for split in splits(is_new.size, new_count)])
    noise = 1.0
    if len(names) >= FEWEST_IDS:
        expected = np.median([robust_scale(row) for row in permuted])
        noise = max(1.0, robust_scale(observed) / expected if expected > 0 else 1.0)
    p = step_down(observed / noise, np.where(np.isfinite(permuted), permuted, 0), judged)

    def median_change(measure, row):
        return median(tables[measure][row, is_new]) - median(tables[measure][row, ~is_new])

    changes = []
    for i, name in enumerate(names):
        row = tables[steadier[i]][i]
        value, low, high = change_interval(row[~is_new], row[is_new], name)
        decided, second = median_change(steadier[i], i), median_change(other[i], i)
        agrees = decided * second > 0 and abs(second) >= abs(decided) / 2
        word = "no change"
        if not judged[i]:
            word = "control"
        elif p[i] <= alpha and abs(value) >= 100 * threshold and agrees:
            word = "regressed" if value > 0 else "improved"
        changes.append(Change(name, word, value, low, high, float(p[i]), str(steadier[i]),
                              100 * math.expm1(second), old_results[name]["median_ns"],
                              new_results[name]["median_ns"]))
    controls = [c.percent for c in changes if c.word == "control"]
    return Comparison(changes, [n for n in old_results if n not in new_results],
                      [n for n in new_results if n not in old_results], noise,
                      float(np.median(controls)) if controls else 0.0,
                      differences(baseline["environment"], new["environment"]))


def differences(old, new):
    """What besides the code differs between two environments."""
    fields = ("cpu", "compiler", "flags", "quick", "threads", "governor", "tiers", "libraries")
    return [f"{field}: {old.get(field)} before, {new.get(field)} now"
            for field in fields if old.get(field) != new.get(field)]


def table(comparison, everything=False):
    """Lines for the terminal: changes first, largest first."""
    order = {"regressed": 0, "improved": 1, "no change": 2, "control": 3}
    lines = [f"{'id':<58} {'before':>10} {'after':>10} {'change':>8}  {'95 % interval':>18}  {'p':>6}  word"]
    for c in sorted(comparison.changes, key=lambda c: (order[c.word], -abs(c.percent))):
        if everything or c.word in ("regressed", "improved"):
            lines.append(f"{c.name:<58} {time_text(c.baseline_ns):>10} {time_text(c.new_ns):>10} "
                         f"{c.percent:>+7.1f}%  [{c.low:>+6.1f}%, {c.high:>+6.1f}%]  {c.p:>6.3f}  "
                         f"{c.word} ({c.measure})")
    counts = {word: len(comparison.with_word(word)) for word in order}
    lines.append(f"{counts['regressed']} regressed, {counts['improved']} improved, "
                 f"{counts['no change']} no change, {counts['control']} controls (median "
                 f"{comparison.drift_percent:+.1f} %); noise between the results: "
                 f"{comparison.noise:.1f} times that between launches")
    lines += [f"{len(only)} only in the {which}: {' '.join(only[:8])}{' ...' if len(only) > 8 else ''}"
              for which, only in (("baseline", comparison.only_baseline),
                                  ("new result", comparison.only_new)) if only]
    lines += [f"warning: {w}" for w in comparison.warnings]
    return lines


def time_text(nanoseconds):
    for unit in ("ns", "us", "ms"):
        if nanoseconds < 1000:
            return f"{nanoseconds:.4g} {unit}"
        nanoseconds /= 1000
    return f"{nanoseconds:.4g} s"


def add_arguments(parser):
    parser.add_argument("--threshold", type=float, default=5, metavar="PERCENT",
                        help="smaller changes are none (5)")
    parser.add_argument("--alpha", type=float, default=0.05,
                        help="chance that any id is called changed though none is (0.05)")
