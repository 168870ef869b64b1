from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, Literal, SupportsFloat, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from .results import Streamed

_Floats = npt.NDArray[np.float64]
_Words = npt.NDArray[np.uint64]
_Coding = Literal["unipolar", "bipolar", "split-unipolar"]
_Path = str | bytes | PathLike[str] | PathLike[bytes]
_Progress = bool | Callable[[int, int], object] | None

__version__: str

@final
class ExecutionContext:
    def __init__(
        self, threads: SupportsIndex | None = None, tier: str | None = None, seed: SupportsIndex = 0
    ) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def tier(self) -> str: ...
    @property
    def seed(self) -> int: ...
    def __copy__(self) -> ExecutionContext: ...
    def __deepcopy__(self, memo: Any) -> ExecutionContext: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...]) -> None: ...

# What DenseLayer and Network have in common; there is no such class when it runs.
class _Model:
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_neurons(self) -> int: ...
    @property
    def context(self) -> ExecutionContext | None: ...
    def forward(
        self,
        x: npt.ArrayLike,
        seed: SupportsIndex | None = None,
        sample: SupportsIndex = 0,
        out: _Floats | None = None,
        context: ExecutionContext | None = None,
    ) -> _Floats: ...
    def forward_fast(
        self,
        x: npt.ArrayLike,
        seed: SupportsIndex | None = None,
        sample: SupportsIndex = 0,
        out: _Floats | None = None,
        context: ExecutionContext | None = None,
    ) -> _Floats: ...
    def forward_prepacked(
        self,
        P: _Words,
        seed: SupportsIndex | None = None,
        first_sample: SupportsIndex = 0,
        out: _Floats | None = None,
        context: ExecutionContext | None = None,
    ) -> _Floats: ...
    def forward_batch(
        self,
        X: npt.ArrayLike,
        seed: SupportsIndex | None = None,
        first_sample: SupportsIndex = 0,
        out: _Floats | None = None,
        progress: _Progress = None,
        context: ExecutionContext | None = None,
    ) -> _Floats: ...
    def forward_streamed(
        self,
        x: npt.ArrayLike,
        stop: Literal["argmax", "none"] | None = "argmax",
        delta: SupportsFloat = 0.01,
        block: SupportsIndex = 64,
        seed: SupportsIndex | None = None,
        first_sample: SupportsIndex = 0,
        out: _Floats | None = None,
        progress: _Progress = None,
        context: ExecutionContext | None = None,
    ) -> Streamed: ...
    def forward_expected(
        self,
        x: npt.ArrayLike,
        weights: Literal["drawn", "mean"] = "drawn",
        out: _Floats | None = None,
        context: ExecutionContext | None = None,
    ) -> _Floats: ...
    def encode(
        self,
        x: npt.ArrayLike,
        seed: SupportsIndex | None = None,
        sample: SupportsIndex = 0,
        context: ExecutionContext | None = None,
    ) -> _Words: ...
    def redraw(self, context: ExecutionContext | None = None) -> None: ...

@final
class DenseLayer(_Model):
    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_neurons: SupportsIndex,
        *,
        length: SupportsIndex,
        weights: npt.ArrayLike,
        coding: _Coding = "unipolar",
        bias: npt.ArrayLike | None = None,
        seed: SupportsIndex | None = None,
        scale: Literal["sum", "mean"] = "sum",
        activation: Literal["none", "relu", "clip"] = "none",
        weight_scale: SupportsFloat | None = None,
        input_range: SupportsFloat = 1.0,
        id: SupportsIndex = 0,
        context: ExecutionContext | None = None,
    ) -> None: ...
    @property
    def length(self) -> int: ...
    @property
    def coding(self) -> _Coding: ...
    @property
    def scale(self) -> Literal["sum", "mean"]: ...
    @property
    def activation(self) -> Literal["none", "relu", "clip"]: ...
    @property
    def weight_scale(self) -> float: ...
    @property
    def input_range(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def id(self) -> int: ...
    @property
    def redraws(self) -> int: ...
    @property
    def checksum(self) -> str: ...
    @property
    def weights(self) -> _Floats: ...
    @property
    def bias(self) -> _Floats: ...
    def set_weights(self, W: npt.ArrayLike, context: ExecutionContext | None = None) -> None: ...
    def __copy__(self) -> DenseLayer: ...
    def __deepcopy__(self, memo: Any) -> DenseLayer: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: dict[str, Any]) -> None: ...

@final
class Network(_Model):
    def __init__(
        self, layers: Iterable[DenseLayer], context: ExecutionContext | None = None
    ) -> None: ...
    @property
    def layers(self) -> tuple[DenseLayer, ...]: ...
    def calibrate(
        self,
        X: npt.ArrayLike,
        quantile: SupportsFloat = 0.999,
        context: ExecutionContext | None = None,
    ) -> None: ...
    def info(self) -> dict[str, Any]: ...
    def save(self, path: _Path) -> None: ...
    def __copy__(self) -> Network: ...
    def __deepcopy__(self, memo: Any) -> Network: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...]) -> None: ...

@final
class Lfsr16:
    def __init__(self, seed: SupportsIndex) -> None: ...
    @property
    def state(self) -> int: ...
    def step(self) -> None: ...
    def __copy__(self) -> Lfsr16: ...
    def __deepcopy__(self, memo: Any) -> Lfsr16: ...
    def __getstate__(self) -> int: ...
    def __setstate__(self, state: int) -> None: ...

def encode(
    values: npt.ArrayLike,
    length: SupportsIndex,
    coding: _Coding = "unipolar",
    seed: SupportsIndex | None = None,
    encoder: Literal["bernoulli", "lfsr16"] = "bernoulli",
    layer: SupportsIndex = 0,
    role: Literal["input", "weight", "select", "noise"] = "input",
    sample: SupportsIndex = 0,
    first_index: SupportsIndex = 0,
    context: ExecutionContext | None = None,
) -> _Words: ...
def decode(
    streams: _Words,
    length: SupportsIndex,
    coding: _Coding = "unipolar",
    context: ExecutionContext | None = None,
) -> _Floats: ...
def pack(bits: npt.ArrayLike, context: ExecutionContext | None = None) -> _Words: ...
def unpack(
    words: _Words, length: SupportsIndex, context: ExecutionContext | None = None
) -> npt.NDArray[np.uint8]: ...
def popcount(words: _Words, context: ExecutionContext | None = None) -> int: ...
def scc(
    a: _Words, b: _Words, length: SupportsIndex, context: ExecutionContext | None = None
) -> float: ...
def scc_matrix(
    a: _Words,
    b: _Words | None = None,
    *,
    length: SupportsIndex,
    context: ExecutionContext | None = None,
) -> _Floats: ...
def info(context: ExecutionContext | None = None) -> dict[str, Any]: ...
def describe(context: ExecutionContext | None = None) -> str: ...
def load(path: _Path, context: ExecutionContext | None = None) -> Network: ...
