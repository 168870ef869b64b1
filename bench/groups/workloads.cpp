// What do the workloads take that others measure themselves by? Those of UnarySim's own tests
// (D. Wu, J. Li, R. Yin, H. Hsiao, Y. Kim and J. San Miguel, 2020), one call of ours where it makes
// one a cycle; a finite-state function, and correlations of all pairs of a set.
#include "harness/conv_work.hpp"
#include "harness/oracle.hpp"
#include "harness/probes.hpp"

#include <bitaxon/core/correlation.hpp>
#include <bitaxon/jit/circuit.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bitaxon::bench {
namespace {

// FSULinear: 256 to 1,000 features, 2^12 cycles. One sample reads 131 MB of weights once, so it is
// memory that limits it.
Experiment linear(const DenseShape& shape, kernels::Tier tier) {
    const auto work = dense_work(shape);
    const auto context = std::make_shared<const ExecutionContext>(make_context(tier));
    const auto out = std::make_shared<std::vector<double>>(shape.neurons);
    const auto call = [=] { work->layer.forward(*context, work->samples, *out); };
    call();
    work->check(*out);
    return Experiment("Gbit/s", contestant(shape.product_bits(), call))
        .limited_by(and_popcount_probe());
}

// A circuit over streams, compared with a bit loop: step(inputs) gives the output of the next step,
// starting from `fresh`. Limited by reading and writing the words once.
template <class Step>
Experiment circuit(std::string_view name, std::vector<StreamArray> inputs, Step fresh,
                   kernels::Tier tier) {
    constexpr std::size_t kChecked = 100;  // streams
    struct Work {
        jit::Circuit circuit;
        ExecutionContext context;
        std::vector<StreamArray> inputs;
        StreamArray out;
        std::vector<StreamView> views = {};
    };
    // A row a run.
    const auto rows = [](const auto& streams) {
        auto view = streams;
        view.rows = std::exchange(view.streams, 1);
        view.row_stride = view.stream_stride;
        return view;
    };
    const std::size_t streams = inputs[0].streams();
    const std::uint64_t length = inputs[0].length();
    const auto work = std::make_shared<Work>(Work{
        jit::built_in_circuit(name), make_context(tier), std::move(inputs), {1, streams, length}});
    for (const StreamArray& input : work->inputs) work->views.push_back(rows(input.view()));
    const auto call = [work, rows] {
        const MutableStreamView written = rows(work->out.mutable_view());
        work->circuit.run(work->context, work->views, {&written, 1});
    };
    call();
    for (const std::size_t i : oracle::spread(streams, kChecked)) {
        Step step = fresh;
        Words expected(work->out.words_per_stream());
        for (std::size_t t = 0; t < length; ++t) {
            std::vector<bool> bits;
            for (const StreamView& view : work->views)
                bits.push_back(oracle::bit(view.stream(i, 0), t));
            expected[t / 64] |= std::uint64_t{step(bits)} << t % 64;
        }
        oracle::expect_equal(fmt::format("stream {},", i),
                             {work->out.row(0) + i * expected.size(), expected.size()}, expected);
    }
    const auto bits = static_cast<double>(streams * length);
    Probe traffic = traffic_probe(bits / 8 * static_cast<double>(work->inputs.size() + 1),
                                  work->inputs.size(), 1);
    traffic.contestant.work = bits;
    return Experiment("Gbit/s", contestant(bits, call)).limited_by(std::move(traffic));
}

StreamArray numbered(kernels::Tier tier, std::size_t streams, std::uint64_t length,
                     std::uint64_t layer, double (*value)(std::size_t)) {
    std::vector<double> values(streams);
    for (std::size_t i = 0; i < streams; ++i) values[i] = value(i);
    return encode(make_context(tier), values, length, Coding::unipolar, {.layer = layer});
}

// FSUDiv: all pairs of 8-bit operands.
Experiment divide(kernels::Tier tier) {
    struct Step {
        int waiting = 0;  // ones of a that wait for ones of b
        bool kept = false;
        bool operator()(const std::vector<bool>& ab) {
            const bool pair = ab[1] && (ab[0] || waiting > 0);
            waiting = std::clamp(waiting + int{ab[0]} - int{pair}, 0, 15);
            if (ab[1]) kept = pair;
            return kept;
        }
    };
    std::vector<StreamArray> inputs;
    inputs.push_back(numbered(tier, 1 << 16, 256, 0,
                              [](std::size_t i) { return static_cast<double>(i / 256) / 256; }));
    inputs.push_back(numbered(tier, 1 << 16, 256, 1,
                              [](std::size_t i) { return static_cast<double>(i % 256) / 256; }));
    return circuit("divide", std::move(inputs), Step{}, tier);
}

Experiment stanh(kernels::Tier tier) {
    struct Step {
        int state = 4;
        bool operator()(const std::vector<bool>& x) {
            const bool upper = state >= 4;
            state = std::clamp(state + (x[0] ? 1 : -1), 0, 7);
            return upper;
        }
    };
    std::vector<StreamArray> inputs;
    inputs.push_back(numbered(tier, 10'000, 1024, 0,
                              [](std::size_t i) { return static_cast<double>(i) / 10'000; }));
    return circuit("stanh", std::move(inputs), Step{}, tier);
}

// SCC of all pairs of a set. Work: the bits of each pair once.
Experiment scc_of_all(kernels::Tier tier) {
    constexpr std::size_t kStreams = 1024, kLength = 1024, kChecked = 100;
    const auto context = std::make_shared<const ExecutionContext>(make_context(tier));
    const auto streams =
        std::make_shared<const StreamArray>(numbered(tier, kStreams, kLength, 0, [](std::size_t i) {
            return static_cast<double>(i) / kStreams;
        }));
    const auto out = std::make_shared<std::vector<double>>(kStreams * kStreams);
    const auto call = [=] {
        correlation_matrix(*context, Correlation::scc, streams->view(), streams->view(), *out);
    };
    call();
    for (const std::size_t pair : oracle::spread(out->size(), kChecked)) {
        const std::uint64_t* x = streams->view().stream(0, pair / kStreams);
        const std::uint64_t* y = streams->view().stream(0, pair % kStreams);
        std::uint64_t ones_x = 0, ones_y = 0, both = 0;
        for (std::size_t t = 0; t < kLength; ++t) {
            const bool a = oracle::bit(x, t), b = oracle::bit(y, t);
            ones_x += a;
            ones_y += b;
            both += a && b;
        }
        if ((*out)[pair] != scc_from_counts(kLength, ones_x, ones_y, both))
            throw Mismatch(fmt::format("pair {}: got {}", pair, (*out)[pair]));
    }
    return Experiment("Gbit/s", contestant(kStreams * (kStreams + 1) / 2.0 * kLength, call))
        .limited_by(and_popcount_probe());
}

}  // namespace

void add_workloads(Suite& suite) {
    constexpr DenseShape kLinear{1, 256, 1000, 4096};
    constexpr ConvShape kConv{.channels = 32,
                              .height = 128,
                              .width = 32,
                              .filters = 16,
                              .length = 256,
                              .stride = 2,
                              .padding = 0};
    for (const kernels::Tier tier : suite.settings.tiers) {
        suite.add(make_id("workloads", "linear", tier, kLinear.size()),
                  [=] { return linear(kLinear, tier); });
        suite.add(make_id("workloads", "conv2d", tier, "32x128x32x16x256"),
                  [=] { return conv2d(kConv, forward, tier); });
        suite.add(make_id("workloads", "divide", tier, "65536x256"), [=] { return divide(tier); });
        suite.add(make_id("workloads", "scc", tier, "1024x1024x1024"),
                  [=] { return scc_of_all(tier); });
        suite.add(make_id("workloads", "stanh", tier, "10000x1024"), [=] { return stanh(tier); });
    }
}

}  // namespace bitaxon::bench
