// Equality saturation: matching the rules, applying them, round after round.
#include "egraph.hpp"
#include "extract.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace bitaxon::jit::rewrite {
namespace {

// Budgets, in things counted: time must not decide about results.
constexpr int kMaxRounds = 8;
constexpr std::size_t kMaxMatches = 4'000;  // in a round
constexpr std::size_t kMaxSteps = 150'000;  // places of patterns compared, all in all

// A boolean of a pattern, as a mask, or a number.
std::uint64_t constant_bits(Type type, double value) {
    const std::uint64_t lane = lane_bytes(type) == 8 ? ~std::uint64_t{0} : 0xffffffff;
    switch (type) {
    case Type::f32:
        return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case Type::f64:
        return std::bit_cast<std::uint64_t>(value);
    case Type::m32:
    case Type::m64:
        return value != 0 ? lane : 0;
    default:
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(value)) & lane;
    }
}

struct Match {
    const Rule* rule;
    ENodeId node;
    Bindings bindings;
};

// Places of a pattern that are still to be matched with classes.
struct Goals {
    struct Goal {
        std::uint16_t pattern;
        ClassId id;
    };
    std::array<Goal, 16> list;
    std::size_t count = 0;

    void push(std::uint16_t pattern, ClassId id) { list[count++] = {pattern, id}; }
};

class Saturation {
  public:
    Saturation(const Graph& source, std::span<const NodeId> roots)
        : source_(source), roots_(roots) {
        class_of_.assign(source.size(), kNone);
        for (const NodeId id : reachable(source, roots)) {
            Node node = source[id];
            for (std::size_t i = 0; i < node.count; ++i) {
                node.args[i] = class_of_[node.args[i]];
            }
            class_of_[id] = egraph_.add(node);
            if (node.op == Op::external) {
                externals_.push_back(class_of_[id]);
            }
        }
    }

    Rewritten run() {
        for (int round = 0; round < kMaxRounds && step(); ++round) {
        }
        Rewritten unchanged = *substitute(source_, roots_, {});
        if (applied_.empty() || egraph_.is_contradictory()) {
            return unchanged;
        }
        std::vector<ClassId> roots;
        for (const NodeId root : roots_) {
            roots.push_back(class_of_[root]);
        }
        Extractor extractor(egraph_, roots, externals_);
        if (extractor.cost() >= cost(unchanged.graph, unchanged.roots)) {
            return unchanged;
        }
        std::vector<std::string> texts = describe(extractor);
        Rewritten result = extractor.take();
        result.applied = std::move(texts);
        return result;
    }

  private:
    // One round: all matches first, then all their consequences. False if nothing new followed.
    bool step() {
        matches_.clear();
        for (ENodeId id = 0; id < egraph_.size() && !is_spent(); ++id) {
            if (egraph_.is_alive(id)) {
                match_node(id);
            }
        }
        const std::size_t before = applied_.size();
        for (const Match& match : matches_) {
            if (egraph_.is_full() || egraph_.is_contradictory()) {
                return false;
            }
            apply(match);
        }
        egraph_.rebuild();
        return applied_.size() > before && steps_ <= kMaxSteps && !egraph_.is_full() &&
               !egraph_.is_contradictory();
    }

    bool is_spent() const { return matches_.size() >= kMaxMatches || steps_ > kMaxSteps; }

    void match_node(ENodeId id) {
        const Node& node = egraph_[id];
        for (const Rule& rule : rules().of(node.op)) {
            const Pattern& pattern = rules().pattern(rule.pattern);
            if (!matches(rule.domain, node.type) || pattern.count != node.count) {
                continue;
            }
            Goals goals;
            push_arguments(goals, pattern, node);
            solve(rule, id, goals, kNoBindings);
        }
    }

    static void push_arguments(Goals& goals, const Pattern& pattern, const Node& node) {
        for (std::size_t i = node.count; i-- > 0;) {
            goals.push(pattern.args[i], node.args[i]);
        }
    }

