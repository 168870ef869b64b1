// Fuzz target: random graphs, machine code of every target that this CPU has against the
// interpreter.
//
// A byte string is read as a program: two bytes make a node (operation, argument choices), the rest
// are lanes. Any string is valid.
#include "backends/backend.hpp"
#include "backends/interpreter.hpp"
#include "ir/hoist.hpp"
#include "ir/lower.hpp"
#include "optimise/optimise.hpp"

#include <bitaxon/kernels/tier.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

namespace {

using namespace bitaxon;
using namespace bitaxon::jit;

class Bytes {
  public:
    Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    bool empty() const { return at_ >= size_; }
    std::uint8_t next() { return empty() ? std::uint8_t{0} : data_[at_++]; }

  private:
    const std::uint8_t* data_;
    std::size_t size_;
    std::size_t at_ = 0;
};

struct Choice {
    Op op;
    int arguments;
};

constexpr Choice kChoices[] = {
    {Op::add, 2},       {Op::sub, 2},          {Op::mul, 2},        {Op::div, 2},
    {Op::fma, 3},       {Op::fms, 3},          {Op::fnma, 3},       {Op::sqrt, 1},
    {Op::min, 2},       {Op::max, 2},          {Op::floor, 1},      {Op::ceil, 1},
    {Op::round, 1},     {Op::trunc, 1},        {Op::negate, 1},     {Op::abs, 1},
    {Op::sign, 1},      {Op::exp, 1},          {Op::expm1, 1},      {Op::exp2, 1},
    {Op::log, 1},       {Op::log1p, 1},        {Op::log2, 1},       {Op::log10, 1},
    {Op::cbrt, 1},      {Op::sin, 1},          {Op::cos, 1},        {Op::tan, 1},
    {Op::asin, 1},      {Op::acos, 1},         {Op::atan, 1},       {Op::atan2, 2},
    {Op::sinh, 1},      {Op::cosh, 1},         {Op::tanh, 1},       {Op::sigmoid, 1},
    {Op::exprel, 1},    {Op::erf, 1},          {Op::hypot, 2},      {Op::power, 2},
    {Op::modulo, 2},    {Op::floor_divide, 2}, {Op::relu, 1},       {Op::clip, 3},
    {Op::heaviside, 2}, {Op::perlin2, 2},      {Op::perlin3, 3},    {Op::simplex2, 2},
    {Op::simplex3, 3},  {Op::lerp, 3},         {Op::smoothstep, 3}, {Op::sdf_circle, 3},
    {Op::sdf_box, 4},   {Op::select, 4},       {Op::cast, 1},       {Op::rand, 0},
    {Op::randn, 0},
};

constexpr std::size_t kMaxNodesMade = 48;

// A language graph from bytes, every value of type `real`.
NodeId random_graph(Graph& graph, Type real, Bytes& bytes, std::size_t inputs) {
    std::vector<NodeId> values;
    for (std::size_t k = 0; k < inputs; ++k) {
        values.push_back(graph.make(Op::input, real, {}, k));
    }
    for (const double constant : {0.0, -0.0, 1.0, 0.5, -3.0, 1e10, 0.1}) {
        values.push_back(graph.constant(real, constant));
    }
    std::uint64_t sites = 0;
    while (!bytes.empty() && values.size() < kMaxNodesMade) {
        const Choice choice = kChoices[bytes.next() % std::size(kChoices)];
        const auto pick = [&] { return values[values.size() - 1 - bytes.next() % values.size()]; };
        std::array<NodeId, 4> args{};
        for (int i = 0; i < choice.arguments; ++i) {
            args[static_cast<std::size_t>(i)] = pick();
        }
        const std::span<const NodeId> arguments(args.data(),
                                                static_cast<std::size_t>(choice.arguments));
        switch (choice.op) {
        case Op::select: {
            const NodeId mask = graph.make(Op::less, mask_of(real), {args[0], args[1]});
            values.push_back(graph.make(Op::select, real, {mask, args[2], args[3]}));
            break;
        }
        case Op::cast: {
            constexpr Type types[] = {Type::i16, Type::i32, Type::i64, Type::f32, Type::f64};
            const NodeId narrow = graph.make(Op::cast, types[bytes.next() % 5], {args[0]});
            values.push_back(graph.make(Op::cast, real, {narrow}));
            break;
        }
        case Op::rand:
        case Op::randn:
            values.push_back(graph.make(choice.op, real, {}, sites++));
            break;
        default:
            values.push_back(graph.make(choice.op, real, arguments));
        }
    }
    return values.back();
}

template <class T>
std::vector<T> lanes(Bytes& bytes, std::size_t count) {
    constexpr T limit = std::numeric_limits<T>::max();
    constexpr T special[] = {0,
                             T(-0.0),
                             1,
                             -1,
                             limit,
                             -limit,
                             std::numeric_limits<T>::infinity(),
                             std::numeric_limits<T>::quiet_NaN(),
                             std::numeric_limits<T>::min(),
                             std::numeric_limits<T>::denorm_min(),
                             T(1e6),
                             T(-745.2),
                             T(0.7)};
    std::vector<T> values(count);
    for (T& value : values) {
        const std::uint8_t kind = bytes.next();
        value = kind < 64 ? special[kind % std::size(special)]
                          : static_cast<T>(std::ldexp(static_cast<double>(bytes.next()) - 127.5,
                                                      static_cast<int>(bytes.next() % 16) - 8));
    }
    return values;
}

template <class T>
bool same(T a, T b) {
    return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}

std::vector<Target> targets() {
    std::vector<Target> found;
#if defined(__aarch64__)
    found.push_back(Target::neon);
#else
    if (kernels::info(kernels::Tier::avx2).supported) {
        found.push_back(Target::avx2);
        found.push_back(Target::lane);
    }
    if (kernels::info(kernels::Tier::avx512bw).supported) {
        found.push_back(Target::avx512);
    }
#endif
    return found;
}

template <class T>
void check(Bytes bytes, MathMode mode) {
    constexpr Type real = sizeof(T) == 8 ? Type::f64 : Type::f32;
    constexpr std::size_t inputs = 3;
    const std::size_t rows = 1 + bytes.next() % 70;
    std::array<std::vector<T>, inputs> data;
    for (auto& values : data) {
        values = lanes<T>(bytes, rows);
    }
    Graph language;
    const NodeId root = random_graph(language, real, bytes, inputs);
    const Optimised optimised = optimise(language, std::span(&root, 1), mode);

    Program program;
    Leaves leaves;
    for (std::size_t k = 0; k < inputs; ++k) {
        leaves.inputs.push_back(program.graph.make(Op::input, real, {}, k));
        program.inputs.push_back({"x", real});
    }
    leaves.seed = program.graph.integer(Type::i64, 7);
    leaves.population = program.graph.integer(Type::i64, 0);
    program.outputs = {{lower(optimised.graph, optimised.roots, program.graph, leaves)[0], real}};
    const Prologue prologue = hoist(program, 0);
    std::vector<std::uint64_t> slots(prologue.slots());
    prologue.run(slots.data());

    std::array<const void*, inputs> in{data[0].data(), data[1].data(), data[2].data()};
    const auto run = [&](const auto& function) {
        std::vector<T> out(rows + 1, T(42));
        void* outputs[] = {out.data()};
        const Frame frame{in.data(), outputs, slots.data(), nullptr, nullptr, 0, 3, 1};
        function(frame);
        return out;
    };
    const auto count = static_cast<std::int64_t>(rows);
    const std::vector<T> expected =
        run([&](const Frame& frame) { Interpreter(program).run(frame, 0, count); });
    for (const Target target : targets()) {
        const MachineCode code = generate(program, target);
        const std::vector<T> got =
            run([&](const Frame& frame) { code.function(&frame, 0, count); });
        for (std::size_t i = 0; i <= rows; ++i) {
            if (!same(got[i], expected[i])) {
                std::fprintf(stderr, "row %zu of %zu, %s: got %a, the interpreter %a\n%s", i, rows,
                             std::string(name(target)).c_str(), static_cast<double>(got[i]),
                             static_cast<double>(expected[i]),
                             print(program.graph, program.roots()).c_str());
                std::abort();
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    const std::uint8_t kind = bytes.next();
    const auto mode = static_cast<MathMode>(kind % 3);
    if (kind & 64) {
        check<float>(bytes, mode);
    } else {
        check<double>(bytes, mode);
    }
    return 0;
}
