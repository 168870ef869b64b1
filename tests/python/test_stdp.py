"""Plasticity against loops over steps and pairs in NumPy, and what Python adds: views, copies, threads."""

import copy
import importlib
import pickle
import resource
import threading
from pathlib import Path

import numpy as np
import pytest

import bitaxon as bx

STEPS, PRE, POST = 80, 70, 11


def packed(bits):
    return bx.pack(np.ascontiguousarray(bits))


@pytest.fixture
def spikes(rng):
    """Bits (steps, neurons) of both sides."""
    return rng.random((STEPS, PRE)) < 0.1, rng.random((STEPS, POST)) < 0.15


def loop_over_pairs(weights, pre, post, o):
    """Each event looks at all spikes of the other side before it, one pair at a time."""
    w = weights.astype(np.longdouble)

    def found(bits, until, now, tau):
        sums = np.zeros(bits.shape[1], np.longdouble)
        for s in range(until):
            pair = np.exp(-(now - s) * np.longdouble(o["dt"]) / np.longdouble(tau))
            sums[bits[s]] = sums[bits[s]] + pair if o["pairing"] == "all" else pair
        return sums

    low, high = o["w_min"], o["w_max"]
    soft = o["bounds"] == "soft"
    for t in range(len(pre)):
        changes = o["a_minus"] * found(post, t, t, o["tau_minus"])
        for i in np.flatnonzero(pre[t]):
            w[i] = np.maximum(w[i] - changes * (w[i] - low if soft else high - low), low)
        changes = o["a_plus"] * found(pre, t + 1, t, o["tau_plus"])
        for j in np.flatnonzero(post[t]):
            w[:, j] = np.minimum(w[:, j] + changes * (high - w[:, j] if soft else high - low), high)
    return w.astype(float)


@pytest.mark.parametrize("pairing", ["all", "nearest"])
@pytest.mark.parametrize("bounds", ["hard", "soft"])
def test_stdp_is_a_loop_over_pairs(rng, spikes, pairing, bounds):
    options = dict(a_plus=0.05, a_minus=0.04, tau_plus=8e-3, tau_minus=14e-3, dt=1e-3, w_min=-0.5, w_max=1.5,
                   pairing=pairing, bounds=bounds)  # fmt: skip
    weights = rng.uniform(-0.5, 1.5, (PRE, POST))
    stdp = bx.Stdp(PRE, POST, weights=weights, **options)
    assert {name: getattr(stdp, name) for name in options} == options
    pre, post = spikes
    stdp.update(bx.Spikes(packed(pre), PRE), packed(post))
    assert np.abs(stdp.weights - loop_over_pairs(weights, pre, post, options)).max() < 1e-12
    assert stdp.step_count == STEPS


def test_one_pair_is_the_window():
    """Bi and Poo's window, one pair at a time: pre before post raises, post before pre lowers."""
    for distance in range(-30, 31):
        stdp = bx.Stdp(1, 1, weights=0.5, a_plus=0.1, a_minus=0.08, tau_plus=0.01, tau_minus=0.02)
        pre, post = np.zeros((2, 31, 1), np.uint64)
        pre[max(-distance, 0)] = 1
        post[max(distance, 0)] = 1
        stdp.update(pre, post)
        tau, size = (10, 0.1) if distance >= 0 else (20, -0.08)
        assert stdp.weights[0, 0] == pytest.approx(0.5 + size * np.exp(-abs(distance) / tau), abs=1e-15)


def test_binary_stdp_is_a_loop_over_bits(rng, spikes):
    pre, post = spikes
    bits = rng.random((POST, PRE)) < 0.5
    rule = bx.BinaryStdp(PRE, POST, weights=packed(bits), p_plus=0.4, p_minus=0.3, window=5, seed=3, id=2)

    def chances(p, t, j):
        return bx.unpack(bx.encode([p], PRE, seed=3, layer=2, role="noise", sample=t, first_index=j), PRE)[0] != 0

    for t, j in zip(*np.nonzero(post)):
        seen = pre[max(t - 4, 0) : t + 1].any(axis=0)
        bits[j] |= seen & chances(0.4, t, j)
        bits[j] &= seen | ~chances(0.3, t, j)
    rule.update(packed(pre), bx.Spikes(packed(post), POST))
    assert np.array_equal(bx.unpack(rule.weights, PRE), bits)
    last = np.where(pre.any(axis=0), STEPS - 1 - pre[::-1].argmax(axis=0), -1)
    assert np.array_equal(rule.last_spikes, last)


