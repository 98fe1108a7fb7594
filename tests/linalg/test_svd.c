/* Singular values and eigenvalues: accuracy, matrices without full rank, and gradients where values
 * are equal. test_linalg_golden compares with PyTorch. */
#include "each_level.h"
#include "guarded.h"
#include "leaf.h"

static double largest(tg_tensor *t)
{
    return tg_item(tg_max(tg_abs(t)));
}

/* How far the columns of q are from orthonormal. */
static double distance_from_orthonormal(tg_tensor *q)
{
    const int64_t n = q->shape[q->ndim - 1];
    tg_tensor *product = tg_matmul(tg_transpose(q, -2, -1), q);
    return largest(tg_sub(product, tg_eye(q->context, q->dtype, n, n)));
}

/* The factors are orthonormal, the values descend, and the product is a, to `error` times the
 * largest value. */
static void check_svd(tg_tensor *a, double error)
{
    const tg_svd_factors f = tg_svd(a);
    check_ok(a->context);
    const int64_t k = f.s->shape[f.s->ndim - 1];
    assert_true(distance_from_orthonormal(f.u) < error);
    assert_true(distance_from_orthonormal(tg_transpose(f.vh, -2, -1)) < error);
    tg_tensor *falls = tg_sub(tg_narrow(f.s, -1, 0, k - 1), tg_narrow(f.s, -1, 1, k - 1));
    assert_true(tg_item(tg_min(f.s)) >= 0 && (k == 1 || tg_item(tg_min(falls)) >= 0));
    tg_tensor *product = tg_matmul(tg_mul(f.u, tg_unsqueeze(f.s, -2)), f.vh);
    assert_true(largest(tg_sub(product, a)) <= error * largest(f.s));
}

/* Tall, wide, of many blocks of rows, in a batch, and transposed in memory. */
static void test_singular_vectors(void **state)
{
    tg_context *tg = *state;
    const int64_t sizes[][2] = {{1, 1}, {1, 7}, {3000, 3}, {3, 700}, {60, 40}, {33, 33}, {20, 50}};
    tg_manual_seed(tg, 4);
    for (int i = 0; i < 7; i++) {
        tg_tensor *a = tg_randn(tg, TG_F64, TG_SHAPE(2, sizes[i][0], sizes[i][1]));
        check_svd(a, 2e-14);
        check_svd(tg_transpose(a, 1, 2), 2e-14);
        check_svd(tg_cast(a, TG_F32), 1e-5);
    }
    check_svd(tg_reshape(tg_randn(tg, TG_F64, TG_SHAPE(12)), TG_SHAPE(1, 1, 1, 1, 1, 2, 2, 3)),
              2e-14);
}

/* Where a value is 0, a matrix says nothing of its vectors, which are orthonormal all the same. */
static void test_singular_vectors_without_full_rank(void **state)
{
    tg_context *tg = *state;
    check_svd(tg_zeros(tg, TG_F64, TG_SHAPE(4, 3)), 1e-15);
    check_svd(tg_ones(tg, TG_F64, TG_SHAPE(5, 4)), 1e-14);
    check_svd(tg_ones(tg, TG_F64, TG_SHAPE(3, 6)), 1e-14);
    tg_tensor *a = tg_zeros(tg, TG_F64, TG_SHAPE(4, 4));
    tg_set(a, TG_INDEX(1, 2), 3);
    tg_set(a, TG_INDEX(3, 0), -5);
    check_svd(a, 1e-15);
    check_near(tg_svd(a).s, 5, 3, 0, 0);
    assert_true(tg_item(tg_matrix_rank(a, -1)) == 2);
    tg_tensor *products = tg_outer(tg_arange(tg, TG_F64, 1, 9, 1), tg_arange(tg, TG_F64, 3, 8, 1));
    check_svd(products, 1e-14);
    assert_true(tg_item(tg_matrix_rank(products, -1)) == 1);
    assert_true(tg_item(tg_matrix_rank(tg_mul_scalar(products, 1e-250), -1)) == 1);
}

