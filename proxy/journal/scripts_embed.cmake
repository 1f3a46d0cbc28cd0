# SPDX-License-Identifier: Apache-2.0
# cmake -DFOLDER=<this folder> -DOUTPUT=scripts_text.c -P scripts_embed.cmake: for each row of scripts.def, lua/common.lua and
# the verb's own file behind it as a C array, and the digest under which Redis knows that text.
file(STRINGS ${FOLDER}/scripts.def rows REGEX "^XF_SCRIPT\\(")
set(arrays "")
set(table "")
foreach(row IN LISTS rows)
  string(REGEX REPLACE "^XF_SCRIPT\\(([A-Z_]+), ([a-z_]+)\\)$" "\\1;\\2" names ${row})
  list(GET names 0 id)
  list(GET names 1 verb)
  # `cat` joins the bytes as they are; a CMake string would not keep all of them.
  execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${FOLDER}/lua/common.lua ${FOLDER}/lua/${verb}.lua
    OUTPUT_FILE ${OUTPUT}.lua RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "lua/${verb}.lua cannot be read")
  endif()
  file(SHA1 ${OUTPUT}.lua sha)
  file(READ ${OUTPUT}.lua hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char ${verb}_text[] = {${bytes}};\n")
  string(APPEND table "    [XF_SCRIPT_${id}] = {${verb}_text, sizeof ${verb}_text, \"${sha}\"},\n")
endforeach()
file(REMOVE ${OUTPUT}.lua)
file(WRITE ${OUTPUT} "#include \"proxy/journal/scripts.h\"\n#include \"proxy/journal/scripts_text.h\"\n\n${arrays}\n"
  "const struct xf_script_body xf_script_bodies[] = {\n${table}};\n")
