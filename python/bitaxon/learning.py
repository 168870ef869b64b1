"""Training that knows the streams.

The forward pass of training computes what streams compute on average, plus Gaussian noise of the variance
that streams of the network's lengths will have. So weights learn to be robust against it, and, with the
gradient through the noise, to make less of it.

    network = bx.Network([bx.DenseLayer(64, 32, length=64, coding="split-unipolar", weights=..., activation="relu"),
                          bx.DenseLayer(32, 10, length=64, coding="split-unipolar", weights=...)])
    network = bx.learning.fit(network, X, labels, seed=1)
    network.forward_batch(X_test)
"""

from __future__ import annotations

import dataclasses
import operator
import typing
import warnings

import numpy as np
import numpy.typing as npt

from . import _bitaxon, _progress
from ._trainable import Model, Product
from .errors import InvalidShapeError, InvalidTypeError, InvalidValueError

__all__ = ["Adam", "Epoch", "Sgd", "fit"]

_Floats = npt.NDArray[np.float64]
_Step = typing.Callable[[list[_Floats], float], None]
_NOISES = ("streams", "none")
_GRADIENTS = ("reparametrised", "straight-through")
_SMOOTHING = 0.1  # of ranges that follow the batches
_HUGE = 1e100  # no trained weight is as large


def _to_real(name: str, value: typing.Any) -> float:
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        pass
    raise InvalidTypeError(f"{name}: got {type(value).__name__}, expected a number")


def _check_positive(name: str, value: typing.Any) -> None:
    if not 0.0 < _to_real(name, value) < np.inf:
        raise InvalidValueError(f"{name}: got {value}, expected a finite number above 0")


def _check_share(name: str, value: typing.Any) -> None:
    if not 0.0 <= _to_real(name, value) < 1.0:
        raise InvalidValueError(f"{name}: got {value}, expected a number in [0, 1)")


@dataclasses.dataclass(frozen=True)
class Adam:
    """D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, 2014.

    rate     of the first step, above 0; it falls to 0 in a straight line
    beta1, beta2  how much of the means of gradients and of their squares a step keeps, in [0, 1)
    epsilon  added to the root of the squares, above 0
    """

    rate: float = 5e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check_positive("rate", self.rate)
        _check_positive("epsilon", self.epsilon)
        for name in ("beta1", "beta2"):
            _check_share(name, getattr(self, name))

    def _begin(self, parameters: list[_Floats]) -> _Step:
        mean = [np.zeros_like(p) for p in parameters]
        square = [np.zeros_like(p) for p in parameters]
        count = 0

        def step(gradients: list[_Floats], pace: float) -> None:
            nonlocal count
            count += 1
            for p, g, m, s in zip(parameters, gradients, mean, square):
                m += (1.0 - self.beta1) * (g - m)
                s += (1.0 - self.beta2) * (g**2 - s)
                root = np.sqrt(s / (1.0 - self.beta2**count)) + self.epsilon
                p -= self.rate * pace * m / (1.0 - self.beta1**count) / root

        return step


@dataclasses.dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent with momentum (B. T. Polyak, 1964).

    rate      of the first step, above 0; it falls to 0 in a straight line
    momentum  how much of the last change a step keeps, in [0, 1)
    """

    rate: float = 0.1
    momentum: float = 0.9

    def __post_init__(self) -> None:
        _check_positive("rate", self.rate)
        _check_share("momentum", self.momentum)

    def _begin(self, parameters: list[_Floats]) -> _Step:
        velocity = [np.zeros_like(p) for p in parameters]

        def step(gradients: list[_Floats], pace: float) -> None:
            for p, g, v in zip(parameters, gradients, velocity):
                v *= self.momentum
                v -= self.rate * pace * g
                p += v

        return step


class Epoch(typing.NamedTuple):
    """What `on_epoch` is told."""

    number: int
    """From 1 on."""
    loss: float
    """Mean over the epoch's batches, noise included, each before the step that it led to."""
    validation: typing.Optional[float]
    """Mean loss on the validation samples with the noise that training has, None without any."""


