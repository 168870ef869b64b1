// Eigen's and oneTBB's side of the head to head: bench/peers/protocol.py says how they talk.
#include <Eigen/Core>
#include <nlohmann/json.hpp>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;

struct Prepared {
    std::function<void()> call;
    std::vector<double> values;
};

constexpr Eigen::Index kRows = 1'000'000;

// The values are those of works.py only where no random data is needed, so x and y come from a file
// that the head to head writes: raw doubles, x then y.
Prepared affine(const std::string& path) {
    struct Arrays {
        Eigen::ArrayXd x{kRows}, y{kRows}, out{kRows};
    };
    const auto arrays = std::make_shared<Arrays>();
    FILE* file = std::fopen(path.c_str(), "rb");
    const std::size_t read = file == nullptr
                                 ? 0
                                 : std::fread(arrays->x.data(), sizeof(double), kRows, file) +
                                       std::fread(arrays->y.data(), sizeof(double), kRows, file);
    if (file != nullptr) std::fclose(file);
    if (read != 2 * kRows) throw std::runtime_error("cannot read " + path);
    const auto call = [arrays] { arrays->out = arrays->x + arrays->y + 10.0; };
    call();
    std::vector<double> values;
    for (Eigen::Index i = 0; i < kRows; i += 1000) values.push_back(arrays->out[i]);
    return {call, values};
}

Prepared spawn(int tasks) {
    const auto arena = std::make_shared<tbb::task_arena>(2);
    const auto call = [arena, tasks] {
        arena->execute([tasks] {
            tbb::task_group group;
            for (int i = 0; i < tasks; ++i) group.run([] {});
            group.wait();
        });
    };
    call();
    return {call, {static_cast<double>(tasks)}};
}

Prepared prepare(const std::string& work, bool eigen, const std::string& inputs) {
    if (eigen && work == "affine") return affine(inputs);
    if (!eigen && work.starts_with("spawn-")) return spawn(std::stoi(work.substr(6)));
    return {};
}

}  // namespace

// native_peer eigen|onetbb [INPUTS]
int main(int argc, char** argv) {
    const bool eigen = argc > 1 && std::string(argv[1]) == "eigen";
    const std::string inputs = argc > 2 ? argv[2] : "";
    const std::string version = std::to_string(EIGEN_WORLD_VERSION) + "." +
                                std::to_string(EIGEN_MAJOR_VERSION) + "." +
                                std::to_string(EIGEN_MINOR_VERSION);
    const auto say = [](const Json& answer) { std::cout << answer << std::endl; };
    say({{"peer", eigen ? "Eigen" : "oneTBB task_group"},
         {"version", eigen ? version : std::string(TBB_runtime_version())}});
    Prepared prepared;
    for (std::string line; std::getline(std::cin, line);) {
        const Json request = Json::parse(line);
        if (request.contains("prepare")) {
            prepared = prepare(request["prepare"], eigen, inputs);
            say(prepared.call ? Json{{"values", prepared.values}}
                              : Json{{"missing", "has no such work"}});
            continue;
        }
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < request["time"].get<int>(); ++i) prepared.call();
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        say({{"seconds", elapsed.count()}});
    }
    return 0;
}
