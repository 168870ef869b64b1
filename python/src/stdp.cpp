// Weights that learn from spikes. Python sees them where they live.
#include "arguments.hpp"
#include "arrays.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "gil.hpp"
#include "instances.hpp"
#include "pickles.hpp"
#include "process_local.hpp"
#include "progress.hpp"
#include "turn.hpp"

#include <bitaxon/layers/binary_stdp.hpp>
#include <bitaxon/layers/stdp.hpp>

#include <fmt/format.h>

#include <memory>

namespace bitaxon::python {
namespace {

// A learning rule as Python holds it: calls take turns.
template <class Rule>
class Plastic {
  public:
    Plastic(std::shared_ptr<Rule> rule, py::object kept_context)
        : context(std::move(kept_context)), rule_(std::move(rule)) {}

    /// work(rule) without the GIL, alone.
    template <class Work>
    auto alone(Work&& work) {
        const std::shared_ptr<Turn> turn = turn_.get();
        turn->check_not_inside(ErrorCode::invalid_value, "progress, or a signal handler",
                               "a call of the rule that it interrupts");
        return without_gil([&] { return turn->take([&] { return work(*rule_); }); });
    }
    std::unique_ptr<Plastic> copy() {
        return std::make_unique<Plastic>(
            alone([](const Rule& rule) { return std::make_shared<Rule>(rule); }), context);
    }
    /// The rule itself, for what never changes, and for whoever looks at its memory.
    const std::shared_ptr<Rule>& rule() const { return rule_; }

    py::object context;  ///< of calls that are given none; it may be None

  private:
    std::shared_ptr<Rule> rule_;
    ProcessLocal<Turn> turn_;
};

// An array over memory of the rule, which it keeps alive.
template <class T, class Rule>
py::array view_of_memory(const std::shared_ptr<Rule>& rule, const MatrixView<T>& view, int axes) {
    const py::capsule owner(new std::shared_ptr<Rule>(rule),
                            [](void* p) { delete static_cast<std::shared_ptr<Rule>*>(p); });
    std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(view.rows),
                                      static_cast<py::ssize_t>(view.columns)};
    std::vector<py::ssize_t> strides = {view.row_stride * static_cast<py::ssize_t>(sizeof(T)),
                                        view.column_stride * static_cast<py::ssize_t>(sizeof(T))};
    if (axes == 1) {
        shape.erase(shape.begin());
        strides.erase(strides.begin());
    }
    return py::array(py::dtype::of<std::remove_const_t<T>>(), shape, strides, view.data, owner);
}

template <class T, class Rule>
py::array view_of_memory(const std::shared_ptr<Rule>& rule, std::span<T> values) {
    return view_of_memory(rule, row_major(values, values.size()), 1);
}

// Packed words, packed rows: (rows, words), or one row.
py::array read_rows(py::handle object, const char* name) {
    const py::array words = read_words(object, name);
    if (words.ndim() != 1 && words.ndim() != 2)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(words),
                    "(words,) or (rows, words)");
    return py::array::ensure(words,
                             py::array::c_style | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_});
}

// bits (steps, words), or the Spikes that hold them.
py::array read_spikes(py::handle object, const char* name, std::size_t neurons) {
    if (!py::hasattr(object, "bits")) return read_rows(object, name);
    const std::uint64_t count = to_unsigned(object.attr("n_neurons"), name);
    if (count != neurons)
        throw_error(ErrorCode::invalid_shape, name, fmt::format("spikes of {} neurons", count),
                    fmt::format("{}", neurons));
    return read_rows(object.attr("bits"), name);
}

