"""Handwritten digits through a convolution of bitstreams: filters, pooling and classes, trained with NumPy.

    python examples/digits/convolution.py [--output convolution.png]

Eight filters of 3 x 3, the mean of 2 x 2, ten classes. Filters and classes become bitaxon layers; pooling works
on counted values. The picture shows what the filters make of a digit, in floats and in streams of several lengths,
and the accuracy on 540 held-out images.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from digits import PIXEL_RANGE, accuracy, load_digits
from numpy.lib.stride_tricks import sliding_window_view

import bitaxon as bx

SIZE, FILTERS, POOLED = 8, 8, 4
LENGTHS = (64, 256, 1024)  # bits of a stream
LARGEST_WEIGHT = 0.5  # the largest one sets the scale of all, and with it the noise


def windows(images):
    """(n, 64, 9): what a filter meets at each pixel."""
    padded = np.pad(images.reshape(-1, SIZE, SIZE), ((0, 0), (1, 1), (1, 1)))
    return sliding_window_view(padded, (3, 3), axis=(1, 2)).reshape(len(images), SIZE * SIZE, 9)


def pool(maps):
    """(n, 64, filters) to (n, filters * 16): means of 2 x 2, flat as bitaxon has them."""
    means = maps.reshape(-1, POOLED, 2, POOLED, 2, FILTERS).mean(axis=(2, 4))
    return means.transpose(0, 3, 1, 2).reshape(len(maps), -1)


def spread(errors):
    """The other way: what each pixel has in the mean."""
    each = errors.reshape(-1, FILTERS, POOLED, POOLED).transpose(0, 2, 3, 1) / 4
    return each.repeat(2, axis=1).repeat(2, axis=2).reshape(len(errors), SIZE * SIZE, FILTERS)


def train(pixels, labels, epochs=30, batch=32, rate=6e-3, seed=1):
    """Filters and classes with their biases, by Adam on the cross-entropy."""
    rng = np.random.default_rng(seed)
    features = FILTERS * POOLED * POOLED
    parameters = [rng.normal(0, 0.3, (FILTERS, 9)), np.zeros(FILTERS),
                  rng.normal(0, np.sqrt(2 / features), (10, features)), np.zeros(10)]  # fmt: skip
    mean, square = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    steps = epochs * len(pixels) // batch
    met = windows(pixels / PIXEL_RANGE)
    for step in range(1, steps + 1):
        chosen = rng.integers(len(pixels), size=batch)
        filters, b1, classes, b2 = parameters
        x = met[chosen]
        z = x @ filters.T + b1
        h = pool(z.clip(0))
        y = h @ classes.T + b2
        error = np.exp(y - y.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(batch), labels[chosen]] -= 1
        error /= batch
        below = spread(error @ classes) * (z > 0)
        gradients = (np.einsum("npf,npk->fk", below, x), below.sum(axis=(0, 1)), error.T @ h, error.sum(axis=0))
        pace = rate * (1 - step / steps)
        for p, g, m, s in zip(parameters, gradients, mean, square):
            m += 0.1 * (g - m)
            s += 0.001 * (g**2 - s)
            p -= pace * (m / (1 - 0.9**step)) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
        for w in (filters, classes):
            np.clip(w, -LARGEST_WEIGHT, LARGEST_WEIGHT, out=w)
    return parameters


def float_maps(parameters, pixels):
    return (windows(pixels / PIXEL_RANGE) @ parameters[0].T + parameters[1]).clip(0)


def convert(parameters, length, calibration_pixels):
    """The same network on bitstreams, and its first layer."""
    filters, b1, classes, b2 = parameters
    common = dict(length=length, coding="split-unipolar", seed=1)
    kernels = filters.reshape(FILTERS, 1, 3, 3) / PIXEL_RANGE
    conv = bx.Conv2d(1, FILTERS, 3, input_size=(SIZE, SIZE), padding=1, weights=kernels, bias=b1,
                     activation="relu", input_range=PIXEL_RANGE, **common)  # fmt: skip
    means = bx.AveragePool2d(conv.output_shape, 2)
    network = bx.Network([conv, means, bx.DenseLayer(means.n_neurons, 10, weights=classes, bias=b2, **common)])
    network.calibrate(calibration_pixels)
    return network, conv


def plot(path, digit, maps, accuracies, float_accuracy):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(maps), FILTERS + 1, figsize=(9, 1.15 * len(maps)), constrained_layout=True)
    for row, (name, each) in zip(axes, maps.items()):
        row[0].imshow(digit.reshape(SIZE, SIZE), cmap="gray_r")
        row[0].set_ylabel(name, fontsize=8)
        for cell, image in zip(row[1:], each):
            cell.imshow(image, cmap="viridis", vmin=0, vmax=maps["float"].max())
        for cell in row:
            cell.set_xticks([])
            cell.set_yticks([])
    said = ", ".join(f"{length} bits {100 * right:.1f} %" for length, right in zip(LENGTHS, accuracies))
    figure.suptitle(f"Eight filters on bitstreams; accuracy: {said}, float {100 * float_accuracy:.1f} %", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path("build" if Path("build").is_dir() else ".") / "convolution.png"
    parser.add_argument("--output", type=Path, default=default, help="the picture (default: %(default)s)")
    output = parser.parse_args().output

    pixels, labels, held_out, held_out_labels = load_digits()
    started = time.perf_counter()
    parameters = train(pixels, labels)
    print(f"trained on {len(pixels)} images in {time.perf_counter() - started:.1f} s")
    digit = held_out[:1]
    maps = {"float": float_maps(parameters, digit)[0].T.reshape(FILTERS, SIZE, SIZE)}
    classes = pool(float_maps(parameters, held_out)) @ parameters[2].T + parameters[3]
    float_accuracy = accuracy(classes, held_out_labels)
    accuracies = []
    for length in LENGTHS:
        network, conv = convert(parameters, length, pixels)
        started = time.perf_counter()
        accuracies.append(accuracy(network.forward_batch(held_out, seed=1), held_out_labels))
        rate = len(held_out) / (time.perf_counter() - started)
        maps[f"{length} bits"] = conv.forward(digit[0], seed=1).reshape(FILTERS, SIZE, SIZE)
        print(f"L={length} accuracy={accuracies[-1]:.4f} float={float_accuracy:.4f} images/s={rate:.0f}")
    plot(output, digit, maps, accuracies, float_accuracy)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
