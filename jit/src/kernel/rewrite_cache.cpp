#include "rewrite_cache.hpp"

#include "../expression_state.hpp"
#include "../language/functions.hpp"
#include "../language/to_text.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/files.hpp>
#include <bitaxon/core/version.hpp>

#include <fmt/format.h>
#include <rewriting_fingerprint.hpp>

#include <cstdlib>

namespace bitaxon::jit {
namespace {

// More than the parser takes.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{4} << 20;
constexpr std::string_view kChecksum = "# checksum ";
constexpr std::string_view kRewrite = "# rewrite ";
constexpr std::size_t kChecksumDigits = 16;

struct Folder {
    std::filesystem::path path;  ///< empty if there is none,
    std::string reason;          ///< for this reason
};

// Not of a program that runs with other rights than its caller's: it must not write where he says.
const char* variable(const char* name) { return ::secure_getenv(name); }

Folder folder() {
    if (const char* own = variable("BITAXON_CACHE_DIR")) {
        if (*own == '\0') {
            return {{}, "BITAXON_CACHE_DIR is empty"};
        }
        std::error_code error;
        return {std::filesystem::absolute(own, error), "BITAXON_CACHE_DIR is no path"};
    }
    // The XDG base directory specification ignores relative paths.
    if (const char* caches = variable("XDG_CACHE_HOME"); caches != nullptr && *caches == '/') {
        return {std::filesystem::path(caches) / "bitaxon", {}};
    }
    if (const char* home = variable("HOME"); home != nullptr && *home == '/') {
        return {std::filesystem::path(home) / ".cache" / "bitaxon", {}};
    }
    return {{}, "neither BITAXON_CACHE_DIR, XDG_CACHE_HOME nor HOME says where"};
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::string checksum_of(std::string_view key, std::string_view body) {
    std::string all(key);
    all += body;
    return checksum(bytes_of(all));
}

// Takes the first line off the text if it begins so; nothing otherwise.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view prefix) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos || !text.starts_with(prefix)) {
        return std::nullopt;
    }
    const std::string_view line = text.substr(prefix.size(), end - prefix.size());
    text.remove_prefix(end + 1);
    return line;
}

Expression parse_body(std::string_view body, const Expression& original) {
    return parse(
        body, {.dtype = original.dtype(), .arguments = input_names(original.arguments().size())});
}

}  // namespace

RewriteCache::RewriteCache(const Expression& expression, const CompileOptions& options)
    : expression_(expression), mode_(options.mode), calls_(options.cache_calls) {
    if (mode_ != MathMode::fast) {
        found_ = fmt::format("mode {} rewrites too little", name(mode_));
    } else if (!options.cache) {
        found_ = "switched off by its options";
    } else if (expression.state().functions.table().size() > 0) {
        found_ = "functions of the caller's own may change";
    } else if (Folder place = folder(); place.path.empty()) {
        found_ = std::move(place.reason);
    } else {
        path_ = place.path / (checksum(bytes_of(key())) + ".txt");
        state_ = State::miss;
    }
}

std::string RewriteCache::key() const {
    std::string text = fmt::format("# bitaxon {} {}, {}, {}\n# arguments:", kVersion,
                                   kRewritingFingerprint, name(mode_), name(expression_.dtype()));
    for (const std::string& argument : expression_.arguments()) {
        text += fmt::format(" {}", argument);
    }
    text += "\n#| ";
    for (const char c : expression_.text()) {
        text += c;
        if (c == '\n') {
            text += "#| ";
        }
    }
    return text + '\n';
}

std::optional<Optimised> RewriteCache::read(std::span<const Type> types) {
    std::error_code error;
    if (state_ != State::miss || !std::filesystem::exists(path_, error)) {
        return std::nullopt;
    }
    try {
        const std::vector<std::byte> bytes = read_file(path_, kMaxFileBytes);
        std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::string expected = key();
        if (!text.starts_with(expected)) {
            found_ = "it belongs to another expression";
            return std::nullopt;
        }
        text.remove_prefix(expected.size());
        const auto sum = take_line(text, kChecksum);
        if (!sum || *sum != checksum_of(expected, text)) {
            found_ = "its checksum is wrong";
            return std::nullopt;
        }
        Optimised result;
        while (const auto rewrite = take_line(text, kRewrite)) {
            result.applied.emplace_back(*rewrite);
        }
        const Expression restored = parse_body(text, expression_);
        if (!std::ranges::equal(restored.results(), types)) {
            found_ = "its results are of other types";
            return std::nullopt;
        }
        result.graph = restored.state().graph;
        result.roots = restored.state().roots;
        state_ = State::hit;
        return result;
    } catch (const std::exception& problem) {
        found_ = problem.what();
        return std::nullopt;
    }
}

void RewriteCache::write(const Optimised& optimised) const noexcept {
    if (state_.load(std::memory_order_acquire) != State::miss || claimed_.exchange(true)) {
        return;
    }
    try {
        check_and_write(optimised);
        state_.store(State::written, std::memory_order_release);
    } catch (const std::exception& problem) {
        failure_ = problem.what();
        state_.store(State::failed, std::memory_order_release);
    }
}

void RewriteCache::check_and_write(const Optimised& optimised) const {
    std::string body;
    for (const std::string& rewrite : optimised.applied) {
        body += fmt::format("{}{}\n", kRewrite, rewrite);
    }
    const auto text = to_text(optimised.graph, optimised.roots, expression_.dtype());
    if (!text) {
        throw Error(ErrorCode::unsupported, "no text says what it was rewritten to");
    }
    const Expression again = parse_body(*text, expression_);
    if (!is_same(optimised.graph, optimised.roots, again.state().graph, again.state().roots)) {
        throw Error(ErrorCode::unsupported, "its text would be read as something else");
    }
    body += *text;
    const std::string start = key();
    const std::string sum = fmt::format("{}{}\n", kChecksum, checksum_of(start, body));
    std::filesystem::create_directories(path_.parent_path());
    // A file that a power cut took away is written again: there is no need to wait for the disk.
    write_file(path_, {bytes_of(start), bytes_of(sum), bytes_of(body)}, false);
}

std::string_view RewriteCache::state() const noexcept {
    constexpr std::string_view names[] = {"off", "miss", "hit", "written", "failed"};
    return names[static_cast<std::size_t>(state_.load(std::memory_order_acquire))];
}

std::string RewriteCache::story() const {
    switch (state_.load(std::memory_order_acquire)) {
    case State::off:
        return fmt::format("not kept: {}", found_);
    case State::hit:
        return fmt::format("read from {}", path_.string());
    case State::written:
        return fmt::format("written to {}", path_.string());
    case State::failed:
        return fmt::format("{} could not be written: {}", path_.string(), failure_);
    default:
        break;
    }
    return found_.empty() ? fmt::format("{} is written at call {}", path_.string(), calls_)
                          : fmt::format("{} was not used: {}; it is written anew at call {}",
                                        path_.string(), found_, calls_);
}

}  // namespace bitaxon::jit
