#include <bitaxon/core/files.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/random.hpp>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace bitaxon {
namespace {

std::string reason() { return std::generic_category().message(errno); }

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what) {
    throw Error(ErrorCode::file, fmt::format("{}: {}: {}", path.string(), what, reason()));
}

struct Descriptor {
    int number;

    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
};

// A new file beside the target, so that two savers of one path never share one.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::filesystem::path& target) : path_(target) {
        path_ += fmt::format(".{:016x}.tmp", fresh_seed());
        file_.number = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file_.number < 0) fail(path_, "cannot be created");
    }
    ~TemporaryFile() {
        if (!kept_ && file_.number >= 0) ::unlink(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ssize_t written = ::write(file_.number, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail(path_, "cannot be written");
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    void flush() const {
        if (::fsync(file_.number) != 0) fail(path_, "cannot be written");
    }

    void keep(const std::filesystem::path& target) {
        if (::rename(path_.c_str(), target.c_str()) != 0) fail(target, "cannot be replaced");
        kept_ = true;
    }

  private:
    std::filesystem::path path_;
    Descriptor file_{-1};
    bool kept_ = false;
};

// What a file is written to: behind links, which stay. A rename would put it in the place of a
// device, a pipe or a socket.
std::filesystem::path replaceable(const std::filesystem::path& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return path;
    std::error_code nameless;  // opened, and removed since
    std::filesystem::path target = std::filesystem::canonical(path, nameless);
    if (nameless || !S_ISREG(about.st_mode))
        throw Error(ErrorCode::file,
                    fmt::format("{}: got something else than a file, expected a file or a new name",
                                path.string()));
    return target;
}

}  // namespace

void write_file(const std::filesystem::path& path,
                std::initializer_list<std::span<const std::byte>> parts, bool flush,
                const std::function<void()>& check) {
    // Flushed piece by piece where somebody may lose patience: nothing ends a flush that is on its
    // way.
    constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
    const std::filesystem::path target = replaceable(path);
    TemporaryFile file(target);
    for (auto part : parts)
        while (!part.empty()) {
            const auto piece = part.first(std::min(part.size(), kPieceBytes));
            if (check) check();
            file.write(piece);
            if (flush && check && piece.size() == kPieceBytes) file.flush();
            part = part.subspan(piece.size());
        }
    if (flush) file.flush();
    file.keep(target);
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t most) {
    // Opening a pipe would wait for its writer.
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat about {};
    if (file.number < 0 || ::fstat(file.number, &about) != 0) fail(path, "cannot be opened");
    if (!S_ISREG(about.st_mode))
        throw Error(
            ErrorCode::file,
            fmt::format("{}: got something else than a file, expected a file", path.string()));
    const auto size = static_cast<std::uint64_t>(about.st_size);
    if (size > most)
        throw Error(ErrorCode::file, fmt::format("{}: got {} bytes, expected at most {}",
                                                 path.string(), size, most));
    std::vector<std::byte> bytes(size);
    std::size_t have = 0;
    while (have < bytes.size()) {
        const ssize_t count = ::read(file.number, bytes.data() + have, bytes.size() - have);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail(path, "cannot be read");
        if (count == 0) break;  // somebody cut it short
        have += static_cast<std::size_t>(count);
    }
    bytes.resize(have);
    return bytes;
}

std::string checksum(std::span<const std::byte> bytes) {
    return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace bitaxon
