/* Two migrations to plan requests against: "one" from old_docs to docs on one upstream, "two" from shared on the first
 * upstream to shared on the second; "docs_alias" is an alias of the first one's legacy collection.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_TESTS_ROUTE_FIXTURE_H
#define XF_TESTS_ROUTE_FIXTURE_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "proxy/snapshot/snapshot.h"

struct fixture {
    struct xf_migration_conf migrations[2];
    struct xf_config config;
    struct xf_migration_view views[2];
    struct xf_alias alias;
    struct xf_snapshot *snapshot;
};

static inline void fixture_publish(struct fixture *fixture)
{
    xf_snapshot_unref(fixture->snapshot);
    struct xf_snapshot_input input = {.config = &fixture->config,
                                      .generation = 7,
                                      .migrations = fixture->views,
                                      .aliases = &fixture->alias,
                                      .alias_count = 1};
    assert_int_equal(xf_snapshot_new(&input, &fixture->snapshot), XF_OK);
}

static inline void fixture_set_phase(struct fixture *fixture, size_t migration, enum xf_phase phase, uint8_t percent)
{
    struct xf_migration_view *view = &fixture->views[migration];
    view->phase = phase;
    view->dual_write = phase == XF_PHASE_DUAL_WRITE || phase == XF_PHASE_CANARY || phase == XF_PHASE_SWITCHED;
    view->new_reads_percent = percent;
    fixture_publish(fixture);
}

static inline void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .migrations = {{.name = "one", .side = {{0, "old_docs"}, {0, "docs"}}},
                       {.name = "two", .side = {{0, "shared"}, {1, "shared"}}}},
        .alias = {XF_SLICE("docs_alias"), 0},
    };
    fixture->config.migrations = fixture->migrations;
    fixture->config.migration_count = 2;
    fixture_publish(fixture);
}

static inline void fixture_fini(struct fixture *fixture)
{
    xf_snapshot_unref(fixture->snapshot);
}

#endif
