"""Dense layers: unipolar, no bias, no activation; an output is the sum over inputs of popcount(w & x) / length."""

import typing

import numpy as np
import numpy.typing as npt

from ... import _bitaxon
from ...errors import UnsupportedError
from .arguments import STREAM_SEED, Stateful, fresh_seed, matrix, whole
from .bitstreams import _Packed, to_words
from .runtime import context

__all__ = ["DenseLayer", "VectorizedSCLayer"]

_Floats = npt.NDArray[np.float64]
_Words = npt.NDArray[np.uint64]


class DenseLayer(Stateful):
    """DenseLayer(n_inputs, n_neurons, length=1024, seed=None), of weights in [0, 1].

    seed  of the weights, drawn evenly from [0, 1), and of all streams. None: a fresh one, which the repr shows. The
          engine's default is one number, so that equal layers share their weights and streams.

    An input is encoded once a sample, and all forwards give the same bits: row k of forward_batch_numpy is what
    forward_prepacked makes of layer.encode(x, seed, sample=k). Inputs outside [0, 1] and NaN raise ValueError.
    """

    def __init__(
        self,
        n_inputs: typing.SupportsIndex,
        n_neurons: typing.SupportsIndex,
        length: typing.SupportsIndex = 1024,
        seed: typing.Optional[typing.SupportsIndex] = None,
    ) -> None:
        shape = whole("n_neurons", n_neurons, 1, 2**31), whole("n_inputs", n_inputs, 1, 2**31)
        number = fresh_seed() if seed is None else whole("seed", seed, 0, 2**64 - 1)
        self._layer = _bitaxon.DenseLayer(
            n_inputs,
            n_neurons,
            length=length,
            weights=np.random.default_rng(number).random(shape),
            weight_scale=1.0,
            seed=number,
        )

    @property
    def layer(self) -> _bitaxon.DenseLayer:
        """The bitaxon.DenseLayer that does the work, for what the engine has no name for."""
        return self._layer

    def forward(self, input_values: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED) -> typing.List[float]:
        """One sample, (n_inputs,), as a list."""
        outputs: typing.List[float] = self._layer.forward(input_values, seed, context=context()).tolist()
        return outputs

    def forward_fast(
        self, input_values: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED
    ) -> typing.List[float]:
        """The same, a large layer spread over the threads."""
        outputs: typing.List[float] = self.forward_numpy(input_values, seed).tolist()
        return outputs

    def forward_numpy(self, input_values: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED) -> _Floats:
        """The same, as (n_neurons,) float64."""
        return self._layer.forward_fast(input_values, seed, context=context())

    def forward_prepacked(self, packed_inputs: _Packed) -> typing.List[float]:
        """Streams, (n_inputs, ceil(length / 64)) words as an array or lists, to a list."""
        outputs: typing.List[float] = self.forward_prepacked_numpy(to_words("packed_inputs", packed_inputs)).tolist()
        return outputs

    def forward_prepacked_numpy(self, packed_inputs: _Words) -> _Floats:
        """Streams, (n_inputs, ceil(length / 64)) uint64, read where they lie, to (n_neurons,) float64."""
        return self._layer.forward_prepacked(packed_inputs, context=context())

    def forward_batch_numpy(self, inputs: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED) -> _Floats:
        """(n, n_inputs) to (n, n_neurons) float64; the first row is forward's."""
        return self._layer.forward_batch(inputs, seed, context=context())

    def get_weights(self) -> typing.List[typing.List[float]]:
        """(n_neurons, n_inputs), as lists."""
        weights: typing.List[typing.List[float]] = self._layer.weights.tolist()
        return weights

    def set_weights(self, weights: npt.ArrayLike) -> None:
        """(n_neurons, n_inputs) of [0, 1], encoded at once. Raises ValueError outside, where the engine clamps."""
        shape = self._layer.n_neurons, self._layer.n_inputs
        self._layer.set_weights(matrix("weights", weights, shape, high=1.0), context=context())

    def refresh_packed_weights(self) -> None:
        """Nothing to do: set_weights has encoded them."""

    def __repr__(self) -> str:
        own = self._layer
        return f"DenseLayer({own.n_inputs}, {own.n_neurons}, length={own.length}, seed={own.seed})"


