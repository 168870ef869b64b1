// Values to streams and back, bytes to words and back, and the LFSR.
#include "arguments.hpp"
#include "arrays.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "encoders.hpp"
#include "progress.hpp"

#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/kernels/kernels.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

template <>
struct pybind11::detail::type_caster<bitaxon::Lfsr16>
    : bitaxon::python::InitializedCaster<bitaxon::Lfsr16> {};

namespace bitaxon::python {
namespace {

constexpr std::uint64_t kMaxLfsrSeed = 65535;

py::object encode_values(py::handle values, py::handle length, py::handle coding, py::handle seed,
                         py::handle encoder, py::handle layer, py::handle role, py::handle sample,
                         py::handle first_index, py::handle first_bit, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const py::array numbers = read_vector(values, "values");
    const std::uint64_t length_bits = to_unsigned(length, "length", 1, kMaxLength);
    const Coding code = parse_coding(to_text(coding, "coding"));
    const Drawing drawing = to_drawing(engine, encoder, seed, layer, role, sample, first_index);
    const std::uint64_t begin = to_unsigned(first_bit, "first_bit");
    return to_streams(interruptible(engine, [&](const ExecutionContext& watched) {
        return encode(watched, packed_values(numbers), length_bits, code, drawing.encoder,
                      drawing.origin, begin);
    }));
}

// The shape of something computed a stream: that of the streams without their words.
std::vector<py::ssize_t> shape_without_words(const py::array& streams) {
    return {streams.shape(), streams.shape() + streams.ndim() - 1};
}

py::array decode_streams(py::handle streams, py::handle length, py::handle coding,
                         py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const Streams read =
        read_streams(streams, "streams", to_unsigned(length, "length", 1, kMaxLength));
    const Coding code = parse_coding(to_text(coding, "coding"));
    py::array values(py::dtype::of<double>(), shape_without_words(read.array));
    const std::span<double> out(static_cast<double*>(values.mutable_data()),
                                static_cast<std::size_t>(values.size()));
    naming(read.name(), "streams", [&] {
        interruptible(engine, [&](const ExecutionContext& watched) {
            decode(watched, read.view, code, out);
        });
    });
    return values;
}

// Bytes, the rows packed: the caller's own where they are uint8 or bool. Other numbers are 0 and 1.
py::array read_bits(py::handle object) {
    using Bytes = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;
    const bool is_array = py::isinstance<py::array>(object);
    const py::array bits = is_array ? plain_array(object, "bits") : py::array::ensure(object);
    if (!bits) throw_error(ErrorCode::invalid_type, "bits", type_name(object), "zeros and ones");
    const char kind = bits.dtype().kind();
    const bool is_bytes = kind == 'b' || (kind == 'u' && bits.itemsize() == 1);
    if (!is_bytes && (is_array || kind != 'i'))
        throw_error(ErrorCode::invalid_type, "bits", "dtype " + text_of(bits.dtype()),
                    "uint8 or bool");
    if (bits.ndim() < 1 || bits.ndim() > 2)
        throw_error(ErrorCode::invalid_shape, "bits", "shape " + shape_text(bits),
                    "(length,) or (n, length)");
    if (kind == 'b') return Bytes(bits.attr("view")("u1"));  // as numbers they would be copied
    if (is_bytes || bits.size() == 0) return Bytes(bits);
    // Numbers of a list, which lose their upper bits as bytes.
    for (const char* extreme : {"max", "min"}) {
        const py::object value = bits.attr(extreme)();
        if (const auto number = value.cast<std::int64_t>(); number < 0 || number > 1)
            throw_error(ErrorCode::invalid_value, "bits", text_of(value), "0 or 1");
    }
    return Bytes(bits);
}

[[noreturn]] void refuse_byte(std::span<const std::uint8_t> bits) {
    throw_error(ErrorCode::invalid_value, "bits",
                fmt::to_string(*std::max_element(bits.begin(), bits.end())), "0 or 1");
}

py::array pack_bits(py::handle bits, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const py::array bytes = read_bits(bits);
    const auto length = static_cast<std::size_t>(bytes.shape(bytes.ndim() - 1));
    check_length(1, length);
    std::vector<py::ssize_t> shape = shape_without_words(bytes);
    shape.push_back(static_cast<py::ssize_t>(words_for(length)));
    py::array packed(py::dtype::of<std::uint64_t>(), shape);

    const auto* from = static_cast<const std::uint8_t*>(bytes.data());
    auto* to = static_cast<std::uint64_t*>(packed.mutable_data());
    const std::size_t rows = static_cast<std::size_t>(bytes.size()) / length;
    const bool all_bits = interruptible(engine, [&](const ExecutionContext& watched) {
        bool all = true;
        for (std::size_t row = 0; row < rows; ++row) {
            watched.check();
            const std::uint8_t* row_bits = from + row * length;
            all = watched.kernels().pack(row_bits, length, to + row * words_for(length)) && all;
        }
        return all;
    });
    if (!all_bits) refuse_byte({from, rows * length});
    return packed;
}

py::array unpack_words(py::handle words, py::handle length, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const Streams read = read_streams(words, "words", to_unsigned(length, "length", 1, kMaxLength));
    const StreamView& view = read.view;
    std::vector<py::ssize_t> shape = shape_without_words(read.array);
    shape.push_back(static_cast<py::ssize_t>(view.length));
    py::array bits(py::dtype::of<std::uint8_t>(), shape);

    auto* to = static_cast<std::uint8_t*>(bits.mutable_data());
    naming(read.name(), "words", [&] { check_tails(view); });
    interruptible(engine, [&](const ExecutionContext& watched) {
        for (std::size_t i = 0; i < view.rows * view.streams; ++i) {
            watched.check();
            watched.kernels().unpack(view.stream(i / view.streams, i % view.streams), view.length,
                                     to + i * view.length);
        }
    });
    return bits;
}

std::uint64_t count_ones(py::handle words, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const auto packed = py::array_t<std::uint64_t, py::array::c_style | py::array::forcecast>(
        read_words(words, "words"));
    const std::span words_of(packed.data(), static_cast<std::size_t>(packed.size()));
    return without_gil([&] { return engine.kernels().popcount(words_of.data(), words_of.size()); });
}

void bind_lfsr(py::module_& module) {
    const auto make = [](py::handle seed) {
        return Lfsr16(static_cast<std::uint16_t>(to_unsigned(seed, "seed", 1, kMaxLfsrSeed)));
    };
    const auto state = [](const Lfsr16& self) { return self.state(); };
    py::class_<Lfsr16> type(module, "Lfsr16", py::is_final(), R"(Lfsr16(seed)
--

The 16-bit Fibonacci LFSR with taps 16, 14, 13, 11 and period 65,535, as hardware has it:
lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]}.

encode(..., encoder="lfsr16") compares its state before it shifts.

seed  1 to 65535; 0 never leaves itself and raises ValueError)");
    type.def(py::init(make), py::arg("seed"), "__init__(self, seed)\n--\n\n")
        .def_property_readonly("state", state, "The register, 1 to 65535.")
        .def("step", &Lfsr16::step, "step(self)\n--\n\nShifts once.")
        .def("__repr__", [](const Lfsr16& self) { return fmt::format("Lfsr16({})", self.state()); })
        .def(
            "__copy__", [](const Lfsr16& self) { return self; }, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](const Lfsr16& self, py::handle) { return self; }, py::arg("memo"),
            "__deepcopy__(self, memo)\n--\n\n")
        .def(py::pickle(state, [](std::uint16_t seed) { return Lfsr16(seed); }));
    bind_old_pickles(type);
}

}  // namespace

