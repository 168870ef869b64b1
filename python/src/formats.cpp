// Number formats: what stands behind bitaxon.formats, which documents it.
#include "arguments.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "encoders.hpp"
#include "progress.hpp"

#include <bitaxon/core/conditional.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace bitaxon::python {
namespace {

// The keyword arguments that formats hand on: those of encode.
struct Request {
    explicit Request(const py::dict& options) {
        constexpr std::array<const char*, 7> known = {"encoder", "seed",        "layer",  "role",
                                                      "sample",  "first_index", "context"};
        for (const auto& [name, value] : options) {
            const std::string text = to_text(name, "keyword");
            if (std::ranges::find(known, text) == known.end())
                throw_error(ErrorCode::invalid_type, text, "a keyword argument",
                            "encoder, seed, layer, role, sample, first_index or context");
        }
        const auto get = [&](const char* name, py::object otherwise) {
            return options.contains(name) ? py::object(options[name]) : otherwise;
        };
        const py::int_ zero(0);
        engine = &choose_engine(get("context", py::none()));
        drawing = to_drawing(*engine, get("encoder", py::str("bernoulli")), get("seed", py::none()),
                             get("layer", zero), get("role", py::str("input")), get("sample", zero),
                             get("first_index", zero));
    }

    const ExecutionContext* engine;
    Drawing drawing;
};

std::uint64_t read_length(py::handle length) {
    return to_unsigned(length, "length", 1, kMaxLength);
}

// One flag a stream: bools, or whole numbers 0 and 1.
std::vector<std::uint8_t> read_signs(py::handle negative, std::size_t streams) {
    const py::array given = to_plain_array(negative, "negative");
    check_vector(given, "negative", streams);
    if (streams == 0) return {};
    if (std::string_view("biu").find(given.dtype().kind()) == std::string_view::npos)
        throw_error(ErrorCode::invalid_type, "negative", "dtype " + text_of(given.dtype()), "bool");
    const py::array numbers =
        given.dtype().kind() == 'b'
            ? py::array_t<double, py::array::c_style | py::array::forcecast>(given)
            : read_vector(given, "negative");
    std::vector<std::uint8_t> flags;
    for (const double number : packed_values(numbers)) {
        if (number != 0 && number != 1)
            throw_error(ErrorCode::invalid_value, fmt::format("negative[{}]", flags.size()),
                        fmt::format("{}", number), "False or True");
        flags.push_back(number == 1);
    }
    return flags;
}

py::array signs_array(const std::vector<std::uint8_t>& negative) {
    py::array_t<bool> flags(static_cast<py::ssize_t>(negative.size()));
    std::ranges::copy(negative, flags.mutable_data());
    return flags;
}

// An array of one number a stream, which fill(engine, span) writes without the GIL.
template <class Fill>
py::array values_of(std::size_t count, Fill&& fill) {
    py::array_t<double> values(static_cast<py::ssize_t>(count));
    const std::span out(values.mutable_data(), count);
    interruptible(ExecutionContext::shared(),
                  [&](const ExecutionContext& watched) { fill(watched, out); });
    return values;
}

Streams read_set(py::handle object, const char* name, py::handle length) {
    Streams streams = read_streams(object, name, read_length(length));
    naming(streams.name(), name, [&] { check_tails(streams.view); });
    return streams;
}

std::size_t count(const Streams& streams) { return streams.view.rows * streams.view.streams; }

py::tuple split(py::handle values, py::handle length, const py::dict& options) {
    const Request request(options);
    const py::array numbers = read_vector(values, "values");
    const std::uint64_t bits = read_length(length);
    SplitStreams result = interruptible(*request.engine, [&](const ExecutionContext& watched) {
        return encode_split(watched, packed_values(numbers), bits, request.drawing);
    });
    return py::make_tuple(to_streams(std::move(result.magnitudes)), signs_array(result.negative));
}

py::array split_values(py::handle magnitudes, py::handle negative, py::handle length) {
    const Streams read = read_set(magnitudes, "magnitudes", length);
    const std::vector<std::uint8_t> signs = read_signs(negative, count(read));
    return values_of(count(read), [&](const ExecutionContext& watched, std::span<double> out) {
        decode_split(watched, read.view, signs, out);
    });
}

py::object ratio(py::handle values, py::handle length, const py::dict& options) {
    const Request request(options);
    const py::array numbers = read_vector(values, "values");
    const std::uint64_t bits = read_length(length);
    return to_streams(interruptible(*request.engine, [&](const ExecutionContext& watched) {
        return encode_ratio(watched, packed_values(numbers), bits, request.drawing);
    }));
}

py::array ratio_values(py::handle streams, py::handle length) {
    const Streams read = read_set(streams, "streams", length);
    return values_of(count(read), [&](const ExecutionContext& watched, std::span<double> out) {
        decode_ratio(watched, read.view, out);
    });
}

py::tuple extended(py::handle values, py::handle length, py::handle denominator,
                   const py::dict& options) {
    const Request request(options);
    const py::array numbers = read_vector(values, "values");
    const std::uint64_t bits = read_length(length);
    Drawing below = request.drawing;
    if (!denominator.is_none()) {
        py::dict other = py::dict(**options);
        other["encoder"] = denominator;
        below = Request(other).drawing;
    }
    ExtendedStreams result = interruptible(*request.engine, [&](const ExecutionContext& watched) {
        return encode_extended(watched, packed_values(numbers), bits, request.drawing, below);
    });
    return py::make_tuple(to_streams(std::move(result.numerators)),
                          to_streams(std::move(result.denominators)));
}

py::array extended_values(py::handle numerators, py::handle denominators, py::handle length) {
    const Streams above = read_set(numerators, "numerators", length);
    const Streams below = read_set(denominators, "denominators", length);
    return values_of(count(above), [&](const ExecutionContext& watched, std::span<double> out) {
        decode_extended(watched, above.view, below.view, out);
    });
}

py::object integral(py::handle values, py::handle length, py::handle summands, py::handle coding,
                    const py::dict& options) {
    const Request request(options);
    const py::array numbers = read_vector(values, "values");
    const std::uint64_t bits = read_length(length);
    const std::uint64_t terms = to_unsigned(summands, "summands", 1, 65535);
    const Coding code = parse_coding(to_text(coding, "coding"));
    StreamArray result = interruptible(*request.engine, [&](const ExecutionContext& watched) {
        return encode_integral(watched, packed_values(numbers), bits, terms, code, request.drawing);
    });
    return to_streams(std::move(result), true);
}

py::array elements(py::handle streams, py::handle length) {
    const Streams read = read_set(streams, "streams", length);
    py::array_t<std::uint16_t> sums(
        {static_cast<py::ssize_t>(read.view.rows), static_cast<py::ssize_t>(read.view.length)});
    const std::span out(sums.mutable_data(), static_cast<std::size_t>(sums.size()));
    interruptible(ExecutionContext::shared(), [&](const ExecutionContext& watched) {
        integral_elements(watched, read.view, out);
    });
    return sums;
}

py::array integral_values(py::handle streams, py::handle length, py::handle coding) {
    const Streams read = read_set(streams, "streams", length);
    const Coding code = parse_coding(to_text(coding, "coding"));
    return values_of(read.view.rows, [&](const ExecutionContext& watched, std::span<double> out) {
        decode_integral(watched, read.view, code, out);
    });
}

py::object bipolar(py::handle streams, py::handle length, py::handle half, py::handle negative) {
    const Streams read = read_set(streams, "streams", length);
    const Streams other = read_set(half, "half", length);
    check_independent(sources_of(streams), sources_of(half));
    const std::vector<std::uint8_t> signs =
        negative.is_none() ? std::vector<std::uint8_t>{} : read_signs(negative, count(read));
    StreamArray result =
        interruptible(ExecutionContext::shared(), [&](const ExecutionContext& watched) {
            return to_bipolar(watched, read.view, other.view, signs);
        });
    return to_array(std::move(result), read.array.ndim() == 3);
}

py::object drawn_again(py::handle streams, py::handle length, py::handle from, py::handle to,
                       py::handle new_length, const py::dict& options) {
    const Request request(options);
    const Streams read = read_set(streams, "streams", length);
    const Coding before = parse_coding(to_text(from, "from_coding"));
    const Coding after = parse_coding(to_text(to, "to_coding"));
    const std::uint64_t bits = new_length.is_none()
                                   ? read.view.length
                                   : to_unsigned(new_length, "new_length", 1, kMaxLength);
    return to_streams(interruptible(*request.engine, [&](const ExecutionContext& watched) {
        return reencode(watched, read.view, before, after, bits, request.drawing);
    }));
}

py::array product_by_condition(py::handle a, py::handle b, py::handle length, py::handle coding,
                               py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const Streams first = read_set(a, "a", length);
    const Streams second = read_set(b, "b", length);
    const Coding code = parse_coding(to_text(coding, "coding"));
    StreamArray result = interruptible(engine, [&](const ExecutionContext& watched) {
        return multiply_conditional(watched, first.view, second.view, code);
    });
    const py::array product = to_array(std::move(result), first.array.ndim() == 3);
    return first.array.ndim() == 1 ? product.attr("ravel")().cast<py::array>() : product;
}

}  // namespace

