/* Reads the states that golden/states.py has written, and compares states. */
#ifndef TEST_STATES_H
#define TEST_STATES_H

#include "check.h"

static inline tg_dtype dtype_named(const char *name)
{
    static const char *const names[] = {
        [TG_F32] = "f32", [TG_F64] = "f64", [TG_I64] = "i64", [TG_BOOL] = "bool"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(names[i], name)) return (tg_dtype)i;
    fail_msg("there is no dtype %s", name);
    return TG_F32;
}

/* The tensor that the text describes: its sizes, and then its elements. */
static inline tg_tensor *parse_tensor(tg_context *tg, tg_dtype dtype, char *text)
{
    int64_t shape[TG_MAX_DIMS], index[TG_MAX_DIMS];
    int ndim = 0;
    char *at = text;
    for (; *at != ' ' && *at != '-'; at += *at == ',') shape[ndim++] = strtoll(at, &at, 10);
    tg_tensor *t = tg_empty(tg, dtype, (tg_shape){ndim, shape});
    at = strchr(at, ' ');
    for (int64_t i = 0; i < t->numel; i++) {
        for (int64_t d = ndim - 1, rest = i; d >= 0; rest /= shape[d--]) index[d] = rest % shape[d];
        if (dtype == TG_I64)
            tg_set_i64(t, (tg_shape){ndim, index}, strtoll(at, &at, 10));
        else
            tg_set(t, (tg_shape){ndim, index}, strtod(at, &at));
    }
    return t;
}

/* The state of that label in states_golden.txt. */
static inline tg_state *golden_state(tg_context *tg, const char *label)
{
    static char line[1 << 16];
    char name[128], dtype[16];
    bool inside = false;
    int end;
    FILE *file = fopen(TEST_ROOT "/tests/golden/states_golden.txt", "r");
    assert_non_null(file);
    tg_state *s = tg_state_new(tg);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "list ", 5)) {
            inside = !strcmp(line + 5, label);
        } else if (inside) {
            assert_int_equal(sscanf(line, "%127s %15s %n", name, dtype, &end), 2);
            if (strcmp(dtype, "text") == 0)
                tg_state_set_text(s, name, line + end);
            else
                tg_state_add(s, name, parse_tensor(tg, dtype_named(dtype), line + end));
        }
    }
    fclose(file);
    check_ok(tg);
    if (s->n == 0) fail_msg("there is no state %s", label);
    return s;
}

/* Whether two tensors have the same dtype, shape and bits. */
static inline bool same_bits(const tg_tensor *a, const tg_tensor *b)
{
    const size_t bytes = (size_t)a->numel * tg_dtype_size(a->dtype);
    if (a->dtype != b->dtype || a->ndim != b->ndim) return false;
    for (int d = 0; d < a->ndim; d++)
        if (a->shape[d] != b->shape[d]) return false;
    void *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    assert_true(x && y && tg_copy_to(a, x, bytes) && tg_copy_to(b, y, bytes));
    const bool same = !memcmp(x, y, bytes);
    free(x);
    free(y);
    return same;
}

/* Fails unless the states have the same names in the same order, with the same bits. */
static inline void check_same_states(const tg_state *a, const tg_state *b)
{
    assert_int_equal(a->n, b->n);
    for (int64_t i = 0; i < a->n; i++) {
        assert_string_equal(a->items[i].name, b->items[i].name);
        if (!same_bits(a->items[i].tensor, b->items[i].tensor))
            fail_msg("%s differs", a->items[i].name);
    }
}

#endif
