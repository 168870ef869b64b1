"""The thresholds in the library's sources that the crossover group shows both sides of."""

import dataclasses
import pathlib
import re
from typing import Callable

ROOT = pathlib.Path(__file__).parents[2]


class ThresholdError(ValueError):
    """A constant that stands no longer where this table says."""


@dataclasses.dataclass(frozen=True)
class Threshold:
    series: str     # the operation of the crossover group
    source: str
    constants: tuple
    value: Callable  # of the constants, in the unit of the series
    meaning: str


DENSE_WORDS = 64 * 1024 // 64  # of one sample of the dense series: 64 inputs of 1,024 bits

THRESHOLDS = [
    Threshold("expression-threads", "jit/src/kernel/run.cpp", ("kParallelBytes",), lambda b: b,
              "expressions that read and write less stay on the caller's thread"),
    Threshold("streaming-stores", "jit/src/kernel/run.cpp", ("kStreamingBytes",), lambda b: b,
              "larger outputs are written past the caches"),
    Threshold("dense-threads", "layers/src/layer/layer_forward.cpp",
              ("kParallelNanoseconds", "kEncodeWordNanoseconds", "kProductWordNanoseconds"),
              lambda limit, encode, product: (limit / DENSE_WORDS - encode) / product,
              "smaller layers run one sample on the caller's thread"),
]


def read_constant(text, name):
    """The number that `constexpr TYPE name = NUMBER * NUMBER ...;` gives."""
    match = re.search(rf"\bconstexpr\s+[\w:]+\s+{name}\s*=\s*([^;]+);", text)
    if not match:
        raise ThresholdError(f"no constant {name}")
    value = 1.0
    for factor in match[1].split("*"):
        value *= float(factor.strip().replace("'", ""))
    return value


def value_in_code(threshold, root=ROOT):
    """@raises ThresholdError if the source has no such constant"""
    try:
        text = (root / threshold.source).read_text(encoding="utf-8")
        return threshold.value(*(read_constant(text, name) for name in threshold.constants))
    except (OSError, ThresholdError) as error:
        raise ThresholdError(f"{threshold.source}: {error}; bench/analysis/thresholds.py says where the "
                             f"threshold of {threshold.series} stands") from error


def of_series(name):
    """The threshold of a series group/operation/tier, or None."""
    operation = name.split("/")[1]
    return next((t for t in THRESHOLDS if t.series == operation), None)
