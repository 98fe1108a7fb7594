/* Telling and taking of states. */
#include "exchange.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- What is wrong. */

/* Appends a finding to those of its kind. One that has no room is only counted, but the first is
 * cut to the room. */
void tg__exchange_note(exchange *x, int kind, const char *format, ...)
{
    findings *f = &x->found[kind];
    const size_t used = strlen(f->text), room = sizeof f->text - used;
    va_list args;
    if (x->phase != CHECKING || f->n++ > f->shown) return;
    va_start(args, format);
    const bool fits = (size_t)vsnprintf(f->text + used, room, format, args) + 2 < room;
    va_end(args);
    if (fits) {
        strcat(f->text, ", ");
    } else if (used == 0) {
        size_t end = room - 7;
        while (((unsigned char)f->text[end] & 0xc0) == 0x80) end--; /* inside a character */
        strcpy(f->text + end, "..., ");
    } else {
        f->text[used] = 0;
        return;
    }
    f->shown++;
}

/* Appends a heading and the findings to text. */
static void append_findings(char *text, size_t size, const char *heading, findings *f)
{
    const size_t used = strlen(text), n = strlen(f->text);
    char more[32] = "";
    if (f->n == 0) return;
    f->text[n - 2] = 0; /* the last comma */
    if (f->n > f->shown)
        snprintf(more, sizeof more, " and %lld more", (long long)(f->n - f->shown));
    snprintf(text + used, size - used, "%s%s%s%s", used ? "; " : "", heading, f->text, more);
}

/* ---- The phases. */

tg_state *tg__tell_state(tg_context *tg, const char *op, exchange_walk *walk, const void *object)
{
    exchange x = {.tg = tg, .op = op, .phase = TELLING, .state = tg_state_new(tg)};
    if (!x.state) return NULL;
    tg_scope_begin(tg);
    walk(&x, (void *)(uintptr_t)object);
    tg_scope_end(tg);
    return tg__ready(tg) ? x.state : NULL;
}

/* Runs the checking phase. */
static bool check(exchange *x, exchange_walk *walk, void *object, unsigned must)
{
    char text[TG_MESSAGE] = "";
    const size_t n = (size_t)x->state->n * sizeof *x->seen;
    if (!(x->seen = tg__alloc(x->tg, n + 1))) return false;
    memset(x->seen, 0, n);
    walk(x, object);
    for (int64_t i = 0; i < x->state->n; i++)
        if (!x->seen[i]) tg__exchange_note(x, UNEXPECTED, "%s", x->state->items[i].name);
    append_findings(text, sizeof text, "", &x->found[WRONG]);
    if (must & TAKE_ALL) append_findings(text, sizeof text, "missing ", &x->found[MISSING]);
    if (must & TAKE_ONLY)
        append_findings(text, sizeof text, "not expected ", &x->found[UNEXPECTED]);
    if (*text)
        return tg__fail(x->tg, TG_ERR_ARGUMENT, "%s: %s%s", x->op,
                        x->state->n ? "" : "the state has no tensors; ", text);
    return tg__ready(x->tg);
}

bool tg__take_state(tg_context *tg, const char *op, exchange_walk *walk, void *object,
                    const tg_state *from, unsigned must)
{
    if (!tg__ready(tg)) return false;
    if (!from) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the state is NULL", op);
    if (from->context != tg)
        return tg__fail(tg, TG_ERR_CONTEXT, "%s: the state is of another context", op);
    exchange x = {.tg = tg, .op = op, .phase = CHECKING, .state = (tg_state *)(uintptr_t)from};
    tg_scope_begin(tg);
    const bool right = check(&x, walk, object, must);
    if (right) {
        x.phase = TAKING;
        walk(&x, object);
    }
    tg_scope_end(tg);
    return right;
}

/* ---- The things that are exchanged. */

const char *tg__exchange_name(exchange *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(x->name, sizeof x->name, format, args);
    va_end(args);
    return x->name;
}

bool tg__exchange_has(const exchange *x, const char *name)
{
    return tg_state_find(x->state, name) != NULL;
}

/* The tensor of that name in the list that was given; NULL if it is missing or was released. */
static tg_tensor *given(exchange *x, const char *name)
{
    const int64_t i = tg__state_index(x->state, name);
    if (i < 0) {
        tg__exchange_note(x, MISSING, "%s", name);
        return NULL;
    }
    tg_tensor *t = x->state->items[i].tensor;
    if (x->phase == CHECKING) x->seen[i] = true;
    if (!tg__is_gone(t)) return t;
    tg__exchange_note(x, WRONG, "%s was released", name);
    return NULL;
}

void tg__exchange_ignores(exchange *x, const char *name)
{
    if (x->phase == CHECKING && tg__exchange_has(x, name)) given(x, name);
}

