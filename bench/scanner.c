/* scanner: how fast the proxy's write scanner reads upserts, in GB/s, beside memchr over the same bytes (the speed at
 * which this machine can look at memory at all). Rounds of both take turns; median, lowest and highest are printed. The
 * bodies are fed in pieces of 64 KiB, as the network delivers them, and together (13 MB) are larger than a core's own
 * cache, though perhaps not than the one it shares.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/gen.h"
#include "bench/sock.h"
#include "proxy/scan/write_scan.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODIES = 8, PIECE_BYTES = 64 * 1024, ROUNDS_MAX = 101, IDS_MAX = 100000 };

struct rates {
    double gb_per_s[ROUNDS_MAX];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check(enum xf_err err, const char *what)
{
    errno = 0;
    if (err != XF_OK)
        xf_sock_die("scanner: %s failed (%d)", what, (int)err);
}

/* Scans one body and makes sure that it was understood: a scanner that gives up early is fast. */
static void scan(const struct xf_gen_text *body, unsigned points)
{
    static const struct xf_slice unnamed = {.ptr = "", .len = 0};
    struct xf_vector_names vectors = {.names = &unnamed, .count = 1};
    struct xf_write_verdict verdict;
    struct xf_write_scan *write_scan;
    check(xf_write_scan_new(XF_WRITE_UPSERT, &vectors, IDS_MAX, &write_scan), "new");
    for (size_t at = 0; at < body->len; at += PIECE_BYTES) {
        size_t len = body->len - at < PIECE_BYTES ? body->len - at : PIECE_BYTES;
        check(xf_write_scan_feed(write_scan, xf_slice(body->data + at, len)), "feed");
    }
    check(xf_write_scan_finish(write_scan, &verdict), "finish");
    errno = 0;
    if (verdict.id_count != points || verdict.ids_unknown || verdict.has_filter || !verdict.is_exact)
        xf_sock_die("scanner: the body was not understood: %zu ids of %u", verdict.id_count, points);
    xf_write_scan_free(write_scan);
}

static double scan_all(const struct xf_gen_text *bodies, unsigned points)
{
    uint64_t start_ns = xf_sock_now_ns();
    size_t bytes = 0;
    for (unsigned i = 0; i < BODIES; i++) {
        scan(&bodies[i], points);
        bytes += bodies[i].len;
    }
    return (double)bytes / (double)(xf_sock_now_ns() - start_ns);
}

/* Looks for a byte that is not there. */
static double memchr_all(const struct xf_gen_text *bodies)
{
    uint64_t start_ns = xf_sock_now_ns();
    size_t bytes = 0;
    for (unsigned i = 0; i < BODIES; i++) {
        if (memchr(bodies[i].data, '\x01', bodies[i].len))
            xf_sock_die("scanner: a control byte in a generated body");
        bytes += bodies[i].len;
    }
    return (double)bytes / (double)(xf_sock_now_ns() - start_ns);
}

static void print_rates(const char *name, struct rates *rates, unsigned rounds, const char *end)
{
    qsort(rates->gb_per_s, rounds, sizeof(double), by_value);
    printf("\"%s\":{\"median_gb_per_s\":%.3f,\"min_gb_per_s\":%.3f,\"max_gb_per_s\":%.3f}%s", name,
           rates->gb_per_s[rounds / 2], rates->gb_per_s[0], rates->gb_per_s[rounds - 1], end);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"points", required_argument, NULL, 'n'},
                                          {"dims", required_argument, NULL, 'd'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"pin", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    static struct rates scanned, looked;
    unsigned points = 100, dims = 1536, rounds = 21;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'n':
            points = (unsigned)xf_sock_number("--points", optarg, IDS_MAX);
            break;
        case 'd':
            dims = (unsigned)xf_sock_number("--dims", optarg, 65536);
            break;
        case 'r':
            rounds = (unsigned)xf_sock_number("--rounds", optarg, ROUNDS_MAX);
            break;
        case 'p':
            xf_sock_pin((int)xf_sock_number("--pin", optarg, 4095));
            break;
        default:
            fputs("usage: scanner [--points N] [--dims N] [--rounds N] [--pin CPU]\n", stderr);
            return 2;
        }
    }
    if (rounds == 0)
        rounds = 1;
    struct xf_gen gen = {.seed = 3};
    struct xf_gen_text bodies[BODIES] = {{0}};
    for (unsigned i = 0; i < BODIES; i++)
        xf_gen_append_upsert(&gen, &bodies[i], 1 + (uint64_t)i * points, points, dims, 200);
    for (unsigned i = 0; i < rounds; i++) {
        scanned.gb_per_s[i] = scan_all(bodies, points);
        looked.gb_per_s[i] = memchr_all(bodies);
    }
    printf("{\"body_bytes\":%zu,\"points\":%u,\"dims\":%u,\"rounds\":%u,", bodies[0].len, points, dims, rounds);
    print_rates("scanner", &scanned, rounds, ",");
    print_rates("memchr", &looked, rounds, "}\n");
    for (unsigned i = 0; i < BODIES; i++)
        free(bodies[i].data);
    return 0;
}