    // Depth first through all nodes of the classes that a pattern meets.
    void solve(const Rule& rule, ENodeId root, Goals goals, Bindings bindings) {
        while (goals.count > 0) {
            if (++steps_ > kMaxSteps) {
                return;
            }
            const Goals::Goal goal = goals.list[--goals.count];
            const Pattern& pattern = rules().pattern(goal.pattern);
            const ClassId id = egraph_.find(goal.id);
            if (pattern.kind == PatternKind::operation) {
                for (ENodeId node = egraph_.first(id); node != kNone; node = egraph_.next(node)) {
                    ++steps_;
                    if (egraph_[node].op == pattern.op && egraph_[node].count == pattern.count) {
                        Goals deeper = goals;
                        push_arguments(deeper, pattern, egraph_[node]);
                        solve(rule, root, deeper, bindings);
                    }
                }
                return;
            }
            const ENodeId constant = egraph_.constant(id);
            if (pattern.kind != PatternKind::variable && constant == kNone) {
                return;
            }
            if (pattern.kind == PatternKind::number || pattern.kind == PatternKind::boolean) {
                const Node& node = egraph_[constant];
                if (!is_constant_of(pattern, node.type, node.payload, true)) {
                    return;
                }
                continue;
            }
            std::uint32_t& bound = bindings[pattern.variable];
            if (bound != kUnbound && bound != id) {
                return;
            }
            bound = id;
        }
        if (condition_holds(rule, bindings) && matches_.size() < kMaxMatches) {
            matches_.push_back({&rule, root, bindings});
        }
    }

    // Ranges of classes are not known: simplify() has applied the rules that need them.
    bool condition_holds(const Rule& rule, const Bindings& bindings) const {
        if (rule.condition == Condition::none) {
            return true;
        }
        const ENodeId constant = egraph_.constant(bindings[rule.condition_variable]);
        return constant != kNone && rule.condition != Condition::never_negative &&
               holds(rule.condition, egraph_[constant].type, egraph_[constant].payload);
    }

    void apply(const Match& match) {
        const std::size_t size = egraph_.size();
        const ClassId replacement =
            build(match.rule->replacement, egraph_[match.node].type, match.bindings);
        const ClassId matched = egraph_.class_of(match.node);
        if (egraph_.find(replacement) == matched) {
            return;
        }
        const auto made = egraph_.size() > size ? static_cast<ENodeId>(egraph_.size() - 1) : kNone;
        egraph_.merge(matched, replacement);
        applied_.push_back({match.rule, match.node, made});
    }

    ClassId build(std::uint16_t number, Type type, const Bindings& bindings) {
        const Pattern& pattern = rules().pattern(number);
        Node node{pattern.op, type, pattern.count};
        switch (pattern.kind) {
        case PatternKind::variable:
        case PatternKind::constant_variable:
            return egraph_.find(bindings[pattern.variable]);
        case PatternKind::number:
        case PatternKind::boolean: {
            node.op = Op::constant;
            node.payload = constant_bits(type, pattern.number);
            return egraph_.add(node);
        }
        case PatternKind::operation:
            break;
        }
        for (std::size_t i = 0; i < pattern.count; ++i) {
            node.args[i] = build(pattern.args[i], type, bindings);
        }
        node.type = type_of(pattern.op, type, egraph_.type(node.args[0]));
        return egraph_.add(node);
    }

    // The rules that led to what was chosen: those that made a chosen node, or led from one that
    // was not chosen to a part of it.
    std::vector<std::string> describe(const Extractor& extractor) const {
        std::vector<std::string> texts;
        for (const Applied& applied : applied_) {
            const ClassId id = egraph_.class_of(applied.matched);
            if (!extractor.uses(id)) {
                continue;
            }
            const ENodeId chosen = extractor.chosen(id);
            const bool led_here = chosen == applied.made || applied.made == kNone;
            const std::string text(applied.rule->text);
            if (chosen != applied.matched && led_here &&
                std::find(texts.begin(), texts.end(), text) == texts.end()) {
                texts.push_back(text);
            }
        }
        return texts;
    }

    struct Applied {
        const Rule* rule;
        ENodeId matched;
        ENodeId made;
    };

    const Graph& source_;
    std::span<const NodeId> roots_;
    EGraph egraph_;
    std::vector<ClassId> class_of_;
    std::vector<ClassId> externals_;
    std::vector<Match> matches_;
    std::vector<Applied> applied_;
    std::size_t steps_ = 0;
};

}  // namespace

Rewritten saturate(const Graph& source, std::span<const NodeId> roots) {
    if (source.size() > EGraph::kMaxNodes / 2) {
        return *substitute(source, roots, {});
    }
    return Saturation(source, roots).run();
}

}  // namespace bitaxon::jit::rewrite
