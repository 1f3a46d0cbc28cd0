/* The file of ids that Redis could not take: what was added comes back, whatever happened to the file in between is
 * noticed, and what could not be written is said to be.
 *
 * SPDX-License-Identifier: Apache-2.0 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/journal/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 16, HEAD = 13, LARGE = 1 << 20, IDS_MAX = 10000 };

/* ---- a disk that can be full ---- */

static _Thread_local bool is_faulty;
static size_t bytes_left; /* that pwrite still takes while is_faulty */
static bool is_truncate_faulty;

ssize_t __real_pwrite(int fd, const void *bytes, size_t count, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t count, off_t at);
int __real_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    if (!is_faulty)
        return __real_pwrite(fd, bytes, count, at);
    if (bytes_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    size_t taken = count < bytes_left ? count : bytes_left;
    bytes_left -= taken;
    return __real_pwrite(fd, bytes, taken, at);
}

int __wrap_ftruncate(int fd, off_t bytes)
{
    if (!is_truncate_faulty)
        return __real_ftruncate(fd, bytes);
    errno = EIO;
    return -1;
}

/* ---- fixture ---- */

static char path[64], dir[48];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/crossfade-spill-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/journal.m", dir);
    is_faulty = is_truncate_faulty = false;
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static struct xf_spill *open_max(uint64_t bytes_max)
{
    struct xf_spill *spill = NULL;
    assert_int_equal(xf_spill_open(path, bytes_max, &spill), XF_OK);
    return spill;
}

static struct xf_point_id id_of(uint64_t n)
{
    return (struct xf_point_id){.lo = n, .hi = n % 2 ? n * 77 : 0, .is_uuid = n % 2};
}

static void add(struct xf_spill *spill, uint64_t from, uint64_t to)
{
    struct xf_point_id ids[IDS_MAX];
    size_t count = 0;
    for (; from < to; from++)
        ids[count++] = id_of(from);
    assert_int_equal(xf_spill_add(spill, ids, count), XF_OK);
}

static size_t take(struct xf_spill *spill, struct xf_spill_take *taking, struct xf_point_id ids[IDS_MAX], size_t step)
{
    size_t count = 0, more;
    do {
        size_t room = IDS_MAX - count < step ? IDS_MAX - count : step;
        assert_int_equal(xf_spill_take_next(spill, taking, ids + count, room, &more), XF_OK);
        count += more;
    } while (more);
    return count;
}

/* Everything in it is the ids from..to-1, in order. */
static void expect(struct xf_spill *spill, uint64_t from, uint64_t to, size_t step)
{
    struct xf_point_id ids[IDS_MAX];
    struct xf_spill_take taking;
    xf_spill_take_begin(spill, &taking);
    assert_int_equal(take(spill, &taking, ids, step), to - from);
    for (uint64_t n = from; n < to; n++)
        assert_true(xf_point_id_eq(ids[n - from], id_of(n)));
}

static size_t read_file(unsigned char *bytes, size_t room)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, bytes, room);
    if (fd >= 0)
        close(fd);
    assert_true(n >= 0);
    return (size_t)n;
}

