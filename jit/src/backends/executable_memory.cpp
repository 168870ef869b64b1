#include "executable_memory.hpp"

#include <bitaxon/core/error.hpp>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <sys/mman.h>

namespace bitaxon::jit {
namespace {

[[noreturn]] void refuse(const char* call, int error) {
    throw Error(ErrorCode::unsupported, std::string("machine code: the system refused ") + call +
                                            ": " + std::generic_category().message(error));
}

}  // namespace

ExecutableMemory::ExecutableMemory(std::span<const std::byte> code) {
    // All pages at once: each is written next, and would take a fault of its own.
    void* memory = mmap(nullptr, code.size(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        refuse("mmap", errno);
    }
    std::memcpy(memory, code.data(), code.size());
    if (mprotect(memory, code.size(), PROT_READ | PROT_EXEC) != 0) {
        const int error = errno;
        munmap(memory, code.size());
        refuse("mprotect", error);
    }
    data_ = memory;
    bytes_ = code.size();
    // x86 keeps its instruction caches coherent by itself; AArch64 must be told.
    __builtin___clear_cache(static_cast<char*>(memory), static_cast<char*>(memory) + bytes_);
}

ExecutableMemory::~ExecutableMemory() {
    if (data_ != nullptr) {
        munmap(data_, bytes_);
    }
}

}  // namespace bitaxon::jit
