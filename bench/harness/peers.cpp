#include "harness/peers.hpp"

namespace bitaxon::bench {
namespace {

// The SC-NeuroCore engine (Rust) publishes two tables; each workload stands here with its faster
// figure.
constexpr std::string_view kPage = "SC-NeuroCore, Zen 4";
constexpr std::string_view kOther = "SC-NeuroCore, other machine";

constexpr Peer kPeers[] = {
    {"kernels/pack", "1000000", 25.4e3, kOther},
    {"kernels/popcount", "1000000", 90e3, kPage},
    {"kernels/popcount", "16384", 2.86e3, kOther},
    {"kernels/and_popcount", "16", 9.58, kOther},
    {"encode/bernoulli", "1x1024", 398, kOther},
    {"dense/forward", "1x64x32x1024", 310e3, kPage},
    {"dense/forward_prepacked", "1x64x32x1024", 54.9e3, kOther},
    {"dense/forward_batch", "100x64x32x1024", 13.7e6, kOther},
    {"scaling/samples", "1x64x32x1024", 0.1e6, kPage},
    {"scaling/samples", "10x64x32x1024", 0.3e6, kPage},
    {"scaling/samples", "1000x64x32x1024", 15e6, kPage},
    {"neurons/lif-q88", "1x100000", 0.74e6, kPage},
    {"neurons/lif-q88", "100x100000", 25.2e6, kOther},
};

}  // namespace

std::optional<Peer> find_peer(std::string_view id) {
    const std::size_t operation_end = id.find('/', id.find('/') + 1);
    for (const Peer& peer : kPeers)
        if (id.substr(0, operation_end) == peer.group_and_operation &&
            id.substr(id.rfind('/') + 1) == peer.size)
            return peer;
    return {};
}

}  // namespace bitaxon::bench
