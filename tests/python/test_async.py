"""Calls that return at once: futures, asyncio, streams of batches."""

import asyncio
import concurrent.futures
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from conftest import make_layer, make_network

import bitaxon as bx

MODELS = {"layer": make_layer, "network": make_network}


@pytest.fixture(params=MODELS)
def model(request, rng):
    return MODELS[request.param](rng, length=1024)


@pytest.fixture
def long(rng):
    """A layer and samples that keep it busy for many seconds."""
    layer = make_layer(rng, 256, 16, length=2**16)
    return layer, np.broadcast_to(rng.random(256), (20_000, 256))


def test_futures_give_what_the_calls_return(model, rng):
    X = rng.random((300, 20))
    expected = model.forward_batch(X, seed=3, first_sample=5)
    future = model.submit_forward_batch(X, seed=3, first_sample=5)
    assert isinstance(future, concurrent.futures.Future)
    assert np.array_equal(future.result(), expected)
    assert future.done() and not future.running() and not future.cancel()
    assert future.progress() == (300, 300)
    assert np.array_equal(model.submit_forward(X[7], seed=3, sample=12).result(), expected[7])

    out = np.empty((300, model.n_neurons))
    assert model.submit_forward_batch(X.astype(np.float32).astype(float), seed=3, out=out).result() is out
    narrow = X.astype(np.float32)
    assert np.array_equal(model.submit_forward_batch(narrow).result(), model.forward_batch(narrow))


def test_await_gives_what_the_calls_return(model, rng):
    X = rng.random((300, 20))

    async def main():
        batch, one = await asyncio.gather(
            model.forward_batch_async(X, seed=3), model.forward_async(X[7], seed=3, sample=7)
        )
        return batch, one

    batch, one = asyncio.run(main())
    expected = model.forward_batch(X, seed=3)
    assert np.array_equal(batch, expected)
    assert np.array_equal(one, expected[7])


def test_await_needs_an_event_loop(layer):
    with pytest.raises(RuntimeError, match="event loop"):
        layer.forward_async(np.zeros(20))


def test_shapes_are_refused_at_once_and_values_later(layer):
    with pytest.raises(bx.InvalidShapeError, match="^X: got shape"):
        layer.submit_forward_batch(np.zeros((3, 21)))
    future = layer.submit_forward_batch(np.full((2, 20), np.nan))
    with pytest.raises(ValueError, match=r"^X\[0\]\[0\]: got nan"):
        future.result()
    assert isinstance(future.exception(), bx.InvalidValueError)
    with pytest.raises(ValueError, match=r"^x\[0\]: got 2"):
        layer.submit_forward(np.full(20, 2.0)).result()

    async def main():
        await layer.forward_async(np.full(20, 2.0))

    with pytest.raises(bx.InvalidValueError):
        asyncio.run(main())


def test_many_requests_of_one_layer(rng):
    layer = make_layer(rng, 64, 32, length=1024)
    X = rng.random((2000, 64))
    expected = layer.forward_batch(X, seed=1)

    async def main():
        return await asyncio.gather(*(layer.forward_async(x, seed=1, sample=k) for k, x in enumerate(X)))

    assert np.array_equal(asyncio.run(main()), expected)


def test_the_event_loop_goes_on_while_workers_compute(rng):
    layer = make_layer(rng, 256, 64, length=4096)
    many = np.broadcast_to(rng.random(256), (6000, 256))
    ticks = []

    async def tick():
        while True:
            await asyncio.sleep(0.001)
            ticks.append(time.perf_counter())

    async def main():
        ticker = asyncio.create_task(tick())
        started = time.perf_counter()
        await layer.forward_batch_async(many)
        ended = time.perf_counter()
        ticker.cancel()
        return started, ended

    started, ended = asyncio.run(main())
    assert sum(started < t < ended for t in ticks) > (ended - started) / 0.05


def test_cancelling_a_task_ends_the_work(long):
    layer, X = long

    async def main():
        futures = []

        async def work():
            futures.append(layer.submit_forward_batch(X))
            await asyncio.wrap_future(futures[0])

        task = asyncio.create_task(work())
        await asyncio.sleep(0.2)
        asked = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        futures[0]._pending.wait()  # the workers themselves
        return time.perf_counter() - asked

    latencies = [asyncio.run(main()) for _ in range(5)]
    # 50 ms where the cores are free; a busy machine may take its time, but not that of the call.
    assert np.median(latencies) < 0.5, latencies
    assert layer.submit_forward_batch(X[:3]).result(60).shape == (3, 16)


