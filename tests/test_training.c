/* Training by SGD: parameters of any layout in memory, failing steps, and a fit that reaches its
 * closed form. */
#include "leaf.h"

/* Three steps down sum(p^3) / 3 + sum(p) from [1, -2, 0.5], as PyTorch takes them:
 *     o = torch.optim.SGD([p], lr=0.1, momentum=0.5, weight_decay=0.2, nesterov=True)
 *     for k in range(3): o.zero_grad(); ((p*p*p).sum()/3 + p.sum()).backward(); o.step() */
static const tg_sgd_options how = {
    .lr = 0.1, .momentum = 0.5, .weight_decay = 0.2, .nesterov = true};
static const double after[] = {0.12778225061625004, -6.59277748218375, -0.1080297502516944};

static tg_tensor *hill(tg_tensor *p)
{
    return tg_add(tg_div_scalar(tg_sum(tg_mul(tg_mul(p, p), p)), 3), tg_sum(p));
}

static void take_steps(tg_tensor *p)
{
    tg_optim *sgd = tg_sgd_list(TG_LIST(p), &how);
    for (int k = 0; k < 3; k++) {
        tg_scope_begin(p->context);
        assert_true(tg_zero_grad(sgd));
        assert_true(tg_backward(hill(p)));
        assert_true(tg_step(sgd));
        tg_scope_end(p->context);
    }
}

/* A value near 0 is a difference of values near 1. */
static void check_steps(const tg_tensor *p, const double *values)
{
    for (int64_t i = 0; i < 3; i++)
        assert_true(fabs(element_of(p, i) - values[i]) <= NEAR * fmax(1, fabs(values[i])));
}

/* Parameters in the caller's memory, with gaps, and transposed: the gaps stay as they are. */
static void test_strided_parameters(void **state)
{
    double memory[] = {1, 77, -2, 88, 0.5, 99};
    tg_tensor *p = tg_wrap_f64(*state, TG_SHAPE(3), TG_STRIDES(2), memory);
    take_steps(tg_requires_grad_(p, true));
    check_steps(p, after);
    assert_true(memory[1] == 77 && memory[3] == 88 && memory[5] == 99);
    assert_true(memory[2] == tg_get(p, TG_INDEX(1)));
    double square[] = {1, 2, 3, 4};
    tg_tensor *w = tg_wrap_f64(*state, TG_SHAPE(2, 2), TG_STRIDES(1, 2), square);
    tg_optim *sgd = tg_sgd_list(TG_LIST(tg_requires_grad_(w, true)), &(tg_sgd_options){.lr = 1});
    tg_tensor *weight = tg_from_f64(*state, TG_SHAPE(2, 2), (double[]){10, 20, 30, 40});
    assert_true(tg_backward(tg_sum(tg_mul(w, weight))) && tg_step(sgd));
    check_values(w, 1 - 10, 3 - 20, 2 - 30, 4 - 40);
    assert_true(square[1] == 2 - 30 && square[2] == 3 - 20);
}

/* As in PyTorch: without a gradient nothing moves, and momentum starts with the first one. */
static void test_none(void **state)
{
    tg_tensor *p = leaf(*state, 1), *q = leaf(*state, 2);
    tg_optim *sgd =
        tg_sgd_list(TG_LIST(p, q), &(tg_sgd_options){.lr = 1, .momentum = 0.5, .dampening = 0.5});
    assert_true(tg_backward(p) && tg_step(sgd));
    check_values(p, 0);
    check_values(q, 2);
    assert_true(tg_zero_grad(sgd));
    assert_true(!p->grad && !q->grad);
    assert_true(tg_step(sgd));
    check_values(p, 0);
    assert_true(tg_backward(q) && tg_step(sgd));
    check_values(q, 1);
}

static void test_lr(void **state)
{
    tg_tensor *p = leaf(*state, 1);
    tg_optim *sgd = tg_sgd_list(TG_LIST(p), NULL);
    assert_true(tg_sgd_defaults().lr == 0.01 && tg_lr(sgd) == 0.01 && isnan(tg_lr(NULL)));
    assert_true(tg_set_lr(sgd, 0.25) && tg_lr(sgd) == 0.25);
    assert_true(tg_backward(p) && tg_step(sgd));
    check_values(p, 0.75);
    assert_false(tg_set_lr(sgd, -1));
    check_error(*state, TG_ERR_ARGUMENT, "set_lr: lr -1 is not a finite number >= 0");
    assert_true(tg_lr(sgd) == 0.25);
    assert_false(tg_set_lr(NULL, 1));
}