def make_rules():
    return (bx.Stdp(PRE, POST, weights=0.5, context=bx.ExecutionContext(threads=2)),
            bx.BinaryStdp(PRE, POST, weights=np.zeros((POST, 2), np.uint64), seed=1))  # fmt: skip


def test_copies_and_pickles_go_on_as_the_original(spikes):
    pre, post = map(packed, spikes)
    for rule in make_rules():
        weights = rule.weights
        rule.update(pre[:30], post[:30])
        twins = [copy.copy(rule), copy.deepcopy(rule), *(pickle.loads(pickle.dumps(rule, p)) for p in (0, 2, 4))]
        for one in (rule, *twins):
            one.update(pre[30], post[30])
            one.update(pre[31:], post[31:], progress=lambda done, total: None)
            assert np.array_equal(one.weights, rule.weights) and one.step_count == STEPS
            assert repr(one) == repr(rule)
        assert weights is not rule.weights and np.shares_memory(weights, rule.weights)
        rule.reset()
        assert rule.step_count == 0 and np.array_equal(weights, rule.weights)
        rule.weights[...] = 0
        assert not weights.any() and twins[0].weights.any()


@pytest.mark.parametrize("bounds", ["hard", "soft"])
@pytest.mark.parametrize("written", [5.0, -5.0])
@pytest.mark.parametrize("side", [0, 1])
def test_written_weights_come_back_and_pickle(bounds, written, side):
    stdp = bx.Stdp(1, 1, weights=0.5, bounds=bounds)
    stdp.weights[0, 0] = written
    assert pickle.loads(pickle.dumps(stdp)).weights[0, 0] == written
    spikes = np.zeros((2, 1), np.uint64)
    spikes[side] = 1
    stdp.update(spikes[0], spikes[1])  # a change by 0: the other side has no trace
    assert stdp.weights[0, 0] == np.clip(written, 0, 1)


def test_bits_past_the_end_are_not_pickled():
    rule = bx.BinaryStdp(70, 2, weights=np.zeros((2, 2), np.uint64))
    rule.weights[...] = 2**64 - 1
    assert pickle.loads(pickle.dumps(rule)).weights.tolist() == [[2**64 - 1, 63]] * 2


@pytest.mark.parametrize("rule", [0, 1])
@pytest.mark.parametrize("wrong", ["hello", None, [0.0] * PRE, np.zeros(PRE, np.int8), np.zeros(PRE, np.complex64),
                                   np.zeros(2 * PRE, np.uint64)[::2], np.zeros(PRE - 1, np.uint64), 3])  # fmt: skip
def test_states_are_checked(rule, wrong):
    """Whatever is read as numbers is read whole; the rest is a named error, as is a short tuple."""
    original = make_rules()[rule]
    state = list(original.__getstate__())
    twin = type(original).__new__(type(original))
    state[(14, 10)[rule]] = wrong
    try:
        twin.__setstate__(tuple(state))
    except (ValueError, TypeError) as error:
        assert ("pre_traces", "last_spikes")[rule] in str(error)
    else:
        assert isinstance(wrong, (list, np.ndarray)) and twin.n_pre == PRE
    with pytest.raises(ValueError, match="state: got 5 items"):
        type(original).__new__(type(original)).__setstate__(tuple(state[:5]))


