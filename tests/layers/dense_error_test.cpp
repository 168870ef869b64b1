// Everything that a caller can get wrong has a named error.
#include <bitaxon/layers/dense.hpp>

#include <bitaxon/core/error.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace bitaxon {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Call>
void expect_error(ErrorCode code, const std::string& part, Call call) {
    try {
        call();
        FAIL() << "nothing was thrown; expected an error with '" << part << "'";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        const std::string message = error.what();
        EXPECT_NE(message.find(part), std::string::npos) << message;
        EXPECT_NE(message.find("got"), std::string::npos) << message;
        EXPECT_NE(message.find("expected"), std::string::npos) << message;
    }
}

const ExecutionContext& context() {
    static const ExecutionContext instance({.threads = 1});
    return instance;
}

DenseOptions options(Coding coding = Coding::unipolar) {
    return {.inputs = 4, .neurons = 2, .length = 128, .coding = coding, .seed = 1};
}

DenseLayer layer(Coding coding = Coding::unipolar) {
    return DenseLayer(options(coding), std::vector<double>(8, 0.5));
}

TEST(DenseErrors, Construction) {
    const std::vector<double> weights(8, 0.5);
    const auto with = [&](auto change) {
        return [=] {
            DenseOptions o = options();
            std::vector<double> w(8, 0.5);
            std::vector<double> bias(2, 0.0);
            change(o, w, bias);
            DenseLayer made(o, w, bias);
        };
    };
    using O = DenseOptions&;
    using V = std::vector<double>&;
    expect_error(ErrorCode::invalid_shape, "inputs", with([](O o, V, V) { o.inputs = 0; }));
    expect_error(ErrorCode::invalid_shape, "neurons", with([](O o, V, V) { o.neurons = 0; }));
    expect_error(ErrorCode::invalid_value, "length: got 0", with([](O o, V, V) { o.length = 0; }));
    expect_error(ErrorCode::invalid_value, "length: got 1099511627776",
                 with([](O o, V, V) { o.length = std::uint64_t{1} << 40; }));
    expect_error(ErrorCode::invalid_shape, "weights", with([](O, V w, V) { w.resize(7); }));
    expect_error(ErrorCode::invalid_value, "weights[1][3]: got nan",
                 with([](O, V w, V) { w[7] = kNan; }));
    expect_error(ErrorCode::invalid_value, "weights[0][0]: got inf",
                 with([](O, V w, V) { w[0] = kInfinity; }));
    expect_error(ErrorCode::invalid_value, "weights[0][1]: got -0.25",
                 with([](O, V w, V) { w[1] = -0.25; }));
    expect_error(ErrorCode::invalid_shape, "bias", with([](O, V, V b) { b.resize(3); }));
    expect_error(ErrorCode::invalid_value, "bias[1]: got nan",
                 with([](O, V, V b) { b[1] = kNan; }));
    expect_error(ErrorCode::invalid_value, "weight_scale",
                 with([](O o, V, V) { o.weight_scale = 0.4; }));
    expect_error(ErrorCode::invalid_value, "weight_scale",
                 with([](O o, V, V) { o.weight_scale = kNan; }));
    expect_error(ErrorCode::invalid_value, "input_range",
                 with([](O o, V, V) { o.input_range = 0.0; }));
    expect_error(ErrorCode::invalid_value, "input_range",
                 with([](O o, V, V) { o.input_range = kInfinity; }));
    expect_error(ErrorCode::invalid_value, "layer id",
                 with([](O o, V, V) { o.id = std::uint64_t{1} << 56; }));
    // Sizes whose product leaves 2^53 bits: found before a weight is read.
    DenseOptions huge = options();
    huge.inputs = std::size_t{1} << 30;
    huge.length = std::uint64_t{1} << 31;
    expect_error(ErrorCode::invalid_value, "2^53", [&] {
        DenseLayer(huge, MatrixView<const double>{nullptr, 2, huge.inputs});
    });
}