template <class Rule>
void update(Plastic<Rule>& self, py::handle pre, py::handle post, py::handle progress,
            py::handle context) {
    const ExecutionContext& engine = choose_engine(context, self.context);
    const py::array pre_rows = read_spikes(pre, "pre_spikes", self.rule()->pre());
    const py::array post_rows = read_spikes(post, "post_spikes", self.rule()->post());
    const auto before = view_of<std::uint64_t>(pre_rows);
    const auto behind = view_of<std::uint64_t>(post_rows);
    const py::object reporter = make_reporter(progress, before.rows);
    const Monitor monitor{.progress = Progress(reporter), .stop = {}, .job = nullptr};
    self.alone([&](Rule& rule) { rule.update(engine, before, behind, monitor); });
}

template <class Choice>
struct Named {
    const char* name;
    Choice choice;
};
constexpr Named<Pairing> kPairings[] = {{"all", Pairing::all}, {"nearest", Pairing::nearest}};
constexpr Named<Bounds> kBounds[] = {{"hard", Bounds::hard}, {"soft", Bounds::soft}};

template <class Choice>
Choice to_choice(py::handle object, const char* name, const Named<Choice> (&choices)[2]) {
    const std::string text = to_text(object, name);
    for (const auto& [known, choice] : choices)
        if (text == known) return choice;
    throw_error(ErrorCode::invalid_value, name, "'" + text + "'",
                fmt::format("'{}' or '{}'", choices[0].name, choices[1].name));
}

using HeldStdp = Plastic<Stdp>;
using HeldBinary = Plastic<BinaryStdp>;

std::unique_ptr<HeldStdp> make_stdp(py::handle n_pre, py::handle n_post, py::handle weights,
                                    py::handle a_plus, py::handle a_minus, py::handle tau_plus,
                                    py::handle tau_minus, py::handle dt, py::handle w_min,
                                    py::handle w_max, py::handle pairing, py::handle bounds,
                                    py::handle context) {
    const std::size_t pre = to_unsigned(n_pre, "n_pre", 1);
    const std::size_t post = to_unsigned(n_post, "n_post", 1);
    const StdpOptions options{.a_plus = to_real(a_plus, "a_plus"),
                              .a_minus = to_real(a_minus, "a_minus"),
                              .tau_plus = to_real(tau_plus, "tau_plus"),
                              .tau_minus = to_real(tau_minus, "tau_minus"),
                              .dt = to_real(dt, "dt"),
                              .w_min = to_real(w_min, "w_min"),
                              .w_max = to_real(w_max, "w_max"),
                              .pairing = to_choice(pairing, "pairing", kPairings),
                              .bounds = to_choice(bounds, "bounds", kBounds)};
    const py::array numbers = read_numbers(weights, "weights", Layout::doubles);
    MatrixView<const double> view{static_cast<const double*>(numbers.data()), pre, post, 0, 0};
    if (numbers.ndim() != 0) {
        if (numbers.ndim() != 2 || view_of<double>(numbers).rows != pre ||
            view_of<double>(numbers).columns != post)
            throw_error(ErrorCode::invalid_shape, "weights", "shape " + shape_text(numbers),
                        fmt::format("a number, or (n_pre, n_post) = ({}, {})", pre, post));
        view = view_of<double>(numbers);
    }
    const py::object kept_context = to_context(context);
    auto rule = naming("pre x post", "n_pre x n_post", [&] {
        return interruptible(choose_engine(kept_context), [&](const ExecutionContext& watched) {
            return std::make_shared<Stdp>(pre, post, options, view, watched);
        });
    });
    return std::make_unique<HeldStdp>(std::move(rule), kept_context);
}

