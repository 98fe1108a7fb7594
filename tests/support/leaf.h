/* What tests of gradients share: float64 tensors from a list of values, and a comparison. */
#ifndef TEST_LEAF_H
#define TEST_LEAF_H

#include "check.h"

/* leaf(tg, ...) is a tensor of these values that requires grad, and constant(tg, ...) one that does
 * not. */
static inline tg_tensor *leaf_of(tg_context *tg, tg_shape shape, const double *values)
{
    return tg_requires_grad_(tg_from_f64(tg, shape, values), true);
}
#define leaf(tg, ...)                                                                              \
    leaf_of(tg, TG_SHAPE(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})
#define constant(tg, ...)                                                                          \
    tg_from_f64(tg, TG_SHAPE(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),                    \
                (double[]){__VA_ARGS__})

/* check_near compares values by their relative difference. NEAR allows for a few dozen
 * roundings. */
#define NEAR 1e-14
#define check_near(t, ...)                                                                         \
    check_near_at(t, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__},    \
                  __FILE__, __LINE__)

static inline void check_near_at(const tg_tensor *t, size_t n, const double *values,
                                 const char *file, int line)
{
    _assert_true(t != NULL, "a tensor", file, line);
    _assert_int_equal((uint64_t)t->numel, n, file, line);
    for (int64_t i = 0; i < t->numel; i++) {
        double value = element_of(t, i);
        if (fabs(value - values[i]) <= NEAR * fabs(values[i])) continue;
        print_error("element %lld is %.17g, not %.17g\n", (long long)i, value, values[i]);
        _fail(file, line);
    }
}

#endif
