include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS tinygrad_static tinygrad_shared EXPORT tinygrad
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The exported targets are the whole package configuration, as they depend on no other package.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tinygrad)
set(version_file ${CMAKE_CURRENT_BINARY_DIR}/tinygrad-config-version.cmake)
install(EXPORT tinygrad NAMESPACE tinygrad:: FILE tinygrad-config.cmake DESTINATION ${package})
write_basic_package_version_file(${version_file} COMPATIBILITY SameMinorVersion)
install(FILES ${version_file} DESTINATION ${package})

# The .pc file finds the prefix from its own place, so that an installed tree can be moved.
set(pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH up ${pkgconfig} ${CMAKE_INSTALL_PREFIX})
configure_file(src/cmake/tinygrad.pc.in tinygrad.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tinygrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
