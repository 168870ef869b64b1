"""The workloads of the head to head: data from fixed seeds, and how far results may lie apart."""

import dataclasses

import numpy as np

LENGTH = 1024
INPUTS, NEURONS = 64, 32
BITS = 1_000_000
WORDS = 1_000_000
LIF_STEPS = 100_000
POPULATION, POPULATION_STEPS = 1000, 1000
LIF_NEURONS = 100
OSCILLATORS, OSCILLATOR_STEPS = 256, 100


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


def lif_currents():
    return np.random.default_rng(5).integers(20, 200, LIF_NEURONS).astype(np.int16)


def attention_inputs():
    rng = np.random.default_rng(6)
    return rng.random((16, 32)), rng.random((64, 32)), rng.random((64, 16))


def attention_expected():
    Q, K, V = attention_inputs()
    scores = Q @ K.T
    return (scores / scores.sum(axis=1, keepdims=True) @ V).ravel()


def oscillators():
    rng = np.random.default_rng(7)
    return rng.normal(size=OSCILLATORS), rng.uniform(0, 2, (OSCILLATORS,) * 2), rng.uniform(0, 2 * np.pi, OSCILLATORS)


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
    Work("lif-many", "100 Q8.8 leaky neurons, 100,000 steps, with their voltages", LIF_NEURONS * LIF_STEPS,
         "neuron step", 0),
    # A weighted mean of 64 values: 6 sigmas, and the weights, about 1/64, floored to 8 bits.
    Work("attention", "linear attention on streams, 16 queries, 64 keys of 32, 16 values, 1,024 bits", 1, "call",
         6 * 0.5 / LENGTH**0.5 + 64 / 512, attention_expected),
    Work("kuramoto", "256 coupled oscillators, 100 steps without noise", OSCILLATORS * OSCILLATOR_STEPS,
         "oscillator step", 1e-9),
    # The majority of 11 agrees with each in 0.623 of the bits.
    Work("bundle", "the majority of 11 hypervectors of 10,000 bits", 10_000, "bit", 0.03, lambda: np.full(11, 0.623)),
    Work("lif-population", "1,000 leaky neurons, 1,000 steps", POPULATION * POPULATION_STEPS, "neuron step",
         0),
    Work("affine", "x + y + 10 over 1,000,000 doubles, one thread", 1_000_000, "row", 1e-9),
    *(Work(f"spawn-{count}", f"{count:,} empty tasks, spawned one by one and awaited, 2 threads", count,
           "task", 0) for count in (1000, 10_000, 100_000)),
]


def affine_inputs():
    rng = np.random.default_rng(0xDEADBEEF)
    return rng.uniform(-5, 5, 1_000_000), rng.uniform(-5, 5, 1_000_000)
