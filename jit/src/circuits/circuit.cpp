// The public face of circuits: validation, and the program that gates become.
#include "../backends/listing.hpp"
#include "../ir/semantics.hpp"
#include "state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <cstdlib>

namespace bitaxon::jit {
namespace {

Program make_program(const Netlist& net) {
    Program program;
    program.graph = net.graph;
    for (const Source& source : net.sources) {
        program.inputs.push_back({"", Type::i64, !net.flops.empty() && !source.is_flop});
    }
    for (const Flop& flop : net.flops) {
        program.outputs.push_back({flop.next, Type::i64});
        program.states.push_back(
            {static_cast<std::uint32_t>(net.graph[flop.now].payload), flop.next});
    }
    for (const NodeId bit : net.output_bits) {
        program.outputs.push_back({bit, Type::i64, !net.flops.empty()});
    }
    return program;
}

std::vector<char> live_sources(const Netlist& net) {
    std::vector<char> live(net.sources.size(), 0);
    for (const NodeId id : reachable(net.graph, net.roots())) {
        if (net.graph[id].op == Op::input) {
            live[net.graph[id].payload] = 1;
        }
    }
    return live;
}

// The circuit's outputs where all inputs are 0.
bool keeps_zeros(const Netlist& net) {
    std::vector<std::uint64_t> values(net.graph.size(), 0);
    for (const NodeId id : reachable(net.graph, net.output_bits)) {
        const Node& node = net.graph[id];
        if (node.op == Op::constant) {
            values[id] = node.payload;
        } else if (node.op != Op::input) {
            std::array<const void*, kMaxArguments> args{};
            for (std::size_t k = 0; k < node.count; ++k) {
                args[k] = &values[node.args[k]];
            }
            primitive_function(node.op, node.type)(args.data(), &values[id], 1);
        }
    }
    for (const NodeId bit : net.output_bits) {
        if (values[bit] != 0) {
            return false;
        }
    }
    return true;
}

// The stretch of memory that a view's words lie in.
struct Extent {
    explicit Extent(const StreamView& view) {
        const auto reach = [](std::size_t count, std::ptrdiff_t stride) {
            return static_cast<std::ptrdiff_t>(count - 1) * stride;
        };
        const std::ptrdiff_t by_row = reach(view.rows, view.row_stride);
        const std::ptrdiff_t by_stream = reach(view.streams, view.stream_stride);
        const auto address = [&](std::ptrdiff_t words) {
            return reinterpret_cast<std::uintptr_t>(view.words) +
                   static_cast<std::uintptr_t>(words) * sizeof(std::uint64_t);
        };
        begin =
            address(std::min<std::ptrdiff_t>(by_row, 0) + std::min<std::ptrdiff_t>(by_stream, 0));
        end = address(std::max<std::ptrdiff_t>(by_row, 0) + std::max<std::ptrdiff_t>(by_stream, 0) +
                      static_cast<std::ptrdiff_t>(words_for(view.length)));
    }
    bool meets(const Extent& other) const noexcept {
        return begin < other.end && other.begin < end;
    }

    std::uintptr_t begin;
    std::uintptr_t end;
};

std::string ports_text(const std::vector<CircuitPort>& ports) {
    std::string text;
    for (const CircuitPort& port : ports) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", port.name);
        if (port.bits > 1) {
            text += fmt::format(" : u{}", port.bits);
        }
    }
    return text.empty() ? "none" : text;
}

// What a port is given must have its bits, and the rows and length of the others.
void check_port(const CircuitPort& port, const StreamView& view, std::size_t rows,
                std::uint64_t length, bool may_repeat) {
    if (view.streams != port.bits) {
        throw_error(ErrorCode::invalid_shape, port.name,
                    fmt::format("{} streams a row", view.streams),
                    fmt::format("{}, one for each bit", port.bits));
    }
    if (view.length != length) {
        throw_error(ErrorCode::invalid_shape, port.name, fmt::format("length {}", view.length),
                    fmt::format("{}, the length of the others", length));
    }
    if (view.rows != rows && !(may_repeat && view.rows == 1)) {
        throw_error(ErrorCode::invalid_shape, port.name, fmt::format("{} rows", view.rows),
                    fmt::format("{}{}", rows, may_repeat ? ", or 1 for all" : ""));
    }
}

// Outputs are written by several threads: no two streams may share words.
void check_apart(const CircuitPort& port, const StreamView& view) {
    const auto words = static_cast<std::ptrdiff_t>(words_for(view.length));
    const std::ptrdiff_t stream = std::abs(view.stream_stride);
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(view.streams - 1) * stream + words;
    if ((view.streams > 1 && stream < words) || (view.rows > 1 && std::abs(view.row_stride) < row)) {
        throw_error(ErrorCode::invalid_shape, port.name, "streams that overlap one another",
                    "rows and streams apart");
    }
}

void check_clean(const CircuitPort& port, const StreamView& view) {
    try {
        check_tails(view);
    } catch (const Error& error) {
        const std::string_view what = error.what();
        throw Error(error.code(), port.name + std::string(what.substr(what.find(':'))));
    }
}

void check_count(std::string_view what, std::size_t got, std::size_t expected) {
    if (got != expected) {
        throw_error(ErrorCode::invalid_shape, what, fmt::format("{}", got),
                    fmt::format("{}", expected));
    }
}

}  // namespace

