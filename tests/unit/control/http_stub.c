/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control/http_stub.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

static void on_request(struct evhttp_request *request, void *ctx)
{
    struct http_stub *stub = ctx;
    const char *key = evhttp_find_header(evhttp_request_get_input_headers(request), "api-key");
    bool is_aliases = strcmp(evhttp_request_get_uri(request), "/aliases") == 0;
    const char *body = is_aliases ? stub->aliases : stub->collection;
    stub->requests++;
    snprintf(stub->api_key, sizeof stub->api_key, "%s", key ? key : "");
    if (!is_aliases)
        snprintf(stub->uri, sizeof stub->uri, "%s", evhttp_request_get_uri(request));
    if (stub->is_silent)
        return;
    struct evbuffer *out = evbuffer_new();
    assert_non_null(out);
    evbuffer_add_printf(out, "%s", body ? body : "{\"status\":{\"error\":\"Not found\"}}");
    evhttp_send_reply(request, !body ? 404 : is_aliases && stub->status ? stub->status : 200, NULL, out);
    evbuffer_free(out);
}

void http_stub_start(struct http_stub *stub, struct event_base *base)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    stub->http = evhttp_new(base);
    assert_non_null(stub->http);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(stub->http, "127.0.0.1", stub->port);
    assert_non_null(bound);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len), 0);
    stub->port = ntohs(address.sin_port);
    evhttp_set_gencb(stub->http, on_request, stub);
}

void http_stub_stop(struct http_stub *stub)
{
    if (stub->http)
        evhttp_free(stub->http);
    stub->http = NULL;
}
