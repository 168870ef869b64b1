// How near are expressions to the memory that they read and write, and what does compiling cost?
// The seven expressions are those of rssn-advanced, the grids those of resin-jit.
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/jit/kernel.hpp>

#include <fmt/format.h>

#include <cmath>

namespace bitaxon::bench {
namespace {

using jit::CompileOptions;
using jit::Kernel;
using jit::MathMode;
using jit::Type;

struct Formula {
    const char* text;
    std::size_t arguments;
    std::size_t reads;  ///< of the arguments, once rewritten
    double (*value)(double x, double y, double z);
};

double square(double x) { return x * x; }
double cube(double x) { return x * x * x; }

const Formula kFormulas[] = {
    {"x + y + 10.0", 2, 2, [](double x, double y, double) { return x + y + 10; }},
    {"x^4 - 4*x^3*y + 6*x^2*y^2 - 4*x*y^3 + y^4", 2, 2,
     [](double x, double y, double) { return square(square(x - y)); }},
    {"x^3 + y^3 + z^3 - 3*x*y*z + x^2*y - x*y^2 + y^2*z - y*z^2 + z^2*x - z*x^2", 3, 3,
     [](double x, double y, double z) {
         return cube(x) + cube(y) + cube(z) - 3 * x * y * z + x * x * y - x * y * y + y * y * z -
                y * z * z + z * z * x - z * x * x;
     }},
    {"(x^2 + y^2) / (x^2 + y^2 + 1.0) + x*y*(x^2 - y^2) / (x^2 + y^2 + 1.0)^2", 2, 2,
     [](double x, double y, double) {
         const double s = x * x + y * y;
         return s / (s + 1) + x * y * (x * x - y * y) / square(s + 1);
     }},
    {"x^5 - y^5 + z^5 - 5*x^3*y^2 + 5*x^2*y^3 - 5*y^3*z^2 + 5*y^2*z^3 - 5*z^3*x^2 + 5*z^2*x^3 + "
     "x*y*z*(x^2 + y^2 + z^2)",
     3, 3,
     [](double x, double y, double z) {
         return square(x) * cube(x) - square(y) * cube(y) + square(z) * cube(z) -
                5 * cube(x) * y * y + 5 * x * x * cube(y) - 5 * cube(y) * z * z +
                5 * y * y * cube(z) - 5 * cube(z) * x * x + 5 * z * z * cube(x) +
                x * y * z * (x * x + y * y + z * z);
     }},
    {"(x^2 + 1.0)^0.5 + (x^2 + y^2 + 1.0)^0.5 + (x^2 + y^2 + 2.0)^0.5", 2, 2,
     [](double x, double y, double) {
         return std::sqrt(x * x + 1) + std::sqrt(x * x + y * y + 1) + std::sqrt(x * x + y * y + 2);
     }},
    {"((x + y)^3 - (x - y)^3 - 6*x^2*y) / (y^2 + 1.0) + x*y - y*x", 2, 1,
     [](double, double y, double) { return 2 * cube(y) / (y * y + 1); }},
};

bool has_machine_code(const ExecutionContext& context) {
    const Kernel kernel = jit::compile("x");
    return kernel.explain(context).find("runs on the interpreter") == std::string::npos;
}

// Machine code of the context's tier, made before anything is timed.
Kernel compiled(const char* text, Type dtype, MathMode mode = MathMode::fast) {
    return jit::compile(text, {.mode = mode, .wait = true, .cache = false}, {.dtype = dtype});
}

Experiment formula(const Formula& f, kernels::Tier tier, std::size_t rows) {
    struct Work {
        ExecutionContext context;
        Kernel kernel;
        std::vector<Array<double>> inputs;
        Array<double> out;
    };
    const auto work =
        std::make_shared<Work>(Work{make_context(tier), compiled(f.text, Type::f64), {}, {}});
    for (std::size_t k = 0; k < f.arguments; ++k) {
        const std::vector<double> values = random_values(rows, -5, 5, k + 1);
        work->inputs.emplace_back(values.begin(), values.end());
    }
    work->out.resize(rows);
    std::vector<std::span<const double>> in(work->inputs.begin(), work->inputs.end());
    const auto call = [work, arrays = std::vector<jit::Input>(in.begin(), in.end())] {
        const jit::Output out(work->out);
        work->kernel(work->context, arrays, std::span(&out, 1));
    };
    call();
    for (const std::size_t i : oracle::spread(rows, 100)) {
        oracle::expect_near(fmt::format("row {}", i), work->out[i],
                            f.value(in[0][i], in[1][i], f.arguments > 2 ? in[2][i] : 0), 1e-9);
    }
    const double bytes = static_cast<double>((f.reads + 1) * rows * sizeof(double));
    return Experiment("GB/s", contestant(bytes, call)).limited_by(traffic_probe(bytes, f.reads, 1));
}

struct Grid {
    const char* name;
    const char* text;
    std::size_t rows;
    bool in_place;
    double (*value)(double x, double y);  ///< null: only the range 0 ... 1 is known
};

const Grid kGrids[] = {
    {"affine-in-place", "x*gain + offset", 44'100, true, [](double x, double) { return x; }},
    {"affine", "x*gain + offset", 44'100, false, [](double x, double) { return x; }},
    {"sin-cos", "sin(pi*x)*cos(pi*y)", 10'000, false,
     [](double x, double y) { return std::sin(std::acos(-1) * x) * std::cos(std::acos(-1) * y); }},
    {"perlin", "perlin2(4*x, 4*y)*0.5 + 0.5", 10'000, false, nullptr},
    {"sdf-circle", "sdf_circle(x, y, 0.5)", 10'000, false,
     [](double x, double y) { return std::sqrt(x * x + y * y) - 0.5; }},
};

Experiment grid(const Grid& g, kernels::Tier tier) {
    struct Work {
        ExecutionContext context;
        Kernel kernel;
        Array<float> x;
        Array<float> y;
        Array<float> out;
    };
    const auto work = std::make_shared<Work>(
        Work{make_context(tier), compiled(g.text, Type::f32, MathMode::contract), {}, {}, {}});
    const std::vector<double> values = random_values(2 * g.rows, -1, 1);
    work->x.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(g.rows));
    work->y.assign(values.begin() + static_cast<std::ptrdiff_t>(g.rows), values.end());
    work->out.resize(g.rows);
    static const float gain = 1;  // an affine map that stays in range however often it is applied
    static const float offset = 0;
    const bool affine = work->kernel.expression().arguments().size() == 3;
    const std::span<float> out(g.in_place ? work->x : work->out);
    const auto call = [work, out, affine] {
        if (affine) {
            work->kernel(work->context, {work->x, {&gain, 1}, {&offset, 1}}, out);
        } else {
            work->kernel(work->context, {work->x, work->y}, out);
        }
    };
    const std::vector<float> x(work->x.begin(), work->x.end());  // before a call in place
    call();
    for (const std::size_t i : oracle::spread(g.rows, 100)) {
        const double expected = g.value != nullptr ? g.value(x[i], work->y[i]) : 0.5;
        oracle::expect_near(fmt::format("row {}", i), out[i], expected, g.value != nullptr ? 1e-6 : 0.5);
    }
    const std::size_t reads = affine ? 1 : 2;
    const double bytes = static_cast<double>((reads + 1) * g.rows * sizeof(float));
    return Experiment("GB/s", contestant(bytes, call)).limited_by(traffic_probe(bytes, reads, 1));
}

// From text to callable machine code: parsing, optimising, lowering and generating, in `mode`.
Experiment compilation(const char* text, MathMode mode) {
    return Experiment("texts/ns", contestant(1, [=] {
                          jit::compile(text, CompileOptions{.mode = mode, .wait = true, .cache = false});
                      }));
}

}  // namespace

void add_expressions(Suite& suite) {
    for (const kernels::Tier tier : suite.settings.tiers) {
        if (!has_machine_code(make_context(tier))) {
            suite.skipped.emplace_back(make_id("expressions", "all", tier, ""),
                                       "no code generator for the tier");
            continue;
        }
        for (std::size_t k = 0; k < std::size(kFormulas); ++k) {
            for (const std::size_t rows : {10'000u, 1'000'000u}) {
                suite.add(make_id("expressions", fmt::format("formula-{}", k + 1), tier,
                                  std::to_string(rows)),
                          [=] { return formula(kFormulas[k], tier, rows); });
            }
        }
        for (const Grid& g : kGrids) {
            suite.add(make_id("expressions", g.name, tier, std::to_string(g.rows)),
                      [=] { return grid(g, tier); });
        }
    }
    const kernels::Tier tier = suite.settings.top();
    for (std::size_t k = 0; k < std::size(kFormulas); ++k) {
        for (const MathMode mode : {MathMode::contract, MathMode::fast}) {
            suite.add(make_id("expressions", fmt::format("compile-{}", k + 1), tier, name(mode)),
                      [=] { return compilation(kFormulas[k].text, mode); });
        }
    }
}

}  // namespace bitaxon::bench
