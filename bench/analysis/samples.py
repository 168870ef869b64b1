"""Samples of one id: launches of rounds, and which rounds were left alone by the machine's other work.

A launch is one process. Within it a round times the subject, its limit and the sentinel, a fixed piece
of work that is slower while something else uses the core. Rounds whose sentinel was slow are disturbed.
"""

import dataclasses

import numpy as np

QUIET = 1.03        # times the sentinel's best: an undisturbed round, as harness/sentinel.hpp has it
FEWEST_QUIET = 3    # rounds: a launch with fewer says nothing about the code
FEWEST_LAUNCHES = 3  # with so many quiet ones the others are left out


@dataclasses.dataclass(frozen=True)
class Launch:
    """Rounds of one process; all arrays have one element a round."""

    iterations: np.ndarray
    nanoseconds: np.ndarray
    quiet: np.ndarray        # bool
    reference_ns: np.ndarray  # one call of the limit, or the sentinel where there is no limit

    @property
    def per_call(self):
        return self.nanoseconds / self.iterations


def read_launch(samples):
    """From the `samples` of bitaxon-bench's JSON."""
    subject = samples["subject"]
    sentinel = np.asarray(samples["sentinel_ns"], float)
    if "limit" in samples:
        limit = samples["limit"]
        reference = np.asarray(limit["nanoseconds"], float) / np.asarray(limit["iterations"], float)
    else:
        reference = sentinel
    return Launch(np.asarray(subject["iterations"], float), np.asarray(subject["nanoseconds"], float),
                  sentinel <= QUIET * samples["sentinel_best_ns"], reference)


def is_quiet(launch):
    return np.count_nonzero(launch.quiet) >= FEWEST_QUIET


def quiet_enough(launches):
    """Whether FEWEST_LAUNCHES (or half of the launches, if that is less) are quiet."""
    return sum(map(is_quiet, launches)) >= min(FEWEST_LAUNCHES, (len(launches) + 1) // 2)


def usable(launches):
    """What the estimates are made of: the quiet rounds of the launches that have enough of them.

    Work of several threads is its own neighbour, and some machines are never quiet: where not enough
    launches are, all rounds of all launches count.
    """
    if not quiet_enough(launches):
        return list(launches)
    return [Launch(k.iterations[k.quiet], k.nanoseconds[k.quiet], k.quiet[k.quiet],
                   k.reference_ns[k.quiet]) for k in launches if is_quiet(k)]


def disturbed_share(launches):
    return 1 - np.concatenate([k.quiet for k in launches]).mean()
