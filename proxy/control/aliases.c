/* Aliases, and what the collections declare, asked of the upstreams by libcurl on the control thread's event loop; nothing here waits.
 *
 * A round is one GET /aliases per upstream that a migration uses and one GET /collections/{name} per side of a migration,
 * all at once. What fails keeps what it last said and is asked again soon. When the round is through and something differs,
 * a new snapshot goes out. A collection that is not there (404) declares nothing, which is no failure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"
#include "proxy/control/control_int.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 16 << 20, RETRY_MS = 1000, CONNECT_MS = 1500, TOTAL_MS = 5000 };

struct ask {
    struct xf_control *control;
    struct xf_name_list *aliases; /* where the answer goes: either here */
    struct xf_facts *facts;       /* or here, with `collection` */
    const struct xf_upstream_conf *upstream;
    const char *collection; /* NULL: aliases */
    bool has_failed;        /* the last time; it is in the log */
    CURL *easy;             /* under way */
    struct curl_slist *head;
    struct xf_buf body;
};

struct watched { /* one socket of libcurl's */
    struct xf_control *control;
    struct event *event;
};

struct xf_aliases {
    CURLM *multi;
    struct event *curl_timer, *round_timer;
    struct xf_name_list *by_upstream; /* config->upstream_count */
    struct ask *asks;
    size_t ask_count, under_way;
    bool is_settled, is_changed, has_failure, is_wanted_again;
};

static void start_round(struct xf_control *control);

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct ask *ask = ctx;
    return xf_buf_append(&ask->body, bytes, size * count) ? 0 : size * count;
}

static void set_timer(struct event *timer, uint64_t ms)
{
    struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    XF_ASSERT(evtimer_add(timer, &delay) == 0);
}

static void release(struct ask *ask)
{
    curl_easy_cleanup(ask->easy);
    curl_slist_free_all(ask->head);
    ask->easy = NULL;
    ask->head = NULL;
    xf_buf_release(&ask->body);
}

static void failed(struct ask *ask, const char *why)
{
    struct xf_control *control = ask->control;
    control->counts.alias_refresh_errors++;
    control->aliases->has_failure = true;
    if (!ask->has_failed)
        xf_log(XF_LOG_WARN, "aliases", "upstream=%s %s%s: %s, what was last known stays", ask->upstream->name,
               ask->collection ? "collection=" : "aliases", ask->collection ? ask->collection : "", why);
    ask->has_failed = true;
}

static void take_aliases(struct ask *ask, struct xf_name_list *list)
{
    if (xf_name_list_eq(ask->aliases, list)) {
        xf_name_list_fini(list);
        return;
    }
    xf_name_list_fini(ask->aliases);
    *ask->aliases = *list;
    ask->control->aliases->is_changed = true;
}

static void take_facts(struct ask *ask, struct xf_facts *facts)
{
    if (xf_facts_eq(ask->facts, facts)) {
        xf_facts_fini(facts);
        return;
    }
    xf_facts_fini(ask->facts);
    *ask->facts = *facts;
    ask->control->aliases->is_changed = true;
}

static enum xf_err read_answer(struct ask *ask, bool is_there)
{
    struct xf_name_list list = {NULL, 0};
    struct xf_facts facts = {0};
    struct xf_slice body = xf_buf_view(&ask->body);
    enum xf_err err = !ask->collection ? xf_names_of_aliases(body, &list) : is_there ? xf_facts_of(body, &facts) : XF_OK;
    if (err)
        return err;
    ask->has_failed = false;
    if (ask->collection)
        take_facts(ask, &facts);
    else
        take_aliases(ask, &list);
    return XF_OK;
}

static void answered(struct ask *ask, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(ask->easy, CURLINFO_RESPONSE_CODE, &status);
    char why[80];
    snprintf(why, sizeof why, "status %ld", status);
    if (code != CURLE_OK)
        failed(ask, curl_easy_strerror(code));
    else if (status != 200 && !(status == 404 && ask->collection))
        failed(ask, why);
    else if (read_answer(ask, status == 200))
        failed(ask, "the answer is not what Qdrant gives");
}

static void end_round(struct xf_control *control)
{
    struct xf_aliases *a = control->aliases;
    uint64_t refresh_ms = control->config->alias_refresh_ms;
    a->is_settled = true;
    if (a->is_changed)
        xf_control_publish(control);
    a->is_changed = false;
    if (a->is_wanted_again)
        set_timer(a->round_timer, 0);
    else if (a->has_failure && (refresh_ms == 0 || refresh_ms > RETRY_MS))
        set_timer(a->round_timer, RETRY_MS);
    else if (refresh_ms)
        set_timer(a->round_timer, refresh_ms);
}

