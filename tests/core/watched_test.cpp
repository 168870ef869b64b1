// Work on a watched context, and how it ends.
#include "expect_error.hpp"

#include <bitaxon/core/conditional.hpp>
#include <bitaxon/core/correlation.hpp>
#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/future.hpp>
#include <bitaxon/core/spike_encoders.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace bitaxon {
namespace {

using namespace std::chrono_literals;

template <class Call>
void expect_cancelled(Call&& call) {
    expect_error(ErrorCode::cancelled, {"cancelled"}, call);
}

TEST(WatchedContext, EverythingThatTakesItHeedsAStop) {
    const ExecutionContext context({.threads = 2});
    const std::vector<double> values(20, 0.3);
    const StreamArray streams = encode(context, values, 100);
    std::vector<double> out(values.size() * values.size());
    const std::span<double> one_each = std::span(out).first(values.size());
    const std::pair<const char*, std::function<void(const ExecutionContext&)>> calls[] = {
        {"encode", [&](const auto& c) { encode(c, values, 100); }},
        {"encode from inside a word",
         [&](const auto& c) {
             encode(c, values, 100, Coding::unipolar, Encoder{Bernoulli{}}, {}, 7);
         }},
        {"encode by numbers",
         [&](const auto& c) { encode(c, values, 100, Coding::unipolar, Encoder{Lfsr{}}); }},
        {"encode_spikes", [&](const auto& c) { encode_spikes(c, values, 100, RateCode{}); }},
        {"decode", [&](const auto& c) { decode(c, streams.view(), Coding::unipolar, one_each); }},
        {"correlation",
         [&](const auto& c) {
             correlation(c, Correlation::scc, streams.view(), streams.view(), one_each);
         }},
        {"correlation_matrix",
         [&](const auto& c) {
             correlation_matrix(c, Correlation::scc, streams.view(), streams.view(), out);
         }},
        {"multiply_conditional",
         [&](const auto& c) { multiply_conditional(c, streams.view(), streams.view()); }},
        {"parallel_for", [](const auto& c) { c.parallel_for(1, [](std::size_t) {}); }},
        {"supervise", [](const auto& c) { c.supervise({}, 1, 0.0, [](Job&) {}); }},
    };
    for (const auto& [name, call] : calls) {
        SCOPED_TRACE(name);
        std::stop_source source;
        const ExecutionContext watched =
            context.watched({.progress = {}, .stop = source.get_token(), .job = nullptr});
        call(watched);
        source.request_stop();
        expect_cancelled([&] { call(watched); });
        expect_cancelled([&] { call(watched.watched({})); });  // of a watch around it, too
        call(context);
    }
}

TEST(WatchedContext, PiecesAfterAStopDoNotRun) {
    for (const int threads : {1, 3}) {
        std::stop_source source;
        const ExecutionContext watched =
            ExecutionContext({.threads = threads})
                .watched({.progress = {}, .stop = source.get_token(), .job = nullptr});
        std::atomic<int> after{0};
        expect_cancelled([&] {
            watched.parallel_for(100'000, [&](std::size_t) {
                if (source.stop_requested()) ++after;
                source.request_stop();
            });
        });
        EXPECT_LE(after, threads);  // those that had begun
    }
}

TEST(WatchedContext, WorkInsideOfSubmittedWorkEndsWithItsFuture) {
    const ExecutionContext context({.threads = 2});
    std::atomic<bool> started{false};
    Future<> future = context.submit([&](Job& job) {
        const ExecutionContext watched = context.watched({.progress = {}, .stop = {}, .job = &job});
        started = true;
        for (;;) encode(watched, std::vector<double>(3, 0.5), 100);
    });
    while (!started) std::this_thread::yield();
    future.cancel();
    expect_cancelled([&] { future.get(); });
}

// Loops, and work that runs beside the thread that reports.
TEST(WatchedContext, WhatAReportThrowsEndsTheCall) {
    const auto sleep = [] { std::this_thread::sleep_for(1ms); };
    const std::pair<const char*, std::function<void(const ExecutionContext&)>> calls[] = {
        {"a loop", [&](const auto& c) { c.parallel_for(100'000, [&](std::size_t) { sleep(); }); }},
        {"a loop of one piece",
         [&](const auto& c) {
             c.parallel_for(1, [&](std::size_t) {
                 for (int k = 0; k < 100'000; ++k, c.check()) sleep();
             });
         }},
        {"supervised work",
         [&](const auto& c) {
             c.supervise({}, 1, 1e9, [&](Job& job) {
                 for (int k = 0; k < 100'000; ++k, job.check()) sleep();
             });
         }},
    };
    const std::thread::id caller = std::this_thread::get_id();
    for (const int threads : {1, 2})
        for (const auto& [name, call] : calls) {
            SCOPED_TRACE(name);
            int reports = 0;
            const auto report = [&](std::size_t done, std::size_t total) {
                EXPECT_EQ(std::this_thread::get_id(), caller);
                EXPECT_EQ(done + total, 0u);
                if (++reports == 2) throw std::runtime_error("enough");
            };
            const ExecutionContext watched =
                ExecutionContext({.threads = threads})
                    .watched({.progress = report, .stop = {}, .job = nullptr});
            EXPECT_THROW(call(watched), std::runtime_error);
            EXPECT_EQ(reports, 2);
        }
}

}  // namespace
}  // namespace bitaxon
