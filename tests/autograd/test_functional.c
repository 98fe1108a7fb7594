/* Derivatives of whole functions: against PyTorch, closed forms and central differences, what they
 * leave behind, and what they refuse. */
#include "guarded.h"
#include "leaf.h"

/* ---- Against PyTorch: the functions of golden/functional.py. */

/* Different numbers in [0.2, 1.2): steps of the golden ratio. */
static tg_tensor *numbers(tg_context *tg, tg_shape shape, int start)
{
    tg_tensor *t = tg_empty(tg, TG_F64, shape);
    for (int64_t i = 0; t && i < t->numel; i++)
        ((double *)t->data)[i] = fmod((double)(i + 1 + start) * 0.6180339887498949, 1) + 0.2;
    return t;
}

static tg_tensor *square(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *a = tg_select(x, 0, 0), *b = tg_select(x, 0, 1);
    (void)user;
    return tg_stack(
        TG_LIST(tg_mul(a, tg_sin(b)), tg_mul(a, tg_cos(b)), tg_mul(tg_exp(tg_select(x, 0, 2)), a)),
        0);
}

static tg_tensor *wide(tg_list in, void *user)
{
    (void)user;
    return tg_mul(tg_tanh(tg_matmul(in.items[0], in.items[1])), tg_sum(in.items[1]));
}

static tg_tensor *tall(tg_list in, void *user)
{
    tg_tensor *a = tg_select(in.items[0], 0, 0), *b = tg_select(in.items[0], 0, 1);
    (void)user;
    tg_tensor *t = tg_arange(in.items[0]->context, TG_F64, 0, 5, 1);
    return tg_add(tg_mul(b, tg_exp(tg_neg(tg_mul(a, t)))), tg_square(b));
}

static tg_tensor *matrices(tg_list in, void *user)
{
    (void)user;
    return tg_mul(tg_sqrt(in.items[0]), tg_t(in.items[1]));
}

static tg_tensor *constant_in_b(tg_list in, void *user)
{
    (void)user;
    return tg_mul(in.items[0], in.items[0]);
}

typedef struct whole {
    const char *name;
    tg_function fn;
    int n; /* inputs */
    int ndim[2];
    int64_t shape[2][2];
} whole;

static const whole wholes[] = {
    {"square", square, 1, {1}, {{3}}},
    {"wide", wide, 2, {2, 1}, {{2, 3}, {3}}},
    {"tall", tall, 1, {1}, {{2}}},
    {"matrices", matrices, 2, {2, 2}, {{2, 3}, {3, 2}}},
    {"constant", constant_in_b, 2, {1, 1}, {{2}, {2}}},
};
enum { WHOLES = sizeof wholes / sizeof *wholes };

static tg_tensor *sum_of_squares(tg_list in, void *user)
{
    const whole *w = user;
    return tg_sum(tg_square(w->fn(in, NULL)));
}

/* What a case computes, by the name that golden/functional.py gives it. */
static tg_tensor *compute(tg_context *tg, const whole *w, const char *what, int number)
{
    tg_tensor *in[2], *v[2], *results[4] = {NULL};
    for (int i = 0, start = 0; i < w->n; i++) {
        const tg_shape shape = {w->ndim[i], w->shape[i]};
        in[i] = numbers(tg, shape, start);
        v[i] = numbers(tg, shape, 30);
        start += (int)in[i]->numel;
    }
    const tg_list inputs = {w->n, in};
    tg_tensor *y = w->fn(inputs, NULL), *output = NULL;
    if (!strcmp(what, "output")) {
        output = tg_jvp(w->fn, inputs, NULL, (tg_list){w->n, v}, results);
        return output;
    }
    if (!strcmp(what, "jacobian")) tg_jacobian(w->fn, inputs, NULL, results);
    if (!strcmp(what, "vjp"))
        tg_vjp(w->fn, inputs, NULL, numbers(tg, (tg_shape){y->ndim, y->shape}, 20), results);
    if (!strcmp(what, "jvp")) tg_jvp(w->fn, inputs, NULL, (tg_list){w->n, v}, results);
    if (!strcmp(what, "hessian")) tg_hessian(sum_of_squares, inputs, (void *)(uintptr_t)w, results);
    return results[number];
}

