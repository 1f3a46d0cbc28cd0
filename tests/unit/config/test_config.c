/* The configuration: what is read, and the exact line for everything that is wrong. Also that the reference page and
 * the sample file are those that the table makes, so that neither can lack a key.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "proxy/config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* What every file needs; a row puts its text in front or behind. */
#define BASE "listen: 127.0.0.1:7333\nupstreams: {main: {url: 'http://h:1'}}\n"
#define MIGRATION(name, legacy, new)                                                                                   \
    "  - {name: " name ", legacy: {collection: " legacy "}, new: {collection: " new "}}\n"

static struct xf_config *parse(const char *text)
{
    struct xf_buf errors;
    struct xf_config *config;
    xf_buf_init(&errors, 1 << 20);
    if (xf_config_parse(xf_slice_of(text), "f", &errors, &config))
        fail_msg("%.*s", XF_SLICE_ARG(xf_buf_view(&errors)));
    assert_int_equal(xf_buf_len(&errors), 0);
    xf_buf_fini(&errors);
    return config;
}

static void expect_errors(const char *text, const char *wanted)
{
    struct xf_buf errors;
    struct xf_config *config = (struct xf_config *)1;
    xf_buf_init(&errors, 1 << 20);
    assert_int_equal(xf_config_parse(xf_slice_of(text), "f", &errors, &config), XF_ERR_INVALID);
    assert_null(config);
    assert_int_equal(xf_buf_append(&errors, "", 1), XF_OK);
    assert_string_equal(xf_buf_view(&errors).ptr, wanted);
    xf_buf_fini(&errors);
}

static void test_defaults(void **state)
{
    (void)state;
    struct xf_config *config = parse(BASE);
    assert_int_equal(config->listen_count, 1);
    assert_string_equal(config->listen[0].host, "127.0.0.1");
    assert_int_equal(config->listen[0].port, 7333);
    assert_true(config->threads >= 1);
    assert_int_equal(config->admin.listen.port, 7334);
    assert_null(config->admin.token);
    assert_string_equal(config->redis.url, "redis://127.0.0.1:6379/0");
    assert_int_equal(config->redis.port, 6379);
    assert_string_equal(config->redis.prefix, "crossfade");
    assert_string_equal(config->state_dir, "/var/lib/crossfade");
    assert_string_equal(config->upstreams[0].authority, "h:1");
    assert_int_equal(config->default_upstream, 0);
    assert_int_equal(config->timeouts.connect_ms, 2000);
    assert_int_equal(config->timeouts.answer_ms, 90000);
    assert_int_equal(config->timeouts.upstream_idle_ms, 4000);
    assert_int_equal(config->limits.decoded_bytes_max, 256 << 20);
    assert_int_equal(config->worker.batch_bytes, 8 << 20);
    assert_int_equal(config->flag_poll_ms, 20);
    xf_config_free(config);
}