void bind_formats(py::module_& module) {
    module.def("_encode_split", &split, py::arg("values"), py::arg("length"), py::arg("options"));
    module.def("_decode_split", &split_values, py::arg("magnitudes"), py::arg("negative"),
               py::arg("length"));
    module.def("_encode_ratio", &ratio, py::arg("values"), py::arg("length"), py::arg("options"));
    module.def("_decode_ratio", &ratio_values, py::arg("streams"), py::arg("length"));
    module.def("_encode_extended", &extended, py::arg("values"), py::arg("length"),
               py::arg("denominator"), py::arg("options"));
    module.def("_decode_extended", &extended_values, py::arg("numerators"), py::arg("denominators"),
               py::arg("length"));
    module.def("_encode_integral", &integral, py::arg("values"), py::arg("length"),
               py::arg("summands"), py::arg("coding"), py::arg("options"));
    module.def("_integral_elements", &elements, py::arg("streams"), py::arg("length"));
    module.def("_decode_integral", &integral_values, py::arg("streams"), py::arg("length"),
               py::arg("coding"));
    module.def("_to_bipolar", &bipolar, py::arg("streams"), py::arg("length"), py::arg("half"),
               py::arg("negative"));
    module.def("_reencode", &drawn_again, py::arg("streams"), py::arg("length"),
               py::arg("from_coding"), py::arg("to_coding"), py::arg("new_length"),
               py::arg("options"));
    module.def("multiply_conditional", &product_by_condition, py::arg("a"), py::arg("b"),
               py::arg("length"), py::kw_only(), py::arg("coding") = "unipolar",
               py::arg("context") = py::none(),
               R"(multiply_conditional(a, b, length, *, coding='unipolar', context=None)
--

a * b, where b's generator makes a step only when a has a one (uMUL: D. Wu et al., 2020): the k-th one of a
becomes bit k of b. No correlation of the two matters (SCC 0 by construction), but b should be spread evenly,
as those of encoders.VanDerCorput, Sobol and Halton are, since a part of it is read.

a       packed streams, (..., words) of up to three axes
b       as many, or one stream
coding  "unipolar", or "bipolar": zeros of a take the bits of b inverted

Returns packed streams of a's shape. A word of 64 bits is one step, so it is more than ten times as fast as
bx.circuits.multiply_conditional, which takes whole numbers for b and gives the same bits as van der Corput's
sequence does.)");
}

}  // namespace bitaxon::python
