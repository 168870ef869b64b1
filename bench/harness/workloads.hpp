// Data that several groups use: arrays, values, and dense layers with what they must put out.
#pragma once

#include <bitaxon/layers/dense.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace bitaxon::bench {

/// Vectors start on a cache line, as the library's own arrays do.
template <class T>
struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <class U>
    LineAllocator(const LineAllocator<U>&) {}
    T* allocate(std::size_t count) {
        return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{kAlignment}));
    }
    void deallocate(T* p, std::size_t) { ::operator delete (p, std::align_val_t{kAlignment}); }
    bool operator==(const LineAllocator&) const { return true; }
};
template <class T>
using Array = std::vector<T, LineAllocator<T>>;
using Words = Array<std::uint64_t>;

/// Random words, in memory that was touched. The same for the same seed.
std::shared_ptr<Words> random_words(std::size_t count, std::uint64_t seed = 1);

/// Values from low to high, uniform.
std::vector<double> random_values(std::size_t count, double low, double high,
                                  std::uint64_t seed = 1);

/// A context of one tier.
ExecutionContext make_context(kernels::Tier tier, int threads = 1);

struct DenseShape {
    std::size_t samples;
    std::size_t inputs;
    std::size_t neurons;
    std::size_t length;
    Coding coding = Coding::unipolar;

    std::string size() const;     ///< "100x64x32x1024"
    double product_bits() const;  ///< ANDed in all
    double encoded_bits() const;  ///< of the inputs
    auto operator<=>(const DenseShape&) const = default;
};

/// A layer with a batch of inputs, their streams, and the outputs that the oracle wants.
class DenseWork {
public:
    explicit DenseWork(const DenseShape& shape);

    const DenseShape shape;
    const std::vector<double> samples;
    const DenseLayer layer;
    StreamArray streams;  ///< of the samples, checked

    /// @throws Mismatch unless the outputs (samples x neurons) are right
    void check(const std::vector<double>& outputs) const;

    /// All samples to streams: thresholds, keys and bits, nothing else.
    void encode(const ExecutionContext& context, StreamArray& out) const;

    /// @throws Mismatch unless the streams are right
    void check(StreamArray& encoded) const;

private:
    struct Expected {
        std::size_t sample;
        std::size_t neuron;
        double output;
    };
    std::vector<Expected> expected_;
    std::vector<std::pair<std::size_t, Words>> expected_streams_;  ///< of some samples
};

/// Made once a shape, kept for the other tiers.
std::shared_ptr<const DenseWork> dense_work(const DenseShape& shape);

}  // namespace bitaxon::bench
