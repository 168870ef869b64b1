#!/usr/bin/env python3
"""The SC-NeuroCore engine (AGPL-3), in a process and a virtual environment of its own."""

import numpy as np
import protocol
import sc_neurocore_engine as engine
import works

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


protocol.serve("SC-NeuroCore engine", engine.__version__, {
    "dense-forward": lambda: dense(1), "dense-batch": lambda: dense(100), "pack": pack,
    "popcount": popcount, "lif-fixed": lif_fixed})