static void test_everything(void **state)
{
    (void)state;
    setenv("XF_TEST_KEY", "s3cret", 1);
    struct xf_config *config = parse(
        "listen: ['0.0.0.0:80', '[::1]:81', 'localhost:82']\nthreads: 3\nadmin: {token_env: XF_TEST_KEY}\n"
        "redis: {url: 'redis://me:p%40ss@r.example/5', prefix: p}\nstate_dir: /s\ndefault_upstream: two\n"
        "upstreams:\n  one: {url: 'http://[::1]:1/', api_key_env: XF_TEST_KEY}\n  two: {url: http://h}\n"
        "migrations:\n  - name: m.1\n    legacy: {upstream: one, collection: a b}\n    new: {collection: ü}\n"
        "    ack: authority\n    guard: warn\n    allow_unsafe: true\n"
        "timeouts: {connect: 10ms, idle: 1h}\nlimits: {decoded_bytes_max: 1MiB}\nworker: {points_per_s_max: 7}\n");
    assert_int_equal(config->listen_count, 3);
    assert_string_equal(config->listen[1].host, "::1");
    assert_string_equal(config->listen[2].host, "127.0.0.1");
    assert_int_equal(config->threads, 3);
    assert_string_equal(config->admin.token, "s3cret");
    assert_string_equal(config->redis.user, "me");
    assert_string_equal(config->redis.password, "p@ss");
    assert_string_equal(config->redis.url, "redis://r.example:6379/5");
    assert_int_equal(config->redis.database, 5);
    assert_string_equal(config->upstreams[0].authority, "[::1]:1");
    assert_string_equal(config->upstreams[0].host, "::1");
    assert_string_equal(config->upstreams[0].api_key, "s3cret");
    assert_int_equal(config->upstreams[1].port, 6333);
    assert_int_equal(config->default_upstream, 1);
    assert_int_equal(config->migrations[0].side[XF_LEGACY].upstream, 0);
    assert_int_equal(config->migrations[0].side[XF_NEW].upstream, 1);
    assert_string_equal(config->migrations[0].side[XF_LEGACY].collection, "a b");
    assert_int_equal(config->migrations[0].ack, XF_ACK_AUTHORITY);
    assert_int_equal(config->migrations[0].guard, XF_GUARD_WARN);
    assert_true(config->migrations[0].allow_unsafe);
    assert_false(config->migrations[0].allow_odd_bodies);
    assert_int_equal(config->timeouts.connect_ms, 10);
    assert_int_equal(config->timeouts.idle_ms, 3600000);
    assert_int_equal(config->limits.decoded_bytes_max, 1 << 20);
    assert_int_equal(config->worker.points_per_s_max, 7);
    xf_config_free(config);
}

