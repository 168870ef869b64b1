// Noise against plain loops over corners in double, and what noise must look like.
#include "backends/interpreter.hpp"
#include "ir/math/math.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace bitaxon::jit {
namespace {

template <class T>
constexpr Type type_of = sizeof(T) == 8 ? Type::f64 : Type::f32;

struct Point {
    double x, y, z;
};

using Nodes = std::array<NodeId, 3>;
using Expansion = std::function<NodeId(math::MathBuilder&, Type, const Nodes&)>;

template <class T>
std::vector<T> run(const Expansion& expansion, const std::vector<Point>& points) {
    Program program;
    math::MathBuilder builder(program.graph);
    Nodes nodes{};
    std::array<std::vector<T>, 3> columns;
    for (std::size_t i = 0; i < 3; ++i) {
        nodes[i] = program.graph.make(Op::input, type_of<T>, {}, i);
        program.inputs.push_back({"xyz", type_of<T>});
    }
    for (const Point& p : points) {
        columns[0].push_back(static_cast<T>(p.x));
        columns[1].push_back(static_cast<T>(p.y));
        columns[2].push_back(static_cast<T>(p.z));
    }
    program.outputs = {{expansion(builder, type_of<T>, nodes), type_of<T>}};
    std::vector<T> result(points.size());
    const void* inputs[] = {columns[0].data(), columns[1].data(), columns[2].data()};
    void* outputs[] = {result.data()};
    const Frame frame{inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1};
    Interpreter(program).run(frame, 0, static_cast<std::int64_t>(points.size()));
    return result;
}

struct Noise {
    const char* name;
    NodeId (*expand)(math::MathBuilder&, Type, const Nodes&);
    double (*naive)(const std::vector<double>& x);
    int dimensions;
    double steepest;  // a bound of the slope
};

// The definitions, a corner at a time.

std::uint32_t cell_hash(const std::vector<double>& cell) {
    constexpr std::uint32_t axes[] = {0x9e3779b9, 0xbf58476d, 0x94d049bb};
    std::uint32_t joined = 0;
    for (std::size_t i = 0; i < cell.size(); ++i) {
        joined ^= static_cast<std::uint32_t>(static_cast<std::int64_t>(cell[i])) * axes[i];
    }
    return (joined ^ joined >> 15) * 0x133111eb;
}

std::vector<double> gradient(const std::vector<double>& cell) {
    const std::uint32_t h = cell_hash(cell);
    const double first = h >> 31 & 1 ? -1 : 1;
    const double second = h >> 30 & 1 ? -1 : 1;
    if (cell.size() == 2) {
        const double c = std::sqrt(2.0);
        const double s = 2 - std::sqrt(2.0);
        return h >> 29 & 1 ? std::vector{first * s, second * c}
                           : std::vector{first * c, second * s};
    }
    switch (((h ^ h >> 16) & 0xffff) * 3 >> 16) {
    case 0:
        return {0, first, second};
    case 1:
        return {first, 0, second};
    default:
        return {first, second, 0};
    }
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double naive_perlin(const std::vector<double>& x) {
    const std::size_t n = x.size();
    double sum = 0;
    for (unsigned corner = 0; corner < 1U << n; ++corner) {
        std::vector<double> cell(n);
        std::vector<double> offset(n);
        double weight = 1;
        for (std::size_t i = 0; i < n; ++i) {
            const bool far = corner >> i & 1;
            cell[i] = std::floor(x[i]) + (far ? 1 : 0);
            offset[i] = x[i] - cell[i];
            const double t = x[i] - std::floor(x[i]);
            const double fade = t * t * t * (10 - 15 * t + 6 * t * t);
            weight *= far ? fade : 1 - fade;
        }
        sum += weight * dot(gradient(cell), offset);
    }
    return sum / (n == 2 ? 1.011534035148712 : 1.0363538112118027);
}

double naive_simplex(const std::vector<double>& x) {
    const std::size_t n = x.size();
    const double dimensions = static_cast<double>(n);
    const double skew = (std::sqrt(dimensions + 1) - 1) / dimensions;
    const double unskew = (1 - 1 / std::sqrt(dimensions + 1)) / dimensions;
    const auto total = [](const std::vector<double>& v) {
        return std::accumulate(v.begin(), v.end(), 0.0);
    };
    std::vector<double> cell(n);
    for (std::size_t i = 0; i < n; ++i) {
        cell[i] = std::floor(x[i] + skew * total(x));
    }
    const auto offset_from = [&](const std::vector<double>& corner) {
        std::vector<double> offset(n);
        for (std::size_t i = 0; i < n; ++i) {
            offset[i] = x[i] - corner[i] + unskew * total(corner);
        }
        return offset;
    };
    const std::vector<double> inside = offset_from(cell);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t i, std::size_t j) { return inside[i] > inside[j]; });
    double sum = 0;
    for (std::size_t k = 0; k <= n; ++k) {
        if (k > 0) {
            cell[order[k - 1]] += 1;
        }
        const std::vector<double> offset = offset_from(cell);
        const double rest = std::max(0.5 - dot(offset, offset), 0.0);
        sum += std::pow(rest, 4) * dot(gradient(cell), offset);
    }
    return sum * (n == 2 ? 65.35434527366128 : 76.88075003181987);
}

