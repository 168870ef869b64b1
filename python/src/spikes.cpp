// Spike trains: what stands behind bitaxon.spikes, which documents it.
#include "arguments.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "encoders.hpp"
#include "progress.hpp"

#include <bitaxon/core/spike_encoders.hpp>

#include <limits>

namespace bitaxon::python {
namespace {

unsigned to_count(py::handle object, const char* name) {
    return static_cast<unsigned>(
        to_unsigned(object, name, 0, std::numeric_limits<unsigned>::max()));
}

// Trains of one row that make(engine, values, steps) gives, without the GIL.
template <class Make>
py::object trains(py::handle values, py::handle steps, py::handle context, Make&& make) {
    const ExecutionContext& engine = choose_engine(context);
    const py::array numbers = read_vector(values, "values");
    const std::uint64_t length = to_unsigned(steps, "steps", 1, kMaxLength);
    return to_streams(interruptible(engine, [&](const ExecutionContext& watched) {
        return make(watched, packed_values(numbers), length);
    }));
}

py::object rate(py::handle values, py::handle steps, py::handle max_rate, py::handle dt,
                py::handle seed, py::handle layer, py::handle sample, py::handle first_index,
                py::handle first_step, py::handle context) {
    const RateCode code{.max_rate = to_real(max_rate, "max_rate"), .dt = to_real(dt, "dt")};
    const Drawing drawing = to_drawing(choose_engine(context), py::str("bernoulli"), seed, layer,
                                       py::str("input"), sample, first_index);
    const std::uint64_t first = to_unsigned(first_step, "first_step", 0, kMaxTime - kMaxLength);
    return trains(values, steps, context, [&](const auto&... arguments) {
        return encode_spikes(arguments..., code, drawing.origin, first);
    });
}

template <class Code>
py::object by_value(py::handle values, py::handle steps, const Code& code, py::handle context) {
    return trains(values, steps, context,
                  [&](const auto&... arguments) { return encode_spikes(arguments..., code); });
}

py::array population(py::handle values, py::handle neurons, py::handle low, py::handle high,
                     py::handle overlap) {
    const py::array numbers = read_vector(values, "values");
    const PopulationCode code{.neurons = to_unsigned(neurons, "neurons", 3, 1 << 20),
                              .low = to_real(low, "low"),
                              .high = to_real(high, "high"),
                              .overlap = to_real(overlap, "overlap")};
    py::array_t<double> out({numbers.size(), static_cast<py::ssize_t>(code.neurons)});
    population_activations(packed_values(numbers), code,
                           {out.mutable_data(), static_cast<std::size_t>(out.size())});
    return out;
}

py::array read_signals(py::handle object, const char* name) {
    py::array signals = read_numbers(object, name, Layout::doubles);
    if (signals.ndim() != 1 && signals.ndim() != 2)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(signals),
                    "(steps,) or (n, steps)");
    return signals;
}

py::object delta(py::handle signals, py::handle threshold, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const py::array numbers = read_signals(signals, "signals");
    const double step = to_real(threshold, "threshold");
    const MatrixView<const double> view = view_of<double>(numbers);
    StreamArray result = interruptible(
        engine, [&](const ExecutionContext& watched) { return encode_delta(watched, view, step); });
    return to_streams(std::move(result), numbers.ndim() == 2);
}

py::array decode_delta_trains(py::handle trains, py::handle steps, py::handle threshold,
                              py::handle starts) {
    const Streams read = read_streams(trains, "trains", to_unsigned(steps, "steps", 1, kMaxLength));
    const double step = to_real(threshold, "threshold");
    const py::array first = read_vector(starts, "start");
    std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(read.view.rows),
                                      static_cast<py::ssize_t>(read.view.length)};
    if (read.array.ndim() < 3) shape.erase(shape.begin());
    py::array_t<double> signals(shape);
    naming("starts", "start", [&] {
        decode_delta(
            read.view, step, packed_values(first),
            row_major(std::span(signals.mutable_data(), static_cast<std::size_t>(signals.size())),
                      static_cast<std::size_t>(read.view.length)));
    });
    return signals;
}

}  // namespace

void bind_spikes(py::module_& module) {
    module.def("_spikes_rate", &rate, py::arg("values"), py::arg("steps"), py::arg("max_rate"),
               py::arg("dt"), py::arg("seed"), py::arg("layer"), py::arg("sample"),
               py::arg("first_index"), py::arg("first_step"), py::arg("context"));
    module.def(
        "_spikes_latency",
        [](py::handle values, py::handle steps, py::handle tau, py::handle least,
           py::handle context) {
            const LatencyCode code{.tau = to_real(tau, "tau"), .least = to_real(least, "least")};
            return by_value(values, steps, code, context);
        },
        py::arg("values"), py::arg("steps"), py::arg("tau"), py::arg("least"), py::arg("context"));
    module.def(
        "_spikes_phase",
        [](py::handle values, py::handle steps, py::handle period, py::handle context) {
            return by_value(values, steps, PhaseCode{.period = to_count(period, "period")},
                            context);
        },
        py::arg("values"), py::arg("steps"), py::arg("period"), py::arg("context"));
    module.def(
        "_spikes_burst",
        [](py::handle values, py::handle steps, py::handle most_spikes, py::handle shortest_gap,
           py::handle longest_gap, py::handle context) {
            const BurstCode code{.most_spikes = to_count(most_spikes, "most_spikes"),
                                 .shortest_gap = to_count(shortest_gap, "shortest_gap"),
                                 .longest_gap = to_count(longest_gap, "longest_gap")};
            return by_value(values, steps, code, context);
        },
        py::arg("values"), py::arg("steps"), py::arg("most_spikes"), py::arg("shortest_gap"),
        py::arg("longest_gap"), py::arg("context"));
    module.def("_population_activations", &population, py::arg("values"), py::arg("neurons"),
               py::arg("low"), py::arg("high"), py::arg("overlap"));
    module.def("_spikes_delta", &delta, py::arg("signals"), py::arg("threshold"),
               py::arg("context"));
    module.def("_decode_delta", &decode_delta_trains, py::arg("trains"), py::arg("steps"),
               py::arg("threshold"), py::arg("starts"));
}

}  // namespace bitaxon::python
