/* Contexts side by side: workers that share parameters by borrowing them. */
#include "leaf.h"

#include <pthread.h>

enum { WORKERS = 2, BATCH = 64, FEATURES = 3, STEPS = 20 };

static double feature(int64_t row, int64_t column)
{
    return sin(0.7 * (double)row + 1.3 * (double)column);
}

/* The rows [first, first + rows) of the data. */
static void make_data(tg_context *tg, int64_t first, int64_t rows, tg_tensor **x, tg_tensor **y)
{
    *x = tg_empty(tg, TG_F64, TG_SHAPE(rows, FEATURES));
    *y = tg_empty(tg, TG_F64, TG_SHAPE(rows));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < FEATURES; j++) tg_set(*x, TG_INDEX(i, j), feature(first + i, j));
        tg_set(*y, TG_INDEX(i), cos(0.4 * (double)(first + i)));
    }
}

static tg_tensor *loss_of(tg_tensor *weight, tg_tensor *x, tg_tensor *y)
{
    return tg_mse_loss(tg_matmul(x, weight), y, TG_SUM);
}

typedef struct worker {
    const tg_tensor *weight;
    int64_t first;
    double grad[FEATURES];
    bool ok;
} worker;

/* The gradient of half the data, in a context of its own; an error of its own on the way. */
static void *work(void *arg)
{
    worker *w = arg;
    tg_context *tg = tg_open(NULL);
    tg_tensor *weight = tg_borrow(tg, w->weight), *x, *y;
    make_data(tg, w->first, BATCH / WORKERS, &x, &y);
    for (int step = 0; step < STEPS; step++) {
        tg_scope_begin(tg);
        tg_clear_grad(weight);
        bool refused = !tg_mse_loss(weight, tg_unsqueeze(weight, 1), TG_MEAN);
        w->ok = refused && tg_error_code(tg) == TG_ERR_SHAPE;
        tg_clear_error(tg);
        w->ok = w->ok && tg_backward(loss_of(weight, x, y));
        tg_scope_end(tg);
    }
    w->ok = w->ok && tg_copy_to_f64(weight->grad, w->grad);
    tg_close(tg);
    return NULL;
}

static void test_shared_parameters(void **state)
{
    pthread_t threads[WORKERS];
    worker workers[WORKERS];
    tg_tensor *weight = leaf(*state, 0.5, -1, 2), *x, *y;
    make_data(*state, 0, BATCH, &x, &y);
    assert_true(tg_backward(loss_of(weight, x, y)));
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (worker){.weight = weight, .first = i * (BATCH / WORKERS)};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int64_t j = 0; j < FEATURES; j++) {
        double whole = tg_get(weight->grad, TG_INDEX(j)), parts = 0;
        for (int i = 0; i < WORKERS; i++) parts += workers[i].grad[j];
        /* Sums of 64 terms below 16, in two orders: 64 * 16 * 2^-53 and some to spare. */
        assert_true(fabs(whole - parts) <= 1e-12);
        assert_true(parts != 0);
    }
    assert_true(workers[0].ok && workers[1].ok);
}

/* A gradient found elsewhere comes back as a borrowed tensor. */
static void test_gradient_comes_home(void **state)
{
    tg_context *other = tg_open(NULL);
    tg_tensor *weight = leaf(*state, 3, 4), *alias = tg_borrow(other, weight);
    assert_true(alias->requires_grad && alias->data == weight->data);
    assert_true(tg_backward(tg_sum(tg_square(alias))));
    assert_null(weight->grad);
    tg_tensor *gradient = tg_borrow(*state, alias->grad);
    assert_false(gradient->requires_grad);
    assert_true(tg_backward_with(weight, gradient));
    check_values(weight->grad, 6, 8);
    assert_null(tg_add(weight, alias));
    check_error(*state, TG_ERR_CONTEXT, "add: tensors of two contexts; tg_borrow makes an alias");
    check_error(other, TG_ERR_CONTEXT, "add: tensors of two contexts");
    tg_close(other);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {test(shared_parameters), test(gradient_comes_home)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
