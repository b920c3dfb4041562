# How every target of cpss is compiled, and the two ways to declare one.

add_library(cpss_compile_options INTERFACE)
target_compile_features(cpss_compile_options INTERFACE cxx_std_20)
target_include_directories(cpss_compile_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(cpss_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wcast-align -Wformat=2 -Wimplicit-fallthrough
  $<$<BOOL:${CPSS_WERROR}>:-Werror>)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# With a sanitizer -O2 takes more than twice as long to compile, and finds no more. Its reports need
# line numbers only (-g1).
if(CPSS_SANITIZE)
  add_compile_options(-O1 -g1 -fsanitize=${CPSS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CPSS_SANITIZE})
endif()

# Linked into every executable.
if(CPSS_SANITIZE MATCHES "thread")
  add_library(cpss_suppressions OBJECT ${PROJECT_SOURCE_DIR}/queue/thread_sanitizer.cpp)
  set(CPSS_SUPPRESSIONS cpss_suppressions)
endif()

# cpss_library(name SOURCES a.cpp ... [LINK target ...]): the static library of one folder.
# Without sources it is header-only.
function(cpss_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC cpss_compile_options ${ARG_LINK})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE cpss_compile_options ${ARG_LINK})
  endif()
endfunction()

# cpss_program(name SOURCES a.cpp ... [LINK target ...]): an executable.
function(cpss_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE cpss_compile_options ${ARG_LINK} ${CPSS_SUPPRESSIONS})
endfunction()
