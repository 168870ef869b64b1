"""Is it worth to train with the noise of streams? Digits on short streams, trained in six ways.

    python examples/digits/training.py [--trainings 3] [--epochs 40]

Each way trains the same 64-64-10 networks from the same beginnings, in floats or with the noise of streams
of 32 bits (bx.learning.fit); the table, that of docs/learning.md, holds their accuracy on 540 images that
training did not see: in floats, and on streams, over several draws of all weights and inputs. Takes minutes.
"""

import argparse

import numpy as np
from digits import accuracy, load_digits

import bitaxon as bx

LENGTHS = (32, 64, 128, 256)  # bits of a stream
DRAWS = 5
LIMIT = 0.5  # the largest weight where there is a limit

FLOATS = dict(noise="none")
STRAIGHT = dict(length=32, gradient="straight-through")
THROUGH = dict(length=32, gradient="reparametrised")
WAYS = {
    "floats": FLOATS,
    "floats, weights up to 0.5": FLOATS | dict(limit=LIMIT),
    "noise, straight-through": STRAIGHT,
    "noise, straight-through, weights up to 0.5": STRAIGHT | dict(limit=LIMIT),
    "noise, reparametrised": THROUGH,
    "noise, reparametrised, weights up to 0.5": THROUGH | dict(limit=LIMIT),
}


def beginning(seed):
    """A network before training: K. He and others' weights, 2015."""
    rng = np.random.default_rng(seed)
    common = dict(length=64, coding="split-unipolar", seed=seed)
    return bx.Network([
        bx.DenseLayer(64, 64, weights=rng.normal(0, np.sqrt(2 / 64), (64, 64)), activation="relu", **common),
        bx.DenseLayer(64, 10, weights=rng.normal(0, np.sqrt(2 / 64), (10, 64)), **common),
    ])  # fmt: skip


def accuracies(network, X, labels):
    """In floats, then for each length: the mean over draws of weights and inputs."""
    yield accuracy(network.forward_expected(X, weights="mean"), labels)
    for length in LENGTHS:
        network.set_lengths([length] * len(network.layers))
        right = []
        for draw in range(DRAWS):
            network.redraw()
            right.append(accuracy(network.forward_batch(X, seed=draw), labels))
        yield np.mean(right)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=int, default=3, help="of each way (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="of each training (default: %(default)s)")
    arguments = parser.parse_args()

    X, labels, X_held_out, held_out_labels = load_digits()
    print("| training | floats | " + " | ".join(f"L = {length}" for length in LENGTHS) + " |")
    print("|---|---|" + "---|" * len(LENGTHS))
    for name, options in WAYS.items():
        rows = []
        for seed in range(arguments.trainings):
            network = bx.learning.fit(beginning(seed), X, labels, epochs=arguments.epochs, decay=1e-4,
                                      seed=seed, **options)  # fmt: skip
            rows.append(list(accuracies(network, X_held_out, held_out_labels)))
        numbers = " | ".join(f"{100 * mean:.1f} %" for mean in np.mean(rows, axis=0))
        print(f"| {name} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
