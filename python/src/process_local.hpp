// Locks that a fork must not copy.
#pragma once

#include <memory>

#include <unistd.h>

namespace bitaxon::python {

/// A T of which a forked child gets a new one: the thread that holds the old one's mutex may not
/// exist there. To destroy a locked mutex is undefined, so the old one stays. Used with the GIL
/// held.
template <class T>
class ProcessLocal {
  public:
    const std::shared_ptr<T>& get() {
        if (const pid_t process = getpid(); process != process_) {
            process_ = process;
            static_cast<void>(new std::shared_ptr<T>(std::move(value_)));
            value_ = std::make_shared<T>();
        }
        return value_;
    }

  private:
    pid_t process_ = getpid();
    std::shared_ptr<T> value_ = std::make_shared<T>();
};

}  // namespace bitaxon::python
