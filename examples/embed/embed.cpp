// A closed loop around a stochastic layer: Braitenberg vehicles that look for a light.
//
// A vehicle sees with a ring of eyes and moves on two wheels; between them stands one bitstream
// layer, and its output decides what the eyes see next. The threads of the simulation share that
// one layer. Source: V. Braitenberg, Vehicles (MIT Press, 1984): eyes excite the wheel on the far
// side, which turns towards the light (2b), and calm both wheels, which rests beside it (3a).
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/dense.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <future>
#include <numbers>
#include <span>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kEyes = 8;
constexpr std::size_t kWheels = 2;  // left, right
constexpr std::size_t kVehicles = 64;
constexpr std::size_t kSteps = 5000;
constexpr double kTimeStep = 0.05;
constexpr double kCruise = 0.5;  // speed in the dark
constexpr double kHome = 0.5;    // this close to the light, a vehicle has found it

// The light stands at the origin.
struct Pose {
    std::complex<double> position;
    double heading;

    bool operator==(const Pose&) const = default;
};

using Trajectory = std::vector<Pose>;

double eye_angle(std::size_t eye) {
    return 2.0 * std::numbers::pi * (static_cast<double>(eye) + 0.5) / kEyes;
}

// Weights of both signs over inputs in [0, 1] are what split-unipolar coding is for.
bitaxon::DenseLayer brain() {
    constexpr double turn = 0.6;
    constexpr double calm = 0.2;
    std::vector<double> weights(kWheels * kEyes);
    for (std::size_t eye = 0; eye < kEyes; ++eye) {
        const double left_side = std::sin(eye_angle(eye));
        weights[eye] = -turn * left_side - calm;
        weights[kEyes + eye] = turn * left_side - calm;
    }
    const std::vector<double> bias(kWheels, kCruise);
    // Coding noise falls with the square root of the length; 256 bits steer well enough.
    const bitaxon::DenseOptions options{.inputs = kEyes,
                                        .neurons = kWheels,
                                        .length = 256,
                                        .coding = bitaxon::Coding::split_unipolar,
                                        .seed = 2026};
    return bitaxon::DenseLayer(options, weights, bias);
}

void look(const Pose& pose, std::span<double, kEyes> eyes) {
    const double brightness = 1.0 / (1.0 + std::abs(pose.position));
    const double bearing = std::arg(-pose.position) - pose.heading;
    for (std::size_t eye = 0; eye < kEyes; ++eye)
        eyes[eye] = brightness * std::max(0.0, std::cos(bearing - eye_angle(eye)));
}

Pose drive(const Pose& pose, std::span<const double, kWheels> wheels) {
    const double speed = 0.5 * (wheels[0] + wheels[1]);
    const double turn_rate = wheels[1] - wheels[0];
    return {pose.position + std::polar(speed * kTimeStep, pose.heading),
            pose.heading + turn_rate * kTimeStep};
}

// Vehicles start on a ring and look along it. Their number and step name the streams of every
// forward, so no two calls share a bit, and who calls when changes none.
Trajectory live(const bitaxon::DenseLayer& layer, const bitaxon::ExecutionContext& context,
                std::uint64_t vehicle) {
    const double place = 2.0 * std::numbers::pi * static_cast<double>(vehicle) / kVehicles;
    Trajectory path{{std::polar(5.0, place), place + std::numbers::pi / 2}};
    path.reserve(kSteps + 1);
    double eyes[kEyes];
    double wheels[kWheels];
    for (std::uint64_t step = 0; step < kSteps; ++step) {
        look(path.back(), eyes);
        layer.forward(context, eyes, wheels, {.seed = vehicle, .sample = step});
        path.push_back(drive(path.back(), wheels));
    }
    return path;
}

// Futures, because one hands an Error on to its reader; out of a bare std::thread it would
// terminate.
std::vector<Trajectory> simulate(const bitaxon::DenseLayer& layer, std::size_t threads) {
    const bitaxon::ExecutionContext context{{.threads = 1}};  // the loop is parallel already
    std::vector<Trajectory> paths(kVehicles);
    std::vector<std::future<void>> workers;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t worker = 0; worker < threads; ++worker)
        workers.push_back(std::async(std::launch::async, [&, worker] {
            for (std::size_t v = worker; v < kVehicles; v += threads)
                paths[v] = live(layer, context, v);
        }));
    for (std::future<void>& worker : workers) worker.get();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    std::printf("threads=%zu steps_per_s=%.0f\n", threads, kVehicles * kSteps / elapsed.count());
    return paths;
}

double distance(const Pose& pose) { return std::abs(pose.position); }

}  // namespace

int main() try {
    const bitaxon::DenseLayer layer = brain();
    const std::vector<Trajectory> paths = simulate(layer, 1);
    const bool same = simulate(layer, std::max(2u, std::thread::hardware_concurrency())) == paths;

    const auto home = std::count_if(paths.begin(), paths.end(), [](const Trajectory& path) {
        return distance(path.back()) < kHome;
    });
    double before = 0.0;
    double after = 0.0;
    for (const Trajectory& path : paths) {
        before += distance(path.front()) / kVehicles;
        after += distance(path.back()) / kVehicles;
    }
    std::printf("vehicles=%zu found_light=%td mean_distance=%.9f at_start=%.3f\n", kVehicles, home,
                after, before);
    std::printf("trajectories=%s\n", same ? "bit-identical" : "DIFFERENT");
    return same && home == kVehicles ? 0 : 1;
} catch (const bitaxon::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
