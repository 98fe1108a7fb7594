/* The lecture in full precision, of which the programs print as many digits as a reader compares:
 * its data and loops against PyTorch. lecture_expected.txt is what the lecture printed, on another
 * machine than the 30 epochs of both loops in lecture_epochs.txt; PyTorch's last digits differ
 * between the two. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../examples/common/lecture.c"

enum { EPOCHS = 30 };

/* The loss, weights and gradients of each epoch. */
typedef struct run {
    double loss[EPOCHS], weight[EPOCHS + 1][2], grad[EPOCHS][2];
} run;

static const char *expected(void)
{
    static char text[8192];
    if (*text) return text;
    FILE *file = fopen(TEST_ROOT "/tests/golden/lecture_expected.txt", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

/* What follows words, one after the other, in what the lecture printed. */
static const char *after(const char *const *words)
{
    const char *at = expected();
    for (; *words; words++) {
        at = strstr(at, *words);
        if (!at) fail_msg("no %s in lecture_expected.txt", *words);
        at += strlen(*words);
    }
    return at;
}
#define AFTER(...) after((const char *const[]){__VA_ARGS__, NULL})

/* The elements of t have the bits that text lists. */
static void check_bits(const tg_tensor *t, const char *text)
{
    float values[4] = {0};
    assert_true(t && t->numel <= 4 && tg_copy_to_f32(t, values));
    for (int i = 0; i < (int)t->numel; i++) {
        char *end;
        uint32_t bits, want = (uint32_t)strtoul(text, &end, 16);
        memcpy(&bits, &values[i], sizeof bits);
        assert_true(end > text);
        assert_int_equal(bits, want);
        text = end;
    }
}

/* n numbers in brackets. */
static void read_list(const char *text, double *values, int n)
{
    for (int i = 0; i < n; i++) {
        char *end;
        text += strspn(text, " [,");
        values[i] = strtod(text, &end);
        assert_true(end > text);
        text = end;
    }
}

static void check_near(double found, double want, double tolerance)
{
    if (!(fabs(found - want) <= tolerance))
        fail_msg("%.17g is not within %.3g of %.17g", found, tolerance, want);
}

static void test_data_and_first_weights_have_pytorchs_bits(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    check_bits(tg_slice(d.x, 0, 0, 4, 1), AFTER("x    first 4 bits "));
    check_bits(tg_slice(d.x, 0, -1, TG_END, 1), AFTER("x    first 4 bits ", " last "));
    check_bits(tg_slice(d.y, 0, 0, 4, 1), AFTER("y    first 4 bits "));
    check_bits(tg_slice(d.y, 0, -1, TG_END, 1), AFTER("y    first 4 bits ", " last "));
    check_bits(tg_param(tg_linear(tg, 2, 1, TG_NO_BIAS), "weight"),
               AFTER("Linear(2,1,bias=False).weight", "]]) "));

    /* With a second feature: three draws before the weights. */
    tg_manual_seed(tg, 202150754);
    for (int i = 0; i < 3; i++) tg_randn(tg, TG_F32, TG_SHAPE(100));
    check_bits(tg_param(tg_linear(tg, 3, 1, TG_NO_BIAS), "weight"),
               AFTER("Linear(3,1,bias=False).weight", "]]) "));
    assert_true(tg_ok(tg));
    tg_close(tg);
}

static void record(run *r, int epoch, double loss, const tg_tensor *weight)
{
    tg_tensor *flat = tg_flatten(tg_detach((tg_tensor *)weight), 0, -1);
    tg_tensor *grad = tg_flatten(weight->grad, 0, -1);
    r->loss[epoch] = loss;
    for (int i = 0; i < 2; i++) {
        r->weight[epoch][i] = tg_get(flat, TG_INDEX(i));
        r->grad[epoch][i] = tg_get(grad, TG_INDEX(i));
    }
}

static run by_hand(tg_context *tg, const lecture *d)
{
    run r;
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        tg_clear_grad(What);
        tg_tensor *loss = tg_sum(tg_square(tg_sub(d->y, tg_matmul(d->X, What))));
        tg_backward(loss);
        record(&r, epoch, tg_item(loss), What);
        tg_no_grad_begin(tg);
        tg_sub_(What, tg_mul_scalar(What->grad, 1.0 / 1000));
        tg_no_grad_end(tg);
    }
    for (int i = 0; i < 2; i++) r.weight[EPOCHS][i] = tg_get(What, TG_INDEX(i));
    return r;
}

static run by_modules(tg_context *tg, const lecture *d)
{
    run r;
    tg_module *net = tg_linear(tg, 2, 1, TG_NO_BIAS), *lossfn = tg_mseloss(tg, TG_MEAN);
    tg_tensor *weight = tg_param(net, "weight"), *column = tg_reshape(d->y, TG_SHAPE(100, 1));
    tg_copy_from_f32(weight, (float[]){-5.0f, 10.0f});
    tg_optim *sgd = tg_sgd(net, TG_SGD(.lr = 0.1));
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        tg_tensor *loss = tg_loss(lossfn, tg_forward(net, d->X), column);
        tg_zero_grad(sgd);
        tg_backward(loss);
        record(&r, epoch, tg_item(loss), weight);
        tg_step(sgd);
    }
    for (int i = 0; i < 2; i++) r.weight[EPOCHS][i] = tg_get(weight, TG_INDEX(0, i));
    return r;
}