static void write_file(const unsigned char *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

/* ---- adding and giving away ---- */

static void test_empty(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(LARGE);
    assert_true(xf_spill_is_empty(spill));
    assert_false(xf_spill_is_inherited(spill));
    assert_false(xf_spill_has_all(spill));
    expect(spill, 0, 0, 5);
    assert_int_equal(xf_spill_add(spill, NULL, 0), XF_OK);
    assert_true(xf_spill_is_empty(spill));
    xf_spill_close(spill);
    assert_int_equal(access(path, F_OK), -1);
    xf_spill_close(NULL);
}

static void test_given_back(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(LARGE);
    add(spill, 0, 3);
    add(spill, 3, 4000); /* several records */
    assert_false(xf_spill_is_empty(spill));
    assert_false(xf_spill_is_inherited(spill));
    expect(spill, 0, 4000, 1);
    expect(spill, 0, 4000, 7);
    expect(spill, 0, 4000, IDS_MAX);
    struct xf_spill_take taking;
    xf_spill_take_begin(spill, &taking);
    xf_spill_take_done(spill, &taking);
    assert_true(xf_spill_is_empty(spill));
    assert_int_equal(xf_spill_bytes(spill), HEADER);
    add(spill, 5, 6);
    expect(spill, 5, 6, 3);
    xf_spill_close(spill);
}

static void test_extreme_ids(void **state)
{
    (void)state;
    struct xf_point_id ids[] = {{.lo = 0}, {.lo = UINT64_MAX}, {.hi = UINT64_MAX, .lo = UINT64_MAX, .is_uuid = true},
                                {.hi = 0, .lo = 0, .is_uuid = true}}, got[IDS_MAX];
    struct xf_spill *spill = open_max(LARGE);
    struct xf_spill_take taking;
    assert_int_equal(xf_spill_add(spill, ids, 4), XF_OK);
    xf_spill_take_begin(spill, &taking);
    assert_int_equal(take(spill, &taking, got, 2), 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(xf_point_id_eq(ids[i], got[i]));
    xf_spill_close(spill);
}

static void test_inherited(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(LARGE);
    add(spill, 0, 9);
    xf_spill_close(spill);
    spill = open_max(LARGE);
    assert_true(xf_spill_is_inherited(spill));
    assert_false(xf_spill_has_all(spill));
    add(spill, 9, 12);
    expect(spill, 0, 12, 2);
    struct xf_spill_take taking;
    xf_spill_take_begin(spill, &taking);
    xf_spill_take_done(spill, &taking);
    assert_false(xf_spill_is_inherited(spill));
    add(spill, 1, 2);
    assert_false(xf_spill_is_inherited(spill));
    xf_spill_close(spill);
}

static void test_all(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(LARGE);
    add(spill, 0, 2);
    assert_int_equal(xf_spill_add_all(spill), XF_OK);
    assert_int_equal(xf_spill_add_all(spill), XF_OK);
    add(spill, 2, 3); /* "all" has it */
    assert_true(xf_spill_has_all(spill));
    expect(spill, 0, 2, 5);
    xf_spill_close(spill);
    spill = open_max(LARGE);
    assert_true(xf_spill_has_all(spill));
    assert_true(xf_spill_is_inherited(spill));
    expect(spill, 0, 2, 1);
    struct xf_spill_take taking;
    xf_spill_take_begin(spill, &taking);
    xf_spill_take_done(spill, &taking);
    assert_false(xf_spill_has_all(spill));
    assert_true(xf_spill_is_empty(spill));
    xf_spill_close(spill);
}

static void test_taken_while_added_to(void **state)
{
    (void)state;
    struct xf_point_id ids[IDS_MAX];
    struct xf_spill *spill = open_max(LARGE);
    struct xf_spill_take taking;
    size_t count;
    add(spill, 0, 4);
    xf_spill_take_begin(spill, &taking);
    assert_int_equal(xf_spill_take_next(spill, &taking, ids, 3, &count), XF_OK);
    assert_int_equal(count, 3);
    add(spill, 4, 5);
    assert_int_equal(take(spill, &taking, ids, 3), 1); /* what was there when it began */
    xf_spill_take_done(spill, &taking);
    expect(spill, 0, 5, 3); /* to be given again */

    xf_spill_take_begin(spill, &taking);
    assert_int_equal(xf_spill_add_all(spill), XF_OK);
    xf_spill_take_done(spill, &taking);
    assert_true(xf_spill_has_all(spill));

    xf_spill_take_begin(spill, &taking); /* an `all` is there already, and yet another one counts anew; so do ids */
    assert_int_equal(xf_spill_add_all(spill), XF_OK);
    xf_spill_take_done(spill, &taking);
    assert_true(xf_spill_has_all(spill));
    xf_spill_take_begin(spill, &taking);
    add(spill, 9, 10);
    xf_spill_take_done(spill, &taking);
    assert_true(xf_spill_has_all(spill));
    xf_spill_close(spill);
}

static void test_replaced_while_taken(void **state)
{
    (void)state;
    struct xf_point_id ids[IDS_MAX];
    struct xf_spill *spill = open_max(200);
    struct xf_spill_take taking;
    size_t count;
    add(spill, 0, 4);
    add(spill, 4, 8);
    xf_spill_take_begin(spill, &taking);
    assert_int_equal(xf_spill_take_next(spill, &taking, ids, 2, &count), XF_OK);
    add(spill, 8, 30);
    assert_true(xf_spill_has_all(spill));
    assert_int_equal(take(spill, &taking, ids, 2), 0);
    xf_spill_take_done(spill, &taking);
    assert_true(xf_spill_has_all(spill));
    xf_spill_close(spill);
}

/* ---- what happens to files ---- */

/* A file that ends early has lost what was not finished, and goes on from there. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    static const size_t ends[] = {HEADER, HEADER + HEAD + 26, HEADER + 2 * HEAD + 26 + 17};
    unsigned char whole[256];
    struct xf_spill *spill = open_max(LARGE);
    add(spill, 0, 2);
    add(spill, 3, 4);
    xf_spill_close(spill);
    size_t size = read_file(whole, sizeof whole);
    assert_int_equal(size, ends[2]);
    for (size_t cut = 0; cut <= size; cut++) {
        write_file(whole, cut);
        spill = open_max(LARGE);
        uint64_t count = cut < ends[1] ? 0 : cut < ends[2] ? 2 : 3;
        assert_false(xf_spill_has_all(spill));
        assert_int_equal(xf_spill_is_inherited(spill), count > 0);
        assert_int_equal(xf_spill_bytes(spill), count == 0 ? ends[0] : count == 2 ? ends[1] : ends[2]);
        if (count < 3) {
            expect(spill, 0, count, 2);
            add(spill, count, 10);
            xf_spill_close(spill);
            spill = open_max(LARGE);
            expect(spill, 0, 10, 3);
        }
        xf_spill_close(spill);
    }
}

/* A flipped byte is "all": also in the last record, and in the lengths. Never other ids. */
static void test_flipped_anywhere(void **state)
{
    (void)state;
    unsigned char whole[256], flipped[256];
    struct xf_spill *spill = open_max(LARGE);
    add(spill, 0, 2);
    add(spill, 2, 5);
    xf_spill_close(spill);
    size_t size = read_file(whole, sizeof whole);
    for (size_t at = 0; at < size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(flipped, whole, size);
            flipped[at] = (unsigned char)(flipped[at] ^ 1u << bit);
            write_file(flipped, size);
            spill = open_max(LARGE);
            assert_true(xf_spill_has_all(spill));
            assert_true(xf_spill_is_inherited(spill));
            expect(spill, 0, 0, 4);
            xf_spill_close(spill);
        }
        spill = open_max(LARGE); /* it has said so for good */
        assert_true(xf_spill_has_all(spill));
        xf_spill_close(spill);
    }
}

static void test_other_files(void **state)
{
    (void)state;
    static const unsigned char zeros[64];
    struct xf_spill *spill;
    for (size_t size = 1; size <= sizeof zeros; size++) {
        write_file(zeros, size);
        spill = open_max(LARGE);
        assert_true(xf_spill_has_all(spill));
        xf_spill_close(spill);
    }
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(xf_spill_open(path, LARGE, &spill), XF_ERR_IO);
    rmdir(path);
    assert_int_equal(xf_spill_open("/nonexistent/journal.m", LARGE, &spill), XF_ERR_IO);
}

static void test_one_owner(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(LARGE), *second;
    assert_int_equal(xf_spill_open(path, LARGE, &second), XF_ERR_IO);
    add(spill, 0, 3);
    expect(spill, 0, 3, 3);
    xf_spill_close(spill);
}

/* The process dies between the `all` over the first record and the cut behind it. */
static void test_dies_while_replacing(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(200);
    add(spill, 0, 8);
    is_truncate_faulty = true;
    add(spill, 8, 30);
    is_truncate_faulty = false;
    xf_spill_close(spill);
    struct stat is;
    assert_int_equal(stat(path, &is), 0);
    assert_true(is.st_size > HEADER + HEAD);
    spill = open_max(200);
    assert_true(xf_spill_has_all(spill));
    assert_int_equal(xf_spill_bytes(spill), HEADER + HEAD);
    xf_spill_close(spill);
}

/* ---- limits ---- */

static void test_limit(void **state)
{
    (void)state;
    struct xf_point_id number = {.lo = 7};
    enum { RECORD = HEAD + 9 };
    for (int off = -1; off <= 1; off++) {
        struct xf_spill *spill = open_max((uint64_t)(HEADER + 3 * RECORD + HEAD + off)); /* three records and an `all` */
        for (int i = 0; i < 2; i++)
            assert_int_equal(xf_spill_add(spill, &number, 1), XF_OK);
        assert_false(xf_spill_has_all(spill));
        assert_int_equal(xf_spill_add(spill, &number, 1), XF_OK);
        assert_int_equal(xf_spill_has_all(spill), off < 0);
        assert_int_equal(xf_spill_bytes(spill), off < 0 ? HEADER + HEAD : HEADER + 3 * RECORD);
        if (off >= 0) {
            assert_int_equal(xf_spill_add_all(spill), XF_OK); /* there is space for it, and the ids stay */
            assert_int_equal(xf_spill_bytes(spill), HEADER + 3 * RECORD + HEAD);
        }
        xf_spill_close(spill);
        spill = open_max(LARGE);
        assert_true(xf_spill_has_all(spill));
        struct xf_spill_take taking;
        xf_spill_take_begin(spill, &taking);
        xf_spill_take_done(spill, &taking);
        xf_spill_close(spill);
    }
}

static void test_limit_is_lowered(void **state)
{
    (void)state;
    struct xf_spill *spill = open_max(LARGE);
    add(spill, 0, 100);
    xf_spill_close(spill);
    spill = open_max(300);
    assert_true(xf_spill_has_all(spill));
    assert_int_equal(xf_spill_bytes(spill), HEADER + HEAD);
    xf_spill_close(spill);
    spill = open_max(0); /* an `all` always fits */
    assert_true(xf_spill_has_all(spill));
    xf_spill_close(spill);
}

/* ---- a full disk ---- */

static void test_disk_full(void **state)
{
    (void)state;
    struct xf_point_id ids[3] = {id_of(100), id_of(101), id_of(102)};
    for (size_t room = 0; room < HEAD + 9 + 17 + 9; room++) { /* written in part, up to all but one byte */
        struct xf_spill *spill = open_max(LARGE);
        add(spill, 0, 2);
        is_faulty = true;
        bytes_left = room;
        assert_int_equal(xf_spill_add(spill, ids, 3), XF_ERR_IO);
        is_faulty = false;
        assert_false(xf_spill_has_all(spill));
        expect(spill, 0, 2, 5);
        if (room % 2) {
            add(spill, 2, 4);
            expect(spill, 0, 4, 5);
        }
        xf_spill_close(spill);
        spill = open_max(LARGE);
        assert_false(xf_spill_has_all(spill));
        expect(spill, 0, room % 2 ? 4 : 2, 5);
        xf_spill_close(spill);
        unlink(path);
    }
}

static void test_disk_full_at_first(void **state)
{
    (void)state;
    struct xf_point_id id = id_of(1);
    for (size_t room = 0; room < HEADER + HEAD + 17; room++) {
        struct xf_spill *spill = open_max(LARGE);
        is_faulty = true;
        bytes_left = room;
        assert_int_equal(xf_spill_add(spill, &id, 1), XF_ERR_IO);
        is_faulty = false;
        assert_true(xf_spill_is_empty(spill));
        add(spill, 0, 2);
        xf_spill_close(spill);
        spill = open_max(LARGE);
        assert_false(xf_spill_has_all(spill));
        expect(spill, 0, 2, 5);
        xf_spill_close(spill);
        unlink(path);
    }
}

/* What was cut off could not even be cut away: the next record overwrites it, and a shorter one leaves "all" behind. */
static void test_failed_write_stays(void **state)
{
    (void)state;
    struct xf_point_id ids[20];
    for (uint64_t i = 0; i < 20; i++)
        ids[i] = id_of(i);
    struct xf_spill *spill = open_max(LARGE);
    is_faulty = is_truncate_faulty = true;
    bytes_left = HEADER + HEAD + 100;
    assert_int_equal(xf_spill_add(spill, ids, 20), XF_ERR_IO);
    is_faulty = is_truncate_faulty = false;
    add(spill, 0, 1);
    expect(spill, 0, 1, 5);
    xf_spill_close(spill);
    spill = open_max(LARGE);
    assert_true(xf_spill_has_all(spill));
    xf_spill_close(spill);
}

/* No space for "all" at the end: it goes over what is there. No space at all: this process knows, and says IO. */
static void test_all_on_a_full_disk(void **state)
{
    (void)state;
    struct xf_point_id id = id_of(1);
    struct xf_spill *spill = open_max(LARGE);
    is_faulty = true;
    bytes_left = 0;
    assert_int_equal(xf_spill_add_all(spill), XF_ERR_IO);
    assert_true(xf_spill_has_all(spill));
    assert_false(xf_spill_is_empty(spill));
    assert_int_equal(xf_spill_add(spill, &id, 1), XF_ERR_IO); /* the file does not say so yet */
    is_faulty = false;
    assert_int_equal(xf_spill_add(spill, &id, 1), XF_OK);
    xf_spill_close(spill);
    spill = open_max(LARGE);
    assert_true(xf_spill_has_all(spill));
    xf_spill_close(spill);
}

static void test_full_and_disk_full(void **state)
{
    (void)state;
    struct xf_point_id ids[20];
    for (uint64_t i = 0; i < 20; i++)
        ids[i] = id_of(i);
    struct xf_spill *spill = open_max(100);
    add(spill, 0, 2);
    is_faulty = true;
    bytes_left = 0;
    assert_int_equal(xf_spill_add(spill, ids, 20), XF_ERR_IO);
    assert_true(xf_spill_has_all(spill));
    is_faulty = false;
    xf_spill_close(spill);
    spill = open_max(100);
    expect(spill, 0, 2, 5); /* whoever was told IO has not gone on */
    xf_spill_close(spill);
}

/* ---- threads ---- */

enum { ROUNDS = 400 };
struct adder {
    struct xf_spill *spill;
    uint64_t first;
};

static void *add_many(void *arg)
{
    struct adder *adder = arg;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct xf_point_id ids[3];
        for (uint64_t j = 0; j < 3; j++)
            ids[j] = id_of(adder->first + 3 * i + j);
        if (xf_spill_add(adder->spill, ids, 3) != XF_OK)
            abort();
    }
    return NULL;
}

