"""Receptive fields of one bit a weight: neurons that learn handwritten digits without a teacher.

    python examples/neurons/fields.py [--output fields.png]

Each image comes as Poisson trains of its 64 pixels. The neuron whose set weights meet most of the spikes wins
and spikes, all others are silent, and stochastic binary STDP (bx.BinaryStdp) moves the winner's bits towards
what it saw; who wins often gets a higher threshold. This is the scheme of D. Querlioz, O. Bichler, P. Dollfus
and C. Gamrat, Immunity to device variations in a spiking neural network with memristive nanodevices, 2013, with
binary synapses. Takes seconds.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import bitaxon as bx

sys.path.insert(0, str(Path(__file__).parents[1] / "digits"))
from digits import load_digits  # noqa: E402

NEURONS = 64
STEPS = 10  # that an image lasts, of a millisecond
MAX_RATE = 400  # spikes a second of a white pixel
EPOCHS = 4


def match(weights, values):
    """How well values, (..., 64), fit the set weights of each neuron, however many these are."""
    return values @ weights.T / np.sqrt(weights.sum(axis=1) + 1)


def learn(images, seed):
    """Bits (neurons, 64), before and after."""
    rng = np.random.default_rng(seed)
    before = rng.random((NEURONS, 64)) < 0.5
    rule = bx.BinaryStdp(64, NEURONS, weights=bx.pack(before), p_plus=0.04, p_minus=0.04, window=STEPS, seed=seed)
    threshold = np.zeros(NEURONS)
    for number in range(EPOCHS * len(images)):
        image = images[rng.integers(len(images))]
        trains = bx.spikes.rate(image, STEPS, max_rate=MAX_RATE, seed=seed, sample=number)
        inputs = bx.spikes.events(trains, STEPS)
        counts = inputs.dense().sum(axis=0)
        winner = np.argmax(match(bx.unpack(rule.weights, 64), counts) - threshold)
        threshold *= 0.999
        threshold[winner] += 1
        outputs = np.zeros((STEPS, NEURONS), bool)
        outputs[-1, winner] = True
        rule.update(inputs, bx.pack(outputs))
    return before, bx.unpack(rule.weights, 64).astype(bool)


def draw(path, before, after, names):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(11, 5.6), constrained_layout=True)
    for axes, bits, title in zip(panels, (before, after), ("before", "after, with the digit each answers most")):
        fields = np.pad(bits.reshape(8, 8, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0)
        axes.imshow(fields.transpose(0, 2, 1, 3).reshape(80, 80), cmap="gray", interpolation="nearest")
        axes.set_title(title)
        axes.set_xticks(np.arange(8) * 10 - 0.5, [])
        axes.set_yticks(np.arange(8) * 10 - 0.5, [])
        axes.grid(color="0.4")
    for k, name in enumerate(names):
        if name >= 0:
            panels[1].text(k % 8 * 10 + 9, k // 8 * 10 + 1, str(name), color="C1", ha="right", va="center", fontsize=9)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="fields.png", help="where the picture goes (default: %(default)s)")
    output = parser.parse_args().output

    images, labels, held_out, held_out_labels = load_digits()
    before, after = learn(images, seed=1)
    # Labels name the neurons afterwards; learning never saw them.
    for name, bits in (("before", before), ("after", after)):
        winners = match(bits, images).argmax(axis=1)
        names = np.array([np.bincount(labels[winners == k], minlength=10).argmax() if (winners == k).any() else -1
                          for k in range(NEURONS)])  # fmt: skip
        right = np.mean(names[match(bits, held_out).argmax(axis=1)] == held_out_labels)
        print(f"{name}: accuracy={right:.3f} neurons={np.count_nonzero(names >= 0)}")
    draw(output, before, after, names)
    print(f"plot: {output}")


if __name__ == "__main__":
    main()
