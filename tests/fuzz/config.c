/* A configuration file of any bytes: it is either taken or refused with at least one line, and nothing leaks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_buf errors;
    struct xf_config *config;
    xf_buf_init(&errors, 1 << 20);
    enum xf_err err = xf_config_parse(xf_slice((const char *)data, size), "/nonexistent/f", &errors, &config);
    XF_ASSERT((err == XF_OK) == (config != NULL));
    XF_ASSERT((err == XF_OK) == (xf_buf_len(&errors) == 0));
    for (size_t i = 0; config && i < config->migration_count; i++)
        for (int side = 0; side < XF_SIDE_COUNT; side++)
            XF_ASSERT(config->migrations[i].side[side].upstream < config->upstream_count);
    XF_ASSERT(!config || (config->listen_count && config->default_upstream < config->upstream_count));
    xf_config_free(config);
    xf_buf_fini(&errors);
    return 0;
}
