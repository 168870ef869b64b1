# bitaxon_add_asmjit(target): puts AsmJit's objects into the static library `target`, so that it and what
# is installed of it need no other, and makes its headers known there.
#
# Debian's libasmjit.a is position-independent but for one object, which reads `stderr` as programs do and
# not as shared libraries must. Our copy of that object reads a variable of ours instead
# (jit/src/backends/asmjit_stderr.cpp).
function(bitaxon_add_asmjit target)
  find_package(asmjit REQUIRED CONFIG)
  set(archive)
  foreach(configuration IN ITEMS NONE RELEASE RELWITHDEBINFO NOCONFIG)
    if(NOT archive)
      get_target_property(archive asmjit::asmjit IMPORTED_LOCATION_${configuration})
    endif()
  endforeach()
  if(NOT archive MATCHES "[.]a$")
    target_link_libraries(${target} PRIVATE asmjit::asmjit)  # a shared one needs nothing of this
    return()
  endif()

  set(folder ${CMAKE_CURRENT_BINARY_DIR}/asmjit)
  file(REMOVE_RECURSE ${folder})
  file(MAKE_DIRECTORY ${folder})
  execute_process(COMMAND ${CMAKE_AR} x ${archive} WORKING_DIRECTORY ${folder}
                  COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB objects ${folder}/*.o)
  execute_process(COMMAND ${CMAKE_OBJCOPY} --redefine-sym stderr=bitaxon_asmjit_stderr
                          ${folder}/globals.cpp.o
                  COMMAND_ERROR_IS_FATAL ANY)
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(${target} PRIVATE ${objects})
  target_include_directories(${target} SYSTEM PRIVATE
    $<TARGET_PROPERTY:asmjit::asmjit,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(${target} PRIVATE
    $<TARGET_PROPERTY:asmjit::asmjit,INTERFACE_COMPILE_DEFINITIONS>)
endfunction()
