// bitaxon-bench: times the library tier by tier, each result beside the limit that this machine
// sets.
#include "harness/environment.hpp"
#include "harness/report.hpp"
#include "harness/runner.hpp"
#include "harness/suite.hpp"

#include <bitaxon/core/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <thread>

namespace bitaxon::bench {
namespace {

struct Arguments {
    bool quick = false;
    bool list = false;
    std::string filter = ".*";
    std::vector<std::string> tiers;
    int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 2u));
    std::size_t samples = Settings{}.samples;
    std::string json;
};

Suite make_suite(const Arguments& arguments) {
    Suite suite;
    suite.settings.quick = arguments.quick;
    suite.settings.threads = arguments.threads;
    suite.settings.samples = arguments.samples;
    for (const kernels::TierInfo& tier : kernels::tiers()) {
        const bool wanted =
            arguments.tiers.empty() || std::ranges::count(arguments.tiers, tier.name) > 0;
        if (!wanted) continue;
        if (tier.supported)
            suite.settings.tiers.push_back(tier.tier);
        else
            suite.skipped.emplace_back(fmt::format("tier {}", tier.name),
                                       tier.compiled ? "this CPU has not all of its features"
                                                     : "not in this build");
    }
    if (suite.settings.tiers.empty()) return suite;
    for (const auto add_group :
         {add_probes, add_kernels, add_encode, add_dense, add_conv2d, add_attention, add_graph,
          add_recurrent, add_workloads, add_scaling, add_crossover, add_expressions, add_neurons,
          add_plasticity, add_runtime})
        add_group(suite);
    const std::regex filter(arguments.filter);
    std::erase_if(suite.cases, [&](const Case& c) { return !std::regex_search(c.id, filter); });
    std::erase_if(suite.skipped, [&](const auto& skip) {
        return skip.first.find('/') != std::string::npos && !std::regex_search(skip.first, filter);
    });
    return suite;
}

// One line a reason.
std::vector<std::string> describe_skipped(const Suite& suite) {
    std::map<std::string, std::string> by_reason;
    for (const auto& [what, why] : suite.skipped) by_reason[why] += " " + what;
    std::vector<std::string> lines;
    for (const auto& [why, what] : by_reason)
        lines.push_back(fmt::format("skipped, {}:{}", why, what));
    return lines;
}

void print(const std::string& line) { std::cout << line << std::endl; }

int run_suite(const Suite& suite, const std::string& json_path) {
    nlohmann::ordered_json json;
    json["environment"] = environment(suite.settings);
    json["results"] = nlohmann::ordered_json::object();
    print(table_head());
    Sentinel sentinel;
    for (const Case& c : suite.cases) {
        try {
            const Result result = run(c, suite.settings, sentinel);
            print(table_row(result));
            json["results"][c.id] = to_json(result);
        } catch (const Mismatch& mismatch) {
            std::cerr << "error: " << c.id << ": wrong result: " << mismatch.what() << "\n";
            return 1;
        }
    }
    for (const std::string& line : describe_skipped(suite)) print(line);
    for (const auto& [what, why] : suite.skipped) json["skipped"][what] = why;
    for (const auto& [what, tier] : suite.inherited) json["inherited"][what] = tier;
    if (suite.cases.empty() && !suite.settings.tiers.empty()) {
        std::cerr << "error: --filter: no id matches\n";
        return 1;
    }
    if (json_path.empty()) return 0;
    std::ofstream file(json_path);
    file << json << "\n";
    file.close();
    if (file) return 0;
    std::cerr << "error: cannot write " << json_path << "\n";
    return 1;
}

int main_of(int argc, char** argv) {
    Arguments arguments;
    CLI::App app{"Benches of Bitaxon. ids are group/operation/tier/size."};
    std::vector<std::string> tier_names;
    for (const kernels::TierInfo& tier : kernels::tiers()) tier_names.emplace_back(tier.name);
    app.add_flag("--quick", arguments.quick, "A tenth of the time, smaller arrays");
    app.add_flag("--list", arguments.list, "Print the ids and run nothing");
    app.add_option("--filter", arguments.filter,
                   "Run ids in which this regular expression is found");
    app.add_option("--tier", arguments.tiers, "Run this tier only; may be given again")
        ->check(CLI::IsMember(tier_names));
    app.add_option("--threads", arguments.threads, "Threads of the benches that use several")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--samples", arguments.samples, "Samples of a bench, at least")
        ->check(CLI::Range(3, 10000))
        ->capture_default_str();
    app.add_option("--json", arguments.json, "Write results to this file");
    CLI11_PARSE(app, argc, argv);

    try {
        const Suite suite = make_suite(arguments);
        if (!arguments.list) return run_suite(suite, arguments.json);
        for (const Case& c : suite.cases) print(c.id);
        for (const std::string& line : describe_skipped(suite)) print("# " + line);
        return 0;
    } catch (const std::regex_error& error) {
        std::cerr << "error: --filter: " << error.what() << "\n";
    } catch (const Error& error) {
        std::cerr << "error: " << error.what() << "\n";
    }
    return 1;
}

}  // namespace
}  // namespace bitaxon::bench

int main(int argc, char** argv) { return bitaxon::bench::main_of(argc, argv); }
