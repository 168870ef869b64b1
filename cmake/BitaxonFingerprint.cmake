# bitaxon_fingerprint(target header name files...): generates <header> for the target's sources, with
# a constant `name` that is another text whenever one of the files is changed.
function(bitaxon_fingerprint target header name)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/fingerprint/${header})
  list(JOIN ARGN "," files)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -Doutput=${output} -Dname=${name} -Dfiles=${files}
            -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${ARGN} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/fingerprint)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  string(REPLACE "," ";" files "${files}")
  set(sums "")
  foreach(file IN LISTS files)
    file(SHA256 ${file} sum)
    string(APPEND sums ${sum})
  endforeach()
  string(SHA256 sum "${sums}")
  string(SUBSTRING ${sum} 0 16 sum)
  file(WRITE ${output} "#pragma once

namespace bitaxon::jit {

inline constexpr char ${name}[] = \"${sum}\";

}  // namespace bitaxon::jit
")
endif()
