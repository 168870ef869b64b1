// Kernels in processes that may do less: no executable memory, and children of a fork.
#include <bitaxon/jit/kernel.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <vector>

#if defined(__linux__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace bitaxon::jit {
namespace {

constexpr const char* kText = "exp(-x)*sin(y) + x^3";

std::vector<double> ramp(std::size_t count) {
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = 0.01 * static_cast<double>(i) - 3;
    }
    return values;
}

bool gives_right_values(const Kernel& kernel) {
    const std::vector<double> x = ramp(1000);
    std::vector<double> out(1000);
    kernel(ExecutionContext{{.threads = 1}}, {x, x}, std::span(out));
    for (std::size_t i = 0; i < out.size(); ++i) {
        const double expected = std::exp(-x[i]) * std::sin(x[i]) + x[i] * x[i] * x[i];
        if (!(std::abs(out[i] - expected) < 1e-12 * std::max(1.0, std::abs(expected)))) {
            return false;
        }
    }
    return true;
}

// Runs the check in a child process; its exit status is which check failed.
template <class Check>
int status_in_child(Check check) {
    const pid_t child = fork();
    if (child == 0) {
        _exit(check());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#if defined(__x86_64__) && defined(__linux__)
// Refuses mmap and mprotect with PROT_EXEC from now on, as hardened systems do.
bool forbid_executable_memory() {
    const auto offset = [](int argument) {
        return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * static_cast<std::size_t>(argument));
    };
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset(2)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(Restricted, WithoutExecutableMemoryTheInterpreterRunsAndExplainSaysWhy) {
    EXPECT_EQ(status_in_child([] {
                  if (!forbid_executable_memory()) {
                      return 1;
                  }
                  void* page = mmap(nullptr, 4096, PROT_READ | PROT_EXEC,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                  if (page != MAP_FAILED) {
                      return 2;  // the filter doesn't filter
                  }
                  const Kernel kernel = compile(kText, {.wait = true});
                  if (!gives_right_values(kernel)) {
                      return 3;
                  }
                  if (kernel.stats().tier != "interpreter") {
                      return 4;
                  }
                  const std::string story = kernel.explain();
                  return story.find("runs on the interpreter") != std::string::npos &&
                                 story.find("mprotect") != std::string::npos
                             ? 0
                             : 5;
              }),
              0);
}
#endif

TEST(Restricted, AForkedChildComputesAndCompiles) {
#if BITAXON_TEST_EMULATED
    GTEST_SKIP() << "qemu asserts in forked children of processes with threads";
#endif
    const Kernel before = compile(kText, {.wait = true});
    ASSERT_TRUE(gives_right_values(before));
    EXPECT_EQ(status_in_child([&] {
                  if (!gives_right_values(before)) {
                      return 1;
                  }
                  const Kernel after = compile(kText, {.wait = true});
                  return gives_right_values(after) ? 0 : 2;
              }),
              0);
    EXPECT_TRUE(gives_right_values(before));
}

}  // namespace
}  // namespace bitaxon::jit
