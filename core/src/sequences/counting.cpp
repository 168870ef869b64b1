// Sources that count: a counter up or down, and the accumulator of sigma-delta.
#include "number_source.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon {
namespace {

class CounterSource : public NumberSource {
  public:
    CounterSource(std::uint64_t period, bool descending)
        : NumberSource(period, period), descending_(descending) {}

    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t /*threshold*/) const noexcept override {
        std::uint64_t position = first % levels();
        for (std::uint32_t& number : out) {
            number = static_cast<std::uint32_t>(descending_ ? levels() - 1 - position : position);
            if (++position == levels()) position = 0;
        }
    }

  private:
    bool descending_;
};

class SigmaDeltaSource : public NumberSource {
  public:
    SigmaDeltaSource() : NumberSource(std::uint64_t{1} << 32, std::uint64_t{1} << 32) {}

    // The accumulator overflows at time t when (t T mod 2^32) + T >= 2^32.
    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t threshold) const noexcept override {
        const auto step = static_cast<std::uint32_t>(threshold);
        std::uint32_t accumulator = static_cast<std::uint32_t>(first) * step;
        for (std::uint32_t& number : out) {
            number = ~accumulator;
            accumulator += step;
        }
    }
};

}  // namespace

std::unique_ptr<const NumberSource> make_counter(const Counter& counter, std::uint64_t period) {
    if (period == 0 || period > std::uint64_t{1} << 32)
        throw_error(ErrorCode::invalid_value, "period", fmt::format("{}", period),
                    "1 to 2^32 (a counter has as many numbers)");
    return std::make_unique<CounterSource>(period, counter.descending);
}

std::unique_ptr<const NumberSource> make_sigma_delta() {
    return std::make_unique<SigmaDeltaSource>();
}

}  // namespace bitaxon
