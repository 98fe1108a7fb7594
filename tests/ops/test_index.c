/* scatter_add, and gradients of elements that are taken many times: the accuracy of sums of many
 * terms, and infinities, NaN and -0 in them. gather and scatter_add in every layout. */
#include "exact_sum.h"

/* ---- Sums of many float64 terms in one element. With n terms, the error is at most u + (n u)^2
 * relative to the sum of absolute values, and (n u)^2 is below a thousandth of u here. */

enum { TAKEN = 100000 };

static void test_scatter_add_of_many_terms_into_one_element(void **state)
{
    tg_context *tg = *state;
    for (int kind = 0; kind < KINDS_OF_TERMS; kind++) {
        tg_tensor *source = terms_of(tg, kind, TG_SHAPE(TAKEN)),
                  *a = tg_full(tg, TG_F64, TG_SHAPE(3), 7);
        tg_tensor *index = tg_expand(tg_ones(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(TAKEN));
        tg_tensor *sums = tg_scatter_add(a, 0, index, source);
        exact_sum exact = {0, 0, 0};
        add_exactly(&exact, 7, 1);
        for (int64_t i = 0; i < TAKEN; i++) add_exactly(&exact, element_of(source, i), 1);
        check_sum(element_of(sums, 1), exact, unit_of(TG_F64), 1.001);
        check_values(tg_narrow(sums, 0, 2, 1), 7);
    }
}

/* Checks the gradient of x[0], which y takes TAKEN times; each of these elements has gradient 0.1.
 */
static void check_gradient(tg_tensor *x, tg_tensor *y)
{
    assert_true(tg_backward_with(y, tg_full_like(y, 0.1)));
    check_sum(element_of(x->grad, 0), n_times(TAKEN, 0.1), unit_of(TG_F64), 1.001);
}

static void test_gradients_of_an_element_that_is_taken_many_times(void **state)
{
    tg_context *tg = *state;
    tg_tensor *index = tg_expand(tg_zeros(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(TAKEN));
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2)), true);
    check_gradient(x, tg_gather(x, 0, index));
    x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2)), true);
    check_gradient(x, tg_index_select(x, 0, index));
    x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(2, 3)), true);
    check_gradient(x, tg_embedding(index, x, TG_NO_INDEX));
}

static void test_scatter_add_of_infinities_and_nan(void **state)
{
    tg_context *tg = *state;
    const double terms[] = {INFINITY, 1, INFINITY, -INFINITY, NAN, 1, 1.7e308, 1.7e308,
                            INFINITY, 1, 1,        1,         1,   1, 1,       1};
    const int64_t at[] = {0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3};
    tg_tensor *source = tg_from_f64(tg, TG_SHAPE(16), terms);
    tg_tensor *index = tg_from_i64(tg, TG_SHAPE(16), at);
    check_values(tg_scatter_add(tg_zeros(tg, TG_F64, TG_SHAPE(4)), 0, index, source), INFINITY, NAN,
                 NAN, INFINITY);
}

/* As in PyTorch, an element that is -0 stays -0, whether nothing or only -0 is added to it. */
static void test_scatter_add_of_negative_zeros_keeps_their_sign(void **state)
{
    tg_context *tg = *state;
    tg_tensor *index = tg_expand(tg_ones(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(16));
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        tg_tensor *a = tg_full(tg, d, TG_SHAPE(2), -0.0);
        tg_tensor *sums = tg_scatter_add(a, 0, index, tg_full(tg, d, TG_SHAPE(16), -0.0));
        check_values(tg_reciprocal(sums), -INFINITY, -INFINITY);
    }
}

/* ---- Sums of many float32 terms in one element. Plain additions in float32 stop at 2^24, where
 * adding 1 changes nothing. */

/* The float nearest to the exact sum of so many terms, each of which is the float 0.1. */
static double tenths(double terms)
{
    return (double)(float)(terms * (double)0.1f);
}

/* An index of n zeros, which takes element 0 n times. */
static tg_tensor *places(tg_context *tg, int64_t n)
{
    return tg_expand(tg_zeros(tg, TG_I64, TG_SHAPE(1)), TG_SHAPE(n));
}

static void test_scatter_add_passes_2_to_the_24(void **state)
{
    tg_context *tg = *state;
    const int64_t n = (1 << 24) + 1024;
    tg_tensor *a = tg_zeros(tg, TG_F32, TG_SHAPE(3));
    tg_tensor *terms = tg_expand(tg_ones(tg, TG_F32, TG_SHAPE(1)), TG_SHAPE(n));
    check_values(tg_scatter_add(a, 0, places(tg, n), terms), (double)n, 0, 0);
}

/* Returns element 0 of the gradient of x, where each element of y has the gradient 0.1. */
static double gradient_of(tg_tensor *x, tg_tensor *y)
{
    tg_tensor *weight = tg_full_like(y, 0.1);
    assert_true(tg_backward_with(y, weight));
    check_ok(x->context);
    return tg_get(x->grad, (tg_shape){x->ndim, (int64_t[]){0, 0}});
}

