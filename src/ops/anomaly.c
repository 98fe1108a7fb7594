/* Finding the operation that makes the first value that is not finite. */
#include "watch.h"

#include <math.h>
#include <string.h>

bool tg_detect_anomaly(tg_context *tg, bool on)
{
    watcher *w = tg ? tg__watcher(tg) : NULL;
    if (!w) return false;
    w->detects = on;
    w->has_suspect = false;
    tg__turn_watch(tg);
    return true;
}

/* ---- Values. */

/* Moves the index to the next element in row-major order; false after the last. */
static bool next_index(const tg_tensor *t, int64_t *index)
{
    for (int d = t->ndim - 1; d >= 0; d--) {
        if (++index[d] < t->shape[d]) return true;
        index[d] = 0;
    }
    return false;
}

/* The element at an index of a tensor of `ndim` dimensions to which t broadcasts. */
static double value_at(const tg_tensor *t, int ndim, const int64_t *index)
{
    int64_t at = 0;
    for (int d = 0; d < t->ndim; d++)
        at += (t->shape[d] == 1 ? 0 : index[ndim - t->ndim + d]) * t->strides[d];
    return tg__load(t->dtype, t->data, at);
}

/* Whether the sum is finite, and with it all elements, since one that is not makes the sum so. The
 * sum of finite elements may be infinite. */
static bool has_finite_sum(const tg_tensor *t)
{
    union {
        float f32;
        double f64;
    } sum;
    pick(t->context->level, sum, t->dtype)(1, t->numel, &sum, t->data, 0);
    return isfinite(t->dtype == TG_F32 ? (double)sum.f32 : sum.f64);
}

/* Finds the first element that is not finite. False if there is none. */
static bool find_anomaly(const tg_tensor *t, int64_t index[TG_MAX_DIMS])
{
    memset(index, 0, TG_MAX_DIMS * sizeof *index);
    if (!tg__is_float(t->dtype) || t->numel == 0 || !t->data) return false;
    if (t->contiguous && has_finite_sum(t)) return false;
    do
        if (!isfinite(value_at(t, t->ndim, index))) return true;
    while (next_index(t, index));
    return false;
}

bool tg__is_finite(const tg_tensor *t)
{
    int64_t index[TG_MAX_DIMS];
    return !find_anomaly(t, index);
}

/* Whether the caller gave a number that is not finite, such as the infinity of a mask. An attribute
 * may also be an integer, whose bits are no such number. */
static bool is_given(const call *c)
{
    const uint64_t infinity = UINT64_C(0x7ff) << 52, nan = UINT64_C(0xfff) << 51;
    bool given = false;
    for (int i = 0; c->a && i < TG_ATTRS; i++) {
        const uint64_t bits = (uint64_t)c->a[i].i & (UINT64_MAX >> 1);
        given = given || bits == infinity || bits == nan;
    }
    return given;
}

static const char *value_text(double x)
{
    return isnan(x) ? "nan" : x < 0 ? "-inf" : "inf";
}

/* ---- Results. */

/* Input i as the operation has read it. An operation in place may have written over input 0, and
 * with it over input 1, if both are the same elements; `before` then has their old values. */
static const tg_tensor *old_input(const call *c, int i, const tg_tensor *before)
{
    return before && (i == 0 || c->in[i]->data == c->out->data) ? before : c->in[i];
}

/* Appends to a text of WATCH_TEXT bytes the shapes of the inputs, and for an elementwise operation
 * their values at the index; as many as there is room for. */
static void add_inputs(const call *c, const tg_tensor *before, const int64_t *index, char *text)
{
    char number[32];
    for (int i = 0; i < c->n; i++) {
        const tg_tensor *t = old_input(c, i, before);
        const size_t n = strlen(text);
        if (WATCH_TEXT - n < TG_SIZES + 64) return;
        snprintf(number, sizeof number, "%g", c->op->kernel ? value_at(t, c->out->ndim, index) : 0);
        tg__use_point(number);
        sprintf(text + n, c->op->kernel ? "%s %s (%s there)" : "%s %s", i ? "," : "", SHOW(t),
                number);
    }
}

