// When a file has changed: told by the kernel, or found by looking.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <optional>

namespace bitaxon::jit {

/// Changes of one file's content, under its name: written in place, renamed over, deleted and made
/// again. Its folder is watched, since a watch of the file itself would follow a file that is
/// replaced.
class FileChanges {
  public:
    explicit FileChanges(const std::filesystem::path& path);
    ~FileChanges();
    FileChanges(const FileChanges&) = delete;
    FileChanges& operator=(const FileChanges&) = delete;

    /// Until the file may hold something new and its writer is done with it: false if the file
    /// descriptor `stop` became readable first.
    bool wait(int stop);

    /// Whether the file has changed since wait() returned, so that what was read may be half of it.
    bool has_changed_again();

    /// For content that looks half written: whether wait() shall return once more, when the file
    /// has been left alone for a while. False if it already has.
    bool waits_for_more();

    /// Whether nobody tells, so that it looks every 25 ms.
    bool polls() const noexcept { return polls_.load(std::memory_order_relaxed); }

  private:
    // What the kernel has told and wait() has not.
    enum class News { none, begun, complete };

    struct Stamp {
        dev_t device;
        ino_t inode;
        off_t size;
        timespec changed;

        bool operator==(const Stamp& other) const noexcept;
    };

    bool follow_folder();  // @returns whether it was not followed before
    bool take_events();    // @returns whether there were any of this file
    bool looks_new();
    std::optional<Stamp> stamp() const;

    std::filesystem::path path_;
    int inotify_;
    int folder_ = -1;  // the watch's number
    News news_ = News::none;
    bool quiet_ = false;  // nothing happened for a while before wait() returned
    std::optional<Stamp> seen_, last_;
    std::atomic<bool> polls_{true};
};

}  // namespace bitaxon::jit
