"""SC-NeuroCore's names on Bitaxon: the engine's workloads, and its mistakes, which are ours no more."""

import copy
import inspect
import math
import pickle
import re
from pathlib import Path

import numpy as np
import oracle
import pytest

import bitaxon as bx
import bitaxon.compat.sc_neurocore as engine

LENGTH = 1024
ROOT = Path(__file__).parents[2]


def layer_of(weights, length=LENGTH, seed=7):
    layer = engine.DenseLayer(len(weights[0]), len(weights), length, seed)
    layer.set_weights(weights)
    return layer


def within_sigmas(shares, p, bits, sigmas=5):
    """Of independent Bernoulli streams; 5 sigmas are one false alarm in 1.7 million."""
    p = np.asarray(p)
    assert (abs(np.asarray(shares) - p) <= sigmas * np.sqrt(p * (1 - p) / bits)).all()


# Mistake 1: thresholds of 8 bits, floored; NaN and numbers outside pass.
def test_probabilities_are_exact_and_nothing_is_clamped(rng):
    ends = engine.batch_encode_numpy([0.0, 1.0], 1000)
    assert [bx.popcount(row) for row in ends] == [0, 1000]
    p = np.repeat([1 / 512, 3 / 1024, 0.5, 511 / 512], 64)
    ones = bx.decode(engine.batch_encode_numpy(p, 4096), 4096).reshape(4, 64).mean(axis=1)
    within_sigmas(ones, p[::64], 64 * 4096)
    # The engine's sum of 784 is 1.7 too low, which is 20 of these sigmas.
    weights, x = rng.random((1, 784)), rng.random(784)
    sums = [layer_of(weights, seed=seed).forward(x)[0] for seed in range(16)]
    sigma = math.sqrt((weights * x * (1 - weights * x)).sum() / LENGTH / len(sums))
    assert abs(np.mean(sums) - (weights @ x)[0]) < 5 * sigma
    layer = layer_of([[0.5, 0.5]])
    for wrong in ([0.5, math.nan], [0.5, 1.5], [-0.1, 0.5], [0.5], [0.5, 0.5, 0.5]):
        for forward in (layer.forward, layer.forward_fast, layer.forward_numpy, lambda x: layer.set_weights([x]),
                        lambda x: layer.forward_batch_numpy([x])):  # fmt: skip
            with pytest.raises(ValueError):
                forward(wrong)
    with pytest.raises(ValueError, match="nan"):
        engine.batch_encode([math.nan])


# Mistakes 2 and 3: inputs encoded once for each neuron; plain forward with other bits than the rest.
def test_all_forwards_give_the_same_bits(rng):
    weights, x = rng.random((3, 8)), rng.random(8)
    layer = layer_of(weights, length=128)
    y = layer.forward(x.tolist(), seed=3)
    packed = layer.layer.encode(x, 3)
    assert isinstance(y, list) and y == layer.forward_fast(x, seed=3) == layer.forward_prepacked(packed)
    assert y == layer.forward_prepacked(packed.tolist())
    for array in (layer.forward_numpy(x, 3), layer.forward_prepacked_numpy(packed),
                  layer.forward_batch_numpy(np.stack([x, x]), 3)[0]):  # fmt: skip
        assert array.dtype == np.float64 and array.tolist() == y
    assert layer.get_weights() == weights.tolist() and layer.refresh_packed_weights() is None
    assert y == (np.array(oracle.dense_counts(layer.layer, x, 3, 0)) / 128).tolist()
    # All ones for weights: every neuron counts the same inputs, bit for bit.
    assert len(set(layer_of(np.ones((5, 8))).forward(x))) == 1


# Mistake 7: one default seed for all, and seed + i, which overlaps from call to call.
def test_streams_are_nobody_elses():
    first, second = engine.DenseLayer(8, 4), engine.DenseLayer(8, 4)
    assert first.get_weights() != second.get_weights() and f"seed={first.layer.seed})" in repr(first)
    assert engine.DenseLayer(8, 4, seed=5).get_weights() == engine.DenseLayer(8, 4, seed=5).get_weights()
    half = np.full(8, 0.5)
    streams = np.concatenate([engine.batch_encode_numpy(half, 4096, seed) for seed in range(1, 5)])
    scc = bx.scc_matrix(streams, length=4096)
    worst = abs(scc[~np.eye(len(scc), dtype=bool)]).max()
    assert worst < 5.5 / math.sqrt(4096)  # 496 pairs: 2e-5 for a false alarm


