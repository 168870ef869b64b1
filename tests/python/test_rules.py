"""Neuron rules and populations as Python sees them."""

import copy
import gc
import math
import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import bitaxon as bx

LIF = bx.Rule(
    "dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory)",
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory=2e-3,
    parameters=dict(v_rest=-65, v_reset=-65, v_threshold=-50, r=1, tau_mem=0.02),
)


def lif_by_hand(current, steps, dt=1e-4, n=1):
    """Spikes (index, step) and v of LIF with a loop, in NumPy."""
    v, waiting = np.full(n, -65.0), np.zeros(n, int)
    decay, limit = math.exp(-dt / 0.02), -65.0 + np.broadcast_to(current, n)
    spikes = []
    for step in range(steps):
        free = waiting <= 0
        v = np.where(free, limit + (v - limit) * decay, v)
        spiked = free & (v > -50)
        v[spiked] = -65
        waiting = np.where(spiked, 20, waiting) - 1
        spikes += [(k, step) for k in np.flatnonzero(spiked)]
    return spikes, v


@pytest.mark.parametrize("n", [1, 5, 64, 65, 1000])
def test_a_population_spikes_when_the_equation_says(n):
    current = np.linspace(14, 40, n)
    pop = bx.Population(n, LIF, dt=1e-4, seed=1)
    assert LIF.method == "exact"
    pop.v = -65.0
    spikes = pop.run(current, 500)
    expected, v = lif_by_hand(current, 500, n=n)
    assert list(zip(spikes.index, spikes.step)) == expected
    np.testing.assert_allclose(pop.v, v, rtol=1e-12)
    assert spikes.bits.shape == (500, -(-n // 64)) and spikes.steps == 500 and spikes.n_neurons == n
    assert bx.Population(70, LIF).run(0, 0).dense().shape == (0, 70)
    assert len(spikes) == spikes.dense().sum() and (spikes.time == spikes.step * 1e-4).all()
    assert np.allclose(spikes.rates, spikes.dense().sum(0) / 0.05)
    index, step = np.nonzero(spikes.dense().T)
    assert set(zip(index, step)) == set(expected)


def test_steps_and_runs_are_the_same_thing():
    one, many = (bx.Population(70, LIF, dt=1e-4, seed=1) for _ in range(2))
    rng = np.random.default_rng(3)
    current = rng.uniform(10, 40, (200, 70))
    spikes = many.run(current, 200)
    rows = [one.step(row) for row in current]
    assert (np.concatenate([row.bits for row in rows]) == spikes.bits).all() and len(spikes) > 0
    assert (one.v == many.v).all() and one.step_count == many.step_count == 200
    assert rows[7].first_step == 7


CURRENTS = {
    "a number": (25.0, 25.0),
    "an int": (25, 25.0),
    "one for each neuron": (np.linspace(20, 30, 6), None),
    "float32": (np.linspace(20, 30, 6).astype("f4"), None),
    "list": ([20, 21, 22, 23, 24, 25], None),
    "strided": (np.linspace(20, 30, 12)[::2], None),
    "one for each step": (np.full((100, 1), 25.0), 25.0),
    "one for each neuron and step": (np.full((100, 6), 25.0), 25.0),
}


@pytest.mark.parametrize("given, plain", CURRENTS.values(), ids=CURRENTS)
def test_currents_come_in_many_shapes(given, plain):
    pop, twin = (bx.Population(6, LIF, dt=1e-4, seed=1) for _ in range(2))
    expected = twin.run(np.full(6, plain) if plain else np.asarray(given, float), 100)
    assert (pop.run(given, 100).bits == expected.bits).all()
    assert (pop.v == twin.v).all()


def test_the_state_is_seen_where_it_lives():
    pop = bx.Population(4, LIF, dt=1e-4, seed=1)
    v = pop.v
    assert v.dtype == np.float64 and pop.variables == ("v",)
    v[:] = [-60, -61, -62, -63]
    assert (pop["v"] == v).all()
    pop.step(30)
    assert v[0] > -60 and np.shares_memory(v, pop.v)
    pop.v = -55
    assert (v == -55).all()
    pop["v"] = [-1, -2, -3, -4]
    assert v.tolist() == [-1, -2, -3, -4]
    assert bx.Population(4, LIF, dtype="f32").v.dtype == np.float32


def test_views_outlive_their_population():
    pop = bx.Population(1000, LIF, dt=1e-4, seed=1)
    v = pop.v
    v[:] = np.arange(1000)
    del pop
    gc.collect()
    assert (v == np.arange(1000)).all()


def test_parameters_are_set_and_not_written_to():
    pop = bx.Population(3, LIF, parameters={"tau_mem": [0.01, 0.02, 0.03]}, seed=1)
    assert pop.tau_mem.tolist() == [0.01, 0.02, 0.03] and pop.v_rest == -65.0
    with pytest.raises(ValueError):
        pop.tau_mem[0] = 1
    pop.tau_mem = 0.05
    pop["v_rest"] = [-60, -61, -62]
    assert pop.parameters["tau_mem"] == 0.05 and pop.parameters["v_rest"].tolist() == [-60, -61, -62]
    assert "tau_mem=0.05" in repr(pop)
    assert {"v", "tau_mem", "run"} <= set(dir(pop))


def test_recordings_are_of_before_each_step():
    pop = bx.Population(5, bx.rules.Izhikevich, dt=1e-4, seed=1)
    pop.run(10, 50)
    pop.record(["v", "u"], [4, 1])
    first = pop.v[[4, 1]].copy()
    for _ in range(3):
        pop.run(10, 100)
    recording = pop.recording
    assert recording["v"].shape == recording["u"].shape == (300, 2)
    assert (recording["v"][0] == first).all() and recording.neurons.tolist() == [4, 1]
    assert recording.step[0] == 50 and recording.time[-1] == pytest.approx(349e-4)
    pop.record()
    assert pop.recording.values == {}


def test_a_run_fills_arrays_with_what_record_records():
    current = np.linspace(0, 20, 5)
    first, second = (bx.Population(5, bx.rules.Izhikevich, dt=1e-4, dtype="f32", seed=1) for _ in range(2))
    first.record(["v", "u"])
    spikes = first.run(current, 300)
    v, u = np.zeros((300, 5), np.float32), np.zeros((5, 600), np.float32)
    assert (second.run(current, 300, record={"v": v, "u": u[::-1, ::2].T}).bits == spikes.bits).all()
    assert (v == first.recording["v"]).all() and (u[::-1, ::2].T == first.recording["u"]).all()
    assert (u[:, 1::2] == 0).all() and second.recording.values == {}
    again = bx.Population(5, bx.rules.Izhikevich, dt=1e-4, dtype="f32", seed=1)
    w = np.zeros_like(v)
    again.submit_run(current, 300, record={"v": w}).result()
    assert (w == v).all()
    counter = bx.Population(2, bx.Rule("n : i16 = 32766\nn = i16(n + 1)"), seed=1)
    n = np.zeros((3, 2), np.int16)
    counter.run(0, 3, record={"n": n})
    assert n.tolist() == [[32766] * 2, [32767] * 2, [-32768] * 2]


def test_arrays_of_a_run_may_interleave_but_not_meet():
    def run(u, v, steps):
        population = bx.Population(3, bx.Rule("u : real = 1\nv : real = 2\nu += 1\nv += i"), seed=1)
        population.run(both[..., 2] if steps else 1, steps, record={"u": u, "v": v})

    both = np.ones((4, 3, 3))
    run(both[..., 0], both[..., 1], 4)
    assert both[:, 2].tolist() == [[1, 2, 1], [2, 3, 1], [3, 4, 1], [4, 5, 1]]
    with pytest.raises(ValueError, match="record.'v'.: got memory that overlaps record.'u'., expected"):
        run(both[..., 0], both[..., 0], 4)
    run(np.zeros((0, 3)), np.zeros((0, 3)), 0)


def test_store_and_restore_repeat_a_run():
    pop = bx.Population(50, "ALIF", dt=1e-4, seed=4)
    pop.run(30, 300)
    snapshot = pop.store()
    again = pickle.loads(pickle.dumps(snapshot))
    first = pop.run(30, 300)
    for state in (snapshot, again):
        pop.restore(state)
        assert pop.step_count == 300
        assert (pop.run(30, 300).bits == first.bits).all()
    pop.reset()
    assert pop.step_count == 0 and (pop.v == -65).all()


def test_tiers_come_when_the_thresholds_say_and_change_no_bit():
    low = dict(background_calls=3, work_at_once=2**60, fold_calls=6)
    rule = bx.Rule(
        "dv/dt = (i - v)/tau_mem + xi (unless refractory)", threshold="v > 1", reset="v = 0",
        refractory=2e-3,
    )
    pop = bx.Population(20, rule, dt=1e-3, seed=1, **low)
    reference = bx.Population(20, rule, dt=1e-3, seed=1, context=bx.ExecutionContext(tier="portable"))
    generator = bx.compile("x", wait=True).stats()["compiled_variants"]

    def variants(count):
        deadline = time.monotonic() + 20
        while pop.stats()["compiled_variants"] < count * generator and time.monotonic() < deadline:
            time.sleep(1e-3)
        return pop.stats()["compiled_variants"] == count * generator

    for call in range(1, 9):
        assert (pop.step(2.0).bits == reference.step(2.0).bits).all()
        assert (pop.v == reference.v).all()
        assert variants(0 if call < 3 else 1 if call < 6 else 2)
    stats = pop.stats()
    assert stats["calls"] == 8 and stats["tier"] == pop.backend
    assert (stats["machine_code_calls"] >= 5) == bool(generator)
    assert (stats["compile_seconds"] > 0) == bool(generator)
    pop.tau_mem = 0.01  # what was folded is dropped
    assert variants(1)


def test_thresholds_are_counts():
    for bad in (-1, 2**70):
        with pytest.raises(ValueError, match="background_calls"):
            bx.Population(1, "LIF", background_calls=bad)
    with pytest.raises(TypeError, match="fold_calls"):
        bx.Population(1, "LIF", fold_calls=1.5)


def test_copies_keep_their_thresholds():
    pop = bx.Population(1, "LIF", background_calls=0)
    for twin in (pop, copy.copy(pop), pickle.loads(pickle.dumps(pop))):
        twin.step(1.0)
        generator = bx.compile("x", wait=True).stats()["compiled_variants"]
        assert twin.stats()["machine_code_calls"] == generator


def test_populations_are_copied_and_pickled():
    pop = bx.Population(50, "Poisson", dt=1e-3, seed=4, id=7, dtype="f32", parameters={"rate": 100.0})
    pop.run(0, 100)
    twins = [copy.copy(pop), copy.deepcopy(pop), pickle.loads(pickle.dumps(pop))]
    expected = pop.run(0, 100)
    assert len(expected) > 300
    for twin in twins:
        assert (twin.seed, twin.id, twin.dtype, twin.step_count, twin.dt) == (4, 7, "f32", 100, 1e-3)
        assert (twin.run(0, 100).bits == expected.bits).all()
        assert repr(twin) == repr(pop)


def test_seed_and_id_name_random_numbers():
    def spikes(**options):
        return bx.Population(200, "Poisson", **{"dt": 1e-2, "seed": 1} | options).run(0, 50).bits

    assert (spikes() == spikes()).all()
    assert (spikes() != spikes(seed=2)).any() and (spikes() != spikes(id=1)).any()
    fresh = bx.Population(2, "Poisson")
    assert f"seed={fresh.seed}" in repr(fresh)


@pytest.mark.parametrize("name", list(bx.rules))
def test_every_built_in_rule_runs(name):
    rule = bx.rules[name]
    assert rule.name == name and bx.rules.source(name) and name in bx.rules
    pop = bx.Population(10, name, dt=1e-4, seed=1)
    pop.run(5 if rule.takes_current else 0, 200)
    assert all(np.isfinite(pop[variable]).all() for variable in rule.variables)
    assert pickle.loads(pickle.dumps(rule)).parameters == rule.parameters


def test_built_in_rules_are_found_by_name():
    assert bx.rules.LIF.name == bx.rules["lif"].name == "LIF" and len(bx.rules) >= 15
    assert bx.rules("LIF", tau_mem=0.5).parameters["tau_mem"] == 0.5
    with pytest.raises(ValueError, match="LIF"):
        bx.rules("LIFF")
    with pytest.raises(KeyError, match="LIF"):
        bx.rules["LIFF"]
    assert bx.rules.get("LIFF") is None and bx.circuits.get("LIFF") is None
    with pytest.raises(AttributeError):
        bx.rules.nothing_of_that_name


def test_a_rule_shows_what_it_is():
    assert LIF.variables == ("v",) and LIF.parameters["tau_mem"] == 0.02
    assert (LIF.threshold, LIF.reset, LIF.refractory) == ("v > v_threshold", "v = v_reset", 2e-3)
    assert LIF.spikes and LIF.takes_current and not LIF.is_random
    assert LIF.method_reason and "dv/dt" in repr(LIF) and copy.copy(LIF).equations == LIF.equations


def test_rules_call_functions_of_the_callers_own():
    functions = bx.Functions()
    functions.define("drive", ["x", "v"], "3*x*(1 - v/10)")
    rule = bx.Rule("dv/dt = drive(i, v)", method="euler", functions=functions)
    for twin in (rule, pickle.loads(pickle.dumps(rule))):
        pop = bx.Population(3, twin, dt=1e-2, seed=1)
        pop.run(1, 10)
        v = 0.0
        for _ in range(10):
            v += 1e-2 * 3 * (1 - v / 10)
        np.testing.assert_allclose(pop.v, v, rtol=1e-12)


def test_rules_call_python():
    functions = bx.Functions()
    functions.define("table", lambda v: np.interp(v, [0, 10], [1, 0]))
    rule = bx.Rule("dv/dt = 3*i*table(v)", method="euler", functions=functions)
    pop = bx.Population(2000, rule, dt=1e-2, seed=1)
    pop.run(1, 10)
    v = 0.0
    for _ in range(10):
        v += 1e-2 * 3 * (1 - v / 10)
    np.testing.assert_allclose(pop.v, v, rtol=1e-12)


def test_what_python_raises_ends_a_run():
    calls = []

    def fail(v):
        calls.append(len(v))
        if len(calls) == 3:
            raise LookupError("no more")
        return v

    functions = bx.Functions()
    functions.define("fail", fail, kind="stateful")
    pop = bx.Population(5, bx.Rule("dv/dt = fail(v)", method="euler", functions=functions), seed=1)
    with pytest.raises(LookupError, match="no more"):
        pop.run(0, 10)
    assert calls == [5, 5, 5]


def test_a_rule_may_not_use_the_population_that_calls_it():
    functions = bx.Functions()
    functions.define("peek", lambda v: pop.step_count + v)
    pop = bx.Population(3, bx.Rule("dv/dt = peek(v)", method="euler", functions=functions), seed=1)
    with pytest.raises(ValueError, match="from a function that its rule calls"):
        pop.step()
    assert pop.step_count == 0


CASES = {
    "no neurons": (ValueError, lambda p: bx.Population(0, LIF)),
    "half a neuron": (TypeError, lambda p: bx.Population(1.5, LIF)),
    "no rule": (TypeError, lambda p: bx.Population(1, None)),
    "dt of 0": (ValueError, lambda p: bx.Population(1, LIF, dt=0)),
    "dt of NaN": (ValueError, lambda p: bx.Population(1, LIF, dt=math.nan)),
    "dt of text": (TypeError, lambda p: bx.Population(1, LIF, dt="1")),
    "dtype": (TypeError, lambda p: bx.Population(1, LIF, dtype="i4")),
    "negative seed": (ValueError, lambda p: bx.Population(1, LIF, seed=-1)),
    "unknown parameter": (ValueError, lambda p: bx.Population(1, LIF, parameters={"taw": 1})),
    "parameters of another size": (ValueError, lambda p: bx.Population(3, LIF, parameters={"r": [1, 2]})),
    "parameters in a list": (TypeError, lambda p: bx.Population(3, LIF, parameters=[1])),
    "current of another size": (ValueError, lambda p: p.run(np.ones(4), 5)),
    "current of other steps": (ValueError, lambda p: p.run(np.ones((4, 3)), 5)),
    "current with three axes": (ValueError, lambda p: p.run(np.ones((5, 3, 1)), 5)),
    "current of NaN": (ValueError, lambda p: p.run(np.full((5, 3), math.nan), 5)),
    "current of text": (TypeError, lambda p: p.run("a", 5)),
    "negative steps": (ValueError, lambda p: p.run(1, -1)),
    "too many steps": (ValueError, lambda p: p.run(1, 2**70)),
    "state of another size": (ValueError, lambda p: setattr(p, "v", [1, 2])),
    "state of NaN": (ValueError, lambda p: setattr(p, "v", math.nan)),
    "state of text": (TypeError, lambda p: setattr(p, "v", "a")),
    "unknown item": (ValueError, lambda p: p["w"]),
    "unknown item set": (ValueError, lambda p: p.__setitem__("w", 1)),
    "recorded variable": (ValueError, lambda p: p.record("w")),
    "recorded neuron": (IndexError, lambda p: p.record("v", [3])),
    "arrays in a list": (TypeError, lambda p: p.run(1, 2, record=["v"])),
    "array of nothing": (TypeError, lambda p: p.run(1, 2, record={"v": None})),
    "array of an unknown": (ValueError, lambda p: p.run(1, 0, record={"w": np.zeros((0, 3))})),
    "array of another type": (TypeError, lambda p: p.run(1, 2, record={"v": np.zeros((2, 3), "f4")})),
    "array of no variable's type": (TypeError, lambda p: p.run(1, 2, record={"v": np.zeros((2, 3), "u8")})),
    "array of swapped bytes": (ValueError, lambda p: p.run(1, 2, record={"v": np.zeros((2, 3), ">f8")})),
    "array of other steps": (ValueError, lambda p: p.run(1, 2, record={"v": np.zeros((3, 3))})),
    "array of one axis": (ValueError, lambda p: p.run(1, 1, record={"v": np.zeros(3)})),
    "read-only array": (ValueError, lambda p: p.run(1, 2, record={"v": np.broadcast_to(0.0, (2, 3))})),
    "array over itself": (ValueError, lambda p: p.run(1, 2, record={"v": np.lib.stride_tricks.as_strided(
        np.zeros(3), (2, 3), (0, 8))})),
    "array over the state": (ValueError, lambda p: p.run(1, 1, record={"v": p.v[None]})),
    "array over the state, backwards": (ValueError, lambda p: p.run(1, 1, record={"v": p.v[None, ::-1]})),
    "array over the current": (ValueError, lambda p: (lambda a: p.run(a[0], 2, record={"v": a}))(np.ones((2, 3)))),
    "snapshot of another": (ValueError, lambda p: p.restore(bx.Population(4, LIF).store())),
    "snapshot of nothing": (ValueError, lambda p: p.restore({})),
    "snapshot of a list": (TypeError, lambda p: p.restore([1])),
    "progress": (TypeError, lambda p: p.run(1, 1, progress=3)),
    "context": (TypeError, lambda p: p.run(1, 1, context=3)),
    "equations of a number": (TypeError, lambda p: bx.Rule(3)),
    "method": (ValueError, lambda p: bx.Rule("dv/dt = -v", method="magic")),
    "refractory": (TypeError, lambda p: bx.Rule("dv/dt = -v", threshold="v > 1", refractory=None)),
    "parameter of text": (TypeError, lambda p: bx.Rule("dv/dt = -v*k", parameters={"k": "a"})),
    "nothing recorded": (ValueError, lambda p: p.recording["v"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_got_and_expected(case):
    exception, call = CASES[case]
    with pytest.raises(exception, match="got .*expected ") as raised:
        call(bx.Population(3, LIF, dt=1e-4, seed=1))
    assert isinstance(raised.value, bx.Error)


def test_a_wrong_equation_is_shown_with_its_place():
    with pytest.raises(bx.InvalidValueError, match="line 2, column"):
        bx.Rule("k : real = 1\ndv/dt = (k - vv)/tau_mem")


def test_unknown_attributes_are_attribute_errors():
    pop = bx.Population(3, LIF)
    assert not hasattr(pop, "w")
    with pytest.raises(AttributeError):
        pop.w = 1
    with pytest.raises(AttributeError):
        pop.dt = 1


def test_nan_names_variable_neuron_and_step():
    pop = bx.Population(5, bx.Rule("dv/dt = sqrt(v)*i", method="euler"), dt=1.0, seed=1)
    pop.v = [4, 4, 0.5, 4, 4]
    with pytest.raises(ValueError, match="(?s)v.*2.*1"):
        pop.run([1, 1, -2, 1, 1], 10)


def test_progress_is_reported_and_ends_a_run():
    pop = bx.Population(20_000, "HodgkinHuxley", dt=1e-5, seed=1)
    seen = []
    pop.run(10, 400, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (400, 400) and sorted(seen) == seen and len(seen) > 1
    with pytest.raises(KeyError):
        pop.run(10, 100_000, progress=lambda done, total: {}[done])
    assert 400 < pop.step_count < 100_400


CTRL_C = """
import os, signal, threading, time
import bitaxon as bx
pop = bx.Population(20_000, "HodgkinHuxley", dt=1e-5, seed=1)
def interrupt():
    time.sleep(0.3)
    global sent
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    pop.run(10, 1_000_000_0)
except KeyboardInterrupt:
    print(time.perf_counter() - sent < 0.2)
"""


def test_ctrl_c_leaves_a_long_run():
    done = subprocess.run([sys.executable, "-c", CTRL_C], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_many_threads_take_turns():
    pop, twin = (bx.Population(300, LIF, dt=1e-4, seed=1) for _ in range(2))
    threads = [threading.Thread(target=lambda: [pop.run(30, 10) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    twin.run(30, 1600)
    assert pop.step_count == 1600 and (pop.v == twin.v).all()


# new rules for old populations


def test_a_new_rule_keeps_values_by_name():
    pop = bx.Population(3, LIF, dt=1e-4, seed=1)
    pop.v = [-60, -61, -62]
    pop.tau_mem = 0.5
    v = pop.v
    pop.set_rule(bx.Rule("dv/dt = (v_rest - v + w)/tau_mem; w : real = 7; dw/dt = -w/tau_mem"))
    assert pop.variables == ("v", "w") and np.shares_memory(v, pop.v)
    assert pop.v.tolist() == [-60, -61, -62] and pop.w.tolist() == [7, 7, 7] and pop.tau_mem == 0.5


def test_views_of_variables_that_go_stay_valid():
    pop = bx.Population(1000, LIF, dt=1e-4, seed=1)
    v = pop.v
    v[:] = 5
    pop.set_rule(bx.Rule("dw/dt = -w"))
    gc.collect()
    junk = [np.full(1000, 9.0) for _ in range(50)]
    assert (v == 5).all() and not hasattr(pop, "v") and len(junk) == 50


RULE = """# leaky
dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory)
tau_mem : real = {tau}
threshold : real = 3
v_rest: real = -65
r : real = 1
v : real = v_rest

threshold: v > -50   # mV
reset: v = -65
refractory: 2e-3
"""


def test_rules_come_from_files(tmp_path):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    rule = bx.load_rule(path)
    assert (rule.threshold, rule.reset, rule.refractory) == ("v > -50", "v = -65", "2e-3")
    assert rule.parameters["threshold"] == 3
    pop, twin = bx.Population(3, rule, dt=1e-4, seed=1), bx.Population(3, LIF, dt=1e-4, seed=1)
    twin.v = -65
    assert (pop.run(30, 300).bits == twin.run(30, 300).bits).all()
    path.write_text(RULE.format(tau="nonsense"))
    with pytest.raises(ValueError, match="line 3"):
        bx.load_rule(path)
    with pytest.raises(bx.FileError):
        bx.load_rule(tmp_path / "absent")
    path.write_bytes(b"\xff")
    with pytest.raises(bx.FileError):
        bx.load_rule(path)


def wait_for(condition, seconds=20):
    started = time.perf_counter()
    while not condition():
        assert time.perf_counter() - started < seconds
        time.sleep(0.002)
    return time.perf_counter() - started


def test_a_watched_rule_is_live_soon_after_an_edit(tmp_path):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    pop = bx.Population(3, LIF, dt=1e-4, seed=1)
    delays = []
    with bx.watch_rule(path, pop) as watch:
        assert pop.tau_mem == 0.02 and watch.errors == []
        for tau in (0.03, 0.04, 0.05, 0.06, 0.07):
            path.write_text(RULE.format(tau=tau))
            delays.append(wait_for(lambda: pop.tau_mem == tau))
        assert watch.rule.parameters["tau_mem"] == 0.07
    assert np.median(delays) < 0.1
    path.write_text(RULE.format(tau=0.08))
    time.sleep(0.2)
    assert pop.tau_mem == 0.07


def test_a_bad_edit_keeps_the_old_rule(tmp_path):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    pop = bx.Population(3, LIF, dt=1e-4, seed=1)
    seen = []
    with bx.watch_rule(path, pop, on_error=seen.append) as watch:
        path.write_text(RULE.format(tau="nonsense"))
        wait_for(lambda: watch.errors)
        assert isinstance(seen[0], bx.InvalidValueError) and "line 3" in str(seen[0])
        assert pop.tau_mem == 0.02 and "1 errors" in repr(watch)
        path.write_text(RULE.format(tau=0.03))
        wait_for(lambda: pop.tau_mem == 0.03)


def test_editors_may_rename_and_delete(tmp_path):
    path, beside = tmp_path / "leaky.rule", tmp_path / "leaky.rule~"
    path.write_text(RULE.format(tau=0.02))
    pop = bx.Population(3, LIF, dt=1e-4, seed=1)
    with bx.watch_rule(path, pop) as watch:
        assert watch.mechanism == "inotify" or os.path.realpath(path) != str(path)
        beside.write_text(RULE.format(tau=0.03))
        beside.replace(path)
        wait_for(lambda: pop.tau_mem == 0.03)
        path.unlink()
        time.sleep(0.1)
        assert pop.tau_mem == 0.03 and watch.errors == []
        path.write_text(RULE.format(tau=0.04))
        wait_for(lambda: pop.tau_mem == 0.04)


def test_a_bad_edit_is_a_warning_unless_somebody_listens(tmp_path):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    with pytest.warns(RuntimeWarning, match="the old rule stays"), bx.watch_rule(path) as watch:
        path.write_text(RULE.format(tau="nonsense"))
        wait_for(lambda: watch.errors)
        time.sleep(0.05)


def threads():
    return len(os.listdir("/proc/self/task"))


def test_a_watch_lives_as_long_as_it_or_a_population_is_in_use(tmp_path):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    pop = bx.Population(3, LIF, dt=1e-4, seed=1)
    before = threads()
    bx.watch_rule(path, pop)  # nobody keeps the result
    path.write_text(RULE.format(tau=0.03))
    wait_for(lambda: pop.tau_mem == 0.03)
    assert threads() == before + 1
    del pop
    gc.collect()
    wait_for(lambda: threads() == before)
    alone = bx.watch_rule(path)
    assert threads() == before + 1
    del alone
    gc.collect()
    wait_for(lambda: threads() == before)
    with pytest.raises(bx.FileError):
        bx.watch_rule(tmp_path / "absent")
    with pytest.raises(bx.InvalidTypeError, match="populations: got object, expected a Population"):
        bx.watch_rule(path, bx.Population(3, LIF, dt=1e-4), object())
    assert threads() == before


def test_on_error_may_close_the_watch(tmp_path):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    before = threads()
    watch = bx.watch_rule(path, on_error=lambda error: watch.close())
    path.write_text("nonsense")
    wait_for(lambda: "closed" in repr(watch))
    wait_for(lambda: threads() == before)


@pytest.mark.parametrize("ending", ["", "sys.exit(0)", "fork()", "while True: edit()"])
def test_the_interpreter_ends_whatever_is_watched(tmp_path, ending):
    path = tmp_path / "leaky.rule"
    path.write_text(RULE.format(tau=0.02))
    script = f"""
import os, sys, threading, time, bitaxon as bx
text = open({str(path)!r}).read()
pop = bx.Population(3, "LIF", dt=1e-4, seed=1)
watch = bx.watch_rule({str(path)!r}, pop, on_error=print)
def edit():
    for k in range(100):
        open({str(path)!r}, "w").write(text.replace("0.02", str(0.02 + k)))
    if threading.current_thread() is threading.main_thread(): sys.exit(0)
def fork():
    child = os.fork()
    if child == 0: sys.exit(0)  # with all that an exit does
    assert os.waitpid(child, 0)[1] == 0
threading.Thread(target=edit, daemon=True).start()
{ending}
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


def test_a_rule_is_swapped_within_a_run(tmp_path):
    path = tmp_path / "count.rule"
    path.write_text("v : real = 0; dv/dt = 0*v\nmethod: euler\n")
    pop = bx.Population(100, bx.load_rule(path), dt=1.0, seed=1)
    ends = []

    def run():
        try:
            pop.run(0, 20_000_000)
        except ValueError as error:
            ends.append(error)

    running = threading.Thread(target=run)
    with bx.watch_rule(path, pop):
        running.start()
        try:
            path.write_text("v : real = 0; dv/dt = 1 + 0*v\nmethod: euler\n")
            wait_for(lambda: pop.v[0] > 0)
            assert running.is_alive()
        finally:
            pop.set_rule(bx.Rule("v : real = 0; dv/dt = log(v - 1e30)", method="euler"))  # NaN ends it
            running.join(60)
    assert not running.is_alive() and "NaN" in str(ends[0])


# traced rules


def test_a_python_function_becomes_a_rule():
    @bx.rule(threshold="v > -50", reset="v = -65", refractory=2e-3, unless_refractory=["v"],
             initial={"v": -65})  # fmt: skip
    def leaky(v, i, tau=0.02, v_rest=-65.0):
        return {"v": (v_rest - v + i) / tau}

    assert leaky.name == "leaky" and leaky.parameters == {"tau": 0.02, "v_rest": -65.0}
    pop, twin = bx.Population(9, leaky, dt=1e-4, seed=1), bx.Population(9, LIF, dt=1e-4, seed=1)
    twin.v = -65
    assert (pop.run(30, 500).bits == twin.run(30, 500).bits).all()


def test_thresholds_and_resets_are_traced_too():
    @bx.rule(
        threshold=lambda v, peak: v >= peak,
        reset=lambda v, u, c, d: {"v": c, "u": u + d},
        initial={"v": "c", "u": "b*c"},
        method="euler",
    )
    def izhikevich(v, u, i, a=0.02, b=0.2, c=-65.0, d=8.0, peak=30.0):
        return {"v": 1e3 * (0.04 * v**2 + 5 * v + 140 - u + i), "u": 1e3 * a * (b * v - u)}

    text = bx.Rule(bx.rules.Izhikevich.equations, bx.rules.Izhikevich.threshold, bx.rules.Izhikevich.reset,
                   method="euler")  # fmt: skip
    pop, twin = (bx.Population(9, rule, dt=1e-4, seed=1) for rule in (izhikevich, text))
    spikes, expected = pop.run(10, 3000), twin.run(10, 3000)
    assert len(spikes) > 0 and (spikes.bits == expected.bits).all()


def test_new_values_are_made_of_old_ones():
    @bx.rule(threshold="v > 1", reset=lambda v, w: {"v": 0 * v, "w": w + v})
    def rule(v, w):
        return {"v": 1.0, "w": 0.0}

    assert rule.reset.startswith("w = ")
    with pytest.raises(ValueError, match="each other"):
        bx.rule(threshold="v > 1", reset=lambda v, w: {"v": w, "w": v})(lambda v, w: {"v": 1, "w": 0})


def test_what_cannot_be_traced_says_what_to_do():
    with pytest.raises(TypeError, match="where"):
        bx.rule(lambda v: {"v": 1 if v > 0 else 2})
    with pytest.raises(TypeError, match="dict"):
        bx.rule(lambda v: -v)
    with pytest.raises(ValueError, match="expected a variable"):
        bx.rule(unless_refractory=["w"])(lambda v: {"v": -v})
