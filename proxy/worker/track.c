/* What copies share and what each copying thread has: facts, track, hand. See copy.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "proxy/worker/copy.h"

#include <stdlib.h>

enum { NS_PER_S = 1000000000, BODY_MAX = 64 << 20 };

struct xf_facts *xf_facts_new(void)
{
    struct xf_facts *facts = calloc(1, sizeof *facts);
    if (!facts)
        return NULL;
    atomic_init(&facts->refs, 1);
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        xf_collection_init(&facts->side[side]);
    return facts;
}

struct xf_facts *xf_facts_ref(struct xf_facts *facts)
{
    atomic_fetch_add(&facts->refs, 1);
    return facts;
}

void xf_facts_unref(struct xf_facts *facts)
{
    if (!facts || atomic_fetch_sub(&facts->refs, 1) != 1)
        return;
    for (int side = 0; side < XF_SIDE_COUNT; side++)
        xf_collection_fini(&facts->side[side]);
    free(facts);
}

enum xf_err xf_track_init(struct xf_track *track, const struct xf_config *config, struct xf_journal *journal,
                          size_t migration)
{
    *track = (struct xf_track){.config = config, .journal = journal, .migration = migration};
    enum xf_err err = xf_turns_init(&track->turns);
    if (err)
        return err;
    if (pthread_mutex_init(&track->lock, NULL))
        goto err0;
    if (pthread_cond_init(&track->barrier_over, NULL))
        goto err1;
    return XF_OK;
err1:
    pthread_mutex_destroy(&track->lock);
err0:
    xf_turns_fini(&track->turns);
    return XF_ERR_NOMEM;
}

void xf_track_fini(struct xf_track *track)
{
    pthread_cond_destroy(&track->barrier_over);
    pthread_mutex_destroy(&track->lock);
    xf_turns_fini(&track->turns);
}

/* Each taker books its share of time behind the last one's; unused time is not saved up. */
uint64_t xf_track_pace_ms(struct xf_track *track, uint64_t points)
{
    uint64_t rate = track->config->worker.points_per_s_max, now = xf_clock_now_ns();
    if (!rate)
        return 0;
    pthread_mutex_lock(&track->lock);
    uint64_t start = track->pace_ns > now ? track->pace_ns : now;
    track->pace_ns = start + points * NS_PER_S / rate;
    pthread_mutex_unlock(&track->lock);
    return (start - now) / 1000000;
}

enum xf_err xf_hand_init(struct xf_hand *hand, const struct xf_config *config, const atomic_bool *is_stopping)
{
    *hand = (struct xf_hand){0};
    xf_answer_init(&hand->read);
    xf_answer_init(&hand->extra);
    xf_answer_init(&hand->ack);
    xf_buf_init(&hand->body, BODY_MAX);
    return xf_wire_new(config, is_stopping, &hand->wire);
}

void xf_hand_fini(struct xf_hand *hand)
{
    xf_wire_free(hand->wire);
    xf_buf_fini(&hand->read.body);
    xf_buf_fini(&hand->extra.body);
    xf_buf_fini(&hand->ack.body);
    xf_buf_fini(&hand->body);
    xf_page_fini(&hand->page);
    xf_page_fini(&hand->extra_page);
    free(hand->ids);
    *hand = (struct xf_hand){0};
}