static void collect(struct xf_control *control)
{
    struct xf_aliases *a = control->aliases;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(a->multi, &left))) {
        struct ask *ask = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&ask);
        curl_multi_remove_handle(a->multi, ask->easy);
        answered(ask, code);
        release(ask);
        if (--a->under_way == 0)
            end_round(control);
    }
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct xf_control *control = ((struct watched *)ctx)->control; /* libcurl may let the watch go in this call */
    int running;
    int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(control->aliases->multi, fd, flags, &running);
    collect(control);
}

static void on_curl_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct xf_control *control = ctx;
    int running;
    curl_multi_socket_action(control->aliases->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(control);
}

static int on_timer_wanted(CURLM *multi, long ms, void *ctx)
{
    (void)multi;
    struct xf_control *control = ctx;
    if (ms < 0)
        evtimer_del(control->aliases->curl_timer);
    else
        set_timer(control->aliases->curl_timer, (uint64_t)ms);
    return 0;
}

static void unwatch(CURLM *multi, curl_socket_t fd, struct watched *watched)
{
    curl_multi_assign(multi, fd, NULL);
    if (watched->event)
        event_free(watched->event);
    free(watched);
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    struct xf_control *control = ctx;
    CURLM *multi = control->aliases->multi;
    struct watched *watched = socket_ctx;
    if (watched)
        unwatch(multi, fd, watched);
    if (what == CURL_POLL_REMOVE)
        return 0;
    watched = calloc(1, sizeof *watched);
    if (!watched)
        return -1;
    short events = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    watched->control = control;
    watched->event = event_new(control->base, fd, events, on_socket, watched);
    if (!watched->event || event_add(watched->event, NULL) || curl_multi_assign(multi, fd, watched) != CURLM_OK) {
        if (watched->event)
            event_free(watched->event);
        free(watched);
        return -1;
    }
    return 0;
}

static bool set_url(struct ask *ask)
{
    char *name = ask->collection ? curl_easy_escape(ask->easy, ask->collection, 0) : NULL;
    char *url = NULL;
    bool is_set = false;
    if (name || !ask->collection) {
        int len = asprintf(&url, "%s/%s%s", ask->upstream->url, name ? "collections/" : "aliases", name ? name : "");
        is_set = len > 0 && curl_easy_setopt(ask->easy, CURLOPT_URL, url) == CURLE_OK;
        if (len > 0)
            free(url);
    }
    curl_free(name);
    return is_set;
}

static bool set_key(struct ask *ask)
{
    char *field = NULL;
    if (!ask->upstream->api_key)
        return true;
    if (asprintf(&field, "api-key: %s", ask->upstream->api_key) < 0)
        return false;
    ask->head = curl_slist_append(NULL, field);
    explicit_bzero(field, strlen(field));
    free(field);
    return ask->head && curl_easy_setopt(ask->easy, CURLOPT_HTTPHEADER, ask->head) == CURLE_OK;
}

static bool set_rest(struct ask *ask)
{
    CURL *easy = ask->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, ask) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, ask) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS) == CURLE_OK;
}

static void start(struct ask *ask)
{
    struct xf_aliases *a = ask->control->aliases;
    xf_buf_init(&ask->body, ANSWER_BYTES_MAX);
    ask->easy = curl_easy_init();
    if (ask->easy && set_url(ask) && set_key(ask) && set_rest(ask) &&
        curl_multi_add_handle(a->multi, ask->easy) == CURLM_OK) {
        a->under_way++;
        return;
    }
    failed(ask, "the request could not be made");
    release(ask);
}

static void start_round(struct xf_control *control)
{
    struct xf_aliases *a = control->aliases;
    if (a->under_way) {
        a->is_wanted_again = true;
        return;
    }
    a->is_wanted_again = a->has_failure = false;
    for (size_t i = 0; i < a->ask_count; i++)
        start(&a->asks[i]);
    if (a->under_way == 0)
        end_round(control);
}

static void on_round(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    start_round(ctx);
}

static void on_refresh(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    uint64_t wanted;
    if (read((int)fd, &wanted, sizeof wanted) == (ssize_t)sizeof wanted)
        start_round(ctx);
}

void xf_control_refresh_aliases(struct xf_control *control)
{
    uint64_t one = 1;
    ssize_t written = write(control->refresh_fd, &one, sizeof one);
    (void)written; /* EAGAIN: so many are waiting that one more changes nothing */
}

static struct ask *add_ask(struct xf_control *control, size_t upstream)
{
    struct xf_aliases *a = control->aliases;
    struct ask *ask = &a->asks[a->ask_count++];
    *ask = (struct ask){.control = control, .upstream = &control->config->upstreams[upstream]};
    return ask;
}

static bool is_used(const struct xf_config *config, size_t upstream)
{
    for (size_t i = 0; i < config->migration_count; i++)
        for (int side = 0; side < XF_SIDE_COUNT; side++)
            if (config->migrations[i].side[side].upstream == upstream)
                return true;
    return false;
}

