#include <bitaxon/core/safetensors.hpp>

#include "expect_error.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/files.hpp>

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

class Safetensors : public testing::Test {
  protected:
    Safetensors()
        : folder_(std::filesystem::temp_directory_path() /
                  ("bitaxon-" + std::to_string(::getpid()) + "-" +
                   std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    ~Safetensors() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path path(const char* name) const { return folder_ / name; }

    static std::string read(const std::filesystem::path& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static void write(const std::filesystem::path& path, const std::string& bytes) {
        std::ofstream(path, std::ios::binary) << bytes;
    }

    static TensorFile small_file() {
        TensorFile file;
        file.metadata["made"] = "for \"tests\"";
        file.tensors["a"] = {"U8", {3, 2}, std::vector<std::byte>(6, std::byte{7})};
        std::vector<std::byte> doubles(3 * sizeof(double));
        const double values[] = {1.5, -2.0, 0.25};
        std::memcpy(doubles.data(), values, sizeof values);
        file.tensors["b"] = {"F64", {3}, doubles};
        return file;
    }

  private:
    std::filesystem::path folder_;
};

TEST_F(Safetensors, ReadsBackWhatWasSaved) {
    save_tensors(path("x"), small_file());
    const TensorFile file = load_tensors(path("x"));
    EXPECT_EQ(file.metadata, small_file().metadata);
    ASSERT_EQ(file.tensors.size(), 2u);
    EXPECT_EQ(file.tensors.at("a").shape, (std::vector<std::uint64_t>{3, 2}));
    EXPECT_EQ(file.tensors.at("b").bytes, small_file().tensors.at("b").bytes);
}

TEST_F(Safetensors, HeaderIsPaddedTo64BytesAndFollowedByTheData) {
    save_tensors(path("x"), small_file());
    const std::string bytes = read(path("x"));
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    EXPECT_EQ((8 + header) % 64, 0u);
    EXPECT_EQ(bytes.size(), 8 + header + 6 + 24);
    EXPECT_EQ(bytes[8], '{');
}

TEST_F(Safetensors, EveryTruncatedLengthIsAnError) {
    save_tensors(path("x"), small_file());
    const std::string bytes = read(path("x"));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        write(path("cut"), bytes.substr(0, size));
        EXPECT_THROW(load_tensors(path("cut")), Error) << size << " bytes";
    }
    write(path("cut"), bytes + '\0');
    EXPECT_THROW(load_tensors(path("cut")), Error) << "one byte too many";
}

TEST_F(Safetensors, EveryFlippedByteIsAnError) {
    save_tensors(path("x"), small_file());
    const std::string bytes = read(path("x"));
    for (std::size_t i = 0; i < bytes.size(); ++i)
        for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
            std::string damaged = bytes;
            damaged[i] = static_cast<char>(damaged[i] ^ flip);
            write(path("bad"), damaged);
            EXPECT_THROW(load_tensors(path("bad")), Error) << "byte " << i << " ^ " << flip;
        }
}

// Headers that lie, under sums that are right: the sums shield nothing but accidents.
TEST_F(Safetensors, HostileHeadersAreErrors) {
    save_tensors(path("x"), small_file());
    const std::string good = read(path("x"));
    const auto forged = [&](const std::string& from, const std::string& to) {
        std::string bytes = good;
        std::uint64_t length = 0;
        std::memcpy(&length, bytes.data(), 8);
        std::string header = bytes.substr(8, length);
        const std::size_t place = header.find(from);
        EXPECT_NE(place, std::string::npos) << from;
        header.replace(place, from.size(), to);
        const std::string key = "\"bitaxon.header_xxh3\":\"";
        const std::size_t sum = header.find(key) + key.size();
        header.replace(sum, 16, std::string(16, '0'));
        header.replace(sum, 16, checksum(std::as_bytes(std::span(header))));
        length = header.size();
        std::string result(8, '\0');
        std::memcpy(result.data(), &length, 8);
        return result + header + bytes.substr(bytes.size() - 30);
    };
    write(path("same"), forged("F64", "F64"));
    load_tensors(path("same"));  // the forger's tool works
    for (const auto& [from, to] : {std::pair{"[0,6]", "[0,5]"},
                                   {"[0,6]", "[6,0]"},
                                   {"[0,6]", "[0,6.0]"},
                                   {"[0,6]", "[-1,6]"},
                                   {"[6,30]", "[0,24]"},  // overlap
                                   {"[6,30]", "[6,36]"},  // past the end
                                   {"[3]", "[2]"},
                                   {"[3]", "[3.0]"},
                                   {"[3]", "[-3]"},
                                   {"[3]", "[18446744073709551615]"},
                                   {"[3]", "[4611686018427387907]"},  // times 8 wraps to 24
                                   {"[3]", "null"},
                                   {"\"F64\"", "\"F32\""},
                                   {"\"F64\"", "64"},
                                   {"\"shape\"", "\"shade\""}}) {
        write(path("forged"), forged(from, to));
        EXPECT_THROW(load_tensors(path("forged")), Error) << from << " -> " << to;
    }
}

TEST_F(Safetensors, FoldersAndReservedNamesAreErrors) {
    EXPECT_THROW(load_tensors(path("")), Error);
    TensorFile file = small_file();
    file.tensors["__metadata__"] = file.tensors["a"];
    EXPECT_THROW(save_tensors(path("x"), file), Error);
    file = small_file();
    file.metadata["text"] = "\xff";
    EXPECT_THROW(save_tensors(path("x"), file), Error);
}

TEST_F(Safetensors, ASaveReplacesFilesAlone) {
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    expect_error(ErrorCode::file, {"pipe: got something else than a file"},
                 [&] { save_tensors(path("pipe"), small_file()); });
    EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));

    std::filesystem::create_directory(path("other"));
    save_tensors(path("other/x"), {});
    std::filesystem::create_symlink("other/x", path("link"));
    save_tensors(path("link"), small_file());
    EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
    EXPECT_EQ(load_tensors(path("other/x")).tensors.size(), 2u);
}

