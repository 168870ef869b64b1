#include "file_changes.hpp"

#include <linux/magic.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <system_error>

namespace bitaxon::jit {
namespace {

using std::chrono::milliseconds;

// An edit must be live within 100 ms, and polling wants to see a file twice.
constexpr milliseconds kPoll{25};
// A writer that keeps the file open is believed to be done with it after so long.
constexpr milliseconds kQuiet{50};
// Even where the kernel tells, it does not tell of folders above that are renamed or mounted over.
constexpr milliseconds kDoubt{1000};

constexpr std::uint32_t kComplete = IN_CLOSE_WRITE | IN_MOVED_TO;
constexpr std::uint32_t kBegun = IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB;
constexpr std::uint32_t kFolderGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

// File systems that other machines write to, of which the kernel here hears nothing.
constexpr std::uint32_t kRemote[] = {
    NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC,
    AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, V9FS_MAGIC,       FUSE_SUPER_MAGIC,
};

bool is_remote(const std::filesystem::path& folder) {
    struct statfs about {};
    return ::statfs(folder.c_str(), &about) != 0 ||
           std::ranges::count(kRemote, static_cast<std::uint32_t>(about.f_type)) > 0;
}

// The text behind a link is changed in another folder.
bool has_links(const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::weakly_canonical(path, error) != path || error;
}

}  // namespace

FileChanges::FileChanges(const std::filesystem::path& path)
    : path_(std::filesystem::absolute(path).lexically_normal()),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    follow_folder();
    news_ = News::none;
    seen_ = last_ = stamp();
}

FileChanges::~FileChanges() {
    if (inotify_ >= 0) {
        ::close(inotify_);
    }
}

bool FileChanges::wait(int stop) {
    using Clock = std::chrono::steady_clock;
    Clock::time_point since = Clock::now();
    for (;;) {
        const bool anew = follow_folder();
        // Only what happens to this file: others in its folder may never rest.
        if (take_events() || anew) {
            since = Clock::now();
        }
        quiet_ = false;
        if (news_ == News::complete) {
            break;
        }
        const auto patience = news_ == News::begun ? kQuiet : polls() ? kPoll : kDoubt;
        const auto left = std::chrono::ceil<milliseconds>(since + patience - Clock::now());
        if (left.count() <= 0) {
            quiet_ = true;
            if (news_ == News::begun || looks_new()) {
                break;
            }
            since = Clock::now();
            continue;
        }
        pollfd waits[] = {{stop, POLLIN, 0}, {inotify_, POLLIN, 0}};
        ::poll(waits, std::size(waits), static_cast<int>(left.count()));
        if ((waits[0].revents & POLLIN) != 0) {
            return false;
        }
    }
    news_ = News::none;
    seen_ = last_ = stamp();
    return true;
}

bool FileChanges::has_changed_again() {
    take_events();
    if (news_ == News::none && stamp() != seen_) {
        news_ = News::begun;
    }
    return news_ != News::none;
}

bool FileChanges::waits_for_more() {
    if (!quiet_) {
        news_ = News::begun;
    }
    return !quiet_;
}

bool FileChanges::follow_folder() {
    const std::filesystem::path folder = path_.parent_path();
    const bool lost = folder_ < 0;
    if (inotify_ >= 0 && lost) {
        folder_ = ::inotify_add_watch(inotify_, folder.c_str(),
                                      kComplete | kBegun | kFolderGone | IN_ONLYDIR);
        if (folder_ >= 0) {
            news_ = News::begun;  // nobody told of what came before
        }
    }
    polls_ = folder_ < 0 || is_remote(folder) || has_links(path_);
    return lost && folder_ >= 0;
}

bool FileChanges::take_events() {
    bool any = false;
    alignas(inotify_event) char buffer[4096];
    for (;;) {
        const ssize_t size = inotify_ < 0 ? 0 : ::read(inotify_, buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return any;
        }
        for (const char* at = buffer; at < buffer + size;) {
            const auto& event = *reinterpret_cast<const inotify_event*>(at);
            at += sizeof event + event.len;
            if ((event.mask & kFolderGone) != 0) {
                if (event.wd == folder_) {
                    ::inotify_rm_watch(inotify_, folder_);
                    folder_ = -1;
                    polls_ = true;
                }
            } else if ((event.mask & IN_Q_OVERFLOW) != 0) {
                news_ = News::begun;
                any = true;
            } else if (event.len > 0 && path_.filename() == event.name) {
                news_ = (event.mask & kComplete) != 0 ? News::complete : News::begun;
                any = true;
            }
        }
    }
}

// Two looks alike: nobody is in the middle of writing it.
bool FileChanges::looks_new() {
    const std::optional<Stamp> before = last_;
    last_ = stamp();
    return last_ && last_ == before && last_ != seen_;
}

std::optional<FileChanges::Stamp> FileChanges::stamp() const {
    struct stat about {};
    if (::stat(path_.c_str(), &about) != 0) {
        return std::nullopt;
    }
    return Stamp{about.st_dev, about.st_ino, about.st_size, about.st_mtim};
}

bool FileChanges::Stamp::operator==(const Stamp& other) const noexcept {
    return device == other.device && inode == other.inode && size == other.size &&
           changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

}  // namespace bitaxon::jit
