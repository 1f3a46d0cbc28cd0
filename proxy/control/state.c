/* When a state file is read and written. A change is published first and its text made in the next turn of the loop; the
 * writer's thread brings it to the disk, for fsync may take far longer than a flip should. What the worker saves often goes to disk a few times a second, as Redis has it
 * too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"
#include "proxy/control/control_int.h"
#include "proxy/control/state_file.h"

#include <errno.h>
#include <event2/event.h>

enum { FILE_MAX = 64 << 20 };

static void load_one(struct xf_control *control, struct xf_control_migration *m)
{
    struct xf_buf text;
    xf_buf_init(&text, FILE_MAX);
    enum xf_err err = xf_state_read_file(control->config->state_dir, m->conf->name, &text);
    if (!err)
        err = xf_state_parse(xf_buf_view(&text), &m->flags, &m->values);
    xf_buf_fini(&text);
    m->was_dual_writing = !err && m->flags.dual_write;
    m->was_one_sided = !err && m->flags.is_known && !m->flags.dual_write;
    if (!err) {
        if (m->flags.is_known)
            xf_log(XF_LOG_INFO, "state", "migration=%s phase=%s: the state directory says what was last in force",
                   m->conf->name, xf_phase_name(m->flags.phase));
        return;
    }
    m->flags = (struct xf_flags){0};
    xf_values_fini(&m->values);
    if (err != XF_ERR_NOT_FOUND)
        xf_log(XF_LOG_ERROR, "state",
               "migration=%s directory=%s: the state file cannot be used (%s), going on without it", m->conf->name,
               control->config->state_dir, xf_err_sentence(err));
}

void xf_state_load_all(struct xf_control *control)
{
    if (xf_state_make_dir(control->config->state_dir)) {
        control->counts.state_write_errors++;
        xf_log(XF_LOG_ERROR, "state",
               "directory=%s: cannot be made (%s), flags will not outlive a restart without redis",
               control->config->state_dir, strerror(errno));
    }
    for (size_t i = 0; i < control->config->migration_count; i++)
        load_one(control, &control->migrations[i]);
}

static void save_one(struct xf_control *control, struct xf_control_migration *m)
{
    struct xf_buf text;
    xf_buf_init(&text, FILE_MAX);
    enum xf_err err = xf_state_print(&m->flags, &m->values, &text);
    if (!err)
        err = xf_state_writer_put(control->state_writer, (size_t)(m - control->migrations), xf_buf_view(&text));
    if (err) {
        control->counts.state_write_errors++;
        xf_log(XF_LOG_ERROR, "state", "migration=%s directory=%s: not saved (%s), trying again with the next change",
               m->conf->name, control->config->state_dir, xf_err_sentence(err));
    }
    m->is_unsaved = err != XF_OK;
    xf_buf_fini(&text);
}

void xf_state_save_all(struct xf_control *control)
{
    for (size_t i = 0; i < control->config->migration_count; i++)
        if (control->migrations[i].is_unsaved || xf_state_writer_has_failed(control->state_writer, i))
            save_one(control, &control->migrations[i]);
}

void xf_state_changed(struct xf_control *control, size_t migration, uint64_t within_ms)
{
    control->migrations[migration].is_unsaved = true;
    if (within_ms == XF_SAVE_LATER_MS && evtimer_pending(control->save_timer, NULL))
        return;
    struct timeval delay = {0, (suseconds_t)(within_ms * 1000)};
    XF_ASSERT(evtimer_add(control->save_timer, &delay) == 0);
}
