# `cmake --install`: what goes along with the programs, which their own folders install. README's
# links stay good.
install(FILES README.md ARCHITECTURE.md CONTRIBUTING.md GLOSSARY.md LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