/* Two threads add while a third gives away: nothing is lost, and at the end nothing is left. */
static void test_threads(void **state)
{
    (void)state;
    static struct xf_point_id ids[IDS_MAX];
    static bool has_seen[6 * ROUNDS];
    struct xf_spill *spill = open_max(LARGE);
    struct adder adders[2] = {{spill, 0}, {spill, 3 * ROUNDS}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &adders[i]), 0);
    for (int round = 0, joined = 0; joined < 2 || !xf_spill_is_empty(spill); round++) {
        struct xf_spill_take taking;
        if (round >= 50 && joined < 2)
            assert_int_equal(pthread_join(threads[joined++], NULL), 0);
        xf_spill_take_begin(spill, &taking);
        size_t count = take(spill, &taking, ids, 100);
        for (size_t i = 0; i < count; i++) {
            assert_true(ids[i].lo < 6 * ROUNDS && xf_point_id_eq(ids[i], id_of(ids[i].lo)));
            has_seen[ids[i].lo] = true;
        }
        xf_spill_take_done(spill, &taking);
    }
    for (size_t i = 0; i < 6 * ROUNDS; i++)
        assert_true(has_seen[i]);
    xf_spill_close(spill);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_given_back),
        TEST(test_extreme_ids),
        TEST(test_inherited),
        TEST(test_all),
        TEST(test_taken_while_added_to),
        TEST(test_replaced_while_taken),
        TEST(test_cut_anywhere),
        TEST(test_flipped_anywhere),
        TEST(test_other_files),
        TEST(test_one_owner),
        TEST(test_dies_while_replacing),
        TEST(test_limit),
        TEST(test_limit_is_lowered),
        TEST(test_disk_full),
        TEST(test_disk_full_at_first),
        TEST(test_failed_write_stays),
        TEST(test_all_on_a_full_disk),
        TEST(test_full_and_disk_full),
        TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
