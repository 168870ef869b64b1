// Random programs of primitives, for tests of code generators.
#pragma once

#include "ir/out_of_line.hpp"
#include "ir/program.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace bitaxon::jit::test {

/// Draws nodes over values of all types. What the primitives leave open - bits of NaN, conversions
/// out of range, the domain of ldexp - never reaches a result.
class RandomProgram {
  public:
    struct Shape {
        int nodes = 30;
        bool wide = true;  ///< with 64-bit lanes
        int inputs = 4;
        int states = 0;
        /// How far back arguments are taken from: the further, the more values are alive.
        std::size_t reach = 12;
    };

    RandomProgram(std::uint64_t seed, const Shape& shape) : shape_(shape), random_(seed) {
        add_leaves();
        while (made_ < shape_.nodes) {
            add_node();
        }
        add_outputs();
    }

    const Program& program() const { return program_; }
    /// Values for the uniforms, by slot.
    const std::vector<std::uint64_t>& uniforms() const { return uniforms_; }

  private:
    Graph& graph() { return program_.graph; }
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
    std::vector<NodeId>& values(Type type) { return values_[static_cast<std::size_t>(type)]; }

    NodeId pick(Type type) {
        std::vector<NodeId>& list = values(type);
        const std::size_t window = std::min(list.size(), shape_.reach);
        return below(8) == 0 ? list[below(list.size())] : list[list.size() - 1 - below(window)];
    }
    /// Bits that every backend agrees on: those of a NaN are not among them.
    NodeId pick_bits(Type type) {
        const NodeId x = pick(type);
        if (!is_float(type)) {
            return x;
        }
        const NodeId unordered = graph().make(Op::float_unordered, mask_of(type), {x, x});
        return graph().make(Op::select, type, {unordered, graph().constant(type, 3), x});
    }
    NodeId bounded(Type type, NodeId x, double limit) {
        const NodeId low = graph().make(Op::greater, type, {x, graph().constant(type, -limit)});
        return graph().make(Op::lesser, type, {low, graph().constant(type, limit)});
    }
    void keep(NodeId id) {
        values(graph().type(id)).push_back(id);
        ++made_;
    }

    void add_leaves();
    void add_node();
    void add_float_node(Type type);
    void add_integer_node(Type type);
    void add_mask_node(Type type);
    void add_conversion();
    NodeId any_bits_operand(Type type);
    void add_outputs();

    Shape shape_;
    std::mt19937_64 random_;
    Program program_;
    std::vector<std::uint64_t> uniforms_;
    std::array<std::vector<NodeId>, 7> values_;
    int made_ = 0;
};

inline void RandomProgram::add_leaves() {
    static constexpr std::array<Type, 2> narrow = {Type::f32, Type::i32};
    static constexpr std::array<Type, 4> all = {Type::f64, Type::f32, Type::i64, Type::i32};
    const auto type_of = [&](std::size_t i) { return shape_.wide ? all[i % 4] : narrow[i % 2]; };
    const auto count = static_cast<std::size_t>(shape_.inputs + shape_.states);
    for (std::size_t i = 0; i < std::max(count, shape_.wide ? std::size_t{4} : std::size_t{2});
         ++i) {
        const bool is_state = i < static_cast<std::size_t>(shape_.states);
        const bool per_step = !is_state && shape_.states > 0 && i % 2 == 1;
        program_.inputs.push_back({"x", type_of(i), per_step});
        keep(graph().make(Op::input, type_of(i), {}, i));
    }
    for (std::size_t i = 0; i < (shape_.wide ? 4U : 2U); ++i) {
        const Type type = type_of(i);
        keep(graph().make(Op::uniform, type, {}, i));
        const double value = static_cast<double>(below(100)) / 8 - 3;
        const NodeId number = graph().constant(type, value);
        const std::uint64_t bits = graph()[number].payload;
        uniforms_.push_back(lane_bytes(type) == 8 ? bits : bits * 0x100000001);
        for (int k = 0; k < 3; ++k) {
            keep(graph().constant(type, static_cast<double>(below(64)) / 4 - 5));
        }
        keep(graph().make(is_float(type) ? Op::float_less : Op::int_less, mask_of(type),
                          {pick(type), pick(type)}));
    }
    if (shape_.wide) {
        keep(graph().make(Op::row, Type::i64, {}));
        keep(graph().make(Op::step, Type::i64, {}));
    }
    made_ = 0;
}

