#include "schedule.hpp"

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

// Cycles until a result can be used. Processors differ: these lie between AMD's Zen 3, Intel's
// Ice Lake and Arm's Neoverse N1 (uops.info, Abel and Reineke 2019; the makers' optimisation
// guides). What isn't listed takes one.
struct Latency {
    Op op;
    std::uint8_t floats;
    std::uint8_t integers;
};

constexpr Latency kLatencies[] = {
    {Op::add, 4, 1},          {Op::sub, 4, 1},          {Op::mul, 4, 4},
    {Op::fma, 4, 4},          {Op::fms, 4, 4},          {Op::fnma, 4, 4},
    {Op::div, 12, 12},        {Op::sqrt, 16, 16},       {Op::ldexp, 4, 4},
    {Op::round, 4, 4},        {Op::floor, 4, 4},        {Op::ceil, 4, 4},
    {Op::trunc, 4, 4},        {Op::f64_from_f32, 4, 4}, {Op::f32_from_f64, 4, 4},
    {Op::f32_from_i32, 4, 4}, {Op::f64_from_i32, 4, 4}, {Op::i32_from_f32, 4, 4},
    {Op::i32_from_f64, 4, 4}, {Op::mul_low_u32, 4, 4},  {Op::cast, 3, 3},
};

constexpr auto kLatencyOf = [] {
    std::array<Latency, 256> by_op{};
    by_op.fill({Op::constant, 1, 1});
    for (const Latency& latency : kLatencies) {
        by_op[static_cast<std::size_t>(latency.op)] = latency;
    }
    return by_op;
}();

int latency(const Node& node) {
    const Latency& cycles = kLatencyOf[static_cast<std::size_t>(node.op)];
    return is_float(node.type) ? cycles.floats : cycles.integers;
}

// A primitive goes before at most so many that stand before it in the body: a bound on the work for
// texts of many thousand.
constexpr std::size_t kWindow = 512;

}  // namespace

Scheduler::Scheduler(const Body& body) : body_(body), of_(body.nodes.size() + 1) {
    list_arguments();
    list_users();
    list_outputs();
    measure_chains();
}

void Scheduler::list_arguments() {
    const std::size_t count = body_.nodes.size();
    primitives_.reserve(count);
    arguments_.reserve(2 * count);
    for (NodeId id = 0; id < count; ++id) {
        const auto first = static_cast<std::ptrdiff_t>(arguments_.size());
        of_[id].first_argument = static_cast<std::uint32_t>(first);
        if (is_leaf(body_.nodes[id].op)) {
            continue;
        }
        primitives_.push_back(id);
        for (const NodeId argument : body_.nodes[id].arguments()) {
            const Op op = body_.nodes[argument].op;
            const auto begin = arguments_.begin() + first;
            if (is_shared(op) || std::find(begin, arguments_.end(), argument) != arguments_.end()) {
                continue;
            }
            arguments_.push_back(argument);
            of_[id].waits += !is_leaf(op);
            of_[id].reads_input = of_[id].reads_input || op == Op::input;
        }
    }
    of_[count].first_argument = static_cast<std::uint32_t>(arguments_.size());
}

void Scheduler::list_users() {
    const std::size_t count = body_.nodes.size();
    for (const NodeId argument : arguments_) {
        ++of_[argument + 1].first_user;
    }
    for (std::size_t id = 0; id < count; ++id) {
        of_[id + 1].first_user += of_[id].first_user;
    }
    users_.resize(arguments_.size());
    // From the last on, so that the ends of the lists become their beginnings.
    for (auto id = primitives_.rbegin(); id != primitives_.rend(); ++id) {
        for (const NodeId argument : arguments(*id)) {
            users_[--of_[argument + 1].first_user] = *id;
        }
    }
    for (std::size_t id = 0; id < count; ++id) {
        of_[id].first_user = of_[id + 1].first_user;
    }
    of_[count].first_user = static_cast<std::uint32_t>(users_.size());
}

void Scheduler::list_outputs() {
    for (const BodyState& state : body_.states) {
        ++of_[state.next].late_reads;
    }
    for (std::size_t i = body_.states.size(); i < body_.outputs.size(); ++i) {
        ++of_[body_.outputs[i].value].late_reads;
    }
    for (std::size_t i = 0; i < body_.outputs.size(); ++i) {
        const ProgramOutput& output = body_.outputs[i];
        if (!body_.has_steps || (output.per_step && i >= body_.states.size())) {
            stores_.push_back(static_cast<std::uint16_t>(i));
            of_[output.value].is_stored = true;
        }
        if (body_.nodes[output.value].op == Op::input && users(output.value).empty() &&
            std::ranges::find(only_stored_, output.value) == only_stored_.end()) {
            only_stored_.push_back(output.value);
        }
    }
}

