// oneTBB loads its hwloc binding with RTLD_DEEPBIND, which AddressSanitizer refuses: its own malloc
// would be passed by. Here the flag is left out; the binding needs none of its own symbols first.
#include <dlfcn.h>

extern "C" void* dlopen(const char* file, int mode) {
    using Dlopen = void* (*)(const char*, int);
    static const auto next = reinterpret_cast<Dlopen>(dlsym(RTLD_NEXT, "dlopen"));
    return next(file, mode & ~RTLD_DEEPBIND);
}