static void test_float32_gradients_of_an_element_that_is_taken_many_times(void **state)
{
    tg_context *tg = *state;
    enum { TERMS = 100000 };
    tg_tensor *index = places(tg, TERMS);
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(gradient_of(x, tg_gather(x, 0, index)) == tenths(TERMS));
    x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_true(gradient_of(x, tg_index_select(x, 0, index)) == tenths(TERMS));
    x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2, 3)), true);
    assert_true(gradient_of(x, tg_embedding(index, x, TG_NO_INDEX)) == tenths(TERMS));
}

static void test_scatter_add_adds_to_the_values_that_are_there(void **state)
{
    tg_context *tg = *state;
    const float start[] = {0.25f, -3, 7};
    const int64_t at[] = {0, 2, 2, 0, 2, 2, 2, 2, 0, 0, 2, 2};
    tg_tensor *a = tg_from_f32(tg, TG_SHAPE(3), start), *index = tg_from_i64(tg, TG_SHAPE(12), at);
    check_values(tg_scatter_add(a, 0, index, tg_full(tg, TG_F32, TG_SHAPE(12), 0.5)), 2.25, -3, 11);
}

/* ---- Every layout: gather and scatter_add against loops over single elements. The numbers are
 * small integers, which every dtype adds exactly. */

static uint64_t random_state = 1;

static int64_t below(int64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(random_state >> 33) % n;
}

/* A tensor of this shape whose elements lie in memory in one of several orders: row-major, with its
 * dimensions reversed, with gaps, or with one element for all places of its last dimension. */
static tg_tensor *laid_out(tg_context *tg, tg_dtype dtype, int ndim, const int64_t *shape,
                           int64_t most, int layout)
{
    int64_t sizes[3], axes[3];
    for (int d = 0; d < ndim; d++) {
        sizes[d] = layout == 1 ? shape[ndim - 1 - d] : shape[d];
        axes[d] = ndim - 1 - d;
    }
    if (layout == 2 && ndim) sizes[ndim - 1] *= 2;
    if (layout == 3 && ndim) sizes[ndim - 1] = 1;
    tg_tensor *whole = tg_empty(tg, TG_I64, (tg_shape){ndim, sizes});
    for (int64_t i = 0; i < whole->numel; i++) ((int64_t *)whole->data)[i] = below(most);
    whole = tg_cast(whole, dtype);
    if (layout == 1) return tg_permute(whole, (tg_shape){ndim, axes});
    if (layout == 2 && ndim) return tg_slice(whole, ndim - 1, 0, sizes[ndim - 1], 2);
    return tg_expand(whole, (tg_shape){ndim, shape});
}

/* Checks gather and scatter_add along dim. The number of an element is its place in row-major
 * order. */
static void check_chosen(tg_tensor *a, tg_tensor *index, tg_tensor *source, int dim)
{
    tg_tensor *picked = tg_gather(a, dim, index);
    tg_tensor *sums = a->dtype == TG_BOOL ? NULL : tg_scatter_add(a, dim, index, source);
    double *expected = malloc((size_t)a->numel * sizeof *expected + 1);
    for (int64_t i = 0; i < a->numel; i++) expected[i] = element_of(a, i);
    for (int64_t i = 0; i < index->numel; i++) {
        int64_t at[3] = {0}, rest = i, number = 0;
        for (int d = index->ndim - 1; d >= 0; d--) {
            at[d] = rest % index->shape[d];
            rest /= index->shape[d];
        }
        at[dim] = (int64_t)element_of(index, i);
        for (int d = 0; d < a->ndim; d++) number = number * a->shape[d] + at[d];
        assert_true(element_of(picked, i) == element_of(a, number));
        expected[number] += element_of(source, i);
    }
    for (int64_t i = 0; sums && i < a->numel; i++) assert_true(element_of(sums, i) == expected[i]);
    free(expected);
}

static void test_gather_and_scatter_add_in_every_layout(void **state)
{
    tg_context *tg = *state;
    static const int64_t sizes[] = {1, 3, 18, 0};
    for (int round = 0; round < 600; round++) {
        tg_scope_begin(tg);
        const tg_dtype dtype = (tg_dtype)(round % 4);
        const int ndim = (int)below(4), dim = ndim ? (int)below(ndim) : 0;
        int64_t shape[3] = {0}, chosen[3] = {0};
        for (int d = 0; d < ndim; d++) {
            shape[d] = sizes[below(round % 16 ? 3 : 4)];
            chosen[d] = d == dim ? sizes[below(4)] : shape[d] ? below(shape[d] + 1) : 0;
        }
        if (ndim && shape[dim] == 0) chosen[dim] = 0;
        const int64_t most = ndim && shape[dim] > 0 ? shape[dim] : 1;
        tg_tensor *index = laid_out(tg, TG_I64, ndim, chosen, most, (int)below(4));
        tg_tensor *source = laid_out(tg, dtype, ndim, chosen, 9, (int)below(4));
        check_chosen(laid_out(tg, dtype, ndim, shape, 9, (int)below(3)), index, source, dim);
        check_ok(tg);
        tg_scope_end(tg);
    }
}

