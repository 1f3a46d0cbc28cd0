/* SPDX-License-Identifier: Apache-2.0
 * See sink_answer.h. One table of routes; the first row that fits answers. */
#include "bench/sink_answer.h"
#include "bench/gen.h"
#include "bench/sock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 8, COLLECTIONS_MAX = 32, POINT_KINDS = 512, LIMIT_MAX = 20000, JSON_MAX = 4096 };

struct part {
    const char *ptr;
    size_t len;
};

struct collection {
    char name[64];
    bool is_there;
    bool is_full;
    uint64_t writes, write_bytes;
};

struct xf_sink {
    struct xf_sink_setup setup;
    struct xf_gen_text ordinary;           /* whole response to an ordinary GET */
    struct xf_gen_text completed;          /* whole response to a write */
    struct xf_gen_text kinds[POINT_KINDS]; /* points without their ids; point N is of kind N % POINT_KINDS */
    struct collection collections[COLLECTIONS_MAX];
    unsigned collection_count;
    uint64_t requests;
};

struct request {
    struct part segments[SEGMENTS_MAX];
    unsigned segment_count;
    struct part body;
    uint64_t body_bytes;
    struct collection *collection; /* the second segment behind /collections, if it is there */
};

static bool part_is(struct part part, const char *text)
{
    return part.len == strlen(text) && memcmp(part.ptr, text, part.len) == 0;
}

static void split_path(const struct xf_wire_head *head, struct part *segments, unsigned *count)
{
    const char *at = head->target;
    const char *end = head->target + head->target_len;
    const char *query = memchr(at, '?', head->target_len);
    *count = 0;
    if (query)
        end = query;
    while (at < end && *count < SEGMENTS_MAX) {
        const char *start = ++at; /* past the slash */
        while (at < end && *at != '/')
            at++;
        if (at > start)
            segments[(*count)++] = (struct part){start, (size_t)(at - start)};
    }
}

/* --- whole responses --- */

static void begin_response(struct xf_gen_text *out, int status, uint64_t body_bytes)
{
    char head[192];
    const char *reason = status == 200 ? "OK" : "Not Found";
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %" PRIu64 "\r\n\r\n",
                       status, reason, body_bytes);
    xf_gen_append(out, head, (size_t)len);
}

static void give(struct xf_sink_reply *reply, struct xf_gen_text text)
{
    *reply = (struct xf_sink_reply){.data = text.data, .len = text.len, .owned = text.data};
}

static void lend(struct xf_sink_reply *reply, const struct xf_gen_text *text)
{
    *reply = (struct xf_sink_reply){.data = text->data, .len = text->len};
}

static void say_json(struct xf_sink_reply *reply, int status, const char *json, size_t len)
{
    struct xf_gen_text out = {0};
    begin_response(&out, status, len);
    xf_gen_append(&out, json, len);
    give(reply, out);
}

