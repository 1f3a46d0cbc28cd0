# SPDX-License-Identifier: Apache-2.0
xf_add_fuzz_target(json_scan fuzz/json_scan.c xf_json)
xf_add_fuzz_target(point_id fuzz/point_id.c xf_json)
xf_add_fuzz_target(decode fuzz/decode.c xf_codec)