static void test_pytorch_computes_the_same(void **state)
{
    tg_context *tg = *state;
    char name[32], what[32];
    int number, cases = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/functional_golden.txt", "r");
    assert_non_null(file);
    while (fscanf(file, "%31s %31s %d", name, what, &number) == 3) {
        int i = 0;
        while (i < WHOLES && strcmp(wholes[i].name, name) != 0) i++;
        assert_true(i < WHOLES && number >= 0 && number < 4);
        tg_scope_begin(tg);
        const tg_tensor *got = compute(tg, &wholes[i], what, number);
        if (!got) {
            fail_msg("%s %s %d: %s", name, what, number, tg_error(tg));
            return;
        }
        for (int64_t k = 0; k < got->numel; k++) {
            double want;
            assert_int_equal(fscanf(file, "%lf", &want), 1);
            /* A dozen of roundings, in libm's functions among them. */
            if (!(fabs(element_of(got, k) - want) <= 1e-14 * (1 + fabs(want))))
                fail_msg("%s %s %d: element %d is %.17g, not %.17g", name, what, number, (int)k,
                         element_of(got, k), want);
        }
        tg_scope_end(tg);
        cases++;
    }
    assert_int_equal(cases, 40);
    fclose(file);
}

/* ---- Against central differences. */

static tg_tensor *shifted(tg_list in, void *user)
{
    const whole *w = user;
    tg_tensor *all[2];
    for (int i = 0; i < w->n; i++) all[i] = tg_square(in.items[i]);
    return w->fn((tg_list){w->n, all}, NULL);
}

/* The derivative of shifted by element j of input i. Its error is of the order of h^2, 1e-10. */
static tg_tensor *difference(const whole *w, tg_tensor **in, int i, int64_t j)
{
    const double h = 1e-5;
    double *x = (double *)in[i]->data + j, was = *x;
    *x = was + h;
    tg_tensor *above = shifted((tg_list){w->n, in}, (void *)(uintptr_t)w);
    *x = was - h;
    tg_tensor *below = shifted((tg_list){w->n, in}, (void *)(uintptr_t)w);
    *x = was;
    return tg_div_scalar(tg_sub(above, below), 2 * h);
}

static void check_differences(tg_context *tg, const whole *w)
{
    tg_tensor *in[2], *jacobians[2];
    for (int i = 0; i < w->n; i++) in[i] = numbers(tg, (tg_shape){w->ndim[i], w->shape[i]}, 7 * i);
    assert_true(tg_jacobian(shifted, (tg_list){w->n, in}, (void *)(uintptr_t)w, jacobians));
    for (int i = 0; i < w->n; i++)
        for (int64_t j = 0; j < in[i]->numel; j++) {
            tg_tensor *slope = difference(w, in, i, j);
            for (int64_t k = 0; k < slope->numel; k++)
                assert_true(fabs(element_of(slope, k) -
                                 element_of(jacobians[i], k * in[i]->numel + j)) < 1e-8);
        }
}

static void test_central_differences_agree(void **state)
{
    for (int i = 0; i < WHOLES; i++) check_differences(*state, &wholes[i]);
}

/* ---- Closed forms, shapes and dtypes. */

static tg_tensor *product(tg_list in, void *user)
{
    return tg_matmul(user, in.items[0]);
}

static void test_the_jacobian_of_a_linear_map_is_its_matrix(void **state)
{
    tg_context *tg = *state;
    const double values[] = {1, 2, 3, 4, 5, 6};
    for (int rows = 2; rows <= 3; rows++) { /* by rows, and by columns */
        tg_tensor *a = tg_from_f64(tg, TG_SHAPE(rows, 6 / rows), values), *j, *jv,
                  *x = tg_ones(tg, TG_F64, TG_SHAPE(6 / rows));
        assert_true(tg_jacobian(product, TG_LIST(x), a, &j));
        assert_true(j->ndim == 2 && j->shape[0] == rows && j->shape[1] == 6 / rows);
        check_values(j, 1, 2, 3, 4, 5, 6);
        assert_false(j->requires_grad);
        assert_non_null(tg_jvp(product, TG_LIST(x), a, TG_LIST(x), &jv));
        assert_int_equal(jv->numel, rows);
        assert_true(tg_item(tg_max(tg_abs(tg_sub(jv, tg_sum_dims(a, TG_DIMS(1), false))))) == 0);
        check_ok(tg);
    }
}

