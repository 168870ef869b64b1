#!/usr/bin/env python3
"""Seven expressions against numexpr and numba, interleaved in one run.

    PYTHONPATH=build/python bench/peers/expressions.py [--rounds 15] [--sizes 10000 1000000 10000000]
                                                       [--mode fast] [--json FILE]

Arrays are float64, x, y, z uniform(-5, 5) of NumPy's default_rng(0xDEADBEEF), drawn in that order; every
peer writes into an array of its own (out=). Each result is checked against NumPy first. A round runs every
engine once (small arrays: enough calls for half a millisecond), another one first in every round; the table
shows the median over rounds of each engine's time, and the median over rounds of the ratio of Bitaxon's time
to the fastest peer's. Where one thread's turn lost its core to another process, the turn is taken again, six
times at most; the table says how many turns were disturbed even so.
Peers that are not installed are named.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

# numba's OpenMP threads would go on spinning after their call, on the core that the next engine's second
# thread needs. Passive waiting costs numba microseconds a call, which shows at 10,000 rows with several
# threads: run those with OMP_WAIT_POLICY=active.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402

import bitaxon as bx  # noqa: E402

EXPRESSIONS = [
    "x + y + 10.0",
    "x^4 - 4*x^3*y + 6*x^2*y^2 - 4*x*y^3 + y^4",
    "x^3 + y^3 + z^3 - 3*x*y*z + x^2*y - x*y^2 + y^2*z - y*z^2 + z^2*x - z*x^2",
    "(x^2 + y^2) / (x^2 + y^2 + 1.0) + x*y*(x^2 - y^2) / (x^2 + y^2 + 1.0)^2",
    "x^5 - y^5 + z^5 - 5*x^3*y^2 + 5*x^2*y^3 - 5*y^3*z^2 + 5*y^2*z^3 - 5*z^3*x^2 + 5*z^2*x^3"
    " + x*y*z*(x^2 + y^2 + z^2)",
    "(x^2 + 1.0)^0.5 + (x^2 + y^2 + 1.0)^0.5 + (x^2 + y^2 + 2.0)^0.5",
    "((x + y)^3 - (x - y)^3 - 6*x^2*y) / (y^2 + 1.0) + x*y - y*x",
]

MOST_TRIES = 6


def bitaxon_engine(text, names, mode, threads):
    context = bx.ExecutionContext(threads=threads)
    f = bx.compile(text, mode=mode, wait=True, cache=False)
    assert list(f.arguments) == names, (f.arguments, names)
    return lambda arrays, out: f(*arrays, out=out, context=context)


def numexpr_engine(text, names, threads):
    import numexpr

    python = text.replace("^", "**")

    def run(arrays, out):
        numexpr.set_num_threads(threads)
        numexpr.evaluate(python, dict(zip(names, arrays)), {}, out=out)

    return run


def numba_engines(text, names, threads):
    import numba

    python = text.replace("^", "**")
    arguments = ", ".join(names)
    space = {}
    exec(f"def f({arguments}): return {python}", space)
    loop = "\n".join([
        f"def g({arguments}, out):",
        "    for i in prange(out.size):",
        *(f"        {n}_ = {n}[i]" for n in names),
        "        out[i] = " + "".join(f"{c}_" if c in names else c for c in python),
    ])
    space["prange"] = numba.prange
    exec(loop, space)
    vectorized = numba.vectorize([f"f8({', '.join(['f8'] * len(names))})"])(space["f"])
    parallel = numba.njit(parallel=True, fastmath=True)(space["g"])

    def run_parallel(arrays, out):
        numba.set_num_threads(threads)
        parallel(*arrays, out)

    engines = {"numba.prange": run_parallel}
    if threads == 1:  # vectorize knows no threads
        engines["numba.vectorize"] = lambda arrays, out: vectorized(*arrays, out)
    return engines


def available(missing):
    for module in ("numexpr", "numba"):
        try:
            __import__(module)
        except ImportError as error:
            missing[module] = str(error)
    return missing


def quiet_seconds(turn, threads):
    """Seconds that the turn takes, and whether it kept its core; only one thread can tell."""
    for _ in range(MOST_TRIES):
        preemptions = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        start = time.perf_counter()
        turn()
        seconds = time.perf_counter() - start
        quiet = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw == preemptions
        if quiet or threads > 1:
            break
    return seconds, quiet


def measure(engines, arrays, size, rounds, threads):
    """Median seconds a call of each engine, the median of the ratios to the fastest peer, and the
    share of disturbed turns."""
    outs = {name: np.empty(size) for name in engines}
    repeats = {}
    for name, run in engines.items():
        run(arrays, outs[name])
        run(arrays, outs[name])
        start = time.perf_counter()
        run(arrays, outs[name])
        repeats[name] = max(1, int(5e-4 / max(time.perf_counter() - start, 1e-7)))
    times = {name: [] for name in engines}
    order = list(engines)
    disturbed = 0
    for _ in range(rounds):
        for name in order:
            def turn(run=engines[name], out=outs[name], calls=repeats[name]):
                for _ in range(calls):
                    run(arrays, out)

            seconds, quiet = quiet_seconds(turn, threads)
            times[name].append(seconds / repeats[name])
            disturbed += not quiet
        order.append(order.pop(0))  # each suffers from what another one has left in the caches
    peers = [name for name in engines if name != "bitaxon"]
    ratios = [t / min(times[p][k] for p in peers) if peers else float("nan")
              for k, t in enumerate(times["bitaxon"])]
    medians = {name: statistics.median(t) for name, t in times.items()}
    return medians, statistics.median(ratios), disturbed / (rounds * len(engines))


def numpy_value(text, values):
    return eval(text.replace("^", "**"), {}, values)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=None)
    parser.add_argument("--mode", default="fast", choices=["strict", "contract", "fast"])
    parser.add_argument("--json")
    options = parser.parse_args()
    everyone = bx.ExecutionContext().threads
    missing = available({})
    for name, why in missing.items():
        print(f"missing peer: {name} ({why})")

    rows = []
    for threads in options.threads or sorted({1, everyone}):
        for size in options.sizes:
            rng = np.random.default_rng(0xDEADBEEF)
            data = {n: rng.uniform(-5, 5, size) for n in "xyz"}
            ratios = []
            for number, text in enumerate(EXPRESSIONS, 1):
                names = [n for n in "xyz" if n in text]
                arrays = [data[n] for n in names]
                engines = {"bitaxon": bitaxon_engine(text, names, options.mode, threads)}
                if "numexpr" not in missing:
                    engines["numexpr"] = numexpr_engine(text, names, threads)
                if "numba" not in missing:
                    engines.update(numba_engines(text, names, threads))
                expected = numpy_value(text, dict(zip(names, arrays)))
                for name, run in engines.items():
                    out = np.empty(size)
                    run(arrays, out)
                    worst = np.max(np.abs(out - expected))
                    assert worst < 1e-9, f"{name} errs by {worst} in #{number}"
                medians, ratio, disturbed = measure(engines, arrays, size, options.rounds,
                                                    threads)
                ratios.append(ratio)
                rows.append({"expression": number, "size": size, "threads": threads,
                             "mode": options.mode, "seconds": medians, "ratio": ratio,
                             "disturbed": disturbed})
                times = "  ".join(f"{n} {t / size * 1e9:.3f}" for n, t in medians.items())
                print(f"#{number}  n={size:<9} threads={threads}  ns/row: {times}"
                      f"  ratio to fastest peer {ratio:.2f}  disturbed {disturbed:.0%}", flush=True)
            mean = statistics.geometric_mean(ratios) if len(missing) < 2 else float("nan")
            print(f"    geometric mean of the ratios: {mean:.2f} (speed-up {1 / mean:.2f})")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"missing": missing, "rows": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
