"""A reservoir on bitstreams foretells the Mackey-Glass series: error against stream length.

    python reservoir.py --output reservoir.png

The series is dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x (M. Mackey, L. Glass, 1977), which is chaotic;
the reservoir, 150 units with random weights, sees x(t) step by step and a linear readout gives x(t + 12).
The same reservoir without streams is the reference.
"""

import argparse

import matplotlib
import numpy as np

import bitaxon as bx

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

AHEAD = 12  # units of time, each a step of the reservoir
WASHOUT, TRAINED, CHECKED = 100, 700, 850  # steps: ends of what is dropped, fitted, and tuned on
RIDGES = 10.0 ** np.arange(-8, 2)


def mackey_glass(count: int, delay: int = 17, fine: int = 10) -> np.ndarray:
    """Values at times 0, 1, ...: Heun's method with steps of 1 / fine, after 500 units of time."""
    lag = delay * fine
    x = np.full(lag + (500 + count) * fine, 1.2)

    def slope(now: float, then: float) -> float:
        return 0.2 * then / (1 + then**10) - 0.1 * now

    for t in range(lag, len(x) - 1):
        first = slope(x[t], x[t - lag])
        second = slope(x[t] + first / fine, x[t - lag + 1])
        x[t + 1] = x[t] + (first + second) / (2 * fine)
    return x[-count * fine :: fine]


def make_reservoir(steps: int, length: int) -> bx.Recurrent:
    rng = np.random.default_rng(1)
    return bx.Recurrent(1, 150, steps=steps, length=length, spectral_radius=0.9, density=0.03, leak=0.3,
                        bias=rng.uniform(-0.5, 0.5, 150), input_range=1.5, seed=3)  # fmt: skip


def predict(states: np.ndarray, target: np.ndarray) -> np.ndarray:
    """What a readout fitted on the first steps gives for all, with the ridge that suits the next ones best."""

    def fitted(ridge: float) -> np.ndarray:
        weights, bias = bx.fit_readout(states[WASHOUT:TRAINED], target[WASHOUT:TRAINED], ridge)
        return states @ weights[0] + bias[0]

    return min(map(fitted, RIDGES), key=lambda y: np.square((y - target)[TRAINED:CHECKED]).mean())


def nrmse(y: np.ndarray, target: np.ndarray) -> float:
    """Root mean square error in standard deviations of the target, on steps that nothing was fitted to."""
    return float(np.sqrt(np.square((y - target)[CHECKED:]).mean()) / target[CHECKED:].std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="reservoir.png", help="where the picture goes")
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 256, 1024, 4096, 16384])
    arguments = parser.parse_args()

    series = mackey_glass(1200 + AHEAD)
    x, target = series[:-AHEAD], series[AHEAD:]
    exact = make_reservoir(len(x), 64).forward_expected(x, weights="mean")
    reference = predict(exact.reshape(len(x), -1), target)
    print(f"floats: NRMSE {nrmse(reference, target):.4f}")
    errors = []
    for length in arguments.lengths:
        states = make_reservoir(len(x), length).forward(x, seed=1).reshape(len(x), -1)
        y = predict(states, target)
        errors.append(nrmse(y, target))
        print(f"{length} bits: NRMSE {errors[-1]:.4f}")

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), width_ratios=(3, 2))
    shown = slice(CHECKED, CHECKED + 200)
    left.plot(target[shown], color="black", label=f"x(t + {AHEAD})")
    left.plot(y[shown], color="tab:red", linewidth=1, label=f"{arguments.lengths[-1]} bits")
    left.set(xlabel="t", ylabel="x", title="Mackey-Glass series")
    left.legend(loc="lower right")
    right.loglog(arguments.lengths, errors, "o-", color="tab:red", label="bitstreams")
    right.axhline(nrmse(reference, target), color="tab:gray", linestyle="--", label="floats")
    right.set(xlabel="bits of a stream", ylabel="NRMSE", title="Error against length")
    right.legend()
    figure.tight_layout()
    figure.savefig(arguments.output, dpi=120)


if __name__ == "__main__":
    main()