static tg_tensor *quadratic(tg_list in, void *user)
{
    return tg_dot(in.items[0], tg_matmul(user, in.items[0]));
}

static void test_the_hessian_of_a_quadratic_form(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){1, 2, 5, 3}), *h = NULL;
    assert_true(tg_hessian(quadratic, TG_LIST(tg_ones(tg, TG_F32, TG_SHAPE(2))), a, &h));
    assert_int_equal(h->dtype, TG_F32);
    check_values(h, 2, 7, 7, 6); /* a + a^T */
}

static tg_tensor *first(tg_list in, void *user)
{
    (void)user;
    return in.items[0];
}

static void test_scalars_and_nothing(void **state)
{
    tg_context *tg = *state;
    tg_tensor *j, *h, *none = tg_ones(tg, TG_F64, TG_SHAPE(0)), *one = tg_scalar(tg, TG_F64, 3);
    assert_true(tg_jacobian(first, TG_LIST(one), NULL, &j));
    assert_int_equal(j->ndim, 0);
    check_values(j, 1);
    assert_true(tg_hessian(first, TG_LIST(one), NULL, &h));
    check_values(h, 0);
    assert_true(tg_jacobian(first, TG_LIST(none), NULL, &j));
    assert_true(j->ndim == 2 && j->numel == 0);
    tg_tensor *y = tg_jvp(first, TG_LIST(one), NULL, TG_LIST(one), &j);
    check_values(y, 3);
    check_values(j, 3);
}

static tg_tensor *halved(tg_list in, void *user)
{
    (void)user;
    return tg_cast(tg_mul_scalar(in.items[0], 0.5), TG_F32);
}

static void test_the_dtype_is_that_of_the_input(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_ones(tg, TG_F64, TG_SHAPE(2)), *j, *jv;
    assert_true(tg_jacobian(halved, TG_LIST(x), NULL, &j));
    assert_int_equal(j->dtype, TG_F64);
    check_values(j, 0.5, 0, 0, 0.5);
    assert_non_null(tg_jvp(halved, TG_LIST(x), NULL, TG_LIST(x), &jv));
    assert_int_equal(jv->dtype, TG_F32);
    check_values(jv, 0.5, 0.5);
}

/* ---- An operation of one's own whose backward cannot be differentiated. */

static tg_tensor *tripled(tg_list in, const void *attributes)
{
    (void)attributes;
    return tg_mul_scalar(in.items[0], 3);
}

static tg_tensor *tripled_backward(tg_list in, tg_tensor *out, tg_tensor *grad, int i,
                                   const void *attributes)
{
    (void)in, (void)out, (void)i, (void)attributes;
    return tg_clone(tg_detach(tg_mul_scalar(grad, 3)));
}

static tg_tensor *half_own(tg_list in, void *user)
{
    static const tg_autograd_function own = {"tripled", tripled, tripled_backward};
    tg_tensor *x = tg_expand(in.items[0], TG_SHAPE(4));
    (void)user;
    return tg_add(tg_apply(&own, TG_LIST(x), NULL, 0), x);
}

static void test_columns_that_are_wrong_are_noticed(void **state)
{
    tg_tensor *j;
    assert_true(tg_jacobian(half_own, TG_LIST(tg_ones(*state, TG_F64, TG_SHAPE(1))), NULL, &j));
    check_values(j, 4, 4, 4, 4);
}

/* ---- What is left behind. */

static tg_tensor *writes_to_a_copy(tg_list in, void *user)
{
    tg_no_grad_begin(in.items[0]->context);
    tg_mul_scalar_(in.items[0], 2);
    tg_no_grad_end(in.items[0]->context);
    return tg_square(tg_sum(tg_square(in.items[*(int *)user])));
}

static void test_inputs_and_modes_stay_as_they_are(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 1, 2, 3), *h, *j;
    int zero = 0;
    tg_no_grad_begin(tg);
    assert_true(tg_jacobian(writes_to_a_copy, TG_LIST(x), &zero, &j));
    assert_true(tg_hessian(writes_to_a_copy, TG_LIST(x), &zero, &h));
    assert_false(tg_is_grad_enabled(tg));
    tg_no_grad_end(tg);
    assert_true(tg_is_grad_enabled(tg));
    check_values(x, 1, 2, 3);
    assert_null(x->grad);
    check_values(j, 4 * 56 * 2, 4 * 56 * 4, 4 * 56 * 6);
}