void bind_streams(py::module_& module) {
    module.def(
        "encode", &encode_values, py::arg("values"), py::arg("length"),
        py::arg("coding") = "unipolar", py::arg("seed") = py::none(),
        py::arg("encoder") = "bernoulli", py::arg("layer") = 0, py::arg("role") = "input",
        py::arg("sample") = 0, py::arg("first_index") = 0, py::arg("first_bit") = 0,
        py::arg("context") = py::none(),
        R"(encode(values, length, coding='unipolar', seed=None, encoder='bernoulli', layer=0, role='input', sample=0, first_index=0, first_bit=0, context=None)
--

Values to packed streams (B. R. Gaines, 1969).

values     (n,) numbers: [0, 1] for unipolar and split-unipolar, [-1, 1] for bipolar
length     bits of a stream, 1 to 2^31
encoder    one of bitaxon.encoders, or 'bernoulli': every bit independent, where the stream of value i
           is named by (seed, layer, role, sample, first_index + i), role being input, weight, select
           or noise; or 'lfsr16': Lfsr(16, seed), what a circuit of one Lfsr16 and a comparator for
           each stream produces
seed       of 'bernoulli', the context's unless given; of 'lfsr16', 1 to 65535. Other encoders have
           their own parameters
first_bit  the streams begin with that bit: bits, and streams by first_index, may be produced in any
           order

Returns Streams (n, ceil(length / 64)) of uint64: bit t is words[t // 64] >> (t % 64) & 1; those past
the end are 0. They know their sources: see check_independent.
Raises ValueError for NaN and for values, lengths, seeds and names out of range.)");
    module.def("decode", &decode_streams, py::arg("streams"), py::arg("length"),
               py::arg("coding") = "unipolar", py::arg("context") = py::none(),
               R"(decode(streams, length, coding='unipolar', context=None)
--

Packed streams to the values that they stand for: the share of ones, coded.

streams  (..., ceil(length / 64)) uint64, at most 3-D, any strides
Returns (...) float64. Raises ValueError for another width and for ones past the end.)");
    module.def("pack", &pack_bits, py::arg("bits"), py::arg("context") = py::none(),
               R"(pack(bits, context=None)
--

Bits to words: (length,) or (n, length) of uint8 or bool to (..., ceil(length / 64)) uint64.

Raises ValueError for anything but 0 and 1, TypeError for another dtype.)");
    module.def("unpack", &unpack_words, py::arg("words"), py::arg("length"),
               py::arg("context") = py::none(), R"(unpack(words, length, context=None)
--

Words to bits: (..., ceil(length / 64)) uint64, at most 3-D, to (..., length) uint8 of 0 and 1.

Raises ValueError for another width and for ones past the end.)");
    module.def("popcount", &count_ones, py::arg("words"), py::arg("context") = py::none(),
               R"(popcount(words, context=None)
--

Number of ones in a uint64 array of any shape.)");
    bind_lfsr(module);
}

}  // namespace bitaxon::python
