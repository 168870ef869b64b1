// Layers with a state against bit loops and float recurrences; reservoirs and readouts.
#include <bitaxon/layers/dense.hpp>
#include <bitaxon/layers/network.hpp>
#include <bitaxon/layers/recurrent.hpp>
#include <bitaxon/layers/reservoir.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/safetensors.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>

namespace bitaxon {
namespace {

using Values = std::vector<double>;
using Options = RecurrentOptions;

Layer make(std::string_view type, const Options& o, const Values& weights, const Values& bias) {
    if (type == "mgu") return MGU(o, weights, bias);
    if (type == "gru") return GRU(o, weights, bias);
    return Recurrent(o, weights, bias);
}

std::size_t gates_of(std::string_view type) { return type == "gru" ? 2 : type == "mgu" ? 1 : 0; }

Layer random_recurrent(std::string_view type, Options o, unsigned seed) {
    const std::size_t rows = (gates_of(type) + 1) * o.units;
    Values bias = oracle::uniform(rows, -0.5, 0.5, seed + 1);
    bias.back() = 800.0;  // a candidate of 1, and an exponential that is 0
    return make(type, o, oracle::uniform(rows * (o.inputs + o.units), -1.0, 1.0, seed), bias);
}

// The states of all steps, where sum(step, stage, row, h) gives a row's sum of the step's inputs
// and of values h.
template <class Sum>
Values walk(const Layer& layer, const Sum& sum) {
    const Options o = recurrent_options(layer);
    const std::size_t gates = gates_of(layer.type());
    const auto sigmoid = [](double a) { return 1.0 / (1.0 + std::exp(-a)); };
    Values h(o.units, 0.0), all;
    for (std::size_t t = 0; t < o.steps; ++t) {
        Values opened, operand = h;
        for (std::size_t row = 0; row < gates * o.units; ++row)
            opened.push_back(sigmoid(sum(t, std::size_t{0}, row, h)));
        for (std::size_t u = 0; gates > 0 && u < o.units; ++u) operand[u] *= opened[u];
        for (std::size_t u = 0; u < o.units; ++u) {
            const double z = gates > 0 ? opened[(gates - 1) * o.units + u] : o.leak;
            const double c =
                std::tanh(sum(t, std::size_t{gates > 0 ? 1u : 0u}, gates * o.units + u, operand));
            h[u] = (1 - z) * h[u] + z * c;
        }
        all.insert(all.end(), h.begin(), h.end());
    }
    if (!o.sequence) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(o.units));
    return all;
}

// Bit by bit; states are read after each `chunk` bits of all steps, the whole length for forward.
Values bit_loop(const Layer& layer, std::span<const double> x, std::uint64_t seed,
                std::uint64_t sample, std::uint64_t chunk) {
    const Options o = recurrent_options(layer);
    const bool bipolar = o.coding == Coding::bipolar;
    const std::size_t stages = gates_of(layer.type()) > 0 ? 2 : 1;
    const std::size_t fan_in = o.inputs + o.units;
    // Bits first ... end - 1 of a value in [-1, 1], as +1, -1, or 0.
    using Bits = std::vector<int>;
    const auto draw = [&](std::uint64_t of, std::uint64_t role, std::uint64_t number,
                          std::uint64_t index, double value, std::uint64_t first,
                          std::uint64_t end) {
        Bits bits;
        const double p = bipolar ? (value + 1) / 2 : std::abs(value);
        for (std::uint64_t t = first; t < end; ++t) {
            const bool one = oracle::stream_bit(of, layer.id(), role, number, index, t, p);
            bits.push_back(bipolar ? (one ? 1 : -1) : !one ? 0 : value < 0 ? -1 : 1);
        }
        return bits;
    };
    const std::uint64_t weight_seed = oracle::mix(layer.seed());
    std::vector<Bits> weights;
    for (std::size_t flat = 0; flat < layer.weights().size(); ++flat)
        weights.push_back(draw(weight_seed, 1, layer.redraws(), flat,
                               layer.weights()[flat] / layer.weight_scale(), 0, o.length));
    std::map<std::pair<std::size_t, std::size_t>, std::pair<long long, long long>> counts;
    Values states;
    for (std::uint64_t first = 0; first < o.length; first += chunk) {
        const std::uint64_t end = std::min(o.length, first + chunk);
        std::map<std::uint64_t, Bits> encoded;
        const auto products = [&](std::uint64_t index, double value, const Bits& weight) {
            const auto [at, fresh] = encoded.try_emplace(index);
            if (fresh) at->second = draw(weight_seed ^ seed, 0, sample, index, value, first, end);
            long long sum = 0;
            for (std::uint64_t t = first; t < end; ++t) sum += at->second[t - first] * weight[t];
            return sum;
        };
        states =
            walk(layer, [&](std::size_t step, std::size_t stage, std::size_t row, const Values& h) {
                auto& [of_inputs, of_states] = counts[{step, row}];
                for (std::size_t i = 0; i < o.inputs; ++i) {
                    const std::size_t k = step * o.inputs + i;
                    of_inputs += products(k, x[k] / o.input_range, weights[row * fan_in + i]);
                }
                for (std::size_t u = 0; u < o.units && step > 0; ++u)
                    of_states +=
                        products(o.steps * o.inputs + (step * stages + stage) * o.units + u, h[u],
                                 weights[row * fan_in + o.inputs + u]);
                return layer.weight_scale() / static_cast<double>(end) *
                           (o.input_range * static_cast<double>(of_inputs) +
                            static_cast<double>(of_states)) +
                       layer.bias()[row];
            });
    }
    return states;
}

Values without_noise(const Layer& layer, std::span<const double> x) {
    const Options o = recurrent_options(layer);
    return walk(layer, [&](std::size_t step, std::size_t, std::size_t row, const Values& h) {
        double sum = layer.bias()[row];
        const double* w = layer.weights().data() + row * (o.inputs + o.units);
        for (std::size_t i = 0; i < o.inputs; ++i) sum += w[i] * x[step * o.inputs + i];
        for (std::size_t u = 0; u < o.units; ++u) sum += w[o.inputs + u] * h[u];
        return sum;
    });
}

void expect_near(const Values& a, const Values& b, double bound, const char* what) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t n = 0; n < a.size(); ++n) EXPECT_NEAR(a[n], b[n], bound) << what << ' ' << n;
}