std::unique_ptr<HeldBinary> make_binary(py::handle n_pre, py::handle n_post, py::handle weights,
                                        py::handle p_plus, py::handle p_minus, py::handle window,
                                        py::handle seed, py::handle id, py::handle context) {
    const std::size_t pre = to_unsigned(n_pre, "n_pre", 1);
    const std::size_t post = to_unsigned(n_post, "n_post", 1);
    const BinaryStdpOptions options{.p_plus = to_real(p_plus, "p_plus"),
                                    .p_minus = to_real(p_minus, "p_minus"),
                                    .window = to_unsigned(window, "window"),
                                    .seed = to_seed(seed),
                                    .id = to_unsigned(id, "id")};
    const py::array rows = read_rows(weights, "weights");
    const auto view = view_of<std::uint64_t>(rows);
    if (view.rows != post || view.columns != (pre + 63) / 64)
        throw_error(ErrorCode::invalid_shape, "weights", "shape " + shape_text(rows),
                    fmt::format("(n_post, ceil(n_pre / 64)) = ({}, {})", post, (pre + 63) / 64));
    const py::object kept_context = to_context(context);
    auto rule = naming("pre x post", "n_pre x n_post", [&] {
        return interruptible(choose_engine(kept_context), [&](const ExecutionContext& watched) {
            return std::make_shared<BinaryStdp>(pre, post, options, view, watched);
        });
    });
    return std::make_unique<HeldBinary>(std::move(rule), kept_context);
}

py::array weights_of(const HeldStdp& self) {
    return view_of_memory(self.rule(), self.rule()->weights(), 2);
}
py::array weights_of(const HeldBinary& self) {
    return view_of_memory(self.rule(), self.rule()->weights(), 2);
}
py::array pre_traces_of(const HeldStdp& self) {
    return view_of_memory(self.rule(), self.rule()->pre_traces());
}
py::array post_traces_of(const HeldStdp& self) {
    return view_of_memory(self.rule(), self.rule()->post_traces());
}
py::array_t<std::int64_t> last_spikes_of(HeldBinary& self) {
    const auto steps = self.alone([](const BinaryStdp& rule) {
        return std::vector<std::int64_t>(rule.last_spikes().begin(), rule.last_spikes().end());
    });
    return py::array_t<std::int64_t>(static_cast<py::ssize_t>(steps.size()), steps.data());
}

// The rule of one moment, which nobody else sees.
template <class Rule>
std::shared_ptr<Rule> snapshot_of(Plastic<Rule>& self) {
    return self.alone([](const Rule& rule) { return std::make_shared<Rule>(rule); });
}

constexpr std::size_t kStdpItems = 16;
constexpr std::size_t kBinaryItems = 11;

// Arguments of the constructor, then what restores the state.
py::tuple state_of(HeldStdp& self) {
    const std::shared_ptr<Stdp> kept = snapshot_of(self);
    const StdpOptions& o = kept->options();
    return py::make_tuple(kept->pre(), kept->post(), view_of_memory(kept, kept->weights(), 2),
                          o.a_plus, o.a_minus, o.tau_plus, o.tau_minus, o.dt, o.w_min, o.w_max,
                          kPairings[static_cast<std::size_t>(o.pairing)].name,
                          kBounds[static_cast<std::size_t>(o.bounds)].name, self.context,
                          kept->step_count(), view_of_memory(kept, kept->pre_traces()),
                          view_of_memory(kept, kept->post_traces()));
}

std::unique_ptr<HeldStdp> stdp_from(const py::tuple& state) {
    const py::tuple& s = check_state(state, kStdpItems);
    // Whoever writes to weights may leave the bounds, which the constructor would refuse.
    const py::array weights = read_numbers(s[2], "weights", Layout::doubles);
    check_matrix(weights, "weights", to_unsigned(s[1], "n_post", 1));
    if (static_cast<std::size_t>(weights.shape(0)) != to_unsigned(s[0], "n_pre", 1))
        throw_error(ErrorCode::invalid_shape, "weights", "shape " + shape_text(weights),
                    "a row for each pre neuron");
    auto made =
        make_stdp(s[0], s[1], s[8], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12]);
    const auto view = view_of<double>(weights);
    const MatrixView<double> kept = made->rule()->weights();
    for (std::size_t i = 0; i < kept.rows; ++i)
        for (std::size_t j = 0; j < kept.columns; ++j) kept(i, j) = view(i, j);
    const py::array before = read_numbers(s[14], "pre_traces", Layout::packed);
    const py::array behind = read_numbers(s[15], "post_traces", Layout::packed);
    made->rule()->restore(to_unsigned(s[13], "step_count"), packed_values(before),
                          packed_values(behind));
    return made;
}

