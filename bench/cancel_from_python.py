#!/usr/bin/env python3
"""How long after a cancel, or Ctrl-C, is a call over, as Python sees it?

Of a batch of a million samples, and of all else that takes long. Prints JSON with the fields of
bitaxon-bench. Run it with PYTHONPATH=build/python; arguments name the calls that are wanted.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from concurrent.futures import CancelledError
from time import perf_counter_ns, sleep

import bitaxon as bx
import numpy as np

SHAPE = (1_000_000, 64, 32, 1024)
ROUNDS = 11
BEFORE = 0.05  # seconds of work before it is cancelled

rng = np.random.default_rng(1)
samples, inputs, neurons, length = SHAPE
layer = bx.DenseLayer(inputs, neurons, length=length, weights=rng.random((neurons, inputs)), seed=7)
X = np.broadcast_to(rng.random(inputs), (samples, inputs))
long = bx.DenseLayer(256, 64, length=1 << 19, weights=rng.random((64, 256)), seed=2)
wide = bx.DenseLayer(1024, 512, length=64, weights=rng.random((512, 1024)), seed=3)
net = bx.Network([wide, bx.DenseLayer(512, 10, length=64, weights=rng.random((10, 512)), seed=4)])
Z = np.broadcast_to(rng.random(1024), (100_000, 1024))
VALUES = rng.random(100)
STATES = rng.random((50_000, 400))
STREAMS = bx.encode(rng.random(8000), 1 << 15)

# Each takes several times as long as BEFORE.
CALLS = {
    "forward_batch": lambda: layer.forward_batch(X),
    "forward_streamed": lambda: net.forward_streamed(Z, stop="none"),
    "forward_expected": lambda: net.forward_expected(Z),
    "forward_deviation": lambda: net.forward_deviation(Z),
    "encode": lambda: bx.encode(VALUES, 10**8),
    "encode_part": lambda: bx.encode(VALUES, 10**8, first_bit=7),
    "encode_sobol": lambda: bx.encode(VALUES, 10**8, encoder=bx.encoders.Sobol()),
    "dense": lambda: bx.DenseLayer(256, 128, length=1 << 19, weights=np.ones((128, 256)) / 3, seed=1),
    "conv2d": lambda: bx.Conv2d(
        64, 128, 3, input_size=(8, 8), length=1 << 18, weights=np.ones((128, 64, 3, 3)) / 3, seed=1
    ),
    "redraw": lambda: long.redraw(),
    "set_weights": lambda: long.set_weights(np.ones((64, 256)) / 3),
    "set_lengths": lambda: net.set_lengths([1 << 15, 64]),
    "calibrate": lambda: net.calibrate(Z),
    "tune": lambda: net.tune(Z),
    "fit_readout": lambda: bx.fit_readout(STATES, STATES[:, 0]),
    "scc_matrix": lambda: bx.scc_matrix(STREAMS, length=1 << 15),
}


def state():
    """What every call must leave as it was."""
    few = slice(0, 10)
    return [layer.forward_batch(X[few], seed=1), net.forward_batch(Z[few], seed=1), np.array([long.redraws])]


def cancel_future():
    future = layer.submit_forward_batch(X)
    sleep(BEFORE)
    asked = perf_counter_ns()
    future.cancel()
    try:
        future.result()
    except CancelledError:
        future._pending.wait()  # result() came at once: the workers themselves
        return perf_counter_ns() - asked


def cancel_task():
    async def main():
        async def work():
            await layer.forward_batch_async(X)

        task = asyncio.create_task(work())
        await asyncio.sleep(BEFORE)
        asked = perf_counter_ns()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return perf_counter_ns() - asked

    return asyncio.run(main())


def interrupt(call):
    asked = []

    def press():
        sleep(BEFORE)
        asked.append(perf_counter_ns())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    over = False
    thread.start()
    try:
        call()
        over = True
        thread.join()
        sleep(1)
    except KeyboardInterrupt:
        ended = perf_counter_ns()
        if over:
            sys.exit("error: a call was done before it was interrupted")
        thread.join()
        return ended - asked[0]


def main():
    wanted = {"cancel_future": cancel_future, "cancel_task": cancel_task}
    wanted |= {f"interrupt_{name}": lambda call=call: interrupt(call) for name, call in CALLS.items()}
    if sys.argv[1:]:
        wanted = {name: wanted[name] for name in sys.argv[1:]}
    before = state()
    results = {}
    for name, how in wanted.items():
        times = sorted(how() for _ in range(ROUNDS))
        if not all(np.array_equal(a, b) for a, b in zip(state(), before)):
            sys.exit(f"error: something else is computed after {name}")
        reach = round(0.98 * ROUNDS**0.5)
        results[f"runtime/{name}_from_python/{bx.ExecutionContext().tier}/long"] = {
            "median_ns": times[ROUNDS // 2],
            "ci95_ns": [times[ROUNDS // 2 - reach], times[ROUNDS // 2 + reach]],
            "best_ns": times[0],
            "worst_ns": times[-1],
            "rounds": ROUNDS,
        }
    print(json.dumps({"results": results}, indent=2))


if __name__ == "__main__":
    main()
