"""Python functions that become kernels: bx.function."""

import inspect
import math

import numpy as np
import pytest

import bitaxon as bx


def test_a_python_function_becomes_a_kernel(rng):
    @bx.function
    def bump(x, y, width=0.5):
        near = abs(x) < width
        return bx.where(near & (y > 0), np.cos(x / width), -(y**2) // 3 % 2)

    assert isinstance(bump, bx.Kernel) and bump.arguments == ("x", "y")
    x, y = rng.uniform(-1, 1, (2, 500))
    expected = np.where((abs(x) < 0.5) & (y > 0), np.cos(x / 0.5), -(y**2) // 3 % 2)
    np.testing.assert_allclose(bump(x, y), expected, rtol=1e-14)


def test_a_traced_function_takes_options_and_gives_several_results():
    @bx.function(dtype="f32", mode="fast")
    def polar(x, y):
        return np.hypot(x, y), np.arctan2(y, x), x > y

    assert polar.dtype == np.float32 and polar.mode == "fast"
    assert polar(3, 4)[0] == 5.0 and polar(3, 4)[2] is False


def test_shared_values_are_computed_once():
    @bx.function
    def f(x):
        shared = bx.exp(x)
        return shared * shared + shared

    assert f.text.count("exp") == 1


def test_random_numbers_with_a_name_are_drawn_once():
    @bx.function
    def same(x):
        u = bx.rand()
        return u - u + x

    @bx.function
    def different(x):
        return bx.rand() - bx.rand() + x

    zeros = np.zeros(100)
    assert (same(zeros) == 0).all() and (different(zeros) != 0).all()


def test_deep_functions_are_traced():
    @bx.function
    def deep(x):
        for _ in range(2000):
            x = x / 2 + 1
        return x

    assert deep(0) == pytest.approx(2)


UFUNCS = ["exp", "log1p", "sin", "arctan2", "maximum", "floor", "square", "reciprocal", "heaviside", "fabs",
          "power", "remainder", "rint", "cbrt", "logical_and", "less"]  # fmt: skip


@pytest.mark.parametrize("name", UFUNCS)
def test_numpys_functions_are_traced(name):
    ufunc = getattr(np, name)
    names = ["x", "y"][: ufunc.nin]
    f = bx.function(eval(f"lambda {', '.join(names)}: ufunc({', '.join(names)})", {"ufunc": ufunc}))
    values = (0.625, 1.75)[: ufunc.nin]
    assert f(*values) == pytest.approx(float(ufunc(*values)), rel=1e-14)


def branch(x):
    return 1 if x > 0 else 2


WRONG = {
    "if": (branch, "where"),
    "and": (lambda x: (x > 0) and (x < 1), "where"),
    "chain": (lambda x: 0 < x < 1, "where"),
    "math.sin": (lambda x: math.sin(x), "instead of one of math"),
    "int": (lambda x: [1, 2][x], "instead of one of math"),
    "xor": (lambda x: x ^ 2, r"\*\*"),
    "array": (lambda x: x + np.ones(3), "numpy|arguments"),
    "reduction": (lambda x: np.add.reduce(x), "elementwise"),
    "unknown ufunc": (lambda x: np.spacing(x), "elementwise"),
    "text": (lambda x: x + "a", "str"),
    "nothing": (lambda x: None, "None"),
    "any number": (lambda *x: x[0], "named arguments"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_traced_says_what_to_do(case):
    python_function, hint = WRONG[case]
    with pytest.raises(TypeError, match=hint):
        bx.function(python_function)


def test_the_functions_of_the_language_take_arrays(rng):
    x = rng.random(10)
    assert np.allclose(bx.erf(x), [math.erf(v) for v in x], rtol=1e-15)
    assert bx.clip(5, 0, 1) == 1.0 and bx.math.max(2, 3) == 3.0
    assert bx.fbm2(0.1, np.array([0.2]), 3)[0] == bx.evaluate("fbm2(0.1, 0.2, 3)")
    assert str(inspect.signature(bx.lerp)) == "(a, b, t, /)"


def test_every_function_of_the_language_has_a_name():
    for name in bx.math.__all__:
        parameters = list(inspect.signature(getattr(bx.math, name)).parameters)
        call = f"{name}({', '.join(p if p != 'octaves' else '3' for p in parameters)})"
        bx.compile(call)
