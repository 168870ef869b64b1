// The persistent cache: what it keeps, that no bit depends on it, and that it believes nothing.
#include "expression_state.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/files.hpp>
#include <bitaxon/jit/kernel.hpp>

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace bitaxon::jit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kText = "2*y + 4*x*y*y/(x*(y*y + 1)) - y*2";

// A folder of its own for each test; the environment is put back.
class RewriteCache : public testing::Test {
  protected:
    RewriteCache()
        : folder_(fs::temp_directory_path() /
                  ("bitaxon-cache-" + std::to_string(::getpid()) + "-" +
                   testing::UnitTest::GetInstance()->current_test_info()->name())) {
        fs::remove_all(folder_);
        for (const char* name : kNames) {
            const char* value = std::getenv(name);
            before_.push_back(value == nullptr ? std::optional<std::string>{} : value);
        }
        ::setenv("BITAXON_CACHE_DIR", folder_.c_str(), 1);
    }
    ~RewriteCache() override {
        fs::remove_all(folder_);
        for (std::size_t k = 0; k < std::size(kNames); ++k) {
            before_[k] ? ::setenv(kNames[k], before_[k]->c_str(), 1) : ::unsetenv(kNames[k]);
        }
    }

    static Kernel fast(const std::string& text, Type dtype = Type::f64, bool cache = true) {
        return compile(text,
                       {.mode = MathMode::fast, .cache = cache, .cache_calls = 3},
                       {.dtype = dtype});
    }
    static void call(const Kernel& f, int times) {
        const std::vector<double> one(1, 0.5);
        std::vector<double> out(1);
        for (int k = 0; k < times; ++k) {
            f(ExecutionContext::shared(), {one, one}, std::span(out));
        }
    }
    /// As many calls as it takes to have it written, or refused.
    static std::string state_after_writing(const Kernel& f) {
        call(f, 3);
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (f.stats().cache == "miss" && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return f.stats().cache;
    }
    fs::path only_file() const {
        std::vector<fs::path> files;
        for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
            if (entry.is_regular_file()) {
                files.push_back(entry.path());
            }
        }
        EXPECT_EQ(files.size(), 1U);
        return files.empty() ? fs::path() : files[0];
    }
    static std::string contents(const fs::path& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static void put(const fs::path& path, const std::string& text) {
        std::ofstream(path, std::ios::binary) << text;
    }
    /// The file's text with another body below the right key and the right checksum.
    static std::string with_body(const std::string& file, const std::string& body) {
        const std::string key = file.substr(0, file.find("# checksum"));
        const std::string all = key + body;
        return key + "# checksum " + checksum(std::as_bytes(std::span(all))) + "\n" + body;
    }

    static constexpr const char* kNames[] = {"BITAXON_CACHE_DIR", "XDG_CACHE_HOME", "HOME"};
    fs::path folder_;
    std::vector<std::optional<std::string>> before_;
};

std::vector<double> hostile_numbers(std::size_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<double> values{0.0,
                               -0.0,
                               1,
                               -1,
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN(),
                               1e-310,
                               1e300};
    std::normal_distribution<double> normal;
    while (values.size() < count) {
        values.push_back(random() % 2 == 0 ? normal(random) : std::bit_cast<double>(random()));
    }
    std::shuffle(values.begin(), values.end(), random);
    return values;
}

template <class T>
bool both_nan(const std::byte* a, const std::byte* b) {
    T x, y;
    std::memcpy(&x, a, sizeof x);
    std::memcpy(&y, b, sizeof y);
    return std::isnan(x) && std::isnan(y);
}

// NaN is one value.
bool same_element(Type type, const std::vector<std::byte>& a, const std::vector<std::byte>& b,
                  std::size_t i) {
    const auto width = static_cast<std::size_t>(element_bytes(type));
    const std::byte* x = a.data() + i * width;
    const std::byte* y = b.data() + i * width;
    return std::memcmp(x, y, width) == 0 || (type == Type::f64 && both_nan<double>(x, y)) ||
           (type == Type::f32 && both_nan<float>(x, y));
}

TEST_F(RewriteCache, IsWrittenAtExactlyTheCallThatWasSaid) {
    const Kernel f = fast(kText);
    EXPECT_EQ(f.stats().cache, "miss");
    call(f, 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(fs::exists(folder_));
    call(f, 1);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (f.stats().cache == "miss" && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(f.stats().cache, "written");
    EXPECT_NE(f.explain().find("written to " + only_file().string()), std::string::npos);
    EXPECT_EQ(CompileOptions{}.cache_calls, 10'000);
}

TEST_F(RewriteCache, HoldsATextOfTheLanguage) {
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    const std::string text = contents(only_file());
    EXPECT_NE(text.find("#| " + std::string(kText) + "\n"), std::string::npos);
    const Expression read = parse(text);
    EXPECT_EQ(read.results(), std::vector<Type>{Type::f64});
}

TEST_F(RewriteCache, AHitGivesTheBitsOfAFreshRewriting) {
    const char* texts[] = {
        kText,
        "x^2 + 2*x*y + y^2",
        "exp(x)*exp(y)/(1 + exp(x))",
        "x*0.1 + y*0.3 - x*0.7, x < y",
        "where(x < y, x, y)*3 + i32(x)",
        "sin(x)^2 + cos(x)^2 + rand()*y",
        "x^2.5 / sqrt(x) + log(x*y)",
        "x : i32; where(x < 3, y, 2*y)*3, i16(x) & 7, not x < y",
    };
    for (const Type dtype : {Type::f64, Type::f32}) {
        for (const char* text : texts) {
            const Kernel fresh = fast(text, dtype, false);
            const std::vector<double> x = hostile_numbers(3000, 1);
            const std::vector<double> y = hostile_numbers(3000, 2);
            const std::vector<float> x32(x.begin(), x.end());
            const std::vector<float> y32(y.begin(), y.end());
            const std::vector<Type>& types = fresh.expression().results();
            const auto run = [&](const Kernel& f) {
                std::vector<std::vector<std::byte>> out;
                std::vector<const void*> in{x.data(), y.data()};
                if (dtype == Type::f32) {
                    in = {x32.data(), y32.data()};
                }
                in.resize(f.expression().arguments().size());
                std::vector<void*> pointers;
                for (const Type type : types) {
                    out.emplace_back(x.size() * static_cast<std::size_t>(element_bytes(type)));
                    pointers.push_back(out.back().data());
                }
                f.run(ExecutionContext::shared(), {in, 0, pointers, x.size()}, {.seed = 3});
                return out;
            };
            const auto expected = run(fresh);
            EXPECT_EQ(fresh.stats().cache, "off");

            const Kernel first = fast(text, dtype);
            for (int k = 0; k < 6; ++k) {  // at twice the calls nobody waits for a background task
                run(first);
            }
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
            while (first.stats().cache == "miss" && std::chrono::steady_clock::now() < deadline) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            ASSERT_EQ(first.stats().cache, "written") << text << first.explain();
            const Kernel second = fast(text, dtype);
            ASSERT_EQ(second.stats().cache, "hit") << text << second.explain();
            const auto got = run(second);
            for (std::size_t k = 0; k < types.size(); ++k) {
                for (std::size_t i = 0; i < x.size(); ++i) {
                    ASSERT_TRUE(same_element(types[k], got[k], expected[k], i)) << text << i;
                }
            }
            const auto story = [](const Kernel& f) {
                const std::string all = f.explain();
                return all.substr(all.find("rewrites\n"),
                                  all.find("cache\n") - all.find("rewrites\n"));
            };
            EXPECT_EQ(story(second), story(fresh)) << "the rewrites are told too";
        }
    }
}

TEST_F(RewriteCache, KeepsKernelsApartByTextDtypeArgumentsAndMode) {
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    EXPECT_EQ(fast(kText).stats().cache, "hit");
    EXPECT_EQ(fast(std::string(kText) + " + x").stats().cache, "miss");
    EXPECT_EQ(fast(kText, Type::f32).stats().cache, "miss");
    const CompileOptions options{.mode = MathMode::fast};
    EXPECT_EQ(
        compile(kText, options, {.arguments = std::vector<std::string>{"x", "y"}}).stats().cache,
        "miss");
    EXPECT_EQ(compile(kText, {.mode = MathMode::contract}).stats().cache, "off");
    EXPECT_EQ(compile(kText, {.mode = MathMode::strict}).stats().cache, "off");
}

TEST_F(RewriteCache, CanBeSwitchedOff) {
    EXPECT_EQ(state_after_writing(fast(kText)), "written");
    const Kernel off = fast(kText, Type::f64, false);
    EXPECT_EQ(off.stats().cache, "off");
    EXPECT_NE(off.explain().find("not kept: switched off by its options"), std::string::npos);
    ::setenv("BITAXON_CACHE_DIR", "", 1);
    const Kernel nowhere = fast(kText);
    call(nowhere, 10);
    EXPECT_EQ(nowhere.stats().cache, "off");
    EXPECT_NE(nowhere.explain().find("not kept: BITAXON_CACHE_DIR is empty"), std::string::npos);
}

TEST_F(RewriteCache, LiesWhereTheDesktopKeepsCaches) {
    ::unsetenv("BITAXON_CACHE_DIR");
    ::setenv("XDG_CACHE_HOME", (folder_ / "xdg").c_str(), 1);
    ::setenv("HOME", (folder_ / "home").c_str(), 1);
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    EXPECT_EQ(only_file().parent_path(), folder_ / "xdg" / "bitaxon");
    fs::remove_all(folder_);
    ::setenv("XDG_CACHE_HOME", "relative", 1);
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    EXPECT_EQ(only_file().parent_path(), folder_ / "home" / ".cache" / "bitaxon");
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("HOME");
    EXPECT_EQ(fast(kText).stats().cache, "off");
}

TEST_F(RewriteCache, KernelsWithFunctionsOfTheCallersOwnAreNotKept) {
    Functions functions;
    functions.define("twice", {"v"}, "v + v");
    const Kernel f = compile("twice(x)*y", {.mode = MathMode::fast}, {.functions = functions});
    EXPECT_EQ(f.stats().cache, "off");
    EXPECT_NE(f.explain().find("not kept: functions of the caller's own"), std::string::npos);
}

TEST_F(RewriteCache, WhatNoTextSaysIsNotKept) {
    const Kernel f = fast("where(where(x < 1, x < y, y < 2) and x < 5, 1, 0)");
    EXPECT_EQ(state_after_writing(f), "failed");
    EXPECT_FALSE(fs::exists(folder_));
    EXPECT_NE(f.explain().find("no text says"), std::string::npos);
}

TEST_F(RewriteCache, AFolderThatCannotBeWrittenIsNoError) {
    put(folder_, "a file where the folder should be");
    const Kernel f = fast(kText);
    EXPECT_EQ(state_after_writing(f), "failed");
    EXPECT_NE(f.explain().find("could not be written"), std::string::npos);
    EXPECT_EQ(f.stats().calls, 3);
    fs::remove(folder_);
}

// Files that nobody of ours has written: each is passed over, then written anew.
TEST_F(RewriteCache, DamagedAndForeignFilesAreWrittenAnew) {
    const Kernel other = fast("x/y/y*x + 3*x");
    ASSERT_EQ(state_after_writing(other), "written");
    const std::string others = contents(only_file());
    fs::remove_all(folder_);
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    const fs::path path = only_file();
    const std::string good = contents(path);
    const std::string others_body = others.substr(others.find("v0 ="));

    std::vector<std::string> files{
        "",
        "\n",
        "garbage",
        std::string(100'000, '\0'),
        std::string(1 << 20, '('),
        others,
        "#" + good,
        good + "x0\n",
        good + "#\n",
        good.substr(0, good.size() - 1),
        good.substr(0, good.find("v0 =")),
        with_body(good, ""),
        good.substr(0, good.find("# checksum")) + others.substr(others.find("# checksum")),
        with_body(good, "x0, x1\n"),   // two results
        with_body(good, "x0 < x1\n"),  // another type
        with_body(good, "x5\n"),       // an argument that there isn't
        with_body(good, "x0 +\n"),
        with_body(good, "f(x0)\n"),
        with_body(good, "v : real = 3\nx0\n"),
        with_body(good, std::string(500'000, '(') + "x0" + std::string(500'000, ')') + "\n"),
        with_body(good, std::string(900'000, '-') + "x0\n"),
        with_body(good, "x0" + std::string(2'000'000, ' ') + "\n"),
        with_body(good, "x0 \xff\n"),
        with_body(others, others_body),
    };
    std::string huge_chain = "x0";
    for (int k = 0; k < 400'000; ++k) {
        huge_chain += "+x0";
    }
    files.push_back(with_body(good, huge_chain + "\n"));
    std::string growing = "v0 = x0\n";
    for (int k = 1; k < 60; ++k) {
        growing += "v" + std::to_string(k) + " = v" + std::to_string(k - 1) + "*v" +
                   std::to_string(k - 1) + "\n";
    }
    files.push_back(with_body(good, growing + "v59 and\n"));
    std::string outdated = good;
    outdated.replace(outdated.find("bitaxon ") + 8, 1, "9");
    files.push_back(outdated);

    const double x = 0.75;
    const double y = -1.5;
    double expected = 0;
    fast(kText, Type::f64, false)(ExecutionContext::shared(), {{&x, 1}, {&y, 1}},
                                  std::span(&expected, 1));
    for (const std::string& file : files) {
        put(path, file);
        const Kernel f = fast(kText);
        EXPECT_EQ(f.stats().cache, "miss") << file.substr(0, 300);
        EXPECT_NE(f.explain().find("was not used: "), std::string::npos);
        double got = 0;
        f(ExecutionContext::shared(), {{&x, 1}, {&y, 1}}, std::span(&got, 1));
        EXPECT_EQ(got, expected);
        EXPECT_EQ(state_after_writing(f), "written");
        EXPECT_EQ(contents(path), good);
    }
    EXPECT_EQ(fast(kText).stats().cache, "hit");
}

TEST_F(RewriteCache, AnyChangedBitAndAnyLostEndIsSeen) {
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    const fs::path path = only_file();
    const std::string good = contents(path);
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
        put(path, bad);
        ASSERT_EQ(fast(kText).stats().cache, "miss") << i;
        put(path, good.substr(0, i));
        ASSERT_EQ(fast(kText).stats().cache, "miss") << i;
    }
    put(path, good);
    EXPECT_EQ(fast(kText).stats().cache, "hit");
}

TEST_F(RewriteCache, WhatIsNoFileIsPassedOver) {
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    const fs::path path = only_file();
    fs::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(fast(kText).stats().cache, "miss") << "a pipe, and nobody waits for its writer";
    fs::remove(path);
    fs::create_directories(path / "inside");
    const Kernel f = fast(kText);
    EXPECT_EQ(f.stats().cache, "miss");
    EXPECT_EQ(state_after_writing(f), "failed") << "a folder is not replaced";
    fs::remove_all(path);
    fs::create_symlink(path, path);
    EXPECT_EQ(fast(kText).stats().cache, "miss") << "a link to itself";
    fs::remove(path);
    std::ofstream(path).close();
    fs::resize_file(path, std::uintmax_t{1} << 40);
    EXPECT_EQ(fast(kText).stats().cache, "miss") << "a terabyte of zeros";
}

TEST_F(RewriteCache, ManyWritersAndReadersOfOneEntryAgree) {
    if (BITAXON_TEST_EMULATED) {
        GTEST_SKIP() << "qemu does not fork processes with threads reliably";
    }
    ASSERT_EQ(state_after_writing(fast(kText)), "written");
    const fs::path path = only_file();
    std::vector<pid_t> children;
    for (int child = 0; child < 4; ++child) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            int hits = 0;
            for (int round = 0; round < 60; ++round) {
                const Kernel f = fast(kText);
                const std::string at_first = f.stats().cache;
                call(f, 6);  // in a forked child there may be no other thread to write
                const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
                while (f.stats().cache == "miss" && std::chrono::steady_clock::now() < deadline) {
                    call(f, 1);
                }
                const bool right = at_first == "hit" || f.stats().cache == "written";
                if (!right || f.explain().find("was not used") != std::string::npos) {
                    ::_exit(1);
                }
                hits += at_first == "hit" ? 1 : 0;
                if (round % 7 == 0) {
                    ::unlink(path.c_str());
                }
            }
            ::_exit(hits > 0 ? 0 : 2);
        }
        children.push_back(pid);
    }
    for (const pid_t pid : children) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_EQ(status, 0);
    }
}

}  // namespace
}  // namespace bitaxon::jit