TEST_F(Safetensors, SaversOfOnePathDoNotMeet) {
    std::atomic<int> failures{0};
    save_tensors(path("x"), small_file());
    {
        std::vector<std::jthread> threads;
        for (int k = 0; k < 4; ++k)
            threads.emplace_back([&] {
                for (int round = 0; round < 25; ++round) try {
                        save_tensors(path("x"), small_file());
                        load_tensors(path("x"));
                    } catch (const Error&) {
                        ++failures;
                    }
            });
    }
    EXPECT_EQ(failures, 0);
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path("")))
        ++entries;
    EXPECT_EQ(entries, 1u);
}

TEST_F(Safetensors, MissingFileAndFolderAreErrorsThatNameThePath) {
    for (const auto& call :
         {+[](const std::filesystem::path& p) { load_tensors(p); },
          +[](const std::filesystem::path& p) { save_tensors(p / "x" / "y", {}); }}) {
        try {
            call(path("none"));
            FAIL() << "nothing was thrown";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::file);
            EXPECT_NE(std::string(error.what()).find("none"), std::string::npos);
        }
    }
}

TEST_F(Safetensors, WholeNumbersOf64BitsAreReadBack) {
    TensorFile file;
    file.tensors["indices"] = {"U64", {2}, std::vector<std::byte>(16, std::byte{1})};
    save_tensors(path("x"), file);
    EXPECT_EQ(load_tensors(path("x")).tensors.at("indices").bytes, file.tensors["indices"].bytes);
}

TEST_F(Safetensors, AFileWithoutSumsIsAnErrorThatNamesThem) {
    save_tensors(path("x"), small_file());
    std::string bytes = read(path("x"));
    bytes.replace(bytes.find("bitaxon.header_xxh3"), 7, "another");
    write(path("x"), bytes);
    expect_error(ErrorCode::file, {"no checksum 'bitaxon.header_xxh3'"},
                 [&] { load_tensors(path("x")); });
}

TEST_F(Safetensors, AStoppedSaveLeavesTheFileThatThereWas) {
    save_tensors(path("x"), small_file());
    const std::string before = read(path("x"));
    const std::vector<std::byte> much(std::size_t{9} << 20);
    int checks = 0;
    const auto third = [&] {
        if (++checks == 3) throw std::runtime_error("enough");
    };
    EXPECT_THROW(write_file(path("x"), {much}, false, third), std::runtime_error);
    EXPECT_EQ(read(path("x")), before);
    const std::filesystem::directory_iterator left(path(""));
    EXPECT_EQ(std::distance(begin(left), end(left)), 1);
}

TEST_F(Safetensors, AFailedSaveLeavesNothingBehind) {
    std::filesystem::create_directories(path("target") / "inside");  // a folder cannot be replaced
    EXPECT_ANY_THROW(save_tensors(path("target"), small_file()));
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(path("target").parent_path()))
        ++entries;
    EXPECT_EQ(entries, 1u);
}

TEST_F(Safetensors, TensorWhoseBytesDoNotFitItsShapeIsNotSaved) {
    TensorFile file = small_file();
    file.tensors["a"].shape = {4, 2};
    EXPECT_THROW(save_tensors(path("x"), file), Error);
}

}  // namespace
}  // namespace bitaxon
