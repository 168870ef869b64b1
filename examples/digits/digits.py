"""Handwritten digits through bitstreams: train with their noise, and see how long streams must be.

    python examples/digits/digits.py [--output digits.png]

A 64-64-10 network learns 1,257 images in seconds (bx.learning.fit), and the 540 images that neither training
nor calibration saw are classified with streams of 64 to 1,024 bits, five times with other random bits.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np

import bitaxon as bx

LENGTHS = (64, 128, 256, 512, 1024)  # bits of a stream
SEEDS = (1, 2, 3, 4, 5)

# What makes a network robust against random bits: no weight stands out, since the largest one sets the
# scale of all, and training meets more noise than streams will bring.
LARGEST_WEIGHT = 0.5
TRAINING_LENGTH = 32


def load_digits():
    """Training and held-out pixels, in [0, 1], and labels; always the same ones."""
    table = np.loadtxt(Path(__file__).with_name("digits.csv.gz"), delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    pixels, labels = table[:, :64] / 16, table[:, 64].astype(int)
    return pixels[:1257], labels[:1257], pixels[1257:], labels[1257:]


def train(pixels, labels, seed=1):
    """A network of bitstreams that has learnt, from small random weights on."""
    rng = np.random.default_rng(seed)
    common = dict(length=TRAINING_LENGTH, coding="split-unipolar", seed=seed)
    beginning = bx.Network([
        bx.DenseLayer(64, 64, weights=rng.normal(0, np.sqrt(2 / 64), (64, 64)), activation="relu", **common),
        bx.DenseLayer(64, 10, weights=rng.normal(0, np.sqrt(2 / 64), (10, 64)), **common),
    ])  # fmt: skip
    return bx.learning.fit(beginning, pixels, labels, epochs=60, decay=1e-4, limit=LARGEST_WEIGHT, seed=seed,
                           progress=True)  # fmt: skip


def redrawn(network, length, times):
    """The same network with streams of another length, and all of its weights drawn anew."""
    twin = copy.copy(network)
    twin.set_lengths([length] * len(twin.layers))
    for _ in range(times):
        twin.redraw()
    return twin


def accuracy(outputs, labels):
    return np.mean(outputs.argmax(axis=1) == labels)


def plot(path, accuracies, float_accuracy, streamed_lengths, streamed_accuracies):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    percent = 100 * np.array(accuracies)
    streamed = 100 * np.array(streamed_accuracies)
    figure, axes = plt.subplots(figsize=(7, 4.2), constrained_layout=True)
    axes.axhline(100 * float_accuracy, color="0.45", linestyle="--", linewidth=1, label="float network")
    axes.fill_between(LENGTHS, percent.min(axis=1), percent.max(axis=1), color="C0", alpha=0.18,
                      linewidth=0, label=f"range over {len(SEEDS)} seeds")  # fmt: skip
    axes.plot(LENGTHS, percent.mean(axis=1), "o-", color="C0", label="forward_batch, mean")
    axes.errorbar(np.mean(streamed_lengths), streamed.mean(), fmt="D", color="C1", capsize=3,
                  yerr=[[streamed.mean() - streamed.min()], [streamed.max() - streamed.mean()]],
                  label=f"forward_streamed, at most {LENGTHS[-1]} bits")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
    axes.set_xlabel("stream length (bits)")
    axes.set_ylabel("accuracy on 540 held-out images (%)")
    axes.set_title("Handwritten digits on random bitstreams, 64-64-10", fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path("build" if Path("build").is_dir() else ".") / "digits.png"
    parser.add_argument("--output", type=Path, default=default, help="the plot (default: %(default)s)")
    output = parser.parse_args().output

    pixels, labels, held_out, held_out_labels = load_digits()
    started = time.perf_counter()
    network = train(pixels, labels)
    print(f"trained on {len(pixels)} images in {time.perf_counter() - started:.1f} s")
    float_accuracy = accuracy(network.forward_expected(held_out, weights="mean"), held_out_labels)

    def evaluate(length, forward):
        """What forward(network, seed) puts out for each seed, how right it is, and how fast."""
        networks = [redrawn(network, length, seed) for seed in SEEDS]
        started = time.perf_counter()
        outputs = [forward(network, seed) for network, seed in zip(networks, SEEDS)]
        rate = len(SEEDS) * len(held_out) / (time.perf_counter() - started)
        return outputs, rate

    accuracies = []
    for length in LENGTHS:
        outputs, rate = evaluate(length, lambda network, seed: network.forward_batch(held_out, seed=seed))
        accuracies.append([accuracy(y, held_out_labels) for y in outputs])
        print(f"L={length} accuracy={np.mean(accuracies[-1]):.4f} float={float_accuracy:.4f} "
              f"samples_per_s={rate:.0f}")  # fmt: skip

    # Most images are clear early: each stops when another answer has become unlikely.
    results, rate = evaluate(LENGTHS[-1],
                             lambda network, seed: network.forward_streamed(held_out, seed=seed))  # fmt: skip
    streamed = [accuracy(result.outputs, held_out_labels) for result in results]
    used = [result.lengths.mean() for result in results]
    print(f"streamed: mean_length={np.mean(used):.0f} of {LENGTHS[-1]} accuracy={np.mean(streamed):.4f} "
          f"float={float_accuracy:.4f} samples_per_s={rate:.0f}")  # fmt: skip

    try:
        plot(output, accuracies, float_accuracy, used, streamed)
    except ImportError:
        print("no plot: matplotlib is not installed")
    else:
        print(f"plot: {output}")


if __name__ == "__main__":
    main()