TEST(DenseErrors, Samples) {
    std::vector<double> y(2);
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar}) {
        const DenseLayer made = layer(coding);
        const double low = coding == Coding::bipolar ? -1.0 : 0.0;
        for (const double bad : {kNan, kInfinity, -kInfinity, 1.0000001, low - 1e-9}) {
            std::vector<double> x(4, 0.5);
            x[2] = bad;
            expect_error(ErrorCode::invalid_value, "samples[0][2]",
                         [&] { made.forward(context(), x, y); });
            expect_error(ErrorCode::invalid_value, "samples[0][2]",
                         [&] { made.forward_fast(context(), x, y); });
            expect_error(ErrorCode::invalid_value, "samples[0][2]",
                         [&] { made.forward_batch(context(), x, y); });
            expect_error(ErrorCode::invalid_value, "samples[0][2]",
                         [&] { made.encode(context(), x); });
            const auto xs = row_major(std::span<const double>(x), 4);
            const auto ys = row_major(std::span<double>(y), 2);
            expect_error(ErrorCode::invalid_value, "samples[0][2]",
                         [&] { made.forward_streamed(context(), xs, ys, {}); });
            expect_error(ErrorCode::invalid_value, "samples[0][2]",
                         [&] { made.forward_expected(context(), xs, ys); });
        }
        for (const double good : {low, 1.0})
            made.forward(context(), std::vector<double>(4, good), y);
    }
}

TEST(DenseErrors, ShapesOfSamplesAndOutputs) {
    const DenseLayer made = layer();
    std::vector<double> x(4, 0.5), y(2), narrow(3, 0.5), wide(3);
    expect_error(ErrorCode::invalid_shape, "samples: got 3 columns",
                 [&] { made.forward(context(), narrow, y); });
    expect_error(ErrorCode::invalid_shape, "out", [&] { made.forward(context(), x, wide); });
    expect_error(ErrorCode::invalid_shape, "samples",
                 [&] { made.forward_batch(context(), narrow, y); });
    expect_error(ErrorCode::invalid_shape, "out", [&] { made.forward_batch(context(), x, wide); });
    made.forward_batch(context(), std::span<const double>(),
                       std::span<double>());  // no samples, no error
}

TEST(DenseErrors, OutputsThatOverlapTheSamplesOrThemselves) {
    const DenseLayer made = layer();
    std::vector<double> memory(16, 0.5);
    const std::span<double> all(memory);
    expect_error(ErrorCode::invalid_shape, "overlaps", [&] {
        made.forward_batch(context(), std::span<const double>(all.subspan(0, 8)),
                           all.subspan(7, 4));
    });
    made.forward_batch(context(), std::span<const double>(all.subspan(0, 8)), all.subspan(8, 4));
    std::fill(memory.begin(), memory.end(), 0.5);
    expect_error(ErrorCode::invalid_shape, "share memory", [&] {
        made.forward_batch(context(), row_major(std::span<const double>(all.subspan(0, 8)), 4),
                           MatrixView<double>{&memory[8], 2, 2, 0, 1});
    });
}

TEST(DenseErrors, OutputsWhoseRowsOverlap) {
    const DenseLayer made = layer();
    std::vector<double> x(8, 0.5), y(8);
    const auto xs = row_major(std::span<const double>(x), 4);
    expect_error(ErrorCode::invalid_shape, "share memory", [&] {
        made.forward_batch(context(), xs, MatrixView<double>{y.data(), 2, 2, 1, 1});
    });
    made.forward_batch(context(), xs, MatrixView<double>{y.data(), 2, 2, 1, 2});  // transposed
    made.forward_batch(context(), xs, MatrixView<double>{y.data() + 3, 2, 2, -2, 1});
}

TEST(DenseErrors, OutputsInTheStreamsMemory) {
    const DenseLayer made = layer();
    StreamArray streams(1, 4, 128);
    expect_error(ErrorCode::invalid_shape, "overlaps", [&] {
        made.forward_prepacked(context(), streams.view(),
                               {reinterpret_cast<double*>(streams.row(0) + 6), 1, 2, 2, 1});
    });
}