struct Case {
    std::string_view type;
    Options options;
};

std::vector<Case> cases() {
    const Options small{
        .steps = 3, .inputs = 3, .units = 5, .length = 70, .input_range = 1.5, .seed = 5, .id = 3};
    std::vector<Case> result;
    for (const std::string_view type : {"recurrent", "mgu", "gru"})
        for (const Coding coding : {Coding::split_unipolar, Coding::bipolar}) {
            Options o = small;
            o.coding = coding;
            o.sequence = type != "mgu";
            o.leak = type == "recurrent" ? 0.75 : 1.0;
            result.push_back({type, o});
        }
    // A step that is longer than a run of the encoder, at no multiple of 64.
    result.push_back(
        {"recurrent", {.steps = 2, .inputs = 1, .units = 2, .length = 33'000, .seed = 6}});
    return result;
}

TEST(Recurrent, EveryPathEqualsTheBitLoop) {
    for (const auto& [type, o] : cases()) {
        SCOPED_TRACE(testing::Message() << type << ' ' << name(o.coding) << ' ' << o.length);
        Layer layer = random_recurrent(type, o, 11);
        layer.redraw();
        EXPECT_EQ(layer.type(), type);
        const std::size_t samples = o.length > 100 ? 1 : 2;
        const Values x = oracle::random_samples(layer, samples, 3);
        Values expected, streamed, mean;
        for (std::size_t r = 0; r < samples; ++r) {
            const auto row = std::span(x).subspan(r * layer.inputs(), layer.inputs());
            for (const double y : bit_loop(layer, row, 6, 7 + r, o.length)) expected.push_back(y);
            if (o.length < 100)
                for (const double y : bit_loop(layer, row, 6, 7 + r, 64)) streamed.push_back(y);
            for (const double y : without_noise(layer, row)) mean.push_back(y);
        }
        Values first;
        for (const char* tier : {"portable", ""}) {
            const ExecutionContext context({.threads = 2, .tier = tier});
            Values y(expected.size());
            const auto in = row_major(std::span<const double>(x), layer.inputs());
            const auto out = row_major(std::span(y), layer.neurons());
            layer.forward_batch(context, x, y, {.seed = 6, .sample = 7});
            expect_near(y, expected, 1e-12, "batch");
            if (first.empty()) first = y;
            EXPECT_EQ(y, first) << tier;
            for (std::size_t r = 0; r < samples; ++r) {
                const auto sample = std::span(x).subspan(r * layer.inputs(), layer.inputs());
                const ForwardOptions one{.seed = 6, .sample = 7 + r};
                const Values wanted(first.begin() + static_cast<std::ptrdiff_t>(r * out.columns),
                                    first.begin() +
                                        static_cast<std::ptrdiff_t>((r + 1) * out.columns));
                Values z(out.columns);
                layer.forward(context, sample, z, one);
                EXPECT_EQ(z, wanted);
                layer.forward_fast(context, sample, z, one);
                EXPECT_EQ(z, wanted);
                const StreamArray streams = layer.encode(context, sample, one);
                layer.forward_prepacked(context, streams.view(), row_major(std::span(z), z.size()),
                                        one);
                EXPECT_EQ(z, wanted);
            }
            layer.forward_expected(context, in, out, ExpectedWeights::mean);
            expect_near(y, mean, 1e-7, "expected");
            if (o.length > 100) continue;
            std::vector<std::uint64_t> lengths(samples);
            layer.forward_streamed(context, in, out, lengths,
                                   {.stop = Stop::none, .forward = {.seed = 6, .sample = 7}});
            expect_near(y, streamed, 1e-12, "streamed");
            EXPECT_EQ(lengths, std::vector<std::uint64_t>(samples, 70));
            EXPECT_THROW(layer.forward_streamed(context, in, out, {}), Error);
        }
    }
}

// Steps before the first state is not 0 are a dense layer's.
TEST(Recurrent, OneStepIsTanhOfADenseLayer) {
    const ExecutionContext context({.threads = 1});
    const Options o{.steps = 1, .inputs = 6, .units = 4, .length = 200, .seed = 3};
    const Layer layer = random_recurrent("recurrent", o, 2);
    Values inputs_alone;
    for (std::size_t row = 0; row < 4; ++row)
        for (std::size_t i = 0; i < 6; ++i) inputs_alone.push_back(layer.weights()[row * 10 + i]);
    const Values x = oracle::random_samples(layer, 1, 3);
    Values y(4), limit(4), dense(4);
    layer.forward_expected(context, row_major(std::span<const double>(x), 6),
                           row_major(std::span(limit), 4), ExpectedWeights::mean);
    for (std::size_t n = 0; n < 4; ++n) {
        dense[n] = layer.bias()[n];
        for (std::size_t i = 0; i < 6; ++i) dense[n] += inputs_alone[n * 6 + i] * x[i];
        EXPECT_NEAR(limit[n], std::tanh(dense[n]), 1e-8);
    }
    layer.forward(context, x, y, {.seed = 1});
    EXPECT_EQ(y[3], 1.0);  // whose bias is 800
}

// A step is worth several threads, a sample is one.
TEST(Recurrent, LargeStepsAreCutWithoutAnotherBit) {
    const Options o{.steps = 3, .inputs = 4, .units = 200, .length = 1000, .seed = 3};
    for (const std::string_view type : {"recurrent", "gru"}) {
        const Layer layer = random_recurrent(type, o, 2);
        const Values x = oracle::random_samples(layer, 1, 3);
        Values y(layer.neurons()), z(y.size());
        layer.forward(ExecutionContext({.threads = 1}), x, y, {.seed = 1});
        layer.forward_fast(ExecutionContext({.threads = 3}), x, z, {.seed = 1});
        EXPECT_EQ(y, z);
    }
}

TEST(Recurrent, NetworksClassifySequences) {
    const ExecutionContext context({.threads = 2});
    const Layer layer = random_recurrent(
        "mgu", {.steps = 4, .inputs = 2, .units = 3, .sequence = false, .length = 256, .seed = 5},
        4);
    const DenseLayer dense = oracle::random_layer(
        {.inputs = 3, .neurons = 2, .length = 256, .coding = Coding::bipolar}, 8);
    Network network({layer, dense}, context);
    const Values x = oracle::random_samples(layer, 5, 9);
    const auto in = row_major(std::span<const double>(x), 8);
    network.calibrate(context, in);
    Values y(10), again(10), hidden(15);
    network.forward_batch(context, x, y, {.seed = 6});
    network.layers()[0].forward_batch(context, x, hidden, {.seed = 6});
    const double range = network.layers()[1].input_range();
    for (double& h : hidden) h = std::clamp(h, -range, range);
    network.layers()[1].forward_batch(context, hidden, again, {.seed = 6});
    EXPECT_EQ(y, again);
    StreamArray streams = network.encode(context, std::span(x).first(8), {.seed = 6});
    network.forward_prepacked(context, streams.view(), row_major(std::span(again).first(2), 2),
                              {.seed = 6});
    EXPECT_EQ(Values(again.begin(), again.begin() + 2), Values(y.begin(), y.begin() + 2));
    std::vector<std::uint64_t> lengths(5);
    network.forward_streamed(context, in, row_major(std::span(again), 2), lengths, {.delta = 0.2});
    for (const std::uint64_t length : lengths) EXPECT_LE(length, 256u);

    const Layer first = random_recurrent(
        "recurrent", {.steps = 2, .inputs = 4, .units = 3, .leak = 0.3, .length = 64, .seed = 5},
        4);
    const Layer second = random_recurrent(
        "gru", {.steps = 2, .inputs = 3, .units = 2, .length = 64, .coding = Coding::bipolar}, 4);
    for (const Network& saved : {network, Network({first, second}, context)}) {
        const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                           ("bitaxon_recurrent_" + std::to_string(getpid()));
        saved.save(path);
        const Network loaded = Network::load(path, context);
        std::filesystem::remove(path);
        EXPECT_EQ(loaded.repr(), saved.repr());
        Values a(5 * saved.neurons()), b(a.size());
        saved.forward_batch(context, x, a, {.seed = 6});
        loaded.forward_batch(context, x, b, {.seed = 6});
        EXPECT_EQ(a, b);
    }
}

TEST(Recurrent, AFileThatAsksForWhatThereIsNotIsRefused) {
    const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                       ("bitaxon_recurrent_forged_" + std::to_string(getpid()));
    Network({random_recurrent("mgu", {.steps = 2, .inputs = 2, .units = 2, .length = 64}, 4)})
        .save(path);
    const TensorFile good = load_tensors(path);
    for (const auto& [from, to] : {std::pair{"\"none\"", "\"relu\""}, {"\"sum\"", "\"mean\""}}) {
        TensorFile forged = good;
        std::string& layers = forged.metadata["layers"];
        layers.replace(layers.find(from), std::string_view(from).size(), to);
        save_tensors(path, forged);
        try {
            Network::load(path);
            ADD_FAILURE() << to;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::file);
            EXPECT_NE(std::string_view(error.what()).find("of type 'mgu'"), std::string_view::npos)
                << error.what();
        }
    }
    std::filesystem::remove(path);
}

TEST(Recurrent, SaysWhatIsWrong) {
    const Options good{.steps = 2, .inputs = 2, .units = 2, .length = 64};
    const auto refused = [&](std::string_view type, auto change, const char* what) {
        Options o = good;
        change(o);
        try {
            make(type, o, Values((gates_of(type) + 1) * 8, 0.5), {});
            ADD_FAILURE() << what;
        } catch (const Error& error) {
            EXPECT_TRUE(std::string_view(error.what()).starts_with(what)) << error.what();
        }
    };
    refused(
        "recurrent", [](Options& o) { o.steps = 0; }, "steps: got 0");
    refused(
        "recurrent", [](Options& o) { o.steps = std::size_t{1} << 40; }, "steps, inputs, units");
    refused(
        "recurrent", [](Options& o) { o.units = 3; }, "weights: got 8 values");
    refused(
        "recurrent", [](Options& o) { o.coding = Coding::unipolar; }, "coding: got 'unipolar'");
    refused(
        "recurrent", [](Options& o) { o.leak = 0; }, "leak: got 0");
    refused(
        "gru", [](Options& o) { o.leak = 0.5; }, "leak: got 0.5");
    refused(
        "mgu", [](Options& o) { o.length = 0; }, "length");
    refused(
        "mgu", [](Options& o) { o.weight_scale = 0.25; }, "weight_scale");
    const Layer layer = random_recurrent("mgu", good, 1);
    const ExecutionContext context({.threads = 1});
    Values y(4);
    EXPECT_THROW(layer.forward(context, Values{0, 0, 0, -1}, y), Error);
    EXPECT_THROW(layer.forward(context, Values{0, 0, 0}, y), Error);
    EXPECT_THROW(
        (void)recurrent_options(DenseLayer({.inputs = 1, .neurons = 1, .length = 64}, Values{1})),
        Error);
}

// By Gelfand: the norm of W^k, to the power 1 / k.
double radius_of(Values w, std::size_t n) {
    double log_radius = 0, weight = 1;
    for (int doubling = 0; doubling < 20; ++doubling) {
        double norm = 0;
        for (const double v : w) norm += v * v;
        norm = std::sqrt(norm);
        log_radius += weight * std::log(norm);
        weight /= 2;
        Values square(n * n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t k = 0; k < n; ++k)
                for (std::size_t j = 0; j < n; ++j)
                    square[i * n + j] += w[i * n + k] / norm * w[k * n + j] / norm;
        w = square;
    }
    return std::exp(log_radius);
}

TEST(Reservoir, WeightsHaveTheRadiusAndDensityAskedFor) {
    const ReservoirOptions o{.inputs = 2,
                             .units = 30,
                             .spectral_radius = 1.25,
                             .density = 0.3,
                             .input_scale = 0.5,
                             .seed = 4};
    const Values weights = reservoir_weights(o);
    ASSERT_EQ(weights.size(), 30u * 32u);
    EXPECT_EQ(reservoir_weights(o), weights);
    Values recurrent;
    std::size_t present = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (i % 32 < 2) {
            EXPECT_LE(std::abs(weights[i]), 0.5);
            continue;
        }
        recurrent.push_back(weights[i]);
        present += weights[i] != 0.0;
    }
    EXPECT_NEAR(radius_of(recurrent, 30), 1.25, 2e-3);
    EXPECT_NEAR(static_cast<double>(present), 270.0, 5 * std::sqrt(900 * 0.3 * 0.7));  // 6e-7
    ReservoirOptions other = o;
    other.seed = 5;
    EXPECT_NE(reservoir_weights(other), weights);

    for (const auto& change :
         {+[](ReservoirOptions& w) { w.units = 0; }, +[](ReservoirOptions& w) { w.density = 0; },
          +[](ReservoirOptions& w) { w.density = 1e-9; },  // no cycle
          +[](ReservoirOptions& w) { w.spectral_radius = -1; },
          +[](ReservoirOptions& w) { w.spectral_radius = 1.7e308, w.density = 0.05; },
          +[](ReservoirOptions& w) { w.inputs = SIZE_MAX; },
          +[](ReservoirOptions& w) { w.inputs = SIZE_MAX - 29; },
          +[](ReservoirOptions& w) { w.units = std::size_t{1} << 63; },
          +[](ReservoirOptions& w) { w.units = 1 << 16; },
          +[](ReservoirOptions& w) { w.input_scale = NAN; }}) {
        other = o;
        change(other);
        EXPECT_THROW((void)reservoir_weights(other), Error);
    }
}

// Outside of cycles these matrices are nilpotent; computed as a whole, rounding had larger
// eigenvalues than the cycles.
TEST(Reservoir, CyclesAloneMakeTheRadius) {
    for (const std::uint64_t seed : {3149u, 1u, 2u, 4u}) {
        const Values weights = reservoir_weights(
            {.inputs = 1, .units = 60, .spectral_radius = 1.0, .density = 0.02, .seed = seed});
        Values recurrent;
        for (std::size_t i = 0; i < weights.size(); ++i)
            if (i % 61 != 0) recurrent.push_back(weights[i]);
        EXPECT_NEAR(radius_of(recurrent, 60), 1.0, 1e-3) << seed;
    }
}

TEST(Reservoir, AStopEndsDrawingAndFitting) {
    std::stop_source stop;
    stop.request_stop();
    const ExecutionContext stopped =
        ExecutionContext::shared().watched({.progress = {}, .stop = stop.get_token()});
    const Values x = {0.5, 0.25};
    const auto column = row_major(std::span<const double>(x), 1);
    for (const auto& call :
         {std::function<void()>(
              [&] { (void)reservoir_weights({.inputs = 1, .units = 3}, stopped); }),
          std::function<void()>([&] { (void)fit_readout(column, column, 1e-6, stopped); })}) {
        try {
            call();
            ADD_FAILURE();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::cancelled);
        }
    }
}