inline void RandomProgram::add_float_node(Type type) {
    static constexpr Op unary[] = {Op::round, Op::floor, Op::ceil, Op::trunc, Op::sqrt};
    static constexpr Op binary[] = {Op::add,     Op::sub, Op::mul, Op::div, Op::lesser,
                                    Op::greater, Op::min, Op::max, Op::mul, Op::add};
    static constexpr Op ternary[] = {Op::fma, Op::fms, Op::fnma};
    switch (below(6)) {
    case 0:
        keep(graph().make(unary[below(5)], type, {pick(type)}));
        break;
    case 1:
    case 2:
        keep(graph().make(ternary[below(3)], type, {pick(type), pick(type), pick(type)}));
        break;
    case 3: {
        if (below(3) != 0) {
            keep(graph().make(Op::select, type, {pick(mask_of(type)), pick(type), pick(type)}));
            break;
        }
        // In [1, 2) or (-2, -1].
        const std::uint64_t one = type == Type::f64 ? 0x3ff0000000000000 : 0x3f800000;
        const std::uint64_t fraction = type == Type::f64 ? 0x800fffffffffffff : 0x807fffff;
        const NodeId digits = graph().make(
            Op::bit_and, type, {pick_bits(type), graph().constant_bits(type, fraction)});
        const NodeId a = graph().make(Op::bit_or, type, {digits, graph().constant_bits(type, one)});
        const NodeId n = graph().make(Op::round, type,
                                      {bounded(type, pick(type), type == Type::f64 ? 2200 : 300)});
        keep(graph().make(Op::ldexp, type, {a, n}));
        break;
    }
    default:
        keep(graph().make(binary[below(10)], type, {pick(type), pick(type)}));
        break;
    }
}

inline NodeId RandomProgram::any_bits_operand(Type type) {
    const Type float_type = type == Type::i64 ? Type::f64 : Type::f32;
    switch (below(4)) {
    case 0:
        return pick_bits(float_type);
    case 1:
        return pick(mask_of(type));
    default:
        return pick(type);
    }
}

inline void RandomProgram::add_integer_node(Type type) {
    static constexpr Op bitwise[] = {Op::bit_and, Op::bit_or, Op::bit_xor, Op::bit_andnot};
    static constexpr Op arithmetic[] = {Op::add, Op::sub, Op::mul};
    static constexpr Op shifts[] = {Op::shl, Op::shr, Op::sar};
    switch (below(5)) {
    case 0:
        keep(graph().make(bitwise[below(4)], type,
                          {any_bits_operand(type), any_bits_operand(type)}));
        break;
    case 1:
        keep(graph().make(shifts[below(3)], type, {pick(type), pick(type)}));
        break;
    case 2:
        keep(graph().make(shifts[below(3)], type,
                          {pick(type), graph().integer(type, static_cast<int>(below(70)))}));
        break;
    case 3:
        if (type == Type::i64 && below(4) == 0) {
            const NodeId mask = pick(Type::m64);
            keep(graph().make(Op::rare, type, {mask, pick(type), pick(type), pick(type)},
                              out_of_line("modulo_i64")));
            break;
        }
        if (type == Type::i64 && below(2) == 0) {
            keep(graph().make(Op::mul_low_u32, type, {pick(type), pick(type)}));
            break;
        }
        keep(graph().make(Op::select, type, {pick(mask_of(type)), pick(type), pick(type)}));
        break;
    default:
        keep(graph().make(arithmetic[below(3)], type, {pick(type), pick(type)}));
        break;
    }
}

