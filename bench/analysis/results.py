"""Result files: what one launch of bitaxon-bench wrote, and what several launches make together.

A merged file has `environment`, `skipped`, `inherited` and `results`: for each id the fields of
bench/README.md, estimates over all launches, and `launches`, the samples that they were made of.
"""

import gzip
import json
import statistics

from . import estimates, samples

FORMAT = 1
# Numbers of one launch that the launches share in, or that are estimated anew.
ESTIMATED = {"median_ns", "ci95_ns", "rounds", "throughput", "samples"}


class ResultError(ValueError):
    """A file that is no result file, or results that do not belong together."""


def read(path):
    try:
        opener = gzip.open if str(path).endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, json.JSONDecodeError) as error:
        raise ResultError(f"{path}: cannot be read as a result file: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ResultError(f"{path}: not a merged result file of format {FORMAT}; bench/run writes them")
    return content


def write(merged, path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8") as file:
        json.dump(merged, file, separators=(",", ":"))
        file.write("\n")


def launches_of(result):
    return [samples.read_launch(s) for s in result["launches"]]


def merge(launches):
    """One result of the JSON of several launches of the same program."""
    first = launches[0]
    merged = {"format": FORMAT, "environment": dict(first["environment"], launches=len(launches)),
              "results": {}, "skipped": first.get("skipped") or {},
              "inherited": first.get("inherited") or {}}
    for name in first["results"]:
        rows = [launch["results"][name] for launch in launches if name in launch["results"]]
        if len(rows) != len(launches):
            raise ResultError(f"{name}: in {len(rows)} of {len(launches)} launches")
        merged["results"][name] = merge_rows(name, rows)
    return merged


def merge_rows(name, rows):
    # What is no number (or pair of numbers) is the same in all launches.
    out = {}
    for field, value in rows[0].items():
        if field in ESTIMATED:
            continue
        values = [row[field] for row in rows]
        if isinstance(value, float) or isinstance(value, int) and not isinstance(value, bool):
            out[field] = statistics.median(values)
        elif isinstance(value, list):
            out[field] = [statistics.median(column) for column in zip(*values)]
        else:
            out[field] = value
    out["launches"] = [row["samples"] for row in rows]
    launches = launches_of(out)
    found = estimates.estimate(samples.usable(launches), name)
    work = rows[0]["samples"]["subject"]["work"]
    return {
        "median_ns": found.median.value,
        "ci95_ns": [found.median.low, found.median.high],
        "slope_ns": found.slope.value,
        "slope_ci95_ns": [found.slope.low, found.slope.high],
        "r_squared": found.r_squared,
        "mad_ns": found.mad,
        "samples": found.samples,
        "disturbed": float(samples.disturbed_share(launches)),
        "outliers": vars(found.outliers),
        "throughput": work / found.median.value,
        **out,
    }
