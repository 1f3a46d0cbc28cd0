/* load: the load generator's command line. Reads the options, prepares the requests, runs the engine (load.h) and
 * prints the result as text or as one JSON object.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"
#include "bench/gen.h"
#include "bench/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static const char usage[] =
    "usage: load [options] http://ADDRESS:PORT/PATH\n"
    "  --connections N     keep-alive connections (default 1)\n"
    "  --seconds S         counted time (default 3)\n"
    "  --warmup S          uncounted time before it (default 0.5)\n"
    "  --requests N        stop after N answers, if they come before the time is over\n"
    "  --rate R            open loop: R requests per second, latency from the intended time (default: closed loop)\n"
    "  --method M          default GET, with a body PUT\n"
    "  --body SPEC         upsert:POINTSxDIMS, zero:BYTES or file:PATH\n"
    "  --chunked           send zero:BYTES in chunks\n"
    "  --header 'N: V'     one more header field (may be repeated)\n"
    "  --pin CPU           stay on this CPU\n"
    "  --json              the result as one JSON object\n";

enum { BLOCK_BYTES = 1 << 20, UPSERT_PAYLOAD_BYTES = 64, UPSERT_CYCLE = 2, CONNECTIONS_MAX = 20000 };

struct options {
    struct xf_load_plan plan;
    char *host_port; /* as in the URL */
    char *path;
    const char *method;
    const char *body;
    char headers[4096];
    bool is_chunked, wants_json;
};

static double read_seconds(const char *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value < 1e7)) {
        errno = 0;
        xf_sock_die("%s: '%s' is not a number that fits", option, text);
    }
    return value;
}

static void add_header(struct options *options, const char *header)
{
    size_t used = strlen(options->headers);
    int len = snprintf(options->headers + used, sizeof(options->headers) - used, "%s\r\n", header);
    if (len < 0 || (size_t)len >= sizeof(options->headers) - used) {
        errno = 0;
        xf_sock_die("load: too many headers");
    }
}

static void read_url(struct options *options, char *url)
{
    errno = 0;
    if (strncmp(url, "http://", 7) != 0)
        xf_sock_die("load: '%s' does not start with http://", url);
    char *host = url + 7;
    char *slash = strchr(host, '/');
    options->path = slash ? strdup(slash) : strdup("/");
    if (slash)
        *slash = '\0';
    options->host_port = strdup(host);
    char *colon = strchr(host, ':');
    if (!options->path || !options->host_port || !colon)
        xf_sock_die("load: the URL names no port");
    *colon = '\0';
    options->plan.address.sin_family = AF_INET;
    options->plan.address.sin_port = htons((uint16_t)xf_sock_number("port", colon + 1, 65535));
    if (inet_pton(AF_INET, host, &options->plan.address.sin_addr) != 1)
        xf_sock_die("load: '%s' is not an IPv4 address", host);
}

/* Upserts: each connection has its own ids, so that no two requests in flight touch the same point, and goes round
 * among UPSERT_CYCLE bodies. */
static void make_upserts(struct options *options, unsigned points, unsigned dims)
{
    struct xf_load_plan *plan = &options->plan;
    struct xf_gen gen = {.seed = 1};
    plan->request_count = plan->connections * UPSERT_CYCLE;
    plan->requests = xf_sock_must(calloc(plan->request_count, sizeof(*plan->requests)));
    for (unsigned i = 0; i < plan->request_count; i++) {
        struct xf_gen_text text = {0};
        xf_gen_append_upsert(&gen, &text, 1 + (uint64_t)i * points, points, dims, UPSERT_PAYLOAD_BYTES);
        plan->requests[i] =
            (struct xf_load_request){.block = text.data, .block_len = text.len, .body_bytes = text.len, .tail = ""};
    }
}