static void test_failures(void **state)
{
    tg_tensor *p = leaf(*state, 1), *q = leaf(*state, 2);
    tg_optim *sgd = tg_sgd_list(TG_LIST(p, q), NULL);
    assert_true(tg_backward(tg_add(p, q)));
    tg_item(constant(*state, 1, 2));
    assert_true(!tg_step(sgd) && !tg_zero_grad(sgd) && !tg_set_lr(sgd, 1));
    check_error(*state, TG_ERR_SHAPE, "item: [2] has 2 elements, not one");
    check_values(p, 1);
    check_values(p->grad, 1);
    assert_true(tg_lr(sgd) == 0.01);
    tg_release(q);
    assert_false(tg_step(sgd));
    check_error(*state, TG_ERR_CONTEXT, "step: the tensor [1] was released");
    check_values(p, 1);
    assert_true(!tg_step(NULL) && !tg_zero_grad(NULL));
}

/* ---- Training. */

enum { ROWS = 8, COLUMNS = 2 };
static const double data_x[ROWS][COLUMNS] = {{1, -1.5}, {1, -1}, {1, -0.5}, {1, 0.25},
                                             {1, 0.5},  {1, 1},  {1, 1.5},  {1, 2}};
static const double data_y[ROWS] = {-3.4, -1.6, 0.7, 3.3, 4.6, 6.4, 8.7, 10.4};

/* The slope and intercept of least squares. */
static void least_squares(double *w)
{
    double n = ROWS, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int i = 0; i < ROWS; i++) {
        sx += data_x[i][1];
        sy += data_y[i];
        sxx += data_x[i][1] * data_x[i][1];
        sxy += data_x[i][1] * data_y[i];
    }
    w[1] = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    w[0] = (sy - w[1] * sx) / n;
}

/* One step of gradient descent on the mean of squares, by hand. */
static void step_by_hand(double *w, double lr)
{
    double g[COLUMNS] = {0};
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            g[j] += 2 * (w[0] + w[1] * data_x[i][1] - data_y[i]) * data_x[i][j] / ROWS;
    for (int j = 0; j < COLUMNS; j++) w[j] -= lr * g[j];
}

static void test_linear_regression(void **state)
{
    tg_context *tg = *state;
    tg_set_default_dtype(tg, TG_F64);
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(ROWS, COLUMNS), &data_x[0][0]);
    tg_tensor *y = tg_from_f64(tg, TG_SHAPE(ROWS, 1), data_y);
    tg_module *net = tg_linear(tg, COLUMNS, 1, TG_NO_BIAS);
    tg_tensor *weight = tg_param(net, "weight");
    tg_copy_from_f64(weight, (double[]){-5, 10});
    tg_optim *sgd = tg_sgd(net, &(tg_sgd_options){.lr = 0.1});
    double w[] = {-5, 10}, best[2];
    least_squares(best);
    for (int epoch = 0; epoch < 400; epoch++) {
        tg_scope_begin(tg);
        tg_tensor *loss = tg_mse_loss(tg_forward(net, x), y, TG_MEAN);
        assert_true(tg_zero_grad(sgd) && tg_backward(loss) && tg_step(sgd));
        tg_scope_end(tg);
        step_by_hand(w, 0.1);
        /* A step rounds by a few 2^-53 of terms below 100, and later steps shrink it. */
        for (int64_t j = 0; j < COLUMNS; j++)
            assert_true(fabs(element_of(weight, j) - w[j]) <= 1e-12);
    }
    /* The slowest mode shrinks by 1 - 2 lr times the least eigenvalue of x'x / n, 0.96: below
     * 0.81^400 of where it began. */
    for (int64_t j = 0; j < COLUMNS; j++)
        assert_true(fabs(element_of(weight, j) - best[j]) <= 1e-12);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(strided_parameters), test(none), test(lr), test(failures), test(linear_regression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
