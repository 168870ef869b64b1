#!/usr/bin/env python3
"""Thins results of bench/run for the tests: some ids, a few rounds a launch, so that they stay small.

    record.py OUT.json.gz RESULT.json
"""

import gzip
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench"))

from analysis import results  # noqa: E402

IDS = re.compile(r"kernels/popcount/avx2|kernels/(and_popcount|xor_popcount|dot_f64|scale_f64|bit_and)/(avx2|portable)"
                 r"|kernels/dense_and|encode/(bernoulli|threshold)/|dense/forward/|dense/forward_prepacked/.*100x64"
                 r"|expressions/(formula-[1357]|compile-[12])|probes/(read|copy|random_words|and_popcount)")
QUIET_ROUNDS, DISTURBED_ROUNDS = 5, 1


def thin(samples):
    """The first rounds of either kind, in their order."""
    left = {True: QUIET_ROUNDS, False: DISTURBED_ROUNDS}
    keep = []
    for k, sentinel in enumerate(samples["sentinel_ns"]):
        quiet = sentinel <= 1.03 * samples["sentinel_best_ns"]
        if left[quiet]:
            left[quiet] -= 1
            keep.append(k)
    out = {}
    for field, value in samples.items():
        if isinstance(value, dict):
            out[field] = {key: [column[k] for k in keep] if isinstance(column, list) else column
                          for key, column in value.items()}
        else:
            out[field] = [value[k] for k in keep] if isinstance(value, list) else value
    return out


def main():
    target, source = sys.argv[1:]
    whole = results.read(source)
    launches = [{"environment": whole["environment"], "skipped": whole["skipped"],
                 "inherited": whole["inherited"], "results": {}}
                for _ in range(whole["environment"]["launches"])]
    for name, result in whole["results"].items():
        if not IDS.search(name):
            continue
        fields = {k: v for k, v in result.items() if k != "launches"}
        for launch, samples in zip(launches, result["launches"]):
            launch["results"][name] = {**fields, "samples": thin(samples)}
    merged = results.merge(launches)
    text = json.dumps(merged, separators=(",", ":"))
    rounded = re.sub(r"\d+\.\d{4,}(e[-+]?\d+)?", lambda m: f"{float(m[0]):.6g}", text)
    pathlib.Path(target).write_bytes(gzip.compress(rounded.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
