#include <bitaxon/core/formats.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace bitaxon {
namespace {

constexpr std::size_t kMaxSummands = 65535;

void check_value(bool holds, std::size_t index, double value, std::string_view expected) {
    if (!holds)
        throw_error(ErrorCode::invalid_value, fmt::format("values[{}]", index),
                    fmt::format("{}", value), expected);
}

void check_size(std::string_view name, std::size_t got, std::size_t expected) {
    if (got != expected)
        throw_error(ErrorCode::invalid_shape, name, fmt::format("{}", got),
                    fmt::format("{}", expected));
}

StreamArray draw(const ExecutionContext& context, std::span<const double> values,
                 std::uint64_t length, Coding coding, const Drawing& drawing) {
    return encode(context, values, length, coding, drawing.encoder, drawing.origin);
}

}  // namespace

SplitStreams encode_split(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t length, const Drawing& drawing) {
    std::vector<double> magnitudes(values.size());
    std::vector<std::uint8_t> negative(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        check_value(std::abs(values[i]) <= 1, i, values[i], "a number in [-1, 1]");
        magnitudes[i] = std::abs(values[i]);
        negative[i] = values[i] < 0;
    }
    return {draw(context, magnitudes, length, Coding::split_unipolar, drawing),
            std::move(negative)};
}

void decode_split(const ExecutionContext& context, const StreamView& magnitudes,
                  std::span<const std::uint8_t> negative, std::span<double> out) {
    check_size("negative", negative.size(), magnitudes.rows * magnitudes.streams);
    decode(context, magnitudes, Coding::split_unipolar, out);
    for (std::size_t i = 0; i < out.size(); ++i)
        if (negative[i]) out[i] = 0.0 - out[i];
}

StreamArray encode_ratio(const ExecutionContext& context, std::span<const double> values,
                         std::uint64_t length, const Drawing& drawing) {
    std::vector<double> probabilities(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        check_value(values[i] >= 0 && std::isfinite(values[i]), i, values[i],
                    "a finite number of 0 or above");
        probabilities[i] = values[i] / (1 + values[i]);
    }
    return draw(context, probabilities, length, Coding::unipolar, drawing);
}

void decode_ratio(const ExecutionContext& context, const StreamView& streams,
                  std::span<double> out) {
    decode(context, streams, Coding::unipolar, out);
    const auto length = static_cast<double>(streams.length);
    for (double& value : out) {
        const double ones = std::round(value * length);
        value = ones / (length - ones);
    }
}

ExtendedStreams encode_extended(const ExecutionContext& context, std::span<const double> values,
                                std::uint64_t length, const Drawing& numerators,
                                const Drawing& denominators) {
    std::vector<double> above(values.size());
    std::vector<double> below(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double magnitude = std::abs(values[i]);
        check_value(std::isfinite(values[i]), i, values[i], "a finite number");
        above[i] = magnitude <= 1 ? values[i] : std::copysign(1.0, values[i]);
        below[i] = magnitude <= 1 ? 1.0 : 1 / magnitude;
    }
    Drawing other = denominators;
    if (std::holds_alternative<Bernoulli>(other.encoder.kind) && other == numerators)
        other.origin.first_index += values.size();
    ExtendedStreams streams{draw(context, above, length, Coding::bipolar, numerators),
                            draw(context, below, length, Coding::bipolar, other)};
    check_independent(streams.numerators.sources(), streams.denominators.sources());
    return streams;
}

void decode_extended(const ExecutionContext& context, const StreamView& numerators,
                     const StreamView& denominators, std::span<double> out) {
    check_size("denominators", denominators.rows * denominators.streams,
               numerators.rows * numerators.streams);
    std::vector<double> below(out.size());
    decode(context, numerators, Coding::bipolar, out);
    decode(context, denominators, Coding::bipolar, below);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] /= below[i];
}

StreamArray encode_integral(const ExecutionContext& context, std::span<const double> values,
                            std::uint64_t length, std::size_t summands, Coding coding,
                            const Drawing& drawing) {
    if (summands < 1 || summands > kMaxSummands)
        throw_error(ErrorCode::invalid_value, "summands", fmt::format("{}", summands),
                    "1 to 65535");
    const auto most = static_cast<double>(summands);
    const double least = coding == Coding::bipolar ? -most : 0.0;
    std::vector<double> shares;
    for (std::size_t i = 0; i < values.size(); ++i) {
        check_value(values[i] >= least && values[i] <= most, i, values[i],
                    fmt::format("a number in [{}, {}]", least, most));
        shares.insert(shares.end(), summands, values[i] / most);
    }
    StreamArray flat = draw(context, shares, length, coding, drawing);
    StreamArray streams(values.size(), summands, length);
    const std::size_t row_words = summands * streams.words_per_stream();
    for (std::size_t i = 0; i < values.size(); ++i)
        std::copy_n(flat.row(0) + i * row_words, row_words, streams.row(i));
    streams.set_sources({flat.sources().begin(), flat.sources().end()});
    return streams;
}

