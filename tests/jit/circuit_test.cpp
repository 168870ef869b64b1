// Circuits from text against step-by-step simulations written in C++.
#include <bitaxon/jit/circuit.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <thread>

namespace bitaxon::jit {
namespace {

bool bit(const StreamView& view, std::size_t row, std::size_t stream, std::uint64_t t) {
    return (view.stream(row, stream)[t / 64] >> t % 64 & 1) != 0;
}

std::uint64_t number(const StreamView& view, std::size_t row, std::uint64_t t) {
    std::uint64_t value = 0;
    for (std::size_t k = 0; k < view.streams; ++k) {
        value |= std::uint64_t{bit(view, row, k, t)} << k;
    }
    return value;
}

StreamArray random_streams(std::size_t rows, std::size_t bits, std::uint64_t length,
                           std::uint64_t seed) {
    std::mt19937_64 random{seed};
    StreamArray streams(rows, bits, length);
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t k = 0; k < bits; ++k) {
            std::uint64_t* words = streams.mutable_view().stream(row, k);
            const std::size_t count = words_for(length);
            std::generate_n(words, count, [&] { return random(); });
            words[count - 1] &= tail_mask(length);
        }
    }
    return streams;
}

// One row of a simulation: whole numbers in, one a port, and out. It remembers what it likes.
using Step = std::function<std::vector<std::uint64_t>(const std::vector<std::uint64_t>&)>;

struct Case {
    const char* text;
    std::function<Step()> simulation;  ///< a new one for each row
};

// Runs the circuit over rows of random streams and compares every bit with the simulation.
void expect_simulated(const Case& c, const ExecutionContext& context, std::size_t rows,
                      std::uint64_t length, bool broadcast_last = false) {
    SCOPED_TRACE(testing::Message() << c.text << "\n" << rows << " rows of " << length << " bits");
    const Circuit circuit(c.text);
    std::vector<StreamArray> inputs;
    std::vector<StreamView> views;
    for (std::size_t k = 0; k < circuit.inputs().size(); ++k) {
        const bool is_last = k + 1 == circuit.inputs().size();
        inputs.push_back(random_streams(broadcast_last && is_last ? 1 : rows,
                                        circuit.inputs()[k].bits, length, 7 * k + length));
        views.push_back(inputs.back().view());
    }
    std::vector<StreamArray> outputs;
    std::vector<MutableStreamView> targets;
    for (const CircuitPort& port : circuit.outputs()) {
        outputs.push_back(random_streams(rows, port.bits, length, 1));  // to be overwritten
    }
    for (StreamArray& output : outputs) {
        targets.push_back(output.mutable_view());
    }
    circuit.run(context, views, targets);
    for (std::size_t row = 0; row < rows; ++row) {
        const Step step = c.simulation();
        for (std::uint64_t t = 0; t < length; ++t) {
            std::vector<std::uint64_t> values;
            for (const StreamView& view : views) {
                values.push_back(number(view, view.rows == 1 ? 0 : row, t));
            }
            const std::vector<std::uint64_t> expected = step(values);
            ASSERT_EQ(expected.size(), outputs.size());
            for (std::size_t k = 0; k < outputs.size(); ++k) {
                ASSERT_EQ(number(targets[k], row, t), expected[k])
                    << circuit.outputs()[k].name << " of row " << row << " at step " << t;
            }
        }
        for (const MutableStreamView& target : targets) {
            for (std::size_t k = 0; k < target.streams; ++k) {
                ASSERT_EQ(target.stream(row, k)[words_for(length) - 1] & ~tail_mask(length), 0U);
            }
        }
    }
}

std::function<Step()> memoryless(Step step) {
    return [step] { return step; };
}

