#include "constant_table.hpp"

#include <cstring>

namespace bitaxon::jit {
namespace {

constexpr std::size_t kAlignment = 64;

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, &value, sizeof(T));
}

}  // namespace

ConstantTable::ConstantTable(const Body& body, int entry_bytes, int rows, int lanes)
    : body_(body), entry_bytes_(static_cast<std::size_t>(entry_bytes)) {
    offsets_.assign(body.nodes.size(), -1);
    bytes_.reserve(kAlignment * 4 + body.nodes.size() * entry_bytes_ / 2);
    if (body.uses(Op::row)) {
        for (std::int64_t row = 0; row < rows; ++row) {
            append(bytes_, row);
        }
    }
    lane_numbers_ = static_cast<std::int32_t>(bytes_.size());
    for (std::int32_t lane = 0; lane < lanes; ++lane) {
        append(bytes_, lane);
    }
    bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment);
}

std::int32_t ConstantTable::offset_of(NodeId constant) {
    std::int32_t& offset = offsets_[constant];
    if (offset < 0) {
        offset = static_cast<std::int32_t>(bytes_.size());
        const Node& node = body_.nodes[constant];
        const std::uint64_t bits =
            lane_bytes(node.type) == 8 ? node.payload : (node.payload & 0xffffffff) * 0x100000001;
        for (std::size_t at = 0; at < entry_bytes_; at += sizeof bits) {
            append(bytes_, bits);
        }
    }
    return offset;
}

}  // namespace bitaxon::jit
