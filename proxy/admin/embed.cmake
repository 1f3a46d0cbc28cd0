# SPDX-License-Identifier: Apache-2.0
# cmake -DINPUT=page.html -DOUTPUT=page_bytes.c -P embed.cmake: the file's bytes as a C array.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"proxy/admin/admin_int.h\"\n\nconst unsigned char xf_admin_page[] = {\n${bytes}};\nconst size_t xf_admin_page_bytes = sizeof xf_admin_page;\n")
