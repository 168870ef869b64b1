#!/usr/bin/env python3
"""Checks the rules of the house that no compiler knows.

    layering.py [ROOT]        prints each breach as path:line: message; status 1 if there is any
    layering.py --self-test   proves that each rule finds its breach

A module includes only itself and what stands above it in MODULES, and private headers stay in
their module; tests may look into everything. Every tier of tiers.def has a source file and a place
in the README. Nothing is built for the machine that builds it. The library never prints, aborts or
exits.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

MODULES = ["kernels", "core", "jit", "gpu", "layers", "python", "bench"]
LIBRARY = ["kernels", "core", "jit", "gpu", "layers"]
FOLDERS = [*MODULES, "tests", "examples", "cmake", "scripts", ".ci"]
CODE = {".cpp", ".hpp", ".inl", ".def", ".cu", ".cuh"}
BUILD = {".cmake", ".txt", ".json", ".toml", ".py", ".sh", ".in", ""}  # "": Makefile, scripts

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\b[ \t]*'
                     r'(?:<(?P<angled>[^>]*)>|"(?P<quoted>[^"]*)"|(?P<other>.*))', re.MULTILINE)
# The kernels stand on nothing: C++'s own headers, intrinsics and CPU detection.
KERNELS_MAY_INCLUDE = re.compile(r"[a-z_]+|(?:immintrin|arm_neon|cpuinfo_\w+|cpu_features_\w+)\.h")
NATIVE = re.compile(r"-m(?:arch|cpu|tune)=native")
SPEAKS_OR_ENDS = re.compile(r"std::(?:cout|cerr|clog)\b|\bfmt::print\b"
                            r"|(?<![\w.>:])(?:std::|::)?(?:v?f?printf|puts|fputs|putchar|perror"
                            r"|assert|abort|_?exit|_Exit|quick_exit|terminate)\s*\(")
TIER = re.compile(r'^BITAXON_TIER\((\w+), "([\w-]+)"', re.MULTILINE)

COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^\s()\\]*)\(.*?\)(?P=d)"'
                               r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)


def without_comments(text, strings=True):
    """C++ text with its comments blanked out, and its strings too unless they are wanted."""
    def blank(match):
        if strings and not match[0].startswith("/"):
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])
    return COMMENT_OR_STRING.sub(blank, text)


class House:
    """The source tree under `root`, and the breaches found in it."""

    def __init__(self, root):
        self.root = root.resolve()
        self.breaches = []

    def check(self):
        for path in sorted(self.files()):
            module = path.relative_to(self.root).parts[0]
            text = path.read_text(encoding="utf-8", errors="replace")
            if path.suffix in CODE:
                if module != "tests":
                    self.check_includes(path, module, without_comments(text))
                if module in LIBRARY:
                    self.forbid(path, without_comments(text, strings=False), SPEAKS_OR_ENDS,
                                "the library never prints, aborts or exits")
                text = without_comments(text)
            else:
                text = re.sub(r"#.*", "", text)
            self.forbid(path, text, NATIVE, "built for one machine only")
        self.check_tiers()
        return self.breaches

    def files(self):
        yield from (path for path in self.root.iterdir() if path.is_file() and path.suffix in BUILD)
        for folder in FOLDERS:
            for path in (self.root / folder).rglob("*"):
                if path.is_file() and path.suffix in CODE | BUILD:
                    yield path

    def report(self, path, line, message):
        self.breaches.append(f"{path.relative_to(self.root)}:{line}: {message}")

    def forbid(self, path, text, pattern, why):
        for match in pattern.finditer(text):
            self.report(path, text.count("\n", 0, match.start()) + 1, f"{match[0].strip()}: {why}")

    def check_includes(self, path, module, text):
        for match in INCLUDE.finditer(text):
            breach = self.breach(path, module, match)
            if breach:
                self.report(path, text.count("\n", 0, match.start()) + 1, breach)

    def breach(self, path, module, include):
        """What is wrong with one #include of a file of `module`, or nothing."""
        if include["other"] is not None:
            return f"#include {include['other']}: write the name out, so that it can be checked"
        name = include["angled"] or include["quoted"]
        public = re.match(r"bitaxon/(\w+)/", name)
        if public:
            return self.breach_of_order(module, public[1], name)
        if include["angled"]:
            if module == "kernels" and not KERNELS_MAY_INCLUDE.fullmatch(name):
                return f"<{name}>: kernels include only themselves, the standard and cpu_features"
            return None
        places = [path.parent, self.root / module, self.root / module / "src"]
        targets = [(place / name).resolve() for place in places if (place / name).is_file()]
        if not targets:
            return f'"{name}": no such file in {module}; public headers go in <>'
        if not targets[0].is_relative_to(self.root / module):
            return f'"{name}": a private header of another house'
        return None

    @staticmethod
    def breach_of_order(module, other, name):
        if other not in MODULES:
            return f"<{name}>: there is no module {other}"
        if module in MODULES and MODULES.index(other) > MODULES.index(module):
            return f"<{name}>: {module} stands above {other} and knows nothing of it"
        return None

    def check_tiers(self):
        tiers = self.root / "kernels/include/bitaxon/kernels/tiers.def"
        folder = self.root / "kernels/src/tiers"
        readme = self.root / "README.md"
        prose = readme.read_text(encoding="utf-8") if readme.is_file() else None
        rows = TIER.findall(tiers.read_text(encoding="utf-8"))
        if not rows:
            self.report(tiers, 1, "no tier at all")
        for identifier, name in rows:
            if not (folder / f"{identifier}.cpp").is_file():
                self.report(tiers, 1, f"{name} has no source file {identifier}.cpp")
            if prose is not None and not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", prose):
                self.report(readme, 1, f"the tier {name} is not mentioned")
        for source in sorted(folder.glob("*.cpp")):
            if source.stem not in (identifier for identifier, _ in rows):
                self.report(source, 1, "stands in no row of tiers.def")


