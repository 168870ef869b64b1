"""The workloads of the head to head: data from fixed seeds, and how far results may lie apart."""

import dataclasses

import numpy as np

LENGTH = 1024
INPUTS, NEURONS = 64, 32
BITS = 1_000_000
WORDS = 1_000_000
LIF_STEPS = 100_000
POPULATION, POPULATION_STEPS = 1000, 1000


def dense_weights():
    return np.random.default_rng(1).uniform(0, 1, (NEURONS, INPUTS))


def dense_samples(count):
    return np.random.default_rng(2).uniform(0, 1, (count, INPUTS))


def bits():
    return np.random.default_rng(3).integers(0, 2, BITS, dtype=np.uint8)


def words():
    return np.random.default_rng(4).integers(0, 2**64, WORDS, dtype=np.uint64)


def dense_expected(count):
    return dense_samples(count) @ dense_weights().T


# A sum over 64 inputs of products of two streams of 1,024 bits: sigma is at most sqrt(64 / 4 / 1024).
DENSE_SIGMA = float(np.sqrt(INPUTS / 4 / LENGTH))
# SC-NeuroCore's thresholds of 8 bits are floors, which shifts each of 2 * 64 factors by 1/512 on average.
FLOOR_BIAS = 2 * INPUTS / 512


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    what: str
    units: float     # done by one call
    unit: str
    tolerance: float  # between the values of two peers, each
    expected: object = None  # function of the values that all must come near; None: the first peer's


WORKS = [
    Work("dense-forward", "dense layer 64 to 32, 1,024 bits, one sample", 1, "forward",
         6 * DENSE_SIGMA + FLOOR_BIAS, lambda: dense_expected(1).ravel()),
    Work("dense-batch", "the same, 100 samples", 100, "sample", 6 * DENSE_SIGMA + FLOOR_BIAS,
         lambda: dense_expected(100).ravel()),
    Work("pack", "pack 1,000,000 bytes to bits", BITS, "bit", 0),
    Work("popcount", "count the ones of 1,000,000 words", WORDS, "word", 0),
    Work("lif-fixed", "one Q8.8 leaky neuron, 100,000 steps", LIF_STEPS, "step", 0),
    Work("lif-population", "1,000 leaky neurons, 1,000 steps", POPULATION * POPULATION_STEPS, "neuron step",
         0),
    Work("affine", "x + y + 10 over 1,000,000 doubles, one thread", 1_000_000, "row", 1e-9),
    *(Work(f"spawn-{count}", f"{count:,} empty tasks, spawned one by one and awaited, 2 threads", count,
           "task", 0) for count in (1000, 10_000, 100_000)),
]


def affine_inputs():
    rng = np.random.default_rng(0xDEADBEEF)
    return rng.uniform(-5, 5, 1_000_000), rng.uniform(-5, 5, 1_000_000)
