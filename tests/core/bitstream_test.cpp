#include <bitaxon/core/bitstream.hpp>

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace bitaxon {
namespace {

template <class Call>
ErrorCode code_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("got"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("expected"), std::string::npos) << error.what();
        return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::file;
}

TEST(Bitstream, TailMaskKeepsExactlyTheBitsOfTheLength) {
    for (std::uint64_t length = 1; length <= 200; ++length) {
        std::uint64_t expected = 0;
        for (std::uint64_t t = (length - 1) / 64 * 64; t < length; ++t)
            expected |= std::uint64_t{1} << (t % 64);
        EXPECT_EQ(tail_mask(length), expected) << length;
    }
}

TEST(StreamArray, RowsAreAlignedPaddedAndZero) {
    StreamArray array(3, 5, 130);
    EXPECT_EQ(array.words_per_stream(), 3u);
    EXPECT_EQ(array.row_words(), 16u);
    for (std::size_t row = 0; row < 3; ++row) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.row(row)) % kAlignment, 0u);
        for (std::size_t k = 0; k < array.row_words(); ++k) EXPECT_EQ(array.row(row)[k], 0u);
    }
    EXPECT_EQ(array.view().stream(2, 4), array.row(2) + 4 * 3);
}

TEST(StreamArray, RejectsSizesOutsideTheContract) {
    EXPECT_EQ(code_of([] { StreamArray(1, 1, 0); }), ErrorCode::invalid_value);
    EXPECT_EQ(code_of([] { StreamArray(1, 1, std::uint64_t{1} << 40); }), ErrorCode::invalid_value);
    EXPECT_EQ(code_of([] { StreamArray(1, 1, kMaxLength + 1); }), ErrorCode::invalid_value);
    EXPECT_EQ(code_of([] { StreamArray(1, (std::size_t{1} << 22) + 1, kMaxLength); }),
              ErrorCode::invalid_value);
    EXPECT_EQ(code_of([] { StreamArray(1, 0, 64); }), ErrorCode::invalid_shape);
    EXPECT_EQ(code_of([] { StreamArray(0, 1, 64); }), ErrorCode::invalid_shape);
}

TEST(Bitstream, DirtyTailsAreRejectedByNameOfTheStream) {
    StreamArray array(2, 3, 70);
    check_tails(array.view());
    array.row(1)[2 * 2 + 1] = std::uint64_t{1} << 6;  // bit 70 of stream 2 in row 1
    try {
        check_tails(array.view());
        FAIL() << "a dirty tail passed";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("streams[1][2]"), std::string::npos)
            << error.what();
    }
}

TEST(AlignedWords, CopiesAreIndependent) {
    AlignedWords a(10);
    a.data()[3] = 7;
    AlignedWords b(a);
    b.data()[3] = 8;
    EXPECT_EQ(a.data()[3], 7u);
    a = b;
    EXPECT_EQ(a.data()[3], 8u);
}

TEST(AlignedWords, MovedFromIsEmpty) {
    AlignedWords a(10);
    const AlignedWords b(std::move(a));
    EXPECT_EQ(a.size(), 0u);  // NOLINT: what is left behind is the point
    const AlignedWords c(a);
    EXPECT_EQ(c.size(), 0u);
    EXPECT_EQ(b.size(), 10u);
}

// The layout is the kernels' contract: every (neuron, word) has a place of its own inside the
// panels.
TEST(BitPanels, ReadsBackWhatWasWritten) {
    BitPanels panels(7, 21);
    EXPECT_EQ(panels.words(), 24u);
    std::vector<std::uint64_t> row(21);
    for (std::size_t n = 0; n < 7; ++n) {
        for (std::size_t k = 0; k < row.size(); ++k) row[k] = 100 * n + k + 1;
        panels.write(n, 0, row.data(), row.size());
    }
    for (std::size_t n = 0; n < 7; ++n) {
        panels.read(n, 5, row.data(), 16);
        for (std::size_t k = 0; k < 16; ++k) EXPECT_EQ(row[k], 100 * n + 5 + k + 1);
    }
    const kernels::DenseProduct product = panels.slice(0, 7, 0, 24);
    std::set<std::uint64_t> seen;
    for (std::size_t n = 0; n < 7; ++n)
        for (std::size_t k = 0; k < 21; ++k) {
            const std::uint64_t word =
                product.panels[n / 4 * product.panel_stride + k / 8 * 32 + n % 4 * 8 + k % 8];
            EXPECT_EQ(word, 100 * n + k + 1);
            seen.insert(word);
        }
    EXPECT_EQ(seen.size(), 7u * 21u);
}

}  // namespace
}  // namespace bitaxon