def test_the_vectorized_layer_takes_its_weights_when_told(rng):
    layer = engine.VectorizedSCLayer(3, 2, length=64, seed=1)
    assert layer.weights.shape == (2, 3) and layer.forward([1, 1, 1]).shape == (2,)
    layer.weights = np.ones((2, 3))
    assert layer.forward([1, 1, 1]).tolist() == [3.0, 3.0]
    layer.weights[0] = 0
    layer._refresh_packed_weights()
    x = rng.random(3)
    for y in (layer.forward(x), layer.forward_numpy(x), layer.forward_fast(x),
              layer.forward_batch_numpy([x])[0], layer.forward_prepacked(layer.layer.encode(x, 0xACE1)),
              layer.forward_prepacked_numpy(layer.layer.encode(x, 0xACE1))):  # fmt: skip
        assert y[0] == 0 and y[1] == layer.forward(x)[1] and y.dtype == np.float64
    assert repr(layer) == "VectorizedSCLayer(n_inputs=3, n_neurons=2, length=64, use_gpu=False, seed=1)"
    with pytest.raises(bx.UnsupportedError, match="use_gpu"):
        engine.VectorizedSCLayer(3, 2, use_gpu=True)
    with pytest.raises(ValueError, match="weights"):
        layer.weights = [[2, 0, 0], [0, 0, 0]]


def lif_by_hand(drive, leak=20, width=16, fraction=8, v_rest=0, v_reset=0, v_threshold=256, refractory=2):
    v, waiting, half, rows = v_rest, 0, 1 << (width - 1), []
    for i in drive:
        if waiting:
            v, waiting, spike = v_rest, waiting - 1, 0
        else:
            v += (((v_rest - v) * leak) >> fraction) + i
            v = (v + half) % (2 * half) - half
            spike = int(v >= v_threshold)
            if spike:
                v, waiting = v_reset, refractory
        rows.append((spike, v))
    return rows


# Mistake 4, and the workload: leak 20, gain 256, i 128 crosses 256 in its third step. With a refractory period of
# 2 a turn is 5 steps and 1,000 steps have 200 spikes, without 333.
def test_the_fixed_point_neuron_spikes_and_rests():
    for refractory, count in ((0, 333), (1, 250), (2, 200), (7, 100)):
        spikes, voltages = engine.batch_lif_run(1000, 20, 256, 128, refractory_period=refractory)
        assert spikes.dtype == np.int32 and voltages.dtype == np.int16 and spikes.shape == voltages.shape == (1000,)
        assert spikes.sum() == count and set(np.diff(np.flatnonzero(spikes))) == {3 + refractory}
        rule = bx.rules("Q8.8 LIF", refractory=refractory)
        assert (bx.Population(1, rule, dt=1.0).run(128, 1000).dense()[:, 0] == spikes).all()
    neuron = engine.FixedPointLif()
    assert [neuron.step(20, 256, 128) for _ in range(6)] == [(0, 128), (0, 246), (1, 0), (0, 0), (0, 0), (0, 128)]
    assert neuron.get_state() == {"v": 128, "refractory_counter": 0}
    neuron.reset_state()
    assert neuron.get_state()["v"] == 0 and "refractory_period=2" in repr(neuron)
    assert engine.FixedPointLIFNeuron().step(20, 256, I_t=128) == (0, 128)


def test_runs_steps_and_a_loop_agree(rng):
    for case in range(40):
        width = int(rng.integers(4, 17))
        half = 1 << (width - 1)
        fraction = int(rng.integers(0, width + 1))
        leak, gain = (int(k) for k in (rng.integers(-300, 600, 2) if case % 2 else rng.integers(-(2**15), 2**15, 2)))
        wires = dict(fraction=fraction, **{f"v_{k}": int(rng.integers(-half, half)) for k in ("rest", "reset", "threshold")})
        rest = int(rng.integers(0, 5))
        currents, noises = rng.integers(-half, half, (2, 50)).astype(np.int16)
        drive = [(int(i) * gain >> fraction) + int(noise) for i, noise in zip(currents, noises)]
        expected = lif_by_hand(drive, leak, width, refractory=rest, **wires)
        wires.update(data_width=width, refractory_period=rest)
        runs = engine.batch_lif_run_varying(leak, gain, currents, noises, **wires)
        assert list(zip(*(run.tolist() for run in runs))) == expected
        neuron = engine.FixedPointLif(**wires)
        assert [neuron.step(leak, gain, i, n) for i, n in zip(currents, noises)] == expected
        many = engine.batch_lif_run_multi(3, 20, leak, gain, currents[:3], **wires)
        assert many[0].shape == many[1].shape == (3, 20)
        for row in range(3):
            one = engine.batch_lif_run(20, leak, gain, currents[row], **wires)
            assert (one[0] == many[0][row]).all() and (one[1] == many[1][row]).all()


