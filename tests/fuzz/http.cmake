# SPDX-License-Identifier: Apache-2.0
xf_add_fuzz_target(http_request fuzz/http_request.c xf_http)
xf_add_fuzz_target(http_response fuzz/http_response.c xf_http)
xf_add_fuzz_target(http_chunked fuzz/http_chunked.c xf_http)
xf_add_fuzz_target(http_path fuzz/http_path.c xf_http)
