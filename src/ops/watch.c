/* The hooks that a context calls while something looks at its operations, and turning them on and
 * off. */
#include "watch.h"
#include "record.h"

#include <string.h>

unsigned tg__bucket(const char *text)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
    return (hash ^ hash >> 16) % WATCH_BUCKETS;
}

const frame *tg__composed(const tg_context *tg)
{
    const frame *found = NULL;
    for (const frame *f = tg->frame; f; f = f->outer)
        if (f->name) found = f;
    return found;
}

static int64_t bytes_of_tensor(const tg_tensor *t)
{
    return t->numel * (int64_t)tg__dtype_size(t->dtype);
}

/* Runs a forward, and checks its result. A result in place that fails the check is undone. */
static bool run_and_check(const call *c)
{
    tg_tensor *before = NULL;
    tg_scope_begin(c->tg);
    if (c->in_place) before = tg__new(c->tg, c->out->dtype, c->out->ndim, c->out->shape);
    if (before) tg__copy(before, c->out);
    const bool ran = (before || !c->in_place) && tg__run_forward(c);
    const bool done = ran && tg__check_result(c, before);
    if (ran && !done && before) tg__copy(c->out, before);
    tg_scope_end(c->tg);
    return done;
}

static bool is_checked(const watcher *w, const call *c)
{
    return w->detects && !w->hooks.quiet && tg__ready(c->tg) && tg__is_float(c->out->dtype);
}

static bool run_watched(const call *c)
{
    watcher *w = c->tg->watcher;
    if (w->forwards > 0) return tg__run_forward(c);
    if (!tg__begin_work(c->tg, WORK_OPERATION, c->op->name)) return false;
    w->forwards++;
    const bool done = is_checked(w, c) ? run_and_check(c) : tg__run_forward(c);
    w->forwards--;
    int64_t bytes = bytes_of_tensor(c->out);
    for (int i = 0; i < c->n; i++) bytes += bytes_of_tensor(c->in[i]);
    tg__end_work(c->tg, bytes);
    return done;
}

static void leave_watched(const frame *f, const tg_tensor *result)
{
    tg_context *tg = f->tg;
    watcher *w = tg->watcher;
    if (f != tg__composed(tg)) return;
    tg__count_frame(tg, f->name);
    if (w->has_suspect && !w->hooks.quiet) tg__check_frame(tg, f->name, result);
    w->has_suspect = false;
}

static bool check_result_now(const call *c)
{
    return !is_checked(c->tg->watcher, c) || tg__check_result(c, NULL);
}

static bool check_gradient_now(const record *r, int i, const tg_tensor *g, const tg_tensor *own)
{
    const watcher *w = g->context->watcher;
    return !w->detects || w->hooks.quiet || !tg__ready(g->context) ||
           tg__check_gradient(r, i, g, own);
}

/* Whether the parameter is to be checked after its update: it is finite, and so is its gradient. */
static bool is_finite_now(const tg_tensor *parameter)
{
    return parameter->context->watcher->detects && tg__is_finite(parameter) &&
           tg__is_finite(parameter->grad);
}

static const char *place_now(tg_context *tg)
{
    return tg->watcher->detects && tg->running ? tg__place(tg) : NULL;
}

watcher *tg__watcher(tg_context *tg)
{
    if (tg->watcher) return tg->watcher;
    watcher *w = tg__alloc_at(tg, 0, sizeof *w);
    if (!w) return NULL;
    memset(w, 0, sizeof *w);
    w->hooks = (watch){.run = run_watched,
                       .leave = leave_watched,
                       .begin = tg__begin_work,
                       .end = tg__end_work,
                       .check_result = check_result_now,
                       .check_gradient = check_gradient_now,
                       .is_finite = is_finite_now,
                       .check_update = tg__check_update,
                       .place = place_now};
    return tg->watcher = w;
}

void tg__turn_watch(tg_context *tg)
{
    watcher *w = tg->watcher;
    tg->watch = w->detects || w->counts ? &w->hooks : NULL;
}
