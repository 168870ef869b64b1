#include <bitaxon/core/encode.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace bitaxon {
namespace {

constexpr std::array<std::pair<Coding, std::string_view>, 3> kCodings = {{
    {Coding::unipolar, "unipolar"},
    {Coding::bipolar, "bipolar"},
    {Coding::split_unipolar, "split-unipolar"},
}};

double lowest(Coding coding) { return coding == Coding::bipolar ? -1.0 : 0.0; }

// The probability of a value; the comparison is written so that NaN fails it.
double coded(double value, std::size_t index, Coding coding) {
    if (!(value >= lowest(coding) && value <= 1.0))
        throw_error(ErrorCode::invalid_value, fmt::format("values[{}]", index),
                    fmt::format("{}", value),
                    fmt::format("a number in [{}, 1] ({} coding)", lowest(coding), name(coding)));
    return coding == Coding::bipolar ? (value + 1.0) * 0.5 : value;
}

std::vector<double> all_coded(std::span<const double> values, Coding coding) {
    std::vector<double> probabilities(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) probabilities[i] = coded(values[i], i, coding);
    return probabilities;
}

}  // namespace

std::string_view name(Coding coding) noexcept {
    return kCodings[static_cast<std::size_t>(coding)].second;
}

Coding parse_coding(std::string_view text) {
    for (const auto& [coding, coding_name] : kCodings)
        if (coding_name == text) return coding;
    throw_error(ErrorCode::invalid_value, "coding", fmt::format("'{}'", text),
                "unipolar, bipolar or split-unipolar");
}

StreamArray encode(const ExecutionContext& context, std::span<const double> values,
                   std::uint64_t length, Coding coding, const StreamOrigin& origin) {
    // Values before memory: streams can be large, and a bad value must not cost them.
    check_layer(origin.layer);
    if (origin.first_index > kMaxIndex - values.size())
        throw_error(ErrorCode::invalid_value, "first_index", fmt::format("{}", origin.first_index),
                    "indices below 2^63: larger ones would name other streams again");
    std::vector<std::uint64_t> thresholds;
    for (const double p : all_coded(values, coding)) thresholds.push_back(threshold(p));
    StreamArray streams(1, values.size(), length);

    std::vector<std::uint64_t> key_a(values.size());
    std::vector<std::uint64_t> key_b(values.size());
    const std::uint64_t base = key_base(origin.seed, origin.layer, origin.role, origin.sample);
    context.kernels().stream_keys(base, origin.first_index, values.size(), key_a.data(),
                                  key_b.data());

    // Pieces of a row are independent of one another, wherever they are cut.
    const std::size_t words = values.size() * words_for(length);
    constexpr std::size_t kPieceWords = 1 << 14;
    context.parallel_for((words + kPieceWords - 1) / kPieceWords, [&](std::size_t piece) {
        const std::size_t first = piece * kPieceWords;
        context.kernels().encode_bernoulli({.key_a = key_a.data(),
                                            .key_b = key_b.data(),
                                            .thresholds = thresholds.data(),
                                            .words_per_stream = words_for(length),
                                            .first_time_word = 0,
                                            .tail_mask = tail_mask(length),
                                            .first_word = first,
                                            .words = std::min(kPieceWords, words - first),
                                            .out = streams.row(0) + first});
    });
    return streams;
}

void decode(const ExecutionContext& context, const StreamView& streams, Coding coding,
            std::span<double> out) {
    if (out.size() != streams.rows * streams.streams)
        throw_error(ErrorCode::invalid_shape, "out", fmt::format("{} values", out.size()),
                    fmt::format("{} (rows * streams)", streams.rows * streams.streams));
    check_length(streams.streams, streams.length);
    check_tails(streams);
    const std::size_t words = words_for(streams.length);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::uint64_t ones = context.kernels().popcount(
            streams.stream(i / streams.streams, i % streams.streams), words);
        const double share = static_cast<double>(ones) / static_cast<double>(streams.length);
        out[i] = coding == Coding::bipolar ? 2.0 * share - 1.0 : share;
    }
}

Lfsr16::Lfsr16(std::uint16_t seed) : state_(seed) {
    if (seed == 0)
        throw_error(ErrorCode::invalid_value, "seed", "0",
                    "1 to 65535: an LFSR never leaves state 0");
}

void Lfsr16::step() noexcept {
    const unsigned s = state_;
    const unsigned feedback = ((s >> 15) ^ (s >> 13) ^ (s >> 12) ^ (s >> 10)) & 1;
    state_ = static_cast<std::uint16_t>(s << 1 | feedback);
}

StreamArray encode_lfsr16(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t length, std::uint16_t seed, Coding coding) {
    const std::vector<double> probabilities = all_coded(values, coding);
    Lfsr16 lfsr(seed);
    StreamArray streams(1, values.size(), length);
    // The sequence repeats after its period, so a part at a time is kept: whole words of it.
    constexpr std::size_t kPartBits = 1 << 16;
    std::vector<std::uint32_t> sequence(std::min<std::uint64_t>(length, kPartBits));
    for (std::uint64_t first = 0; first < length; first += kPartBits) {
        const std::size_t bits =
            static_cast<std::size_t>(std::min<std::uint64_t>(kPartBits, length - first));
        for (std::size_t t = 0; t < bits; ++t, lfsr.step()) sequence[t] = lfsr.state();
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto limit =
                static_cast<std::uint64_t>(std::nearbyint(probabilities[i] * 65536.0));
            context.kernels().encode_threshold(sequence.data(), bits, limit,
                                               streams.row(0) + i * words_for(length) + first / 64);
        }
    }
    return streams;
}

}  // namespace bitaxon
