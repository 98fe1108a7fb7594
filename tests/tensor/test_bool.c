/* bool tensors in memory that holds other bytes than 0 and 1, as another program may have written
 * it: every byte but 0 is true. */
#include "check.h"

enum { ROWS = 3, COLUMNS = 5, N = ROWS * COLUMNS };

static const uint8_t bytes[N] = {0, 1, 2, 255, 0, 128, 0, 64, 1, 3, 254, 0, 0, 127, 16};

/* A bool tensor whose memory holds other bytes than 0 and 1. */
static tg_tensor *of_bytes(tg_context *tg)
{
    tg_tensor *t = tg_empty(tg, TG_BOOL, TG_SHAPE(ROWS, COLUMNS));
    memcpy(t->data, bytes, N);
    return t;
}

static tg_tensor *of_truths(tg_context *tg)
{
    bool truths[N];
    for (int i = 0; i < N; i++) truths[i] = bytes[i] != 0;
    return tg_from_bool(tg, TG_SHAPE(ROWS, COLUMNS), truths);
}

/* The calls that are compared. t (ROWS, COLUMNS), or its transpose, holds any bytes, and o holds 0
 * and 1. */
#define CALLS                                                                                      \
    CALL(clone, tg_clone(t))                                                                       \
    CALL(to_f32, tg_cast(t, TG_F32))                                                               \
    CALL(to_f64, tg_cast(t, TG_F64))                                                               \
    CALL(to_i64, tg_cast(t, TG_I64))                                                               \
    CALL(eq, tg_eq(t, o))                                                                          \
    CALL(ne, tg_ne(o, t))                                                                          \
    CALL(lt, tg_lt(t, o))                                                                          \
    CALL(le, tg_le(o, t))                                                                          \
    CALL(gt, tg_gt(t, o))                                                                          \
    CALL(ge, tg_ge(t, t))                                                                          \
    CALL(eq_itself, tg_eq(t, tg_flip(t, TG_DIMS(0))))                                              \
    CALL(eq_scalar, tg_eq_scalar(t, 1))                                                            \
    CALL(ne_scalar, tg_ne_scalar(t, 1))                                                            \
    CALL(lt_scalar, tg_lt_scalar(t, 1))                                                            \
    CALL(ge_scalar, tg_ge_scalar(t, 1))                                                            \
    CALL(logical_and, tg_logical_and(t, o))                                                        \
    CALL(logical_or, tg_logical_or(t, o))                                                          \
    CALL(logical_xor, tg_logical_xor(t, o))                                                        \
    CALL(logical_not, tg_logical_not(t))                                                           \
    CALL(isnan, tg_isnan(t))                                                                       \
    CALL(where, tg_where(t, tg_full_like(ramp, 7), ramp))                                          \
    CALL(where_of_bools, tg_where(o, t, tg_logical_not(t)))                                        \
    CALL(masked_fill, tg_masked_fill(ramp, t, -1))                                                 \
    CALL(masked_select, tg_masked_select(ramp, t))                                                 \
    CALL(nonzero, tg_nonzero(t))                                                                   \
    CALL(sum, tg_sum(t))                                                                           \
    CALL(sum_of_rows, tg_sum_dims(t, TG_DIMS(1), false))                                           \
    CALL(sum_of_columns, tg_sum_dims(t, TG_DIMS(0), false))                                        \
    CALL(prod, tg_prod_dim(t, 0, false))                                                           \
    CALL(cumsum, tg_cumsum(t, 1))                                                                  \
    CALL(any, tg_any_dim(t, 0, false))                                                             \
    CALL(all, tg_all_dim(t, 1, false))                                                             \
    CALL(max, tg_max(t))                                                                           \
    CALL(min_dim, tg_min_dim(t, 0, false))                                                         \
    CALL(argmax, tg_argmax_dim(t, 1, false))                                                       \
    CALL(argmin, tg_argmin_dim(t, 0, false))                                                       \
    CALL(sort, tg_sort(t, 1))                                                                      \
    CALL(argsort, tg_sort_indexed(t, 1, true, true).indices)                                       \
    CALL(topk, tg_topk(t, 2, 1, true, true).values)                                                \
    CALL(cat, tg_cat(TG_LIST(t, o), 0))                                                            \
    CALL(repeat, tg_repeat(t, TG_SHAPE(2, 1)))                                                     \
    CALL(pad, tg_pad(t, TG_SHAPE(1, 1), 1))

typedef tg_tensor *bool_call(tg_tensor *t, tg_tensor *o, tg_tensor *ramp);

#define CALL(name, call)                                                                           \
    static tg_tensor *bool_##name(tg_tensor *t, tg_tensor *o, tg_tensor *ramp)                     \
    {                                                                                              \
        (void)o, (void)ramp;                                                                       \
        return call;                                                                               \
    }
CALLS
#undef CALL

static const struct {
    const char *name;
    bool_call *call;
} calls[] = {
#define CALL(name, call) {#name, bool_##name},
    CALLS
#undef CALL
};

static void check_same(const char *name, const tg_tensor *a, const tg_tensor *b)
{
    assert_true(a && b && a->dtype == b->dtype && a->numel == b->numel);
    for (int64_t i = 0; i < a->numel; i++)
        if (element_of(a, i) != element_of(b, i)) fail_msg("%s: element %d", name, (int)i);
}

static void test_every_byte_but_0_is_true(void **state)
{
    tg_context *tg = *state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int turned = 0; turned < 2; turned++) {
            tg_tensor *t = of_bytes(tg), *truths = of_truths(tg);
            if (turned) t = tg_t(t), truths = tg_t(truths);
            tg_tensor *other = tg_flip(truths, TG_DIMS(1));
            tg_tensor *ramp = tg_view(tg_arange(tg, TG_F32, 0, N, 1),
                                      (tg_shape){2, (int64_t[]){t->shape[0], t->shape[1]}});
            check_same(calls[i].name, calls[i].call(t, other, ramp),
                       calls[i].call(truths, other, ramp));
            check_ok(tg);
        }
}

static void test_bytes_are_read_as_truths(void **state)
{
    tg_context *tg = *state;
    uint8_t memory[N];
    bool out[N], untyped[N];
    char text[400], expected[400];
    memcpy(memory, bytes, N);
    tg_tensor *t = tg_wrap_bool(tg, TG_SHAPE(ROWS, COLUMNS), TG_CONTIGUOUS, (bool *)(void *)memory);
    assert_true(tg_copy_to_bool(t, out) && tg_copy_to(t, untyped, sizeof untyped));
    for (int i = 0; i < N; i++) {
        const double truth = bytes[i] != 0;
        const uint8_t *byte = (const uint8_t *)out + i, *other = (const uint8_t *)untyped + i;
        assert_true(*byte == truth && *other == truth);
        assert_true(tg_get(t, TG_INDEX(i / COLUMNS, i % COLUMNS)) == truth);
        assert_true((double)tg_get_i64(t, TG_INDEX(i / COLUMNS, i % COLUMNS)) == truth);
        assert_true(tg_item(tg_select(tg_flatten(t, 0, -1), 0, i)) == truth);
    }
    assert_true(tg_snprint(text, sizeof text, t) ==
                tg_snprint(expected, sizeof expected, of_truths(tg)));
    assert_string_equal(text, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_but_0_is_true),
        cmocka_unit_test(test_bytes_are_read_as_truths),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
