// What populations record: in themselves, and into the caller's arrays.
#include "populations.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>

namespace bitaxon {
namespace {

using jit::Rule;
using jit::Type;

TEST(Population, RecordingHoldsTheValuesBeforeEachStep) {
    const Rule rule(
        {.equations = "v : real = 0\nw : real = 100\nk : i32 = 0\nv += i\nw -= 1\nk += 2",
         .threshold = "v > 5",
         .reset = "v = 0"});
    constexpr std::size_t neurons = 300;
    std::vector<double> current(neurons, 1.0);
    current[299] = 2;
    Population population(neurons, rule, {.seed = 1});
    population.record({"v", "k", "w"}, {299, 0, 64, 63});
    population.run(one_thread(), current, 3);
    population.step(one_thread(), current);
    population.run(one_thread(), current, 4);
    const Recording& recording = population.recording();
    ASSERT_EQ(recording.steps, 8u);
    const std::vector<double> slow{0, 1, 2, 3, 4, 5, 0, 1};
    const std::vector<double> quick{0, 2, 4, 0, 2, 4, 0, 2};
    for (std::size_t step = 0; step < 8; ++step) {
        EXPECT_EQ(recording["v"](step, 0), quick[step]) << step;
        for (const std::size_t column : {1u, 2u, 3u}) {
            EXPECT_EQ(recording["v"](step, column), slow[step]) << step;
            EXPECT_EQ(recording["k"](step, column), 2.0 * static_cast<double>(step));
            EXPECT_EQ(recording["w"](step, column), 100.0 - static_cast<double>(step));
        }
    }
    EXPECT_THROW(recording["x"], Error);
    population.record({});
    population.run(one_thread(), 0, 5);
    EXPECT_EQ(population.recording().steps, 0u);
}

TEST(Population, RecordingChangesNoResult) {
    Population plain(200, noisy(), {.seed = 3});
    Population recorded(200, noisy(), {.seed = 3});
    recorded.record({"v", "u"}, {0, 5, 130});
    const auto expected = plain.run(one_thread(), 2, 300).bits;
    const ExecutionContext context{{.threads = 2}};
    EXPECT_EQ(recorded.run(context, 2, 300).bits, expected);
    EXPECT_EQ(recorded.recording().steps, 300u);
}

TEST(Population, ARecordingGoesOnUnderANewRule) {
    Population population(2, Rule({.equations = "v : real = 0\nw : real = 0\nv += 1; w += 1"}),
                          {.seed = 1});
    population.record({"v"}, {1});
    population.run(one_thread(), 0, 2);
    population.set_rule(Rule({.equations = "u : real = 5\nv : real = 0\nv += 10"}));
    population.run(one_thread(), 0, 2);
    ASSERT_EQ(population.recording().steps, 4u);
    EXPECT_EQ(population.recording()["v"](2, 0), 2);
    EXPECT_EQ(population.recording()["v"](3, 0), 12);
    population.set_rule(Rule({.equations = "u : real = 5\nu += 10"}));
    EXPECT_TRUE(population.recording().names.empty());
}

TEST(Population, RecordingAllNeuronsInAnyOrder) {
    constexpr std::size_t neurons = 3000;
    Population population(neurons, Rule({.equations = "v : real = rand()\nv = rand()"}),
                          {.seed = 1});
    std::vector<std::size_t> backwards(neurons);
    for (std::size_t n = 0; n < neurons; ++n) {
        backwards[n] = neurons - 1 - n;
    }
    population.record({"v"}, backwards);
    const ExecutionContext context{{.threads = 2}};
    for (std::size_t step = 0; step < 5; ++step) {
        const auto v = population.values<double>("v");
        const std::vector<double> before(v.begin(), v.end());
        population.run(context, 0, 1);
        for (std::size_t n = 0; n < neurons; ++n) {
            ASSERT_EQ(population.recording()["v"](step, neurons - 1 - n), before[n]);
        }
    }
}

enum class Order { rows, columns, backwards };

// Memory for steps x neurons values, and a view of those in one of three orders: step after step,
// neuron after neuron, and from the end, every other element.
template <class T>
struct Recorded {
    Recorded(std::string variable, Order order, std::size_t steps, std::size_t neurons)
        : memory(2 * steps * neurons, untouched) {
        const auto s = static_cast<std::ptrdiff_t>(steps);
        const auto n = static_cast<std::ptrdiff_t>(neurons);
        T* first = memory.data() + (order == Order::backwards ? memory.size() - 1 : 0);
        const std::pair<std::ptrdiff_t, std::ptrdiff_t> strides[] = {{n, 1}, {1, s}, {-2 * n, -2}};
        const auto& [row, column] = strides[static_cast<std::size_t>(order)];
        into = {std::move(variable), MatrixView<T>{first, steps, neurons, row, column}};
    }
    T at(std::size_t step, std::size_t neuron) const {
        return std::get<MatrixView<T>>(into.values)(step, neuron);
    }
    std::size_t written() const {
        return memory.size() -
               static_cast<std::size_t>(std::count(memory.begin(), memory.end(), untouched));
    }

