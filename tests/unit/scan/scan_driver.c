/* Reads write bodies on standard input and prints the scan's verdict on each as one line of JSON, for the differential
 * test (diff_scan.py). Each body is scanned whole, one byte at a time and cut in two at every byte; verdicts that
 * differ end the program with an error.
 *
 * A body comes as a line "<operation number> <length> <name,name,...>" and that many bytes; "-" stands for no names.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/scan/write_scan.h"

#include <stdio.h>
#include <stdlib.h>

enum { BODY_MAX = 1 << 20, NAMES_MAX = 16, LINE_MAX_BYTES = 1 << 20 };

static void die(const char *what)
{
    fprintf(stderr, "scan_driver: %s\n", what);
    exit(1);
}

static size_t print_flags(const struct xf_write_verdict *verdict, char *out)
{
    return (size_t)sprintf(out,
                           "], \"unknown\": %d, \"filter\": %d, \"condition\": %d, \"by_id\": %d, \"inference\": %d, "
                           "\"shard_key\": %d, \"exact\": %d, \"odd\": %d}",
                           verdict->ids_unknown, verdict->has_filter, verdict->has_condition, verdict->is_by_id_update,
                           verdict->needs_inference, verdict->has_shard_key, verdict->is_exact, verdict->is_odd);
}

static void print(enum xf_err err, const struct xf_write_verdict *verdict, char *out)
{
    if (err) {
        sprintf(out, "{\"error\": \"%s\"}", xf_err_name(err));
        return;
    }
    out += sprintf(out, "{\"ids\": [");
    for (size_t i = 0; i < verdict->id_count; i++) {
        out += i ? sprintf(out, ", ") : 0;
        out += xf_point_id_print_json(verdict->ids[i], out);
    }
    print_flags(verdict, out);
}

/* In pieces of `step`, the first of them `first`. */
static void scan(int op, const struct xf_vector_names *names, struct xf_slice body, size_t first, size_t step,
                 char *out)
{
    struct xf_write_scan *scan;
    struct xf_write_verdict verdict;
    if (xf_write_scan_new((enum xf_write_op)op, names, 10000, &scan))
        die("no memory");
    enum xf_err err = xf_write_scan_feed(scan, xf_slice(body.ptr, first));
    for (size_t at = first; !err && at < body.len; at += step)
        err = xf_write_scan_feed(scan, xf_slice(body.ptr + at, body.len - at < step ? body.len - at : step));
    if (!err)
        err = xf_write_scan_finish(scan, &verdict);
    print(err, &verdict, out);
    xf_write_scan_free(scan);
}

static void judge(int op, const struct xf_vector_names *names, struct xf_slice body)
{
    static char whole[LINE_MAX_BYTES], cut[LINE_MAX_BYTES];
    scan(op, names, body, body.len, 1, whole);
    for (size_t first = 0; first <= body.len; first++) {
        scan(op, names, body, first, first == 0 ? 1 : body.len, cut);
        if (strcmp(whole, cut) != 0) {
            fprintf(stderr, "%.*s\nwhole: %s\ncut at %zu: %s\n", XF_SLICE_ARG(body), whole, first, cut);
            die("the verdict depends on the cut");
        }
    }
    puts(whole);
}

static size_t split_names(char *text, struct xf_slice *names)
{
    size_t count = 0;
    if (strcmp(text, "-") == 0)
        return 0;
    for (char *name = text; name && count < NAMES_MAX;) {
        char *comma = strchr(name, ',');
        names[count++] = xf_slice(name, comma ? (size_t)(comma - name) : strlen(name));
        name = comma ? comma + 1 : NULL;
    }
    return count;
}

int main(void)
{
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        char *end;
        struct xf_slice slices[NAMES_MAX];
        line[strcspn(line, "\n")] = 0;
        long op = strtol(line, &end, 10);
        unsigned long len = strtoul(end, &end, 10);
        if (*end != ' ' || op < 0 || op > XF_WRITE_BATCH || len > BODY_MAX)
            die("a header line that is not one");
        struct xf_vector_names names = {slices, split_names(end + 1, slices)};
        char *body = malloc(len ? len : 1);
        if (!body || fread(body, 1, len, stdin) != len)
            die("a body that is cut short");
        judge((int)op, &names, xf_slice(body, len));
        free(body);
    }
    return 0;
}