class VectorizedSCLayer(Stateful):
    """DenseLayer with arrays for results and an array of weights.

    weights  (n_neurons, n_inputs) float64. A new array is encoded when it is assigned; what is written into the array
             counts after _refresh_packed_weights().
    use_gpu  must be False: UnsupportedError otherwise, where the engine computes on the CPU in silence
    seed     as for DenseLayer; the engine has no such argument
    """

    packed_weights = None

    def __init__(
        self,
        n_inputs: typing.SupportsIndex,
        n_neurons: typing.SupportsIndex,
        length: typing.SupportsIndex = 1024,
        use_gpu: bool = False,
        *,
        seed: typing.Optional[typing.SupportsIndex] = None,
    ) -> None:
        if use_gpu:
            raise UnsupportedError("use_gpu: got True, expected False: these layers compute on the CPU")
        self._dense = DenseLayer(n_inputs, n_neurons, length, seed)
        self.n_inputs = self._dense.layer.n_inputs
        self.n_neurons = self._dense.layer.n_neurons
        self.length = self._dense.layer.length
        self.use_gpu = False
        self._weights = np.array(self._dense.layer.weights)

    @property
    def layer(self) -> _bitaxon.DenseLayer:
        """The bitaxon.DenseLayer that does the work."""
        return self._dense.layer

    @property
    def weights(self) -> _Floats:
        """(n_neurons, n_inputs) of [0, 1]."""
        return self._weights

    @weights.setter
    def weights(self, weights: npt.ArrayLike) -> None:
        self._dense.set_weights(weights)
        self._weights = np.array(weights, dtype=np.float64)

    def _refresh_packed_weights(self) -> None:
        """Encodes what was written into `weights`; scripts of the engine call it."""
        self._dense.set_weights(self._weights)

    def forward(self, input_values: npt.ArrayLike) -> _Floats:
        """One sample, (n_inputs,), to (n_neurons,) float64."""
        return self._dense.forward_numpy(input_values)

    def forward_fast(self, input_values: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED) -> _Floats:
        """The same under a seed."""
        return self._dense.forward_numpy(input_values, seed)

    def forward_numpy(self, input_values: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED) -> _Floats:
        """The same under a seed."""
        return self._dense.forward_numpy(input_values, seed)

    def forward_prepacked(self, packed_inputs: _Packed) -> _Floats:
        """Streams, (n_inputs, ceil(length / 64)) words as an array or lists, to (n_neurons,) float64."""
        return self._dense.forward_prepacked_numpy(to_words("packed_inputs", packed_inputs))

    def forward_prepacked_numpy(self, packed_inputs: _Words) -> _Floats:
        """The same of an array."""
        return self._dense.forward_prepacked_numpy(packed_inputs)

    def forward_batch_numpy(
        self, input_values: npt.ArrayLike, seed: typing.SupportsIndex = STREAM_SEED
    ) -> _Floats:
        """(n, n_inputs) to (n, n_neurons) float64."""
        return self._dense.forward_batch_numpy(input_values, seed)

    def __repr__(self) -> str:
        return (
            f"VectorizedSCLayer(n_inputs={self.n_inputs}, n_neurons={self.n_neurons}, length={self.length}, "
            f"use_gpu=False, seed={self.layer.seed})"
        )


def on_streams(
    x: _Floats, weights: _Floats, length: typing.SupportsIndex, seed: typing.SupportsIndex, id: int
) -> _Floats:
    """x @ weights.T, both in [0, 1], as a dense layer of that id computes it on streams."""
    n_neurons, n_inputs = weights.shape
    layer = _bitaxon.DenseLayer(
        n_inputs, n_neurons, length=length, weights=weights, weight_scale=1.0, seed=seed, id=id
    )
    return layer.forward_batch(x, context=context())