static enum xf_err make_asks(struct xf_control *control)
{
    const struct xf_config *config = control->config;
    struct xf_aliases *a = control->aliases;
    a->by_upstream = calloc(config->upstream_count + 1, sizeof *a->by_upstream);
    a->asks = calloc(config->upstream_count + XF_SIDE_COUNT * config->migration_count + 1, sizeof *a->asks);
    if (!a->by_upstream || !a->asks)
        return XF_ERR_NOMEM;
    for (size_t i = 0; i < config->upstream_count; i++)
        if (is_used(config, i))
            add_ask(control, i)->aliases = &a->by_upstream[i];
    for (size_t i = 0; i < config->migration_count; i++) {
        for (int side = 0; side < XF_SIDE_COUNT; side++) {
            const struct xf_side_conf *conf = &config->migrations[i].side[side];
            struct ask *ask = add_ask(control, conf->upstream);
            ask->collection = conf->collection;
            ask->facts = &control->migrations[i].facts[side];
        }
    }
    return XF_OK;
}

static enum xf_err make_loop(struct xf_control *control)
{
    struct xf_aliases *a = control->aliases;
    a->multi = curl_multi_init();
    a->curl_timer = evtimer_new(control->base, on_curl_timer, control);
    a->round_timer = evtimer_new(control->base, on_round, control);
    control->refresh_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (control->refresh_fd < 0)
        return XF_ERR_IO;
    control->refresh_event = event_new(control->base, control->refresh_fd, EV_READ | EV_PERSIST, on_refresh, control);
    if (!a->multi || !a->curl_timer || !a->round_timer || !control->refresh_event ||
        event_add(control->refresh_event, NULL))
        return XF_ERR_NOMEM;
    bool is_set = curl_multi_setopt(a->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted) == CURLM_OK &&
                  curl_multi_setopt(a->multi, CURLMOPT_SOCKETDATA, control) == CURLM_OK &&
                  curl_multi_setopt(a->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK &&
                  curl_multi_setopt(a->multi, CURLMOPT_TIMERDATA, control) == CURLM_OK;
    return is_set ? XF_OK : XF_ERR_STATE;
}

enum xf_err xf_aliases_start(struct xf_control *control)
{
    control->aliases = calloc(1, sizeof *control->aliases);
    if (!control->aliases)
        return XF_ERR_NOMEM;
    enum xf_err err = make_asks(control);
    if (!err)
        err = make_loop(control);
    if (!err)
        set_timer(control->aliases->round_timer, 0);
    return err;
}

bool xf_aliases_are_settled(const struct xf_control *control)
{
    return control->aliases->is_settled;
}

static void stop_asks(struct xf_aliases *a)
{
    for (size_t i = 0; i < a->ask_count; i++) {
        if (!a->asks[i].easy)
            continue;
        curl_multi_remove_handle(a->multi, a->asks[i].easy);
        release(&a->asks[i]);
    }
    curl_multi_cleanup(a->multi); /* closes kept connections, which lets their watches go */
}

void xf_aliases_stop(struct xf_control *control)
{
    struct xf_aliases *a = control->aliases;
    if (control->refresh_event)
        event_free(control->refresh_event);
    if (control->refresh_fd >= 0)
        close(control->refresh_fd);
    if (!a)
        return;
    stop_asks(a);
    if (a->curl_timer)
        event_free(a->curl_timer);
    if (a->round_timer)
        event_free(a->round_timer);
    for (size_t i = 0; a->by_upstream && i < control->config->upstream_count; i++)
        xf_name_list_fini(&a->by_upstream[i]);
    free(a->by_upstream);
    free(a->asks);
    free(a);
}

static bool leads_to(const struct xf_migration_conf *conf, size_t upstream, struct xf_slice collection)
{
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        if (conf->side[side].upstream == upstream && xf_slice_eq(xf_slice_of(conf->side[side].collection), collection))
            return true;
    return false;
}

enum xf_err xf_aliases_list(const struct xf_control *control, struct xf_alias **out, size_t *count)
{
    const struct xf_config *config = control->config;
    size_t pairs = 0, found = 0;
    for (size_t u = 0; u < config->upstream_count; u++)
        pairs += control->aliases->by_upstream[u].count / 2;
    struct xf_alias *aliases = calloc(pairs * config->migration_count + 1, sizeof *aliases);
    if (!aliases)
        return XF_ERR_NOMEM;
    for (size_t u = 0; u < config->upstream_count; u++) {
        const struct xf_name_list *list = &control->aliases->by_upstream[u];
        for (size_t i = 0; i + 1 < list->count; i += 2)
            for (size_t m = 0; m < config->migration_count; m++)
                if (leads_to(&config->migrations[m], u, list->items[i + 1]))
                    aliases[found++] = (struct xf_alias){list->items[i], m};
    }
    *out = aliases;
    *count = found;
    return XF_OK;
}
