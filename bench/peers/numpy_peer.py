#!/usr/bin/env python3
"""NumPy: the same bits by array operations, and numexpr where it is installed."""

import numpy as np
import protocol
import works

ONES = np.array([bin(k).count("1") for k in range(256)], np.uint8)


def count(words):
    return int(ONES[words.view(np.uint8)].sum(dtype=np.int64))


def encode(values, rng):
    """(..., length / 8) bytes of Bernoulli streams."""
    bits = rng.random((*values.shape, works.LENGTH), dtype=np.float32) < values[..., None]
    return np.packbits(bits, axis=-1, bitorder="little")


def dense(samples_count):
    rng = np.random.default_rng(5)
    weights = encode(works.dense_weights(), rng)
    samples = works.dense_samples(samples_count)

    def forward():
        out = np.empty((samples_count, works.NEURONS))
        for row, sample in zip(out, samples):
            row[:] = ONES[encode(sample, rng) & weights].sum(axis=(1, 2), dtype=np.int64) / works.LENGTH
        return out

    return forward, forward().ravel()


def pack():
    bits = works.bits()

    def run():
        return np.packbits(bits, bitorder="little").view(np.uint64)

    packed = run()
    return run, [count(packed), *(packed[:64] & 0xFFFF)]


def popcount():
    words = works.words()
    return lambda: count(words), [count(words)]


def affine():
    x, y = works.affine_inputs()
    out = np.empty_like(x)

    def run():
        np.add(x, y, out=out)
        np.add(out, 10.0, out=out)

    run()
    return run, out[::1000]


protocol.serve("NumPy", np.__version__, {
    "dense-forward": lambda: dense(1), "dense-batch": lambda: dense(100), "pack": pack,
    "popcount": popcount, "affine": affine})
