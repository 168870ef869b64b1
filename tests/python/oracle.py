"""Streams and layers a second time: Python's integers, bit by bit, from the definition.

A stream is named by (seed, layer, role, sample, index); bit b of word w is 1 when the 32-bit number
whose j-th most significant bit is bit b of R(w, j) is below round(p * 2^32).
"""

from fractions import Fraction

MASK = 2**64 - 1
G = 0x9E3779B97F4A7C15
C1 = 0xBF58476D1CE4E5B9
C2 = 0x94D049BB133111EB
ROLES = {"input": 0, "weight": 1, "select": 2, "noise": 3}


def mix(x):
    x &= MASK
    x = (x ^ (x >> 30)) * C1 & MASK
    x = (x ^ (x >> 27)) * C2 & MASK
    return x ^ (x >> 31)


def stream_key(seed, layer, role, sample, index):
    k = mix(seed + G)
    k = mix(k + (layer << 8 | ROLES[role]) * G)
    k = mix(k + sample * G)
    return mix(k + (2 * index + 1) * G), mix(k + (2 * index + 2) * G)


def random_word(key, word, plane):
    a, b = key
    x = (a + (32 * word + plane) * G) & MASK
    x = (x ^ (x >> 30)) * C1 & MASK
    x = (x ^ (x >> 27) ^ b) * C2 & MASK
    return x ^ (x >> 31)


def threshold(p):
    """p * 2^32 to nearest, ties to even: what round() does to a Fraction."""
    return round(Fraction(p) * 2**32)


def bernoulli(key, p, length):
    bits = []
    for word in range((length + 63) // 64):
        planes = [random_word(key, word, plane) for plane in range(32)]
        for b in range(64):
            number = sum((planes[j] >> b & 1) << (31 - j) for j in range(32))
            bits.append(int(number < threshold(p)))
    return bits[:length]


def to_words(bits):
    words = [0] * ((len(bits) + 63) // 64)
    for t, bit in enumerate(bits):
        words[t // 64] |= bit << t % 64
    return words


def probability(value, coding):
    return (value + 1) / 2 if coding == "bipolar" else value


def dense_counts(layer, x, seed, sample):
    """Sum over inputs of the products' counts, for each neuron."""
    combined = mix(layer.seed) ^ seed
    coding = layer.coding
    inputs = [
        bernoulli(
            stream_key(combined, layer.id, "input", sample, i),
            probability(float(v) / layer.input_range, coding),
            layer.length,
        )
        for i, v in enumerate(x)
    ]
    counts = []
    for n, row in enumerate(layer.weights):
        total = 0
        for i, weight in enumerate(row):
            # Weights are drawn before any forward, so under the layer's seed alone.
            key = stream_key(mix(layer.seed), layer.id, "weight", layer.redraws, n * len(row) + i)
            value = float(weight) / layer.weight_scale
            if coding == "split-unipolar":
                w, sign = bernoulli(key, abs(value), layer.length), -1 if value < 0 else 1
            else:
                w, sign = bernoulli(key, probability(value, coding), layer.length), 1
            for a, b in zip(inputs[i], w):
                total += 2 * (a == b) - 1 if coding == "bipolar" else sign * (a & b)
        counts.append(total)
    return counts


def lfsr16(seed, length):
    """The register as a string of flip-flops: taps 16, 14, 13, 11, shifting towards bit 15."""
    flops = [seed >> k & 1 for k in range(16)]
    states = []
    for _ in range(length):
        states.append(sum(bit << k for k, bit in enumerate(flops)))
        flops = [flops[15] ^ flops[13] ^ flops[12] ^ flops[10]] + flops[:15]
    return states
