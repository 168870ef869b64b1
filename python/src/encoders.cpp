// Encoders of Python: objects that say their parameters in a dict.
#include "encoders.hpp"

#include "arguments.hpp"
#include "bindings.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace bitaxon::python {
namespace {

// The named parameters of an encoder; None is as good as none.
class Parameters {
  public:
    explicit Parameters(py::dict values) : values_(std::move(values)) {}

    py::object get(const char* name) const {
        return values_.contains(name) ? py::object(values_[name]) : py::object(py::none());
    }
    template <class Value>
    Value number(const char* name, Value otherwise) const {
        const py::object value = get(name);
        if (value.is_none()) return otherwise;
        return static_cast<Value>(to_unsigned(value, name, 0, std::numeric_limits<Value>::max()));
    }
    std::string text(const char* name, const char* otherwise) const {
        const py::object value = get(name);
        return value.is_none() ? otherwise : to_text(value, name);
    }
    bool flag(const char* name) const {
        const py::object value = get(name);
        if (value.is_none()) return false;
        if (!PyBool_Check(value.ptr()))
            throw_error(ErrorCode::invalid_type, name, type_name(value), "True or False");
        return value.is(py::bool_(true));
    }

  private:
    py::dict values_;
};

template <class Choice, std::size_t size>
Choice choose(const char* name, const std::string& text,
              const std::array<std::pair<const char*, Choice>, size>& choices) {
    std::string expected;
    for (const auto& [choice_name, choice] : choices) {
        if (text == choice_name) return choice;
        expected += fmt::format("{}'{}'", expected.empty() ? "" : ", ", choice_name);
    }
    throw_error(ErrorCode::invalid_value, name, fmt::format("'{}'", text), "one of " + expected);
}

std::uint64_t read_taps(const Parameters& parameters) {
    const py::object taps = parameters.get("taps");
    if (taps.is_none()) return 0;
    std::uint64_t mask = 0;
    for (const py::handle tap : py::tuple(taps))
        mask |= std::uint64_t{1} << (to_unsigned(tap, "taps", 1, 32) - 1);
    // No taps at all are no taps of choice.
    return mask == 0 ? ~std::uint64_t{0} : mask;
}

using Kind = decltype(Encoder::kind);
using MakeKind = Kind (*)(const Parameters&);

Kind make_lfsr(const Parameters& p) {
    return Lfsr{.bits = p.number("bits", 16u),
                .seed = p.number("seed", std::uint64_t{1}),
                .taps = read_taps(p),
                .de_bruijn = p.flag("de_bruijn")};
}
Kind make_sobol(const Parameters& p) {
    constexpr std::array<std::pair<const char*, Scramble>, 3> scrambles = {
        {{"shift", Scramble::shift}, {"owen", Scramble::owen}, {"none", Scramble::none}}};
    return Sobol{.dimension = p.number("dimension", 0u),
                 .scramble = choose("scramble", p.text("scramble", "none"), scrambles),
                 .seed = p.number("seed", std::uint64_t{0}),
                 .bits = p.number("bits", 32u)};
}
Kind make_unary(const Parameters& p) {
    constexpr std::array<std::pair<const char*, bool>, 2> ends = {
        {{"first", false}, {"last", true}}};
    return Counter{.descending = choose("ones", p.text("ones", "first"), ends)};
}

constexpr std::array<std::pair<const char*, MakeKind>, 8> kKinds = {{
    {"bernoulli", [](const Parameters&) -> Kind { return Bernoulli{}; }},
    {"lfsr", make_lfsr},
    {"sobol", make_sobol},
    {"halton",
     [](const Parameters& p) -> Kind {
         return Halton{.dimension = p.number("dimension", 0u), .bits = p.number("bits", 32u)};
     }},
    {"van-der-corput",
     [](const Parameters& p) -> Kind {
         return VanDerCorput{.base = p.number("base", 2u), .bits = p.number("bits", 32u)};
     }},
    {"unary", make_unary},
    {"temporal", [](const Parameters&) -> Kind { return Counter{.descending = true}; }},
    {"sigma-delta", [](const Parameters&) -> Kind { return SigmaDelta{}; }},
}};

Encoder read_encoder(const Parameters& p) {
    constexpr std::uint64_t zero = 0;
    const MakeKind make = choose("encoder", p.text("kind", ""), kKinds);
    // A period of 0 is C++'s way to say none.
    const py::object period = p.get("period");
    return {
        .kind = make(p),
        .index = {.phase = p.number("phase", zero),
                  .hold = p.number("hold", std::uint64_t{1}),
                  .stall = p.number("stall", zero),
                  .period = period.is_none() ? 0 : to_unsigned(period, "period", 1, kMaxTime - 1)},
        .rotation = p.number("rotation", 0u),
        .step = {.dimension = p.number("dimension_step", 0u),
                 .phase = p.number("phase_step", zero),
                 .rotation = p.number("rotation_step", 0u),
                 .seed = p.number("seed_step", zero)}};
}

bool awaits_length(const Encoder& encoder) {
    return std::holds_alternative<Counter>(encoder.kind) && encoder.index.period == 0;
}

py::tuple encoder_properties(const py::dict& specification) {
    Encoder encoder = read_encoder(Parameters(specification));
    if (std::holds_alternative<Bernoulli>(encoder.kind))
        return py::make_tuple(std::uint64_t{1} << 32, py::none());
    const bool open = awaits_length(encoder);
    if (open) encoder.index.period = 1;
    const Sequence sequence(encoder);
    static_cast<void>(sequence.at(1));  // steps that no stream could take
    if (open) return py::make_tuple(py::none(), py::none());
    const std::optional<std::uint64_t> period = sequence.period();
    return py::make_tuple(sequence.levels(),
                          period ? py::object(py::int_(*period)) : py::object(py::none()));
}

py::array encoder_numbers(const py::dict& specification, py::handle count, py::handle first,
                          py::handle stream, py::handle p) {
    const Encoder encoder = read_encoder(Parameters(specification));
    const std::uint64_t numbers = to_unsigned(count, "count", 0, kMaxLength);
    const std::uint64_t begin = to_unsigned(first, "first", 0, kMaxTime - kMaxLength);
    const Sequence sequence(encoder, to_unsigned(stream, "stream"));
    const double probability = to_real(p, "p");
    if (!(probability >= 0.0 && probability <= 1.0))
        throw_error(ErrorCode::invalid_value, "p", fmt::format("{}", probability), "0 to 1");
    py::array_t<std::uint32_t> result(static_cast<py::ssize_t>(numbers));
    const std::span out(result.mutable_data(), static_cast<std::size_t>(numbers));
    sequence.fill(begin, out, sequence.threshold(probability));
    return result;
}

std::uint64_t phase_of(const py::dict& specification, py::handle state) {
    const Encoder encoder = read_encoder(Parameters(specification));
    return lfsr_phase(std::get<Lfsr>(encoder.kind), to_unsigned(state, "state"));
}

Encoder to_encoder(py::handle object) {
    const py::object specify = py::getattr(object, "_specification", py::none());
    if (specify.is_none() || PyType_Check(object.ptr()))
        throw_error(ErrorCode::invalid_type, "encoder", type_name(object),
                    "an encoder of bitaxon.encoders, 'bernoulli' or 'lfsr16'");
    return read_encoder(Parameters(specify().cast<py::dict>()));
}

// The encoder that a text names.
Encoder named_encoder(const std::string& name, py::handle seed) {
    constexpr std::uint64_t most = 65535;
    if (name == "bernoulli") return {Bernoulli{}};
    if (name != "lfsr16")
        throw_error(ErrorCode::invalid_value, "encoder", fmt::format("'{}'", name),
                    "one of bernoulli, lfsr16, or an encoder of bitaxon.encoders");
    return {Lfsr{.bits = 16, .seed = to_unsigned(seed, "seed", 1, most)}};
}

Role parse_role(const std::string& text) {
    constexpr std::array<std::pair<const char*, Role>, 4> roles = {{{"input", Role::input},
                                                                    {"weight", Role::weight},
                                                                    {"select", Role::select},
                                                                    {"noise", Role::noise}}};
    return choose("role", text, roles);
}

}  // namespace

