// Keeps the first thing that AsmJit complains of, for the generator's error message.
#pragma once

#include <asmjit/core.h>

#include <string>

namespace bitaxon::jit {

class FirstError : public asmjit::ErrorHandler {
  public:
    void handleError(asmjit::Error, const char* message, asmjit::BaseEmitter*) override {
        if (message_.empty()) {
            message_ = message;
        }
    }
    const std::string& message() const { return message_; }

  private:
    std::string message_;
};

}  // namespace bitaxon::jit