/* The memory of the second call is that of the first. */
static void test_memory_goes_back(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = numbers(tg, TG_SHAPE(2), 0), *j, *v = numbers(tg, TG_SHAPE(5), 0);
    for (int64_t calls = 0, held = 0; calls < 20; calls++) {
        tg_scope_begin(tg);
        assert_true(tg_jacobian(tall, TG_LIST(x), NULL, &j));
        assert_non_null(tg_vjp(tall, TG_LIST(x), NULL, v, &j));
        assert_non_null(tg_jvp(tall, TG_LIST(x), NULL, TG_LIST(x), &j));
        assert_true(tg_hessian(sum_of_squares, TG_LIST(x), (void *)(uintptr_t)&wholes[2], &j));
        tg_scope_end(tg);
        if (calls == 1) held = (int64_t)tg_get_stats(tg).held_bytes;
        if (calls > 1) assert_int_equal(tg_get_stats(tg).held_bytes, held);
    }
}

typedef bool derivation(tg_context *tg, tg_tensor **results);

static bool derive_jacobian(tg_context *tg, tg_tensor **results)
{
    return tg_jacobian(tall, TG_LIST(numbers(tg, TG_SHAPE(2), 0)), NULL, results);
}

static bool derive_hessian(tg_context *tg, tg_tensor **results)
{
    tg_tensor *a = numbers(tg, TG_SHAPE(2, 3), 0), *b = numbers(tg, TG_SHAPE(3), 6);
    return tg_hessian(sum_of_squares, TG_LIST(a, b), (void *)(uintptr_t)&wholes[1], results);
}

static bool derive_vjp(tg_context *tg, tg_tensor **results)
{
    tg_tensor *a = numbers(tg, TG_SHAPE(2, 3), 0), *b = numbers(tg, TG_SHAPE(3), 6),
              *v = numbers(tg, TG_SHAPE(2), 0);
    return tg_vjp(wide, TG_LIST(a, b), NULL, v, results) != NULL;
}

static bool derive_jvp(tg_context *tg, tg_tensor **results)
{
    tg_tensor *b = numbers(tg, TG_SHAPE(2), 0);
    return tg_jvp(tall, TG_LIST(b), NULL, TG_LIST(b), results) != NULL;
}

/* With its allocation number `at` failing (0: none), then again without: the same values. Returns
 * how many allocations there were. */
static long derive_failing(derivation *derive, long at, double *values)
{
    guarded g = {0};
    tg_context *tg = open_on_guarded(&g);
    tg_tensor *results[4] = {NULL};
    tg_scope_begin(tg);
    g.asked = 0;
    g.fail_at = at;
    const bool done = derive(tg, results);
    const long asked = g.asked;
    g.fail_at = 0;
    assert_int_equal(done, tg_ok(tg));
    assert_true(tg_is_grad_enabled(tg));
    if (!done) {
        assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        for (int i = 0; i < 4; i++) assert_null(results[i]);
        tg_clear_error(tg);
        assert_true(derive(tg, results));
    }
    for (int i = 0, k = 0; i < 4 && results[i]; i++)
        for (int64_t l = 0; l < results[i]->numel; l++, k++) {
            if (at == 0) values[k] = element_of(results[i], l);
            assert_true(values[k] == element_of(results[i], l));
        }
    tg_scope_end(tg);
    assert_true(tg_ok(tg));
    tg_close(tg);
    assert_true(g.blocks == 0 && !g.damaged);
    return asked;
}

static void test_each_allocation_failing(void **state)
{
    static derivation *const all[] = {derive_jacobian, derive_hessian, derive_vjp, derive_jvp};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double values[128];
        const long asked = derive_failing(all[i], 0, values);
        assert_true(asked > 0);
        for (long at = 1; at <= asked; at++) derive_failing(all[i], at, values);
    }
}

/* ---- What is refused. */

static tg_tensor *nothing(tg_list in, void *user)
{
    (void)in, (void)user;
    return NULL;
}

