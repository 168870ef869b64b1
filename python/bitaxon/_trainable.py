"""Layers as NumPy sees them in training: what streams compute on average, how much they scatter, and the
gradients of both. Values are (samples, values), flat as the layers have them."""

import typing

import numpy as np
import numpy.typing as npt

from . import _bitaxon
from .errors import UnsupportedError

_Floats = npt.NDArray[np.float64]


class Windows:
    """What the kernels of an image see: (samples, values) to (samples, groups, positions, taps) and back."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        groups: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        self.shape, self.groups, self.padding = shape, groups, padding
        reach = [  # of a tap's positions, from the first to past the last
            (size + 2 * p - d * (taps - 1) - 1) // s * s + 1
            for size, p, d, taps, s in zip(shape[1:], padding, dilation, kernel, stride)
        ]
        self._taps = [
            tuple(slice(k * d, k * d + r, s) for k, d, r, s in zip(at, dilation, reach, stride))
            for at in np.ndindex(*kernel)
        ]

    def _padded(self, samples: int, fill: float) -> _Floats:
        (c, h, w), (down, right) = self.shape, self.padding
        return np.full((samples, c, h + 2 * down, w + 2 * right), fill)

    def _inside(self, padded: _Floats) -> _Floats:
        (_, h, w), (down, right) = self.shape, self.padding
        return padded[:, :, down : down + h, right : right + w]

    def unfold(self, x: _Floats, fill: float = 0.0) -> _Floats:
        padded = self._padded(len(x), fill)
        self._inside(padded)[...] = x.reshape(-1, *self.shape)
        taps = np.stack([padded[:, :, rows, columns] for rows, columns in self._taps], axis=-1)
        n, c, h, w, k = taps.shape
        grouped = taps.reshape(n, self.groups, c // self.groups, h * w, k)
        windows: _Floats = grouped.transpose(0, 1, 3, 2, 4).reshape(n, self.groups, h * w, -1)
        return windows

    def fold(self, columns: _Floats) -> _Floats:
        """The transpose of unfold: sums what the windows give to each value."""
        padded = self._padded(len(columns), 0.0)
        n, groups, _, _ = columns.shape
        first = padded[:, :, self._taps[0][0], self._taps[0][1]]
        c, h, w = first.shape[1:]
        taps = columns.reshape(n, groups, h * w, c // groups, -1).transpose(0, 1, 3, 2, 4)
        taps = taps.reshape(n, c, h, w, -1)
        for k, (rows, right) in enumerate(self._taps):
            padded[:, :, rows, right] += taps[..., k]
        return self._inside(padded).reshape(n, -1)


class Everything:
    """A dense layer's window: all values, once."""

    groups = 1

    def unfold(self, x: _Floats, fill: float = 0.0) -> _Floats:
        return x[:, np.newaxis, np.newaxis, :]

    def fold(self, columns: _Floats) -> _Floats:
        return columns[:, 0, 0, :]


