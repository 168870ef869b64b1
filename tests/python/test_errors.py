"""Bad input is a named error that says what it got and what it expected."""

import numpy as np
import pytest
from conftest import make_layer

import bitaxon as bx

W = np.full((7, 20), 0.5)
X = np.full((3, 20), 0.5)
BIG = 2**70


def with_value(value):
    changed = X.copy()
    changed[1, 4] = value
    return changed


def read_only():
    out = np.empty((3, 7))
    out.flags.writeable = False
    return out


def overlapping_pair():
    memory = np.full(60, 0.5)
    return memory.reshape(3, 20), memory[30:51].reshape(3, 7)


def windows():
    return np.lib.stride_tricks.as_strided(np.empty(9), (3, 7), (8, 8))


def dirty_streams():
    packed = bx.encode(np.full(20, 0.5), 200)
    packed[3, -1] |= np.uint64(1 << 40)
    return packed


def make(**changes):
    options = dict(n_inputs=20, n_neurons=7, length=200, weights=W) | changes
    return bx.DenseLayer(options.pop("n_inputs"), options.pop("n_neurons"), **options)


# what is wrong: (exception, call(layer))
CASES = {
    "NaN": (ValueError, lambda l: l.forward_batch(with_value(np.nan))),
    "float32 NaN": (ValueError, lambda l: l.forward_batch(with_value(np.nan).astype("f"))),
    "infinity": (ValueError, lambda l: l.forward_batch(with_value(np.inf))),
    "below 0": (ValueError, lambda l: l.forward_batch(with_value(-1e-9))),
    "above 1": (ValueError, lambda l: l.forward_batch(with_value(1 + 1e-9))),
    "one NaN": (ValueError, lambda l: l.forward(with_value(np.nan)[1])),
    "fast NaN": (ValueError, lambda l: l.forward_fast(with_value(np.nan)[1])),
    "streamed NaN": (ValueError, lambda l: l.forward_streamed(with_value(np.nan))),
    "expected NaN": (ValueError, lambda l: l.forward_expected(with_value(np.nan))),
    "encoded NaN": (ValueError, lambda l: l.encode(with_value(np.nan)[1])),
    "width": (ValueError, lambda l: l.forward_batch(X[:, :19])),
    "one width": (ValueError, lambda l: l.forward(X[0, :19])),
    "one axis too few": (ValueError, lambda l: l.forward_batch(X[0])),
    "one axis too many": (ValueError, lambda l: l.forward(X)),
    "ragged list": (ValueError, lambda l: l.forward_batch([[1, 2], [3]])),
    "streamed axes": (ValueError, lambda l: l.forward_streamed(X[None])),
    "complex": (TypeError, lambda l: l.forward_batch(X.astype(complex))),
    "object": (TypeError, lambda l: l.forward_batch(X.astype(object))),
    "bool": (TypeError, lambda l: l.forward_batch(X > 0)),
    "text": (TypeError, lambda l: l.forward(["a"] * 20)),
    "None": (TypeError, lambda l: l.forward(None)),
    "out is a list": (TypeError, lambda l: l.forward_batch(X, out=[[0] * 7] * 3)),
    "out of float32": (TypeError, lambda l: l.forward_batch(X, out=np.empty((3, 7), "f"))),
    "out of swapped bytes": (TypeError, lambda l: l.forward_batch(X, out=np.empty((3, 7), ">f8"))),
    "out of another shape": (ValueError, lambda l: l.forward_batch(X, out=np.empty((3, 8)))),
    "out of one sample": (ValueError, lambda l: l.forward(X[0], out=np.empty((1, 7)))),
    "read-only out": (ValueError, lambda l: l.forward_batch(X, out=read_only())),
    "out over input": (ValueError, lambda l: (lambda x, o: l.forward_batch(x, out=o))(*overlapping_pair())),
    "out over one sample": (ValueError, lambda l: (lambda x, o: l.forward(x[1], out=o[0]))(*overlapping_pair())),
    "out over itself": (ValueError, lambda l: l.forward_batch(X, out=windows())),
    "out off its boundary": (ValueError, lambda l: l.forward_batch(
        X, out=np.frombuffer(bytearray(8 * 21 + 1), offset=1).reshape(3, 7))),
    "streams of another dtype": (TypeError, lambda l: l.forward_prepacked(np.zeros((20, 4), np.int64))),
    "streams in a list": (TypeError, lambda l: l.forward_prepacked([[0] * 4] * 20)),
    "number of streams": (ValueError, lambda l: l.forward_prepacked(np.zeros((19, 4), np.uint64))),
    "words of a stream": (ValueError, lambda l: l.forward_prepacked(np.zeros((20, 5), np.uint64))),
    "one stream": (ValueError, lambda l: l.forward_prepacked(np.zeros(4, np.uint64))),
    "dirty tails": (ValueError, lambda l: l.forward_prepacked(dirty_streams())),
    "negative seed": (ValueError, lambda l: l.forward(X[0], seed=-1)),
    "huge seed": (ValueError, lambda l: l.forward(X[0], seed=BIG)),
    "seed of text": (TypeError, lambda l: l.forward(X[0], seed="1")),
    "seed of a float": (TypeError, lambda l: l.forward(X[0], seed=1.0)),
    "negative sample": (ValueError, lambda l: l.forward(X[0], sample=-1)),
    "huge first_sample": (ValueError, lambda l: l.forward_batch(X, first_sample=BIG)),
    "first_sample past the end": (ValueError, lambda l: l.forward_batch(X[:2], first_sample=2**64 - 1)),
    "context": (TypeError, lambda l: l.forward(X[0], context=4)),
    "progress": (TypeError, lambda l: l.forward_batch(X, progress="yes")),
    "stop": (ValueError, lambda l: l.forward_streamed(X, stop="soon")),
    "delta of 0": (ValueError, lambda l: l.forward_streamed(X, delta=0)),
    "delta of NaN": (ValueError, lambda l: l.forward_streamed(X, delta=np.nan)),
    "delta of text": (TypeError, lambda l: l.forward_streamed(X, delta="small")),
    "block of 0": (ValueError, lambda l: l.forward_streamed(X, block=0)),
    "block of 65": (ValueError, lambda l: l.forward_streamed(X, block=65)),
    "expected weights": (ValueError, lambda l: l.forward_expected(X, weights="all")),
    "new weights' shape": (ValueError, lambda l: l.set_weights(W[:, :19])),
    "new weights' axes": (ValueError, lambda l: l.set_weights(W[0])),
    "new weights' NaN": (ValueError, lambda l: l.set_weights(W * np.nan)),
    "length of 0": (ValueError, lambda _: make(length=0)),
    "length of 2^40": (ValueError, lambda _: make(length=2**40)),
    "length of 2^70": (ValueError, lambda _: make(length=BIG)),
    "negative length": (ValueError, lambda _: make(length=-1)),
    "no length": (TypeError, lambda _: make(length=None)),
    "no weights": (TypeError, lambda _: make(weights=None)),
    "no inputs": (ValueError, lambda _: make(n_inputs=0)),
    "huge inputs": (ValueError, lambda _: make(n_inputs=2**60)),
    "no neurons": (ValueError, lambda _: make(n_neurons=0)),
    "coding": (ValueError, lambda _: make(coding="ternary")),
    "coding of a number": (TypeError, lambda _: make(coding=2)),
    "scale": (ValueError, lambda _: make(scale="product")),
    "activation": (ValueError, lambda _: make(activation="tanh")),
    "weights' shape": (ValueError, lambda _: make(weights=W.T)),
    "weights' NaN": (ValueError, lambda _: make(weights=W * np.nan)),
    "weights' dtype": (TypeError, lambda _: make(weights=W * 1j)),
    "negative unipolar weights": (ValueError, lambda _: make(weights=-W)),
    "bias' shape": (ValueError, lambda _: make(bias=np.zeros(6))),
    "bias' infinity": (ValueError, lambda _: make(bias=np.full(7, np.inf))),
    "weight_scale": (ValueError, lambda _: make(weight_scale=0.4)),
    "weight_scale of NaN": (ValueError, lambda _: make(weight_scale=np.nan)),
    "input_range": (ValueError, lambda _: make(input_range=0)),
    "input_range of text": (TypeError, lambda _: make(input_range="1")),
    "id": (ValueError, lambda _: make(id=-1)),
    "0 threads": (ValueError, lambda _: bx.ExecutionContext(threads=0)),
    "-1 threads": (ValueError, lambda _: bx.ExecutionContext(threads=-1)),
    "2^70 threads": (ValueError, lambda _: bx.ExecutionContext(threads=BIG)),
    "unknown tier": (ValueError, lambda _: bx.ExecutionContext(tier="avx1024")),
    "empty tier": (ValueError, lambda _: bx.ExecutionContext(tier="")),
    "pinned to a number": (TypeError, lambda _: bx.ExecutionContext(pinned=1)),
    "node that is not there": (ValueError, lambda _: bx.ExecutionContext(numa_node=4000)),
    "unknown core type": (ValueError, lambda _: bx.ExecutionContext(core_type="big")),
    "unknown priority": (ValueError, lambda _: bx.ExecutionContext(priority="urgent")),
    "tier of a number": (TypeError, lambda _: bx.ExecutionContext(tier=2)),
    "encode NaN": (ValueError, lambda _: bx.encode([np.nan], 64)),
    "encode above 1": (ValueError, lambda _: bx.encode([1.5], 64)),
    "encode below -1": (ValueError, lambda _: bx.encode([-1.5], 64, coding="bipolar")),
    "encode nothing": (ValueError, lambda _: bx.encode([], 64)),
    "encode a matrix": (ValueError, lambda _: bx.encode(X, 64)),
    "encode no bits": (ValueError, lambda _: bx.encode([0.5], 0)),
    "encode 2^40 bits": (ValueError, lambda _: bx.encode([0.5], 2**40)),
    "encoder": (ValueError, lambda _: bx.encode([0.5], 64, encoder="sobol")),
    "role": (ValueError, lambda _: bx.encode([0.5], 64, role="output")),
    "LFSR seed of 0": (ValueError, lambda _: bx.encode([0.5], 64, encoder="lfsr16", seed=0)),
    "LFSR seed of 2^16": (ValueError, lambda _: bx.Lfsr16(2**16)),
    "LFSR without seed": (TypeError, lambda _: bx.encode([0.5], 64, encoder="lfsr16")),
    "LFSR with a sample": (ValueError, lambda _: bx.encode([0.5], 64, encoder="lfsr16", seed=1, sample=1)),
    "decode width": (ValueError, lambda _: bx.decode(np.zeros((2, 3), np.uint64), 64)),
    "decode dirty tails": (ValueError, lambda _: bx.decode(np.full(1, 2**63, np.uint64), 63)),
    "decode dtype": (TypeError, lambda _: bx.decode(np.zeros((2, 1)), 64)),
    "decode coding": (ValueError, lambda _: bx.decode(np.zeros((2, 1), np.uint64), 64, coding="x")),
    "pack a 2": (ValueError, lambda _: bx.pack(np.array([0, 2], np.uint8))),
    "pack a -1": (ValueError, lambda _: bx.pack([0, -1])),
    "pack floats": (TypeError, lambda _: bx.pack(np.array([0.0, 1.0]))),
    "pack nothing": (ValueError, lambda _: bx.pack(np.array([], np.uint8))),
    "pack a cube": (ValueError, lambda _: bx.pack(np.zeros((2, 2, 2), bool))),
    "unpack dirty tails": (ValueError, lambda _: bx.unpack(np.full(1, 2**63, np.uint64), 63)),
    "unpack width": (ValueError, lambda _: bx.unpack(np.zeros(2, np.uint64), 64)),
    "popcount dtype": (TypeError, lambda _: bx.popcount(np.zeros(2, np.int64))),
    "scc of sets": (ValueError, lambda _: bx.scc(*np.zeros((2, 1, 1), np.uint64), 64)),
    "scc width": (ValueError, lambda _: bx.scc(np.zeros(1, np.uint64), np.zeros(2, np.uint64), 64)),
    "network of nothing": (ValueError, lambda _: bx.Network([])),
    "network of a layer": (TypeError, lambda l: bx.Network(l)),
    "network of numbers": (TypeError, lambda l: bx.Network([l, 3])),
    "network that does not fit": (ValueError, lambda l: bx.Network([l, l])),
    "calibration on nothing": (ValueError, lambda l: bx.Network([l]).calibrate(X[:0])),
    "calibration quantile": (ValueError, lambda l: bx.Network([l]).calibrate(X, quantile=0)),
    "calibration NaN": (ValueError, lambda l: bx.Network([l, make(n_inputs=7, weights=W[:, :7])])
                        .calibrate(with_value(np.nan))),
    "seed of 5000 digits": (ValueError, lambda l: l.forward(X[0], seed=10**5000)),
    "delta of 400 digits": (ValueError, lambda l: l.forward_streamed(X, delta=10**400)),
    "coding that is no text": (ValueError, lambda _: make(coding="\ud800")),
    "path that is no text": (TypeError, lambda l: bx.Network([l]).save("\ud800")),
    "masked input": (TypeError, lambda l: l.forward_batch(np.ma.masked_array(X, X > 0))),
    "masked out": (TypeError, lambda l: l.forward_batch(X, out=np.ma.masked_array(np.empty((3, 7))))),
    "masked bits": (TypeError, lambda _: bx.pack(np.ma.masked_array(X > 0))),
    "masked words": (TypeError, lambda _: bx.unpack(np.ma.masked_array(np.zeros(1, np.uint64)), 64)),
    "masked values": (TypeError, lambda _: bx.encode(np.ma.masked_array(X[0]), 64)),
    "path of a number": (TypeError, lambda l: bx.Network([l]).save(3)),
    "unknown argument": (TypeError, lambda l: l.forward(X[0], sed=1)),
    "unknown argument of a constructor": (TypeError, lambda _: make(lenght=64)),
    "argument of a function that has none": (TypeError, lambda l: bx.Population(1, "LIF").reset(1)),
    "argument twice": (TypeError, lambda l: l.forward(X[0], x=X[0])),
    "no argument": (TypeError, lambda _: bx.Rule()),
    "arguments without a name": (TypeError, lambda _: bx.DenseLayer(20, 7, 200, W)),
    "no argument of a class's function": (TypeError, lambda _: bx.scc_matrix(np.zeros((1, 1), np.uint64))),
    "in_flight of a float": (TypeError, lambda l: l.forward_stream([X], in_flight=1.5)),
    "words of another dtype": (TypeError, lambda _: bx.Streams(np.zeros(1, np.int64))),
    "sources of other streams": (ValueError, lambda _: bx.Streams(np.zeros((2, 1), np.uint64), [1])),
    "composed None": (TypeError, lambda _: bx.compose(None)),
    "composed NUL": (ValueError, lambda _: bx.compose("y = multiply(a, b)\0")),
    "composed sources": (TypeError, lambda _: bx.compose("y = multiply(a, b)", sources=[1])),
    "octaves": (TypeError, lambda _: bx.fbm2(0.1, 0.2, 1.5)),
    "values of a function": (ValueError, lambda _: bx.circuits.coefficients("bernstein", lambda x: [1, 2])),
    "steps of no time": (ValueError, lambda _: bx.spikes.events(np.zeros((1, 1), np.uint64), 3, dt=0)),
    "start of other signals": (ValueError, lambda _: bx.spikes.decode_delta(
        np.zeros((2, 2, 1), np.uint64), 10, 0.1, [1, 2, 3])),
    "expected of other estimates": (ValueError, lambda _: bx.metrics.summarise_errors([1, 2, 3], [1, 2])),
    "estimates that are text": (TypeError, lambda _: bx.metrics.summarise_errors([1, 2, 3], "no")),
    "seed without scramble": (ValueError, lambda _: bx.encoders.Sobol(seed=1)),
    "operand": (ValueError, lambda _: bx.encoders.Rotation(16, 100)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_got_and_expected(rng, case):
    exception, call = CASES[case]
    with pytest.raises(exception, match="got .*expected ") as raised:
        call(make_layer(rng))
    assert isinstance(raised.value, bx.Error)


def test_a_refused_call_leaves_out_alone(layer):
    out = np.full((3, 7), 42.0)
    with pytest.raises(ValueError):
        layer.forward_batch(with_value(np.nan), out=out)
    assert (out == 42.0).all()


def test_a_refused_change_leaves_the_layer_alone(layer):
    before = layer.checksum
    with pytest.raises(ValueError):
        layer.set_weights(-np.ones((7, 20)))
    assert layer.checksum == before


def test_unsupported_tiers_are_no_unknown_ones():
    missing = [name for name, tier in bx.info()["tiers"].items() if not tier["supported"]]
    assert missing, "no CPU has every tier: NEON and AVX are of different ones"
    with pytest.raises(RuntimeError, match="got .*expected ") as raised:
        bx.ExecutionContext(tier=missing[0])
    assert isinstance(raised.value, bx.UnsupportedError)


def test_too_large_to_allocate_is_a_memory_error():
    with pytest.raises(MemoryError):
        bx.encode(np.zeros(2**22), 2**31)  # a petabyte


def test_files_that_are_none(tmp_path, network):
    with pytest.raises(RuntimeError) as raised:
        bx.load(tmp_path / "absent.safetensors")
    assert isinstance(raised.value, bx.FileError)
    (tmp_path / "text").write_text("this is no network")
    with pytest.raises(bx.FileError):
        bx.load(tmp_path / "text")
    with pytest.raises(bx.FileError):
        network.save(tmp_path / "absent" / "file")


@pytest.mark.parametrize("call, says", [
    (lambda: make(lenght=64), "DenseLayer: got the argument lenght, expected one of n_inputs, .*did you mean length?"),
    (lambda: bx.DenseLayer(20, 7, 200, W), "DenseLayer: got 4 arguments without a name, .*at most 2; .* length="),
    (lambda: bx.encode([0.5]), "length: got nothing"),
    (lambda: bx.popcount(1, word=2), "popcount: got the argument word, .*did you mean words?"),
    (lambda: bx.Layer.forward(), "forward"),
])  # fmt: skip
def test_wrong_arguments_are_named_and_not_written_out(call, says):
    with pytest.raises(TypeError, match=says.replace("?", r"\?")) as raised:
        call()
    assert "array(" not in str(raised.value)


def test_a_type_error_of_a_callback_stays_what_it_is():
    class Mute(TypeError):
        def __str__(self):
            raise RuntimeError

    def fail(*_):
        raise Mute

    with pytest.raises(Mute):
        bx.Population(1, "LIF").run(0, 1, progress=fail)


@pytest.mark.parametrize("special", ["__index__", "__float__", "__fspath__"])
def test_an_interrupt_in_an_argument_is_not_swallowed(layer, special):
    def interrupt(_):
        raise KeyboardInterrupt

    argument = type("Argument", (), {special: interrupt})()
    calls = {
        "__index__": lambda: layer.forward(X[0], seed=argument),
        "__float__": lambda: layer.forward_streamed(X, delta=argument),
        "__fspath__": lambda: bx.load(argument),
    }
    with pytest.raises(KeyboardInterrupt):
        calls[special]()


def test_a_file_name_that_is_no_utf8_is_a_file_error(tmp_path):
    with pytest.raises(bx.FileError):
        bx.load(bytes(tmp_path) + b"/\xff")


ONES = np.full(1, 2**63, np.uint64)  # dirty for 63 bits
CLEAN = np.zeros(1, np.uint64)
NAMES = {
    "x[4]": lambda l: l.forward(with_value(np.nan)[1]),
    "x[4] ": lambda l: l.encode(with_value(np.nan)[1]),
    "X[1][4]": lambda l: l.forward_batch(with_value(np.nan)),
    "x[1][4]": lambda l: l.forward_streamed(with_value(np.nan)),
    "x[4]  ": lambda l: l.forward_expected(with_value(np.nan)[1]),
    "block": lambda l: l.forward_streamed(X, block=65),
    "P[3]": lambda l: l.forward_prepacked(dirty_streams()),
    "a": lambda _: bx.scc(ONES, CLEAN, 63),
    "b": lambda _: bx.scc(CLEAN, ONES, 63),
    "b[0]": lambda _: bx.scc_matrix(CLEAN[None], ONES[None], length=63),
    "words": lambda _: bx.unpack(ONES, 63),
    "streams[0]": lambda _: bx.decode(ONES[None], 63),
    "X": lambda l: bx.Network([l]).calibrate(X[:0]),
    "W": lambda l: l.set_weights(W[:, :19]),
}


@pytest.mark.parametrize("name", NAMES)
def test_errors_name_the_argument_as_python_does(layer, name):
    with pytest.raises(ValueError) as raised:
        NAMES[name](layer)
    assert str(raised.value).startswith(name.strip() + ": got ")


def pickled():
    """An object of every class whose pickles hold a dict or a tuple."""
    pair = dict(length=64, weights=np.ones((2, 2)))
    layers = [
        bx.DenseLayer(2, 2, **pair),
        bx.Conv2d(1, 1, 1, input_size=1, length=64, weights=np.ones((1, 1, 1, 1))),
        bx.GraphLayer(2, 2, 2, **pair),
        bx.Attention(2, 1, 2),
        bx.AveragePool2d((1, 2, 2), 2),
        bx.MaxPool2d((1, 2, 2), 2),
        bx.Flatten((1, 2, 2)),
        bx.Recurrent(1, 1, steps=1, length=64, weights=np.ones((1, 2))),
        bx.MGU(1, 1, steps=1, length=64, weights=np.ones((2, 2))),
        bx.GRU(1, 1, steps=1, length=64, weights=np.ones((3, 2))),
    ]
    rule = bx.Rule("dv/dt = -v/tau", threshold="v > 1", reset="v = 0", parameters=dict(tau=1.0))
    others = [bx.Network(layers[:1]), bx.ExecutionContext(), bx.circuit("y = a & b"), rule, bx.Population(1, rule, dt=1e-3)]
    return {type(made).__name__: made for made in layers + others}


PICKLED = pickled()


@pytest.mark.parametrize("name", PICKLED)
def test_a_pickle_that_lacks_something_says_what(name):
    made = PICKLED[name]
    state = made.__getstate__()
    twin = type(made).__new__(type(made))
    if isinstance(state, tuple):
        with pytest.raises(ValueError, match=f"state: got {len(state) - 1} items, expected {len(state)}"):
            twin.__setstate__(state[:-1])
        return
    for key in state:
        with pytest.raises(ValueError, match=f"state: got a dict without '{key}', expected all"):
            twin.__setstate__({k: v for k, v in state.items() if k != key})
    twin.__setstate__(state)
    assert repr(twin) == repr(made)
