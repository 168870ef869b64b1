"""Expressions over arrays: calls, evaluate, functions of the caller's own."""

import copy
import math
import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import bitaxon as bx

SEVEN = {
    "x + y + 10": lambda x, y: x + y + 10,
    "x^2 + y^2 + 2*x*y": lambda x, y: x**2 + y**2 + 2 * x * y,
    "(x^2 + 1.0)^0.5 + (x^2 + y^2 + 1.0)^0.5": lambda x, y: np.sqrt(x**2 + 1) + np.sqrt(x**2 + y**2 + 1),
    "((x + y)^3 - (x - y)^3 - 6*x^2*y) / (y^2 + 1.0) + x*y - y*x":
        lambda x, y: ((x + y) ** 3 - (x - y) ** 3 - 6 * x**2 * y) / (y**2 + 1),
}  # fmt: skip


def product():
    return bx.compile("x*y + 1")


@pytest.mark.parametrize("mode", ["strict", "contract", "fast"])
@pytest.mark.parametrize("text", SEVEN)
def test_a_kernel_agrees_with_numpy(rng, text, mode):
    x, y = rng.uniform(-2, 2, (2, 3000))
    f = bx.compile(text, mode=mode)
    assert f.arguments == ("x", "y") and f.mode == mode and f.text == text
    np.testing.assert_allclose(f(x, y), SEVEN[text](x, y), rtol=1e-12, atol=1e-12)


def test_arguments_go_by_position_and_by_name():
    f = bx.compile("y - 2*x")
    assert f.arguments == ("y", "x")
    assert f(7, 2) == f(7, x=2) == f(x=2, y=7) == 3.0
    g = bx.compile("y - 2*x", arguments=["x", "y"])
    assert g(2, 7) == 3.0


def test_an_argument_called_out_goes_by_position():
    f = bx.compile("out*2")
    z = np.empty(3)
    assert f(np.ones(3), out=z) is z and (z == 2).all()


@pytest.mark.parametrize("dtype", ["f32", "f64", np.float32, "float64", float, np.dtype("f4"), None])
def test_the_dtype_is_what_is_computed_in(dtype):
    f = bx.compile("x/3", dtype)
    narrow = f.dtype == np.float32
    assert f(np.ones(2)).dtype == f.dtype == f.results[0]
    assert f(1) == (float(np.float32(1) / np.float32(3)) if narrow else 1 / 3)


def test_numbers_alone_give_a_number():
    f = bx.compile("x*y, x < y, i32(x)")
    for x in (2, 2.0, np.float32(2), np.int64(2), np.array(2), True + 1):
        assert f(x, 3) == (6.0, True, 2)
        assert [type(result) for result in f(x, 3)] == [float, bool, int]


def test_comparisons_give_bools_and_casts_give_ints():
    f = bx.compile("x < 2, i16(x), i32(x), i64(x), x")
    results = f(np.array([1.5, 2.5]))
    assert [r.dtype for r in results] == [bool, np.int16, np.int32, np.int64, np.float64] == list(f.results)
    assert [r.tolist() for r in results] == [[True, False], [1, 2], [1, 2], [1, 2], [1.5, 2.5]]


SHAPES = {
    "one shape": ((4, 5), (4, 5)),
    "a row and a column": ((1, 5), (4, 1)),
    "axes in front": ((3, 4, 5), (5,)),
    "one value": ((4, 5), (1, 1)),
    "no axis": ((4, 5), ()),
    "nothing": ((0, 5), (1, 5)),
    "large": ((300, 400), (300, 1)),
    "large, both": ((300, 1), (1, 400)),
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_shapes_broadcast_as_in_numpy(rng, shapes):
    x, y = rng.random(shapes[0]), rng.random(shapes[1])
    result = bx.compile("x - 2*y", mode="strict")(x, y)
    assert result.shape == (x - 2 * y).shape and (result == x - 2 * y).all()


def swapped(x):
    return x.astype(">f8")


def unaligned(x):
    memory = np.frombuffer(bytearray(x.nbytes + 1), np.uint8)[1:].view(np.float64).reshape(x.shape)
    memory[...] = x
    assert not memory.flags.aligned
    return memory


LAYOUTS = {
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "int": lambda x: x.astype(int),
    "uint8": lambda x: x.astype(np.uint8),
    "bool": lambda x: x > 50,
    "long double": lambda x: x.astype(np.longdouble),
    "Fortran order": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "reversed": lambda x: x[::-1, ::-1],
    "every other": lambda x: np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2],
    "swapped bytes": swapped,
    "unaligned": unaligned,
    "list": lambda x: x.tolist(),
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "subclass": lambda x: x.view(type("Derived", (np.ndarray,), {})),
}