const Case kCases[] = {
    {"y = (a & s) | (b & ~s); z = majority(a, b, c); q = delay(y, 1)",
     [] {
         return [before = std::uint64_t{0}](const auto& in) mutable {
             const std::uint64_t y = in[1] != 0 ? in[0] : in[2];  // in the order a, s, b, c
             const std::uint64_t z = in[0] + in[2] + in[3] >= 2;
             return std::vector<std::uint64_t>{y, z, std::exchange(before, y)};
         };
     }},
    {"~(a ^ b)",
     memoryless([](const auto& in) { return std::vector<std::uint64_t>{in[0] == in[1]}; })},
    {"y = a & b ^ c | d",  // ^ binds between & and |
     memoryless([](const auto& in) {
         return std::vector<std::uint64_t>{((in[0] & in[1]) ^ in[2]) | in[3]};
     })},
    {"x : u5; y : u3; sum = x + y; product = x*y; less = x < y; least = min(x, y); "
     "apart = abs(x - y); half = x // 2; rest = x % 4; twice = x << 1; top = bit(x, 4); "
     "same = x == 2*y; chosen = where(x > y, x, 7); inverse = ~x; shifted = x - y + 7",
     memoryless([](const auto& in) {
         const std::uint64_t x = in[0];
         const std::uint64_t y = in[1];
         return std::vector<std::uint64_t>{
             x + y,
             x * y,
             x<y, std::min(x, y), x<y ? y - x : x - y, x / 2, x % 4, 2 * x, x>> 4,
             x == 2 * y,
             x > y ? x : 7,
             31 - x,
             x + 7 - y};
     })},
    {"p = parity(a, b, c, d, e); n = count(a, b, c, d, e); m = majority(a, b, c, d, e)",
     memoryless([](const auto& in) {
         std::uint64_t n = 0;
         for (const std::uint64_t bit : in) {
             n += bit;
         }
         return std::vector<std::uint64_t>{n % 2, n, n >= 3};
     })},
    {"c : u3 = 4; c = clip(c + x - ~x, 0, 7); y = c >= 4",  // a saturating counter
     [] {
         return [c = 4](const auto& in) mutable {
             const std::uint64_t y = c >= 4;
             c = std::clamp(c + (in[0] != 0 ? 1 : -1), 0, 7);
             return std::vector<std::uint64_t>{y};
         };
     }},
    {"s = a ^ q; q = delay(s, 1, 1)",  // feedback, and a first value of 1
     [] {
         return [q = std::uint64_t{1}](const auto& in) mutable {
             const std::uint64_t s = in[0] ^ q;
             return std::vector<std::uint64_t>{s, std::exchange(q, s)};
         };
     }},
    {"n : u4 = 9; n += a; n -= 0; y = n", nullptr},  // two next values: refused, see below
    {"acc : u2 = 0; t = acc + a + b + c + d; acc = u2(t); y = t >= 4",  // the mean of four
     [] {
         return [acc = std::uint64_t{0}](const auto& in) mutable {
             const std::uint64_t t = acc + in[0] + in[1] + in[2] + in[3];
             acc = t % 4;
             return std::vector<std::uint64_t>{t, t >= 4};
         };
     }},
    {"r : u4; c : u4 = 0; c = where(a, r, c); y = c > r; far = delay(a, 70)",
     [] {
         return [c = std::uint64_t{0}, past = std::vector<std::uint64_t>(70, 0),
                 at = std::size_t{0}](const auto& in) mutable {
             const std::uint64_t y = c > in[0];
             const std::uint64_t far = std::exchange(past[at++ % 70], in[1]);
             c = in[1] != 0 ? in[0] : c;
             return std::vector<std::uint64_t>{y, far};
         };
     }},
    {"one = a | ~a; zero = a ^ a; copy = a", memoryless([](const auto& in) {
         return std::vector<std::uint64_t>{1, 0, in[0]};
     })},
    {"w = v; v = a if b else not c",  // a wire that is read before its line
     memoryless([](const auto& in) {
         const std::uint64_t v = in[1] != 0 ? in[0] : 1 - in[2];
         return std::vector<std::uint64_t>{v, v};
     })},
};

TEST(Circuit, AgreesWithASimulationOfEachStep) {
    const ExecutionContext best;
    const ExecutionContext interpreted({.tier = "portable"});
    for (const Case& c : kCases) {
        if (!c.simulation) {
            continue;
        }
        for (const auto& [rows, length] : {std::pair{1, 1}, {3, 64}, {65, 100}, {130, 257}}) {
            for (const ExecutionContext* context : {&best, &interpreted}) {
                expect_simulated(c, *context, static_cast<std::size_t>(rows),
                                 static_cast<std::uint64_t>(length));
                expect_simulated(c, *context, static_cast<std::size_t>(rows),
                                 static_cast<std::uint64_t>(length), true);
                if (HasFatalFailure()) {
                    return;
                }
            }
        }
    }
}

TEST(Circuit, MachineCodeAndThreadsGiveTheSameBits) {
    // Enough work for machine code, several pieces and several blocks of time.
    const ExecutionContext two({.threads = 2});
    const ExecutionContext one({.threads = 1, .tier = "portable"});
    for (const char* text : {"c : u3 = 4; c = clip(c + x - ~x, 0, 7); y = c >= 4; z = x ^ w",
                             "y = majority(x, w, ~x ^ w); z = x & ~w"}) {
        const Circuit circuit(text);
        const StreamArray x = random_streams(2100, 1, 4097, 5);
        const StreamArray w = random_streams(2100, 1, 4097, 6);
        const std::vector<StreamView> inputs{x.view(), w.view()};
        std::vector<StreamArray> results;
        for (const ExecutionContext* context : {&two, &one}) {
            StreamArray y(2100, 1, 4097);
            StreamArray z(2100, 1, 4097);
            circuit.run(*context, inputs, std::vector{y.mutable_view(), z.mutable_view()});
            results.push_back(std::move(y));
            results.push_back(std::move(z));
        }
        for (std::size_t row = 0; row < 2100; ++row) {
            for (std::size_t k = 0; k < 2; ++k) {
                ASSERT_TRUE(std::equal(results[k].row(row), results[k].row(row) + words_for(4097),
                                       results[k + 2].row(row)))
                    << text << ", row " << row;
            }
        }
    }
}

