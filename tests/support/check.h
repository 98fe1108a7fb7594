/* What all tests share: cmocka with the headers that it needs, and checks of errors and tensors. */
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

/* Setup and teardown of a test or a group: *state is a context. The teardown fails if an error is
 * pending in it. */
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

/* Checks that an error with this code and exactly this message is pending, and clears it. */
#define check_error(tg, code, text)                                                                \
    do {                                                                                           \
        assert_string_equal(tg_error(tg), text);                                                   \
        assert_int_equal(tg_error_code(tg), code);                                                 \
        tg_clear_error(tg);                                                                        \
    } while (0)

#define check_ok(tg) assert_string_equal(tg_error(tg), "")

/* Checks that the elements of t are equal to these, in row-major order. */
#define check_values(t, ...)                                                                       \
    check_values_at(t, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__},  \
                    __FILE__, __LINE__)

static inline tg_tensor *zero_of(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return tg_scalar(inputs.items[0]->context, TG_F64, 0);
}

/* Releases t while a record on the tape refers to it. Its memory is then not given to another
 * tensor, and a later use of t must be reported as an error of the library, not by a sanitizer. */
static inline void release_noticed(tg_tensor *t)
{
    static const tg_autograd_function zero = {"zero", zero_of, NULL};
    const bool floating = t->dtype == TG_F32 || t->dtype == TG_F64;
    tg_tensor *one = tg_scalar(t->context, floating ? t->dtype : TG_F64, 1);
    tg_requires_grad_(one, true);
    if (floating)
        tg_add(t, one); /* the gradient of add needs no values of t; that of tg_apply may */
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