def test_runs_of_no_step_and_of_many():
    steps = 100_000  # those of several chunks
    spikes, voltages = (run.tolist() for run in engine.batch_lif_run(steps, 20, 256, 128))
    assert list(zip(spikes, voltages)) == lif_by_hand([128] * steps)
    assert [run.tolist() for run in engine.batch_lif_run(1, 20, 256, 300)] == [[1], [0]]
    assert [run.shape for run in engine.batch_lif_run_multi(2, 0, 20, 256, [1, 2])] == [(2, 0), (2, 0)]
    assert [run.size for run in engine.batch_lif_run_varying(20, 256, [])] == [0, 0]


def test_registers_are_those_of_the_circuit():
    states = oracle.lfsr16(0xACE1, 300)
    register = engine.Lfsr16()
    assert [register.reg] + [register.step() for _ in range(299)] == states and register.width == 16
    register.reset(5)
    assert register.reg == 5
    register.reset()
    assert register.reg == 0xACE1
    for width, x in ((16, 20000), (16, 0), (16, 65536), (8, 100), (8, 256), (1, 1)):
        encoder = engine.BitstreamEncoder(width)
        bits = [encoder.step(x) for _ in range(300)]
        assert bits == [int(state * 2**width // 2**16 < x) for state in states]
        assert bits == bx.unpack(bx.encode([x / 2**width], 300, encoder="lfsr16", seed=0xACE1)[0], 300).tolist()
    averager = engine.BitstreamAverager(4)
    assert averager.estimate() == 0.0
    shares = []
    for bit in (1, 0, 1, 1, 0, 0):
        averager.push(bit)
        shares.append(averager.estimate())
    assert shares == [1, 1 / 2, 2 / 3, 3 / 4, 2 / 4, 2 / 4] and averager.window == 4
    averager.reset()
    assert averager.estimate() == 0.0


def test_lists_and_arrays_are_packed_alike(rng):
    bits = rng.integers(0, 2, (2, 130)).astype(np.uint8)
    words = engine.pack_bitstream_numpy(bits)
    assert words.tolist() == engine.pack_bitstream(bits.tolist()) == [oracle.to_words(row) for row in bits.tolist()]
    assert engine.pack_bitstream_numpy(bits[0]).tolist() == engine.pack_bitstream(bits[0]) == words[0].tolist()
    for other in (bits.astype(bool), bits.astype(bool).T.copy().T):
        assert (engine.pack_bitstream_numpy(other) == words).all()
    assert engine.unpack_bitstream(words[0].tolist(), 130) == bits[0].tobytes()
    for shape in (None, (2, 130)):
        assert engine.unpack_bitstream(words.tolist(), 260, shape) == [row.tobytes() for row in bits]
    assert (engine.unpack_bitstream_numpy(words, 130) == bits).all()
    assert engine.popcount(words.tolist()) == engine.popcount(words) == engine.popcount_numpy(words) == bits.sum()
    assert engine.batch_encode([0.25, 1], 100, 3) == engine.batch_encode_numpy([0.25, 1], 100, 3).tolist()
    assert engine.batch_encode_numpy([0.5]).shape == (1, 16)


def test_hypervectors_bind_bundle_and_turn():
    a, b = (engine.HDCVector(10_000, seed=k) for k in (1, 2))
    assert (a * b * b) == a == a.xor(b).xor(b) and a.similarity(a) == 1.0 and hash(a * b * b) == hash(a)
    assert abs(a.similarity(b) - 0.5) < 5 * 0.5 / 100
    # The engine's ties are zeros: 2,500 ones of 10,000, and sums that look alike. 5 sigmas are 250 and 0.025.
    both, others = a + b, engine.HDCVector.bundle([engine.HDCVector(seed=k) for k in (3, 4)])
    assert abs(both.popcount() - 5000) < 250 and abs(both.similarity(others) - 0.5) < 0.025
    assert abs(both.similarity(a) - 0.75) < 0.025 and abs(both.similarity(b) - 0.75) < 0.025
    assert a.permute(3).permute(-3) == a and len(a) == a.dimension == 10_000
    assert engine.HDCVector.from_packed([5], 3).permute() == engine.HDCVector.from_packed([3], 3)
    assert engine.HDCVector(100) != engine.HDCVector(100)  # equal with probability 2^-100
    tensor = engine.BitStreamTensor.from_packed([5], 4)
    tensor.rotate_right(1)
    assert tensor.data == [10] and tensor.length == len(tensor) == 4 and tensor.popcount() == 2
    other = engine.BitStreamTensor.from_packed([3], 4)
    assert tensor.hamming_distance(other) == 0.5 and tensor.xor(other).data == [9]
    tensor.xor_inplace(other)
    assert tensor.data == [9] and engine.BitStreamTensor.bundle([tensor, other, other]).data == [3]


def kuramoto_by_hand(omega, coupling, theta, dt):
    change = omega + (coupling * np.sin(theta[None, :] - theta[:, None])).sum(axis=1) / len(theta)
    return (theta + dt * change) % (2 * np.pi)


def test_oscillators_follow_the_equation(rng):
    omega, theta = rng.normal(size=20), rng.uniform(0, 2 * np.pi, 20)
    for coupling in (rng.normal(size=(20, 20)), np.full((20, 20), 3.0)):
        solver = engine.KuramotoSolver(omega, coupling, theta, noise_amp=0)
        expected, order = theta, []
        for _ in range(50):
            expected = kuramoto_by_hand(omega, coupling, expected, 0.01)
            order.append(abs(np.exp(1j * expected).mean()))
        assert np.allclose(solver.run(50, 0.01), order, atol=1e-12)
        assert np.allclose(np.exp(1j * solver.phases), np.exp(1j * expected), atol=1e-12)
        assert solver.order_parameter() == pytest.approx(order[-1])
    assert engine.KuramotoSolver([0, 0], np.zeros(4), [-1e-17, 1]).phases.tolist() == [0, 1]
    W = rng.random((20, 20))
    solver = engine.KuramotoSolver(omega, 0 * W, theta, noise_amp=0)
    solver.set_field_pressure(2.0)
    solver.step_ssgf(0.01, W=W, sigma_g=0.5, h_munu=W.T, pgbo_weight=0.25)
    change = omega + ((W / 2 + W.T / 4) * np.sin(theta[None, :] - theta[:, None])).sum(axis=1) + 2 * np.cos(theta)
    assert np.allclose(np.exp(1j * solver.phases), np.exp(1j * (theta + 0.01 * change)))


def test_noise_of_oscillators_grows_with_the_square_root_of_time():
    n = 500
    ends = []
    for dt, steps in ((0.01, 1), (0.0025, 4)):
        solver = engine.KuramotoSolver(np.zeros(n), np.zeros((n, n)), np.full(n, 3.0), noise_amp=0.5)
        for _ in range(steps):
            solver.step(dt, seed=3)  # one seed, and new noise in each step
        ends.append(solver.phases - 3.0)
        # Relative error of a deviation of n values: 1 / sqrt(2 n); 5 of them.
        assert abs(ends[-1].std() / (0.5 * 0.1) - 1) < 5 / math.sqrt(2 * n)
    assert abs(np.corrcoef(ends)[0, 1]) < 0.9  # the first step is common to both: 1/2


def test_attention_and_graphs(rng):
    Q, K, V = rng.random((3, 4)), rng.random((6, 4)), rng.random((6, 2))
    attention = engine.StochasticAttention(4)
    scores = Q @ K.T
    linear, soft = scores, np.exp(scores / 2)
    assert np.allclose(attention.forward(Q, K, V), linear @ V / linear.sum(1, keepdims=True))
    assert np.allclose(attention.forward_softmax(Q, K, V), soft @ V / soft.sum(1, keepdims=True))
    two = engine.StochasticAttention(2, temperature=0.5)
    heads = [two.forward_softmax(Q[:, k : k + 2], K[:, k : k + 2], V[:, k // 2 : k // 2 + 1]) for k in (0, 2)]
    assert np.allclose(two.forward_multihead_softmax(Q, K, V, 2), np.hstack(heads))
    assert two.forward_multihead(Q, K, V, 2).shape == (3, 2)
    assert (attention.forward_softmax(Q, K[:0], V[:0]) == np.zeros((3, 2))).all()
    assert (attention.forward(0 * Q, K, V) == 0).all() and (attention.forward_sc(0 * Q, K, V) == 0).all()
    adjacency = np.array([[0, 1, 1, 0], [1, 0, 0, 2.0], [0, 0, 0, 0], [0, 1, 0, 0]])
    graph = engine.StochasticGraphLayer.from_dense_auto(adjacency, 3, density_threshold=0.4)
    F = rng.random((4, 3))
    degree = np.maximum(adjacency.sum(1, keepdims=True), 1)
    expected = np.tanh(adjacency / degree @ F @ graph.weights)
    assert np.allclose(graph.forward(F), expected) and graph.is_sparse()
    rows = engine.StochasticGraphLayer.from_sparse([0, 2, 4, 4, 5], [1, 2, 0, 3, 1], [1, 1, 1, 2, 1], 4, 3)
    assert np.allclose(rows.forward(F), expected) and rows.is_sparse()
    assert not engine.StochasticGraphLayer(adjacency, 3).is_sparse()
    # On streams: without bias, so the mean over seeds comes as near as its own deviation says, and a run to sigma.
    for streams, numbers in ((lambda s: attention.forward_sc(Q, K, V, 1024, s), attention.forward(Q, K, V)),
                             (lambda s: graph.forward_sc(F, 1024, s), expected)):  # fmt: skip
        runs = np.array([streams(seed) for seed in range(200)])
        deviation = runs.std(axis=0)
        assert (abs(runs.mean(axis=0) - numbers) <= 5.5 * deviation / math.sqrt(200) + 1e-3).all()
        assert deviation.max() < 3 / math.sqrt(1024)


WRONG = [
    (lambda: engine.pack_bitstream([0, 2]), ValueError, "bits"),
    (lambda: engine.pack_bitstream_numpy(np.arange(3, dtype=np.uint8)), ValueError, "bits: got 2"),
    (lambda: engine.popcount([-1]), ValueError, "packed"),
    (lambda: engine.popcount([0.5]), TypeError, "packed"),
    (lambda: engine.popcount([[1], [1, 2]]), ValueError, "packed"),
    (lambda: engine.unpack_bitstream([5], 65), ValueError, "words"),
    (lambda: engine.unpack_bitstream([5], 2), ValueError, "words"),
    (lambda: engine.unpack_bitstream([[5], [1]], 7), ValueError, "original_length"),
    (lambda: engine.Lfsr16(0), ValueError, "seed"),
    (lambda: engine.BitstreamEncoder(17), ValueError, "data_width"),
    (lambda: engine.BitstreamEncoder(8).step(257), ValueError, "x_value"),
    (lambda: engine.BitstreamAverager(0), ValueError, "window"),
    (lambda: engine.BitstreamAverager().push(2), ValueError, "bit"),
    (lambda: engine.DenseLayer(0, 2), ValueError, "n_inputs"),
    (lambda: engine.DenseLayer(2, 2.5), TypeError, "n_neurons"),
    (lambda: engine.DenseLayer(2, 2, 0), ValueError, "length"),
    (lambda: engine.FixedPointLif(data_width=17), ValueError, "data_width"),
    (lambda: engine.FixedPointLif(refractory_period=-1), ValueError, "refractory_period"),
    (lambda: engine.FixedPointLif(8, v_threshold=256), ValueError, "v_threshold"),
    (lambda: engine.FixedPointLif().step(2.5, 256, 128), TypeError, "leak_k"),
    (lambda: engine.batch_lif_run(-1, 20, 256, 128), ValueError, "n_steps"),
    (lambda: engine.batch_lif_run(1, 20, 256, 2**15), ValueError, "i_t"),
    (lambda: engine.batch_lif_run_multi(3, 5, 20, 256, [1, 2]), ValueError, "currents"),
    (lambda: engine.batch_lif_run_multi(1, 5, 20, 256, [0.5]), TypeError, "currents"),
    (lambda: engine.batch_lif_run_varying(20, 256, [1, 2], [0]), ValueError, "noises"),
    (lambda: engine.HDCVector.from_packed([255], 4), ValueError, "past the end"),
    (lambda: engine.HDCVector.bundle([]), ValueError, "vectors"),
    (lambda: engine.HDCVector(9).similarity(engine.HDCVector(10)), ValueError, "10 bits"),
    (lambda: engine.KuramotoSolver([], [], []), ValueError, "omega"),
    (lambda: engine.KuramotoSolver([1, 2], [1], [0, 0]), ValueError, "coupling"),
    (lambda: engine.KuramotoSolver([1], [1], [math.inf]), ValueError, "phases"),
    (lambda: engine.KuramotoSolver([1], [1], [0]).step(0), ValueError, "dt"),
    (lambda: engine.StochasticAttention(4).forward(np.ones((1, 3)), np.ones((1, 4)), np.ones((1, 1))), ValueError, "Q"),
    (lambda: engine.StochasticAttention(1).forward_sc([[2]], [[1]], [[1]]), ValueError, "Q"),
    (lambda: engine.StochasticGraphLayer([[-1]], 1), ValueError, "adj_matrix"),
    (lambda: engine.StochasticGraphLayer.from_sparse([0, 1], [1], [1], 1, 1), ValueError, "col_indices"),
    (lambda: engine.set_num_threads(-1), ValueError, "n"),
    (lambda: engine.popcount(5), TypeError, "packed"),
    (lambda: engine.unpack_bitstream([5], 3.7), TypeError, "original_length"),
    (lambda: engine.unpack_bitstream([5], "3"), TypeError, "original_length"),
    (lambda: engine.unpack_bitstream([[5]], 3, ()), ValueError, "original_shape"),
    (lambda: engine.HDCVector(9) * 3, TypeError, "other"),
    (lambda: engine.HDCVector(9) + 3, TypeError, "other"),
    (lambda: engine.HDCVector(9).similarity(3), TypeError, "other"),
    (lambda: engine.BitStreamTensor(9).xor(3), TypeError, "other"),
    (lambda: engine.StochasticGraphLayer.from_sparse([0, 1], [0.5], [1], 1, 1), TypeError, "col_indices"),
    (lambda: engine.StochasticAttention(1).forward_multihead([[1, 1]], [[1, 1]], [[1, 1, 1]], 2), ValueError, "V"),
    (lambda: engine.StochasticAttention(1).forward_softmax([[1e200]], [[1e200]], [[1]]), ValueError, "Q, K"),
    (lambda: engine.KuramotoSolver([1], [1], [0]).step_ssgf(1, W=[[1]], sigma_g=math.nan), ValueError, "sigma_g"),
    (lambda: engine.KuramotoSolver([1], [1], [0]).step_ssgf(1, W=[[1]], sigma_g="a"), TypeError, "sigma_g"),
    (lambda: engine.KuramotoSolver([1], [1], [0]).step_ssgf(1, pgbo_weight=math.inf), ValueError, "pgbo_weight"),
]


@pytest.mark.parametrize("call, kind, names", WRONG, ids=range(len(WRONG)))
def test_bad_input_is_named(call, kind, names):
    with pytest.raises(kind, match=names) as caught:
        call()
    assert isinstance(caught.value, bx.Error)


def test_copies_have_a_state_of_their_own():
    solver = engine.KuramotoSolver([1, 2], [1, 0, 0, 1], [0, 1])
    stateful = [engine.Lfsr16(3), engine.BitstreamEncoder(8), engine.BitstreamAverager(5), engine.FixedPointLif(),
                engine.DenseLayer(2, 2, seed=1), engine.VectorizedSCLayer(2, 2, seed=1), solver,
                engine.BitStreamTensor(64, 1), engine.HDCVector(64, seed=1), engine.StochasticAttention(2),
                engine.StochasticGraphLayer([[1]], 1)]  # fmt: skip
    for thing in stateful:
        for twin in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
            assert repr(twin) == repr(thing) and twin is not thing
    twin = copy.copy(solver)
    assert solver.step(0.1) == twin.step(0.1) and (solver.phases == twin.phases).all()


def test_threads_and_tier():
    assert engine.simd_tier() == bx.ExecutionContext().tier
    layer = layer_of(np.full((4, 8), 0.5))
    y = layer.forward(np.full(8, 0.5))
    for threads in (1, 2, 0):
        engine.set_num_threads(threads)
        assert layer.forward(np.full(8, 0.5)) == y


@pytest.mark.parametrize("name", engine.__all__)
def test_names_have_help(name):
    value = getattr(engine, name)
    members = [value] if not inspect.isclass(value) else [
        value, *(m for n, m in inspect.getmembers(value) if not n.startswith("_") and n != "packed_weights")]  # fmt: skip
    assert all(inspect.getdoc(member) for member in members)


def test_the_page_tells_the_truth():
    """Its script runs, and each name of the package stands in its table."""
    page = (ROOT / "docs/migration.md").read_text()
    (script,) = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    exec(compile(script, "docs/migration.md", "exec"), {"__name__": "migration"})
    assert [name for name in engine.__all__ if f"`{name}" not in page] == []
