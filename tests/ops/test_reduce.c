/* Reductions that threads share by cutting their terms into parts: the values, and the same bits on
 * any number of threads and at any level. */
#include "each_level.h"

static const int thread_counts[] = {1, 2, 3, 7};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

/* Whole tensors are cut every SUM_PART elements, if there are two parts. */
static const int64_t sizes[] = {2 * SUM_PART - 1, 2 * SUM_PART, 2 * SUM_PART + 1,
                                3 * SUM_PART + 513};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Matrices of which threads share the rows, but for the last two. Rows of up to 32 columns are
 * summed side by side, and up to 512 columns are cut. */
static const int64_t matrices[][2] = {{43691, 3},  {13108, 10}, {4099, 32}, {4002, 33}, {2079, 64},
                                      {1033, 127}, {257, 512},  {256, 513}, {2, 70001}};
enum { MATRICES = sizeof matrices / sizeof *matrices };

/* ---- Extremes. */

/* Checks the extremes over one dimension, or over all of them if dim is negative, where output
 * `output` has its greatest value at the index `at`. */
static void check_greatest(tg_tensor *x, int dim, int64_t output, int64_t at, double value)
{
    const bool all = dim < 0;
    const tg_shape dims = all ? TG_SHAPE() : TG_DIMS(dim);
    tg_tensor *minus = tg_neg(x);
    const double most = element_of(tg_amax(x, dims, false), output);
    const double least = element_of(tg_amin(minus, dims, false), output);
    assert_true(isnan(value) ? isnan(most) : most == value && signbit(most) == signbit(value));
    assert_true(isnan(value) ? isnan(least) : least == -value);
    assert_true(isnan(value) || x->dtype == TG_I64 || signbit(least) != signbit(value));
    tg_tensor *places[] = {all ? tg_argmax(x) : tg_argmax_dim(x, dim, false),
                           all ? tg_argmin(minus) : tg_argmin_dim(minus, dim, false)};
    for (int i = 0; i < 2; i++) assert_true(element_of(places[i], output) == (double)at);
}

/* All elements of x are -1, but for one value at `first`, and another one at `last`, behind it
 * among the terms of the same output. */
static void check_first_of_two(tg_tensor *x, int dim, int64_t output, tg_shape first, tg_shape last,
                               int64_t at)
{
    static const double pairs[][2] = {{5, 5}, {0, -0.0}, {-0.0, 0}, {NAN, NAN}, {NAN, INFINITY}};
    const int floating = x->dtype == TG_I64 ? 1 : 5;
    for (int i = 0; i < floating; i++) {
        tg_scope_begin(x->context);
        assert_true(tg_set(x, last, pairs[i][1]) && tg_set(x, first, pairs[i][0]));
        check_greatest(x, dim, output, at, pairs[i][0]);
        assert_true(tg_set(x, last, -1) && tg_set(x, first, -1));
        tg_scope_end(x->context);
    }
}

static void test_the_first_extreme_of_a_whole_tensor_counts(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < SIZES * THREAD_COUNTS * 3; i++) {
        const int64_t n = sizes[i % SIZES], middle = 2 * SUM_PART - 2;
        const int64_t places[][2] = {{0, 1},        {SUM_PART - 1, SUM_PART},
                                     {SUM_PART, n}, {middle, middle + 1},
                                     {7, n - 1},    {n - 1, n}};
        static const tg_dtype dtypes[] = {TG_F32, TG_F64, TG_I64};
        assert_true(tg_set_num_threads(tg, thread_counts[i / SIZES % THREAD_COUNTS]));
        tg_scope_begin(tg);
        tg_tensor *x = tg_full(tg, dtypes[i / (SIZES * THREAD_COUNTS)], TG_SHAPE(n), -1);
        for (int k = 0; k < 6; k++) {
            const int64_t first = places[k][0], last = places[k][1] < n ? places[k][1] : first;
            check_first_of_two(x, -1, 0, TG_SHAPE(first), TG_SHAPE(last), first);
        }
        tg_scope_end(tg);
    }
}

