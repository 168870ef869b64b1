// Runs a fuzz target without libFuzzer: the files it is given, or mutations of a built-in corpus
// for `seconds=N`. Every input is a function of `seed=S` and its number, which is printed on a
// crash; `input=K` runs that one alone.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::string_view kCorpus[] = {
    "x^2 + y^2 + 2*x*y",
    "sin(x)^2 + cos(y)^-2 - 1.5e-3",
    "where(x > 0 and not y < 1, exp(-x), 0x1f) if k & 3 == 1 else ~k >> 2",
    "a = f(x) + g(y, 3)  # noise\na, a^2; min(a, k, h)\n",
    "i32(x) << 3 | i16(300) % -7 // 2",
    "rand() + randn()*sqrt(dt) - c(x) + loop(y)",
    "tau : real = 20e-3 (constant, shared)\ndv/dt = (i - v)/tau (unless refractory)\nv += 1; w -= "
    "\\\n 2",
    "dn/dt = 0.32*(13 - v)/(exp((13 - v)/4) - 1)*(1 - n) - 0.5*exp((10 - v)/40)*n",
    "fbm2(4*x, 4*y, 5)*0.5 + smoothstep(0, 1, lerp(a, b, t)) + clip(x, -1, 1)",
    "((((((x))))))^-(1/2)**2.0",
    "π × τ \xef\xbb\xbf \xff\xfe\r\n\t.5e+1",
};

constexpr std::string_view kPieces[] = {
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "^",
    "**",
    "<<",
    ">>",
    "&",
    "|",
    "~",
    "<",
    "<=",
    "==",
    "!=",
    "=",
    "+=",
    " and ",
    " or ",
    " not ",
    " if ",
    " else ",
    "x",
    "k",
    "sin(",
    "where(",
    "1e308",
    "0x",
    "9223372036854775807",
    "\n",
    ";",
    "#",
    "\\\n",
    ":",
    " f64 ",
    "(shared)",
    "dv/dt = ",
    "((((((((((((((((",
    "-----------",
    "x^x^x^x^x^x^",
    "\xc3\xa9",
    "\x01",
    "1 if x else ",
};

// The input under test, for the handler of crashes.
std::uint64_t g_seed = 0;
std::uint64_t g_input = 0;

extern "C" void report_crash(int number) {
    char text[100];
    const int length = std::snprintf(text, sizeof text, "signal %d: seed=%llu input=%llu\n", number,
                                     static_cast<unsigned long long>(g_seed),
                                     static_cast<unsigned long long>(g_input));
    if (length > 0 && write(STDERR_FILENO, text, static_cast<std::size_t>(length)) < 0) {
        _exit(2);
    }
    std::signal(number, SIG_DFL);
    std::raise(number);
}

// On a stack of its own, as the crash may be an overflow of the other.
void install_handler() {
    static char stack[64 << 10];
    stack_t alternative{};
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof stack;
    sigaltstack(&alternative, nullptr);
    struct sigaction action {};
    action.sa_handler = report_crash;
    action.sa_flags = SA_ONSTACK;
    for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS}) {
        sigaction(number, &action, nullptr);
    }
}

class Mutator {
  public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    std::string input() {
        std::string text(pick(kCorpus));
        for (std::uint64_t steps = 1 + below(12); steps > 0; --steps) {
            mutate(text);
        }
        return text;
    }

  private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    template <std::size_t Count>
    std::string_view pick(const std::string_view (&list)[Count]) {
        return list[below(Count)];
    }

    void mutate(std::string& text) {
        const std::size_t at = below(text.size() + 1);
        const std::size_t length = std::min<std::size_t>(below(16), text.size() - at);
        switch (below(7)) {
        case 0:
            text.insert(at, pick(kPieces));
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            text.insert(below(text.size() + 1), text.substr(at, length));
            break;
        case 3:
            if (at < text.size()) {
                text[at] = static_cast<char>(below(256));
            }
            break;
        case 4:
            text.replace(at, length, pick(kPieces));
            break;
        case 5: {
            const std::string_view other = pick(kCorpus);
            text = text.substr(0, at) + std::string(other.substr(below(other.size())));
            break;
        }
        default:
            repeat(text, at, length);
        }
    }

    void repeat(std::string& text, std::size_t at, std::size_t length) {
        const std::string piece = text.substr(at, length);
        std::string all;
        for (std::uint64_t count = below(below(8) == 0 ? 5000 : 8); count > 0; --count) {
            all += piece;
        }
        if (text.size() + all.size() < 100'000) {
            text.insert(at, all);
        }
    }

    std::mt19937_64 random_;
};

void run(const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

void run_input(std::uint64_t number) {
    g_input = number;
    run(Mutator(g_seed * 0x9e3779b97f4a7c15 + number).input());
}

void run_for(double seconds) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                     std::chrono::duration<double>(seconds));
    std::uint64_t number = 0;
    while (Clock::now() < end) {
        run_input(number++);
    }
    std::printf("%llu inputs of seed %llu\n", static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(g_seed));
}

bool run_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(
            stderr, "%s: got no readable file, expected one, seconds=N, seed=S or input=K\n", path);
        return false;
    }
    run(std::string(std::istreambuf_iterator<char>(file), {}));
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    install_handler();
    double seconds = argc == 1 ? 1 : 0;
    std::string single;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument.starts_with("seconds=")) {
            seconds = std::strtod(argument.c_str() + 8, nullptr);
        } else if (argument.starts_with("seed=")) {
            g_seed = std::strtoull(argument.c_str() + 5, nullptr, 0);
        } else if (argument.starts_with("input=")) {
            single = argument.substr(6);
        } else if (!run_file(argv[i])) {
            return 2;
        }
    }
    if (!single.empty()) {
        run_input(std::strtoull(single.c_str(), nullptr, 0));
    } else if (seconds > 0) {
        run_for(seconds);
    }
    return 0;
}