TEST(DenseErrors, SampleNumbersThatWouldWrap) {
    const DenseLayer made = layer();
    std::vector<double> x(8, 0.5), y(4);
    const std::uint64_t last = ~std::uint64_t{0};
    made.forward_batch(context(), x, y, {.sample = last - 1});
    expect_error(ErrorCode::invalid_value, "sample",
                 [&] { made.forward_batch(context(), x, y, {.sample = last}); });
}

TEST(DenseErrors, ScalesWhoseProductOverflows) {
    DenseOptions o = options();
    o.input_range = 1e200;
    expect_error(ErrorCode::invalid_value, "finite",
                 [&] { DenseLayer(o, std::vector<double>(8, 1e200)); });
    DenseLayer made(options(), std::vector<double>(8, 1e200));
    expect_error(ErrorCode::invalid_value, "finite", [&] { made.set_input_range(1e200); });
    EXPECT_EQ(made.input_range(), 1.0);
}

TEST(DenseErrors, Streams) {
    const DenseLayer made = layer();
    std::vector<double> y(2);
    const auto out = row_major(std::span<double>(y), 2);
    const StreamArray good(1, 4, 128);
    made.forward_prepacked(context(), good.view(), out);
    expect_error(ErrorCode::invalid_shape, "streams",
                 [&] { made.forward_prepacked(context(), StreamArray(1, 3, 128).view(), out); });
    expect_error(ErrorCode::invalid_shape, "streams",
                 [&] { made.forward_prepacked(context(), StreamArray(1, 4, 127).view(), out); });
    DenseOptions short_options = options();
    short_options.length = 100;
    const DenseLayer other(short_options, std::vector<double>(8, 0.5));
    StreamArray dirty(1, 4, 100);
    dirty.row(0)[3] = ~std::uint64_t{0};
    expect_error(ErrorCode::invalid_value, "streams[0][1]",
                 [&] { other.forward_prepacked(context(), dirty.view(), out); });
}

TEST(DenseErrors, StreamedOptions) {
    const DenseLayer made = layer();
    std::vector<double> x(4, 0.5), y(2);
    std::vector<std::uint64_t> lengths(3);
    const auto xs = row_major(std::span<const double>(x), 4);
    const auto ys = row_major(std::span<double>(y), 2);
    for (const double delta : {0.0, 1.0, -0.5, kNan})
        expect_error(ErrorCode::invalid_value, "delta",
                     [&] { made.forward_streamed(context(), xs, ys, {}, {.delta = delta}); });
    for (const std::uint64_t block : {0u, 63u, 100u})
        expect_error(ErrorCode::invalid_value, "block_length", [&] {
            made.forward_streamed(context(), xs, ys, {}, {.block_length = block});
        });
    expect_error(ErrorCode::invalid_shape, "lengths",
                 [&] { made.forward_streamed(context(), xs, ys, lengths); });
}

TEST(DenseErrors, NamesListTheirChoices) {
    expect_error(ErrorCode::invalid_value, "split-unipolar", [] { parse_coding("trinary"); });
    expect_error(ErrorCode::invalid_value, "sum, mean", [] { parse_scale("max"); });
    expect_error(ErrorCode::invalid_value, "none, relu, clip", [] { parse_activation("tanh"); });
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar})
        EXPECT_EQ(parse_coding(name(coding)), coding);
    for (const Activation a : {Activation::none, Activation::relu, Activation::clip})
        EXPECT_EQ(parse_activation(name(a)), a);
}

TEST(DenseErrors, AFailedSetWeightsChangesNothing) {
    DenseLayer made = layer();
    const std::string before = made.checksum();
    std::vector<double> bad(8, 0.5);
    bad[3] = kNan;
    EXPECT_THROW(made.set_weights(row_major(std::span<const double>(bad), 4)), Error);
    EXPECT_EQ(made.checksum(), before);
    EXPECT_EQ(made.weights()[3], 0.5);
}

}  // namespace
}  // namespace bitaxon
