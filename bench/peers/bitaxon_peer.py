#!/usr/bin/env python3
"""Bitaxon's side of the head to head, on one thread where the work does not say otherwise."""

import numpy as np
import protocol
import works

import bitaxon as bx

context = bx.ExecutionContext(threads=1)


def dense(count):
    layer = bx.DenseLayer(works.INPUTS, works.NEURONS, length=works.LENGTH, weights=works.dense_weights(), seed=7)
    samples = works.dense_samples(count)
    if count == 1:
        return (lambda: layer.forward(samples[0], seed=1, context=context),
                layer.forward(samples[0], seed=1, context=context))
    return (lambda: layer.forward_batch(samples, seed=1, context=context),
            layer.forward_batch(samples, seed=1, context=context).ravel())


def pack():
    bits = works.bits()
    packed = bx.pack(bits)
    return lambda: bx.pack(bits), [bx.popcount(packed), *(packed[:64] & 0xFFFF)]


def popcount():
    words = works.words()
    return lambda: bx.popcount(words), [bx.popcount(words)]


def lif_fixed():
    rule = bx.rules["Q8.8 LIF"]
    population = bx.Population(1, rule, dt=1e-3, seed=1)

    def run():
        population.reset()
        return population.run(128, works.LIF_STEPS, context=context)

    return run, [len(run())]


def lif_population():
    population = bx.Population(works.POPULATION, bx.rules["LIF"], dt=1e-3, seed=1)
    current = np.linspace(10, 40, works.POPULATION)

    def run():
        population.reset()
        return population.run(current, works.POPULATION_STEPS, context=context)

    return run, [len(run())]


def affine():
    x, y = works.affine_inputs()
    out = np.empty_like(x)
    f = bx.compile("x + y + 10.0", wait=True)
    f(x, y, out=out, context=context)
    return lambda: f(x, y, out=out, context=context), out[::1000]


protocol.serve("Bitaxon", getattr(bx, "__version__", "this build"), {
    "dense-forward": lambda: dense(1), "dense-batch": lambda: dense(100), "pack": pack,
    "popcount": popcount, "lif-fixed": lif_fixed, "lif-population": lif_population, "affine": affine})