@pytest.mark.parametrize("rows", [3, 700])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_dtypes_and_strides_are_converted(rng, layout, rows):
    x = rng.integers(0, 100, (rows, 40)).astype(float)
    y = rng.random((rows, 40))
    given = layout(x)
    assert (bx.compile("x*y", mode="strict")(given, y) == np.asarray(given, dtype=float) * y).all()
    out = np.full((2 * rows, 80), -1.0)[::2, 1::2]
    assert bx.compile("x*y", mode="strict")(given, y, out=out) is out
    assert (out == np.asarray(given, dtype=float) * y).all()
    assert (out.base.reshape(2 * rows, 80)[1::2] == -1).all()


def test_results_are_converted_to_out():
    f = bx.compile("x*2, x > 1")
    x = np.arange(4.0)
    out = (np.empty(4, np.float32), np.empty(4))
    assert f(x, out=out) is out
    assert out[0].tolist() == [0, 2, 4, 6] and out[1].tolist() == [0, 0, 1, 1]
    n, wide = np.empty(4, np.int16), np.empty(4)
    f = bx.compile("i32(x)*50000")
    assert f(x, out=wide) is wide and wide.tolist() == [0, 50000, 100000, 150000]
    assert f(x, out=n) is n and (n == wide.astype(int).astype(np.int16)).all()  # same kind: it wraps
    with pytest.raises(TypeError, match="got dtype bool, expected int32 or one that .*same_kind"):
        f(x, out=np.empty(4, bool))
    for other in (object, "S8"):
        with pytest.raises(bx.InvalidTypeError, match="^out: got dtype .*, expected int32 or one that holds numbers"):
            f(x, out=np.empty(4, other))


def test_fortran_order_is_kept():
    x = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    result = bx.compile("x + 1")(x)
    assert result.flags.f_contiguous and (result == x + 1).all()


def test_out_may_be_an_argument(rng):
    f = bx.compile("x*y + 1", mode="strict")
    x, y = rng.random((2, 100, 200))
    expected = x * y + 1
    for view in (np.s_[:], np.s_[::2, ::3], np.s_[::-1]):
        z = x.copy()
        f(z[view], y[view], out=z[view])
        assert (z[view] == expected[view]).all()


def test_interleaved_arrays_do_not_overlap(rng):
    memory = rng.random(200)
    expected = memory[1::2] * 2
    bx.compile("x*2")(memory[1::2], out=memory[::2])
    assert (memory[::2] == expected).all()


def test_out_gives_the_shape():
    z = np.empty((2, 3))
    assert (bx.compile("x + 1")(1, out=z) == 2).all()
    assert (bx.compile("x + 1")(np.ones(3), out=z) == 2).all()
    assert (bx.compile("x + 1")(np.ones(1), out=z) == 2).all()


# what is wrong: (exception, call of x*y + 1)
X = np.full((3, 4), 0.5)


def read_only():
    out = np.empty((3, 4))
    out.flags.writeable = False
    return out


def in_part():
    memory = np.zeros(13)
    return memory[:12].reshape(3, 4), memory[1:].reshape(3, 4)