def fit(
    network: _bitaxon.Network,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    loss: typing.Literal["cross-entropy", "mse"] = "cross-entropy",
    noise: typing.Literal["streams", "none"] = "streams",
    gradient: typing.Literal["reparametrised", "straight-through"] = "reparametrised",
    length: typing.Optional[typing.SupportsIndex] = None,
    epochs: typing.SupportsIndex = 30,
    batch: typing.SupportsIndex = 32,
    optimiser: typing.Union[Adam, Sgd] = Adam(),
    decay: float = 0.0,
    limit: typing.Union[float, typing.Sequence[typing.Optional[float]], None] = None,
    quantile: float = 0.999,
    seed: typing.SupportsIndex = 0,
    validation: typing.Optional[tuple[npt.ArrayLike, npt.ArrayLike]] = None,
    on_epoch: typing.Optional[typing.Callable[[Epoch], object]] = None,
    progress: typing.Union[bool, typing.Callable[[int, int], object], None] = None,
) -> _bitaxon.Network:
    """Trains weights and biases, and returns a network that has them, calibrated on X.

    network    a Network of DenseLayer, Conv2d, pools and Flatten, without skips; its weights are where
               training begins, and it stays as it is. It begins with a layer that has weights
    X          (n, n_inputs) samples in the range of the first layer
    y          (n,) integers for 'cross-entropy', softmax of the outputs; (n, n_neurons) for 'mse'
    noise      'streams': training meets the noise of random streams of inputs and weights; 'none': as if
               streams had no end, the common training in floats
    gradient   'straight-through': the noise counts as a constant (Y. Bengio, N. Leonard and A. Courville,
               Estimating or propagating gradients through stochastic neurons for conditional computation,
               2013); 'reparametrised': its deviation is differentiated as well, so that weights learn to make
               less of it (D. P. Kingma and M. Welling, Auto-encoding variational Bayes, 2013)
    length     bits of the noise, 1 or more; the layers' own lengths unless given
    optimiser  Adam(...) or Sgd(...)
    decay      weight decay: this much of each weight is added to its gradient, 0 or above
    limit      the largest magnitude of a weight, above 0, or one for each layer that has weights: a layer's
               largest weight sets the noise of all. The layer's own weight_scale holds as well, and so does
               0 as the least weight of unipolar coding
    quantile   of the magnitudes between layers that sets their ranges, in (0, 1], as in calibrate
    seed       of batches and noise, 0 or above
    validation (samples, targets) whose loss behind an epoch chooses the best weights; X and y unless given
    on_epoch   called with an Epoch after each
    progress   True shows a bar on a terminal; a callable gets (done, total) samples

    Returns a Network with the weights of the best epoch. Ctrl-C ends training early: then, too, and with those
    at the beginning before the first epoch ends. What on_epoch or progress raise leaves the call, a
    KeyboardInterrupt as well. Where training diverges it ends, with a RuntimeWarning if an epoch before that
    had a finite loss.
    Raises ValueError for shapes and values that do not fit, and for training that diverges in its first epoch;
    UnsupportedError for other networks.
    """
    if not isinstance(network, _bitaxon.Network):
        raise InvalidTypeError(f"network: got {type(network).__name__}, expected Network")
    choices = {"loss": (loss, _LOSSES), "noise": (noise, _NOISES), "gradient": (gradient, _GRADIENTS)}
    for name, (choice, known) in choices.items():
        if not isinstance(choice, str) or choice not in known:
            raise InvalidValueError(f"{name}: got {choice!r}, expected {' or '.join(map(repr, known))}")
    if not isinstance(optimiser, (Adam, Sgd)):
        raise InvalidTypeError(f"optimiser: got {type(optimiser).__name__}, expected Adam or Sgd")
    if not (0.0 <= _to_real("decay", decay) < np.inf):
        raise InvalidValueError(f"decay: got {decay}, expected a finite number, 0 or above")
    if not 0.0 < _to_real("quantile", quantile) <= 1.0:
        raise InvalidValueError(f"quantile: got {quantile}, expected a number in (0, 1]")
    if on_epoch is not None and not callable(on_epoch):
        raise InvalidTypeError(f"on_epoch: got {type(on_epoch).__name__}, expected a callable or None")
    if validation is not None and not (isinstance(validation, (tuple, list)) and len(validation) == 2):
        raise InvalidTypeError(f"validation: got {_described(validation)}, expected a pair (samples, targets)")
    model = Model(network, None if length is None else _to_count("length", length, most=2**53))
    training = _Task(network, X, y, loss, "X", "y")
    checking = None if validation is None else _Task(network, *validation, loss, "validation[0]", "validation[1]")
    recipe = _Recipe(
        epochs=_to_count("epochs", epochs),
        batch=_to_count("batch", batch),
        optimiser=optimiser,
        decay=decay,
        limits=_to_limits(limit, len(model.products)),
        quantile=quantile,
        streams=noise == "streams",
        through_noise=noise == "streams" and gradient == "reparametrised",
        seed=_to_count("seed", seed, least=0),
    )
    report = _Guest(_reporter(progress, recipe.epochs * len(training.samples)))
    told = _Guest(on_epoch)
    model.clip_weights(recipe.limits)
    best = _Best(model)
    try:
        # What overflows is seen in the loss.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for epoch, reached in _epochs(model, training, checking, recipe, report):
                finite = best.offer(reached, epoch.number)
                told(epoch)
                if not finite:
                    best.complain(epoch.number, reached)
                    break
    except KeyboardInterrupt as interrupt:
        if interrupt in (report.raised, told.raised):
            raise
    result = best.network(network)
    result.calibrate(training.samples, quantile)
    return result


