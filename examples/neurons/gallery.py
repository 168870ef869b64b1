"""All built-in neuron rules in one picture: what each does with a steady input.

    python gallery.py --output gallery.png
"""

import argparse

import matplotlib

import bitaxon as bx

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

# rule -> (current, seconds, seconds of a step); currents are in the rule's own units.
INPUTS = {
    "IF": (0.3, 0.3, 1e-4),
    "LIF": (20, 0.3, 1e-4),
    "CubaLIF": (20, 0.3, 1e-4),
    "ALIF": (25, 0.6, 1e-4),
    "QIF": (10, 0.4, 1e-4),
    "EIF": (20, 0.3, 1e-4),
    "AdEx": (1000, 0.4, 1e-5),
    "Izhikevich": (10, 0.4, 1e-4),
    "HodgkinHuxley": (10, 0.1, 1e-5),
    "FitzHughNagumo": (0.5, 0.2, 1e-4),
    "MorrisLecar": (100, 0.5, 1e-4),
    "HindmarshRose": (3, 1.0, 1e-5),
    "Poisson": (0, 1.0, 1e-3),
    "Kuramoto": (0, 0.5, 1e-4),
    "Q8.8 LIF": (128, 0.05, 1e-3),
}


def draw(name: str, ax: plt.Axes) -> int:
    rule = bx.rules[name]
    current, seconds, dt = INPUTS.get(name, (10, 0.5, 1e-4))
    neuron = bx.Population(1, rule, dt=dt, seed=1)
    shown = rule.variables[:1]
    neuron.record(shown)
    spikes = neuron.run(current if rule.takes_current else 0, round(seconds / dt))
    if shown:
        bx.plot.traces(neuron.recording, ax=ax, color="tab:blue")
    else:
        ax.set(xlim=(0, seconds), yticks=[])
    low, high = ax.get_ylim()
    ax.vlines(spikes.time, high, high + 0.15 * (high - low), color="tab:red", linewidth=0.8)
    ax.set_title(f"{name}: {rule.method}, {len(spikes)} spikes", fontsize=9)
    ax.set_xlabel("")
    ax.tick_params(labelsize=7)
    return len(spikes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="gallery.png", help="where the picture goes")
    arguments = parser.parse_args()

    columns = 3
    rows = -(-len(bx.rules) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(12, 2.0 * rows), squeeze=False)
    for name, ax in zip(bx.rules, axes.flat):
        print(f"{name}: {draw(name, ax)} spikes")
    for ax in axes.flat[len(bx.rules) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    figure.tight_layout()
    figure.savefig(arguments.output, dpi=120)


if __name__ == "__main__":
    main()