static void test_unix_redis(void **state)
{
    (void)state;
    struct xf_config *config = parse(BASE "redis: {url: 'unix:///run/r.sock?db=3'}\n");
    assert_null(config->redis.host);
    assert_string_equal(config->redis.unix_path, "/run/r.sock");
    assert_int_equal(config->redis.database, 3);
    assert_string_equal(config->redis.url, "unix:///run/r.sock?db=3");
    xf_config_free(config);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *errors;
    } rows[] = {
        {"just words", "f:1:1: found a single value, expected a map of settings\n"},
        {"a: [\n", "f:2:1: not valid YAML: did not find expected node content while parsing a flow node\n"},
        {"{}",
         "f:1:1: listen: found nothing, expected an IP address and a port such as 127.0.0.1:7333, or a list of them\n"
         "f:1:1: upstreams: found nothing, expected a map of names\n"},
        {BASE "thread: 2\n", "f:3:1: thread: found an unknown key, expected perhaps \"threads\"\n"},
        {BASE "zzzzzzzzzz: 2\n", "f:3:1: zzzzzzzzzz: found an unknown key, expected one of listen, threads, admin, "
                                 "redis, state_dir, upstreams, "
                                 "default_upstream, migrations, timeouts, limits, worker, alias_refresh, flag_poll\n"},
        {BASE "timeouts:\n  conect: 2s\n  idle: 2x\n",
         "f:4:3: timeouts.conect: found an unknown key, expected perhaps \"connect\"\n"
         "f:5:9: timeouts.idle: found \"2x\", expected a duration such as 500ms, 5s, 2m or 1h\n"},
        {BASE "timeouts: {connect: 5ms}\n", "f:3:21: timeouts.connect: found 5ms, expected 10ms to 1m\n"},
        {BASE "timeouts: {connect: 99999999999999999999s}\n",
         "f:3:21: timeouts.connect: found 99999999999999999999s, expected 10ms to 1m\n"},
        {BASE "timeouts: {connect: -1s}\n",
         "f:3:21: timeouts.connect: found \"-1s\", expected a duration such as 500ms, 5s, 2m or 1h\n"},
        {BASE "timeouts: 5s\n", "f:3:11: timeouts: found a single value, expected a map of settings\n"},
        {BASE "worker: {batch_bytes: 8MB}\n",
         "f:3:23: worker.batch_bytes: found \"8MB\", expected a size such as 512B, 64KiB, 8MiB or 1GiB\n"},
        {BASE "worker: {parallel: 0}\n", "f:3:20: worker.parallel: found 0, expected 1 to 64\n"},
        {BASE "threads: many\n", "f:3:10: threads: found \"many\", expected auto or a number of threads\n"},
        {BASE "threads:\n", "f:3:9: threads: found nothing, expected auto or a number of threads\n"},
        {BASE "state_dir: [a]\n", "f:3:12: state_dir: found a list, expected a path\n"},
        {BASE "state_dir: \"a\\0b\"\n", "f:3:12: state_dir: found a NUL character, expected a path\n"},
        {"listen: here:7333\nupstreams: {m: {url: http://h}}\n",
         "f:1:9: listen: found \"here:7333\", expected an IP address and a port such as 127.0.0.1:7333, or a list of "
         "them\n"},
        {"listen: ['127.0.0.1:0']\nupstreams: {m: {url: http://h}}\n",
         "f:1:10: listen[0]: found \"127.0.0.1:0\", expected an IP address and a port such as 127.0.0.1:7333, or a "
         "list of "
         "them\n"},
        {"listen: []\nupstreams: {m: {url: http://h}}\n",
         "f:1:9: listen: found a list, expected an IP address and a port such as 127.0.0.1:7333, or a list of them\n"},
        {"listen: ['127.0.0.1:1', '0.0.0.0:1']\nupstreams: {m: {url: http://h}}\n",
         "f:1:25: listen: found an address that an earlier one covers, expected each once\n"},
        {BASE "admin: {listen: '127.0.0.1:7333'}\n",
         "f:1:9: listen: found the address of admin.listen, expected another one\n"},
        {BASE "admin: {listen: '0.0.0.0:9'}\n",
         "f:3:17: admin.listen: found an address that others can reach, expected a loopback address or a token "
         "(admin.token_env or admin.token_file)\n"},
        {BASE "admin: {token_env: XF_TEST_UNSET}\n",
         "f:3:20: admin.token_env: found \"XF_TEST_UNSET\", which is not set, expected the name of an environment "
         "variable that is set\n"},
        {BASE "admin: {token_env: XF_TEST_EMPTY}\n", "f:3:20: admin.token_env: found \"XF_TEST_EMPTY\", which is "
                                                     "empty, expected the name of an environment variable "
                                                     "that is set\n"},
        {BASE "admin: {token_env: XF_TEST_LINES}\n",
         "f:3:20: admin.token_env: found \"XF_TEST_LINES\", which holds a control character or more than one line, "
         "expected the name of an environment variable that is set\n"},
        {BASE "admin: {token_env: my-pasted-secret}\n",
         "f:3:20: admin.token_env: found something else (not shown), expected the name of an environment variable in "
         "A-Z, 0-9 and _\n"},
        {BASE "admin: {token_file: /nonexistent/token}\n",
         "f:3:21: admin.token_file: found \"/nonexistent/token\", which cannot be read (No such file or directory), "
         "expected the path of a file that holds one line\n"},
        {BASE "admin: {token_env: XF_TEST_SET, token_file: /nonexistent/token}\n",
         "f:3:45: admin.token_file: found a second source of the same value, expected one\n"},
        {BASE "redis: {url: 'rediss://h'}\n",
         "f:3:14: redis.url: found a rediss:// URL, expected redis:// or unix://: this version does not speak TLS to "
         "Redis\n"},
        {BASE "redis: {url: 'redis://u:hidden@h/x'}\n",
         "f:3:14: redis.url: found a value that is not shown here, expected redis://host:port/database or "
         "unix:///path?db=number\n"},
        {BASE "redis: {url: 'redis://u:%zz@h'}\n",
         "f:3:14: redis.url: found a value that is not shown here, expected redis://host:port/database or "
         "unix:///path?db=number\n"},
        {BASE "redis: {url: 'unix://relative'}\n", "f:3:14: redis.url: found \"unix://relative\", expected "
                                                   "redis://host:port/database or unix:///path?db=number\n"},
        {"listen: 127.0.0.1:1\nupstreams: {m: {url: https://h}}\n",
         "f:2:22: upstreams.m.url: found an https:// URL, expected http://: this version does not speak TLS to an "
         "upstream\n"},
        {"listen: 127.0.0.1:1\nupstreams: {m: {url: http://h/path}}\n",
         "f:2:22: upstreams.m.url: found \"http://h/path\", expected http://host:port\n"},
        {"listen: 127.0.0.1:1\nupstreams: {m: {url: http://h:70000}}\n",
         "f:2:22: upstreams.m.url: found \"http://h:70000\", expected http://host:port\n"},
        {"listen: 127.0.0.1:1\nupstreams: {m: {}}\n",
         "f:2:13: upstreams.m.url: found nothing, expected http://host:port\n"},
        {"listen: 127.0.0.1:1\nupstreams: {m: x}\n",
         "f:2:16: upstreams.m: found a single value, expected a map with url\n"},
        {"listen: 127.0.0.1:1\nupstreams: {a/b: {url: http://h}}\n",
         "f:2:13: upstreams.a/b: found this name, expected 1 to 64 letters, digits, _, . and -\n"},
        {"listen: 127.0.0.1:1\nupstreams: {}\n",
         "f:2:12: upstreams: found a map, expected 1 to 64 upstreams, each under its name\n"},
        {"listen: 127.0.0.1:1\nupstreams: {a: {url: http://h}, b: {url: http://i}}\n",
         "f:1:1: default_upstream: found nothing, expected the name of one of the 2 upstreams\n"},
        {BASE "default_upstream: mian\n",
         "f:3:19: default_upstream: found \"mian\", expected the name of an upstream, perhaps \"main\"\n"},
        {BASE "migrations:\n  - {}\n",
         "f:4:5: migrations[0].name: found nothing, expected 1 to 64 letters, digits, _, . and -\n"
         "f:4:5: migrations[0].legacy: found nothing, expected a map of settings\n"
         "f:4:5: migrations[0].new: found nothing, expected a map of settings\n"},
        {BASE "migrations: {a: b}\n", "f:3:13: migrations: found a map, expected a list of at most 1024 migrations\n"},
        {BASE "migrations:\n" MIGRATION("a b", "x", "y"),
         "f:4:12: migrations[0].name: found \"a b\", expected 1 to 64 letters, digits, _, . and -\n"},
        {BASE "migrations:\n" MIGRATION("a", "x", "x"), "f:4:58: migrations[0].new.collection: found \"x\" of "
                                                        "migrations[0].legacy again, expected a collection that is "
                                                        "part of no other migration or side\n"},
        {BASE "migrations:\n" MIGRATION("a", "x", "y") MIGRATION("a", "y", "z"),
         "f:5:12: migrations[1].name: found \"a\", the name of migrations[0], expected another one\n"
         "f:5:36: migrations[1].legacy.collection: found \"y\" of migrations[0].new again, expected a collection that "
         "is "
         "part of no other migration or side\n"},
        {BASE "migrations:\n" MIGRATION("a", "..", "'a/b'"),
         "f:4:36: migrations[0].legacy.collection: found \"..\", expected a collection name: 1 to 255 characters, none "
         "of < "
         "> : \" / \\ | ? *, and not . or ..\n"
         "f:4:59: migrations[0].new.collection: found \"a/b\", expected a collection name: 1 to 255 characters, none "
         "of < > "
         ": \" / \\ | ? *, and not . or ..\n"},
        {BASE
         "migrations:\n  - {name: a, legacy: {collection: x}, new: {collection: y, schema: none.yaml}, ack: all}\n",
         "f:4:69: migrations[0].new.schema: found \"none.yaml\", expected the path of a file that can be read\n"
         "f:4:86: migrations[0].ack: found \"all\", expected both or authority\n"},
    };
    setenv("XF_TEST_SET", "x", 1);
    setenv("XF_TEST_EMPTY", "", 1);
    setenv("XF_TEST_LINES", "a\nb", 1);
    unsetenv("XF_TEST_UNSET");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_errors(rows[i].text, rows[i].errors);
}

