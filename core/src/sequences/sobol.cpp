// The Sobol sequence. In Gray-code order point t is the XOR of the direction numbers v_k over the
// bits k of gray(t) = t ^ t >> 1. All of it is linear over XOR: points of an aligned block are one
// point XORed with a table.
#include "number_source.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/kernels/random_word.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace bitaxon {
namespace {

using Directions = std::array<std::uint32_t, 32>;

constexpr unsigned kMaxDegree = 13;
struct Row {
    std::uint16_t polynomial;
    std::array<std::uint16_t, kMaxDegree> values;
};
constexpr std::array<Row, kSobolDimensions - 1> kRows = {{
#include "sobol_directions.def"
}};

// v_k = m_{k+1} 2^(31-k), and m by the recurrence that the polynomial defines (Bratley and Fox,
// 1988).
Directions directions_of(unsigned dimension) {
    Directions v;
    if (dimension == 0) {
        for (unsigned k = 0; k < 32; ++k) v[k] = std::uint32_t{1} << (31 - k);
        return v;
    }
    const Row& row = kRows[dimension - 1];
    const unsigned degree = static_cast<unsigned>(std::bit_width(row.polynomial)) - 1;
    for (unsigned k = 0; k < 32; ++k) {
        if (k < degree) {
            v[k] = std::uint32_t{row.values[k]} << (31 - k);
            continue;
        }
        v[k] = v[k - degree] ^ v[k - degree] >> degree;
        for (unsigned j = 1; j < degree; ++j)
            if (row.polynomial >> (degree - j) & 1) v[k] ^= v[k - j];
    }
    return v;
}

std::uint32_t reverse_bits(std::uint32_t x) noexcept {
    x = (x & 0x55555555u) << 1 | (x >> 1 & 0x55555555u);
    x = (x & 0x33333333u) << 2 | (x >> 2 & 0x33333333u);
    x = (x & 0x0f0f0f0fu) << 4 | (x >> 4 & 0x0f0f0f0fu);
    return __builtin_bswap32(x);
}

// A random map of 32-bit numbers in which each bit of the result is the same bit of the argument,
// flipped or not by those below it: additions, odd factors and XORs with even multiples carry
// upwards only. On reversed numbers that is Owen's scrambling. Flips are fair, and those of any two
// nodes of the tree are independent over seeds; many together are not.
struct NestedFlips {
    std::array<std::uint32_t, 6> keys;

    NestedFlips(std::uint64_t seed, unsigned dimension) {
        std::uint64_t key = kernels::mix(kernels::mix(seed + kernels::kGolden) + dimension);
        for (std::size_t i = 0; i < keys.size(); ++i) {
            key = kernels::mix(key + kernels::kGolden);
            keys[i] = static_cast<std::uint32_t>(key >> 32);
        }
        keys[1] &= ~1u;
        keys[3] |= 1u;
        keys[4] &= ~1u;
    }

    std::uint32_t operator()(std::uint32_t x) const noexcept {
        x += keys[0];
        x ^= x * keys[1];
        x += keys[2];
        x *= keys[3];
        x ^= x * keys[4];
        return x + keys[5];
    }
};

class SobolSource : public NumberSource {
  public:
    explicit SobolSource(const Sobol& sobol)
        : NumberSource(std::uint64_t{1} << sobol.bits, std::uint64_t{1} << 32),
          directions_(directions_of(sobol.dimension)), flips_(sobol.seed, sobol.dimension),
          dropped_(32 - sobol.bits), owen_(sobol.scramble == Scramble::owen) {
        if (sobol.scramble == Scramble::shift) shift_ = flips_.keys[0];
        // Owen's map reads numbers reversed, and hands them back the right way round.
        if (owen_)
            for (std::uint32_t& v : directions_) v = reverse_bits(v);
        // From a Gray code to the next one bit changes.
        block_[0] = 0;
        for (std::uint32_t j = 1; j < kBlock; ++j)
            block_[j] = block_[j - 1] ^ directions_[static_cast<std::size_t>(std::countr_zero(j))];
    }

    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t /*threshold*/) const noexcept override {
        auto position = static_cast<std::uint32_t>(first);
        for (std::size_t done = 0; done < out.size();) {
            const std::uint32_t inside = position % kBlock;
            const std::uint32_t base = position - inside;
            const std::size_t count = std::min<std::size_t>(kBlock - inside, out.size() - done);
            const std::uint32_t point = sum_of_directions(base ^ base >> 1) ^ shift_;
            write(point, block_.data() + inside, out.subspan(done, count));
            done += count;
            position += static_cast<std::uint32_t>(count);
        }
    }

  private:
    static constexpr std::uint32_t kBlock = 256;

    std::uint32_t sum_of_directions(std::uint32_t gray) const noexcept {
        std::uint32_t sum = 0;
        for (; gray != 0; gray &= gray - 1)
            sum ^= directions_[static_cast<std::size_t>(std::countr_zero(gray))];
        return sum;
    }

    // Loops over locals: the compiler must see that no number is written over a parameter.
    void write(std::uint32_t point, const std::uint32_t* block,
               std::span<std::uint32_t> out) const noexcept {
        const unsigned dropped = dropped_;
        const std::size_t count = out.size();
        std::uint32_t* const numbers = out.data();
        if (!owen_) {
#pragma omp simd
            for (std::size_t k = 0; k < count; ++k) numbers[k] = (point ^ block[k]) >> dropped;
            return;
        }
        const NestedFlips flips = flips_;
#pragma omp simd
        for (std::size_t k = 0; k < count; ++k)
            numbers[k] = reverse_bits(flips(point ^ block[k])) >> dropped;
    }

    Directions directions_;
    NestedFlips flips_;
    unsigned dropped_;
    bool owen_;
    std::uint32_t shift_ = 0;
    std::array<std::uint32_t, kBlock> block_;
};

}  // namespace

std::unique_ptr<const NumberSource> make_sobol(const Sobol& sobol) {
    if (sobol.dimension >= kSobolDimensions)
        throw_error(ErrorCode::invalid_value, "dimension", fmt::format("{}", sobol.dimension),
                    fmt::format("0 to {} (Sobol)", kSobolDimensions - 1));
    check_bits(sobol.bits);
    return std::make_unique<SobolSource>(sobol);
}

}  // namespace bitaxon
