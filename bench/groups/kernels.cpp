// How close is each kernel to its limit? Counting and elementwise kernels read and write memory,
// the products count. Encoders have a group of their own.
#include "harness/environment.hpp"
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/correlation.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace bitaxon::bench {
namespace {

using kernels::KernelTable;
using u64 = std::uint64_t;

constexpr std::size_t kCallWords = 16;      // what one call costs; the peer's size too
constexpr std::size_t kCacheWords = 16384;  // 128 KiB an operand: L2
constexpr std::size_t kManyWords = 1'000'000;
constexpr std::size_t kManyBits = 1'000'000;

// Counting: two operands in one array, so that the probe reads what the kernel reads.
template <class Run>
struct Counting {
    Run run;  // (kernels, a, b, words), inlined: a call of 16 words takes nanoseconds
    bool (*bit)(bool a, bool b);
    std::size_t operands;

    Experiment operator()(const KernelTable& kernels, std::size_t words) const {
        const auto array = random_words(operands * words);
        const u64* a = array->data();
        const u64* b = a + (operands - 1) * words;
        oracle::expect_equal("count", run(kernels, a, b, words),
                             oracle::count(a, b, words * 64, bit));
        const double bytes = static_cast<double>(array->size() * sizeof(u64));
        Experiment experiment("GB/s", contestant(bytes, [=, &kernels, run = run] {
                                  (void)array;  // kept alive
                                  run(kernels, a, b, words);
                              }));
        if (words > kCallWords) experiment.limited_by(read_probe(array));
        return experiment;
    }
};

// Elementwise: up to three operands.
struct Elementwise {
    void (*run)(const KernelTable&, const u64* s, const u64* a, const u64* b, u64* out,
                std::size_t words);
    bool (*bit)(bool s, bool a, bool b);
    std::size_t operands;

    Experiment operator()(const KernelTable& kernels, std::size_t words) const {
        // Neighbours whose addresses agree in their low 12 bits would be slower than most.
        const std::size_t stride = words + 17 * kernels::kGroupWords;
        const auto array = random_words(4 * stride);
        const u64* in[] = {array->data(), array->data() + stride, array->data() + 2 * stride};
        u64* out = array->data() + 3 * stride;
        const auto call = [=, &kernels, run = run] {
            (void)array;  // kept alive
            run(kernels, in[0], in[1], in[2], out, words);
        };
        call();
        Words expected(words);
        for (std::size_t t = 0; t < words * 64; ++t)
            expected[t / 64] |=
                u64{bit(oracle::bit(in[0], t), oracle::bit(in[1], t), oracle::bit(in[2], t))}
                << t % 64;
        oracle::expect_equal("out", {out, words}, expected);
        const double bytes = static_cast<double>((operands + 1) * words * sizeof(u64));
        return Experiment("GB/s", contestant(bytes, call))
            .limited_by(traffic_probe(bytes, operands, 1));
    }
};

// Half of the places are ones.
Experiment deposit(const KernelTable& kernels, std::size_t words) {
    const auto places = random_words(words, 1);
    const auto in = random_words(words, 2);
    const auto out = std::make_shared<Words>(words);
    const auto call = [=, &kernels] {
        kernels.bit_deposit(places->data(), in->data(), out->data(), words);
    };
    call();
    Words expected(words);
    for (std::size_t t = 0, next = 0; t < words * 64; ++t)
        if (oracle::bit(places->data(), t))
            expected[t / 64] |= u64{oracle::bit(in->data(), next++)} << t % 64;
    oracle::expect_equal("out", *out, expected);
    const double bytes = 2.5 * static_cast<double>(words * sizeof(u64));
    return Experiment("GB/s", contestant(bytes, call)).limited_by(traffic_probe(bytes, 2, 1));
}

// One stream with many: counts in, correlations out.
Experiment scc(const KernelTable& kernels, std::size_t count) {
    constexpr std::uint64_t kLength = 1024, kOnes = 400;
    const auto others = std::make_shared<Array<double>>(count);
    const auto both = std::make_shared<Array<std::int64_t>>(count);
    const auto out = std::make_shared<Array<double>>(count);
    for (std::size_t i = 0; i < count; ++i) {
        (*others)[i] = static_cast<double>(i % kLength);
        (*both)[i] = static_cast<std::int64_t>(i % kLength * kOnes / kLength);
    }
    const auto call = [=, &kernels] {
        kernels.scc(kLength, kOnes, others->data(), both->data(), count, out->data());
    };
    call();
    for (std::size_t i = 0; i < count; ++i)
        if ((*out)[i] !=
            scc_from_counts(kLength, kOnes, i % kLength, static_cast<std::uint64_t>((*both)[i])))
            throw Mismatch(fmt::format("correlation {}: got {}", i, (*out)[i]));
    const double bytes = static_cast<double>(3 * count * sizeof(double));
    return Experiment("GB/s", contestant(bytes, call)).limited_by(traffic_probe(bytes, 2, 1));
}

Experiment pack(const KernelTable& kernels, std::size_t bits) {
    const auto bytes = std::make_shared<Array<std::uint8_t>>(bits);
    const auto random = random_words(words_for(bits));
    for (std::size_t t = 0; t < bits; ++t) (*bytes)[t] = oracle::bit(random->data(), t) ? 1 : 0;
    random->back() &= tail_mask(bits);
    const auto out = std::make_shared<Words>(random->size());
    const auto call = [=, &kernels] { kernels.pack(bytes->data(), bits, out->data()); };
    call();
    oracle::expect_equal("packed", *out, *random);
    const double moved = static_cast<double>(bits + out->size() * sizeof(u64));
    Experiment experiment("GB/s", contestant(moved, call));
    experiment.limited_by(traffic_probe(moved, 8, 1));
    const std::size_t copy = experiment.beside(traffic_probe(moved, 1, 1).contestant);
    return experiment.ratio("of_copy", [=](auto rates) { return rates[0] / rates[copy]; });
}

Experiment unpack(const KernelTable& kernels, std::size_t bits) {
    const auto words = random_words(words_for(bits));
    words->back() &= tail_mask(bits);
    const auto out = std::make_shared<Array<std::uint8_t>>(bits);
    const auto call = [=, &kernels] { kernels.unpack(words->data(), bits, out->data()); };
    call();
    for (std::size_t t = 0; t < bits; ++t)
        if ((*out)[t] != (oracle::bit(words->data(), t) ? 1 : 0))
            throw Mismatch(fmt::format("byte {}: got {}", t, (*out)[t]));
    const double moved = static_cast<double>(bits + words->size() * sizeof(u64));
    return Experiment("GB/s", contestant(moved, call)).limited_by(traffic_probe(moved, 1, 8));
}

// Floats against long double; the kernels' own order of sums is the tests' business.
template <class T>
struct Reduction {
    T (*run)(const KernelTable&, const T* a, const T* b, std::size_t count);
    long double (*step)(long double so_far, long double a, long double b);
    std::size_t operands;

    Experiment operator()(const KernelTable& kernels, std::size_t count) const {
        const std::vector<double> values = random_values(2 * count, 0, 1);
        const auto array = random_words(operands * count * sizeof(T) / sizeof(u64));
        T* a = reinterpret_cast<T*>(array->data());
        for (std::size_t i = 0; i < operands * count; ++i) a[i] = static_cast<T>(values[i]);
        const T* b = a + (operands - 1) * count;
        long double expected = 0;
        for (std::size_t i = 0; i < count; ++i) expected = step(expected, a[i], b[i]);
        oracle::expect_near("result", static_cast<double>(run(kernels, a, b, count)),
                            static_cast<double>(expected), sizeof(T) == 4 ? 1e-5 : 1e-12);
        const double bytes = static_cast<double>(array->size() * sizeof(u64));
        return Experiment("GB/s", contestant(bytes,
                                             [=, &kernels, run = run] {
                                                 (void)array;  // kept alive
                                                 run(kernels, a, b, count);
                                             }))
            .limited_by(read_probe(array));
    }
};

template <class T, void (*KernelTable::*Scale)(const T*, T, T*, std::size_t) noexcept>
Experiment scale(const KernelTable& kernels, std::size_t count) {
    const std::vector<double> values = random_values(count, -1, 1);
    const auto in = std::make_shared<Array<T>>(values.begin(), values.end());
    const auto out = std::make_shared<Array<T>>(count);
    const auto call = [=, &kernels] { (kernels.*Scale)(in->data(), T{3}, out->data(), count); };
    call();
    for (std::size_t i = 0; i < count; ++i)
        if ((*out)[i] != (*in)[i] * 3)
            throw Mismatch(fmt::format("element {}: got {}", i, (*out)[i]));
    const double bytes = static_cast<double>(2 * count * sizeof(T));
    return Experiment("GB/s", contestant(bytes, call)).limited_by(traffic_probe(bytes, 1, 1));
}

// The product of random bit matrices, kernel alone. Signs follow the parity of the word number.
struct Product {
    void (*KernelTable::*run)(const kernels::DenseProduct&) noexcept;
    u64 (*word)(u64 x, u64 w, bool negative);

    Experiment operator()(const KernelTable& kernels, const KernelTable& best) const {
        constexpr std::size_t kRows = 100, kNeurons = 32, kWords = 64 * 1024 / 64;
        struct Operands {
            std::shared_ptr<Words> rows = random_words(kRows * kWords, 1);
            std::shared_ptr<Words> weights = random_words(kNeurons * kWords, 2);
            BitPanels panels{kNeurons, kWords};
            std::vector<std::uint8_t> signs =
                std::vector<std::uint8_t>(kNeurons * kWords / 8, 0xaa);
            std::vector<std::int64_t> sums = std::vector<std::int64_t>(kRows * kNeurons);
            kernels::DenseProduct product;
        };
        const auto o = std::make_shared<Operands>();
        for (std::size_t n = 0; n < kNeurons; ++n)
            o->panels.write(n, 0, o->weights->data() + n * kWords, kWords);
        o->product = o->panels.slice(0, kNeurons, 0, kWords);
        o->product.rows = o->rows->data();
        o->product.row_stride = kWords;
        o->product.row_count = kRows;
        o->product.signs = o->signs.data();
        o->product.sign_stride = kWords / kernels::kGroupWords * kernels::kPanelNeurons;
        o->product.sums = o->sums.data();
        o->product.sums_stride = kNeurons;

        (kernels.*run)(o->product);
        for (const std::size_t r : oracle::spread(kRows, 12))
            for (const std::size_t n : oracle::spread(kNeurons, 12)) {
                std::int64_t expected = 0;
                for (std::size_t k = 0; k < kWords; ++k)
                    for (u64 bits =
                             word((*o->rows)[r * kWords + k], (*o->weights)[n * kWords + k], k % 2);
                         bits != 0; bits >>= 1)
                        expected += static_cast<std::int64_t>(bits & 1);
                oracle::expect_equal(fmt::format("sum of row {}, neuron {}", r, n),
                                     static_cast<u64>(o->sums[r * kNeurons + n]),
                                     static_cast<u64>(expected));
            }
        const auto on = [&](const KernelTable& table) {
            return contestant(64.0 * kRows * kNeurons * kWords,
                              [o, &table, run = run] { (table.*run)(o->product); });
        };
        Experiment experiment("Gbit/s", on(kernels));
        experiment.limited_by(and_popcount_probe());
        if (&kernels != &best) experiment.against_best(on(best));
        return experiment;
    }
};

struct Operation {
    std::function<Experiment(const KernelTable&, std::size_t size)> prepare;
    std::vector<std::size_t> sizes;
    std::size_t top_size = 0;  ///< one more, for the code of the top tier only
};

std::map<std::string_view, Operation> make_operations(bool quick) {
    const std::size_t uncached = uncached_bytes(quick);
    const std::vector<std::size_t> counts = {kCallWords, kCacheWords, kManyWords};
    const std::vector<std::size_t> elements = {4096, 1'000'000};
    std::map<std::string_view, Operation> all;

    const auto two = [&](std::string_view name, auto run, bool (*bit)(bool, bool)) {
        all[name] = {Counting<decltype(run)>{run, bit, 2}, counts};
    };
    const auto popcount = [](const KernelTable& k, const u64* a, const u64*, std::size_t n) {
        return k.popcount(a, n);
    };
    all["popcount"] = {Counting<decltype(popcount)>{popcount, [](bool a, bool) { return a; }, 1},
                       counts, uncached / sizeof(u64)};
    two(
        "and_popcount",
        [](const KernelTable& k, const u64* a, const u64* b, std::size_t n) {
            return k.and_popcount(a, b, n);
        },
        [](bool a, bool b) { return a && b; });
    two(
        "or_popcount",
        [](const KernelTable& k, const u64* a, const u64* b, std::size_t n) {
            return k.or_popcount(a, b, n);
        },
        [](bool a, bool b) { return a || b; });
    two(
        "xor_popcount",
        [](const KernelTable& k, const u64* a, const u64* b, std::size_t n) {
            return k.xor_popcount(a, b, n);
        },
        [](bool a, bool b) { return a != b; });
    two(
        "xnor_popcount",
        [](const KernelTable& k, const u64* a, const u64* b, std::size_t n) {
            return k.xnor_popcount(a, b, 64 * n);
        },
        [](bool a, bool b) { return a == b; });

    using Table = const KernelTable&;
    using In = const u64*;
    const auto elementwise = [&](std::string_view name, std::size_t operands, auto run,
                                 bool (*bit)(bool, bool, bool)) {
        all[name] = {Elementwise{run, bit, operands}, {kCacheWords}};
    };
    elementwise(
        "bit_and", 2,
        [](Table k, In, In a, In b, u64* out, std::size_t n) { k.bit_and(a, b, out, n); },
        [](bool, bool a, bool b) { return a && b; });
    elementwise(
        "bit_or", 2,
        [](Table k, In, In a, In b, u64* out, std::size_t n) { k.bit_or(a, b, out, n); },
        [](bool, bool a, bool b) { return a || b; });
    elementwise(
        "bit_xor", 2,
        [](Table k, In, In a, In b, u64* out, std::size_t n) { k.bit_xor(a, b, out, n); },
        [](bool, bool a, bool b) { return a != b; });
    elementwise(
        "bit_xnor", 2,
        [](Table k, In, In a, In b, u64* out, std::size_t n) { k.bit_xnor(a, b, out, 64 * n); },
        [](bool, bool a, bool b) { return a == b; });
    elementwise(
        "bit_not", 1,
        [](Table k, In, In a, In, u64* out, std::size_t n) { k.bit_not(a, out, 64 * n); },
        [](bool, bool a, bool) { return !a; });
    elementwise(
        "bit_mux", 3,
        [](Table k, In s, In a, In b, u64* out, std::size_t n) { k.bit_mux(s, a, b, out, n); },
        [](bool s, bool a, bool b) { return s ? b : a; });
    all["bit_deposit"] = {deposit, {kCacheWords}};
    all["pack"] = {pack, {kManyBits}, uncached};
    all["unpack"] = {unpack, {kManyBits}, uncached};

    const auto reductions = [&](auto zero, std::string_view dot, std::string_view sum,
                                std::string_view max, auto run_dot, auto run_sum, auto run_max) {
        using T = decltype(zero);
        all[dot] = {
            Reduction<T>{run_dot,
                         [](long double s, long double a, long double b) { return s + a * b; }, 2},
            elements};
        all[sum] = {Reduction<T>{run_sum,
                                 [](long double s, long double a, long double) { return s + a; },
                                 1},
                    elements};
        all[max] = {
            Reduction<T>{run_max,
                         [](long double s, long double a, long double) { return std::max(s, a); },
                         1},
            elements};
    };
    reductions(
        0.0f, "dot_f32", "sum_f32", "max_f32",
        [](Table k, const float* a, const float* b, std::size_t n) { return k.dot_f32(a, b, n); },
        [](Table k, const float* a, const float*, std::size_t n) { return k.sum_f32(a, n); },
        [](Table k, const float* a, const float*, std::size_t n) { return k.max_f32(a, n); });
    reductions(
        0.0, "dot_f64", "sum_f64", "max_f64",
        [](Table k, const double* a, const double* b, std::size_t n) { return k.dot_f64(a, b, n); },
        [](Table k, const double* a, const double*, std::size_t n) { return k.sum_f64(a, n); },
        [](Table k, const double* a, const double*, std::size_t n) { return k.max_f64(a, n); });
    all["scale_f32"] = {scale<float, &KernelTable::scale_f32>, elements};
    all["scale_f64"] = {scale<double, &KernelTable::scale_f64>, elements};
    all["scc"] = {scc, {4096}};
    return all;
}

const std::map<std::string_view, Product> kProducts = {
    {"dense_and", {&KernelTable::dense_and, [](u64 x, u64 w, bool) { return x & w; }}},
    {"dense_xor", {&KernelTable::dense_xor, [](u64 x, u64 w, bool) { return x ^ w; }}},
    {"dense_signed",
     {&KernelTable::dense_signed,
      [](u64 x, u64 w, bool negative) { return negative ? ~(x & w) : x & w; }}},
};

}  // namespace

void add_kernels(Suite& suite) {
    const auto operations = make_operations(suite.settings.quick);
    const KernelTable& best = *kernels::table(kernels::best_tier());
    for (const kernels::Tier tier : suite.settings.tiers) {
        const KernelTable& table = *kernels::table(tier);
        for (std::size_t i = 0; i < kernels::operations().size(); ++i) {
            const std::string_view name = kernels::operations()[i];
            const kernels::Tier origin = kernels::origin(tier, i);
            if (origin != tier) {
                suite.inherit("kernels", name, tier, origin);
                continue;
            }
            if (const auto product = kProducts.find(name); product != kProducts.end())
                suite.add(make_id("kernels", name, tier, "100x64x32x1024"),
                          [run = product->second, &table, &best] { return run(table, best); });
            if (const auto found = operations.find(name); found != operations.end()) {
                std::vector<std::size_t> sizes = found->second.sizes;
                const bool top = tier == kernels::origin(suite.settings.top(), i);
                if (suite.settings.quick && !top) sizes.resize(1);
                if (top && found->second.top_size != 0) sizes.push_back(found->second.top_size);
                for (const std::size_t size : sizes)
                    suite.add(make_id("kernels", name, tier, std::to_string(size)),
                              [prepare = found->second.prepare, &table, size] {
                                  return prepare(table, size);
                              });
            }
        }
    }
}

}  // namespace bitaxon::bench
