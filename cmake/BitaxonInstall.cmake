# `cmake --install` and find_package(bitaxon).
include(CMakePackageConfigHelpers)

if(SKBUILD)  # a wheel holds the Python package alone
  return()
endif()

set_target_properties(bitaxon PROPERTIES EXPORT_NAME bitaxon)
install(TARGETS bitaxon EXPORT bitaxon-targets)
set(BITAXON_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/bitaxon)
install(EXPORT bitaxon-targets NAMESPACE bitaxon:: DESTINATION ${BITAXON_CONFIG_DIR})
configure_package_config_file(cmake/bitaxon-config.cmake.in bitaxon-config.cmake
                              INSTALL_DESTINATION ${BITAXON_CONFIG_DIR})
write_basic_package_version_file(bitaxon-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bitaxon-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/bitaxon-config-version.cmake
        DESTINATION ${BITAXON_CONFIG_DIR})