inline void RandomProgram::add_mask_node(Type type) {
    static constexpr Op compare[] = {Op::float_less, Op::float_less_equal, Op::float_equal,
                                     Op::float_unordered};
    static constexpr Op bitwise[] = {Op::bit_and, Op::bit_or, Op::bit_xor, Op::bit_andnot};
    const bool wide = type == Type::m64;
    const Type float_type = wide ? Type::f64 : Type::f32;
    const Type integer = integer_of(type);
    switch (below(4)) {
    case 0:
        keep(graph().make(compare[below(4)], type, {pick(float_type), pick(float_type)}));
        break;
    case 1:
        keep(graph().make(below(2) == 0 ? Op::int_less : Op::int_equal, type,
                          {pick(integer), pick(integer)}));
        break;
    case 2:
        keep(graph().make(bitwise[below(4)], type, {pick(type), pick(type)}));
        break;
    default:
        keep(graph().make(Op::select, type, {pick(type), pick(type), pick(type)}));
        break;
    }
}

inline void RandomProgram::add_conversion() {
    const auto convert = [&](Op op, Type to, NodeId x) { keep(graph().make(op, to, {x})); };
    switch (below(shape_.wide ? 10 : 2)) {
    case 0:
        convert(Op::f32_from_i32, Type::f32, pick(Type::i32));
        break;
    case 1:
        convert(Op::i32_from_f32, Type::i32, bounded(Type::f32, pick(Type::f32), 2e9));
        break;
    case 2:
        convert(Op::f64_from_f32, Type::f64, pick(Type::f32));
        break;
    case 3:
        convert(Op::f32_from_f64, Type::f32, pick(Type::f64));
        break;
    case 4:
        convert(Op::f64_from_i32, Type::f64, pick(Type::i32));
        break;
    case 5:
        convert(Op::i32_from_f64, Type::i32, bounded(Type::f64, pick(Type::f64), 2e9));
        break;
    case 6:
        convert(Op::i64_from_i32, Type::i64, pick(Type::i32));
        break;
    case 7:
        convert(Op::i32_from_i64, Type::i32, pick(Type::i64));
        break;
    case 8:
        convert(Op::m64_from_m32, Type::m64, pick(Type::m32));
        break;
    default:
        convert(Op::m32_from_m64, Type::m32, pick(Type::m64));
        break;
    }
}

inline void RandomProgram::add_node() {
    const bool wide = shape_.wide && below(3) != 0;
    switch (below(8)) {
    case 0:
        add_mask_node(wide ? Type::m64 : Type::m32);
        break;
    case 1:
        add_conversion();
        break;
    case 2:
    case 3:
        add_integer_node(wide ? Type::i64 : Type::i32);
        break;
    default:
        add_float_node(wide ? Type::f64 : Type::f32);
        break;
    }
}

inline void RandomProgram::add_outputs() {
    for (std::size_t k = 0; k < static_cast<std::size_t>(shape_.states); ++k) {
        const Type type = program_.inputs[k].type;
        const NodeId next =
            below(5) == 0 ? graph().make(Op::input, program_.inputs[k].type, {}, k) : pick(type);
        program_.states.push_back({static_cast<std::uint32_t>(k), next});
        program_.outputs.push_back({next, type});
    }
    const bool steps = shape_.states > 0;
    for (const Type type : {Type::f32, Type::i32, Type::f64, Type::i64}) {
        if (values(type).empty()) {
            continue;
        }
        program_.outputs.push_back({values(type).back(), type, steps && below(2) == 0});
    }
    const Type mask = shape_.wide && below(2) == 0 ? Type::m64 : Type::m32;
    if (!values(mask).empty()) {
        program_.outputs.push_back({values(mask).back(), mask, steps && below(2) == 0, true});
        program_.outputs.push_back({values(mask).back(), mask, steps && below(2) == 0});
        program_.outputs.back().type = integer_of(mask);
        program_.outputs.push_back({values(mask).back(), mask, steps && below(2) == 0});
    }
    if (!values(Type::i32).empty()) {
        const NodeId count = graph().integer(Type::i32, 16);
        const NodeId high = graph().make(Op::shl, Type::i32, {values(Type::i32).back(), count});
        program_.outputs.push_back(
            {graph().make(Op::sar, Type::i32, {high, count}), Type::i16, steps && below(2) == 0});
    }
}

}  // namespace bitaxon::jit::test