static void test_the_first_extreme_of_a_column_counts(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < MATRICES * THREAD_COUNTS; i++) {
        const int64_t *shape = matrices[i % MATRICES], rows = shape[0], columns = shape[1];
        assert_true(tg_set_num_threads(tg, thread_counts[i / MATRICES]));
        tg_scope_begin(tg);
        tg_tensor *x = tg_full(tg, i % 2 ? TG_F32 : TG_F64, (tg_shape){2, shape}, -1);
        for (int64_t k = 0; k < 6; k++) { /* rows on both sides of a cut, for any size of parts */
            const int64_t last = k < 5 ? rows * k / 5 + 1 : rows - 1, j = columns * k / 6;
            if (last >= rows) continue;
            check_first_of_two(x, 0, j, TG_SHAPE(last - 1, j), TG_SHAPE(last, j), last - 1);
        }
        check_first_of_two(x, 1, 1, TG_SHAPE(1, 0), TG_SHAPE(1, columns - 1), 0);
        check_first_of_two(x, 1, 0, TG_SHAPE(0, columns - 2), TG_SHAPE(0, columns - 1),
                           columns - 2);
        tg_scope_end(tg);
    }
}

/* ---- Sums. */

static tg_tensor *whole_numbers(tg_context *tg, tg_dtype dtype, tg_shape shape, int64_t modulus)
{
    tg_tensor *x = tg_empty(tg, dtype, shape);
    for (int64_t i = 0; i < x->numel; i++) {
        const double value = (double)(i % modulus - modulus / 2);
        if (dtype == TG_F32)
            ((float *)x->data)[i] = (float)value;
        else
            ((double *)x->data)[i] = value;
    }
    return x;
}

static void test_dot_products_and_sums_of_whole_numbers_are_exact(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < SIZES * THREAD_COUNTS; i++) {
        const tg_dtype dtype = i % 2 ? TG_F32 : TG_F64;
        const int64_t n = sizes[i % SIZES];
        int64_t dot = 0;
        for (int64_t j = 0; j < n; j++) dot += (j % 7 - 3) * (j % 13 - 6);
        assert_true(tg_set_num_threads(tg, thread_counts[i / SIZES]));
        tg_scope_begin(tg);
        tg_tensor *x = whole_numbers(tg, dtype, TG_SHAPE(n), 7);
        tg_tensor *y = whole_numbers(tg, dtype, TG_SHAPE(n), 13);
        check_values(tg_dot(x, y), (double)dot);
        check_values(tg_matmul(tg_view(x, TG_SHAPE(1, n)), tg_view(y, TG_SHAPE(n, 1))),
                     (double)dot);
        tg_scope_end(tg);
    }
}

static void test_sums_of_columns_of_whole_numbers_are_exact(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < MATRICES * THREAD_COUNTS; i++) {
        const int64_t *shape = matrices[i % MATRICES];
        assert_true(tg_set_num_threads(tg, thread_counts[i / MATRICES]));
        tg_scope_begin(tg);
        tg_tensor *x = whole_numbers(tg, i % 2 ? TG_F32 : TG_F64, (tg_shape){2, shape}, 11);
        tg_tensor *sum = tg_sum_dims(x, TG_DIMS(0), false);
        tg_tensor *norm = tg_norm_dims(x, 2, TG_DIMS(0), false);
        for (int64_t j = 0; j < shape[1]; j++) {
            int64_t total = 0, squares = 0;
            for (int64_t at = j; at < x->numel; at += shape[1]) {
                total += at % 11 - 5;
                squares += (at % 11 - 5) * (at % 11 - 5);
            }
            assert_true(element_of(sum, j) == (double)total);
            const double root = sqrt((double)squares);
            assert_true(element_of(norm, j) == (x->dtype == TG_F32 ? (double)(float)root : root));
        }
        tg_scope_end(tg);
    }
}

/* Sums over the dimensions 0, 2 and 3, whose terms lie in runs. Their number in a run decides how
 * the runs are cut into groups of 16 and blocks of 512. */