CASES = {
    "too few": (TypeError, lambda f: f(X)),
    "too many": (TypeError, lambda f: f(X, X, X)),
    "twice": (TypeError, lambda f: f(X, X, x=X)),
    "unknown keyword": (TypeError, lambda f: f(X, X, z=X)),
    "text": (TypeError, lambda f: f("a", X)),
    "None": (TypeError, lambda f: f(None, X)),
    "complex": (TypeError, lambda f: f(1j, X)),
    "complex array": (TypeError, lambda f: f(X.astype(complex), X)),
    "objects": (TypeError, lambda f: f(X.astype(object), X)),
    "dates": (TypeError, lambda f: f(np.zeros(4, "M8[s]"), X)),
    "masked": (TypeError, lambda f: f(np.ma.masked_array(X, X > 0), X)),
    "huge int": (ValueError, lambda f: f(10**400, X)),
    "shapes": (ValueError, lambda f: f(X, np.ones(3))),
    "ragged": (ValueError, lambda f: f([[1, 2], [3]], X)),
    "out is a list": (TypeError, lambda f: f(X, X, out=[1])),
    "out of int": (TypeError, lambda f: f(X, X, out=np.empty((3, 4), int))),
    "out of bool": (TypeError, lambda f: f(X, X, out=np.empty((3, 4), bool))),
    "out of another shape": (ValueError, lambda f: f(X, X, out=np.empty((4, 3)))),
    "out that would be stretched": (ValueError, lambda f: f(X, X, out=np.empty((1, 4)))),
    "out of one axis": (ValueError, lambda f: f(X, X, out=np.empty(4))),
    "read-only out": (ValueError, lambda f: f(X, X, out=read_only())),
    "out over an argument in part": (ValueError, lambda f: (lambda a, b: f(a, X, out=b))(*in_part())),
    "converted out over an argument": (ValueError, lambda f: f(X, X, out=X.view(np.float32)[:, :4])),
    "broadcast out over an argument": (ValueError, lambda f: (lambda a: f(a[0], X, out=a))(X.copy())),
    "out over itself": (ValueError, lambda f: f(X, X, out=np.lib.stride_tricks.as_strided(
        np.empty(9), (3, 4), (8, 8)))),
    "two outs": (ValueError, lambda f: f(X, X, out=(X, X))),
    "seed": (ValueError, lambda f: f(X, X, seed=-1)),
    "seed of text": (TypeError, lambda f: f(X, X, seed="1")),
    "step": (ValueError, lambda f: f(X, X, step=2**63)),
    "progress": (TypeError, lambda f: f(X, X, progress="yes")),
    "context": (TypeError, lambda f: f(X, X, context=1)),
    "text of a number": (TypeError, lambda _: bx.compile(3)),
    "dtype": (TypeError, lambda _: bx.compile("x", "int32")),
    "dtype of nonsense": (TypeError, lambda _: bx.compile("x", "nonsense")),
    "mode": (ValueError, lambda _: bx.compile("x", mode="faster")),
    "arguments": (TypeError, lambda _: bx.compile("x", arguments="x")),
    "functions": (TypeError, lambda _: bx.compile("x", functions={})),
    "threshold": (ValueError, lambda _: bx.compile("x", work_at_once=-1)),
    "kernel of its own": (TypeError, lambda _: bx.Kernel("x")),
    "definition": (TypeError, lambda _: bx.Functions().define("f", 3)),
    "parameters": (TypeError, lambda _: bx.Functions().define("f", "x", "x")),
    "kind": (ValueError, lambda _: bx.Functions().define("f", abs, arguments=1, kind="pure")),
    "no signature": (ValueError, lambda _: bx.Functions().define("f", np.add)),
    "any number": (ValueError, lambda _: bx.Functions().define("f", lambda *x: 1)),
    "taken name": (ValueError, lambda _: bx.Functions().define("sin", ["x"], "x")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_got_and_expected(case):
    exception, call = CASES[case]
    with pytest.raises(exception, match="got .*expected ") as raised:
        call(product())
    assert isinstance(raised.value, bx.Error)


def test_several_results_want_a_tuple():
    f = bx.compile("x + 1, x - 1")
    with pytest.raises(TypeError, match="tuple of 2 arrays"):
        f(X, out=np.empty((3, 4)))
    same = np.empty((3, 4))
    with pytest.raises(ValueError, match="overlap"):
        f(X, out=(same, same))
    a, b = f(X)
    assert (a == 1.5).all() and (b == -0.5).all()


def test_a_wrong_text_is_shown_with_its_place():
    with pytest.raises(bx.InvalidValueError, match="line 1, column 5.*sin") as raised:
        bx.compile("x + sinn(y)")
    assert str(raised.value).splitlines()[-1].index("^") == 4


def test_random_numbers_are_keyed_by_row_and_not_by_layout(rng):
    f = bx.compile("x + rand()")
    x = np.zeros((300, 200))
    plain = f(x, seed=3)
    assert ((plain >= 0) & (plain < 1)).all() and np.unique(plain).size > 59_000
    assert (f(x.astype("f4"), seed=3) == plain).all()
    assert (f(np.asfortranarray(x), seed=3) == plain).all()
    assert (f(x[::-1, ::-1], seed=3) == plain).all()
    assert (f(0, out=np.empty((300, 200)), seed=3) == plain).all()
    assert (f(x, seed=4) != plain).any() and (f(x, seed=3, step=1) != plain).any()


def test_a_kernel_is_copied_and_pickled():
    functions = bx.Functions()
    functions.define("twice", ["x"], "2*x")
    f = bx.compile("twice(a) + b", "f32", "fast", arguments=["b", "a"], functions=functions)
    functions.define("twice", ["x"], "3*x")  # too late for f
    for g in (pickle.loads(pickle.dumps(f)), copy.copy(f), copy.deepcopy(f)):
        assert g(1, 2) == f(1, 2) == 5.0
        assert repr(g) == repr(f)
        assert (g.arguments, g.dtype, g.mode) == (("b", "a"), np.float32, "fast")
    assert "Kernel('twice(a) + b', dtype='f32', mode='fast', arguments=['b', 'a']" in repr(f)


def test_stats_and_explain_tell_what_runs():
    f = bx.compile("x*y + 1")
    f(X, X)
    stats = f.stats()
    assert stats["calls"] == 1 and stats["tier"] == "interpreter"
    assert "fma" in f.explain() and "x*y + 1" in f.explain()


def test_many_threads_share_a_kernel(rng):
    f = bx.compile("sin(x)*y + x", background_calls=50)
    inputs = [rng.random((2, n)) for n in (1, 7, 300, 5000)]
    expected = [bx.compile("sin(x)*y + x")(x, y) for x, y in inputs]

    def work(_):
        return all((f(x, y) == e).all() for _ in range(50) for (x, y), e in zip(inputs, expected))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert f.stats()["calls"] == 8 * 50 * 4


def test_the_gil_is_released_during_a_run(rng):
    f = bx.compile("x + 1")
    x, z = rng.random((2, 5000))
    ticks, stop = 0, False

    def tick():
        nonlocal ticks
        while not stop:
            ticks += 1
            time.sleep(0)

    ticker = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        ticker.start()
        started, deadline = ticks, time.perf_counter() + 20
        while ticks < started + 3 and time.perf_counter() < deadline:
            f(x, out=z)
        assert ticks >= started + 3
    finally:
        sys.setswitchinterval(interval)
        stop = True
        ticker.join()


def test_a_forked_child_computes_and_compiles(rng):
    f = bx.compile("sin(x)*y", background_calls=5)
    x, y = rng.random((2, 100_000))
    expected = f(x, y)
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()

    def work():
        fresh = bx.compile("sin(x)*y", wait=True)
        same = all((f(x, y) == expected).all() for _ in range(20))
        results.put(same and (fresh(x, y) == expected).all())

    child = fork.Process(target=work)
    child.start()
    assert results.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0


CTRL_C = """
import os, signal, threading, time
import numpy as np, bitaxon as bx
functions = bx.Functions()
functions.define("slow", lambda x: (time.sleep(0.001), x)[1])
calls = {
    "plain": lambda: f(x, out=z),
    "converted": lambda: f(x[::2], out=z[::2]),
    "callable": lambda: g(x, out=z),
}
f = bx.compile("+".join(f"sin(x*{k})^0.3" for k in range(60)))
g = bx.compile("slow(x)", functions=functions)
x = np.ones(20_000_000)
z = np.empty_like(x)
for name, call in calls.items():
    sent = []
    def interrupt():
        time.sleep(0.3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        call()
        print(name, "was not interrupted")
    except KeyboardInterrupt:
        if time.perf_counter() - sent[0] > 0.2:
            print(name, "took", time.perf_counter() - sent[0])
    thread.join()
"""


def test_ctrl_c_leaves_a_long_call():
    done = subprocess.run([sys.executable, "-c", CTRL_C], capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_progress_is_reported(rng):
    x = rng.random(3_000_000)
    for f, given in ((bx.compile("sin(x)^0.3"), x), (bx.compile("sin(x)^0.3"), x.astype("f4"))):
        seen = []
        f(given, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (x.size, x.size)
        assert all(total == x.size for _, total in seen) and sorted(seen) == seen
        with pytest.raises(KeyError):
            f(given, progress=lambda done, total: {}[done])


# evaluate

MODULE_LEVEL = np.arange(3.0)


def test_evaluate_looks_names_up_as_numexpr_does():
    x = np.arange(4.0)
    assert (bx.evaluate("x^2 + 1") == x**2 + 1).all()
    assert (bx.evaluate("2*MODULE_LEVEL") == 2 * MODULE_LEVEL).all()
    assert bx.evaluate("a + b", local_dict={"a": 1}, global_dict={"b": 2}) == 3.0
    with pytest.raises(NameError):
        bx.evaluate("x + y", local_dict={"y": 1})


def test_the_callers_names_shadow_pi_and_e():
    assert bx.evaluate("2*pi") == 2 * math.pi and bx.evaluate("e") == math.e
    pi, e = 3, np.ones(2)
    assert bx.evaluate("2*pi") == 6 and (bx.evaluate("e + pi") == 4).all()
    assert pi == 3 and e is not None


def test_evaluate_chooses_the_dtype():
    x, y, n = np.ones(2, "f4"), np.ones(2), np.ones(2, int)
    assert bx.evaluate("x*2").dtype == np.float32
    assert bx.evaluate("x*y").dtype == bx.evaluate("n*2").dtype == np.float64
    assert bx.evaluate("x*2", dtype="f64").dtype == np.float64
    assert bx.evaluate("y*2", dtype=np.float32).dtype == np.float32
    assert bx.evaluate("x > 0").dtype == bool and bx.evaluate("i32(x)").dtype == np.int32
    assert bx.evaluate("i32(x)*16777217")[0] == 16777217
    assert bx.evaluate("n : i64; n << 60").tolist() == [2**60] * 2
    assert n.dtype == int and y.dtype == float


def test_evaluate_writes_to_out():
    x = np.arange(3.0)
    z = np.empty(3)
    assert bx.evaluate("x*2", out=z) is z and z.tolist() == [0, 2, 4]


def test_an_unknown_name_is_a_name_error_with_the_nearest_one():
    temperature = np.ones(2)
    with pytest.raises(NameError, match="(?s)column 3.*temperture.*did you mean `temperature`") as raised:
        bx.evaluate("2*temperture")
    assert isinstance(raised.value, bx.UnknownNameError) and isinstance(raised.value, ValueError)
    assert temperature is not None


def test_evaluate_keeps_what_it_compiled():
    x = np.ones(1000)
    bx.evaluate("x + 123.25")
    started = time.perf_counter()
    for _ in range(1000):
        bx.evaluate("x + 123.25")
    assert (time.perf_counter() - started) / 1000 < 50e-6


# functions of the caller's own


def test_functions_are_expressions_or_callables(rng):
    functions = bx.Functions()
    functions.define("soft", ["x", "k"], "log1p(exp(k*x))/k")
    functions.define("table", lambda x: np.interp(x, [0, 1], [5, 6]))
    assert functions.names == ("soft", "table") and "table" in functions and "sin" not in functions
    x = rng.random(5000)
    f = bx.compile("soft(x, 2) + table(x)", functions=functions)
    np.testing.assert_allclose(f(x), np.log1p(np.exp(2 * x)) / 2 + 5 + x, rtol=1e-14)
    assert f.functions.names == ("soft", "table")
    assert repr(functions) == "<Functions: soft, table>"


def test_a_callable_gets_blocks_in_ascending_order_on_the_callers_thread():
    seen, threads = [], set()

    def spy(x, y):
        assert x.dtype == y.dtype == np.float64 and x.shape == y.shape
        seen.append(x)
        threads.add(threading.get_ident())
        return x + y

    functions = bx.Functions()
    functions.define("spy", spy, kind="stateful")
    x = np.arange(100_000.0)
    result = bx.compile("spy(x, 1)*2", functions=functions)(x)
    assert (result == 2 * (x + 1)).all()
    assert max(map(len, seen)) <= 1024 and (np.concatenate(seen) == x).all()
    assert threads == {threading.get_ident()}


def test_a_callable_may_return_a_number():
    functions = bx.Functions()
    functions.define("seven", lambda: 7, arguments=0)
    assert (bx.compile("x + seven()", functions=functions)(np.ones(3)) == 8).all()


def test_what_a_callable_raises_ends_the_call():
    calls = []

    def fail(x):
        calls.append(len(x))
        if len(calls) == 2:
            raise LookupError("no more")
        return x

    functions = bx.Functions()
    functions.define("fail", fail, kind="stateful")
    f = bx.compile("fail(x)", functions=functions)
    with pytest.raises(LookupError, match="no more"):
        f(np.ones(10_000))
    assert len(calls) == 2
    assert f(1) == 1.0


@pytest.mark.parametrize("result", [None, "a", [1, 2], 1j, np.ones((2, 3))])
def test_a_wrong_result_of_a_callable_is_named(result):
    functions = bx.Functions()
    functions.define("wrong", lambda x: result)
    with pytest.raises((TypeError, ValueError), match="result of wrong: got .*expected a number or 3"):
        bx.compile("wrong(x)", functions=functions)(np.ones(3))


def test_functions_are_copied_and_pickled():
    functions = bx.Functions()
    functions.define("half", ["x"], "x/2")
    functions.define("root", math.sqrt, arguments=1)
    for twin in (copy.copy(functions), copy.deepcopy(functions), pickle.loads(pickle.dumps(functions))):
        twin.define("half", ["x"], "x/4")
        assert twin.names == functions.names
    assert bx.compile("half(x)", functions=functions)(2) == 1.0


def test_a_kernel_that_dies_on_another_thread_drops_its_callable():
    def make():
        functions = bx.Functions()
        functions.define("echo", lambda x: x)
        return bx.compile("echo(x)", functions=functions)

    kernels = [make() for _ in range(20)]
    threads = [threading.Thread(target=lambda: kernels.pop()(np.ones(5))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kernels == []