py::tuple state_of(HeldBinary& self) {
    const std::shared_ptr<BinaryStdp> kept = snapshot_of(self);
    const MatrixView<std::uint64_t> weights = kept->weights();
    // Whoever writes to weights may set bits past the end, which are nobody's.
    for (std::size_t j = 0; j < weights.rows; ++j)
        weights(j, weights.columns - 1) &= tail_mask(kept->pre());
    const BinaryStdpOptions& o = kept->options();
    return py::make_tuple(kept->pre(), kept->post(), view_of_memory(kept, weights, 2), o.p_plus,
                          o.p_minus, o.window, *o.seed, o.id, self.context, kept->step_count(),
                          view_of_memory(kept, kept->last_spikes()));
}

std::unique_ptr<HeldBinary> binary_from(const py::tuple& state) {
    const py::tuple& s = check_state(state, kBinaryItems);
    auto made = make_binary(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]);
    const py::array last = read_rows(s[10], "last_spikes");
    made->rule()->restore(
        to_unsigned(s[9], "step_count"),
        {static_cast<const std::uint64_t*>(last.data()), static_cast<std::size_t>(last.size())});
    return made;
}

// What both have.
template <class Rule>
void bind_common(py::class_<Plastic<Rule>>& type, const char* update_doc) {
    using Held = Plastic<Rule>;
    type.def("update", &update<Rule>, py::arg("pre_spikes"), py::arg("post_spikes"),
             py::arg("progress") = py::none(), py::arg("context") = py::none(), update_doc)
        .def(
            "reset", [](Held& self) { self.alone([](Rule& rule) { rule.reset(); }); },
            "reset(self)\n--\n\nBack to step 0, as if there had been no spikes; weights stay.")
        .def_property_readonly(
            "n_pre", [](const Held& self) { return self.rule()->pre(); },
            "Number of neurons before the synapses.")
        .def_property_readonly(
            "n_post", [](const Held& self) { return self.rule()->post(); },
            "Number of neurons behind them.")
        .def_property_readonly(
            "step_count",
            [](Held& self) { return self.alone([](Rule& rule) { return rule.step_count(); }); },
            "Steps since the beginning.")
        .def_property_readonly(
            "context", [](const Held& self) { return self.context; },
            "ExecutionContext of calls that are given none; None is the shared one.")
        .def("__repr__", [](const Held& self) { return self.rule()->repr(); })
        .def("__copy__", &Held::copy, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](Held& self, py::handle) { return self.copy(); }, py::arg("memo"),
            "__deepcopy__(self, memo)\n--\n\n");
    bind_old_pickles(type);
}

// A property for an option.
template <class Rule, class Options, class T>
void bind_option(py::class_<Plastic<Rule>>& type, const char* name, T Options::*member,
                 const char* doc) {
    type.def_property_readonly(
        name, [member](const Plastic<Rule>& self) { return self.rule()->options().*member; }, doc);
}

// clang-format off
#define BITAXON_STDP_SIGNATURE                                                                     \
    "n_pre, n_post, *, weights, a_plus=0.01, a_minus=0.012, tau_plus=0.02, tau_minus=0.02, "       \
    "dt=0.001, w_min=0.0, w_max=1.0, pairing='all', bounds='hard', context=None)\n--\n\n"
#define BITAXON_BINARY_SIGNATURE                                                                   \
    "n_pre, n_post, *, weights, p_plus=0.1, p_minus=0.05, window=20, seed=None, id=0, "            \
    "context=None)\n--\n\n"
// clang-format on

constexpr const char* kStdpDoc =
    "Stdp(" BITAXON_STDP_SIGNATURE
    R"(Pair-based spike-timing-dependent plasticity of weights between two populations.

    stdp = bx.Stdp(1000, 10, weights=rng.random((1000, 10)))
    stdp.update(inputs, spikes)             # Spikes of both sides, as a Population's run returns them
    stdp.weights                            # (1000, 10), where they live