static void test_sums_of_runs_are_those_of_one_row(void **state)
{
    tg_context *tg = *state;
    static const int64_t shapes[][4] = {
        {5, 3, 8, 8},   {3, 4, 5, 13},  {7, 2, 9, 15},  {2, 3, 23, 23},   {4, 3, 16, 32},
        {3, 2, 1, 511}, {3, 2, 1, 513}, {9, 5, 33, 31}, {2, 3, 200, 300}, {1000, 2, 3, 21}};
    for (int i = 0; i < 10 * THREAD_COUNTS; i++) {
        const tg_dtype dtype = i % 2 ? TG_F32 : TG_F64;
        const int64_t *shape = shapes[i % 10], plane = shape[2] * shape[3];
        assert_true(tg_set_num_threads(tg, thread_counts[i / 10]));
        tg_scope_begin(tg);
        tg_tensor *x = whole_numbers(tg, dtype, (tg_shape){4, shape}, 11);
        tg_tensor *sum = tg_sum_dims(x, TG_DIMS(0, 2, 3), false);
        for (int64_t c = 0; c < shape[1]; c++) {
            int64_t total = 0;
            for (int64_t j = 0; j < shape[0] * plane; j++)
                total += ((j / plane * shape[1] + c) * plane + j % plane) % 11 - 5;
            assert_true(element_of(sum, c) == (double)total);
        }
        x = tg_randn(tg, dtype, (tg_shape){4, shape});
        tg_tensor *rows = tg_reshape(tg_permute(x, TG_DIMS(1, 0, 2, 3)), TG_SHAPE(shape[1], -1));
        tg_tensor *expected = tg_sum_dims(rows, TG_DIMS(1), false);
        sum = tg_sum_dims(x, TG_DIMS(0, 2, 3), false);
        assert_memory_equal(sum->data, expected->data, (size_t)shape[1] * tg_dtype_size(dtype));
        tg_scope_end(tg);
    }
}

/* ---- The same bits. */

/* Reductions of random numbers, as one list. Columns of a matrix lie next to one another, or are
 * those of a wider matrix. */
static tg_tensor *reductions(tg_context *tg, tg_dtype dtype)
{
    enum { MOST = 9 * MATRICES + 2 * SIZES };
    tg_tensor *results[MOST];
    int count = 0;
    tg_manual_seed(tg, 5);
    for (int i = 0; i < SIZES; i++) {
        tg_tensor *x = tg_randn(tg, dtype, TG_SHAPE(sizes[i]));
        tg_tensor *y = tg_randn(tg, dtype, TG_SHAPE(sizes[i]));
        results[count++] = tg_dot(x, y);
        results[count++] = tg_amin(tg_mul(x, y), TG_SHAPE(), false);
    }
    for (int i = 0; i < MATRICES; i++) {
        tg_tensor *x = tg_randn(tg, dtype, (tg_shape){2, matrices[i]});
        for (int narrow = 0; narrow < 2; narrow++) {
            if (narrow) x = tg_narrow(x, 1, 1, matrices[i][1] - 2);
            results[count++] = tg_sum_dims(x, TG_DIMS(0), false);
            results[count++] = tg_sum_dims(x, TG_DIMS(1), false);
            results[count++] = tg_norm_dims(x, 2, TG_DIMS(0), false);
            results[count++] = tg_amax(x, TG_DIMS(0), false);
        }
        results[count++] = tg_cast(tg_argmin_dim(x, 0, false), dtype);
    }
    assert_int_equal(count, MOST);
    for (int i = 0; i < MOST; i++) results[i] = tg_flatten(results[i], 0, -1);
    return tg_cat((tg_list){MOST, results}, 0);
}

static void check_bits_at(int level)
{
    tg_context *tg = tg_open(NULL), *other = open_at(tg__level_name(level));
    for (tg_dtype dtype = TG_F32; dtype <= TG_F64; dtype++) {
        tg_tensor *expected = reductions(tg, dtype);
        for (int i = 0; i < THREAD_COUNTS; i++) {
            tg_scope_begin(other);
            assert_true(tg_set_num_threads(other, thread_counts[i]));
            tg_tensor *found = reductions(other, dtype);
            assert_non_null(found);
            assert_int_equal(found->numel, expected->numel);
            assert_memory_equal(found->data, expected->data,
                                (size_t)found->numel * tg_dtype_size(dtype));
            tg_scope_end(other);
        }
    }
    tg_close(other);
    tg_close(tg);
}

static void test_reductions_have_the_same_bits_on_any_number_of_threads(void **state)
{
    (void)state;
    each_level(check_bits_at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_extreme_of_a_whole_tensor_counts),
        cmocka_unit_test(test_the_first_extreme_of_a_column_counts),
        cmocka_unit_test(test_dot_products_and_sums_of_whole_numbers_are_exact),
        cmocka_unit_test(test_sums_of_columns_of_whole_numbers_are_exact),
        cmocka_unit_test(test_sums_of_runs_are_those_of_one_row),
        cmocka_unit_test(test_reductions_have_the_same_bits_on_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
