# Writes the code block of a page that is marked with its file name:
#   cmake -D PAGE=docs/page.md -D BLOCK=services/zone.h -D OUT=file -P extract_example.cmake
# The block begins with the line ```cpp file=BLOCK and ends before the next line of ```.
file(READ "${PAGE}" text)
set(opening "```cpp file=${BLOCK}\n")
string(FIND "${text}" "${opening}" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "${PAGE} has no block ```cpp file=${BLOCK}")
endif()
string(LENGTH "${opening}" opening_length)
math(EXPR begin "${begin} + ${opening_length}")
string(SUBSTRING "${text}" ${begin} -1 code)
string(FIND "${code}" "\n```" end)
if(end EQUAL -1)
  message(FATAL_ERROR "${PAGE}: the block of ${BLOCK} does not end")
endif()
math(EXPR end "${end} + 1")
string(SUBSTRING "${code}" 0 ${end} code)
file(WRITE "${OUT}" "${code}")