/* Whether the tensors have memory in common, unless they are the same elements. */
static bool overlap(const tg_tensor *a, const tg_tensor *b)
{
    const size_t size = (size_t)a->ndim * sizeof *a->strides;
    const bool same = a->data == b->data && !memcmp(a->strides, b->strides, size);
    return tg__origin(a) == tg__origin(b) && !same;
}

static void check_tensor_given(exchange *x, const char *name, tg_tensor *t, const tg_tensor *from)
{
    if (from->dtype != t->dtype || !tg__same_sizes(t->ndim, t->shape, from->ndim, from->shape))
        tg__exchange_note(x, WRONG, "%s is %s %s, not %s %s", name, tg_dtype_name(from->dtype),
                          SHOW(from), tg_dtype_name(t->dtype), SHOW(t));
    else if (overlap(t, from))
        tg__exchange_note(x, WRONG, "%s shares memory with what it would replace", name);
    else
        tg__writable(t, x->op);
}

void tg__exchange_tensor(exchange *x, const char *name, tg_tensor *t)
{
    if (x->phase == TELLING) {
        tg__state_add(x->op, x->state, name, t);
        return;
    }
    const tg_tensor *from = given(x, name);
    if (!from) return;
    if (x->phase == CHECKING) {
        check_tensor_given(x, name, t, from);
    } else if (from->data != t->data) {
        tg__copy(t, from);
        tg__written(t, x->op);
    }
}

/* Stores element i of a tensor with one dimension, or none, as element `to` of an array. An int64
 * that becomes an int64 is not rounded. */
static TG_NOINLINE void move_element(tg_dtype dtype, void *v, int64_t to, const tg_tensor *from,
                                     int64_t i)
{
    const int64_t at = from->ndim ? i * from->strides[0] : 0;
    if (dtype == TG_I64 && from->dtype == TG_I64)
        ((int64_t *)v)[to] = ((const int64_t *)from->data)[at];
    else
        tg__store(dtype, v, to, tg__load(from->dtype, from->data, at));
}

void tg__exchange_vector(exchange *x, const char *name, tg_dtype dtype, int64_t n, void *v)
{
    if (x->phase == TELLING) {
        tg_tensor *t = tg__new_at(x->tg, tg__state_depth(x->state), dtype, 1, &n);
        if (t && n > 0) memcpy(t->data, v, (size_t)n * tg__dtype_size(dtype));
        if (t) tg__state_add(x->op, x->state, name, t);
        return;
    }
    const tg_tensor *from = given(x, name);
    if (!from) return;
    const bool fits = from->dtype == dtype || (dtype == TG_F64 && from->dtype == TG_F32);
    if (!fits || from->ndim != 1 || from->shape[0] != n)
        tg__exchange_note(x, WRONG, "%s is %s %s, not %s [%lld]", name, tg_dtype_name(from->dtype),
                          SHOW(from), tg_dtype_name(dtype), (long long)n);
    else if (x->phase == TAKING)
        for (int64_t i = 0; i < n; i++) move_element(dtype, v, i, from, i);
}

/* Reads the only element of a tensor as an element of the dtype into v, if it lies in the range. */
static void take_number(exchange *x, const char *name, const tg_tensor *from, tg_dtype dtype,
                        void *v, double least, double most)
{
    const double got = from->numel == 1 ? tg__load(from->dtype, from->data, 0) : NAN;
    const bool exact =
        from->dtype == dtype || dtype == TG_F64 || (got == floor(got) && fabs(got) <= 0x1p53);
    char number[32];
    if (from->numel != 1) {
        tg__exchange_note(x, WRONG, "%s is %s %s, not one number", name, tg_dtype_name(from->dtype),
                          SHOW(from));
    } else if (exact && got >= least && got <= most) {
        move_element(dtype, v, 0, from, 0);
    } else {
        snprintf(number, sizeof number, "%g", got);
        tg__use_point(number);
        tg__exchange_note(x, WRONG, "%s is %s, which is out of range", name, number);
    }
}

void tg__exchange_number(exchange *x, const char *name, tg_dtype dtype, void *v, double least,
                         double most)
{
    if (x->phase == TELLING) {
        tg_tensor *t = tg__new_at(x->tg, tg__state_depth(x->state), dtype, 0, NULL);
        if (t) memcpy(t->data, v, tg__dtype_size(dtype));
        if (t) tg__state_add(x->op, x->state, name, t);
        return;
    }
    const tg_tensor *from = given(x, name);
    if (from) take_number(x, name, from, dtype, v, least, most);
}

void tg__exchange_text(exchange *x, const char *key, const char *value)
{
    if (!value) return;
    if (x->phase == TELLING) tg_state_set_text(x->state, key, value);
    const char *text = tg_state_text(x->state, key);
    if (text && strcmp(text, value) != 0)
        tg__exchange_note(x, WRONG, "%s is %s, not %s", key, text, value);
}
