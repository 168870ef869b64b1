// Forward paths that return at once, and streams of batches.
#pragma once

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/future.hpp>
#include <bitaxon/core/matrix_view.hpp>
#include <bitaxon/layers/forward.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

namespace bitaxon {

struct StreamOptions {
    std::size_t in_flight = 4;  ///< batches that are held at once, >= 1
    ForwardOptions forward = {};
};

/// What a layer or network offers besides its forward paths.
///
/// The future is ready once outputs are written; until then the model, samples and outputs must
/// stay where they are, and no other call may write these outputs. It counts samples as progress,
/// and an error of the call is an error of the future. options.monitor may hold a stop token.
///
/// Work that a sleeping worker would take longer to wake for than to do runs at once, on the
/// calling thread.
template <class Model>
class AsyncForward {
  public:
    /// forward, on a worker. For one sample of a layer that takes its time, and for coroutines.
    Future<> forward_async(const ExecutionContext& context, std::span<const double> sample,
                           std::span<double> output, const ForwardOptions& options = {}) const {
        return forward_later(context, 1, options, [=, this](const auto& c, const auto& o) {
            model().forward(c, sample, output, o);
        });
    }

    /// forward_batch, on all of the context's threads.
    Future<> forward_batch_async(const ExecutionContext& context, MatrixView<const double> samples,
                                 MatrixView<double> outputs,
                                 const ForwardOptions& options = {}) const {
        return batch_later(context, samples.rows, samples, outputs, options);
    }
    Future<> forward_batch_async(const ExecutionContext& context, MatrixView<const float> samples,
                                 MatrixView<double> outputs,
                                 const ForwardOptions& options = {}) const {
        return batch_later(context, samples.rows, samples, outputs, options);
    }
    Future<> forward_batch_async(const ExecutionContext& context, std::span<const double> samples,
                                 std::span<double> outputs,
                                 const ForwardOptions& options = {}) const {
        return batch_later(context, samples.size() / model().inputs(), samples, outputs, options);
    }

    /// forward_batch of batches that do not fit into memory together. The calling thread reads and
    /// writes, in order, while batches between the two are computed on the context's threads.
    ///
    /// read(samples), a std::vector<double>& to be filled with rows of inputs() values, returns
    /// false once there are none. write(outputs) gets a MatrixView<const double>, a row a sample.
    /// Samples are numbered through. What read throws is thrown after the batches before were
    /// written; what else fails, at once.
    template <class Read, class Write>
    void forward_stream(const ExecutionContext& context, Read&& read, Write&& write,
                        const StreamOptions& options = {}) const {
        if (options.in_flight == 0)
            throw_error(ErrorCode::invalid_value, "in_flight", "0", "1 or more");
        struct Slot {
            std::vector<double> samples;
            std::vector<double> outputs;
            Future<> future;  // last, so that it ends before what it reads and writes
        };
        std::vector<Slot> slots(options.in_flight);
        std::size_t begun = 0;
        std::size_t written = 0;
        const auto write_next = [&] {
            Slot& slot = slots[written++ % slots.size()];
            slot.future.get();
            write(row_major(std::span<const double>(slot.outputs), model().neurons()));
        };

        ForwardOptions forward = options.forward;
        std::exception_ptr end_of_reading;
        for (;;) {
            Slot& slot = slots[begun % slots.size()];
            try {
                if (!read(slot.samples)) break;
            } catch (...) {
                end_of_reading = std::current_exception();
                break;
            }
            const std::size_t rows = slot.samples.size() / model().inputs();
            slot.outputs.resize(rows * model().neurons());
            slot.future = forward_batch_async(context, std::span<const double>(slot.samples),
                                              std::span(slot.outputs), forward);
            forward.sample += rows;
            if (++begun - written == slots.size()) write_next();
        }
        while (written < begun) write_next();
        if (end_of_reading) std::rethrow_exception(end_of_reading);
    }

    /// What the others are made of: work(context, job), which is about a forward of so many
    /// samples, on a worker unless it is too little for one. It hands the job to the paths that it
    /// calls: options.monitor.job = &job.
    template <class Work>
    auto call_later(const ExecutionContext& context, std::size_t samples, Work work,
                    std::stop_token stop = {}) const {
        constexpr double kInlineNanoseconds = 20e3;  // as for loops: cheaper than to wake a worker
        auto call = [context, work = std::move(work)](Job& job) mutable {
            return work(context, job);
        };
        if (model().nanoseconds(samples) < kInlineNanoseconds)
            return context.run_here(std::move(call), std::move(stop));
        return context.submit(std::move(call), std::move(stop));
    }

  private:
    const Model& model() const { return static_cast<const Model&>(*this); }

    template <class Samples, class Outputs>
    Future<> batch_later(const ExecutionContext& context, std::size_t count, Samples samples,
                         Outputs outputs, const ForwardOptions& options) const {
        return forward_later(context, count, options, [=, this](const auto& c, const auto& o) {
            model().forward_batch(c, samples, outputs, o);
        });
    }

    template <class Path>
    Future<> forward_later(const ExecutionContext& context, std::size_t samples,
                           const ForwardOptions& options, Path path) const {
        auto work = [path, own = options](const ExecutionContext& c, Job& job) mutable {
            own.monitor.stop = {};  // the job has it
            own.monitor.job = &job;
            path(c, own);
        };
        return call_later(context, samples, std::move(work), options.monitor.stop);
    }
};

}  // namespace bitaxon
