"""Circuits, against Python's own evaluation of the same expressions, step by step."""

import copy
import pickle

import numpy as np
import pytest

import bitaxon as bx
from conftest import SUPPORTED_TIERS

NAMES = {
    "where": lambda c, a, b: a if c else b,
    "mux": lambda s, a, b: b if s else a,
    "clip": lambda x, low, high: min(max(x, low), high),
    "count": lambda *bits: sum(bits),
    "parity": lambda *bits: sum(bits) % 2,
    "majority": lambda *bits: int(2 * sum(bits) > len(bits)),
    "bit": lambda x, k: x >> k & 1,
    "min": min,
    "max": max,
    "abs": abs,
    **{f"u{n}": (lambda n: lambda x: x & ((1 << n) - 1))(n) for n in range(1, 63)},
}


def random_bits(rng, *shape):
    return rng.integers(0, 2, shape, dtype=np.uint8)


class Texts:
    """Random expressions, of the language and of Python alike, over given numbers."""

    def __init__(self, rng, bits, numbers):
        self.rng, self.bits, self.numbers = rng, bits, numbers

    def bit(self, depth):
        if depth == 0:
            return self.rng.choice([*self.bits, "0", "1"])
        a, b, c = (self.bit(depth - 1) for _ in range(3))
        x, y = (self.number(depth - 1) for _ in range(2))
        return self.rng.choice(
            [
                f"({a} & {b})",
                f"({a} | {b})",
                f"({a} ^ {b})",
                f"({a} & {b} ^ {c} | {a})",
                f"(1 - {a})",
                f"mux({a}, {b}, {c})",
                f"majority({a}, {b}, {c})",
                f"parity({a}, {b}, {c})",
                f"({x} < {y})",
                f"({x} >= {y})",
                f"({x} == {y})",
                f"({x} != {y})",
                f"bit(u4({x}), {self.rng.integers(4)})",
            ]
        )

    def number(self, depth):
        if depth == 0:
            return self.rng.choice([*self.numbers, str(self.rng.integers(-9, 10))])
        a = self.bit(depth - 1)
        x, y = (self.number(depth - 1) for _ in range(2))
        n = self.rng.integers(1, 5)
        return self.rng.choice(
            [
                f"({x} + {y})",
                f"({x} - {y})",
                f"({x} * {y})",
                f"(-{x})",
                f"where({a}, {x}, {y})",
                f"({x} if {a} else {y})",
                f"min({x}, {y})",
                f"max({x}, {y}, 1)",
                f"abs({x})",
                f"clip({x}, -3, 12)",
                f"({x} % {1 << n})",
                f"({x} // {1 << n})",
                f"({x} << {n})",
                f"({x} >> {n})",
                f"u{n}({x})",
                f"count({a}, {a}, 1)",
            ]
        )


@pytest.mark.parametrize("tier", SUPPORTED_TIERS)
def test_random_circuits_agree_with_python(rng, tier):
    context = bx.ExecutionContext(tier=tier)
    for _ in range(40):
        texts = Texts(rng, ["a", "b", "q"], ["x", "r", "a"])
        statements = {
            "y": texts.bit(3),
            "z": f"u5({texts.number(3)})",
        }
        following = {"q": f"u1({texts.number(2)})", "r": f"u3({texts.number(2)})"}
        text = "x : u3; q : u1 = 1; r : u3 = 5\n" + "\n".join(
            f"{name} = {value}" for name, value in (statements | following).items()
        )
        runs, length = 3, 70
        bits = {name: random_bits(rng, runs, length) for name in "ab"}
        planes = random_bits(rng, runs, 3, length)
        given = {name: bx.pack(value) for name, value in bits.items()}
        given["x"] = np.stack([bx.pack(rows) for rows in planes])
        circuit = bx.circuit(text, outputs=("y", "z"), context=context)
        streams = {name: given[name] for name in circuit.inputs}
        y, z = circuit(length=length, **streams)
        y = bx.unpack(y, length)
        z = bx.unpack(z, length) if z.ndim == 3 else bx.unpack(z, length)[:, None, :]
        for run in range(runs):
            state = {"q": 1, "r": 5}
            for t in range(length):
                names = {name: int(bits[name][run, t]) for name in "ab"}
                names["x"] = int(sum(int(planes[run, k, t]) << k for k in range(3)))
                names |= NAMES | state
                values = {name: int(eval(value, {}, names)) for name, value in statements.items()}
                got = (int(y[run, t]), sum(int(plane) << k for k, plane in enumerate(z[run, :, t])))
                assert got == (values["y"], values["z"]), (text, run, t)
                state = {name: int(eval(value, {}, names)) for name, value in following.items()}