void Scheduler::measure_chains() {
    for (auto id = primitives_.rbegin(); id != primitives_.rend(); ++id) {
        int height = 0;
        for (const NodeId user : users(*id)) {
            height = std::max(height, of_[user].height);
        }
        of_[*id].height = height + latency(body_.nodes[*id]);
        height_ = std::max(height_, of_[*id].height);
    }
}

class Scheduler::Run {
  public:
    Run(const Scheduler& scheduler, int vectors, int budget);

    Schedule make();

  private:
    struct Progress {
        std::int32_t ready = 0;     ///< cycle at which the arguments are known
        std::uint32_t unread = 0;   ///< users and late reads to come
        std::int16_t taken = 1;     ///< registers that computing it takes, less those that it frees
        std::uint16_t missing = 0;  ///< arguments to come
        bool known = false;         ///< computed, or read
    };
    struct Candidate {
        const Progress* progress;
        std::int32_t ready;
        std::int32_t height;
        NodeId node;
        std::uint8_t vector;
    };
    struct Vector {
        std::span<Progress> of;  ///< by node
        std::size_t done = 0;    ///< primitives before this one are computed
        std::size_t seen = 0;    ///< those before this one may be candidates
        int inputs_to_read = 0;  ///< primitives to come that read inputs
        std::vector<char> stored;
    };

    void begin(std::uint8_t number);
    template <class Cost>
    std::size_t cheapest(Cost cost) const;
    std::size_t longest_chain() const;
    std::size_t best_for_registers() const;
    void compute(const Candidate& candidate);
    void open(NodeId node, std::uint8_t number);
    void look_ahead(std::uint8_t number);
    void store_what_is_ready(std::uint8_t number);
    void bring(NodeId node, Vector& vector);
    void read(NodeId node, Vector& vector);
    void tell_last_reader(NodeId node, Vector& vector);

    const Scheduler& from_;
    const Body& body_;
    int budget_;
    std::vector<Progress> progress_;
    std::vector<Vector> vectors_;
    std::vector<Candidate> candidates_;
    int cycle_ = 0;
    int free_pipes_ = kPipes;
    int alive_ = 0;
    Schedule made_;
};

Scheduler::Run::Run(const Scheduler& scheduler, int vectors, int budget)
    : from_(scheduler), body_(scheduler.body_), budget_(budget),
      vectors_(static_cast<std::size_t>(vectors)) {
    const std::size_t nodes = body_.nodes.size();
    progress_.resize(vectors_.size() * nodes);
    for (std::size_t v = 0; v < vectors_.size(); ++v) {
        vectors_[v].of = std::span(progress_).subspan(v * nodes, nodes);
    }
    made_.vectors = vectors;
    made_.first_store.assign(vectors_.size(), kNever);
    made_.items.reserve(vectors_.size() * (from_.primitives_.size() + from_.stores_.size() +
                                           from_.only_stored_.size()));
}

void Scheduler::Run::begin(std::uint8_t number) {
    Vector& vector = vectors_[number];
    for (NodeId id = 0; id < body_.nodes.size(); ++id) {
        const std::size_t users = from_.users(id).size();
        Progress& progress = vector.of[id];
        progress.missing = from_.of_[id].waits;
        progress.unread = static_cast<std::uint32_t>(users) + from_.of_[id].late_reads;
        vector.inputs_to_read += from_.of_[id].reads_input ? 1 : 0;
        if (is_leaf(body_.nodes[id].op)) {
            for (const NodeId user : from_.users(id)) {
                ++vector.of[user].taken;
            }
        }
        tell_last_reader(id, vector);
    }
    for (const BodyState& state : body_.states) {
        if (state.now != kNoNode) {
            bring(state.now, vector);
        }
    }
    vector.stored.assign(from_.stores_.size(), 0);
    look_ahead(number);
    store_what_is_ready(number);
}

void Scheduler::Run::open(NodeId node, std::uint8_t number) {
    const Progress& progress = vectors_[number].of[node];
    candidates_.push_back({&progress, progress.ready, from_.of_[node].height, node, number});
}

void Scheduler::Run::look_ahead(std::uint8_t number) {
    Vector& vector = vectors_[number];
    const std::vector<NodeId>& primitives = from_.primitives_;
    while (vector.done < primitives.size() && vector.of[primitives[vector.done]].known) {
        ++vector.done;
    }
    for (; vector.seen < std::min(primitives.size(), vector.done + kWindow); ++vector.seen) {
        if (vector.of[primitives[vector.seen]].missing == 0) {
            open(primitives[vector.seen], number);
        }
    }
}

template <class Cost>
std::size_t Scheduler::Run::cheapest(Cost cost) const {
    std::size_t best = 0;
    std::uint64_t least = ~std::uint64_t{0};
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
        const std::uint64_t c = cost(candidates_[i]);
        best = c < least ? i : best;
        least = std::min(c, least);
    }
    return best;
}

// What needn't wait goes before what must, then by height, then by age.
std::size_t Scheduler::Run::longest_chain() const {
    return cheapest([this](const Candidate& c) {
        const auto start = static_cast<std::uint64_t>(std::max(c.ready, cycle_));
        return start << 32 | static_cast<std::uint32_t>(from_.height_ - c.height);
    });
}