static tg_tensor *whole_number(tg_list in, void *user)
{
    (void)user;
    return tg_cast(in.items[0], TG_I64);
}

static tg_tensor *foreign(tg_list in, void *user)
{
    (void)in;
    return user;
}

static tg_tensor *mistaken(tg_list in, void *user)
{
    (void)user;
    return tg_add(in.items[0], tg_ones(in.items[0]->context, TG_F64, TG_SHAPE(7)));
}

static void test_refused(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_tensor *x = numbers(tg, TG_SHAPE(2), 0), *y = numbers(tg, TG_SHAPE(3), 0), *results[4] = {x},
              *i = tg_ones(tg, TG_I64, TG_SHAPE(2)),
              *five = tg_ones(tg, TG_F64, TG_SHAPE(1, 1, 1, 1, 2));
    assert_false(tg_jacobian(NULL, TG_LIST(x), NULL, results));
    assert_null(results[0]);
    check_error(tg, TG_ERR_ARGUMENT, "jacobian: the function is NULL");
    assert_false(tg_hessian(first, TG_LIST(x), NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "hessian: the place for the results is NULL");
    assert_false(tg_jacobian(first, TG_LIST(x, i), NULL, results));
    check_error(tg, TG_ERR_DTYPE, "jacobian: not for int64; use tg_cast");
    assert_false(tg_jacobian(first, TG_LIST(x, NULL), NULL, results));
    check_error(tg, TG_ERR_ARGUMENT, "jacobian: tensor 2 is NULL");
    assert_false(tg_jacobian(nothing, TG_LIST(x), NULL, results));
    check_error(tg, TG_ERR_ARGUMENT, "jacobian: the function returned NULL");
    assert_false(tg_jacobian(whole_number, TG_LIST(x), NULL, results));
    check_error(tg, TG_ERR_DTYPE, "jacobian: the output of the function is int64");
    assert_false(tg_jacobian(foreign, TG_LIST(x), tg_ones(other, TG_F64, TG_SHAPE(1)), results));
    check_error(tg, TG_ERR_ARGUMENT, "jacobian: the function returned a tensor of another context");
    assert_false(tg_jacobian(mistaken, TG_LIST(x), NULL, results));
    check_error(tg, TG_ERR_SHAPE, "add: shapes [2] and [7] do not broadcast");
    assert_false(tg_jacobian(first, TG_LIST(five), NULL, results));
    check_error(tg, TG_ERR_SHAPE,
                "jacobian: the result of [1, 1, 1, 1, 2] by [1, 1, 1, 1, 2] has more than 8 "
                "dimensions");
    assert_false(tg_hessian(first, TG_LIST(x), NULL, results));
    check_error(tg, TG_ERR_SHAPE, "hessian: the output of the function is [2], not one element");
    assert_null(tg_vjp(first, TG_LIST(x), NULL, y, results));
    check_error(tg, TG_ERR_SHAPE,
                "vjp: v is float64 [3], but the output of the function is float64 [2]");
    assert_null(tg_vjp(first, TG_LIST(x), NULL, NULL, results));
    check_error(tg, TG_ERR_ARGUMENT, "vjp: v is NULL");
    assert_null(tg_jvp(first, TG_LIST(x), NULL, TG_LIST(y), results));
    check_error(tg, TG_ERR_SHAPE, "jvp: v is float64 [3], but the input is float64 [2]");
    assert_null(tg_jvp(first, TG_LIST(x), NULL, TG_LIST(), results));
    check_error(tg, TG_ERR_ARGUMENT, "jvp: 0 tensors in v for 1 inputs");
    assert_null(results[0]);
    tg_item(x);
    assert_false(tg_jacobian(first, TG_LIST(x), NULL, results));
    check_error(tg, TG_ERR_SHAPE, "item: [2] has 2 elements, not one");
    tg_close(other);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(pytorch_computes_the_same),
        test(central_differences_agree),
        test(the_jacobian_of_a_linear_map_is_its_matrix),
        test(the_hessian_of_a_quadratic_form),
        test(scalars_and_nothing),
        test(the_dtype_is_that_of_the_input),
        test(columns_that_are_wrong_are_noticed),
        test(inputs_and_modes_stay_as_they_are),
        test(memory_goes_back),
        cmocka_unit_test(test_each_allocation_failing),
        test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