def test_shapes_of_one_run_and_of_many(rng):
    mux = bx.circuit("y = (a & s) | (b & ~s)")
    assert mux.inputs == ("a", "s", "b") and mux.outputs == ("y",)
    a, s, b = (bx.pack(random_bits(rng, 5, 100)) for _ in range(3))
    y = mux(a, s, b, length=100)
    assert y.shape == (5, 2) and y.dtype == np.uint64
    assert np.array_equal(y, (a & s) | (b & ~s))
    one = mux(a[2], s[2], b=b[2], length=100)
    assert one.shape == (2,) and np.array_equal(one, y[2])
    shared = mux(a, s[0], b, length=100)
    assert np.array_equal(shared, (a & s[0]) | (b & ~s[0]))
    assert np.array_equal(mux(a[::-2], s[::-2], b[::-2], length=100), y[::-2])
    out = np.empty_like(y)
    assert mux(a, s, b, length=100, out=out) is out and np.array_equal(out, y)
    named = bx.circuit("y = (length & out) | (context & ~out)")
    assert np.array_equal(named({"context": b, "out": s, "length": a}, length=100), y)
    assert np.array_equal(mux({"a": a, "s": s}, b=b, length=100), y)
    total = bx.circuit("n = a + s + b")(a, s, b, length=100)
    assert total.shape == (5, 2, 2)


def test_bad_calls_name_what_is_wrong(rng):
    circuit = bx.circuit("r : u2; y = r > a")
    a = bx.pack(random_bits(rng, 5, 100))
    r = np.stack([bx.pack(random_bits(rng, 2, 100)) for _ in range(5)])
    circuit(r, a, length=100)
    with pytest.raises(TypeError, match="length"):
        circuit(r, a)
    with pytest.raises(TypeError, match="a: got nothing"):
        circuit(r, length=100)
    with pytest.raises(TypeError, match="the argument b"):
        circuit(r, a, b=a, length=100)
    with pytest.raises(TypeError, match="r: got two values"):
        circuit(r, a, r=r, length=100)
    with pytest.raises(TypeError, match="r: got two values"):
        circuit({"r": r, "a": a}, r=r, length=100)
    with pytest.raises(TypeError, match="the argument b"):
        circuit({"r": r, "a": a, "b": a}, length=100)
    with pytest.raises(ValueError, match="r: got shape"):
        circuit(a[:, None, :], a, length=100)
    with pytest.raises(ValueError, match="a: got 4 rows"):
        circuit(r, a[:4], length=100)
    with pytest.raises(ValueError, match="shape"):
        circuit(r, a, length=200)
    with pytest.raises(ValueError):
        circuit(r, a | np.uint64(1 << 63), length=100)
    with pytest.raises(ValueError, match="out"):
        circuit(r, a, length=100, out=np.empty((4, 2), np.uint64))
    with pytest.raises(TypeError):
        circuit(r, a, length=100, out=np.empty((5, 2)))
    with pytest.raises(ValueError, match="did you mean"):
        bx.circuit("y = majorty(a, b, c)")
    with pytest.raises(ValueError, match="outputs"):
        bx.circuit("y = a", outputs="z")


def test_copies_and_pickles(rng):
    circuit = bx.circuit("c : u2 = 1; c = u2(c + a); y = c > 1", outputs=["y", "c"])
    a = bx.pack(random_bits(rng, 3, 64))
    expected = circuit(a, length=64)
    for other in (copy.copy(circuit), copy.deepcopy(circuit), pickle.loads(pickle.dumps(circuit))):
        assert all(np.array_equal(x, y) for x, y in zip(other(a, length=64), expected))
    assert "2 register bits" in repr(circuit) and "input" in circuit.explain()
