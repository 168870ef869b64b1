# CMake toolchain: cross build for arm64 Linux, tests run under qemu.
# scripts/arm-sysroot makes the sysroot; BITAXON_ARM_SYSROOT (cache or environment) moves it.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

if(NOT BITAXON_ARM_SYSROOT)
    set(BITAXON_ARM_SYSROOT "$ENV{BITAXON_ARM_SYSROOT}")
endif()
if(NOT BITAXON_ARM_SYSROOT)
    set(BITAXON_ARM_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/arm-sysroot")
endif()
get_filename_component(BITAXON_ARM_SYSROOT "${BITAXON_ARM_SYSROOT}" ABSOLUTE)
set(BITAXON_ARM_SYSROOT "${BITAXON_ARM_SYSROOT}" CACHE PATH "arm64 sysroot" FORCE)
if(NOT EXISTS "${BITAXON_ARM_SYSROOT}/lib/ld-linux-aarch64.so.1")
    message(FATAL_ERROR "No arm64 sysroot in ${BITAXON_ARM_SYSROOT}: run scripts/arm-sysroot first")
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BITAXON_ARM_SYSROOT)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT "${BITAXON_ARM_SYSROOT}")
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;${BITAXON_ARM_SYSROOT}")

# Programs come from the host, all else from the sysroot.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR}
    "${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
