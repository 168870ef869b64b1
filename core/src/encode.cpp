#include <bitaxon/core/encode.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <variant>
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

namespace {

void check_time(std::uint64_t first_bit, std::uint64_t length) {
    if (first_bit > kMaxTime - length)
        throw_error(ErrorCode::invalid_value, "first_bit", fmt::format("{}", first_bit),
                    "first_bit + length of at most 2^61");
}

struct BernoulliRow {
    std::vector<std::uint64_t> key_a, key_b, thresholds;

    kernels::BernoulliBlock block(std::size_t first_stream, std::size_t words_per_stream,
                                  std::uint64_t first_time_word) const {
        return {.key_a = key_a.data() + first_stream,
                .key_b = key_b.data() + first_stream,
                .thresholds = thresholds.data() + first_stream,
                .words_per_stream = words_per_stream,
                .first_time_word = first_time_word,
                .tail_mask = ~std::uint64_t{0},
                .first_word = 0,
                .words = words_per_stream,
                .out = nullptr};
    }
};

constexpr std::size_t kPieceWords = 1 << 14;

// From a whole word on: pieces of a row are independent of one another, wherever they are cut.
void encode_whole_words(const ExecutionContext& context, const BernoulliRow& row,
                        std::uint64_t first_time_word, StreamArray& streams) {
    const std::size_t words = streams.streams() * streams.words_per_stream();
    context.parallel_for((words + kPieceWords - 1) / kPieceWords, [&](std::size_t piece) {
        kernels::BernoulliBlock block = row.block(0, streams.words_per_stream(), first_time_word);
        block.tail_mask = tail_mask(streams.length());
        block.first_word = piece * kPieceWords;
        block.words = std::min(kPieceWords, words - block.first_word);
        block.out = streams.row(0) + block.first_word;
        context.kernels().encode_bernoulli(block);
    });
}

// From inside a word on: a stream's words are drawn with one more, and shifted.
void encode_shifted(const ExecutionContext& context, const BernoulliRow& row,
                    std::uint64_t first_bit, StreamArray& streams) {
    const std::size_t words = streams.words_per_stream();
    const std::uint64_t shift = first_bit % 64;
    const std::size_t parts = (words + kPieceWords - 1) / kPieceWords;
    context.parallel_for(streams.streams() * parts, [&](std::size_t piece) {
        const std::size_t i = piece / parts;
        const std::size_t first = piece % parts * kPieceWords;
        const std::size_t count = std::min(kPieceWords, words - first);
        AlignedWords whole(count + 1);
        kernels::BernoulliBlock block = row.block(i, words + 1, first_bit / 64);
        block.first_word = first;
        block.words = count + 1;
        block.out = whole.data();
        context.kernels().encode_bernoulli(block);
        std::uint64_t* out = streams.row(0) + i * words + first;
        for (std::size_t k = 0; k < count; ++k)
            out[k] = whole.data()[k] >> shift | whole.data()[k + 1] << (64 - shift);
        if (first + count == words) out[count - 1] &= tail_mask(streams.length());
    });
}

StreamArray encode_bernoulli(const ExecutionContext& context, std::span<const double> values,
                             std::uint64_t length, Coding coding, const StreamOrigin& origin,
                             std::uint64_t first_bit) {
    BernoulliRow row{
        std::vector<std::uint64_t>(values.size()), std::vector<std::uint64_t>(values.size()), {}};
    for (const double p : all_coded(values, coding)) row.thresholds.push_back(threshold(p));
    StreamArray streams(1, values.size(), length);
    check_time(first_bit, length);

    const std::uint64_t base = key_base(origin.seed, origin.layer, origin.role, origin.sample);
    context.kernels().stream_keys(base, origin.first_index, values.size(), row.key_a.data(),
                                  row.key_b.data());
    std::vector<SourceId> sources(values.size());
    for (std::size_t i = 0; i < sources.size(); ++i)
        sources[i] = source_id({row.key_a[i], row.key_b[i]});
    streams.set_sources(std::move(sources));

    if (first_bit % 64 == 0)
        encode_whole_words(context, row, first_bit / 64, streams);
    else
        encode_shifted(context, row, first_bit, streams);
    return streams;
}

// Numbers of a piece of time, and every stream compared with them.
StreamArray encode_by_comparison(const ExecutionContext& context, std::span<const double> values,
                                 std::uint64_t length, Coding coding, Encoder encoder,
                                 std::uint64_t first_index, std::uint64_t first_bit) {
    const std::vector<double> probabilities = all_coded(values, coding);
    StreamArray streams(1, values.size(), length);
    check_time(first_bit, length);
    if (std::holds_alternative<Counter>(encoder.kind) && encoder.index.period == 0) {
        if (first_bit != 0)
            throw_error(ErrorCode::invalid_value, "period", "none with a first_bit",
                        "a period: part of a stream does not know the length of the whole");
        encoder.index.period = length;
    }
    const Sequence first(encoder, first_index);
    static_cast<void>(for_stream(encoder, first_index + (values.size() - 1)));  // may not exist
    std::vector<std::uint64_t> thresholds(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        thresholds[i] = first.threshold(probabilities[i]);
    std::vector<SourceId> sources(values.size(), first.source());

    constexpr std::uint64_t kPartBits = 1 << 12;  // whose numbers stay in L1
    constexpr std::uint64_t kPieceBits = 1 << 18;
    const std::uint64_t part_bits = std::min(kPartBits, length);
    const auto parts = static_cast<std::size_t>((length + kPartBits - 1) / kPartBits);
    const auto group = static_cast<std::size_t>(kPieceBits / part_bits);
    const std::size_t groups = (values.size() + group - 1) / group;
    context.parallel_for(parts * groups, [&](std::size_t piece) {
        const std::uint64_t start = piece % parts * kPartBits;
        std::array<std::uint32_t, kPartBits> buffer;
        const auto numbers =
            std::span(buffer).first(static_cast<std::size_t>(std::min(kPartBits, length - start)));
        const std::size_t begin = piece / parts * group;
        const std::size_t end = std::min(begin + group, values.size());
        for (std::size_t i = begin; i < end; ++i) {
            context.check();  // each may be the first to touch a page
            if (i == begin || !first.is_shared()) {
                const Sequence own = first.at(first_index + i);
                own.fill(first_bit + start, numbers, thresholds[i]);
                if (start == 0) sources[i] = own.source();
            }
            context.kernels().encode_threshold(numbers.data(), numbers.size(), thresholds[i],
                                               streams.row(0) + i * streams.words_per_stream() +
                                                   start / 64);
        }
    });
    streams.set_sources(std::move(sources));
    return streams;
}

}  // namespace

StreamArray encode(const ExecutionContext& context, std::span<const double> values,
                   std::uint64_t length, Coding coding, const StreamOrigin& origin) {
    return encode(context, values, length, coding, Encoder{Bernoulli{}}, origin);
}

StreamArray encode(const ExecutionContext& context, std::span<const double> values,
                   std::uint64_t length, Coding coding, const Encoder& encoder,
                   const StreamOrigin& origin, std::uint64_t first_bit) {
    // Values before memory: streams can be large, and a bad value must not cost them.
    check_layer(origin.layer);
    if (origin.first_index > kMaxIndex - values.size())
        throw_error(ErrorCode::invalid_value, "first_index", fmt::format("{}", origin.first_index),
                    "indices below 2^63: larger ones would name other streams again");
    if (!std::holds_alternative<Bernoulli>(encoder.kind))
        return encode_by_comparison(context, values, length, coding, encoder, origin.first_index,
                                    first_bit);
    if (encoder != Encoder{Bernoulli{}})
        throw_error(ErrorCode::invalid_value, "encoder", describe(encoder),
                    "Bernoulli alone: its streams have no index, rotation or step");
    return encode_bernoulli(context, values, length, coding, origin, first_bit);
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
        context.check();
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
    return encode(context, values, length, coding, Encoder{Lfsr{.bits = 16, .seed = seed}});
}

}  // namespace bitaxon
