# `cmake --install` also installs the documents, so that README's links stay good. The folders of
# the programs install the programs.
install(FILES README.md ARCHITECTURE.md CONTRIBUTING.md GLOSSARY.md LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