/* Of several bad indices the message names the first in row-major order. */
static void test_the_first_bad_index_is_named(void **state)
{
    tg_context *tg = *state;
    const int64_t at[] = {0, 1, 1, -7, 0, 9, 8, 0};
    tg_tensor *a = tg_zeros(tg, TG_F32, TG_SHAPE(2, 4));
    tg_tensor *index = tg_from_i64(tg, TG_SHAPE(2, 4), at);
    assert_null(tg_gather(a, 0, index));
    check_error(tg, TG_ERR_INDEX, "gather: index -7 is out of range for dimension 0 of [2, 4]");
    assert_null(tg_gather(a, 0, tg_narrow(index, 1, 1, 1)));
    check_error(tg, TG_ERR_INDEX, "gather: index 9 is out of range for dimension 0 of [2, 4]");
    assert_null(tg_gather(tg_t(a), 1, tg_t(index)));
    check_error(tg, TG_ERR_INDEX, "gather: index 9 is out of range for dimension 1 of [4, 2]");
    assert_null(tg_scatter_add(a, 0, index, a));
    check_error(tg, TG_ERR_INDEX,
                "scatter_add: index -7 is out of range for dimension 0 of [2, 4]");
    tg_tensor *row = tg_expand(tg_from_i64(tg, TG_SHAPE(1, 1), &at[6]), TG_SHAPE(1, 4));
    assert_null(tg_scatter_add(a, 0, row, a));
    check_error(tg, TG_ERR_INDEX, "scatter_add: index 8 is out of range for dimension 0 of [2, 4]");
    assert_null(tg_index_select(a, 1, tg_select(index, 0, 1)));
    check_error(tg, TG_ERR_INDEX,
                "index_select: index 9 is out of range for dimension 1 of [2, 4]");
}

static void test_the_first_bad_index_is_named_on_several_threads(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_zeros(tg, TG_F32, TG_SHAPE(700, 600));
    tg_tensor *index = tg_zeros(tg, TG_I64, TG_SHAPE(700, 600));
    for (int64_t row = 650; row >= 200; row -= 50)
        tg_set(index, TG_SHAPE(row, 599), (double)(1000 + row));
    assert_true(tg_set_num_threads(tg, 3));
    assert_null(tg_gather(a, 1, index));
    check_error(tg, TG_ERR_INDEX,
                "gather: index 1200 is out of range for dimension 1 of [700, 600]");
    assert_null(tg_scatter_add(a, 1, index, a));
    check_error(tg, TG_ERR_INDEX,
                "scatter_add: index 1200 is out of range for dimension 1 of [700, 600]");
    assert_true(tg_set_num_threads(tg, 1));
}

/* nonzero and masked_select, against a loop over the elements. Lines of more than 512 elements are
 * searched in parts. */
static void test_elements_that_are_true_in_every_layout(void **state)
{
    tg_context *tg = *state;
    static const int64_t lines[] = {1, 3, 511, 512, 513, 1200};
    for (int round = 0; round < 48; round++) {
        tg_scope_begin(tg);
        const int64_t shape[] = {below(3) + 1, below(4) + 1, lines[round % 6]};
        const int ndim = round / 6 % 3 + 1;
        tg_tensor *t = laid_out(tg, TG_F32, ndim, shape + 3 - ndim, round % 5 + 1, round % 4);
        tg_tensor *places = tg_nonzero(t), *chosen = tg_masked_select(t, tg_ne_scalar(t, 0));
        int64_t found = 0;
        for (int64_t i = 0; i < t->numel; i++) {
            if (element_of(t, i) == 0) continue;
            assert_true(found < chosen->numel && element_of(chosen, found) == element_of(t, i));
            int64_t rest = i;
            for (int d = ndim - 1; d >= 0; d--) {
                assert_true(element_of(places, found * ndim + d) == (double)(rest % t->shape[d]));
                rest /= t->shape[d];
            }
            found++;
        }
        assert_int_equal(found, chosen->numel);
        assert_int_equal(found, places->shape[0]);
        check_ok(tg);
        tg_scope_end(tg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scatter_add_of_many_terms_into_one_element),
        cmocka_unit_test(test_gradients_of_an_element_that_is_taken_many_times),
        cmocka_unit_test(test_scatter_add_of_infinities_and_nan),
        cmocka_unit_test(test_scatter_add_of_negative_zeros_keeps_their_sign),
        cmocka_unit_test(test_scatter_add_passes_2_to_the_24),
        cmocka_unit_test(test_float32_gradients_of_an_element_that_is_taken_many_times),
        cmocka_unit_test(test_scatter_add_adds_to_the_values_that_are_there),
        cmocka_unit_test(test_gather_and_scatter_add_in_every_layout),
        cmocka_unit_test(test_the_first_bad_index_is_named),
        cmocka_unit_test(test_the_first_bad_index_is_named_on_several_threads),
        cmocka_unit_test(test_elements_that_are_true_in_every_layout),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