// By registers, then in the body's order.
std::size_t Scheduler::Run::best_for_registers() const {
    return cheapest([this](const Candidate& c) {
        const int taken = std::max(c.progress->taken + 1, 0);
        return static_cast<std::uint64_t>(taken) << 40 | std::uint64_t{c.node} << 8 | c.vector;
    });
}

// The value is in a register from here on.
void Scheduler::Run::bring(NodeId node, Vector& vector) {
    if (vector.of[node].known) {
        return;
    }
    vector.of[node].known = true;
    made_.alive = std::max(made_.alive, ++alive_);
    if (is_leaf(body_.nodes[node].op)) {
        for (const NodeId user : from_.users(node)) {
            --vector.of[user].taken;
        }
    }
}

// Who reads it when it is read once more frees its register.
void Scheduler::Run::tell_last_reader(NodeId node, Vector& vector) {
    if (vector.of[node].unread != 1) {
        return;
    }
    for (const NodeId user : from_.users(node)) {
        if (!vector.of[user].known) {
            --vector.of[user].taken;
        }
    }
}

void Scheduler::Run::read(NodeId node, Vector& vector) {
    alive_ -= --vector.of[node].unread == 0 ? 1 : 0;
}

void Scheduler::Run::compute(const Candidate& candidate) {
    const NodeId node = candidate.node;
    Vector& vector = vectors_[candidate.vector];
    if (candidate.ready > cycle_) {
        cycle_ = candidate.ready;
        free_pipes_ = kPipes;
    }
    const int known_at = cycle_ + latency(body_.nodes[node]);
    if (--free_pipes_ == 0) {
        ++cycle_;
        free_pipes_ = kPipes;
    }
    made_.items.push_back({ScheduleItem::Kind::compute, candidate.vector, 0, node});
    const std::span<const NodeId> arguments = from_.arguments(node);
    for (const NodeId argument : arguments) {
        bring(argument, vector);
    }
    for (const NodeId argument : arguments) {
        read(argument, vector);
    }
    bring(node, vector);
    for (const NodeId argument : arguments) {
        tell_last_reader(argument, vector);
    }
    const std::vector<NodeId>& primitives = from_.primitives_;
    for (const NodeId user : from_.users(node)) {
        Progress& progress = vector.of[user];
        progress.ready = std::max(progress.ready, known_at);
        if (--progress.missing == 0 &&
            (vector.seen == primitives.size() || user < primitives[vector.seen])) {
            open(user, candidate.vector);
        }
    }
    look_ahead(candidate.vector);
    const bool all_read = from_.of_[node].reads_input && --vector.inputs_to_read == 0;
    if (all_read || from_.of_[node].is_stored) {
        store_what_is_ready(candidate.vector);
    }
}

// Packed bits are stored vector by vector: several may share a byte, to which the later ones join
// theirs.
void Scheduler::Run::store_what_is_ready(std::uint8_t number) {
    using Kind = ScheduleItem::Kind;
    Vector& vector = vectors_[number];
    if (vector.inputs_to_read > 0) {
        return;
    }
    bool others_wait = false;
    for (std::size_t i = 0; i < vector.stored.size(); ++i) {
        const std::uint16_t output = from_.stores_[i];
        const NodeId value = body_.outputs[output].value;
        const bool bits = body_.outputs[output].bits;
        const bool waits = bits && number > 0 && !vectors_[number - 1U].stored[i];
        if (waits || vector.stored[i] ||
            !(is_leaf(body_.nodes[value].op) || vector.of[value].known)) {
            continue;
        }
        others_wait = others_wait || bits;
        if (made_.first_store[number] == kNever) {
            for (const NodeId input : from_.only_stored_) {
                made_.items.push_back({Kind::touch, number, 0, input});
                bring(input, vector);
            }
            made_.first_store[number] = static_cast<std::uint32_t>(made_.items.size());
        }
        vector.stored[i] = 1;
        made_.items.push_back({Kind::output, number, output, value});
        if (!is_shared(body_.nodes[value].op)) {
            bring(value, vector);
            read(value, vector);
            tell_last_reader(value, vector);
        }
    }
    if (others_wait && number + 1U < vectors_.size()) {
        store_what_is_ready(static_cast<std::uint8_t>(number + 1));
    }
}

Schedule Scheduler::Run::make() {
    for (std::uint8_t v = 0; v < vectors_.size(); ++v) {
        begin(v);
    }
    while (!candidates_.empty()) {
        const std::size_t at = alive_ < budget_ ? longest_chain() : best_for_registers();
        const Candidate chosen = candidates_[at];
        candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(at));
        compute(chosen);
    }
    return std::move(made_);
}

Schedule Scheduler::run(int vectors, int budget) const {
    return Run(*this, vectors, budget).make();
}

}  // namespace bitaxon::jit
