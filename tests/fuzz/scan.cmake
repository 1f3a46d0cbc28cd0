# SPDX-License-Identifier: Apache-2.0
xf_add_fuzz_target(write_scan fuzz/write_scan.c xf_scan)
xf_add_fuzz_target(rewrite fuzz/rewrite.c xf_scan)
xf_add_fuzz_target(scroll_page fuzz/scroll_page.c xf_scan)
