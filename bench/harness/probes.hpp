// The limits: what this machine can do, measured by code that owes nothing to the library's
// kernels.
#pragma once

#include "harness/suite.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/jit/types.hpp>

#include <cstddef>
#include <memory>

namespace bitaxon::bench {

/// ANDs and counts a tile of streams, 16 KiB in L1, with the sums in registers. Work: bits.
Probe and_popcount_probe();

/// The same from `threads` threads at once, each on operands of its own, between a common start and
/// the last one's end. Work: bits of all of them.
Probe and_popcount_probe(int threads);

/// Words R of the library's generator, summed in registers. Work: words.
Probe random_words_probe();

/// What Bernoulli encoding could reach if drawing were all of it: a bit of 64 lanes needs 10.3
/// planes on average. Work: encoded bits.
Probe encode_probe();

/// Sums an array. Work: bytes read.
Probe read_probe(std::shared_ptr<const Words> array);

/// Reads and writes memory by turns, so many lines of each, `bytes` in all: by plain or streaming
/// stores, with or without reading ahead, one by one also by memcpy; the fastest here. Work: bytes
/// read and written.
Probe traffic_probe(double bytes, std::size_t reads, std::size_t writes);

/// Fused multiply-adds of f32 or f64 in registers, in chains enough to hide their latency. A work
/// item is worth `operations` of them.
Probe fma_probe(jit::Type type, double operations);

/// What one neuron of integers can't do faster: the values of a step that wait for each other, a
/// difference, a product, a shift, two sums and a sign extension. Work: steps.
Probe integer_chain_probe(std::size_t steps);

/// Hands so many empty tasks to a oneTBB task group, one by one, and waits for all, on the calling
/// thread and a worker. Work: tasks.
Probe task_spawn_probe(int tasks);

/// Writes an array past the caches. Work: bytes written.
Probe streaming_store_probe(std::size_t words);

}  // namespace bitaxon::bench
