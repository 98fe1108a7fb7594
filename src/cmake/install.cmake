include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tinygrad)
set(pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
# The .pc files find the prefix from their own place, so that an installed tree can be moved.
file(RELATIVE_PATH up ${pkgconfig} ${CMAKE_INSTALL_PREFIX})

# Installs a .pc file, and the targets of the export set of that name for find_package.
function(install_for_others name)
  configure_file(src/cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(EXPORT ${name} NAMESPACE tinygrad:: FILE ${name}-targets.cmake DESTINATION ${package})
endfunction()

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} PATTERN mpi.h EXCLUDE)
install(TARGETS tinygrad_static tinygrad_shared EXPORT tinygrad
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install_for_others(tinygrad)
if(TINYGRAD_MPI)
  install(FILES include/tinygrad/mpi.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tinygrad)
  install(TARGETS tinygrad_mpi EXPORT tinygrad_mpi
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install_for_others(tinygrad_mpi)
endif()

install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(version_file ${CMAKE_CURRENT_BINARY_DIR}/tinygrad-config-version.cmake)
write_basic_package_version_file(${version_file} COMPATIBILITY SameMinorVersion)
install(FILES ${version_file} src/cmake/tinygrad-config.cmake DESTINATION ${package})
