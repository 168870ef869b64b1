// Rules in files, and watches of them: every way to edit a file, bad edits, forks and the end.
#include "rules/file_changes.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/rule_file.hpp>

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace bitaxon::jit {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string text_with(const std::string& tau) {
    return "# a comment: with a colon\n"
           "dv/dt = (i - v)/tau\n"
           "tau : real = " +
           tau +
           " (constant)\n"
           "threshold: v > 1   # and another\n"
           "reset: v = 0\n"
           "  reset : v += 0\n"
           "refractory: 2e-3\n"
           "method: exact\n"
           "name: leaky\n";
}

void put(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

double tau_of(const Rule& rule) { return rule.parameters().at(0).value; }

class RuleWatchTest : public testing::Test {
  protected:
    RuleWatchTest()
        : folder_(fs::canonical(fs::temp_directory_path()) /
                  ("bitaxon-watch-" + std::to_string(::getpid()) + "-" +
                   testing::UnitTest::GetInstance()->current_test_info()->name())),
          path_(folder_ / "leaky.rule") {
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        put(path_, text_with("0.02"));
    }
    ~RuleWatchTest() override { fs::remove_all(folder_); }

    /// The rule of the next edit and how long it took; fails where none comes.
    static milliseconds wait_for(RuleWatch& watch, double tau) {
        const auto started = Clock::now();
        while (Clock::now() - started < std::chrono::seconds(20)) {
            if (const auto rule = watch.next(); rule && tau_of(*rule) == tau) {
                return std::chrono::duration_cast<milliseconds>(Clock::now() - started);
            }
            std::this_thread::sleep_for(milliseconds(1));
        }
        ADD_FAILURE() << tau << " never came";
        return milliseconds::max();
    }
    static std::string wait_for_error(RuleWatch& watch) {
        const auto deadline = Clock::now() + std::chrono::seconds(20);
        while (Clock::now() < deadline) {
            try {
                watch.next();
            } catch (const Error& error) {
                return error.what();
            }
            std::this_thread::sleep_for(milliseconds(1));
        }
        return "no error";
    }

    /// The median delay of edits that `edit` makes. Single ones may meet a busy machine.
    template <class Edit>
    void expect_live_soon(const fs::path& watched, std::string_view mechanism, Edit edit) {
        RuleWatch watch(watched);
        std::vector<milliseconds> delays;
        for (int k = 1; k <= 7; ++k) {
            const double tau = 0.02 + k;
            edit(text_with(std::to_string(tau)));
            delays.push_back(wait_for(watch, tau));
            EXPECT_EQ(tau_of(watch.rule()), tau);
        }
        std::ranges::nth_element(delays, delays.begin() + 3);
        EXPECT_LT(delays[3], milliseconds(100));
        EXPECT_EQ(watch.mechanism(), mechanism);
    }

    fs::path folder_;
    fs::path path_;
};

using RuleFile = RuleWatchTest;

TEST_F(RuleFile, HoldsEquationsAndOptions) {
    const Rule rule = load_rule(path_);
    EXPECT_EQ(rule.options().threshold, "v > 1");
    EXPECT_EQ(rule.options().reset, "v = 0; v += 0");
    EXPECT_EQ(std::get<std::string>(rule.options().refractory), "2e-3");
    EXPECT_EQ(rule.method(), "exact");
    EXPECT_EQ(rule.name(), "leaky");
    EXPECT_EQ(tau_of(rule), 0.02);
}

TEST_F(RuleFile, VariablesMayHaveTheNamesOfOptions) {
    put(path_, "v : real = 0\r\nthreshold : real = 2 (constant)\r\nreset:f64=1\r\n"
               "dv/dt = threshold - v + reset\r\nmethod: euler\r\n");
    const Rule rule = load_rule(path_);
    EXPECT_EQ(rule.parameters().size(), 2U);
    EXPECT_EQ(rule.method(), "euler");
    EXPECT_FALSE(rule.spikes());
}

TEST_F(RuleFile, ErrorsNameTheLinesOfTheFile) {
    for (const char* wrong : {"threshold: v > 1\nmethod: euler\n\ndv/dt = nonsense*v\n",
                              "dv/dt = -v\nmethod: euler\nreset: v = 0\nmethod: exact\n"}) {
        put(path_, wrong);
        try {
            load_rule(path_);
            ADD_FAILURE() << wrong;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find("line 4"), std::string::npos) << error.what();
        }
    }
}

TEST_F(RuleFile, WhatIsNoTextIsRefused) {
    const auto code_of = [&](const fs::path& path) {
        try {
            load_rule(path);
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::cancelled;
    };
    EXPECT_EQ(code_of(folder_ / "absent"), ErrorCode::file);
    EXPECT_EQ(code_of(folder_), ErrorCode::file);
    put(path_, text_with("0.02") + "# \xff\n");
    EXPECT_EQ(code_of(path_), ErrorCode::file);
    fs::resize_file(path_, 1 << 30);
    EXPECT_EQ(code_of(path_), ErrorCode::file);
    EXPECT_THROW(RuleWatch(folder_ / "absent"), Error);
}

TEST_F(RuleWatchTest, SeesAFileThatIsWritten) {
    expect_live_soon(path_, "inotify", [&](const std::string& text) { put(path_, text); });
}

TEST_F(RuleWatchTest, SeesAFileThatIsRenamedOverIt) {
    expect_live_soon(path_, "inotify", [&](const std::string& text) {
        put(folder_ / "leaky.rule~", text);
        fs::rename(folder_ / "leaky.rule~", path_);
    });
}

TEST_F(RuleWatchTest, SeesAFileThatIsDeletedAndMadeAgain) {
    expect_live_soon(path_, "inotify", [&](const std::string& text) {
        fs::remove(path_);
        std::this_thread::sleep_for(milliseconds(3));
        put(path_, text);
    });
}

TEST_F(RuleWatchTest, SeesAnotherNameOfAFile) {
    expect_live_soon(path_, "inotify", [&](const std::string& text) {
        fs::remove(folder_ / "other");
        put(folder_ / "other", text);
        fs::remove(path_);
        fs::create_hard_link(folder_ / "other", path_);
    });
}

TEST_F(RuleWatchTest, SeesAFileThatStaysOpen) {
    std::ofstream file;
    expect_live_soon(path_, "inotify", [&](const std::string& text) {
        file.close();
        std::this_thread::sleep_for(milliseconds(60));  // that was an event too
        file.open(path_, std::ios::binary);
        file << text << std::flush;
    });
}

TEST_F(RuleWatchTest, PollsWhereThePathHasLinks) {
    fs::create_directories(folder_ / "elsewhere");
    fs::rename(path_, folder_ / "elsewhere" / "text");
    fs::create_symlink(folder_ / "elsewhere" / "text", path_);
    expect_live_soon(path_, "polling",
                     [&](const std::string& text) { put(folder_ / "elsewhere" / "text", text); });
    fs::create_directory_symlink(folder_ / "elsewhere", folder_ / "link");
    expect_live_soon(folder_ / "link" / "text", "polling",
                     [&](const std::string& text) { put(folder_ / "elsewhere" / "text", text); });
}

TEST_F(RuleWatchTest, SeesFilesInAFolderThatIsNeverQuiet) {
    fs::create_directories(folder_ / "elsewhere");
    fs::create_symlink(folder_ / "elsewhere" / "text", folder_ / "linked");
    put(folder_ / "elsewhere" / "text", text_with("0.02"));
    RuleWatch linked(folder_ / "linked");
    RuleWatch held_open(path_);
    const std::jthread busy([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            put(folder_ / "other", "");
            std::this_thread::sleep_for(milliseconds(2));
        }
    });
    put(folder_ / "elsewhere" / "text", text_with("0.5"));
    wait_for(linked, 0.5);
    EXPECT_EQ(tau_of(linked.rule()), 0.5);
    std::ofstream file(path_, std::ios::binary);
    file << text_with("0.5") << std::flush;
    wait_for(held_open, 0.5);
    EXPECT_EQ(tau_of(held_open.rule()), 0.5);
}

TEST_F(RuleWatchTest, OutlivesItsFolder) {
    const fs::path inner = folder_ / "inner";
    const fs::path path = inner / "a.rule";
    fs::create_directories(inner);
    put(path, text_with("0.02"));
    RuleWatch watch(path);
    fs::remove_all(inner);
    std::this_thread::sleep_for(milliseconds(60));
    EXPECT_EQ(watch.mechanism(), "polling");
    fs::create_directories(inner);
    put(path, text_with("3"));
    wait_for(watch, 3);
    fs::rename(inner, folder_ / "old");
    fs::create_directories(inner);
    put(path, text_with("4"));
    wait_for(watch, 4);
    put(path, text_with("5"));
    wait_for(watch, 5);
    EXPECT_EQ(watch.mechanism(), "inotify");
}

TEST_F(RuleWatchTest, AFolderThatComesBackIsGivenTimeToRest) {
    FileChanges changes(path_);
    std::atomic<Clock::time_point> back{Clock::time_point::max()};
    std::thread mover([&] {
        const fs::path away = folder_.string() + "-away";
        fs::rename(folder_, away);
        std::this_thread::sleep_for(milliseconds(40));  // so that it looks for it in vain
        back = Clock::now();
        fs::rename(away, folder_);
    });
    EXPECT_TRUE(changes.wait(-1));
    EXPECT_GE(Clock::now() - back.load(), milliseconds(50));
    mover.join();
}

TEST_F(RuleWatchTest, ABadEditKeepsTheRuleAndIsToldOnce) {
    RuleWatch watch(path_);
    put(path_, text_with("nonsense"));
    EXPECT_NE(wait_for_error(watch).find("line 3"), std::string::npos);
    EXPECT_EQ(tau_of(watch.rule()), 0.02);
    put(path_, text_with("nonsense"));
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_FALSE(watch.next()) << "the same text again";
    put(path_, "\xff");
    EXPECT_NE(wait_for_error(watch).find("0xff"), std::string::npos);
    put(path_, text_with("3"));
    wait_for(watch, 3);
}

TEST_F(RuleWatchTest, AGoodEditBeforeABadOneIsNotLost) {
    std::mutex mutex;
    std::condition_variable told;
    int changes = 0;
    RuleWatch watch(path_, [&] {
        const std::scoped_lock lock(mutex);
        ++changes;
        told.notify_all();
    });
    const auto wait_for_changes = [&](int count) {
        std::unique_lock lock(mutex);
        return told.wait_for(lock, std::chrono::seconds(20), [&] { return changes == count; });
    };
    put(path_, text_with("3"));
    ASSERT_TRUE(wait_for_changes(1));
    put(path_, text_with("nonsense"));
    ASSERT_TRUE(wait_for_changes(2));
    const auto rule = watch.next();
    ASSERT_TRUE(rule);
    EXPECT_EQ(tau_of(*rule), 3);
    EXPECT_THROW(watch.next(), Error);
    EXPECT_FALSE(watch.next());
}

// The last edit must win. A writer that the machine holds up in the middle of a file shows half of
// it: that is an error, and no more.
TEST_F(RuleWatchTest, ManyQuickEditsEndWithTheLast) {
    RuleWatch watch(path_);
    constexpr int kEdits = 500;
    std::thread writer([&] {
        for (int k = 1; k <= kEdits; ++k) {
            std::ofstream file(path_, std::ios::binary);
            for (const char c : text_with(std::to_string(k))) {
                file << c << std::flush;
            }
            if (k % 50 == 0) {
                std::this_thread::sleep_for(milliseconds(40));
            }
        }
    });
    double last = 0;
    int live = 0;
    int halves = 0;
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (last != kEdits && Clock::now() < deadline) {
        try {
            if (const auto rule = watch.next()) {
                EXPECT_NE(tau_of(*rule), last);
                last = tau_of(*rule);
                ++live;
            }
        } catch (const Error& error) {
            ++halves;
        }
        std::this_thread::sleep_for(milliseconds(1));
    }
    writer.join();
    EXPECT_EQ(last, kEdits);
    EXPECT_GE(live, 2);
    EXPECT_LT(halves, kEdits / 10);
}

TEST_F(RuleWatchTest, NothingIsToldOfOtherFilesOrOfTheSameText) {
    int changes = 0;
    RuleWatch watch(path_, [&] { ++changes; });
    put(folder_ / "leaky.rule.swp", "x");
    put(folder_ / "other.rule", text_with("5"));
    put(path_, text_with("0.02"));
    ::chmod(path_.c_str(), 0600);
    std::this_thread::sleep_for(milliseconds(200));
    watch.close();
    EXPECT_EQ(changes, 0);
    put(path_, text_with("5"));
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_FALSE(watch.next()) << "it is closed";
    watch.close();
}

int thread_count() {
    return static_cast<int>(std::distance(fs::directory_iterator("/proc/self/task"), {}));
}

TEST_F(RuleWatchTest, ItsThreadEndsWithIt) {
    const int before = thread_count();
    {
        RuleWatch a(path_);
        RuleWatch b(path_);
        EXPECT_EQ(thread_count(), before + 2);
        a = std::move(b);
        EXPECT_EQ(thread_count(), before + 1);
        const RuleWatch c = std::move(a);
    }
    EXPECT_EQ(thread_count(), before);
}

TEST_F(RuleWatchTest, MayBeDestroyedByItsOwnCall) {
    const int before = thread_count();
    std::unique_ptr<RuleWatch> watch;
    std::atomic<bool> gone{false};
    watch = std::make_unique<RuleWatch>(path_, [&] {
        watch.reset();
        gone = true;
    });
    put(path_, text_with("3"));
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while ((!gone || thread_count() != before) && Clock::now() < deadline) {
        std::this_thread::sleep_for(milliseconds(1));
    }
    EXPECT_TRUE(gone);
    EXPECT_EQ(thread_count(), before);
}

std::set<fs::path> all_threads() {
    std::set<fs::path> found;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
        found.insert(task.path());
    }
    return found;
}

