# SPDX-License-Identifier: Apache-2.0
xf_add_fuzz_target(config fuzz/config.c xf_config)