# A small house in order. Its second half looks like breaches and is none.
TIERS = "kernels/include/bitaxon/kernels/tiers.def"
GOOD = {
    TIERS: 'BITAXON_TIER(portable, "portable", any, portable, "")\n',
    "kernels/include/bitaxon/kernels/tier.hpp": "#include <cstdint>\n",
    "kernels/src/install.hpp": "",
    "kernels/src/tiers/portable.cpp": '#include "../install.hpp"\n#include <immintrin.h>\n',
    "core/src/a.cpp": '#include <bitaxon/kernels/tier.hpp>\n#include "b.hpp"\n#include <tbb/t.h>\n',
    "core/src/b.hpp": "",
    "README.md": "| `portable` | everywhere |",
    "layers/src/talk.cpp": '// std::cout, exit(1)\nauto s = "abort()"; job.exit(); snprintf(a);\n',
    "layers/src/quote.cpp": "char c = '\"'; /* abort(\n); */ auto r = R\"x(exit(\")x\"; // \"\n",
    "CMakeLists.txt": "# never -march=" "native\n",
    "bench/groups/g.cpp": '#include "harness/h.hpp"\n#include <bitaxon/layers/dense.hpp>\n',
    "bench/harness/h.hpp": "",
    "tests/a_test.cpp": '#include "../core/src/b.hpp"\nvoid f() { std::printf(""); }\n',
}

# (file, its text, what the report must say): each breaks one rule.
BAD = [
    ("core/src/c.cpp", "\n#include <bitaxon/layers/dense.hpp>\n", "core/src/c.cpp:2: <bitaxon/l"),
    ("kernels/src/d.cpp", "#include <bitaxon/core/error.hpp>\n", "kernels stands above core"),
    ("kernels/src/d.cpp", "#  include <fmt/format.h>\n", "kernels include only themselves"),
    ("core/src/c.cpp", "#include <bitaxon/cure/error.hpp>\n", "there is no module cure"),
    ("core/src/c.cpp", "#include HEADER\n", "write the name out"),
    ("layers/src/e.cpp", '#include "../../core/src/b.hpp"\n', "a private header"),
    ("examples/e.cpp", '#include "../core/src/b.hpp"\n', "a private header"),
    ("layers/src/e.cpp", '#include "lost.hpp"\n', "no such file"),
    ("layers/src/e.cpp", "int f() { std::cout << 1; }\n", "std::cout: the library never prints"),
    ("layers/src/e.cpp", "int f() {\n  std::abort();\n}\n", "layers/src/e.cpp:2: std::abort(: the"),
    ("core/src/c.cpp", 'auto x = 1\'000; /* " */ exit(1);\n', "exit(: the library"),
    ("core/include/bitaxon/core/c.hpp", 'std::fprintf(stderr, "");\n', "fprintf(: the library"),
    ("cmake/flags.cmake", "add_compile_options(-march=" "native)\n", "built for one machine"),
    ("Makefile", "CXXFLAGS = -mcpu=" "native\n", "built for one machine"),
    (TIERS, GOOD[TIERS] + 'BITAXON_TIER(sse_9, "sse9", any, portable, "")\n',
     "sse9 has no source file"),
    ("kernels/src/tiers/sse_9.cpp", "", "stands in no row of tiers.def"),
    ("README.md", "nothing but the non-portable tier", "portable is not mentioned"),
]


def breaches_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return House(Path(folder)).check()


def self_test():
    failures = []
    if found := breaches_of(GOOD):
        failures.append(f"a house in order was blamed: {found}")
    for name, text, expected in BAD:
        found = breaches_of({**GOOD, name: text})
        if not any(expected in breach for breach in found):
            failures.append(f"{name}: expected '{expected}', found {found}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    problems = self_test() if arguments.self_test else House(arguments.root).check()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
