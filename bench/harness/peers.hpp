// Other people's published figures for work that we run too.
#pragma once

#include <optional>
#include <string_view>

namespace bitaxon::bench {

struct Peer {
    std::string_view group_and_operation;
    std::string_view size;
    double nanoseconds;
    std::string_view source;
};

/// The peer's figure for an id, if it is one of the peer's workloads.
std::optional<Peer> find_peer(std::string_view id);

}  // namespace bitaxon::bench
