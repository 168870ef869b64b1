"""A neuron rule typed by hand, run and drawn: neurons that adapt, driven by noise.

    python typed_rule.py --output adaptation.png

The rule is a few lines of text. Change them: what they become is machine code within a millisecond.
"""

import argparse
import time

import matplotlib
import numpy as np

import bitaxon as bx

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

RULE = bx.Rule(
    """
    v : real = -65
    tau_w : real = 0.2
    strength : real = 3
    dv/dt = (-65 - v + i - w)/tau_mem + 4*xi/sqrt(tau_mem) (unless refractory)
    dw/dt = -w/tau_w
    """,
    threshold="v > -50",
    reset="v = -65; w += strength",
    refractory=2e-3,
    name="adapting neuron",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="adaptation.png", help="where the picture goes")
    parser.add_argument("--neurons", type=int, default=200)
    arguments = parser.parse_args()

    n, dt, steps = arguments.neurons, 1e-4, 10_000
    started = time.perf_counter()
    # Each neuron adapts a little more than the one below it.
    neurons = bx.Population(n, RULE, dt=dt, seed=1, parameters={"strength": np.linspace(0, 6, n)})
    shown = [0, n // 2, n - 1]
    neurons.record(["v", "w"], shown)
    # The current is switched on after a tenth of a second.
    current = np.where(np.arange(steps) < 1000, 0.0, 22.0)[:, np.newaxis]
    spikes = neurons.run(current, steps)
    seconds = time.perf_counter() - started
    print(f"method={RULE.method} spikes={len(spikes)} seconds={seconds:.3f}")
    first, last = spikes.rates[: n // 10].mean(), spikes.rates[-n // 10 :].mean()
    print(f"rate_without_adaptation={first:.1f} rate_with_adaptation={last:.1f}")

    figure, (top, middle, bottom) = plt.subplots(3, 1, sharex=True, figsize=(9, 8), height_ratios=[3, 2, 2])
    bx.plot.raster(spikes, ax=top, color="black")
    top.set_title("each neuron adapts a little more than the one below it")
    recording = neurons.recording
    bx.plot.traces(recording, "v", ax=middle)
    middle.set_ylabel("v (mV)")
    bx.plot.traces(recording, "w", ax=bottom)
    bottom.set_ylabel("adaptation w (mV)")
    bottom.legend([f"neuron {k}" for k in shown], loc="upper left")
    for ax in (top, middle):
        ax.set_xlabel("")
    figure.tight_layout()
    figure.savefig(arguments.output, dpi=120)


if __name__ == "__main__":
    main()