TEST(Circuit, PacksRowsWithoutGapsAndWritesPastTheCaches) {
    // Dense rows of a circuit without registers are one stretch of words.
    const ExecutionContext context;
    const Circuit circuit("y = (a & b) ^ c");
    const std::size_t words = std::size_t{1} << 20;
    std::mt19937_64 random{9};
    std::vector<std::vector<std::uint64_t>> arrays(4, std::vector<std::uint64_t>(words + 3));
    for (auto& array : arrays) {
        std::generate(array.begin(), array.end(), [&] { return random(); });
    }
    const auto view = [&](std::size_t k) {
        return MutableStreamView{arrays[k].data() + k % 2, words / 16, 1, 1024, 16, 16};
    };
    const std::vector<StreamView> inputs{view(0), view(1), view(2)};
    circuit.run(context, inputs, std::vector{view(3)});
    for (std::size_t k = 0; k < words; ++k) {
        ASSERT_EQ(arrays[3][k + 1], (arrays[0][k] & arrays[1][k + 1]) ^ arrays[2][k]) << k;
    }
}

TEST(Circuit, NamesWhatLeavesIt) {
    const Circuit circuit("c : u2 = 0; c = u2(c + a); carry = c + a > 3; unused = a & b & d",
                          {"c", "carry"});
    ASSERT_EQ(circuit.outputs().size(), 2U);
    EXPECT_EQ(circuit.outputs()[0].name, "c");
    EXPECT_EQ(circuit.outputs()[0].bits, 2U);
    EXPECT_EQ(circuit.outputs()[1].name, "carry");
    ASSERT_EQ(circuit.inputs().size(), 3U);
    EXPECT_EQ(circuit.inputs()[1].name, "b");
    EXPECT_EQ(circuit.registers(), 2U);
    EXPECT_NE(circuit.explain().find("64 streams at once"), std::string::npos);
}

TEST(Circuit, InputsStandInTheOrderOfTheText) {
    for (const char* text : {"y = delay(a) & b", "y = z & a & b; z = c",
                             "k : u3 = 0; k = clip(k + a - 1, 0, 7); y = b & (k > 2)"}) {
        const std::vector<CircuitPort> inputs = Circuit(text).inputs();
        EXPECT_EQ(inputs[0].name, "a") << text;
        EXPECT_EQ(inputs[1].name, "b") << text;
    }
}

TEST(Circuit, RefusesProductsThatLeaveNoRoom) {
    EXPECT_THROW(Circuit("x : u33; p : u31; q : u31; m = min(x, 4294967296)*(min(p, 1073741824) - "
                         "min(q, 1073741824)); y = m < 0"),
                 Error);
    EXPECT_THROW(Circuit("x : u62; y = ~(x + 1) > 0"), Error);
    EXPECT_EQ(Circuit("y = delay(a, 4096)").registers(), 4096U);
}

TEST(Circuit, LeavesOutRegistersThatNothingReads) {
    EXPECT_EQ(Circuit("c : u8 = 0; c = u8(c + a); y = a & b").registers(), 0U);
}