/* The same server under two names is still one collection. */
static void test_same_server_twice(void **state)
{
    (void)state;
    expect_errors(
        "listen: 127.0.0.1:1\ndefault_upstream: a\nupstreams: {a: {url: 'http://h:1'}, b: {url: 'http://H:1/'}}\n"
        "migrations: [{name: m, legacy: {collection: x}, new: {upstream: b, collection: x}}]\n",
        "f:4:80: migrations[0].new.collection: found \"x\" of migrations[0].legacy again, expected a collection "
        "that is part of no other migration or side\n");
}

static void test_many_problems(void **state)
{
    (void)state;
    struct xf_buf text, errors;
    struct xf_config *config;
    xf_buf_init(&text, 1 << 20);
    xf_buf_init(&errors, 1 << 20);
    assert_int_equal(xf_buf_printf(&text, BASE), XF_OK);
    for (int i = 0; i < 150; i++)
        assert_int_equal(xf_buf_printf(&text, "threads%d: 1\n", i), XF_OK);
    assert_int_equal(xf_config_parse(xf_buf_view(&text), "f", &errors, &config), XF_ERR_INVALID);
    assert_int_equal(xf_buf_append(&errors, "", 1), XF_OK);
    assert_non_null(strstr(xf_buf_view(&errors).ptr, "f: and 50 more problems\n"));
    xf_buf_fini(&text);
    xf_buf_fini(&errors);
}