Circuit::State::State(std::string_view source, const std::vector<std::string>& outputs)
    : text(source), net(build_circuit(source, outputs)), gates(net.gates()),
      live(live_sources(net)), keeps_zeros(jit::keeps_zeros(net)) {
    program.emplace(make_program(net), 0);
}

Circuit::Circuit(std::string_view text, const std::vector<std::string>& outputs)
    : state_(std::make_shared<const State>(text, outputs)) {}

const std::string& Circuit::text() const noexcept { return state_->text; }
const std::vector<CircuitPort>& Circuit::inputs() const noexcept { return state_->net.inputs; }
const std::vector<CircuitPort>& Circuit::outputs() const noexcept { return state_->net.outputs; }
std::size_t Circuit::gates() const noexcept { return state_->gates; }
std::size_t Circuit::registers() const noexcept { return state_->net.flops.size(); }

std::string Circuit::repr() const {
    return fmt::format("Circuit('{}', inputs: {}, outputs: {}, {} gates, {} register bits)", text(),
                       ports_text(inputs()), ports_text(outputs()), gates(), registers());
}

std::string Circuit::explain(const ExecutionContext& context) const {
    const State& s = *state_;
    return fmt::format("circuit\n{}\ninputs: {}\noutputs: {}\n{} gates, {} register bits; {} at "
                       "once\n",
                       s.text, ports_text(inputs()), ports_text(outputs()), gates(), registers(),
                       s.has_registers() ? "64 streams" : "64 steps") +
           listing(*s.program, target_of(context.tier()));
}

void Circuit::run(const ExecutionContext& context, std::span<const StreamView> given,
                  std::span<const MutableStreamView> results, const Monitor& monitor) const {
    const State& s = *state_;
    check_count("inputs", given.size(), inputs().size());
    check_count("outputs", results.size(), outputs().size());
    const std::size_t rows = results.front().rows;
    const std::uint64_t length = results.front().length;
    check_length(1, length);
    if (rows == 0) {
        throw_error(ErrorCode::invalid_shape, outputs().front().name, "0 rows", "at least 1");
    }
    for (std::size_t k = 0; k < given.size(); ++k) {
        check_port(inputs()[k], given[k], rows, length, true);
        check_clean(inputs()[k], given[k]);
    }
    std::vector<Extent> read(given.begin(), given.end());
    for (std::size_t k = 0; k < results.size(); ++k) {
        check_port(outputs()[k], results[k], rows, length, false);
        check_apart(outputs()[k], results[k]);
        const Extent written{StreamView(results[k])};
        for (const Extent& other : read) {
            if (written.meets(other)) {
                throw_error(ErrorCode::invalid_shape, outputs()[k].name,
                            "memory that overlaps an input or another output", "memory of its own");
            }
        }
        read.push_back(written);
    }

    std::vector<BitPort<const std::uint64_t>> in(s.net.sources.size());
    for (std::size_t k = 0; k < in.size(); ++k) {
        const Source& source = s.net.sources[k];
        if (!source.is_flop) {
            const StreamView& view = given[source.port];
            in[k] = {view.stream(0, source.bit), view.rows == 1 ? 0 : view.row_stride};
        }
    }
    std::vector<BitPort<std::uint64_t>> out;
    for (const MutableStreamView& view : results) {
        for (std::size_t bit = 0; bit < view.streams; ++bit) {
            out.push_back({view.stream(0, bit), view.row_stride});
        }
    }
    s.run(context, in, out, rows, length, monitor);
}

}  // namespace bitaxon::jit