n_pre, n_post  1 or more neurons before and behind the synapses
weights    (n_pre, n_post) numbers from w_min to w_max, or one for all
a_plus     what a pair pre before post raises a weight by, as a share of w_max - w_min, 0 to 1
a_minus    what a pair post before pre lowers it by
tau_plus, tau_minus  seconds in which the effect of a pair's distance falls by e
dt         seconds of a step
pairing    'all': every spike with every one; 'nearest': each with the last one of the other side
bounds     'hard': changes end at w_min and w_max; 'soft': they shrink with the distance left (M. C. W.
           van Rossum and others, 2000)
context    ExecutionContext of calls that are given none

G. Bi and M. Poo (1998); S. Song, K. D. Miller and L. F. Abbott (2000). A step is: traces decay; each
pre spike lowers its neuron's weights by a_minus times the post traces, then adds one to its trace
(sets it to one, with 'nearest'); each post spike raises the weights to its neuron by a_plus times the
pre traces, then does the same. So a pair of one step counts as pre before post, at full size.

Results do not depend on threads, nor on how steps are cut into calls. May be used from many threads
at once: calls take turns.
Raises ValueError for values out of range and wrong shapes.)";

constexpr const char* kBinaryDoc =
    "BinaryStdp(" BITAXON_BINARY_SIGNATURE
    R"(Stochastic plasticity of weights of one bit, 64 of them a word.

When a post neuron spikes, the bit of each pre neuron that spiked within the window is set with
probability p_plus, that of each other one is cleared with probability p_minus (M. Suri and others,
Bio-inspired stochastic computing using binary CBRAM synapses, 2013; W. Senn and S. Fusi, 2005).

n_pre, n_post  1 or more neurons before and behind the synapses
weights    (n_post, ceil(n_pre / 64)) uint64: bit i of row j is the weight from pre neuron i to j, as
           bx.pack makes them of (n_post, n_pre) bits
p_plus, p_minus  probabilities
window     steps, 1 to 2^31: the post spike's own and those before it
seed       0 to 2^64 - 1 of the chances; fresh unless given, and shown in the repr
id         names chances: rules of one seed and different ids differ
context    ExecutionContext of calls that are given none

The chances of a post spike of neuron j in step t are the bits of bx.encode([p], n_pre, seed=seed,
layer=id, role="noise", sample=t, first_index=j), with p_plus or p_minus: results do not depend on
threads, nor on how steps are cut into calls. May be used from many threads at once: calls take turns.
Raises ValueError for values out of range and wrong shapes.)";

constexpr const char* kUpdateDoc =
    R"(update(self, pre_spikes, post_spikes, progress=None, context=None)
--

Learns from spikes of both sides, as many steps of each.

pre_spikes, post_spikes  Spikes, or (steps, ceil(n / 64)) uint64, one step: (ceil(n / 64),). Trains of
          bx.spikes become Spikes by bx.spikes.events
progress  True shows a bar on a terminal; a callable gets (done, total) steps about every 20 ms
Ctrl-C, or what the callable raises, ends the call behind a whole step: step_count says where.)";

}  // namespace
}  // namespace bitaxon::python

template <class Rule>
struct pybind11::detail::type_caster<bitaxon::python::Plastic<Rule>>
    : bitaxon::python::InitializedCaster<bitaxon::python::Plastic<Rule>> {};