TEST_F(RuleWatchTest, SignalsGoToOtherThreads) {
    const std::set<fs::path> before = all_threads();
    RuleWatch watch(path_);
    std::vector<std::uint64_t> masks;
    for (const fs::path& thread : all_threads()) {
        std::ifstream status(thread / "status");
        for (std::string line; !before.contains(thread) && std::getline(status, line);) {
            if (line.starts_with("SigBlk:")) {
                masks.push_back(std::stoull(line.substr(7), nullptr, 16));
            }
        }
    }
    ASSERT_EQ(masks.size(), 1U);
    EXPECT_NE(masks[0] & (1ULL << (SIGINT - 1)), 0U);
}

TEST_F(RuleWatchTest, AForkedChildNeitherWatchesNorHangsNorEndsTheParentsWatch) {
    if (BITAXON_TEST_EMULATED) {
        GTEST_SKIP() << "qemu does not fork processes with threads reliably";
    }
    RuleWatch watch(path_);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::alarm(20);
        {
            RuleWatch own(path_);
            put(path_, text_with("3"));
            const auto deadline = Clock::now() + std::chrono::seconds(15);
            while (!own.next() && Clock::now() < deadline) {
                std::this_thread::sleep_for(milliseconds(1));
            }
            if (tau_of(own.rule()) != 3 || watch.next()) {
                ::_exit(1);
            }
        }
        watch.close();
        ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    wait_for(watch, 3);
    put(path_, text_with("4"));
    wait_for(watch, 4);
}

}  // namespace
}  // namespace bitaxon::jit
