/* Requests over libcurl. The one idea here: a worker thread reads as a straight line, so each wire has one easy handle
 * on one multi handle, and waits in curl_multi_poll, which another thread may wake to stop the worker at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker/wire.h"

#include "common/base/clock.h"
#include "proxy/worker/cut.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { IO_BYTES = 512 << 10, TARGET_BYTES_MAX = 4096, POLL_MS = 1000, LAST_BYTES = 4096 };

struct xf_wire {
    const struct xf_config *config;
    const atomic_bool *is_stopping;
    CURLM *multi;
    CURL *easy;
    struct curl_slist **headers; /* one list an upstream: content type, api key */
    struct xf_buf url;
    bool answer_is_full;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

static void start_curl(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool make_headers(struct xf_wire *wire, size_t upstream)
{
    struct curl_slist **list = &wire->headers[upstream];
    /* Without the empty Expect, libcurl would wait for a 100 before each large body. */
    if (!add_header(list, "Content-Type: application/json") || !add_header(list, "Expect:"))
        return false;
    const char *key = wire->config->upstreams[upstream].api_key;
    if (!key)
        return true;
    char *line = NULL;
    if (asprintf(&line, "api-key: %s", key) < 0)
        return false;
    bool added = add_header(list, line);
    explicit_bzero(line, strlen(line));
    free(line);
    return added;
}

enum xf_err xf_wire_new(const struct xf_config *config, const atomic_bool *is_stopping, struct xf_wire **out)
{
    (void)pthread_once(&curl_once, start_curl); /* can only fail for a bad argument */
    struct xf_wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return XF_ERR_NOMEM;
    wire->config = config;
    wire->is_stopping = is_stopping;
    xf_buf_init(&wire->url, TARGET_BYTES_MAX);
    wire->headers = calloc(config->upstream_count ? config->upstream_count : 1, sizeof(struct curl_slist *));
    if (!wire->headers || curl_started != CURLE_OK)
        goto failed;
    for (size_t i = 0; i < config->upstream_count; i++)
        if (!make_headers(wire, i))
            goto failed;
    wire->multi = curl_multi_init();
    wire->easy = curl_easy_init();
    if (!wire->multi || !wire->easy)
        goto failed;
    *out = wire;
    return XF_OK;
failed:
    xf_wire_free(wire);
    return XF_ERR_NOMEM;
}

void xf_wire_free(struct xf_wire *wire)
{
    if (!wire)
        return;
    for (size_t i = 0; wire->headers && i < wire->config->upstream_count; i++)
        curl_slist_free_all(wire->headers[i]);
    free(wire->headers);
    curl_easy_cleanup(wire->easy);
    curl_multi_cleanup(wire->multi);
    xf_buf_fini(&wire->url);
    free(wire);
}

void xf_wire_wake(struct xf_wire *wire)
{
    (void)curl_multi_wakeup(wire->multi); /* the poll has a time-out of its own */
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '~';
}

enum xf_err xf_target_print(const struct xf_target *target, struct xf_buf *out)
{
    if (!target->collection)
        return xf_buf_append_slice(out, xf_slice_of(target->suffix));
    enum xf_err err = xf_buf_append_slice(out, XF_SLICE("/collections/"));
    for (const char *c = target->collection; *c && !err; c++)
        err = is_unreserved(*c) ? xf_buf_append(out, c, 1) : xf_buf_printf(out, "%%%02X", (unsigned char)*c);
    return err ? err : xf_buf_append_slice(out, xf_slice_of(target->suffix));
}

static enum xf_err print_url(struct xf_wire *wire, const struct xf_target *target)
{
    const struct xf_upstream_conf *upstream = &wire->config->upstreams[target->upstream];
    xf_buf_clear(&wire->url);
    bool is_v6 = strchr(upstream->host, ':') != NULL;
    enum xf_err err = xf_buf_printf(&wire->url, "http://%s%s%s:%u", is_v6 ? "[" : "", upstream->host, is_v6 ? "]" : "",
                                    (unsigned)upstream->port);
    if (!err)
        err = xf_target_print(target, &wire->url);
    return err ? err : xf_buf_append(&wire->url, "", 1);
}

struct receiver {
    struct xf_wire *wire;
    struct xf_answer *answer;
};

struct sender {
    struct xf_slice left;
    struct xf_gate *gate;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct receiver *receiver = ctx;
    size_t n = size * count;
    if (xf_buf_append(&receiver->answer->body, bytes, n)) {
        receiver->wire->answer_is_full = true;
        return 0;
    }
    return n;
}

/* libcurl asks for more only when it has handed over all it got before, so the gate is asked when but the last bytes are
 * on their way. */
static size_t on_send(char *bytes, size_t size, size_t count, void *ctx)
{
    struct sender *sender = ctx;
    size_t room = size * count, n = sender->left.len;
    if (n > LAST_BYTES)
        n = n - LAST_BYTES;
    else if (n && !sender->gate->has_ended && !sender->gate->may_end(sender->gate->ctx))
        return CURL_READFUNC_ABORT;
    else
        sender->gate->has_ended = true;
    if (n > room)
        n = room;
    memcpy(bytes, sender->left.ptr, n);
    sender->left = xf_slice(sender->left.ptr + n, sender->left.len - n);
    return n;
}

static void set_body(CURL *easy, struct xf_slice body, struct sender *sender)
{
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    if (!sender->gate) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr); /* read in place, not copied */
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, sender);
}