    static constexpr T untouched = 77;
    std::vector<T> memory;
    RecordInto into;
};

// Long enough for several chunks of 300 neurons.
TEST(Population, ARunRecordsIntoArraysOfAnyLayout) {
    constexpr std::size_t kSteps = 130;
    const Rule rule({.equations =
                         "a : real = 0\nb : f32 = 0\nc : i16 = 0\nd : i32 = 0\nk : i64 = 0\n"
                         "a += i; b -= 0.5; c = i16(c - 3); d -= 2; k -= 1",
                     .threshold = "a > 5",
                     .reset = "a = 0"});
    for (const std::size_t neurons :
         {std::size_t{1}, std::size_t{3}, std::size_t{70}, std::size_t{300}}) {
        const std::vector<double> current = ramp(neurons, 0.1, 2);
        Population stepped(neurons, rule, {.seed = 1});
        std::vector<double> a;
        for (std::size_t step = 0; step < kSteps; ++step) {
            const auto now = stepped.values<double>("a");
            a.insert(a.end(), now.begin(), now.end());
            stepped.step(one_thread(), current);
        }
        for (const int threads : {1, 3}) {
            std::vector<RecordInto> all;
            std::vector<std::function<void()>> checks;
            const auto add = [&]<class T>(const char* name, Order order, auto expected) {
                const auto into = std::make_shared<Recorded<T>>(name, order, kSteps, neurons);
                all.push_back(into->into);
                checks.emplace_back([=, &a] {
                    ASSERT_EQ(into->written(), kSteps * neurons) << name;
                    for (std::size_t step = 0; step < kSteps; ++step) {
                        for (std::size_t n = 0; n < neurons; ++n) {
                            ASSERT_EQ(into->at(step, n), expected(step, n))
                                << name << step << " " << n;
                        }
                    }
                });
            };
            const ExecutionContext context{{.threads = threads}};
            const auto run = [&] {
                Population population(neurons, rule, {.seed = 1});
                population.record({"c", "a"}, {neurons - 1, 0});
                population.run(context, current, kSteps, {}, all);
                ASSERT_EQ(population.recording().steps, kSteps);
                for (std::size_t step = 0; step < kSteps; ++step) {
                    ASSERT_EQ(population.recording()["c"](step, 1),
                              -3.0 * static_cast<double>(step));
                    ASSERT_EQ(population.recording()["a"](step, 0), a[(step + 1) * neurons - 1]);
                }
                for (const auto& check : checks) check();
            };
            for (const Order order : {Order::rows, Order::columns, Order::backwards}) {
                SCOPED_TRACE(testing::Message()
                             << neurons << " neurons, order " << static_cast<int>(order));
                const auto down = [](auto by) {
                    return [by](std::size_t step, std::size_t) {
                        return by * static_cast<decltype(by)>(step);
                    };
                };
                add.operator()<double>("a", order, [&](std::size_t step, std::size_t n) {
                    return a[step * neurons + n];
                });
                add.operator()<float>("b", order, down(-0.5F));
                add.operator()<std::int16_t>("c", order, down(-3));
                add.operator()<std::int32_t>("d", order, down(-2));
                add.operator()<std::int64_t>("k", order, down(std::int64_t{-1}));
                run();  // the first time each variable has one array, later on several
            }
        }
    }
}

TEST(Population, ARunRefusesToRecordWhatDoesNotFit) {
    Population population(4, lif(), {.seed = 1});
    std::vector<double> values(20);
    std::vector<float> narrow(20);
    const auto message = [&](const RecordInto& into) {
        return message_of([&] { population.run(one_thread(), 1, 5, {}, {&into, 1}); });
    };
    EXPECT_EQ(message({"w", MatrixView<double>{values.data(), 5, 4, 4, 1}}),
              "variable: got w, expected one of v");
    EXPECT_EQ(message({"v", MatrixView<float>{narrow.data(), 5, 4, 4, 1}}),
              "record['v']: got f32, expected f64, as the variable has");
    EXPECT_EQ(message({"v", MatrixView<double>{values.data(), 4, 5, 5, 1}}),
              "record['v']: got 4 x 5 values, expected 5 steps x 4 neurons");
    std::vector<std::uint64_t> bits(4);
    EXPECT_EQ(message_of([&] { population.run_into(bits, one_thread(), 1, 5); }),
              "spikes: got 4 words, expected 5");
    EXPECT_EQ(population.step_count(), 0u);
    const auto state = population.values<double>("v");
    const RecordInto over{"v", MatrixView<double>{state.data(), 1, 4, 4, 1}};
    EXPECT_THROW(population.run(one_thread(), 1, 1, {}, {&over, 1}), Error);
}

}  // namespace
}  // namespace bitaxon
