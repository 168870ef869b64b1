// The forward paths, which layers and networks have in common.
#pragma once

#include "arguments.hpp"
#include "arrays.hpp"
#include "held.hpp"
#include "pending.hpp"
#include "progress.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/forward.hpp>

#include <memory>
#include <variant>

namespace bitaxon::python {

inline ForwardOptions read_options(py::handle seed, py::handle first_sample,
                                   const char* sample_name, py::handle reporter = py::none()) {
    ForwardOptions options;
    options.seed = to_seed(seed);
    options.sample = to_unsigned(first_sample, sample_name);
    options.monitor.progress = Progress(reporter);
    return options;
}

template <class Model>
using OneSample = void (Model::*)(const ExecutionContext&, std::span<const double>,
                                  std::span<double>, const ForwardOptions&) const;

/// forward and forward_fast.
template <class Model, OneSample<Model> path>
py::array forward_one(const Held<Model>& self, py::handle x, py::handle seed, py::handle sample,
                      py::handle out, py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const ExecutionContext& engine = self.engine(context);
    const py::array values = read_numbers(x, "x", Layout::packed);
    check_vector(values, "x", model->inputs());
    const ForwardOptions options = read_options(seed, sample, "sample");
    Output output(out, {model->neurons()}, values);
    const std::span<double> row = output.packed();
    naming("samples[0]", "x", [&] {
        without_gil([&] { ((*model).*path)(engine, packed_values(values), row, options); });
    });
    output.store();
    return output.array();
}

template <class Model>
py::array forward_batch(const Held<Model>& self, py::handle samples, py::handle seed,
                        py::handle first_sample, py::handle out, py::handle progress,
                        py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const ExecutionContext& engine = self.engine(context);
    const py::array values = read_numbers(samples, "X", Layout::floats);
    check_matrix(values, "X", model->inputs());
    const auto rows = static_cast<std::size_t>(values.shape(0));
    const py::object reporter = make_reporter(progress, rows);
    const ForwardOptions options = read_options(seed, first_sample, "first_sample", reporter);
    const Output output(out, {rows, model->neurons()}, values);
    on_view(values, [&](auto view) {
        naming("samples", "X", [&] {
            without_gil([&] { model->forward_batch(engine, view, output.view(), options); });
        });
    });
    return output.array();
}

/// forward and forward_batch of later.
template <class Model>
class ForwardCall final : public PendingCall {
  public:
    ForwardCall(std::shared_ptr<const Model> model, py::array values, Output output,
                const char* theirs, const char* ours, const ForwardOptions& options)
        : model_(std::move(model)), values_(std::move(values)), output_(std::move(output)),
          theirs_(theirs), ours_(ours), options_(options), to_(output_.view()) {
        options_.monitor = {};  // signals are not the workers'
        on_view(values_, [&](auto view) { from_ = view; });
    }

    std::size_t rows() const { return to_.rows; }
    const Model& model() const { return *model_; }
    void compute(const ExecutionContext& context, Job& job) override {
        options_.monitor.job = &job;
        naming(theirs_, ours_, [&] {
            std::visit(
                [&](const auto& from) { model_->forward_batch(context, from, to_, options_); },
                from_);
        });
    }
    py::object result() override { return output_.array(); }