class Product:
    """A layer with weights: y = activation(scale * sum of w x + bias), with noise before the activation.

    A product of streams is a coin; over both draws the mean of its L tosses has variance p (1 - p) / L for
    unipolar streams, (1 - v^2) / L for a decoded value v of bipolar ones, times the square of what a full
    count stands for. The positions of an image share the streams of their filter's weights, so that this part of
    the noise does not average out behind them. Outputs of a sample share input streams as well, which the noise
    here leaves out.
    """

    def __init__(self, layer: _bitaxon.Layer) -> None:
        state = layer.__getstate__()  # type: ignore[attr-defined]
        self.weights = np.array(state["weights"], dtype=np.float64)
        self.bias = np.array(state["bias"], dtype=np.float64)
        self.bipolar = layer.coding == "bipolar"
        self.given_scale: typing.Optional[float] = state["weight_scale"]
        self.range = layer.input_range
        self.window: typing.Union[Windows, Everything] = Everything()
        if isinstance(layer, _bitaxon.Conv2d):
            self.window = Windows(
                layer.input_shape, layer.groups, layer.kernel_size, layer.stride, layer.padding, layer.dilation
            )
        fan_in = self.weights[0].size
        self.scale = 1.0 / fan_in if layer.scale == "mean" else 1.0
        self.low = -np.inf if layer.activation == "none" else 0.0
        self.high = np.inf
        if layer.activation == "clip":
            self.low, self.high = (-1.0 if self.bipolar else 0.0), 1.0
        self.lowest_weight = 0.0 if layer.coding == "unipolar" else -np.inf
        ones = self.window.unfold(np.ones((1, layer.n_inputs)))
        self._taps = ones.sum(axis=3)[..., np.newaxis]  # padding contributes nothing, not even noise

    def _matrix(self) -> _Floats:
        """(groups, taps, filters of a group)."""
        groups = self.window.groups
        return self.weights.reshape(groups, len(self.weights) // groups, -1).transpose(0, 2, 1)

    def clip_weights(self, limit: typing.Optional[float]) -> None:
        """Back to what the coding holds."""
        most = min(x for x in (limit, self.given_scale, np.inf) if x is not None)
        np.clip(self.weights, max(-most, self.lowest_weight), most, out=self.weights)

    def linear(self, x: _Floats) -> _Floats:
        """Means before the activation; keeps what backward needs."""
        self._clipped = x.clip(-self.range if self.bipolar else 0.0, self.range)
        self._inside = x == self._clipped
        self._columns = self.window.unfold(self._clipped)
        sums = self._columns @ self._matrix()
        means: _Floats = self.scale * _flat(sums) + np.repeat(self.bias, sums.shape[2])
        return means

    def _unit(self) -> float:
        """What a count of all ones stands for."""
        return self.range * float(self.given_scale or np.abs(self.weights).max() or 1.0)

    def deviation(self, length: float) -> _Floats:
        """Of the noise that streams of that length add to the last linear()."""
        matrix, unit = self._matrix(), self._unit()
        ones = unit**2 * self._taps if self.bipolar else unit * (self._columns @ np.abs(matrix))
        variance = ones - self._columns**2 @ matrix**2
        scatter: _Floats = self.scale * np.sqrt(_flat(variance).clip(0.0) / length)
        return scatter

    def draw(self, rng: np.random.Generator) -> _Floats:
        """Normal numbers of variance 1 for the outputs of the last linear(), correlated as their noise is.

        Given the weights' streams, a sum is linear in the inputs: E[w(t) x] = w(t) x. So the variance is that of
        the weights' streams, weighted by the inputs, plus what the inputs' streams add.
        """
        columns, matrix = self._columns, self._matrix()
        n, groups, positions, taps = columns.shape
        own = rng.standard_normal((n, groups * positions * matrix.shape[2]))
        if positions == 1:
            return own
        most = float(self.given_scale or np.abs(self.weights).max() or 1.0)
        if self.bipolar:
            of_weights = most**2 - matrix**2
            of_inputs = most**2 * (self.range**2 * self._taps - (columns**2).sum(axis=3, keepdims=True))
            of_inputs = np.broadcast_to(of_inputs, (*columns.shape[:3], matrix.shape[2]))
        else:
            of_weights = np.abs(matrix) * (most - np.abs(matrix))
            of_inputs = most * (columns * (self.range - columns)) @ np.abs(matrix)
        of_weights, of_inputs = of_weights.clip(0.0), of_inputs.clip(0.0)
        drawn = rng.standard_normal((n, groups, taps, matrix.shape[2]))
        together = _flat(columns @ (np.sqrt(of_weights) * drawn)) + np.sqrt(_flat(of_inputs)) * own
        deviation = np.sqrt(_flat(columns**2 @ of_weights + of_inputs))
        return np.divide(together, deviation, out=np.zeros_like(together), where=deviation > 0.0)

    def noise(self, length: float, rng: np.random.Generator) -> _Floats:
        deviation = self.deviation(length)
        normal = self.draw(rng)  # a constant to the gradient
        # The noise over its variance, before the layer's scale.
        self._of_variance = np.divide(
            self.scale**2 * normal, 2.0 * length * deviation, out=np.zeros_like(normal), where=deviation > 0.0
        )
        return deviation * normal

    def activate(self, z: _Floats) -> _Floats:
        self._active = (z > self.low) & (z < self.high)
        return z.clip(self.low, self.high)

    def backward(self, gradient: _Floats, through_noise: bool) -> _Floats:
        """From outputs to inputs; keeps the gradients of weights and bias. The range counts as a constant."""
        gradient = gradient * self._active
        matrix = self._matrix()
        of_sums = self._windowed(gradient)
        of_matrix = self.scale * _outer(self._columns, of_sums)
        of_columns = self.scale * of_sums @ matrix.transpose(0, 2, 1)
        of_scale = 0.0
        if through_noise:
            of_variance = self._windowed(gradient * self._of_variance)
            squares = of_variance @ (matrix**2).transpose(0, 2, 1)
            of_matrix -= 2.0 * matrix * _outer(self._columns**2, of_variance)
            of_columns -= 2.0 * self._columns * squares
            unit = self._unit()
            if self.bipolar:
                of_scale = 2.0 * unit * self.range * float((of_variance * self._taps).sum())
            else:
                size, sign = np.abs(matrix), np.sign(matrix)
                of_matrix += unit * sign * _outer(self._columns, of_variance)
                of_columns += unit * of_variance @ size.transpose(0, 2, 1)
                of_scale = self.range * float((of_variance * (self._columns @ size)).sum())
        weights = of_matrix.transpose(0, 2, 1).reshape(self.weights.shape)
        if self.given_scale is None:  # the largest weight is the scale
            largest = np.unravel_index(np.abs(self.weights).argmax(), self.weights.shape)
            weights[largest] += of_scale * np.sign(self.weights[largest])
        self.gradients = (weights, of_sums.sum(axis=(0, 2)).ravel())
        of_inputs: _Floats = self.window.fold(of_columns) * self._inside
        return of_inputs

    def _windowed(self, outputs: _Floats) -> _Floats:
        """(samples, groups, positions, filters of a group)."""
        groups, positions = self._columns.shape[1:3]
        return outputs.reshape(len(outputs), groups, -1, positions).transpose(0, 1, 3, 2)


class Pool:
    """Average or largest of windows, as numbers."""

    def __init__(self, layer: typing.Union[_bitaxon.AveragePool2d, _bitaxon.MaxPool2d]) -> None:
        self.largest = isinstance(layer, _bitaxon.MaxPool2d)
        channels = layer.input_shape[0]
        self.window = Windows(layer.input_shape, channels, layer.kernel_size, layer.stride, layer.padding)

    def forward(self, x: _Floats) -> _Floats:
        columns = self.window.unfold(x, fill=-np.inf if self.largest else 0.0)
        if self.largest:
            self._share = np.arange(columns.shape[3]) == columns.argmax(axis=3)[..., np.newaxis]
            largest: _Floats = columns.max(axis=3).reshape(len(x), -1)
            return largest
        self._share = np.full(columns.shape, 1.0 / columns.shape[3])
        averages: _Floats = columns.mean(axis=3).reshape(len(x), -1)
        return averages

    def backward(self, gradient: _Floats, through_noise: bool) -> _Floats:
        return self.window.fold(self._share * gradient.reshape(*self._share.shape[:3], 1))


class Model:
    """A network's layers in sequence."""

    def __init__(self, network: _bitaxon.Network, lengths: typing.Optional[float] = None) -> None:
        if network.skips:
            raise UnsupportedError("network: got skips, expected layers in sequence alone")
        self.stages: list[typing.Union[Product, Pool]] = []
        self.lengths: list[float] = []
        for layer in network.layers:
            if isinstance(layer, (_bitaxon.DenseLayer, _bitaxon.Conv2d)):
                self.stages.append(Product(layer))
                self.lengths.append(layer.length if lengths is None else lengths)
            elif isinstance(layer, (_bitaxon.AveragePool2d, _bitaxon.MaxPool2d)):
                self.stages.append(Pool(layer))
            elif not isinstance(layer, _bitaxon.Flatten):
                raise UnsupportedError(
                    f"network: got a {type(layer).__name__}, expected DenseLayer, Conv2d, pools and Flatten"
                )
        if not self.stages or not isinstance(self.stages[0], Product) or network.layers[0].weights.size == 0:
            raise UnsupportedError("network: got one whose first layer has no weights, expected DenseLayer or Conv2d")
        self.products = [stage for stage in self.stages if isinstance(stage, Product)]

    @property
    def parameters(self) -> list[_Floats]:
        return [values for product in self.products for values in (product.weights, product.bias)]

    def gradients(self, decay: float = 0.0) -> list[_Floats]:
        """Of the last backward, in the order of the parameters."""
        of_all: list[_Floats] = []
        for product in self.products:
            weights, bias = product.gradients
            of_all += [weights + decay * product.weights, bias]
        return of_all

    def forward(
        self,
        x: _Floats,
        rng: typing.Optional[np.random.Generator] = None,
        follow: typing.Optional[typing.Callable[[Product, _Floats], None]] = None,
    ) -> _Floats:
        """Outputs, with noise if there is an rng. follow(product, inputs) may set a product's range."""
        lengths = iter(self.lengths)
        for stage in self.stages:
            if isinstance(stage, Pool):
                x = stage.forward(x)
                continue
            if follow is not None and stage is not self.products[0]:
                follow(stage, x)
            z = stage.linear(x)
            length = next(lengths)
            if rng is not None:
                z = z + stage.noise(length, rng)
            x = stage.activate(z)
        return x

    def clip_weights(self, limits: typing.Iterable[typing.Optional[float]]) -> None:
        for product, limit in zip(self.products, limits):
            product.clip_weights(limit)

    def backward(self, gradient: _Floats, through_noise: bool = False) -> None:
        for stage in reversed(self.stages):
            gradient = stage.backward(gradient, through_noise)


def _flat(sums: _Floats) -> _Floats:
    """(samples, groups, positions, filters) to outputs: filter by filter."""
    return sums.transpose(0, 1, 3, 2).reshape(len(sums), -1)


def _outer(columns: _Floats, outputs: _Floats) -> _Floats:
    """Sums over samples and positions: (groups, taps, filters of a group)."""
    n, groups, positions, taps = columns.shape
    stacked = columns.transpose(1, 3, 0, 2).reshape(groups, taps, n * positions)
    return stacked @ outputs.transpose(1, 0, 2, 3).reshape(groups, n * positions, -1)