__attribute__((format(printf, 3, 4))) static void say(struct xf_sink_reply *reply, int status, const char *format, ...)
{
    char json[JSON_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(json, sizeof(json), format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof(json))
        xf_sock_die("sink: an answer is too long");
    say_json(reply, status, json, (size_t)len);
}

/* --- points --- */

static void append_point(const struct xf_sink *sink, struct xf_gen_text *out, uint64_t id)
{
    const struct xf_gen_text *rest = &sink->kinds[id % POINT_KINDS];
    xf_gen_append(out, "{\"id\":", 6);
    xf_gen_append_number(out, id);
    xf_gen_append(out, rest->data, rest->len);
}

static void append_id(struct xf_gen_text *out, uint64_t id)
{
    xf_gen_append(out, "{\"id\":", 6);
    xf_gen_append_number(out, id);
    xf_gen_append(out, "}", 1);
}

static bool body_has(const struct request *request, const char *text)
{
    return request->body.len && memmem(request->body.ptr, request->body.len, text, strlen(text));
}

static uint64_t read_digits(const char *at, const char *end)
{
    uint64_t number = 0;
    for (; at < end && *at >= '0' && *at <= '9' && number < UINT64_MAX / 10 - 1; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

/* The number behind `"key":` anywhere in the body; `otherwise` if there is none. Enough for the proxy's own requests.
 */
static uint64_t body_number(const struct request *request, const char *key, uint64_t otherwise)
{
    const char *end = request->body.ptr + request->body.len;
    const char *at = request->body.len ? memmem(request->body.ptr, request->body.len, key, strlen(key)) : NULL;
    if (!at)
        return otherwise;
    at += strlen(key);
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    return at < end && *at >= '0' && *at <= '9' ? read_digits(at, end) : otherwise;
}

static uint64_t count_of(const struct xf_sink *sink, const struct collection *collection)
{
    return collection && collection->is_full ? sink->setup.points : 0;
}

/* Puts the head before a body whose length is known only now. */
static void give_json(struct xf_sink_reply *reply, struct xf_gen_text *json)
{
    say_json(reply, 200, json->data, json->len);
    free(json->data);
}

/* Points come whole, or as their ids alone where the request wants neither vector nor payload. */
static void answer_scroll(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    struct xf_gen_text json = {0};
    uint64_t count = count_of(sink, request->collection);
    uint64_t limit = body_number(request, "\"limit\"", 10);
    uint64_t id = body_number(request, "\"offset\"", 1);
    static const char begin[] = "{\"result\":{\"points\":[";
    xf_gen_append(&json, begin, sizeof(begin) - 1);
    bool wants_ids = body_has(request, "\"with_vector\":false") && body_has(request, "\"with_payload\":false");
    if (limit > LIMIT_MAX)
        limit = LIMIT_MAX;
    if (id == 0)
        id = 1;
    for (uint64_t i = 0; i < limit && id <= count; i++, id++) {
        if (i)
            xf_gen_append(&json, ",", 1);
        if (wants_ids)
            append_id(&json, id);
        else
            append_point(sink, &json, id);
    }
    static const char middle[] = "],\"next_page_offset\":", end[] = "},\"status\":\"ok\",\"time\":0.0001}";
    xf_gen_append(&json, middle, sizeof(middle) - 1);
    if (id <= count)
        xf_gen_append_number(&json, id);
    else
        xf_gen_append(&json, "null", 4);
    xf_gen_append(&json, end, sizeof(end) - 1);
    give_json(reply, &json);
}

static void answer_retrieve(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    struct xf_gen_text json = {0};
    uint64_t count = count_of(sink, request->collection);
    const char *at = request->body.len ? memmem(request->body.ptr, request->body.len, "\"ids\"", 5) : NULL;
    const char *end = request->body.ptr + request->body.len;
    bool is_first = true;
    xf_gen_append(&json, "{\"result\":[", 11);
    for (at = at ? at + 5 : end; at < end && *at != ']'; at++) {
        if (*at < '0' || *at > '9')
            continue;
        uint64_t id = read_digits(at, end);
        while (at + 1 < end && at[1] >= '0' && at[1] <= '9')
            at++;
        if (id == 0 || id > count)
            continue;
        if (!is_first)
            xf_gen_append(&json, ",", 1);
        is_first = false;
        append_point(sink, &json, id);
    }
    static const char tail[] = "],\"status\":\"ok\",\"time\":0.0001}";
    xf_gen_append(&json, tail, sizeof(tail) - 1);
    give_json(reply, &json);
}

static void answer_count(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    say(reply, 200, "{\"result\":{\"count\":%" PRIu64 "},\"status\":\"ok\",\"time\":0.0001}",
        count_of(sink, request->collection));
}

/* --- collections --- */

static struct collection *find_collection(struct xf_sink *sink, struct part name)
{
    for (unsigned i = 0; i < sink->collection_count; i++) {
        if (part_is(name, sink->collections[i].name))
            return &sink->collections[i];
    }
    return NULL;
}

static struct collection *make_collection(struct xf_sink *sink, struct part name)
{
    struct collection *collection = find_collection(sink, name);
    if (!collection) {
        if (sink->collection_count == COLLECTIONS_MAX || name.len >= sizeof(collection->name))
            xf_sock_die("sink: too many collections, or too long a name");
        collection = &sink->collections[sink->collection_count++];
        memcpy(collection->name, name.ptr, name.len);
    }
    collection->is_there = true;
    return collection;
}

static void answer_not_found(struct request *request, struct xf_sink_reply *reply)
{
    say(reply, 404, "{\"status\":{\"error\":\"Not found: Collection `%.*s` doesn't exist!\"},\"time\":0.0001}",
        (int)(request->segments[1].len & 0x7fff), request->segments[1].ptr);
}

static void answer_info(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    if (!request->collection) {
        answer_not_found(request, reply);
        return;
    }
    say(reply, 200,
        "{\"result\":{\"status\":\"green\",\"optimizer_status\":\"ok\",\"indexed_vectors_count\":0,"
        "\"points_count\":%" PRIu64 ",\"segments_count\":2,\"config\":{\"params\":{\"vectors\":{\"size\":%u,"
        "\"distance\":\"Dot\"},\"shard_number\":1,\"replication_factor\":1,\"write_consistency_factor\":1,"
        "\"on_disk_payload\":true},\"hnsw_config\":{\"m\":16,\"ef_construct\":100,\"full_scan_threshold\":10000,"
        "\"max_indexing_threads\":0,\"on_disk\":false},\"optimizer_config\":{\"deleted_threshold\":0.2,"
        "\"vacuum_min_vector_number\":1000,\"default_segment_number\":0,\"max_segment_size\":null,"
        "\"memmap_threshold\":null,\"indexing_threshold\":10000,\"flush_interval_sec\":5,"
        "\"max_optimization_threads\":null},\"wal_config\":{\"wal_capacity_mb\":32,\"wal_segments_ahead\":0},"
        "\"quantization_config\":null},\"payload_schema\":{}},\"status\":\"ok\",\"time\":0.0001}",
        count_of(sink, request->collection), sink->setup.dims);
}

static void answer_exists(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    (void)sink;
    say(reply, 200, "{\"result\":{\"exists\":%s},\"status\":\"ok\",\"time\":0.0001}",
        request->collection ? "true" : "false");
}

static void answer_create(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    make_collection(sink, request->segments[1]);
    say(reply, 200, "{\"result\":true,\"status\":\"ok\",\"time\":0.0001}");
}

static void answer_delete(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    (void)sink;
    if (request->collection) {
        request->collection->is_there = false;
        request->collection->is_full = false;
    }
    say(reply, 200, "{\"result\":%s,\"status\":\"ok\",\"time\":0.0001}", request->collection ? "true" : "false");
}

static void answer_list(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    struct xf_gen_text json = {0};
    (void)request;
    bool is_first = true;
    xf_gen_append(&json, "{\"result\":{\"collections\":[", 26);
    for (unsigned i = 0; i < sink->collection_count; i++) {
        char entry[96];
        if (!sink->collections[i].is_there)
            continue;
        int len = snprintf(entry, sizeof(entry), "%s{\"name\":\"%s\"}", is_first ? "" : ",", sink->collections[i].name);
        xf_gen_append(&json, entry, (size_t)len);
        is_first = false;
    }
    static const char tail[] = "]},\"status\":\"ok\",\"time\":0.0001}";
    xf_gen_append(&json, tail, sizeof(tail) - 1);
    give_json(reply, &json);
}

static void answer_stats(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    struct xf_gen_text json = {0};
    char entry[256];
    (void)request;
    int len = snprintf(entry, sizeof(entry), "{\"requests\":%" PRIu64 ",\"collections\":{", sink->requests);
    xf_gen_append(&json, entry, (size_t)len);
    for (unsigned i = 0; i < sink->collection_count; i++) {
        const struct collection *collection = &sink->collections[i];
        len = snprintf(entry, sizeof(entry), "%s\"%s\":{\"writes\":%" PRIu64 ",\"write_bytes\":%" PRIu64 "}",
                       i ? "," : "", collection->name, collection->writes, collection->write_bytes);
        xf_gen_append(&json, entry, (size_t)len);
    }
    xf_gen_append(&json, "}}", 2);
    give_json(reply, &json);
}

/* --- the rest --- */

static void answer_root(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    (void)sink;
    (void)request;
    say(reply, 200, "{\"title\":\"qdrant - vector search engine\",\"version\":\"1.18.3\"}");
}

static void answer_aliases(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    (void)sink;
    (void)request;
    say(reply, 200, "{\"result\":{\"aliases\":[]},\"status\":\"ok\",\"time\":0.0001}");
}

static void answer_empty_list(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    (void)sink;
    (void)request;
    say(reply, 200, "{\"result\":[],\"status\":\"ok\",\"time\":0.0001}");
}

static void answer_cluster(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    say(reply, 200,
        "{\"result\":{\"peer_id\":1,\"shard_count\":1,\"local_shards\":[{\"shard_id\":0,\"points_count\":%" PRIu64
        ",\"state\":\"Active\"}],\"remote_shards\":[],\"shard_transfers\":[]},\"status\":\"ok\",\"time\":0.0001}",
        count_of(sink, request->collection));
}

static void answer_size(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    struct part size = request->segments[1];
    struct xf_gen_text out = {0};
    (void)sink;
    uint64_t bytes = read_digits(size.ptr, size.ptr + size.len);
    begin_response(&out, 200, bytes);
    give(reply, out);
    reply->filler_bytes = bytes;
}

static void answer_ordinary(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    (void)request;
    lend(reply, &sink->ordinary);
}

static void note_write(struct xf_sink *sink, struct request *request)
{
    struct collection *collection = request->collection;
    if (!collection && request->segment_count > 1 && part_is(request->segments[0], "collections"))
        collection = make_collection(sink, request->segments[1]);
    if (!collection)
        return;
    collection->writes++;
    collection->write_bytes += request->body_bytes;
}

static void answer_write(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    note_write(sink, request);
    lend(reply, &sink->completed);
}

static void answer_upsert(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    answer_write(sink, request, reply);
    if (request->collection)
        request->collection->is_full = true;
}

static void answer_batch(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply)
{
    answer_upsert(sink, request, reply);
    say(reply, 200, "{\"result\":[{\"operation_id\":1,\"status\":\"completed\"}],\"status\":\"ok\",\"time\":0.0001}");
}

/* --- routes --- */

typedef void answer_fn(struct xf_sink *sink, struct request *request, struct xf_sink_reply *reply);

static const struct route {
    const char *method; /* "" is any */
    const char *path;   /* * is one segment, ** at the end any number */
    bool reads_body;
    answer_fn *answer;
} routes[] = {
    {"GET", "collections/*/points/*", false, answer_ordinary},
    {"PUT", "collections/*/points", false, answer_upsert},
    {"GET", "size/*", false, answer_size},
    {"POST", "collections/*/points/scroll", true, answer_scroll},
    {"POST", "collections/*/points/count", false, answer_count},
    {"POST", "collections/*/points/query/**", false, answer_ordinary},
    {"POST", "collections/*/points/search/**", false, answer_ordinary},
    {"POST", "collections/*/points/batch", false, answer_batch},
    {"POST", "collections/*/points", true, answer_retrieve},
    {"GET", "", false, answer_root},
    {"GET", "sink/stats", false, answer_stats},
    {"GET", "aliases", false, answer_aliases},
    {"GET", "collections", false, answer_list},
    {"GET", "collections/*", false, answer_info},
    {"GET", "collections/*/exists", false, answer_exists},
    {"GET", "collections/*/aliases", false, answer_aliases},
    {"GET", "collections/*/cluster", false, answer_cluster},
    {"GET", "collections/*/snapshots", false, answer_empty_list},
    {"PUT", "collections/*", false, answer_create},
    {"DELETE", "collections/*", false, answer_delete},
    {"GET", "**", false, answer_ordinary},
    {"", "**", false, answer_write},
};

static bool path_fits(const char *pattern, const struct part *segments, unsigned count)
{
    unsigned i = 0;
    while (*pattern) {
        size_t len = strcspn(pattern, "/");
        if (len == 2 && pattern[0] == '*')
            return true;
        if (i == count)
            return false;
        bool is_any = len == 1 && pattern[0] == '*';
        if (!is_any && (segments[i].len != len || memcmp(segments[i].ptr, pattern, len) != 0))
            return false;
        i++;
        pattern += len + (pattern[len] == '/');
    }
    return i == count;
}

static const struct route *find_route(const struct xf_wire_head *head, const struct part *segments, unsigned count)
{
    struct part method = {head->method, head->method_len};
    const struct route *route = routes;
    while ((*route->method && !part_is(method, route->method)) || !path_fits(route->path, segments, count))
        route++; /* the last row fits everything */
    return route;
}

bool xf_sink_reads_body(const struct xf_wire_head *head)
{
    struct part segments[SEGMENTS_MAX];
    unsigned count;
    if (head->method_len != 4) /* POST: spares the GETs a second look at the table */
        return false;
    split_path(head, segments, &count);
    return find_route(head, segments, count)->reads_body;
}

void xf_sink_answer(struct xf_sink *sink, const struct xf_wire_head *head, const char *body, size_t body_len,
                    uint64_t body_bytes, struct xf_sink_reply *reply)
{
    struct request request = {.body = {body ? body : "", body_len}, .body_bytes = body_bytes};
    split_path(head, request.segments, &request.segment_count);
    if (request.segment_count > 1) {
        request.collection = find_collection(sink, request.segments[1]);
        if (request.collection && !request.collection->is_there)
            request.collection = NULL;
    }
    sink->requests++;
    find_route(head, request.segments, request.segment_count)->answer(sink, &request, reply);
}

/* --- making --- */

static void make_ordinary(struct xf_sink *sink)
{
    static const char begin[] = "{\"result\":{\"id\":1,\"payload\":{\"text\":\"";
    static const char end[] = "\"}},\"status\":\"ok\",\"time\":0.0001}";
    size_t frame = sizeof(begin) + sizeof(end) - 2;
    size_t bytes = sink->setup.answer_bytes > frame ? sink->setup.answer_bytes : frame;
    begin_response(&sink->ordinary, 200, bytes);
    xf_gen_append(&sink->ordinary, begin, sizeof(begin) - 1);
    for (size_t i = frame; i < bytes; i++)
        xf_gen_append(&sink->ordinary, "x", 1);
    xf_gen_append(&sink->ordinary, end, sizeof(end) - 1);
}

struct xf_sink *xf_sink_new(const struct xf_sink_setup *setup)
{
    struct xf_sink *sink = xf_sock_must(calloc(1, sizeof(*sink)));
    struct xf_gen gen = {.seed = 2};
    static const char completed[] =
        "{\"result\":{\"operation_id\":1,\"status\":\"completed\"},\"status\":\"ok\",\"time\":0.0001}";
    sink->setup = *setup;
    make_ordinary(sink);
    begin_response(&sink->completed, 200, sizeof(completed) - 1);
    xf_gen_append(&sink->completed, completed, sizeof(completed) - 1);
    for (unsigned i = 0; i < POINT_KINDS; i++)
        xf_gen_append_point_rest(&gen, &sink->kinds[i], setup->dims, setup->payload_bytes);
    return sink;
}

void xf_sink_free(struct xf_sink *sink)
{
    free(sink->ordinary.data);
    free(sink->completed.data);
    for (unsigned i = 0; i < POINT_KINDS; i++)
        free(sink->kinds[i].data);
    free(sink);
}

void xf_sink_add_collection(struct xf_sink *sink, const char *name)
{
    make_collection(sink, (struct part){name, strlen(name)})->is_full = true;
}
