# Installs a build tree, then uses it as a stranger would: compiles every public header, builds
# examples/embed with find_package and runs it on the best tier and on the portable one.
#   cmake -DBUILD_DIR=<build tree> -P tests/install/consume.cmake
cmake_minimum_required(VERSION 3.25)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH tests)
cmake_path(GET tests PARENT_PATH source)
set(work ${BUILD_DIR}/install-test)
set(prefix ${work}/prefix)
load_cache(${BUILD_DIR} READ_WITH_PREFIX build_
           CMAKE_BUILD_TYPE CMAKE_CXX_COMPILER CMAKE_GENERATOR CMAKE_PREFIX_PATH)

function(step what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message("${output}")
    message(FATAL_ERROR "${what}: failed (${result})")
  endif()
  message(STATUS "${what}: ok")
  set(step_output "${output}" PARENT_SCOPE)
endfunction()

# Configures and builds the project in `folder` against the installed package.
function(build folder name)
  step("configure ${name}" ${CMAKE_COMMAND} -S ${folder} -B ${work}/${name}
       -G ${build_CMAKE_GENERATOR} -DCMAKE_BUILD_TYPE=${build_CMAKE_BUILD_TYPE}
       -DCMAKE_CXX_COMPILER=${build_CMAKE_CXX_COMPILER}
       "-DCMAKE_PREFIX_PATH=${prefix};${build_CMAKE_PREFIX_PATH}"
       "-DCMAKE_CXX_FLAGS=-Wall -Wextra" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON)
  load_cache(${work}/${name} READ_WITH_PREFIX found_ bitaxon_DIR)
  cmake_path(IS_PREFIX prefix ${found_bitaxon_DIR} NORMALIZE is_ours)
  if(NOT is_ours)
    message(FATAL_ERROR "${name} found another bitaxon: ${found_bitaxon_DIR}")
  endif()
  step("build ${name}" ${CMAKE_COMMAND} --build ${work}/${name})
endfunction()

# Stale files of an earlier run would hide a header that is no longer installed.
file(REMOVE_RECURSE ${work})
step("install" ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})

file(GLOB_RECURSE headers RELATIVE ${prefix}/include ${prefix}/include/bitaxon/*)
foreach(header IN LISTS headers)
  set(forbidden "[a-z]*mmintrin|x86intrin|arm_neon|cpuinfo_|cpu_features|tbb/|oneapi/|asmjit")
  string(APPEND forbidden "|cuda|pybind11")
  if(NOT header STREQUAL "bitaxon/core/eigen.hpp")
    string(APPEND forbidden "|Eigen/")
  endif()
  file(STRINGS ${prefix}/include/${header} found
       REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"](${forbidden})")
  if(found)
    message(FATAL_ERROR "${header}: a public header must not say ${found}")
  endif()
endforeach()

# A package that names the machine it was built on works nowhere else.
file(GLOB_RECURSE scripts ${prefix}/*.cmake)
foreach(script IN LISTS scripts)
  file(READ ${script} text)
  foreach(path IN ITEMS ${source} ${BUILD_DIR})
    string(FIND "${text}" "${path}" place)
    if(NOT place EQUAL -1)
      message(FATAL_ERROR "${script} names ${path}")
    endif()
  endforeach()
endforeach()

build(${CMAKE_CURRENT_LIST_DIR}/headers headers)
build(${source}/examples/embed embed)

# The loop feeds every bit back into the next step, so this line is as good as a checksum.
foreach(tier IN ITEMS "" portable)
  step("run embed, BITAXON_TIER='${tier}'"
       ${CMAKE_COMMAND} -E env BITAXON_TIER=${tier} ${work}/embed/embed)
  message("${step_output}")
  string(REGEX MATCH "vehicles=[^\n]*" result "${step_output}")
  list(APPEND results "${result}")
endforeach()
list(REMOVE_DUPLICATES results)
list(LENGTH results count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "the tiers disagree: ${results}")
endif()
