# bitaxon_module(name): what the libraries bitaxon_<name> have in common.
function(bitaxon_module name)
  set(target bitaxon_${name})
  add_library(bitaxon::${name} ALIAS ${target})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    UNITY_BUILD OFF)  # the tiers give the same names to different code
  bitaxon_compile_options(${target})
  if(BITAXON_INSTALL)
    install(TARGETS ${target} EXPORT bitaxon-targets)
    install(DIRECTORY include/bitaxon TYPE INCLUDE)
  endif()
endfunction()

# Warnings, sanitizers, and the flags that results and speed depend on: no product and sum are fused
# unless the code says so, NaN stays NaN whatever a parent project asks for, `omp simd` loops vectorise
# without an OpenMP runtime, and a parent without a build type gets optimised kernels.
function(bitaxon_compile_options target)
  target_compile_options(${target} PRIVATE
    -ffp-contract=off -fno-fast-math -fopenmp-simd $<$<CONFIG:>:-O3>
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    $<$<BOOL:${BITAXON_WERROR}>:-Werror>)
  if(BITAXON_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${BITAXON_SANITIZE} -fno-omit-frame-pointer
                                            -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${BITAXON_SANITIZE})
  endif()
endfunction()