/* "100x768" */
static void read_upserts(struct options *options, const char *size)
{
    char points[16];
    const char *x = strchr(size, 'x');
    errno = 0;
    if (!x || (size_t)(x - size) >= sizeof(points))
        xf_sock_die("load: '%s' is not POINTSxDIMS", size);
    snprintf(points, sizeof(points), "%.*s", (int)(x - size), size);
    make_upserts(options, (unsigned)xf_sock_number("--body upsert", points, 1000000),
                 (unsigned)xf_sock_number("--body upsert", x + 1, 65536));
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    struct xf_gen_text text = {0};
    char part[65536];
    if (!file)
        xf_sock_die("load: %s", path);
    for (size_t n; (n = fread(part, 1, sizeof(part), file)) > 0;)
        xf_gen_append(&text, part, n);
    if (ferror(file))
        xf_sock_die("load: %s", path);
    fclose(file);
    *len = text.len;
    return text.data;
}

/* One block of zeros over and over; in chunks, each block is one whole chunk of BLOCK_BYTES. */
static void make_zeros(struct options *options, struct xf_load_request *request, uint64_t bytes)
{
    char size_line[32] = "";
    size_t extra = 0;
    if (options->is_chunked) {
        extra = (size_t)snprintf(size_line, sizeof(size_line), "%x\r\n", BLOCK_BYTES);
        request->tail = "0\r\n\r\n";
    }
    free(request->block);
    char *block = xf_sock_must(calloc(1, BLOCK_BYTES + extra + 2));
    memcpy(block, size_line, extra);
    if (options->is_chunked) {
        block[extra + BLOCK_BYTES] = '\r';
        block[extra + BLOCK_BYTES + 1] = '\n';
    }
    request->block = block;
    request->block_len = BLOCK_BYTES + (options->is_chunked ? extra + 2 : 0);
    request->body_bytes = options->is_chunked ? (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * request->block_len : bytes;
}

static void make_bodies(struct options *options)
{
    const char *body = options->body;
    struct xf_load_plan *plan = &options->plan;
    if (body && strncmp(body, "upsert:", 7) == 0) {
        read_upserts(options, body + 7);
        return;
    }
    plan->request_count = 1;
    plan->requests = xf_sock_must(calloc(1, sizeof(*plan->requests)));
    plan->requests[0] = (struct xf_load_request){.block = xf_sock_must(calloc(1, 1)), .block_len = 1, .tail = ""};
    if (!body)
        return;
    if (strncmp(body, "zero:", 5) == 0) {
        make_zeros(options, plan->requests, xf_sock_number("--body zero", body + 5, 1ULL << 44));
    } else if (strncmp(body, "file:", 5) == 0) {
        size_t len;
        free(plan->requests[0].block);
        plan->requests[0].block = read_file(body + 5, &len);
        plan->requests[0].block_len = len ? len : 1;
        plan->requests[0].body_bytes = len;
    } else {
        errno = 0;
        xf_sock_die("load: --body '%s' is none of upsert:PxD, zero:BYTES, file:PATH", body);
    }
}

static void make_head(const struct options *options, struct xf_load_request *request)
{
    char framing[128] = "";
    if (options->body && options->is_chunked)
        snprintf(framing, sizeof(framing), "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
    else if (options->body)
        snprintf(framing, sizeof(framing), "Content-Type: application/json\r\nContent-Length: %" PRIu64 "\r\n",
                 request->body_bytes);
    int len = asprintf(&request->head, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n%s%s\r\n", options->method,
                       options->path, options->host_port, options->headers, framing);
    if (len < 0)
        xf_sock_die("load: out of memory");
    request->head_len = (size_t)len;
}

static void make_requests(struct options *options)
{
    if (!options->method)
        options->method = options->body ? "PUT" : "GET";
    if (options->is_chunked && (!options->body || strncmp(options->body, "zero:", 5) != 0)) {
        errno = 0;
        xf_sock_die("load: --chunked goes with --body zero:BYTES");
    }
    make_bodies(options);
    for (unsigned i = 0; i < options->plan.request_count; i++)
        make_head(options, &options->plan.requests[i]);
}

static void free_requests(struct options *options)
{
    for (unsigned i = 0; i < options->plan.request_count; i++) {
        free(options->plan.requests[i].head);
        free(options->plan.requests[i].block);
    }
    free(options->plan.requests);
    free(options->host_port);
    free(options->path);
}

static void read_option(struct options *options, int option)
{
    struct xf_load_plan *plan = &options->plan;
    switch (option) {
    case 'c':
        plan->connections = (unsigned)xf_sock_number("--connections", optarg, CONNECTIONS_MAX);
        break;
    case 's':
        plan->duration_s = read_seconds("--seconds", optarg);
        break;
    case 'w':
        plan->warmup_s = read_seconds("--warmup", optarg);
        break;
    case 'n':
        plan->requests_max = xf_sock_number("--requests", optarg, UINT64_MAX);
        break;
    case 'r':
        plan->rate = read_seconds("--rate", optarg);
        break;
    case 'm':
        options->method = optarg;
        break;
    case 'b':
        options->body = optarg;
        break;
    case 'k':
        options->is_chunked = true;
        break;
    case 'h':
        add_header(options, optarg);
        break;
    case 'p':
        xf_sock_pin((int)xf_sock_number("--pin", optarg, 4095));
        break;
    case 'j':
        options->wants_json = true;
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {{"connections", required_argument, NULL, 'c'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"warmup", required_argument, NULL, 'w'},
                                          {"requests", required_argument, NULL, 'n'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"method", required_argument, NULL, 'm'},
                                          {"body", required_argument, NULL, 'b'},
                                          {"chunked", no_argument, NULL, 'k'},
                                          {"header", required_argument, NULL, 'h'},
                                          {"pin", required_argument, NULL, 'p'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        read_option(options, option);
    if (optind + 1 != argc || options->plan.connections == 0) {
        fputs(usage, stderr);
        exit(2);
    }
    read_url(options, argv[optind]);
}

static double percentile_ms(const struct xf_load_result *result, unsigned per_100k)
{
    return (double)xf_hist_percentile_ns(&result->latency, per_100k) / 1e6;
}

static void print_text(const struct xf_load_result *r, double rate)
{
    printf("%" PRIu64 " requests, %" PRIu64 " errors (%" PRIu64 " in the warm-up, first bad status %d), %" PRIu64
           " reconnects, %" PRIu64 " unfinished, %.3f s\n",
           r->requests, r->errors, r->errors_warmup, r->first_bad_status, r->reconnects, r->unfinished, r->elapsed_s);
    printf("%.1f requests/s, %" PRIu64 " bytes in, %" PRIu64 " bytes out (warm-up included)\n", rate, r->bytes_in,
           r->bytes_out);
    printf("ms: p50 %.4f  p90 %.4f  p99 %.4f  p99.9 %.4f  max %.4f; own CPU time %.3f s\n", percentile_ms(r, 50000),
           percentile_ms(r, 90000), percentile_ms(r, 99000), percentile_ms(r, 99900), (double)r->latency.max_ns / 1e6,
           (double)xf_sock_cpu_used_ns() / 1e9);
}

static void print_json(const struct xf_load_result *r, double rate)
{
    printf("{\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"errors_warmup\":%" PRIu64 ",\"first_bad_status\":%d,"
           "\"reconnects\":%" PRIu64 ",\"unfinished\":%" PRIu64 ",\"duration_s\":%.6f,\"requests_per_s\":%.1f,",
           r->requests, r->errors, r->errors_warmup, r->first_bad_status, r->reconnects, r->unfinished, r->elapsed_s,
           rate);
    printf("\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"p50_ms\":%.4f,\"p90_ms\":%.4f,\"p99_ms\":%.4f,"
           "\"p999_ms\":%.4f,\"max_ms\":%.4f,\"cpu_s\":%.3f}\n",
           r->bytes_in, r->bytes_out, percentile_ms(r, 50000), percentile_ms(r, 90000), percentile_ms(r, 99000),
           percentile_ms(r, 99900), (double)r->latency.max_ns / 1e6, (double)xf_sock_cpu_used_ns() / 1e9);
}

int main(int argc, char **argv)
{
    static struct xf_load_result result;
    struct options options = {.plan = {.connections = 1, .duration_s = 3, .warmup_s = 0.5}};
    read_options(&options, argc, argv);
    make_requests(&options);
    prctl(PR_SET_TIMERSLACK, 1UL); /* the open loop's timer is on time */
    xf_load_run(&options.plan, &result);
    double rate = result.elapsed_s > 0 ? (double)result.requests / result.elapsed_s : 0;
    if (options.wants_json)
        print_json(&result, rate);
    else
        print_text(&result, rate);
    free_requests(&options);
    return result.requests > 0 && result.errors == 0 ? 0 : 1;
}