/* The matrix is b diag(1, 2^-30, 2^-60), where b is well-conditioned. The values were computed by
 * mpmath to 60 digits. */
static void test_small_singular_values_are_as_exact_as_large_ones(void **state)
{
    tg_context *tg = *state;
    const double b[] = {4, 1, 2, 1, 3, 1, 0, 1, 5, 2, 0, 1};
    tg_tensor *scales = constant(tg, 1, 0x1p-30, 0x1p-60);
    tg_tensor *a = tg_mul(tg_from_f64(tg, TG_SHAPE(4, 3), b), scales);
    check_near(tg_svd(a).s, 4.58257569495584001, 2.74173942280555978e-9, 3.93765895081787567e-18);
    check_near(tg_svd(tg_t(a)).s, 4.58257569495584001, 2.74173942280555978e-9,
               3.93765895081787567e-18);
    check_near(tg_mul_scalar(tg_svd(tg_mul_scalar(a, 0x1p900)).s, 0x1p-900), 4.58257569495584001,
               2.74173942280555978e-9, 3.93765895081787567e-18);
    check_near(tg_mul_scalar(tg_svd(tg_mul_scalar(a, 0x1p-900)).s, 0x1p900), 4.58257569495584001,
               2.74173942280555978e-9, 3.93765895081787567e-18);
    check_near(tg_svd(tg_from_f64(tg, TG_SHAPE(2, 2), (double[]){0, 1e-200, 3, 0})).s, 3, 0);
}

/* The pseudo-inverse p of a is the only matrix for which a p a = a, p a p = p, and both products
 * are symmetric (Penrose, 1955). */
static void test_pseudo_inverses_without_full_rank(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 5);
    for (int wide = 0; wide < 2; wide++) {
        tg_tensor *a =
            tg_matmul(tg_randn(tg, TG_F64, TG_SHAPE(7, 3)), tg_randn(tg, TG_F64, TG_SHAPE(3, 5)));
        if (wide) a = tg_t(a);
        tg_tensor *p = tg_pinv(a, -1), *ap = tg_matmul(a, p), *pa = tg_matmul(p, a);
        assert_true(largest(tg_sub(tg_matmul(ap, a), a)) < 1e-13);
        assert_true(largest(tg_sub(tg_matmul(pa, p), p)) < 1e-13);
        assert_true(largest(tg_sub(ap, tg_t(ap))) < 1e-13);
        assert_true(largest(tg_sub(pa, tg_t(pa))) < 1e-13);
    }
    tg_tensor *batch =
        tg_stack(TG_LIST(tg_eye(tg, TG_F64, 2, 2), tg_zeros(tg, TG_F64, TG_SHAPE(2, 2))), 0);
    check_near(tg_pinv(batch, -1), 1, 0, 0, 1, 0, 0, 0, 0);
}

static void check_eigh(tg_tensor *a, double error)
{
    const tg_eigenpairs p = tg_eigh(a);
    check_ok(a->context);
    assert_true(distance_from_orthonormal(p.vectors) < error);
    tg_tensor *product =
        tg_matmul(tg_mul(p.vectors, tg_unsqueeze(p.values, -2)), tg_transpose(p.vectors, -2, -1));
    assert_true(largest(tg_sub(product, a)) <= error * largest(p.values));
}

static void test_eigenvectors(void **state)
{
    tg_context *tg = *state;
    const int sizes[] = {1, 2, 3, 40};
    tg_manual_seed(tg, 6);
    for (int i = 0; i < 4; i++) {
        tg_tensor *a = tg_randn(tg, TG_F64, TG_SHAPE(2, sizes[i], sizes[i]));
        a = tg_add(a, tg_transpose(a, 1, 2));
        check_eigh(a, 1e-13);
        check_eigh(tg_mul_scalar(a, 0x1p1000), 1e-13);
        check_eigh(tg_mul_scalar(a, 0x1p-1000), 1e-13);
        check_eigh(tg_cast(a, TG_F32), 1e-5);
        tg_tensor *half = tg_matmul(a, tg_narrow(a, 2, 0, (sizes[i] + 1) / 2));
        check_eigh(tg_matmul(half, tg_transpose(half, 1, 2)), 1e-13);
    }
    check_eigh(tg_zeros(tg, TG_F64, TG_SHAPE(3, 3)), 1e-15);
    check_eigh(tg_ones(tg, TG_F64, TG_SHAPE(4, 4)), 1e-15);
}

