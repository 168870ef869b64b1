"""Integers and conditions: arguments and results of types of their own keep every bit."""

import numpy as np
import pytest

import bitaxon as bx


def test_one_integer_of_an_array_wraps_as_many_do():
    for declared, n, bits in (("i32", np.array([2**31]), 32), ("i64", np.array([2**63], np.uint64), 64)):
        f = bx.compile(f"n : {declared}; n")
        for given in (n, n.repeat(2), n[0], n.reshape(()), n.astype(n.dtype.newbyteorder())):
            assert np.all(f(given) == -(2 ** (bits - 1))) and np.shape(f(given)) == np.shape(given)
        with pytest.raises(ValueError, match="^n: got 9223372036854775808, expected an int from"):
            f(2**63)
    assert bx.compile("n : i64; n^2, n*n")(np.array([3]))[0].dtype == float


# text, with n and m of int64 and k of int32: NumPy's same
INTEGERS = {
    "n : i64; n & 7": lambda n, m, k: n & 7,
    "n : i64; m : i64; n*m - (n >> 3)": lambda n, m, k: n * m - (n >> 3),
    "n : i64; m : i64; n // m, n % m": lambda n, m, k: (n // m, n % m),
    "n : i64; m : i64; n < m, n == m, ~n": lambda n, m, k: (n < m, n == m, ~n),
    "k : i32; k*k + 1, i16(k), k << 3": lambda n, m, k: (k * k + 1, k.astype(np.int16), k << 3),
    "k : i32; n : i64; n + k, f32(k), max(n, k)": lambda n, m, k: (n + k, k.astype(np.float32), np.maximum(n, k)),
    "m : i64; f64(m)/2 < 1e18, where(m > 9, m, -m)": lambda n, m, k: (m / 2 < 1e18, np.where(m > 9, m, -m)),
}  # fmt: skip


@pytest.mark.parametrize("tier", ["portable", "best"])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_integers_keep_every_bit(rng, tier, dtype):
    context = bx.ExecutionContext() if tier == "best" else bx.ExecutionContext(tier=tier)
    for rows in (1, 5, 64, 1027, 60_000):
        n, m = rng.integers(-(2**63), 2**63, (2, rows))
        m[m == 0] = 1
        k = rng.integers(-(2**31), 2**31, rows, dtype=np.int32)
        for text, numpy in INTEGERS.items():
            f = bx.compile(text, dtype, wait=True, context=context)
            given = {"n": n, "m": m, "k": k}
            arguments = [given[name] for name in f.arguments]
            assert [a.dtype for a in arguments] == list(f.argument_types)
            with np.errstate(over="ignore"):
                expected = numpy(n, m, k)
            expected = expected if isinstance(expected, tuple) else (expected,)
            strided = [np.repeat(a, 2)[::2] for a in arguments]
            for call in (arguments, strided):
                results = f(*call)
                results = results if isinstance(results, tuple) else (results,)
                for result, right in zip(results, expected):
                    assert result.dtype == right.dtype, text
                    assert (result == right).all(), text


def test_results_that_are_the_same_in_all_rows_fill_their_arrays():
    for dtype in ("f32", "f64"):
        f = bx.compile("a < 3, i16(a), i32(a) < 9, 2 < 1, i64(5), x", dtype, wait=True)
        results = f(2, np.ones(77, f.dtype))
        assert [r.dtype for r in results[:-1]] == [bool, np.int16, bool, bool, np.int64]
        assert [set(r.tolist()) for r in results[:-1]] == [{True}, {2}, {True}, {False}, {5}]


def test_integers_go_in_place_and_alone():
    n = np.arange(-50, 50) * 2**55
    expected = n * 3 // 2
    f = bx.compile("n : i64; n*3 // 2")
    assert f(n, out=n) is n and (n == expected).all()
    big = 2**62 + 1
    assert f(7) == 10 and bx.compile("n : i64; n - 1")(big) == 2**62 and type(f(7)) is int
    assert bx.compile("n : i64; n - m0", arguments=["n", "m0"])(big, 1.0) == float(big) - 1
    assert (bx.compile("n : i64; n + 1")(np.array([1, 2], np.int8)) == [2, 3]).all()
    with pytest.raises(ValueError, match="overlaps"):
        bx.compile("n : i64; n < 0")(n, out=n.view(bool)[:100])
    with pytest.raises(TypeError, match="n: got dtype float64, expected integers, as the text declares"):
        f(np.ones(3))
    with pytest.raises(TypeError, match="n: got"):
        f(1.5)
    with pytest.raises(ValueError, match=f"n: got {2**63}, expected an int from"):
        f(2**63)
    with pytest.raises(ValueError, match="n: got 4294967296"):
        bx.compile("n : i32; n")(2**32)


def test_large_integers_are_streamed(rng):
    n = rng.integers(-(2**63), 2**63, 1_200_000)
    f = bx.compile("n : i64; n*3, i32(n), n < 0")
    a, b, c = f(n)
    assert (a == n * 3).all() and (b == n.astype(np.int32)).all() and (c == (n < 0)).all()
