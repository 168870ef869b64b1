"""A neuron that finds a pattern that hides in noise, by spike-timing-dependent plasticity alone.

    python examples/neurons/pattern.py [--output pattern.png]

T. Masquelier, R. Guyonneau and S. J. Thorpe, Spike timing dependent plasticity finds the start of repeating
patterns in continuous spike trains, 2008, on a smaller scale: 500 trains fire at random, always at one rate.
Now and then the same 50 ms come back in half of them, among spikes that do not. Nobody tells the neuron. At
first it fires at anything; after some seconds at the pattern and at nothing else, ever earlier. Takes seconds.
"""

import argparse

import numpy as np

import bitaxon as bx

INPUTS, IN_PATTERN = 500, 250
STEPS = 40_000  # of a millisecond
PATTERN = 50  # steps
RATE = 0.05  # spikes of an input in a step
EXTRA = 0.01  # of which are noise in the pattern, too
EVERY = 3  # one of so many stretches is the pattern


def make_inputs(rng):
    """Bits (steps, inputs), and the first step of each pattern."""
    bits = rng.random((STEPS, INPUTS)) < RATE
    pattern = rng.random((PATTERN, IN_PATTERN)) < RATE - EXTRA
    stretches = np.flatnonzero(rng.random(STEPS // PATTERN) < 1 / EVERY)
    stretches = stretches[np.diff(stretches, prepend=-2) > 1]  # never twice in a row
    for start in stretches * PATTERN:
        noise = rng.random((PATTERN, IN_PATTERN)) < EXTRA
        bits[start : start + PATTERN, :IN_PATTERN] = pattern | noise
    return bits, stretches * PATTERN


def learn(bits, seed):
    """Spikes of the neuron, and its weights before and after."""
    rng = np.random.default_rng(seed)
    stdp = bx.Stdp(INPUTS, 1, weights=rng.uniform(0.3, 0.6, (INPUTS, 1)), a_plus=0.015, a_minus=0.018,
                   tau_plus=17e-3, tau_minus=17e-3)  # fmt: skip
    before = stdp.weights.copy()
    neuron = bx.Population(1, bx.Rule("dv/dt = (i - v)/tau_mem", threshold="v > v_threshold", reset="v = 0",
                                      refractory=5e-3, parameters={"tau_mem": 10e-3, "v_threshold": 1.0}),
                           dt=1e-3)  # fmt: skip
    threshold = 0.65 * INPUTS * RATE * before.mean()  # below what inputs bring at first: it fires at anything
    rows = bx.pack(bits)  # (steps, words): what Population.run returns, too
    spikes = []
    for step in range(STEPS):
        drive = stdp.weights[bits[step], 0].sum() / threshold
        fired = neuron.step(drive)
        stdp.update(rows[step], fired.bits[0])
        if len(fired):
            spikes.append(step)
    return np.array(spikes), before[:, 0], stdp.weights[:, 0].copy()


def since_start(spikes, starts):
    """Steps from the beginning of the pattern to each spike; -1 outside of patterns."""
    since = np.full(STEPS, -1)
    for start in starts:
        since[start : start + PATTERN] = np.arange(PATTERN)
    return since[spikes]


def draw(path, bits, starts, spikes, before, after):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (trains, answers, weights) = plt.subplots(1, 3, figsize=(13, 4), constrained_layout=True)
    first = STEPS - 500
    bx.plot.raster(bx.Spikes(bx.pack(bits[first:]), INPUTS, first_step=first), ax=trains, color="0.5", markersize=1)
    for start in starts[starts >= first]:
        trains.axvspan(start / 1000, (start + PATTERN) / 1000, color="C0", alpha=0.2, linewidth=0)
    for step in spikes[spikes >= first]:
        trains.axvline(step / 1000, color="C3", linewidth=1)
    trains.set(title="patterns (blue), the neuron's spikes (red)", ylabel="input")

    since = since_start(spikes, starts)
    answers.plot(spikes / 1000, since, ".", markersize=2, color="C3")
    answers.set(title="its spikes (-1: outside of patterns)", xlabel="time (s)", ylabel="ms since the pattern began")

    bins = np.linspace(0, 1, 31)
    weights.hist(before, bins, color="0.7", label="before")
    weights.hist(after[:IN_PATTERN], bins, histtype="step", color="C0", label="after, in the pattern")
    weights.hist(after[IN_PATTERN:], bins, histtype="step", color="C1", label="after, others")
    weights.set(title="weights", xlabel="weight", ylabel="inputs")
    weights.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="pattern.png", help="where the picture goes (default: %(default)s)")
    output = parser.parse_args().output

    bits, starts = make_inputs(np.random.default_rng(1))
    spikes, before, after = learn(bits, seed=1)
    quarter = STEPS // 4
    for name, first in (("first", 0), ("last", STEPS - quarter)):
        chosen = spikes[(spikes >= first) & (spikes < first + quarter)]
        since = since_start(chosen, starts)
        answered = len(np.unique(np.searchsorted(starts, chosen[since >= 0], side="right")))
        patterns = np.count_nonzero((starts >= first) & (starts < first + quarter))
        print(f"{name} {quarter // 1000} s: answered={answered / patterns:.2f} false_alarms={np.sum(since < 0)} "
              f"first_spike_ms={np.median(since[since >= 0]) if answered else np.nan:.0f}")  # fmt: skip
    draw(output, bits, starts, spikes, before, after)
    print(f"plot: {output}")


if __name__ == "__main__":
    main()
