#!/usr/bin/env python3
"""What does one forward cost from Python? Times DenseLayer.forward, 64 inputs to 32 neurons, L = 1024.

Prints JSON with the fields of bitaxon-bench. Run it with PYTHONPATH=build/python.
"""

import json
import sys
from time import perf_counter_ns

import bitaxon as bx
import numpy as np

SHAPE = (1, 64, 32, 1024)
ROUNDS, CALLS = 301, 200


def bit_loop(layer, streams, weights_row, length):
    """What forward must put out for one neuron, but for the noise of its weight streams."""
    bits = np.unpackbits(streams.view(np.uint8), axis=1, bitorder="little")[:, :length]
    return float(bits.mean(axis=1) @ weights_row)


def main():
    _, inputs, neurons, length = SHAPE
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 1, (neurons, inputs))
    x = rng.uniform(0, 1, inputs)
    context = bx.ExecutionContext(threads=1)
    layer = bx.DenseLayer(inputs, neurons, length=length, weights=weights, seed=7)

    y = layer.forward(x, seed=1, context=context)
    streams = layer.encode(x, seed=1)
    if not np.array_equal(y, layer.forward_prepacked(streams)):
        sys.exit("error: forward and forward_prepacked differ")
    for neuron in range(neurons):
        expected = bit_loop(layer, streams, weights[neuron], length)
        sigma = np.sqrt(inputs / 4 / length)  # at most, from the weight streams
        if abs(y[neuron] - expected) > 6 * sigma:
            sys.exit(f"error: neuron {neuron}: got {y[neuron]}, expected about {expected}")

    samples = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        for _ in range(CALLS):
            layer.forward(x, seed=1, context=context)
        samples.append((perf_counter_ns() - start) / CALLS)
    samples.sort()
    reach = round(0.98 * ROUNDS**0.5)
    median = samples[ROUNDS // 2]
    name = f"dense/forward_from_python/{context.tier}/" + "x".join(map(str, SHAPE))
    print(json.dumps({"results": {name: {
        "median_ns": median,
        "ci95_ns": [samples[ROUNDS // 2 - reach], samples[ROUNDS // 2 + reach]],
        "best_ns": samples[0],
        "rounds": ROUNDS,
        "throughput": inputs * neurons * length / median,
        "unit": "Gbit/s",
        "limit": None,
        "share_of_limit": None,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
    }}}, indent=2))


if __name__ == "__main__":
    main()