void integral_elements(const ExecutionContext& context, const StreamView& streams,
                       std::span<std::uint16_t> sums) {
    check_length(streams.streams, streams.length);
    if (streams.streams > kMaxSummands)
        throw_error(ErrorCode::invalid_shape, "streams", fmt::format("{} a row", streams.streams),
                    "at most 65535");
    check_size("sums", sums.size(), streams.rows * streams.length);
    check_tails(streams);
    const auto length = static_cast<std::size_t>(streams.length);
    context.parallel_for(streams.rows, [&](std::size_t row) {
        const std::span<std::uint16_t> elements = sums.subspan(row * length, length);
        std::ranges::fill(elements, std::uint16_t{0});
        std::vector<std::uint8_t> bits(length);
        for (std::size_t k = 0; k < streams.streams; ++k) {
            context.check();
            context.kernels().unpack(streams.stream(row, k), length, bits.data());
            for (std::size_t t = 0; t < length; ++t)
                elements[t] = static_cast<std::uint16_t>(elements[t] + bits[t]);
        }
    });
}

void decode_integral(const ExecutionContext& context, const StreamView& streams, Coding coding,
                     std::span<double> out) {
    check_size("out", out.size(), streams.rows);
    check_length(streams.streams, streams.length);
    check_tails(streams);
    const auto length = static_cast<double>(streams.length);
    for (std::size_t row = 0; row < streams.rows; ++row) {
        std::uint64_t ones = 0;
        for (std::size_t k = 0; k < streams.streams; ++k) {
            context.check();
            ones += context.kernels().popcount(streams.stream(row, k), words_for(streams.length));
        }
        const double mean = static_cast<double>(ones) / length;
        out[row] =
            coding == Coding::bipolar ? 2 * mean - static_cast<double>(streams.streams) : mean;
    }
}

StreamArray to_bipolar(const ExecutionContext& context, const StreamView& streams,
                       const StreamView& half, std::span<const std::uint8_t> negative) {
    if (!negative.empty()) check_size("negative", negative.size(), streams.rows * streams.streams);
    if (half.rows * half.streams != 1)
        throw_error(ErrorCode::invalid_shape, "half",
                    fmt::format("{} streams", half.rows * half.streams), "one stream");
    if (half.length != streams.length)
        throw_error(ErrorCode::invalid_shape, "half", fmt::format("{} bits", half.length),
                    fmt::format("{} bits, as the streams", streams.length));
    check_tails(streams);
    check_tails(half);
    StreamArray result(streams.rows, streams.streams, streams.length);
    const kernels::KernelTable& kernels = context.kernels();
    for (std::size_t i = 0; i < streams.rows * streams.streams; ++i) {
        context.check();
        const std::size_t row = i / streams.streams;
        std::uint64_t* out = result.row(row) + i % streams.streams * result.words_per_stream();
        kernels.bit_or(streams.stream(row, i % streams.streams), half.words, out,
                       result.words_per_stream());
        if (!negative.empty() && negative[i])
            kernels.bit_not(out, out, static_cast<std::size_t>(streams.length));
    }
    return result;
}

ExtendedStreams to_extended(const StreamArray& bipolar) {
    StreamArray ones(bipolar.rows(), bipolar.streams(), bipolar.length());
    const std::size_t words = ones.words_per_stream();
    for (std::size_t row = 0; row < ones.rows(); ++row)
        for (std::size_t k = 0; k < ones.streams() * words; ++k)
            ones.row(row)[k] =
                k % words + 1 == words ? tail_mask(ones.length()) : ~std::uint64_t{0};
    return {bipolar, std::move(ones)};
}

StreamArray reencode(const ExecutionContext& context, const StreamView& streams, Coding from,
                     Coding to, std::uint64_t length, const Drawing& drawing) {
    if (streams.rows != 1)
        throw_error(ErrorCode::invalid_shape, "streams", fmt::format("{} rows", streams.rows),
                    "one row");
    std::vector<double> values(streams.streams);
    decode(context, streams, from, values);
    return draw(context, values, length, to, drawing);
}

}  // namespace bitaxon
