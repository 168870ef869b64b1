#!/usr/bin/env python3
"""How long after a cancel, or Ctrl-C, is a batch of a million samples over, as Python sees it?

Prints JSON with the fields of bitaxon-bench. Run it with PYTHONPATH=build/python.
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
ROUNDS = 21
BEFORE = 0.05  # seconds of work before it is cancelled


def cancel_future(layer, X):
    future = layer.submit_forward_batch(X)
    sleep(BEFORE)
    asked = perf_counter_ns()
    future.cancel()
    try:
        future.result()
    except CancelledError:
        future._pending.wait()  # result() came at once: the workers themselves
        return perf_counter_ns() - asked


def cancel_task(layer, X):
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


def interrupt(layer, X):
    asked = []

    def press():
        sleep(BEFORE)
        asked.append(perf_counter_ns())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        layer.forward_batch(X)
    except KeyboardInterrupt:
        return perf_counter_ns() - asked[0]
    finally:
        thread.join()


def main():
    samples, inputs, neurons, length = SHAPE
    rng = np.random.default_rng(1)
    layer = bx.DenseLayer(inputs, neurons, length=length, weights=rng.random((neurons, inputs)), seed=7)
    X = np.broadcast_to(rng.random(inputs), (samples, inputs))
    expected = layer.forward_batch(X[:10], seed=1)
    results = {}
    for how in (cancel_future, cancel_task, interrupt):
        times = sorted(how(layer, X) or sys.exit("error: a million samples were done before") for _ in range(ROUNDS))
        if not np.array_equal(layer.forward_batch(X[:10], seed=1), expected):
            sys.exit(f"error: the layer gives something else after {how.__name__}")
        reach = round(0.98 * ROUNDS**0.5)
        name = f"runtime/{how.__name__}_from_python/{bx.ExecutionContext().tier}/" + "x".join(map(str, SHAPE))
        results[name] = {
            "median_ns": times[ROUNDS // 2],
            "ci95_ns": [times[ROUNDS // 2 - reach], times[ROUNDS // 2 + reach]],
            "best_ns": times[0],
            "worst_ns": times[-1],
            "rounds": ROUNDS,
        }
    print(json.dumps({"results": results}, indent=2))


if __name__ == "__main__":
    main()