class _Guest:
    """A caller's function, if there is one, which hears of overflow as outside; knows what it raised."""

    def __init__(self, call: typing.Optional[typing.Callable[..., object]]) -> None:
        self._call = call
        self._overflow = np.geterr()
        self.raised: typing.Optional[BaseException] = None

    def __call__(self, *values: object) -> None:
        try:
            if self._call is not None:
                with np.errstate(**self._overflow):
                    self._call(*values)
        except BaseException as error:
            self.raised = error
            raise


@dataclasses.dataclass(frozen=True)
class _Recipe:
    epochs: int
    batch: int
    optimiser: typing.Union[Adam, Sgd]
    decay: float
    limits: list[typing.Optional[float]]
    quantile: float
    streams: bool
    through_noise: bool
    seed: int


def _epochs(
    model: Model,
    training: "_Task",
    checking: "typing.Optional[_Task]",
    recipe: _Recipe,
    report: typing.Callable[[int, int], object],
) -> typing.Iterator[tuple[Epoch, float]]:
    """Each epoch, and the loss that its last weights have."""
    rng, check_seed = (np.random.default_rng([recipe.seed, 0]), [recipe.seed, 1])
    count = len(training.samples)
    total = recipe.epochs * count
    step = recipe.optimiser._begin(model.parameters)
    follow = _Ranges(recipe.quantile)
    for epoch in range(recipe.epochs):
        order = rng.permutation(count)
        losses = 0.0
        for start in range(0, count, recipe.batch):
            chosen = order[start : start + recipe.batch]
            outputs = model.forward(training.samples[chosen], rng if recipe.streams else None, follow)
            loss, gradient = training.loss(outputs, training.targets[chosen])
            model.backward(gradient, recipe.through_noise)
            done = epoch * count + start
            step(model.gradients(recipe.decay), 1.0 - done / total)
            model.clip_weights(recipe.limits)
            losses += loss * len(chosen)
            report(done + len(chosen), total)
        again = np.random.default_rng(check_seed) if recipe.streams else None
        reached = (checking or training).mean_loss(model, again, recipe.batch)
        yield Epoch(epoch + 1, losses / count, reached if checking else None), reached


class _Ranges:
    """Sets a layer's range as calibrate would; smoothed, since a batch is small."""

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._known: set[int] = set()

    def __call__(self, product: Product, x: _Floats) -> None:
        magnitudes = np.abs(x) if product.bipolar else x.clip(0.0)
        now = float(np.quantile(magnitudes, self._quantile) or magnitudes.max())
        if now > 0.0:
            share = _SMOOTHING if id(product) in self._known else 1.0
            product.range += share * (now - product.range)
            self._known.add(id(product))


class _Best:
    """The parameters with the least loss so far: those at the beginning, before any."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._loss = np.inf
        self._epoch = 0
        self._kept = [values.copy() for values in model.parameters]

    def offer(self, loss: float, epoch: int) -> bool:
        """Whether loss and parameters are finite."""
        parameters = self._model.parameters
        # A network holds sums of weights, too.
        finite = bool(np.isfinite(loss)) and all(np.abs(values).max() < _HUGE for values in parameters)
        if finite and loss <= self._loss:
            self._loss, self._epoch = loss, epoch
            self._kept = [values.copy() for values in parameters]
        return finite

    def complain(self, epoch: int, loss: float) -> None:
        why = (
            f"training diverged in epoch {epoch}: its loss is {loss:.6g}, its largest weight "
            f"{max(np.abs(values).max() for values in self._model.parameters):.6g}; a smaller rate of the "
            f"optimiser, less decay or a limit help"
        )
        if not self._epoch:
            raise InvalidValueError(why)
        warnings.warn(f"{why}. The weights are those of epoch {self._epoch}", RuntimeWarning, stacklevel=3)

    def network(self, like: _bitaxon.Network) -> _bitaxon.Network:
        kept = iter(self._kept)
        layers = []
        for layer in like.layers:
            state = layer.__getstate__()  # type: ignore[attr-defined]
            if layer.weights.size:
                state = {**state, "weights": next(kept), "bias": next(kept)}
            twin = type(layer).__new__(type(layer))
            twin.__setstate__(state)  # type: ignore[attr-defined]
            layers.append(twin)
        return _bitaxon.Network(layers, like.context)


def _cross_entropy(outputs: _Floats, labels: npt.NDArray[np.intp]) -> tuple[float, _Floats]:
    """Mean over the samples, and its gradient."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(logarithms)
    rows = np.arange(len(labels))
    gradient[rows, labels] -= 1.0
    return -float(logarithms[rows, labels].mean()), gradient / len(labels)


