// Results for people and for programs.
#pragma once

#include "harness/runner.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace bitaxon::bench {

std::string table_head();
/// One line: id, time, throughput, share of the limit, what else was found.
std::string table_row(const Result& result);

/// The fields of one id. Ratios stand beside `share_of_limit`, each with its interval.
nlohmann::ordered_json to_json(const Result& result);

}  // namespace bitaxon::bench
