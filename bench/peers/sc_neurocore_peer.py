#!/usr/bin/env python3
"""One script for two modules: the SC-NeuroCore engine (AGPL-3), in a virtual environment of its own, and Bitaxon's
names for it.

    sc_neurocore_peer.py NAME MODULE
"""

import importlib
import sys

import numpy as np
import protocol
import works

name, module = sys.argv[1:]
engine = importlib.import_module(module)
engine.set_num_threads(1)


def dense(count):
    layer = engine.DenseLayer(works.INPUTS, works.NEURONS, works.LENGTH, 7)
    layer.set_weights(works.dense_weights().tolist())
    layer.refresh_packed_weights()
    samples = works.dense_samples(count)
    if count == 1:
        return lambda: layer.forward_numpy(samples[0], 1), layer.forward_numpy(samples[0], 1)
    return lambda: layer.forward_batch_numpy(samples, 1), layer.forward_batch_numpy(samples, 1).ravel()


def pack():
    bits = works.bits()
    packed = engine.pack_bitstream_numpy(bits)
    return lambda: engine.pack_bitstream_numpy(bits), [engine.popcount_numpy(packed), *(packed[:64] & 0xFFFF)]


def popcount():
    words = works.words()
    return lambda: engine.popcount_numpy(words), [engine.popcount_numpy(words)]


def lif_fixed():
    def run():
        return engine.batch_lif_run(works.LIF_STEPS, 20, 256, 128)

    return run, [int(np.sum(run()[0]))]


def lif_many():
    currents = works.lif_currents()

    def run():
        return engine.batch_lif_run_multi(currents.size, works.LIF_STEPS, 20, 256, currents)

    spikes, voltages = run()
    return run, [*spikes.sum(axis=1), *voltages[:, -1]]


def attention():
    Q, K, V = works.attention_inputs()
    layer = engine.StochasticAttention(Q.shape[1])
    return lambda: layer.forward_sc(Q, K, V, works.LENGTH, 1), layer.forward_sc(Q, K, V, works.LENGTH, 1).ravel()


def kuramoto():
    omega, coupling, phases = works.oscillators()
    solver = engine.KuramotoSolver(omega, coupling, phases, 0.0)
    order = solver.run(works.OSCILLATOR_STEPS, 0.01)
    return lambda: solver.run(works.OSCILLATOR_STEPS, 0.01), order


def bundle():
    vectors = [engine.HDCVector(10_000, seed=k) for k in range(1, 12)]
    return lambda: engine.HDCVector.bundle(vectors), [engine.HDCVector.bundle(vectors).similarity(v) for v in vectors]


protocol.serve(name, getattr(engine, "__version__", "this build"), {
    "dense-forward": lambda: dense(1), "dense-batch": lambda: dense(100), "pack": pack,
    "popcount": popcount, "lif-fixed": lif_fixed, "lif-many": lif_many, "attention": attention,
    "kuramoto": kuramoto, "bundle": bundle})
