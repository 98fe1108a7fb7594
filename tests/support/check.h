/* What the tests share: cmocka with all it needs, and checks in the library's own terms. */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tinygrad.h>

/* Setup and teardown of a test or of a group: a context, without an error at its end. */
static inline int open_context(void **state)
{
    *state = tg_open(NULL);
    return *state ? 0 : -1;
}

static inline int close_context(void **state)
{
    bool ok = tg_ok(*state);
    if (!ok) print_error("left behind: %s\n", tg_error(*state));
    tg_close(*state);
    return ok ? 0 : -1;
}

static inline tg_context *open_at(const char *level)
{
    tg_options o = tg_defaults();
    o.simd_level = level;
    return tg_open(&o);
}

/* The error that is pending is this one, to the letter; it is forgotten. */
#define check_error(tg, code, text)                                                                \
    do {                                                                                           \
        assert_string_equal(tg_error(tg), text);                                                   \
        assert_int_equal(tg_error_code(tg), code);                                                 \
        tg_clear_error(tg);                                                                        \
    } while (0)

#define check_ok(tg) assert_string_equal(tg_error(tg), "")

/* The elements of t, row-major, are these. */
#define check_values(t, ...)                                                                       \
    check_values_at(t, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__},  \
                    __FILE__, __LINE__)

static inline tg_tensor *zero_of(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return tg_scalar(inputs.items[0]->context, TG_F64, 0);
}

/* Releases t. A record refers to it, so that its place is not taken, and a use of it is an error,
 * and none of the sanitizer's. */
static inline void release_noticed(tg_tensor *t)
{
    static const tg_autograd_function zero = {"zero", zero_of, NULL};
    const bool floating = t->dtype == TG_F32 || t->dtype == TG_F64;
    tg_tensor *one = tg_scalar(t->context, floating ? t->dtype : TG_F64, 1);
    tg_requires_grad_(one, true);
    if (floating)
        tg_add(t, one); /* which needs no values of t, unlike a function of one's own */
    else
        tg_apply(&zero, TG_LIST(one, t), NULL, 0);
    tg_release(t);
}

static inline double element_of(const tg_tensor *t, int64_t number)
{
    int64_t index[TG_MAX_DIMS];
    for (int d = t->ndim - 1; d >= 0; d--) {
        index[d] = number % t->shape[d];
        number /= t->shape[d];
    }
    return tg_get(t, (tg_shape){t->ndim, index});
}

static inline void check_values_at(const tg_tensor *t, size_t n, const double *values,
                                   const char *file, int line)
{
    _assert_true(t != NULL, "a tensor", file, line);
    _assert_int_equal((uint64_t)t->numel, n, file, line);
    for (int64_t i = 0; i < t->numel; i++) {
        double value = element_of(t, i);
        if (value == values[i] || (isnan(value) && isnan(values[i]))) continue;
        print_error("element %lld is %.17g, not %.17g\n", (long long)i, value, values[i]);
        _fail(file, line);
    }
}

#endif