def test_a_pickle_is_of_one_moment():
    """While another thread learns: steps, weights and traces belong together."""
    size = 400
    rule = bx.Stdp(size, size, weights=0.5, tau_plus=1e9, a_plus=2.0**-16, a_minus=0.0)
    pre = post = packed(np.ones((4, size), bool))
    stop = threading.Event()

    def learn():
        while not stop.is_set() and rule.step_count < 10_000:
            rule.update(pre, post)

    thread = threading.Thread(target=learn)
    thread.start()
    try:
        for _ in range(10):
            twin = pickle.loads(pickle.dumps(rule))
            assert twin.pre_traces[0] == pytest.approx(twin.step_count, rel=1e-6)
            assert np.ptp(twin.weights) == 0 and np.ptp(twin.post_traces) == 0
    finally:
        stop.set()
        thread.join()


def test_a_long_window_keeps_last_spikes_alone():
    rule = bx.BinaryStdp(1024, 1, weights=np.zeros((1, 16), np.uint64), window=2**31, seed=1)
    pre, post = np.full((2000, 16), 2**64 - 1, np.uint64), np.zeros((2000, 1), np.uint64)

    def pages():
        return int(Path("/proc/self/statm").read_text().split()[1])

    rule.update(pre[:10], post[:10])
    before = pages()
    rule.update(pre, post)  # 2 million spikes
    assert (pages() - before) * resource.getpagesize() < 8 * 2**20


WRONG = {
    "n_pre": lambda: bx.Stdp(0, 1, weights=0.5),
    "weights: got shape": lambda: bx.Stdp(2, 1, weights=[0.5, 0.5]),
    r"weights: got shape \(1, 2\), expected .*n_pre": lambda: bx.Stdp(2, 1, weights=[[0.5, 0.5]]),
    "tau_plus": lambda: bx.Stdp(2, 1, weights=0.5, tau_plus=-1),
    "pairing": lambda: bx.Stdp(2, 1, weights=0.5, pairing="some"),
    "bounds": lambda: bx.Stdp(2, 1, weights=0.5, bounds="none"),
    "weights: got list": lambda: bx.BinaryStdp(2, 1, weights=[[1]]),
    "p_plus": lambda: bx.BinaryStdp(2, 1, weights=np.zeros((1, 1), np.uint64), p_plus=2),
    "pre_spikes: got spikes of 3": lambda: make_rules()[0].update(bx.Spikes(np.zeros((1, 1), np.uint64), 3), 0),
    "post_spikes: got dtype": lambda: make_rules()[0].update(np.zeros((1, 2), np.uint64), np.zeros((1, 1))),
    "pre_spikes: got rows": lambda: make_rules()[1].update(*np.zeros((2, 1, 1), np.uint64)),
    "post_spikes: got 1 steps": lambda: make_rules()[1].update(np.zeros((2, 2), np.uint64), np.zeros(1, np.uint64)),
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_a_named_error(message):
    with pytest.raises((ValueError, TypeError), match=message):
        WRONG[message]()


def test_what_reports_must_leave_the_rule_alone(spikes):
    stdp = make_rules()[0]
    pre, post = map(packed, spikes)
    with pytest.raises(bx.InvalidValueError, match="progress"):
        stdp.update(pre, post, progress=lambda done, total: stdp.reset())


@pytest.fixture
def examples(monkeypatch):
    """The modules of examples/neurons, and of examples/digits that they use."""
    root = Path(__file__).parents[2] / "examples"
    for folder in ("digits", "neurons"):
        monkeypatch.syspath_prepend(str(root / folder))
    return importlib.import_module


def test_the_examples_learn(examples, monkeypatch):
    pattern, fields = examples("pattern"), examples("fields")
    monkeypatch.setattr(pattern, "STEPS", 2000)
    bits, starts = pattern.make_inputs(np.random.default_rng(1))
    spikes, before, after = pattern.learn(bits, seed=1)
    assert spikes.size and (before != after).any() and pattern.since_start(spikes, starts).max() < pattern.PATTERN

    monkeypatch.setattr(fields, "EPOCHS", 1)
    images = fields.load_digits()[0]
    before, after = fields.learn(images[:200], seed=1)
    # Set weights come to lie where pixels are white.
    white = images.mean(axis=0) > 0.5
    assert after[:, white].mean() > before[:, white].mean() > before[:, ~white].mean() - 0.1
    assert after[:, ~white].mean() < before[:, ~white].mean()