  private:
    std::shared_ptr<const Model> model_;
    py::array values_;
    Output output_;
    const char* theirs_;
    const char* ours_;
    ForwardOptions options_;
    std::variant<MatrixView<const double>, MatrixView<const float>> from_;
    MatrixView<double> to_;
};

template <class Model>
py::object submit_forward(const ExecutionContext& engine,
                          std::unique_ptr<ForwardCall<Model>> call) {
    const Model& model = call->model();
    const std::size_t rows = call->rows();
    return submit_call(engine, std::move(call), [&](const ExecutionContext& context, auto work) {
        return model.call_later(context, rows, std::move(work));
    });
}

template <class Model>
py::object submit_one(const Held<Model>& self, py::handle x, py::handle seed, py::handle sample,
                      py::handle out, py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const py::array values = read_numbers(x, "x", Layout::floats);
    check_vector(values, "x", model->inputs());
    return submit_forward<Model>(
        self.engine(context),
        std::make_unique<ForwardCall<Model>>(model, values, Output(out, {model->neurons()}, values),
                                             "samples[0]", "x",
                                             read_options(seed, sample, "sample")));
}

template <class Model>
py::object submit_batch(const Held<Model>& self, py::handle samples, py::handle seed,
                        py::handle first_sample, py::handle out, py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const py::array values = read_numbers(samples, "X", Layout::floats);
    check_matrix(values, "X", model->inputs());
    const auto rows = static_cast<std::size_t>(values.shape(0));
    return submit_forward<Model>(
        self.engine(context),
        std::make_unique<ForwardCall<Model>>(
            model, values, Output(out, {rows, model->neurons()}, values), "samples", "X",
            read_options(seed, first_sample, "first_sample")));
}

inline py::object stream_batches(py::object self, py::handle batches, py::handle in_flight,
                                 py::handle seed, py::handle first_sample, py::handle context) {
    return py::module_::import("bitaxon._futures")
        .attr("forward_stream")(self, batches, in_flight, seed, first_sample, context);
}

template <class Model>
py::array forward_prepacked(const Held<Model>& self, py::handle packed, py::handle seed,
                            py::handle first_sample, py::handle out, py::handle context,
                            std::uint64_t length) {
    const std::shared_ptr<const Model> model = self.model();
    const ExecutionContext& engine = self.engine(context);
    const Streams streams = read_streams(packed, "P", length);
    const py::ssize_t axes = streams.array.ndim();
    if (axes < 2 || streams.view.streams != model->inputs())
        throw_error(ErrorCode::invalid_shape, "P", "shape " + shape_text(streams.array),
                    "(n_inputs, words) or (n, n_inputs, words) with n_inputs = " +
                        std::to_string(model->inputs()));
    const ForwardOptions options = read_options(seed, first_sample, "first_sample");
    const Output output = axes == 2
                              ? Output(out, {model->neurons()}, streams.array)
                              : Output(out, {streams.view.rows, model->neurons()}, streams.array);
    naming(streams.name(), "P", [&] {
        without_gil(
            [&] { model->forward_prepacked(engine, streams.view, output.view(), options); });
    });
    return output.array();
}

/// Numbers of one sample or of several, and an output of the same kind.
struct SamplesAndOutput {
    SamplesAndOutput(py::handle x, std::size_t inputs, std::size_t neurons, py::handle out)
        : values(read_numbers(x, "x", Layout::floats)), output(make_output(inputs, neurons, out)) {}

    bool one() const { return values.ndim() == 1; }
    const char* name() const { return one() ? "samples[0]" : "samples"; }  // in C++'s errors
    std::size_t rows() const { return one() ? 1 : static_cast<std::size_t>(values.shape(0)); }

    py::array values;
    Output output;

