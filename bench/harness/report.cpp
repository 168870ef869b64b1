#include "harness/report.hpp"

#include "harness/peers.hpp"

#include <fmt/format.h>

#include <cmath>

namespace bitaxon::bench {
namespace {

std::string time_text(double nanoseconds) {
    double value = nanoseconds;
    for (const std::string_view unit : {"ns", "us", "ms"}) {
        if (value < 1000) return fmt::format("{:.4g} {}", value, unit);
        value /= 1000;
    }
    return fmt::format("{:.4g} s", value);
}

const Estimate* find_ratio(const Result& result, std::string_view name) {
    for (const auto& [known, value] : result.ratios)
        if (known == name) return &value;
    return nullptr;
}

// Of the subject and its limit, in the order in which they came. Analysis starts from these.
nlohmann::ordered_json samples_json(const Result& result) {
    nlohmann::ordered_json out;
    const auto column = [&](auto of) {
        nlohmann::ordered_json values = nlohmann::ordered_json::array();
        for (const Round& round : result.samples) values.push_back(of(round));
        return values;
    };
    const auto contestant = [&](std::size_t k) {
        return nlohmann::ordered_json{
            {"work", result.work[k]},
            {"iterations", column([k](const Round& round) { return round.calls[k]; })},
            {"nanoseconds",
             column([k](const Round& round) { return std::llround(round.nanoseconds[k]); })}};
    };
    out["subject"] = contestant(0);
    if (result.limit_index) out["limit"] = contestant(*result.limit_index);
    out["sentinel_ns"] =
        column([](const Round& round) { return std::llround(round.sentinel_ns); });
    out["sentinel_best_ns"] = std::llround(result.sentinel_best_ns);
    return out;
}

}  // namespace

std::string table_head() {
    return fmt::format("{:<58} {:>9}  {:>6}  {:>14}  {:>6}  {}", "id", "median", "ci95",
                       "throughput", "share", "limit and notes");
}

std::string table_row(const Result& result) {
    const Estimate& time = result.nanoseconds;
    const Estimate* share = find_ratio(result, "share_of_limit");
    std::string notes = result.limit_name;
    for (const auto& [name, value] : result.ratios)
        if (&value != share)
            notes += fmt::format("{}{} {:.3g}", notes.empty() ? "" : "; ", name, value.median);
    if (const auto peer = find_peer(result.id))
        notes += fmt::format("{}peer {} ({}): {:.3g} times", notes.empty() ? "" : "; ",
                             time_text(peer->nanoseconds), peer->source,
                             peer->nanoseconds / time.median);
    return fmt::format("{:<58} {:>9}  {:>5.1f}%  {:>14}  {:>6}  {}", result.id,
                       time_text(time.median), (time.high - time.low) / 2 / time.median * 100,
                       fmt::format("{:.4g} {}", result.throughput, result.unit),
                       share ? fmt::format("{:.1f}%", share->median * 100) : "", notes);
}

nlohmann::ordered_json to_json(const Result& result) {
    nlohmann::ordered_json out;
    out["median_ns"] = result.nanoseconds.median;
    out["ci95_ns"] = {result.nanoseconds.low, result.nanoseconds.high};
    out["rounds"] = result.rounds;
    out["throughput"] = result.throughput;
    out["unit"] = result.unit;
    out["limit"] = nullptr;
    out["share_of_limit"] = nullptr;
    if (result.limit) {
        out["limit"] = *result.limit;
        out["limit_name"] = result.limit_name;
    }
    for (const auto& [name, value] : result.ratios) {
        out[name] = value.median;
        out[name + "_ci95"] = {value.low, value.high};
    }
    if (result.series) out["series"] = {{"over", result.series->name}, {"value", result.series->value}};
    out["samples"] = samples_json(result);
    if (const auto peer = find_peer(result.id)) {
        out["peer_ns"] = peer->nanoseconds;
        out["peer"] = peer->source;
    }
    return out;
}

}  // namespace bitaxon::bench
