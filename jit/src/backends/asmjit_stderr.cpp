// What our copy of AsmJit writes its failed assertions to (cmake/BitaxonAsmjit.cmake).
#include <cstdio>

extern "C" {
extern std::FILE* bitaxon_asmjit_stderr;
std::FILE* bitaxon_asmjit_stderr = stderr;
}
