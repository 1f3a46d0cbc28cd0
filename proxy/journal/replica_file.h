/* Who this replica is, and what it must remember of Redis to tell a loss from a restart: two small files in state_dir.
 * `replica-id` is written once and synced; `replica` is replaced about once a second. A damaged or missing `replica` costs a
 * comparison of both sides, a lost id an operator's word. Internal to this folder; the keeper's thread, once open.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef XF_PROXY_JOURNAL_REPLICA_FILE_H
#define XF_PROXY_JOURNAL_REPLICA_FILE_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "proxy/config/config.h"
#include "proxy/journal/member.h"

enum { XF_REPLICA_ID_MAX = 32, XF_RUN_ID_MAX = 63, XF_MACHINE_MAX = 63 };

/* What is known of a migration since an earlier process or an earlier join. */
struct xf_replica_record {
    bool was_dual;
    bool is_clean;     /* the process that wrote this had told Redis all it knew */
    bool is_in_doubt;  /* the next join makes the migration unknown */
    uint64_t beat;     /* acknowledged; Redis must not know less */
    char inc[XF_INC_MAX + 1];       /* "": this replica has never joined it */
    char run_id[XF_RUN_ID_MAX + 1]; /* of the Redis that this was told to; "": any will do */
    char machine[XF_MACHINE_MAX + 1]; /* boot id of the machine */
    char *peers;       /* other replicas, separated by blanks; NULL: none */
};

struct xf_replica_file {
    const struct xf_config *config;
    char id[XF_REPLICA_ID_MAX + 1];
    char machine[XF_MACHINE_MAX + 1];
    struct xf_replica_record *records; /* one for each migration of the configuration */
    struct xf_buf others;              /* lines of migrations that the configuration does not name today */
    struct xf_buf written;             /* what the file holds */
    int lock_fd;
    bool has_complained; /* that it cannot be written */
};

/* Makes state_dir if need be. What an earlier process left is taken up: records that were not clean are in doubt if the
 * machine was started anew, and all are if the file cannot be read. IO, said in the log: state_dir cannot be used, or another
 * process uses it. */
XF_MUST_CHECK enum xf_err xf_replica_file_open(const struct xf_config *config, struct xf_replica_file *file);
void xf_replica_file_close(struct xf_replica_file *file);
/* Puts the records where the next process finds them, if they have changed. IO: the old file stands. */
XF_MUST_CHECK enum xf_err xf_replica_file_save(struct xf_replica_file *file);
/* Whether the next join of this migration has to make it unknown, for what was told to another Redis than the present one,
 * or is not known to have reached it. */
bool xf_replica_is_in_doubt(const struct xf_replica_record *record, const char *run_id);

#endif