def test_cancelling_a_future_ends_the_work(long):
    layer, X = long
    latencies = []
    for _ in range(5):
        future = layer.submit_forward_batch(X)
        time.sleep(0.1)
        asked = time.perf_counter()
        assert future.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(60)
        future._pending.wait()
        latencies.append(time.perf_counter() - asked)
    # 50 ms where the cores are free; a busy machine may take its time, but not that of the call.
    assert np.median(latencies) < 0.5, latencies
    assert np.array_equal(layer.forward_batch(X[:3], seed=1), layer.submit_forward_batch(X[:3], seed=1).result())


def test_what_waits_is_cancelled_at_once(rng):
    context = bx.ExecutionContext(threads=1)
    layer = make_layer(rng, 256, 16, length=2**16, context=context)
    X = np.broadcast_to(rng.random(256), (20_000, 256))
    running = layer.submit_forward_batch(X)
    waiting = [layer.submit_forward_batch(X) for _ in range(5)]
    for future in waiting:
        assert future.cancel() and future.cancelled()
        future._pending.wait()
    running.cancel()


def test_a_dropped_future_computes_on_and_keeps_its_arrays(rng):
    layer = make_layer(rng, 64, 32, length=4096)
    X = rng.random((500, 64))
    expected = layer.forward_batch(X, seed=1)
    out = np.zeros_like(expected)
    layer.submit_forward_batch(X.copy(), seed=1, out=out)
    gc.collect()
    deadline = time.perf_counter() + 60
    while not np.array_equal(out, expected) and time.perf_counter() < deadline:
        time.sleep(0.001)
    assert np.array_equal(out, expected)


def test_nothing_is_kept_once_a_call_is_done(rng):
    layer = make_layer(rng, 64, 32, length=1024)

    def run():
        X = rng.random((200, 64))
        future = layer.submit_forward_batch(X)
        future.result()
        future._pending.wait()
        return weakref.ref(X), weakref.ref(future)

    refs = run()
    deadline = time.perf_counter() + 10
    while any(ref() is not None for ref in refs) and time.perf_counter() < deadline:
        gc.collect()
        time.sleep(0.001)
    assert [ref() for ref in refs] == [None, None]


def test_calls_that_ended_are_forgotten(rng):
    layer = make_layer(rng)
    X = rng.random((8, 20))

    def submit(_):
        for _ in range(500):
            layer.submit_forward_batch(X).result()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, range(8)))
    assert len(bx._futures._calls) < 1000


def test_a_future_tells_its_progress(long):
    layer, X = long
    future = layer.submit_forward_batch(X)
    seen = set()
    deadline = time.perf_counter() + 60
    while len(seen) < 3 and time.perf_counter() < deadline:
        seen.add(future.progress())
    future.cancel()
    assert len(seen) >= 3
    assert all(done <= 20_000 and total in (0, 20_000) for done, total in seen)


def test_callbacks_are_called_once(layer, rng):
    called = []
    future = layer.submit_forward(rng.random(20))
    future.add_done_callback(called.append)
    future.result()
    deadline = time.perf_counter() + 10
    while not called and time.perf_counter() < deadline:
        time.sleep(0.001)
    assert called == [future]
    done, _ = concurrent.futures.wait([layer.submit_forward(rng.random(20)) for _ in range(20)], timeout=60)
    assert len(done) == 20


WAITS_IN_CALLBACK = """
import queue, threading, numpy as np, bitaxon as bx
one = bx.ExecutionContext(threads=1)
layer = bx.DenseLayer(20, 4, length=1024, weights=np.full((4, 20), 0.5), seed=1)
X = np.full((5000, 20), 0.5)  # enough to be queued
got = queue.Queue()
def start():
    layer.submit_forward_batch(X, context=one).add_done_callback(called)
def called(future):
    if threading.current_thread() is threading.main_thread():
        return start()  # it was done too soon
    got.put((layer.submit_forward_batch(X, context=one).result() == layer.forward_batch(X)).all())
    got.put(type(layer.submit_forward_batch(np.nan * X, context=one).exception()).__name__)
    try:
        layer.submit_forward_batch(X, context=one).result(0.01)
    except TimeoutError:
        got.put("late")
start()
print(got.get(), got.get(), got.get())
"""