const Noise kNoises[] = {
    {"perlin2", [](auto& b, Type t, const Nodes& v) { return math::perlin2(b, t, v[0], v[1]); },
     naive_perlin, 2, 4},
    {"perlin3",
     [](auto& b, Type t, const Nodes& v) { return math::perlin3(b, t, v[0], v[1], v[2]); },
     naive_perlin, 3, 4},
    {"simplex2", [](auto& b, Type t, const Nodes& v) { return math::simplex2(b, t, v[0], v[1]); },
     naive_simplex, 2, 8},
    {"simplex3",
     [](auto& b, Type t, const Nodes& v) { return math::simplex3(b, t, v[0], v[1], v[2]); },
     naive_simplex, 3, 8},
};

std::vector<Point> random_points(std::size_t count, double size) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> even(-size, size);
    std::vector<Point> points(count);
    for (Point& p : points) {
        p = {even(random), even(random), even(random)};
    }
    return points;
}

class NoiseOf : public testing::TestWithParam<std::size_t> {
  protected:
    static const Noise& noise() { return kNoises[GetParam()]; }
};

TEST_P(NoiseOf, F64IsTheDefinition) {
    const auto points = random_points(20'000, 300);
    const auto got = run<double>(noise().expand, points);
    for (std::size_t i = 0; i < points.size(); ++i) {
        std::vector<double> x{points[i].x, points[i].y, points[i].z};
        x.resize(static_cast<std::size_t>(noise().dimensions));
        ASSERT_NEAR(got[i], noise().naive(x), 1e-12);
    }
}

TEST_P(NoiseOf, F32IsNearF64) {
    auto points = random_points(100'000, 16);
    for (Point& p : points) {
        p = {static_cast<float>(p.x), static_cast<float>(p.y), static_cast<float>(p.z)};
    }
    const auto wide = run<double>(noise().expand, points);
    const auto narrow = run<float>(noise().expand, points);
    for (std::size_t i = 0; i < points.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(narrow[i]), wide[i], 3e-5);
    }
}

TEST_P(NoiseOf, FillsTheRangeAndNoMore) {
    const auto values = run<double>(noise().expand, random_points(300'000, 1000));
    EXPECT_LE(*std::max_element(values.begin(), values.end()), 1 + 1e-9);
    EXPECT_GE(*std::min_element(values.begin(), values.end()), -1 - 1e-9);
    EXPECT_GT(*std::max_element(values.begin(), values.end()), 0.8);
    EXPECT_LT(*std::min_element(values.begin(), values.end()), -0.8);
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / 300'000;
    EXPECT_LT(std::fabs(mean), 5 * 0.4 / std::sqrt(300'000.0));
}

TEST_P(NoiseOf, IsContinuousAlongLines) {
    std::vector<Point> line;
    const double h = 1e-4;
    for (int i = 0; i < 200'000; ++i) {
        line.push_back({-7 + h * i, 3 - 0.618 * h * i, 0.25 + 0.414 * h * i});
    }
    const auto values = run<double>(noise().expand, line);
    double largest = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        largest = std::max(largest, std::fabs(values[i] - values[i - 1]));
    }
    EXPECT_LT(largest, noise().steepest * 1.25 * h);
    EXPECT_GT(largest, 0.3 * h);
}

TEST_P(NoiseOf, CoordinatesThatAreNotFiniteGiveNan) {
    const double infinity = std::numeric_limits<double>::infinity();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const double bad : {infinity, -infinity, nan}) {
        for (const float value : run<float>(noise().expand, {{bad, 0.3, 0.4}, {0.3, bad, 0.4}})) {
            EXPECT_TRUE(std::isnan(value));
        }
        for (const double value : run<double>(noise().expand, {{bad, 0.3, 0.4}, {0.3, bad, 0.4}})) {
            EXPECT_TRUE(std::isnan(value));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, NoiseOf, testing::Range(std::size_t{0}, std::size(kNoises)),
                         [](const auto& test) { return kNoises[test.param].name; });

TEST(Perlin, IsZeroAtIntegers) {
    std::vector<Point> points;
    for (int i = -20; i < 20; ++i) {
        for (int j = -20; j < 20; ++j) {
            points.push_back({double(i), double(j), double(i * j)});
        }
    }
    points.push_back({1e9, -3e9, 7});
    for (const Noise& noise : std::span(kNoises).first(2)) {
        for (const float value : run<float>(noise.expand, points)) {
            ASSERT_EQ(value, 0) << noise.name;
        }
        for (const double value : run<double>(noise.expand, points)) {
            ASSERT_EQ(value, 0) << noise.name;
        }
    }
}

TEST(Perlin, CellsOfNegativeAndFarCoordinatesMeet) {
    std::vector<Point> left;
    std::vector<Point> right;
    for (const double x : {-3.0, 0.0, 1000.0, 1048576.0, 4194304.0 - 2}) {
        for (int i = 0; i < 100; ++i) {
            left.push_back({std::nextafter(x, -1e9), 0.37 * i, 0});
            right.push_back({x, 0.37 * i, 0});
        }
    }
    const auto a = run<double>(kNoises[0].expand, left);
    const auto b = run<double>(kNoises[0].expand, right);
    for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_NEAR(a[i], b[i], 1e-8) << left[i].x << " " << left[i].y;
    }
}

TEST(Perlin, GradientsAreUniformAndNeighboursDiffer) {
    // Next to a corner the value is the gradient's part along the way.
    constexpr int side = 200;
    constexpr double h = 0x1p-20;
    std::vector<Point> along_x;
    std::vector<Point> along_y;
    for (int i = 0; i < side * side; ++i) {
        const double x = i % side - side / 2;
        const double y = i / side - side / 2;
        along_x.push_back({x + h, y, 0});
        along_y.push_back({x, y + h, 0});
    }
    const auto gx = run<double>(kNoises[0].expand, along_x);
    const auto gy = run<double>(kNoises[0].expand, along_y);
    const auto direction = [&](int i) {
        const auto k = static_cast<std::size_t>(i);
        return (gx[k] < 0 ? 1 : 0) + (gy[k] < 0 ? 2 : 0) +
               (std::fabs(gx[k]) < std::fabs(gy[k]) ? 4 : 0);
    };
    std::array<double, 8> single{};
    std::array<double, 64> beside{};
    std::array<double, 64> above{};
    for (int i = 0; i < side * (side - 1) - 1; ++i) {
        const int d = direction(i);
        ++single[static_cast<std::size_t>(d)];
        ++beside[static_cast<std::size_t>(d * 8 + direction(i + 1))];
        ++above[static_cast<std::size_t>(d * 8 + direction(i + side))];
    }
    const auto sigma = [](const auto& counts) {
        const double expected =
            std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
        double chi = 0;
        for (const double count : counts) {
            chi += (count - expected) * (count - expected) / expected;
        }
        const double freedom = static_cast<double>(counts.size()) - 1;
        return (chi - freedom) / std::sqrt(2 * freedom);
    };
    EXPECT_LT(sigma(single), 6);
    EXPECT_LT(sigma(beside), 6);
    EXPECT_LT(sigma(above), 6);
}

template <int Octaves>
NodeId fbm2(math::MathBuilder& b, Type t, const Nodes& v) {
    return math::fbm2(b, t, v[0], v[1], Octaves);
}
template <int Octaves>
NodeId fbm3(math::MathBuilder& b, Type t, const Nodes& v) {
    return math::fbm3(b, t, v[0], v[1], v[2], Octaves);
}

TEST(Fbm, OneOctaveIsPerlin) {
    const auto points = random_points(1000, 50);
    EXPECT_EQ(run<double>(fbm2<1>, points), run<double>(kNoises[0].expand, points));
    EXPECT_EQ(run<float>(fbm3<1>, points), run<float>(kNoises[1].expand, points));
}

TEST(Fbm, OctavesHalveInWeightAndTheSumIsNormalized) {
    const auto points = random_points(100'000, 50);
    const auto one = run<double>(fbm2<1>, points);
    const auto two = run<double>(fbm2<2>, points);
    const auto three = run<double>(fbm2<3>, points);
    double second = 0;
    double third = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
        second = std::max(second, std::fabs(two[i] * 1.5 - one[i]));
        third = std::max(third, std::fabs(three[i] * 1.75 - two[i] * 1.5));
    }
    EXPECT_LE(second, 0.5 + 1e-9);
    EXPECT_GT(second, 0.4);
    EXPECT_LE(third, 0.25 + 1e-9);
    EXPECT_GT(third, 0.2);
}

TEST(Fbm, SixteenOctavesStayInRange) {
    for (const double value : run<double>(fbm3<16>, random_points(20'000, 50))) {
        ASSERT_LE(std::fabs(value), 1);
    }
}

}  // namespace
}  // namespace bitaxon::jit