/* The second differences of n points have the eigenvalues 2 - 2 cos(pi k / (n + 1)). */
static void test_eigenvalues_in_closed_form(void **state)
{
    tg_context *tg = *state;
    enum { N = 30 };
    tg_tensor *a = tg_mul_scalar(tg_eye(tg, TG_F64, N, N), 2);
    for (int i = 1; i < N; i++) tg_set(a, TG_INDEX(i, i - 1), -1);
    tg_tensor *values = tg_eigh(a).values; /* only the lower triangle is read */
    for (int k = 1; k <= N; k++)
        assert_true(fabs(element_of(values, k - 1) - (2 - 2 * cos(acos(-1) * k / (N + 1)))) <
                    1e-14);
    tg_set(a, TG_INDEX(0, 2), NAN);
    assert_true(element_of(tg_eigh(a).values, 0) == element_of(values, 0));
}

/* The matrix is d c d, where c is well-conditioned and d is diag(1, 2^-20, 2^-40). The values were
 * computed by mpmath to 60 digits. */
static void test_small_eigenvalues_are_as_exact_as_large_ones(void **state)
{
    tg_context *tg = *state;
    tg_tensor *scales = constant(tg, 1, 0x1p-20, 0x1p-40);
    tg_tensor *c = tg_from_f64(tg, TG_SHAPE(3, 3), (double[]){4, 1, 2, 1, 3, 1, 2, 1, 5});
    check_near(tg_eigh(tg_mul(tg_mul(c, scales), tg_unsqueeze(scales, 1))).values,
               3.23352421270719278e-24, 2.50111042987548568e-12, 4.00000000000022737);
}

/* The sum of the singular values of the identity has the gradient u vh, which is the identity, and
 * the trace has it too. Equal values make the gradient of the vectors infinite, but not that of
 * the values alone. */
static void test_gradients_of_equal_values(void **state)
{
    tg_context *tg = *state;
    const double columns[] = {1, 0, 0, 1, 0, 0}, identity[] = {1, 0, 0, 1};
    tg_tensor *tall = leaf_of(tg, TG_SHAPE(3, 2), columns),
              *square = leaf_of(tg, TG_SHAPE(2, 2), identity);
    assert_true(tg_backward(tg_sum(tg_svd(tall).s)));
    check_near(tall->grad, 1, 0, 0, 1, 0, 0);
    assert_true(tg_backward(tg_sum(tg_eigh(square).values)));
    check_near(square->grad, 1, 0, 0, 1);
    tg_clear_grad(square);
    assert_true(tg_backward(tg_sum(tg_square(tg_svd(square).u))));
    tg_tensor *wide = leaf(tg, 0, 0, 0);
    assert_true(tg_backward(tg_sum(tg_svd(tg_unsqueeze(wide, 0)).s)));
    assert_true(fabs(tg_item(tg_sum(tg_abs(wide->grad))) - 1) < 1e-15);
}

static void test_the_same_bits_at(int level)
{
    tg_context *tg[] = {open_at(tg__level_name(level)), open_at("portable")};
    tg_tensor *out[2][3];
    for (int i = 0; i < 2; i++) {
        tg_manual_seed(tg[i], 3);
        tg_tensor *a = tg_randn(tg[i], TG_F64, TG_SHAPE(300, 9));
        const tg_svd_factors f = tg_svd(a);
        out[i][0] = f.u, out[i][1] = f.vh;
        out[i][2] = tg_eigh(tg_matmul(tg_t(a), a)).vectors;
    }
    for (int k = 0; k < 3; k++)
        assert_memory_equal(tg_contiguous(out[0][k])->data, tg_contiguous(out[1][k])->data,
                            (size_t)out[0][k]->numel * sizeof(double));
    for (int i = 0; i < 2; i++) {
        check_ok(tg[i]);
        tg_close(tg[i]);
    }
}