def test_callbacks_may_wait_for_calls_of_their_own_worker():
    done = subprocess.run([sys.executable, "-c", WAITS_IN_CALLBACK], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True InvalidValueError late\n", "")


def test_populations_run_beside_their_caller():
    def population():
        return bx.Population(500, bx.rules.LIF, dt=1e-4, seed=3)

    expected = population().run(20.0, 3000)
    pop = population()
    future = pop.submit_run(20.0, 3000)
    assert np.array_equal(future.result(60).bits, expected.bits)
    assert future.progress() == (3000, 3000)

    async def main():
        return await population().run_async(20.0, 3000)

    assert np.array_equal(asyncio.run(main()).bits, expected.bits)
    current = np.full(3000, np.nan)[:, None]
    with pytest.raises(ValueError, match="^current"):
        pop.submit_run(current, 3000)


def test_a_cancelled_run_stands_behind_its_last_chunk():
    pop = bx.Population(2000, bx.rules.LIF, dt=1e-4, seed=3)
    future = pop.submit_run(20.0, 2_000_000)
    while future.progress()[0] == 0:
        time.sleep(0.001)
    asked = time.perf_counter()
    future.cancel()
    future._pending.wait()
    assert time.perf_counter() - asked < 5
    count = pop.step_count
    assert 0 < count < 2_000_000
    twin = bx.Population(2000, bx.rules.LIF, dt=1e-4, seed=3)
    twin.run(20.0, count)
    assert np.array_equal(pop.v, twin.v)


# Streams of batches


@pytest.mark.parametrize("in_flight", [1, 2, 4, 100])
def test_streams_keep_order_and_number_samples_through(model, rng, in_flight):
    X = rng.random((1000, 20))
    cuts = np.sort(rng.integers(0, 1000, 30))
    batches = np.split(X, cuts)  # some are empty
    results = list(model.forward_stream(iter(batches), in_flight=in_flight, seed=4, first_sample=9))
    assert [len(r) for r in results] == [len(b) for b in batches]
    assert np.array_equal(np.concatenate(results), model.forward_batch(X, seed=4, first_sample=9))


def test_streams_read_no_more_than_may_be_in_flight(layer, rng):
    read = 0

    def batches():
        nonlocal read
        for _ in range(20):
            read += 1
            yield rng.random((10, 20))

    written = 0
    for _ in layer.forward_stream(batches(), in_flight=3):
        written += 1
        assert read - written <= 3 - 1 or read == 20
    assert written == 20
    assert list(layer.forward_stream([])) == []


def test_streams_copy_batches_that_share_one_array(layer, rng):
    X = rng.random((40, 5, 20))

    def batches():
        buffer = np.empty((5, 20))
        for batch in X:
            buffer[:] = batch
            yield buffer

    results = list(layer.forward_stream(batches(), in_flight=8, seed=1))
    assert np.array_equal(np.concatenate(results), layer.forward_batch(X.reshape(-1, 20), seed=1))


@pytest.mark.parametrize("bad", ["raises", "shape", "value"])
def test_a_failing_batch_comes_after_the_results_before_it(layer, rng, bad):
    def batches():
        for _ in range(5):
            yield rng.random((10, 20))
        if bad == "raises":
            raise LookupError("no more tape")
        yield rng.random((10, 21)) if bad == "shape" else np.full((10, 20), 7.0)
        yield rng.random((10, 20))

    stream = layer.forward_stream(batches(), in_flight=3)
    for _ in range(5):
        assert next(stream).shape == (10, 7)
    with pytest.raises(LookupError if bad == "raises" else ValueError):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_closing_a_stream_cancels_what_is_in_flight(long):
    layer, X = long
    started = time.perf_counter()
    stream = layer.forward_stream((X if k else X[:2] for k in range(10)), in_flight=3)
    next(stream)
    stream.close()
    assert time.perf_counter() - started < 20
    assert layer.forward_batch(X[:2]).shape == (2, 16)


def test_streams_refuse_wrong_arguments_at_once(layer):
    with pytest.raises(ValueError, match="^in_flight: got 0"):
        layer.forward_stream([], in_flight=0)
    with pytest.raises(TypeError):
        layer.forward_stream(7)


# Processes, signals, the end


CTRL_C = """
import json, os, signal, threading, time
import numpy as np, bitaxon as bx
layer = bx.DenseLayer(64, 16, length=1024, weights=np.random.rand(16, 64), seed=1)
X = np.broadcast_to(np.random.rand(64), (1_000_000, 64))
sent = 0.0
def interrupt():
    global sent
    time.sleep(0.3)
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
latencies = []
for _ in range(5):
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        {call}
        print(json.dumps("not interrupted"))
        break
    except KeyboardInterrupt:
        latencies.append(time.perf_counter() - sent)
    thread.join()
assert layer.forward_batch(X[:10]).shape == (10, 16)
print(json.dumps(latencies))
"""


@pytest.mark.parametrize("call", ["layer.forward_batch(X)", "list(layer.forward_stream([X[:2_000]] * 500))",
                                  "asyncio.run(main())"])  # fmt: skip
def test_ctrl_c_leaves_a_million_samples_within_50_ms(call):
    head = "import asyncio\nasync def main():\n    await layer.forward_batch_async(X)\n"
    done = subprocess.run([sys.executable, "-c", head + CTRL_C.format(call=call)], capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    latencies = json.loads(done.stdout)
    assert len(latencies) == 5
    # 50 ms where the cores are free; a busy machine may take its time, but not that of the call.
    assert np.median(latencies) < 0.5, latencies


ENDS = """
import sys, threading, time, os
import numpy as np, bitaxon as bx
layer = bx.DenseLayer(256, 16, length=2**16, weights=np.random.rand(16, 256), seed=1)
X = np.broadcast_to(np.random.rand(256), (20_000, 256))
futures = [layer.submit_forward_batch(X) for _ in range(4)]
futures[0].add_done_callback(lambda future: None)
time.sleep({wait})
{end}
"""


@pytest.mark.parametrize("wait", [0, 0.2])
@pytest.mark.parametrize("end", ["", "sys.exit(0)", "del futures", "del layer, X",
                                 "threading.Thread(target=lambda: [layer.submit_forward_batch(X) for _ in range(9)], daemon=True).start()"])  # fmt: skip
def test_the_interpreter_ends_while_calls_are_pending(end, wait):
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", ENDS.format(end=end, wait=wait)], capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert time.perf_counter() - started < 20


def run_async(model, X):
    async def main():
        return await model.forward_batch_async(X, seed=1)

    return asyncio.run(main())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_await_too(rng, method):
    layer = make_layer(rng, length=4096)
    X = rng.random((300, 20))
    expected = run_async(layer, X)  # workers exist before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        tasks = [pool.apply_async(run_async, (layer, X)) for _ in range(4)]
        for task in tasks:
            assert np.array_equal(task.get(timeout=60), expected)


def test_a_forked_child_is_told_what_its_parent_computes(long):
    layer, X = long
    future = layer.submit_forward_batch(X)
    time.sleep(0.1)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()

    def ask():
        try:
            future.result()
        except RuntimeError as error:
            answers.put(str(error))

    child = fork.Process(target=ask)
    child.start()
    try:
        assert "only the parent has its result" in answers.get(timeout=30)
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
        future.cancel()


def test_threads_of_the_process_stay_few(rng):
    context = bx.ExecutionContext(threads=2)
    layer = make_layer(rng, 64, 32, length=4096, context=context)
    X = rng.random((50, 64))
    futures = [layer.submit_forward_batch(X) for _ in range(500)]
    most = 0
    while not all(future.done() for future in futures):
        most = max(most, len(os.listdir("/proc/self/task")))
        time.sleep(0.001)
    python_threads = threading.active_count()
    # Workers of oneTBB are shared by all contexts of this process: none has more than `all`.
    everyone = max(bx.ExecutionContext().threads, 4) + 1
    assert most <= python_threads + everyone, most
