/* An upstream that answers from a table, on the loop under test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_UNIT_CONTROL_HTTP_STUB_H
#define XF_TESTS_UNIT_CONTROL_HTTP_STUB_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct evhttp;

struct http_stub {
    struct evhttp *http;
    uint16_t port;
    int status;             /* of /aliases; 0: 200 */
    const char *aliases;    /* body of /aliases */
    const char *collection; /* body of /collections/...; NULL: 404 */
    bool is_silent;         /* takes requests and does not answer */
    unsigned requests;
    char api_key[64]; /* what came last */
    char uri[128];
};

void http_stub_start(struct http_stub *stub, struct event_base *base);
void http_stub_stop(struct http_stub *stub);

#endif