Drawing to_drawing(const ExecutionContext& engine, py::handle encoder, py::handle seed,
                   py::handle layer, py::handle role, py::handle sample, py::handle first_index) {
    const bool is_named = py::isinstance<py::str>(encoder);
    const Drawing drawing{.encoder = is_named ? named_encoder(to_text(encoder, "encoder"), seed)
                                              : to_encoder(encoder),
                          .origin = {.seed = to_seed(seed).value_or(engine.seed()),
                                     .layer = to_unsigned(layer, "layer"),
                                     .role = parse_role(to_text(role, "role")),
                                     .sample = to_unsigned(sample, "sample"),
                                     .first_index = to_unsigned(first_index, "first_index")}};
    const StreamOrigin& origin = drawing.origin;
    if (!std::holds_alternative<Bernoulli>(drawing.encoder.kind) &&
        (origin.layer != 0 || origin.role != Role::input || origin.sample != 0 ||
         (!is_named && !seed.is_none())))
        throw_error(ErrorCode::invalid_value, "encoder",
                    describe(drawing.encoder) + " with a seed, layer, role or sample",
                    "first_index alone: other numbers come from the encoder's own parameters");
    return drawing;
}

py::array read_vector(py::handle object, const char* name) {
    py::array values = read_numbers(object, name, Layout::packed);
    if (values.ndim() != 1)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(values), "(n,)");
    return values;
}

std::vector<SourceId> sources_of(py::handle streams) {
    const py::object sources = py::getattr(streams, "sources", py::none());
    if (sources.is_none()) return {};
    const auto ids = py::array_t<SourceId, py::array::c_style | py::array::forcecast>(sources);
    return {ids.data(), ids.data() + ids.size()};
}

py::object to_streams(StreamArray&& streams, bool as_rows) {
    py::object sources = py::none();
    if (!streams.sources().empty()) {
        std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(streams.streams())};
        if (as_rows) shape.insert(shape.begin(), static_cast<py::ssize_t>(streams.rows()));
        py::array_t<SourceId> ids(shape);
        std::ranges::copy(streams.sources(), ids.mutable_data());
        sources = std::move(ids);
    }
    const py::object type = py::module_::import("bitaxon.streams").attr("Streams");
    return type(to_array(std::move(streams), as_rows), sources);
}

void bind_encoders(py::module_& module) {
    module.def("_encoder_properties", &encoder_properties, py::arg("specification"));
    module.def("_encoder_numbers", &encoder_numbers, py::arg("specification"), py::arg("count"),
               py::arg("first"), py::arg("stream"), py::arg("p"));
    module.def("_lfsr_phase", &phase_of, py::arg("specification"), py::arg("state"));
    module.def(
        "_maximal_taps",
        [](py::handle bits) {
            return maximal_taps(static_cast<unsigned>(to_unsigned(bits, "bits", 0, 64)));
        },
        py::arg("bits"));
    module.def(
        "_check_independent",
        [](py::handle a, py::handle b) { check_independent(sources_of(a), sources_of(b)); },
        py::arg("a"), py::arg("b"));
}

}  // namespace bitaxon::python
