#include "support.hpp"

#include <utility>

namespace bitaxon::kernels::test {
namespace {

class Packing : public EveryTier {};
BITAXON_FOR_EVERY_TIER(Packing);

// Any byte but zero is a one, the top bit alone too.
TEST_P(Packing, PackReadsEveryNonzeroByteAsOne) {
    std::mt19937_64 random{4};
    for (const std::size_t length : lengths()) {
        for (std::size_t offset = 0; offset < kOffsets; ++offset) {
            SCOPED_TRACE(testing::Message() << length << " bits, offset " << offset);
            Guarded<std::uint8_t> bytes(length, offset);
            for (std::uint8_t& byte : bytes) {
                const u64 r = random();
                byte = r & 1 ? static_cast<std::uint8_t>(r >> 8) : 0;
            }
            Guarded<u64> out(words_for(length), offset);
            kernels().pack(bytes.data(), length, out.data());
            for (std::size_t t = 0; t < length; ++t)
                ASSERT_EQ(bit(out.data(), t), bytes[t] != 0) << "bit " << t;
            for (std::size_t t = length; t < 64 * out.size(); ++t)
                ASSERT_FALSE(bit(out.data(), t)) << "tail bit " << t;
            EXPECT_TRUE(out.intact());
        }
    }
}

TEST_P(Packing, PackTellsAllByteValuesApartFromZero) {
    std::uint8_t bytes[256];
    for (unsigned value = 0; value < 256; ++value) bytes[value] = static_cast<std::uint8_t>(value);
    u64 out[4];
    kernels().pack(bytes, 256, out);
    EXPECT_EQ(out[0], ~u64{1});
    for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(out[i], ~u64{0});
}

TEST_P(Packing, PackTellsWhetherAllBytesAreBits) {
    constexpr std::uint8_t kWrong[] = {2, 128, 254};
    for (const std::size_t length : lengths()) {
        std::vector<std::uint8_t> bytes(length);
        std::vector<u64> out(words_for(length));
        for (std::size_t t = 0; t < length; ++t) bytes[t] = t % 3 == 0;
        EXPECT_TRUE(kernels().pack(bytes.data(), length, out.data())) << length;
        for (const std::size_t t : {std::size_t{0}, length / 2, length - 1}) {
            if (t >= length) continue;  // of no bytes
            for (const std::uint8_t wrong : kWrong) {
                const std::uint8_t right = std::exchange(bytes[t], wrong);
                EXPECT_FALSE(kernels().pack(bytes.data(), length, out.data()))
                    << length << " bytes, " << int{wrong} << " in byte " << t;
                bytes[t] = right;
            }
        }
    }
}

TEST_P(Packing, UnpackWritesZerosAndOnes) {
    std::mt19937_64 random{5};
    for (const std::size_t length : lengths()) {
        for (std::size_t offset = 0; offset < kOffsets; ++offset) {
            SCOPED_TRACE(testing::Message() << length << " bits, offset " << offset);
            Guarded<u64> words(words_for(length), offset);
            fill_bits(words.data(), length, random);
            Guarded<std::uint8_t> out(length, offset);
            kernels().unpack(words.data(), length, out.data());
            for (std::size_t t = 0; t < length; ++t)
                ASSERT_EQ(out[t], bit(words.data(), t) ? 1 : 0) << "bit " << t;
            EXPECT_TRUE(out.intact());
        }
    }
}

}  // namespace
}  // namespace bitaxon::kernels::test