def _mean_square(outputs: _Floats, targets: _Floats) -> tuple[float, _Floats]:
    error = outputs - targets
    return float(np.square(error).mean()), 2.0 * error / error.size


_LOSSES: dict[str, typing.Callable[[_Floats, typing.Any], tuple[float, _Floats]]] = {
    "cross-entropy": _cross_entropy,
    "mse": _mean_square,
}


class _Task:
    """Samples, targets and loss, checked."""

    def __init__(
        self, network: _bitaxon.Network, X: npt.ArrayLike, y: npt.ArrayLike, loss: str, x_name: str, y_name: str
    ) -> None:
        self.loss = _LOSSES[loss]
        self.samples = np.asarray(_to_array(x_name, X), dtype=np.float64)
        if self.samples.ndim != 2 or self.samples.shape[1] != network.n_inputs or not len(self.samples):
            raise InvalidShapeError(
                f"{x_name}: got shape {self.samples.shape}, expected (n, {network.n_inputs}), n at least 1"
            )
        first = network.layers[0]
        low = -first.input_range if first.coding == "bipolar" else 0.0
        if not ((self.samples >= low) & (self.samples <= first.input_range)).all():
            raise InvalidValueError(
                f"{x_name}: got values from {self.samples.min()} to {self.samples.max()}, expected numbers in "
                f"[{low}, {first.input_range}], the first layer's range"
            )
        given = _to_array(y_name, y)
        shape = (len(self.samples),) if loss == "cross-entropy" else (len(self.samples), network.n_neurons)
        if given.shape != shape:
            raise InvalidShapeError(f"{y_name}: got shape {given.shape}, expected {shape}")
        if loss == "mse":
            self.targets: npt.NDArray[typing.Any] = given.astype(np.float64)
            if not np.isfinite(self.targets).all():
                raise InvalidValueError(f"{y_name}: got NaN or infinity, expected finite numbers")
            return
        if given.dtype.kind not in "iu":
            raise InvalidTypeError(f"{y_name}: got dtype {given.dtype}, expected integers")
        if not ((given >= 0) & (given < network.n_neurons)).all():
            raise InvalidValueError(
                f"{y_name}: got labels from {given.min()} to {given.max()}, expected 0 to {network.n_neurons - 1}"
            )
        self.targets = given.astype(np.intp)

    def mean_loss(self, model: Model, rng: typing.Optional[np.random.Generator], block: int) -> float:
        """Over all samples, a block at a time: as little memory as training needs."""
        losses = 0.0
        for start in range(0, len(self.samples), block):
            part = slice(start, start + block)
            outputs = model.forward(self.samples[part], rng)
            losses += self.loss(outputs, self.targets[part])[0] * len(outputs)
        return losses / len(self.samples)


def _described(value: object) -> str:
    return type(value).__name__ + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")


def _to_array(name: str, values: npt.ArrayLike) -> npt.NDArray[typing.Any]:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as why:
        raise InvalidShapeError(f"{name}: got {type(values).__name__} that is no array ({why})") from None
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name}: got dtype {array.dtype}, expected real numbers")
    return array


def _to_limits(limit: typing.Any, layers: int) -> list[typing.Optional[float]]:
    limits: list[typing.Any]
    try:
        limits = [limit] * layers if isinstance(limit, str) else list(limit)
    except TypeError:  # one for all
        limits = [limit] * layers
    if len(limits) != layers:
        raise InvalidShapeError(f"limit: got {len(limits)} numbers, expected one, or {layers}: one a layer with weights")
    for value in limits:
        if value is not None:
            _check_positive("limit", value)
    return limits


def _reporter(progress: typing.Any, total: int) -> typing.Optional[typing.Callable[[int, int], object]]:
    if progress is None or progress is False:
        return None
    if progress is True:
        return _progress.reporter(total)
    if not callable(progress):
        raise InvalidTypeError(f"progress: got {type(progress).__name__}, expected a bool, None or a callable")
    return typing.cast(typing.Callable[[int, int], object], progress)


def _to_count(name: str, value: typing.SupportsIndex, least: int = 1, most: typing.Optional[int] = None) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise InvalidTypeError(f"{name}: got {type(value).__name__}, expected int") from None
    if count < least:
        raise InvalidValueError(f"{name}: got {count}, expected {least} or more")
    if most is not None and count > most:
        raise InvalidValueError(f"{name}: got {count}, expected {most} at most")
    return count