  private:
    Output make_output(std::size_t inputs, std::size_t neurons, py::handle out) const {
        if (one()) {
            check_vector(values, "x", inputs);
            return {out, {neurons}, values};
        }
        check_matrix(values, "x", inputs);
        return {out, {rows(), neurons}, values};
    }
};

template <class Model>
py::object forward_streamed(const Held<Model>& self, py::handle x, py::handle stop,
                            py::handle delta, py::handle block, py::handle seed,
                            py::handle first_sample, py::handle out, py::handle progress,
                            py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const ExecutionContext& engine = self.engine(context);
    const SamplesAndOutput samples(x, model->inputs(), model->neurons(), out);
    const py::object reporter = make_reporter(progress, samples.rows());
    const StreamedOptions options{
        .stop = stop.is_none() ? Stop::none : parse_stop(to_text(stop, "stop")),
        .delta = to_real(delta, "delta"),
        .block_length = to_unsigned(block, "block"),
        .forward = read_options(seed, first_sample, "first_sample", reporter)};
    // Lengths are below 2^63, and int64 is what NumPy computes with.
    py::array_t<std::int64_t> lengths(static_cast<py::ssize_t>(samples.rows()));
    const std::span used(reinterpret_cast<std::uint64_t*>(lengths.mutable_data()), samples.rows());
    on_view(samples.values, [&](auto view) {
        naming(samples.name(), "x", [&] {
            naming("block_length", "block", [&] {
                without_gil([&] {
                    model->forward_streamed(engine, view, samples.output.view(), used, options);
                });
            });
        });
    });
    const py::object first = samples.one() ? py::object(py::int_(*lengths.data())) : lengths;
    return py::module_::import("bitaxon.results").attr("Streamed")(samples.output.array(), first);
}

template <class Model>
py::array forward_expected(const Held<Model>& self, py::handle x, py::handle weights,
                           py::handle out, py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const ExecutionContext& engine = self.engine(context);
    const SamplesAndOutput samples(x, model->inputs(), model->neurons(), out);
    const ExpectedWeights which = parse_expected_weights(to_text(weights, "weights"));
    const Monitor monitor{.progress = Progress(py::none()), .stop = {}, .job = nullptr};
    on_view(samples.values, [&](auto view) {
        naming(samples.name(), "x", [&] {
            without_gil([&] {
                model->forward_expected(engine, view, samples.output.view(), which, monitor);
            });
        });
    });
    return samples.output.array();
}

template <class Model>
py::array encode_sample(const Held<Model>& self, py::handle x, py::handle seed, py::handle sample,
                        py::handle context) {
    const std::shared_ptr<const Model> model = self.model();
    const ExecutionContext& engine = self.engine(context);
    const py::array values = read_numbers(x, "x", Layout::packed);
    check_vector(values, "x", model->inputs());
    const ForwardOptions options = read_options(seed, sample, "sample");
    return naming("samples[0]", "x", [&] {
        return to_array(interruptible(engine, [&](const ExecutionContext& watched) {
            return model->encode(watched, packed_values(values), options);
        }));
    });
}

/// What the paths of a layer and of a network say of themselves.
struct ForwardDocs {
    const char* forward;
    const char* fast;
    const char* prepacked;
    const char* streamed;
    const char* expected;
    const char* encode;
    const char* redraw;
};

/// A batch is one thing for layers and networks.
inline constexpr const char* kBatchDoc =
    R"(forward_batch(self, X, seed=None, first_sample=0, out=None, progress=None, context=None)
--

Many samples: row k is forward(X[k], sample=first_sample + k). For data sets.

X         (n, n_inputs); float32 and float64 are read where they lie, whatever their strides
out       writable (n, n_neurons) float64 array apart from X, or None for a new one
progress  True shows a bar on a terminal; a callable gets (done, total) about every 20 ms
Returns out. Memory does not grow with n. Ctrl-C, or what the callable raises, ends the call.)";

/// The paths that return at once say the same of layers and networks.
inline constexpr const char* kSubmitDoc =
    R"(submit_forward(self, x, seed=None, sample=0, out=None, context=None)
--

forward, on a worker: returns a concurrent.futures.Future of what it returns.

Its cancel() also ends work that runs, within some milliseconds, until when out may still be written;
its progress() is (done, total) samples. x and out must not be changed before it is done. Work that
is less than waking a worker is done before the call returns. Shapes and dtypes are checked at once,
values are not: result() raises for them.)";
inline constexpr const char* kSubmitBatchDoc =
    R"(submit_forward_batch(self, X, seed=None, first_sample=0, out=None, context=None)
--

forward_batch, on the context's workers: returns a concurrent.futures.Future, as submit_forward does.)";
inline constexpr const char* kAsyncDoc =
    R"(forward_async(self, x, seed=None, sample=0, out=None, context=None)
--

submit_forward for asyncio: y = await layer.forward_async(x). It computes from now on; to cancel the
task that awaits it cancels it.)";
inline constexpr const char* kBatchAsyncDoc =
    R"(forward_batch_async(self, X, seed=None, first_sample=0, out=None, context=None)
--