static bool inputs_are_finite(const call *c, const tg_tensor *before)
{
    bool finite = true;
    for (int i = 0; i < c->n && finite; i++) finite = tg__is_finite(old_input(c, i, before));
    return finite;
}

bool tg__check_result(const call *c, const tg_tensor *before)
{
    tg_context *tg = c->tg;
    watcher *w = tg->watcher;
    int64_t index[TG_MAX_DIMS];
    if (!find_anomaly(c->out, index) || is_given(c) || !inputs_are_finite(c, before)) return true;
    const double value = value_at(c->out, c->out->ndim, index);
    char text[WATCH_TEXT];
    sprintf(text, "the result %s is %s at %s, for the finite inputs", SHOW(c->out),
            value_text(value), tg__show_sizes(tg, c->out->ndim, index));
    add_inputs(c, before, index, text);
    if (!tg__composed(tg))
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s%s: %s", tg->sweep ? "backward of " : "",
                        c->op->name, text);
    if (!w->has_suspect)
        snprintf(w->suspect, sizeof w->suspect, "in %s, %.400s", c->op->name, text);
    w->has_suspect = true;
    return true;
}

void tg__check_frame(tg_context *tg, const char *name, const tg_tensor *result)
{
    if (result && tg__ready(tg) && !tg__is_finite(result))
        tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s", name, tg->watcher->suspect);
}

/* ---- Gradients and updates. */

/* Whether all that the gradient of input i reads is finite. */
static bool reads_are_finite(const record *r, int i)
{
    const unsigned reads = r->op->reads[i < 2 ? i : 2];
    bool finite = !(reads & READS_OUT) || tg__is_finite(r->out);
    for (int j = 0; j < r->n && finite; j++)
        finite = !(reads & tg__reads_input(j)) || tg__is_finite(r->in[j].t);
    return finite;
}

bool tg__check_gradient(const record *r, int i, const tg_tensor *g, const tg_tensor *own)
{
    tg_context *tg = g->context;
    int64_t index[TG_MAX_DIMS];
    if (!find_anomaly(own, index) || !tg__is_finite(g) || !reads_are_finite(r, i)) return true;
    return tg__fail(
        tg, TG_ERR_ARGUMENT,
        "%sbackward of %s: the gradient of input %d, %s, is %s at %s, for a finite gradient of the "
        "result, %s",
        r->place ? r->place : "", r->op->name, i + 1, SHOW(own),
        value_text(value_at(own, own->ndim, index)), tg__show_sizes(tg, own->ndim, index), SHOW(g));
}

bool tg__check_update(const tg_tensor *parameter, const char *optimiser)
{
    int64_t index[TG_MAX_DIMS];
    if (!find_anomaly(parameter, index)) return true;
    return tg__fail(parameter->context, TG_ERR_ARGUMENT,
                    "step: %s has made a parameter, %s, %s at %s; before, it and its gradient were "
                    "finite",
                    optimiser, SHOW(parameter),
                    value_text(value_at(parameter, parameter->ndim, index)),
                    tg__show_sizes(parameter->context, parameter->ndim, index));
}

/* ---- Places. */

const char *tg__place(tg_context *tg)
{
    module_call *running = tg->running;
    char text[WATCH_TEXT] = "";
    if (running->place) return running->place;
    running->write_path(running, text, sizeof text);
    module_place **bucket = &tg->watcher->places[tg__bucket(text)], *p = *bucket;
    while (p && strcmp(p->text, text) != 0) p = p->next;
    if (!p && (p = tg__alloc_at(tg, 0, sizeof *p + strlen(text) + 1))) {
        p->next = *bucket;
        strcpy(p->text, text);
        *bucket = p;
    }
    return running->place = p ? p->text : NULL;
}