/* The epochs that the lecture printed. Losses, which it printed with 6 decimals, and weights agree
 * to 1e-6 of their size, and gradients to 1e-6 of the first one. */
static void check_printed(const run *r, const char *section, const char *weight, const char *last)
{
    static const int shown[] = {0, 1, 9, 29};
    double first = 0, want[2];
    for (int i = 0; i < 4; i++) {
        const int epoch = shown[i];
        char name[16];
        snprintf(name, sizeof name, "epoch %2d", epoch);
        const double loss = strtod(AFTER(section, name, "loss "), NULL);
        check_near(r->loss[epoch], loss, 1e-6 * loss + 1e-6);
        read_list(AFTER(section, name, weight), want, 2);
        for (int k = 0; k < 2; k++) check_near(r->weight[epoch][k], want[k], 1e-6 * fabs(want[k]));
        read_list(AFTER(section, name, "grad "), want, 2);
        for (int k = 0; k < 2; k++) {
            first = fmax(first, fabs(want[k]));
            check_near(r->grad[epoch][k], want[k], 1e-6 * first);
        }
    }
    read_list(AFTER(section, last), want, 2);
    for (int k = 0; k < 2; k++) check_near(r->weight[EPOCHS][k], want[k], 1e-6 * fabs(want[k]));
}

/* All epochs. Weights below 1 in size, of which there are few while the intercept crosses 0, carry
 * the rounding of the larger weights before: they agree to 1e-6. */
static void check_epochs(const run *r, const char *loop)
{
    FILE *file = fopen(TEST_ROOT "/tests/golden/lecture_epochs.txt", "r");
    assert_non_null(file);
    char line[256], name[16];
    double w[5], first = 0;
    int epoch, epochs = 0;
    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line, "%15s %d %lf %lf %lf %lf %lf", name, &epoch, &w[0], &w[1],
                                &w[2], &w[3], &w[4]),
                         7);
        if (strcmp(name, loop) != 0) continue;
        assert_int_equal(epoch, epochs++);
        check_near(r->loss[epoch], w[0], 1e-6 * w[0]);
        for (int k = 0; k < 2; k++) {
            first = fmax(first, fabs(w[3 + k]));
            check_near(r->weight[epoch][k], w[1 + k], 1e-6 * fmax(1, fabs(w[1 + k])));
            check_near(r->grad[epoch][k], w[3 + k], 1e-6 * first);
        }
    }
    fclose(file);
    assert_int_equal(epochs, EPOCHS);
}

static void test_loop_by_hand(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    run r = by_hand(tg, &d);
    check_printed(&r, "== steps 1-4", "What ", "What after 30 epochs ");
    check_epochs(&r, "loop");
    assert_true(tg_ok(tg));
    tg_close(tg);
}

static void test_loop_of_modules(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    run r = by_modules(tg, &d);
    check_printed(&r, "== the same", "weight ", "weight after 30 epochs ");
    check_epochs(&r, "modules");
    assert_true(tg_ok(tg));
    tg_close(tg);
}

static void test_closed_form(void **state)
{
    (void)state;
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    double want[2];
    read_list(AFTER("float64 solution "), want, 2);
    tg_tensor *found = tg_lstsq(tg_cast(d.X, TG_F64), tg_cast(d.y, TG_F64));
    for (int i = 0; i < 2; i++) check_near(tg_get(found, TG_INDEX(i)), want[i], 1e-12 * want[i]);
    tg_close(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_and_first_weights_have_pytorchs_bits),
        cmocka_unit_test(test_loop_by_hand),
        cmocka_unit_test(test_loop_of_modules),
        cmocka_unit_test(test_closed_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