static void set_options(struct xf_wire *wire, const char *method, const struct xf_target *target, struct xf_slice body,
                        struct receiver *receiver, struct sender *sender)
{
    const struct xf_config *config = wire->config;
    CURL *easy = wire->easy;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, xf_buf_view(&wire->url).ptr);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)IO_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)IO_BYTES);
    /* Qdrant closes idle connections after 5 s; whole seconds is all that libcurl knows. */
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)(config->timeouts.upstream_idle_ms / 1000));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->timeouts.connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(config->timeouts.answer_ms + config->timeouts.body_ms));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, wire->headers[target->upstream]);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, receiver);
    if (body.len)
        set_body(easy, body, sender);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    /* libcurl repeats a request whose kept connection broke before an answer, and tells nobody. */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, target->once ? 1L : 0L);
}

/* OK when the transfer is over, whatever came of it. */
static enum xf_err run_transfer(struct xf_wire *wire, CURLcode *result)
{
    for (;;) {
        int running = 0, left = 0;
        if (curl_multi_perform(wire->multi, &running) != CURLM_OK)
            return XF_ERR_NOMEM;
        CURLMsg *message = curl_multi_info_read(wire->multi, &left);
        if (message && message->msg == CURLMSG_DONE) {
            *result = message->data.result;
            return XF_OK;
        }
        if (atomic_load(wire->is_stopping))
            return XF_ERR_STATE;
        if (curl_multi_poll(wire->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
            return XF_ERR_NOMEM;
    }
}

static enum xf_err transfer(struct xf_wire *wire, CURLcode *result)
{
    if (curl_multi_add_handle(wire->multi, wire->easy) != CURLM_OK)
        return XF_ERR_NOMEM;
    enum xf_err err = run_transfer(wire, result);
    if (curl_multi_remove_handle(wire->multi, wire->easy) != CURLM_OK && !err)
        err = XF_ERR_NOMEM;
    return err;
}

static enum xf_err judge_network(const struct xf_wire *wire, CURLcode result, char *why)
{
    (void)snprintf(why, XF_WHY_MAX, "%s", curl_easy_strerror(result)); /* cut short if need be */
    if (wire->answer_is_full)
        return XF_ERR_FULL;
    switch (result) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return XF_ERR_UPSTREAM_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return XF_ERR_UPSTREAM_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return XF_ERR_NOMEM;
    case CURLE_ABORTED_BY_CALLBACK:
        return XF_ERR_STATE; /* the gate is shut */
    default:
        return XF_ERR_UPSTREAM_CLOSED;
    }
}

/* Qdrant's error text, or the start of whatever else was said. */
static void copy_error_text(struct xf_answer *answer, char *why)
{
    struct xf_slice body = xf_buf_view(&answer->body);
    struct xf_slice text = xf_cut_unquoted(xf_cut_member(xf_cut_member(body, "status"), "error"));
    if (!text.len)
        text = body;
    size_t n = text.len < XF_WHY_MAX - 64 ? text.len : XF_WHY_MAX - 64;
    (void)snprintf(why, XF_WHY_MAX, "status %d: %.*s", answer->status, (int)n, text.ptr); /* cut short if need be */
}

static enum xf_err judge_status(struct xf_wire *wire, struct xf_answer *answer, char *why)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(wire->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(wire->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    answer->status = (int)status;
    answer->retry_after_ms = retry_after_s > 0 ? (uint64_t)retry_after_s * 1000 : 0;
    if (status >= 200 && status < 300)
        return XF_OK;
    copy_error_text(answer, why);
    if (status == 404)
        return XF_ERR_NOT_FOUND;
    return status == 429 || status == 408 || status >= 500 ? XF_ERR_BUSY : XF_ERR_INVALID;
}

enum xf_err xf_wire_call(struct xf_wire *wire, const char *method, const struct xf_target *target, struct xf_slice body,
                         struct xf_answer *answer, char *why)
{
    why[0] = '\0';
    xf_buf_clear(&answer->body);
    answer->status = 0;
    answer->retry_after_ms = 0;
    wire->answer_is_full = false;
    enum xf_err err = print_url(wire, target);
    if (err)
        return err;
    struct receiver receiver = {wire, answer};
    struct sender sender = {.left = body, .gate = target->gate};
    if (sender.gate)
        sender.gate->has_ended = false;
    set_options(wire, method, target, body, &receiver, &sender);
    CURLcode result = CURLE_OK;
    err = transfer(wire, &result);
    if (err) {
        (void)snprintf(why, XF_WHY_MAX, "%s", err == XF_ERR_STATE ? "the worker is stopping" : xf_err_sentence(err));
        return err;
    }
    return result == CURLE_OK ? judge_status(wire, answer, why) : judge_network(wire, result, why);
}

enum xf_err xf_wire_sleep(struct xf_wire *wire, uint64_t ms)
{
    uint64_t now = xf_clock_now_ms(), until = now + ms;
    while (now < until && !atomic_load(wire->is_stopping)) {
        uint64_t left = until - now < POLL_MS ? until - now : POLL_MS;
        if (curl_multi_poll(wire->multi, NULL, 0, (int)left, NULL) != CURLM_OK)
            return XF_ERR_NOMEM;
        now = xf_clock_now_ms();
    }
    return atomic_load(wire->is_stopping) ? XF_ERR_STATE : XF_OK;
}