static void test_secret_file(void **state)
{
    (void)state;
    char path[] = "/tmp/xf-config-test-XXXXXX", text[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "from file \r\n", 12), 12);
    close(fd);
    snprintf(text, sizeof text, BASE "redis: {password_file: %s}\n", path);
    struct xf_config *config = parse(text);
    assert_string_equal(config->redis.password, "from file");
    xf_config_free(config);
    unlink(path);
}

static void test_paths_start_at_the_file(void **state)
{
    (void)state;
    struct xf_buf errors;
    struct xf_config *config;
    xf_buf_init(&errors, 1 << 20);
    assert_int_equal(xf_config_parse(XF_SLICE(BASE "state_dir: here\n"), "/etc/x/f.yaml", &errors, &config), XF_OK);
    assert_string_equal(config->state_dir, "/etc/x/here");
    xf_config_free(config);
    xf_buf_fini(&errors);
}

static void test_sample_is_valid(void **state)
{
    (void)state;
    struct xf_buf errors;
    struct xf_config *config;
    xf_buf_init(&errors, 1 << 20);
    assert_int_equal(xf_config_load(XF_SOURCE_DIR "/config/crossfade.yaml", &errors, &config), XF_OK);
    assert_string_equal(config->migrations[0].name, "project-1");
    xf_config_free(config);
    xf_buf_fini(&errors);
}

static void check_file(const char *path, const struct xf_buf *wanted)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    assert_int_equal(len, xf_buf_len(wanted));
    assert_memory_equal(text, xf_buf_view(wanted).ptr, len);
    free(text);
}

/* On failure: crossfade check --print-reference > docs/configuration.md, --print-sample > config/crossfade.yaml. */
static void test_pages_are_those_of_the_table(void **state)
{
    (void)state;
    struct xf_buf text;
    xf_buf_init(&text, 1 << 20);
    assert_int_equal(xf_settings_print_reference(&text), XF_OK);
    for (size_t i = 0; i < xf_settings_count; i++)
        assert_non_null(
            memmem(xf_buf_view(&text).ptr, xf_buf_len(&text), xf_settings[i].path, strlen(xf_settings[i].path)));
    check_file(XF_SOURCE_DIR "/docs/configuration.md", &text);
    xf_buf_clear(&text);
    assert_int_equal(xf_settings_print_sample(&text), XF_OK);
    check_file(XF_SOURCE_DIR "/config/crossfade.yaml", &text);
    xf_buf_fini(&text);
}

/* Each uncommented sample value is what a missing key means, wherever there is a fallback. */
static void test_sample_shows_the_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < xf_settings_count; i++) {
        const struct xf_setting *setting = &xf_settings[i];
        if (setting->fallback && *setting->fallback)
            assert_string_equal(setting->sample, setting->fallback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_unix_redis),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_same_server_twice),
        cmocka_unit_test(test_many_problems),
        cmocka_unit_test(test_secret_file),
        cmocka_unit_test(test_paths_start_at_the_file),
        cmocka_unit_test(test_sample_is_valid),
        cmocka_unit_test(test_pages_are_those_of_the_table),
        cmocka_unit_test(test_sample_shows_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
