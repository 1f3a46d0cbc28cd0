# SPDX-License-Identifier: Apache-2.0
xf_add_fuzz_target(journal_file fuzz/journal_file.c xf_journal PkgConfig::ZLIB)