namespace bitaxon::python {

void bind_stdp(py::module_& module) {
    py::class_<HeldStdp> stdp(module, "Stdp", py::is_final(), kStdpDoc);
    const StdpOptions defaults;
    stdp.def(py::init(&make_stdp), py::arg("n_pre"), py::arg("n_post"), py::kw_only(),
             py::arg("weights"), py::arg("a_plus") = defaults.a_plus,
             py::arg("a_minus") = defaults.a_minus, py::arg("tau_plus") = defaults.tau_plus,
             py::arg("tau_minus") = defaults.tau_minus, py::arg("dt") = defaults.dt,
             py::arg("w_min") = defaults.w_min, py::arg("w_max") = defaults.w_max,
             py::arg("pairing") = "all", py::arg("bounds") = "hard",
             py::arg("context") = py::none(), "__init__(self, " BITAXON_STDP_SIGNATURE)
        .def_property_readonly(
            "weights", [](const HeldStdp& self) { return weights_of(self); },
            "(n_pre, n_post), where they live: write to them to set them. One outside the bounds "
            "comes back at the next spike that changes it.")
        .def_property_readonly("pre_traces", &pre_traces_of, "(n_pre,), where they live.")
        .def_property_readonly("post_traces", &post_traces_of, "(n_post,), where they live.")
        .def_property_readonly(
            "pairing",
            [](const HeldStdp& self) {
                return kPairings[static_cast<std::size_t>(self.rule()->options().pairing)].name;
            },
            "'all' or 'nearest'.")
        .def_property_readonly(
            "bounds",
            [](const HeldStdp& self) {
                return kBounds[static_cast<std::size_t>(self.rule()->options().bounds)].name;
            },
            "'hard' or 'soft'.")
        .def(py::pickle([](HeldStdp& self) { return state_of(self); }, &stdp_from));
    bind_option(stdp, "a_plus", &StdpOptions::a_plus, "What a pair raises a weight by.");
    bind_option(stdp, "a_minus", &StdpOptions::a_minus, "What a pair lowers a weight by.");
    bind_option(stdp, "tau_plus", &StdpOptions::tau_plus, "Of pre before post, in seconds.");
    bind_option(stdp, "tau_minus", &StdpOptions::tau_minus, "Of post before pre, in seconds.");
    bind_option(stdp, "dt", &StdpOptions::dt, "Seconds of a step.");
    bind_option(stdp, "w_min", &StdpOptions::w_min, "Lowest weight.");
    bind_option(stdp, "w_max", &StdpOptions::w_max, "Largest weight.");
    bind_common(stdp, kUpdateDoc);

    py::class_<HeldBinary> binary(module, "BinaryStdp", py::is_final(), kBinaryDoc);
    const BinaryStdpOptions chances;
    binary
        .def(py::init(&make_binary), py::arg("n_pre"), py::arg("n_post"), py::kw_only(),
             py::arg("weights"), py::arg("p_plus") = chances.p_plus,
             py::arg("p_minus") = chances.p_minus, py::arg("window") = chances.window,
             py::arg("seed") = py::none(), py::arg("id") = 0, py::arg("context") = py::none(),
             "__init__(self, " BITAXON_BINARY_SIGNATURE)
        .def_property_readonly(
            "weights", [](const HeldBinary& self) { return weights_of(self); },
            "(n_post, ceil(n_pre / 64)) uint64, where they live; bx.unpack(weights, n_pre) are "
            "bits. A pickle drops those past the last.")
        .def_property_readonly(
            "last_spikes", &last_spikes_of,
            "(n_pre,): the step of each pre neuron's last spike, -1 without one.")
        .def_property_readonly(
            "seed", [](const HeldBinary& self) { return *self.rule()->options().seed; },
            "Seed of the chances.")
        .def(py::pickle([](HeldBinary& self) { return state_of(self); }, &binary_from));
    bind_option(binary, "p_plus", &BinaryStdpOptions::p_plus, "Chance that a bit is set.");
    bind_option(binary, "p_minus", &BinaryStdpOptions::p_minus, "Chance that a bit is cleared.");
    bind_option(binary, "window", &BinaryStdpOptions::window, "Steps of the window.");
    bind_option(binary, "id", &BinaryStdpOptions::id, "Names the chances, beside the seed.");
    bind_common(binary, kUpdateDoc);
}

}  // namespace bitaxon::python
