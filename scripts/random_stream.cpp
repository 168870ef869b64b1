// Random words on standard output, without end, for scripts/dieharder: random_stream planes|...
#include <bitaxon/kernels/random_word.hpp>
#include <bitaxon/kernels/tier.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

using namespace bitaxon::kernels;
using u64 = std::uint64_t;

constexpr std::size_t kStreams = 4096;
constexpr u64 kSeed = 1;

// Keys of streams first ... first + kStreams - 1 of layer 0, role 0; k as core/random.hpp derives
// it.
struct Keys {
    std::vector<u64> a = std::vector<u64>(kStreams);
    std::vector<u64> b = std::vector<u64>(kStreams);

    Keys(u64 sample, u64 first) {
        const u64 k = mix(mix(mix(kSeed + kGolden)) + sample * kGolden);
        table(best_tier())->stream_keys(k, first, kStreams, a.data(), b.data());
    }
};

// Each layout fills a block of words; blocks follow one another without end.
using Block = std::vector<u64>;

/// One stream: its planes, word after word.
void planes(u64 block, Block& out) {
    static const Keys keys(0, 0);
    out.resize(kStreams * kPlanes);
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = random_word(keys.a[0], keys.b[0], block * kStreams + i / kPlanes,
                             static_cast<unsigned>(i % kPlanes));
}

/// The first word of neighbouring streams.
void streams(u64 block, Block& out) {
    const Keys keys(0, block * kStreams);
    out.resize(kStreams);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = random_word(keys.a[i], keys.b[i], 0, 0);
}

/// The first word of one stream in neighbouring samples.
void samples(u64 block, Block& out) {
    out.resize(kStreams);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const u64 k = mix(mix(mix(kSeed + kGolden)) + (block * kStreams + i) * kGolden);
        out[i] = random_word(mix(k + kGolden), mix(k + 2 * kGolden), 0, 0);
    }
}

/// Rows of Bernoulli streams of p = 1/2 and 1,024 bits, one a sample, as a layer encodes them.
void bernoulli(u64 block, Block& out) {
    constexpr std::size_t kWords = 16;
    static const std::vector<u64> thresholds(kStreams, u64{1} << 31);
    const Keys keys(block, 0);
    out.resize(kStreams * kWords);
    table(best_tier())
        ->encode_bernoulli({.key_a = keys.a.data(),
                            .key_b = keys.b.data(),
                            .thresholds = thresholds.data(),
                            .words_per_stream = kWords,
                            .first_time_word = 0,
                            .tail_mask = ~u64{0},
                            .first_word = 0,
                            .words = out.size(),
                            .out = out.data()});
}

struct Layout {
    std::string_view name;
    void (*fill)(u64 block, Block& out);
};
constexpr std::array<Layout, 4> kLayouts = {
    {{"planes", planes}, {"streams", streams}, {"samples", samples}, {"bernoulli", bernoulli}}};

}  // namespace

int main(int argument_count, char** arguments) {
    const std::string_view name = argument_count == 2 ? arguments[1] : "";
    for (const Layout& layout : kLayouts) {
        if (layout.name != name) continue;
        Block words;
        for (u64 block = 0;; ++block) {
            layout.fill(block, words);
            if (std::fwrite(words.data(), sizeof(u64), words.size(), stdout) != words.size())
                return 0;  // the reader has had enough
        }
    }
    std::fprintf(stderr, "random_stream: got '%s', expected one of:",
                 argument_count == 2 ? arguments[1] : "");
    for (const Layout& layout : kLayouts) std::fprintf(stderr, " %s", layout.name.data());
    std::fprintf(stderr, "\n");
    return 1;
}