TEST(Reservoir, FewUnitsHaveACycleUnlessADensityIsGiven) {
    for (const std::size_t units : {1u, 3u, 10u, 12u, 20u})
        for (std::uint64_t seed = 0; seed < 40; ++seed)
            EXPECT_NO_THROW((void)reservoir_weights({.inputs = 1, .units = units, .seed = seed}));
    try {
        (void)reservoir_weights({.inputs = 1, .units = 3, .density = 1e-9, .seed = 77});
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("3 units with seed 77"), std::string::npos);
    }
}

// At the minimum the gradient is 0; the larger sizes take several pieces.
TEST(Reservoir, ReadoutsHaveNoGradientLeft) {
    struct Sizes {
        std::size_t samples, states, targets;
    };
    const double ridge = 0.3;
    for (const auto& [samples, states, targets] : {Sizes{40, 5, 2}, Sizes{270, 130, 131}}) {
        const Values of_states = oracle::uniform(samples * states, -1, 1, 1);
        const Values of_targets = oracle::uniform(samples * targets, -1, 1, 2);
        const auto x = row_major(std::span<const double>(of_states), states);
        const auto y = row_major(std::span<const double>(of_targets), targets);
        const Readout readout = fit_readout(x, y, ridge);
        const double tolerance = 2.5e-14 * static_cast<double>(samples);
        for (std::size_t n = 0; n < targets; ++n) {
            const double* weights = &readout.weights[n * states];
            double of_bias = 0;
            Values gradient;
            for (std::size_t i = 0; i < states; ++i) gradient.push_back(ridge * weights[i]);
            for (std::size_t r = 0; r < samples; ++r) {
                double error = readout.bias[n] - y(r, n);
                for (std::size_t i = 0; i < states; ++i) error += weights[i] * x(r, i);
                of_bias += error;
                for (std::size_t i = 0; i < states; ++i) gradient[i] += error * x(r, i);
            }
            EXPECT_NEAR(of_bias, 0, tolerance);
            for (const double g : gradient) EXPECT_NEAR(g, 0, tolerance);
        }
    }
}

TEST(Reservoir, WrongReadoutsAreRefused) {
    constexpr std::size_t kSamples = 40, kStates = 5;
    const Values states = oracle::uniform(kSamples * kStates, -1, 1, 1);
    const Values targets = oracle::uniform(kSamples, -1, 1, 2);
    const auto x = row_major(std::span<const double>(states), kStates);
    const auto y = row_major(std::span<const double>(targets), 1);
    const double ridge = 0.3;
    EXPECT_THROW((void)fit_readout(x, y, -1), Error);
    EXPECT_THROW((void)fit_readout(x.rows_from(0, 3), y, ridge), Error);
    EXPECT_THROW((void)fit_readout(x.rows_from(0, 3), y.rows_from(0, 3), 0.0), Error);
    EXPECT_THROW((void)fit_readout(x.rows_from(0, 0), y.rows_from(0, 0), ridge), Error);
    Values bad = states;
    bad[7] = NAN;
    EXPECT_THROW((void)fit_readout(row_major(std::span<const double>(bad), kStates), y, ridge),
                 Error);
}

}  // namespace
}  // namespace bitaxon