static void test_the_same_bits_at_each_level(void **state)
{
    (void)state;
    each_level(test_the_same_bits_at);
}

/* A scalar that depends on each factor of a and of its square, so that all of their gradients are
 * computed. */
static tg_tensor *depend_on_all(tg_tensor *a)
{
    const tg_svd_factors f = tg_svd(a);
    const tg_eigenpairs p = tg_eigh(tg_matmul(a, tg_transpose(a, 0, 1)));
    tg_tensor *parts[] = {f.u, f.s, f.vh, p.values, p.vectors, tg_pinv(a, -1)}, *sum = NULL;
    for (int i = 0; i < 6; i++) {
        tg_tensor *part = tg_sum(tg_square(parts[i]));
        sum = sum ? tg_add(sum, part) : part;
    }
    return sum;
}

/* Each allocation fails once: either the library gets the memory otherwise, or the call fails. No
 * memory is lost. */
static void test_failed_allocations(void **state)
{
    (void)state;
    const int64_t sizes[][2] = {{60, 40}, {40, 60}};
    for (int i = 0; i < 2; i++)
        for (long at = 1, failed = 1; failed; at++) {
            guarded g = {0};
            const tg_options options = guarded_options(&g);
            tg_context *tg = tg_open(&options);
            tg_tensor *a = tg_rand(tg, TG_F64, TG_SHAPE(sizes[i][0], sizes[i][1]));
            tg_requires_grad_(a, true);
            assert_true(tg_ok(tg));
            g.fail_at = g.asked + at;
            const bool done = tg_backward(depend_on_all(a)) && tg_matrix_rank(a, -1);
            failed = g.failed;
            assert_true(done == tg_ok(tg));
            if (!done) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
            tg_close(tg);
            assert_true(g.blocks == 0 && !g.damaged);
        }
}

static void test_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *infinite = tg_full(tg, TG_F64, TG_SHAPE(2, 2), INFINITY);
    assert_null(tg_svd(infinite).u);
    check_error(tg, TG_ERR_ARGUMENT, "svd: matrix 0 of [2, 2] has an infinity at [0, 0]");
    assert_null(tg_eigh(infinite).values);
    check_error(tg, TG_ERR_ARGUMENT, "eigh: matrix 0 of [2, 2] has an infinity at [0, 0]");
    assert_null(tg_pinv(infinite, -1));
    check_error(tg, TG_ERR_ARGUMENT, "pinv: matrix 0 of [2, 2] has an infinity at [0, 0]");
    assert_null(tg_matrix_rank(infinite, -1));
    check_error(tg, TG_ERR_ARGUMENT, "matrix_rank: matrix 0 of [2, 2] has an infinity at [0, 0]");
    assert_null(tg_pinv(tg_eye(tg, TG_F64, 2, 2), 1));
    check_error(tg, TG_ERR_ARGUMENT, "pinv: rcond is 1, but must be less than 1");
    assert_null(tg_matrix_rank(tg_eye(tg, TG_F64, 2, 2), NAN));
    check_error(tg, TG_ERR_ARGUMENT, "matrix_rank: rcond is nan, but must be less than 1");
    assert_null(tg_eigh(tg_zeros(tg, TG_F64, TG_SHAPE(2, 3))).vectors);
    check_error(tg, TG_ERR_SHAPE, "eigh: a is [2, 3], but its matrices must be square");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_singular_vectors),
        cmocka_unit_test(test_singular_vectors_without_full_rank),
        cmocka_unit_test(test_small_singular_values_are_as_exact_as_large_ones),
        cmocka_unit_test(test_pseudo_inverses_without_full_rank),
        cmocka_unit_test(test_eigenvectors),
        cmocka_unit_test(test_eigenvalues_in_closed_form),
        cmocka_unit_test(test_small_eigenvalues_are_as_exact_as_large_ones),
        cmocka_unit_test(test_gradients_of_equal_values),
        cmocka_unit_test(test_the_same_bits_at_each_level),
        cmocka_unit_test(test_failed_allocations),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