TEST(Circuit, StopsWhenAsked) {
    const Circuit circuit("y = a ^ b");
    const StreamArray a = random_streams(64, 1, 4096, 1);
    StreamArray y(64, 1, 4096);
    std::stop_source stop;
    stop.request_stop();
    try {
        circuit.run(ExecutionContext::shared(), std::vector{a.view(), a.view()},
                    std::vector{y.mutable_view()}, {.stop = stop.get_token()});
        FAIL() << "expected cancellation";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
}

TEST(Circuit, RefusesWrongTexts) {
    const std::pair<const char*, const char*> wrong[] = {
        {"", "line 1, column 1: got no statement, expected at least one, as in `y = a & b`"},
        {"y = y & a", "column 5: got `y` in a loop of gates, expected a register or a delay in it"},
        {"c : u3 = 4; c = c + a", "got values from 0 to 8 for `c`, expected 0 ... 7; limit them"},
        {"c : u3 = 8; c = c", "column 10: got 8, expected a constant from 0 to 7"},
        {"c : u3 = 1; y = c", "got the register `c` without a next value"},
        {"c : f32 = 1", "got `f32`, expected a type: u1 ... u62"},
        {"c : u63 = 1", "got `u63`, expected a type: u1 ... u62"},
        {"n : u4 = 9; n += a; n -= 0; y = n", "got a second next value of `n`, expected one"},
        {"y = a; y = b", "got a second value of `y`, expected one"},
        {"x : u2; x = a", "got a value for the input `x`, expected a name of its own"},
        {"y += a", "got `y` changed in place, expected a register; declare it"},
        {"y = a + 0.5", "got 0.5, expected a whole number"},
        {"y = a / b", "got `/`, which circuits don't have"},
        {"y = a ** b", "got `**`, which circuits don't have"},
        {"y = a - b", "got the output `y` with values from -1 to 1, expected none below 0"},
        {"y = a % 3", "expected a power of two"},
        {"x : u2; y = where(x, a, b)", "got a number from 0 to 3, expected one bit"},
        {"x : u2; y = delay(x, 1)", "got a number from 0 to 3, expected one bit"},
        {"y = delay(a, b)", "got what changes, expected a constant from 1 to 4096"},
        {"y = delay(a, 4097)", "got 4097, expected a constant from 1 to 4096"},
        {"y = majorty(a, b, c)", "did you mean `majority`?"},
        {"y = majority(a, b)", "got `majority` of 2 bits, expected an odd number"},
        {"y = clip(a)", "got `clip` with 1 argument, expected 3"},
        {"dv/dt = a", "got a differential equation, expected gates"},
        {"c : u2 = 0; c = u2(c + a)", "got registers alone, expected an output"},
        {"x : u62; y = x*x", "expected at most 2^62"},
        {"y = (a & b", "expected `)`"},
    };
    for (const auto& [text, message] : wrong) {
        try {
            const Circuit circuit(text);
            ADD_FAILURE() << text << " was taken";
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << text << "\n"
                                                                                  << error.what();
        }
    }
    EXPECT_THROW(Circuit("y = a", {"z"}), Error);
    EXPECT_THROW(Circuit("y = a", {"y", "y"}), Error);
}

TEST(Circuit, SurvivesLongTexts) {
    std::string chain = "y = a0";
    for (int k = 1; k < 5000; ++k) {
        chain += " ^ a" + std::to_string(k % 7);
    }
    EXPECT_EQ(Circuit(chain).inputs().size(), 7U);
    std::string backwards;  // each wire waits for the next
    for (int k = 0; k < 400; ++k) {
        backwards += "w" + std::to_string(k) + " = ~w" + std::to_string(k + 1) + "\n";
    }
    EXPECT_THROW(Circuit{backwards}, Error);
}

TEST(Circuit, RefusesWrongStreams) {
    const ExecutionContext& context = ExecutionContext::shared();
    const Circuit circuit("r : u2; y = r > a");
    const StreamArray r = random_streams(3, 2, 100, 1);
    StreamArray a = random_streams(3, 1, 100, 2);
    StreamArray y(3, 1, 100);
    const auto run = [&](std::vector<StreamView> in, std::vector<MutableStreamView> out) {
        circuit.run(context, in, out);
    };
    EXPECT_NO_THROW(run({r.view(), a.view()}, {y.mutable_view()}));
    EXPECT_THROW(run({r.view()}, {y.mutable_view()}), Error);
    EXPECT_THROW(run({a.view(), a.view()}, {y.mutable_view()}), Error);
    EXPECT_THROW(run({r.view(), a.view()}, {a.mutable_view()}), Error);
    const StreamArray two = random_streams(2, 1, 100, 2);
    EXPECT_THROW(run({r.view(), two.view()}, {y.mutable_view()}), Error);
    const StreamArray longer = random_streams(3, 1, 101, 2);
    EXPECT_THROW(run({r.view(), longer.view()}, {y.mutable_view()}), Error);
    a.mutable_view().stream(1, 0)[1] |= std::uint64_t{1} << 40;
    EXPECT_THROW(run({r.view(), a.view()}, {y.mutable_view()}), Error);
}

TEST(Circuit, MayBeRunFromManyThreads) {
    const Circuit circuit("c : u3 = 4; c = clip(c + x - ~x, 0, 7); y = c >= 4");
    const StreamArray x = random_streams(100, 1, 640, 3);
    const std::vector<StreamView> inputs{x.view()};
    StreamArray expected(100, 1, 640);
    circuit.run(ExecutionContext({.tier = "portable"}), inputs,
                std::vector{expected.mutable_view()});
    std::vector<std::jthread> threads;
    std::atomic<int> wrong{0};
    for (int k = 0; k < 4; ++k) {
        threads.emplace_back([&] {
            for (int round = 0; round < 50; ++round) {
                StreamArray y(100, 1, 640);
                circuit.run(ExecutionContext::shared(), inputs, std::vector{y.mutable_view()});
                for (std::size_t row = 0; row < 100; ++row) {
                    wrong += !std::equal(y.row(row), y.row(row) + 10, expected.row(row));
                }
            }
        });
    }
    threads.clear();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace bitaxon::jit
