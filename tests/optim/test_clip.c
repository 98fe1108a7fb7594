/* Clipping of gradients by their norm and by their values. */
#include "exact_sum.h"
#include "leaf.h"

static void test_clip_grad_norm(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0, 0), *q = leaf(tg, 0), *none = leaf(tg, 0);
    tg_list all = TG_LIST(p, q, none);
    tg_backward(tg_add(tg_sum(tg_mul(p, constant(tg, 3, -4))), tg_mul_scalar(tg_sum(q), 12)));
    assert_true(tg_clip_grad_norm_(all, 100, 2, false) == 13);
    check_values(p->grad, 3, -4);
    assert_true(tg_clip_grad_norm_(all, 100, INFINITY, false) == 12);
    assert_true(tg_clip_grad_norm_(all, 100, 1, false) == 19);
    assert_true(tg_clip_grad_norm_(all, 1, 2, false) == 13);
    const double f = 1 / (13 + 1e-6);
    check_near(p->grad, 3 * f, -4 * f);
    check_near(q->grad, 12 * f);
    assert_true(tg_clip_grad_norm_(TG_LIST(none), 1, 2, false) == 0);
    assert_true(isnan(tg_clip_grad_norm_(all, -1, 2, false)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the bound -1 is negative");
    assert_true(isnan(tg_clip_grad_norm_(all, 1, 0, false)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: norm_type 0 is not positive");
}

/* torch.nn.utils.clip_grad_norm_([], 1) is 0. */
static void test_clipping_an_empty_list_gives_0(void **state)
{
    assert_true(tg_clip_grad_norm_(TG_LIST(), 1, 2, true) == 0);
    assert_true(tg_clip_grad_value_(TG_LIST(), 1));
    check_ok(*state);
}

/* With error_if_nonfinite the gradients stay as they are. Without it they become 0 or NaN, as in
 * PyTorch. */
static void test_clip_grad_norm_error_if_nonfinite(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0, 0);
    tg_backward(tg_sum(tg_mul(p, constant(tg, INFINITY, 2))));
    assert_true(isnan(tg_clip_grad_norm_(TG_LIST(p), 1, 2, true)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the norm of the gradients is inf");
    check_values(p->grad, INFINITY, 2);
    assert_true(tg_clip_grad_norm_(TG_LIST(p), 1, 2, false) == INFINITY);
    check_values(p->grad, NAN, 0);
    assert_true(isnan(tg_clip_grad_norm_(TG_LIST(p), 1, 2, true)));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the norm of the gradients is nan");
    check_values(p->grad, NAN, 0);
}

static void test_clip_grad_value(void **state)
{
    tg_context *tg = *state;
    tg_tensor *p = leaf(tg, 0, 0, 0), *none = leaf(tg, 0);
    tg_backward(tg_sum(tg_mul(p, constant(tg, 3, -4, 0.5))));
    assert_true(tg_clip_grad_value_(TG_LIST(p, none), 2));
    check_values(p->grad, 2, -2, 0.5);
    assert_false(tg_clip_grad_value_(TG_LIST(p), NAN));
    check_error(tg, TG_ERR_ARGUMENT, "clip_grad_value_: the bound nan is negative");
}

static bool near(double value, double exact, double relative)
{
    return fabs(value - exact) <= relative * fabs(exact);
}

/* One gradient of 1e20 among others, and norms whose squares leave float64's range. */
static void test_clip_grad_norm_at_the_ends_of_the_range(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(2)), true);
    tg_tensor *b = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(1)), true);
    tg_tensor *g = tg_from_f32(tg, TG_SHAPE(2), (float[]){1e20f, 1e15f});
    assert_true(tg_backward_with(tg_mul_scalar(a, 1), g));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(b, 1e10))));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(a, b), 1, 2, true), 1e20, 1e-6));
    assert_true(near(element_of(a->grad, 0), 1, 1e-6) && near(element_of(a->grad, 1), 1e-5, 1e-6));
    assert_true(near(element_of(b->grad, 0), 1e-10, 1e-6));

    tg_tensor *c = leaf(tg, 0), *d = leaf(tg, 0);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(c, 3e200))));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(d, 4e200))));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(c, d), 1, 2, true), 5e200, 1e-15));
    check_near(c->grad, 0.6);
    check_near(d->grad, 0.8);
    tg_tensor *e = leaf(tg, 0), *f = leaf(tg, 0);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(e, 3e-200))));
    assert_true(tg_backward(tg_sum(tg_mul_scalar(f, 4e-200))));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(e, f), 1, 2, true), 5e-200, 1e-15));
    assert_true(near(tg_clip_grad_norm_(TG_LIST(e, f), 1, 100, true), 4e-200, 1e-14));
}

/* The norm of n gradients is the root of the sum of their squared norms. The squares and their n
 * additions have errors of at most about n u, of which the root leaves half. */
static void test_the_norm_of_many_gradients(void **state)
{
    tg_context *tg = *state;
    enum { MANY = 1000 };
    tg_tensor *p[MANY];
    for (int i = 0; i < MANY; i++) {
        p[i] = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(1)), true);
        assert_true(tg_backward(tg_sum(tg_mul_scalar(p[i], 0.1))));
    }
    const double norm = tg_clip_grad_norm_((tg_list){MANY, p}, 1e9, 2, false);
    assert_true(fabs(norm - 0.1 * sqrt(MANY)) <= norm * (MANY / 2 + 4) * unit_of(TG_F64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip_grad_norm),
        cmocka_unit_test(test_clipping_an_empty_list_gives_0),
        cmocka_unit_test(test_clip_grad_norm_error_if_nonfinite),
        cmocka_unit_test(test_clip_grad_value),
        cmocka_unit_test(test_clip_grad_norm_at_the_ends_of_the_range),
        cmocka_unit_test(test_the_norm_of_many_gradients),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
