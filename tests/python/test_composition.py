"""Operations put together: what compose inserts, and that values come out right."""

import re

import numpy as np
import pytest

import bitaxon as bx

LENGTH = 1 << 14


def streams(rng, names, **shared):
    """Independent Bernoulli streams of 200 values each, but for those of a common seed."""
    values = {name: rng.uniform(0.05, 0.95, 200) for name in names}
    made = {
        name: bx.encode(values[name], LENGTH, seed=shared.get(name, 100 + k)) for k, name in enumerate(names)
    }
    return values, made


def shuffles(circuit, length=LENGTH):
    numbers = re.findall(r"^(shuffle\d+) : u(\d)$", circuit.text, re.M)
    return {
        name: np.stack([bx.encode([0.5], length, seed=500 + 10 * k + bit)[0] for bit in range(int(bits))])
        for k, (name, bits) in enumerate(numbers)
    }


@pytest.mark.parametrize(
    "text, shared, inserted, value",
    [
        ("y = multiply(a, b)", {}, [], lambda a, b: a * b),
        ("y = multiply(a, a)", {}, ["isolate(a)"], lambda a: a * a),
        ("y = multiply(multiply(a, a), a)", {}, ["isolate(a)", "isolate(a)"], lambda a: a**3),
        ("y = subtract(a, b)", {}, ["synchronise(a, b)"], lambda a, b: np.maximum(a - b, 0)),
        ("y = subtract(a, b)", {"a": 1, "b": 1}, [], lambda a, b: np.maximum(a - b, 0)),
        ("y = multiply(a, b)", {"a": 1, "b": 1}, ["isolate(b)"], lambda a, b: a * b),
        ("m = minimum(a, b); y = absolute_difference(m, b)", {"a": 1, "b": 1}, [], lambda a, b: np.maximum(b - a, 0)),
        ("y = saturating_add(a, b)", {}, ["desynchronise(a, b)"], lambda a, b: np.minimum(a + b, 1)),
        ("y = mean(a, b, c)", {}, [], lambda a, b, c: (a + b + c) / 3),
        ("lo, hi = sort(a, b); y = subtract(hi, lo)", {"a": 1, "b": 1}, [], lambda a, b: np.abs(a - b)),
        (
            "d = subtract(a, b)\ny = multiply(d, a)",
            {},
            ["synchronise(a, b)", "decorrelate(a)"],
            lambda a, b: np.maximum(a - b, 0) * a,
        ),
    ],
)
def test_operands_get_the_correlation_that_operations_need(rng, text, shared, inserted, value):
    made = bx.compose(text, sources={name: ("seed", seed) for name, seed in shared.items()}, outputs=["y"])
    assert [str(i).split(" before")[0] for i in made.insertions] == inserted
    assert str(made).count("before") == len(inserted) and set(made.circuit.outputs) == {"y"}
    shuffled = shuffles(made.circuit)
    names = [name for name in made.circuit.inputs if name not in shuffled]
    values, operands = streams(rng, names, **shared)
    y = bx.decode(made.circuit(**operands, **shuffled, length=LENGTH), LENGTH)
    error = y - value(**values)
    # A synchroniser of 4 leaves some ones alone; the rest is chance: sqrt(p (1 - p) / L) <= 0.004.
    assert np.sqrt(np.mean(error**2)) < (0.03 if shared == {} and inserted else 0.008)


@pytest.mark.parametrize(
    "text, inserted, value",
    [
        # Delays 1, 2 and 3: what spans several steps is isolated by more than it spans.
        ("u = multiply(a, a); w = multiply(u, u); y = multiply(w, w)", "isolate " * 3, 0.9**8),
        ("y = multiply(multiply(a, multiply(a, b)), stanh(b, states=4))", "isolate decorrelate", 0.81 * 0.5 * 0.5),
        ("y = stanh(toggle_add(a, b))", "decorrelate", (np.tanh(4 * 0.4) + 1) / 2),
        ("y = linear_gain(mean(a, b))", "decorrelate", 0.9),
        ("wire_0_y = multiply(a, a); shuffle0 = toggle_add(wire_0_y, b); y = multiply(shuffle0, wire_0_y)",
         "isolate decorrelate", (0.81 + 0.5) / 2 * 0.81),
        ("y = multiply(isolate(multiply(a, a), steps=2), a)", "isolate", 0.9**3),
    ],
)  # fmt: skip
def test_what_operands_remember_is_kept_out(text, inserted, value):
    made, length = bx.compose(text, outputs=["y"]), 1 << 18
    assert [i.circuit for i in made.insertions] == inserted.split()
    operands = {"a": bx.encode([0.9], length, seed=3), "b": bx.encode([0.5], length, seed=4)}
    operands = {name: stream for name, stream in operands.items() if name in made.circuit.inputs}
    y = bx.decode(made.circuit(**operands, **shuffles(made.circuit, length), length=length), length)
    # Chance is up to 0.003 here, with 8 steps in common; stanh's states and the buffers leave some more.
    assert abs(y[0] - value) < (0.02 if "stanh(t" in text else 0.008)


@pytest.mark.parametrize(
    "text, message",
    [
        ("y = multiply(a)", "2 operands: a, b"),
        ("y = multply(a, b)", "expected one of multiply"),
        ("y = a & b", "expected an operation"),
        ("multiply(a, b)", r"expected name = operation"),
        ("y = multiply(z, b); z = mean(a, b)", "a name that has its value in a line above"),
        ("y = median(a, b, c)", "encode them from one source"),
        ("x, y = multiply(a, b)", "1 names for 1 outputs"),
        ("y = multiply(a, b); y = mean(a, b)", "a name without a value"),
        ("y = multiply(a, b", "line 1"),
        ("y = stanh(x, states=7)", "states: got 7"),
        ("y = absolute(multiply_bipolar(stanh(a), b))", "remembers earlier steps"),
    ],
)
def test_wrong_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        bx.compose(text)
    with pytest.raises(ValueError, match="sources: got 'q'"):
        bx.compose("y = multiply(a, b)", sources={"q": 1})
    for outputs in ([], ["y", "y"], "yy"):
        with pytest.raises((ValueError, TypeError), match="outputs: got"):
            bx.compose("y = multiply(a, b)", outputs=outputs)