submit_forward_batch for asyncio: Y = await layer.forward_batch_async(X). It computes from now on; to
cancel the task that awaits it cancels it.)";
inline constexpr const char* kStreamDoc =
    R"(forward_stream(self, batches, in_flight=4, seed=None, first_sample=0, context=None)
--

Iterator over the results of an iterable's batches, in order, while up to in_flight of them compute.
For data that does not fit into memory.

batches    of arrays (n, n_inputs), read when there is room; each is copied
in_flight  1 or more: also how many results wait for the reader at most
Samples are numbered through: results are the rows of forward_batch of all batches at once. What the
iterable raises is raised after the results of the batches before. Closing the iterator cancels.)";

/// length_of(model) is the length of the streams that forward_prepacked takes.
template <class Model, class LengthOf>
void bind_forward_paths(py::class_<Held<Model>>& type, const ForwardDocs& docs,
                        LengthOf length_of) {
    const auto none = [](const char* name) { return py::arg_v(name, py::none()); };
    type.def("forward", &forward_one<Model, &Model::forward>, py::arg("x"), none("seed"),
             py::arg("sample") = 0, none("out"), none("context"), docs.forward)
        .def("forward_fast", &forward_one<Model, &Model::forward_fast>, py::arg("x"), none("seed"),
             py::arg("sample") = 0, none("out"), none("context"), docs.fast)
        .def(
            "forward_prepacked",
            [length_of](const Held<Model>& self, py::handle packed, py::handle seed,
                        py::handle first_sample, py::handle out, py::handle context) {
                return forward_prepacked(self, packed, seed, first_sample, out, context,
                                         length_of(*self.model()));
            },
            py::arg("P"), none("seed"), py::arg("first_sample") = 0, none("out"), none("context"),
            docs.prepacked)
        .def("forward_batch", &forward_batch<Model>, py::arg("X"), none("seed"),
             py::arg("first_sample") = 0, none("out"), none("progress"), none("context"), kBatchDoc)
        .def("submit_forward", &submit_one<Model>, py::arg("x"), none("seed"),
             py::arg("sample") = 0, none("out"), none("context"), kSubmitDoc)
        .def("submit_forward_batch", &submit_batch<Model>, py::arg("X"), none("seed"),
             py::arg("first_sample") = 0, none("out"), none("context"), kSubmitBatchDoc)
        .def(
            "forward_async",
            [](const Held<Model>& self, py::handle x, py::handle seed, py::handle sample,
               py::handle out, py::handle context) {
                return awaitable(submit_one(self, x, seed, sample, out, context));
            },
            py::arg("x"), none("seed"), py::arg("sample") = 0, none("out"), none("context"),
            kAsyncDoc)
        .def(
            "forward_batch_async",
            [](const Held<Model>& self, py::handle samples, py::handle seed,
               py::handle first_sample, py::handle out, py::handle context) {
                return awaitable(submit_batch(self, samples, seed, first_sample, out, context));
            },
            py::arg("X"), none("seed"), py::arg("first_sample") = 0, none("out"), none("context"),
            kBatchAsyncDoc)
        .def("forward_stream", &stream_batches, py::arg("batches"), py::arg("in_flight") = 4,
             none("seed"), py::arg("first_sample") = 0, none("context"), kStreamDoc)
        .def("forward_streamed", &forward_streamed<Model>, py::arg("x"), py::arg("stop") = "argmax",
             py::arg("delta") = 0.01, py::arg("block") = 64, none("seed"),
             py::arg("first_sample") = 0, none("out"), none("progress"), none("context"),
             docs.streamed)
        .def("forward_expected", &forward_expected<Model>, py::arg("x"),
             py::arg("weights") = "drawn", none("out"), none("context"), docs.expected)
        .def("encode", &encode_sample<Model>, py::arg("x"), none("seed"), py::arg("sample") = 0,
             none("context"), docs.encode)
        .def(
            "redraw",
            [](Held<Model>& self, py::handle context) {
                self.change(context, [](Model& model, const ExecutionContext& engine) {
                    model.redraw(engine);
                });
            },
            none("context"), docs.redraw);
}

}  // namespace bitaxon::python
