/* Losses: the arguments that they refuse, values and gradients compared with closed forms and
 * central differences, and losses as modules. Their cases with PyTorch's values are in
 * test_losses_golden.c. */
#include "exact_sum.h"
#include "leaf.h"

/* The losses of an input and a target that broadcast to each other. */
static const tg_loss_function losses[] = {tg_l1_loss,
                                          tg_smooth_l1_loss,
                                          tg_huber_loss,
                                          tg_binary_cross_entropy,
                                          tg_binary_cross_entropy_with_logits,
                                          tg_kl_div,
                                          tg_poisson_nll_loss};
static const char *const names[] = {"l1_loss",
                                    "smooth_l1_loss",
                                    "huber_loss",
                                    "binary_cross_entropy",
                                    "binary_cross_entropy_with_logits",
                                    "kl_div",
                                    "poisson_nll_loss"};
enum { LOSSES = sizeof names / sizeof *names };

/* Checks that an error with this code is pending, whose message is the loss's name and the rest. */
static void check_loss_error(tg_context *tg, tg_status code, const char *name, const char *rest)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, "%s: %s", name, rest);
    check_error(tg, code, wanted);
}

static void test_shapes_that_differ_are_refused_without_tg_broadcast(void **state)
{
    tg_context *tg = *state;
    tg_tensor *column = tg_full(tg, TG_F32, TG_SHAPE(4, 1), 0.5);
    tg_tensor *flat = tg_full(tg, TG_F32, TG_SHAPE(4), 0.5);
    for (int i = 0; i < LOSSES; i++) {
        assert_null(losses[i](column, flat, NULL));
        check_loss_error(
            tg, TG_ERR_SHAPE, names[i],
            "input [4, 1] and target [4] differ in shape and would broadcast to [4, 4]: use "
            "tg_flatten(input, 0, -1), or tg_reshape(target, TG_SHAPE(4, 1))");
        tg_loss_options o = tg_loss_defaults();
        o.reduction = TG_NONE | TG_BROADCAST;
        tg_tensor *wide = losses[i](column, flat, &o);
        assert_true(wide && wide->ndim == 2 && wide->shape[0] == 4 && wide->shape[1] == 4);
    }
    assert_null(tg_gaussian_nll_loss(column, flat, flat, NULL));
    check_loss_error(
        tg, TG_ERR_SHAPE, "gaussian_nll_loss",
        "input [4, 1] and target [4] differ in shape and would broadcast to [4, 4]: use "
        "tg_flatten(input, 0, -1), or tg_reshape(target, TG_SHAPE(4, 1))");
}

static void test_wrong_dtypes_and_reductions_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_full(tg, TG_F32, TG_SHAPE(2), 0.5), *y = tg_full(tg, TG_F64, TG_SHAPE(2), 1);
    for (int i = 0; i < LOSSES; i++) {
        assert_null(losses[i](x, y, NULL));
        check_loss_error(tg, TG_ERR_DTYPE, names[i],
                         "the input is float32, the target float64; use tg_cast");
        tg_loss_options o = tg_loss_defaults();
        o.reduction = 9;
        assert_null(losses[i](x, x, &o));
        check_loss_error(tg, TG_ERR_ARGUMENT, names[i],
                         "there is no reduction 9; use TG_MEAN, TG_SUM or TG_NONE");
        assert_true(!losses[i](NULL, NULL, NULL));
        check_ok(tg);
        assert_null(losses[i](x, NULL, NULL));
        check_loss_error(tg, TG_ERR_ARGUMENT, names[i], "target is NULL");
    }
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_BATCHMEAN;
    assert_null(tg_l1_loss(x, x, &o));
    check_error(
        tg, TG_ERR_ARGUMENT,
        "l1_loss: the reduction TG_BATCHMEAN is for kl_div alone; use TG_MEAN, TG_SUM or TG_NONE");
}

static void test_numbers_out_of_range_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_full(tg, TG_F32, TG_SHAPE(2), 0.5), *bad = tg_full_like(x, 1.5);
    tg_loss_options o = tg_loss_defaults();
    o.delta = 0;
    assert_null(tg_huber_loss(x, x, &o));
    check_error(
        tg, TG_ERR_ARGUMENT,
        "huber_loss: delta is 0, but must be positive; TG_LOSS and tg_loss_defaults() set it to 1");
    o.beta = -1;
    assert_null(tg_smooth_l1_loss(x, x, &o));
    check_error(tg, TG_ERR_ARGUMENT, "smooth_l1_loss: beta is -1, but must not be negative");
    assert_null(tg_binary_cross_entropy(bad, x, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "binary_cross_entropy: the input is not in [0, 1] everywhere; of logits use "
                "tg_binary_cross_entropy_with_logits");
    assert_null(tg_binary_cross_entropy(tg_full_like(x, NAN), x, NULL));
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
    assert_null(tg_gaussian_nll_loss(x, x, tg_full_like(x, -1), NULL));
    check_error(tg, TG_ERR_ARGUMENT, "gaussian_nll_loss: var has a negative element");
    o.eps = 0;
    assert_null(tg_gaussian_nll_loss(x, x, x, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "gaussian_nll_loss: eps is 0, but must be positive; TG_LOSS and tg_loss_defaults() "
                "set it to 1e-6");
    assert_null(tg_gaussian_nll_loss(x, x, tg_ones(tg, TG_F32, TG_SHAPE(3)), NULL));
    check_error(tg, TG_ERR_SHAPE,
                "gaussian_nll_loss: var [3] is neither of the input's shape [2] nor one number a "
                "row");
    o = tg_loss_defaults();
    o.weight = tg_ones(tg, TG_F32, TG_SHAPE(3));
    assert_null(tg_binary_cross_entropy(x, x, &o));
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
}

static void test_wrong_labels_and_weights_of_classes_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_zeros(tg, TG_F32, TG_SHAPE(4, 3));
    tg_tensor *labels = tg_from_i64(tg, TG_SHAPE(4), (int64_t[]){0, 1, 2, 3});
    assert_null(tg_cross_entropy(x, labels, NULL));
    check_error(tg, TG_ERR_INDEX, "cross_entropy: label 3 is not one of 3 classes");
    assert_null(tg_nll_loss(x, labels, NULL));
    check_error(tg, TG_ERR_INDEX, "nll_loss: label 3 is not one of 3 classes");
    labels = tg_zeros(tg, TG_I64, TG_SHAPE(4, 1));
    assert_null(tg_cross_entropy(x, labels, NULL));
    check_error(tg, TG_ERR_SHAPE,
                "cross_entropy: input [4, 3] wants labels [4], not [4, 1]; use tg_flatten(target, "
                "0, -1)");
    labels = tg_zeros(tg, TG_I64, TG_SHAPE(5));
    assert_null(tg_nll_loss(x, labels, NULL));
    check_error(tg, TG_ERR_SHAPE, "nll_loss: input [4, 3] wants labels [4], not [5]");
    assert_null(tg_cross_entropy(x, tg_zeros(tg, TG_F32, TG_SHAPE(4)), NULL));
    check_error(tg, TG_ERR_DTYPE,
                "cross_entropy: the target, float32 [4], is neither int64 labels nor float32 "
                "probabilities [4, 3]");
    assert_null(tg_nll_loss(x, x, NULL));
    check_error(tg, TG_ERR_DTYPE, "nll_loss: the target is float32, not int64");
    tg_loss_options o = tg_loss_defaults();
    o.weight = tg_ones(tg, TG_F32, TG_SHAPE(4));
    labels = tg_zeros(tg, TG_I64, TG_SHAPE(4));
    assert_null(tg_cross_entropy(x, labels, &o));
    check_error(tg, TG_ERR_SHAPE, "cross_entropy: the weight is float32 [4], not float32 [3]");
    o.weight = tg_ones(tg, TG_F64, TG_SHAPE(3));
    assert_null(tg_nll_loss(x, labels, &o));
    check_error(tg, TG_ERR_DTYPE, "nll_loss: the weight is float64 [3], not float32 [3]");
    o = tg_loss_defaults();
    o.label_smoothing = 1.5;
    assert_null(tg_cross_entropy(x, labels, &o));
    check_error(tg, TG_ERR_ARGUMENT, "cross_entropy: label_smoothing 1.5 must lie in [0, 1]");
    o.reduction = TG_BATCHMEAN;
    assert_null(tg_nll_loss(x, labels, &o));
    check_error(
        tg, TG_ERR_ARGUMENT,
        "nll_loss: the reduction TG_BATCHMEAN is for kl_div alone; use TG_MEAN, TG_SUM or TG_NONE");
    assert_null(tg_nll_loss(tg_scalar(tg, TG_F32, 1), labels, NULL));
    check_error(tg, TG_ERR_SHAPE, "nll_loss: the input [] has no dimension of classes");
    assert_null(tg_cross_entropy(tg_zeros(tg, TG_I64, TG_SHAPE(4, 3)), labels, NULL));
    check_error(tg, TG_ERR_DTYPE, "cross_entropy: not for int64; use tg_cast");
}

/* ---- Closed forms. */

static void test_values_are_those_of_closed_forms(void **state)
{
    tg_context *tg = *state;
    tg_tensor *even = tg_zeros(tg, TG_F64, TG_SHAPE(2, 5));
    tg_tensor *labels = tg_from_i64(tg, TG_SHAPE(2), (int64_t[]){4, 0});
    check_near(tg_cross_entropy(even, labels, NULL), log(5));
    check_near(tg_binary_cross_entropy(tg_full_like(even, 0.25), tg_ones_like(even), NULL), log(4));
    check_near(tg_l1_loss(constant(tg, 1, 4), constant(tg, 2, 2), NULL), 1.5);
    check_near(tg_huber_loss(constant(tg, 1, 5), constant(tg, 1.5, 2), NULL), (0.125 + 2.5) / 2);
    tg_tensor *p = constant(tg, 0.25, 0.75), *q = tg_log(constant(tg, 0.5, 0.5));
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_SUM;
    check_near(tg_kl_div(q, p, &o), 0.25 * log(0.5) + 0.75 * log(1.5));
    /* The loss log(1 + exp(-100)) is about exp(-100), which 1 + exp(-100) would round away. */
    tg_tensor *sure = constant(tg, 100), *one = constant(tg, 1);
    check_near(tg_binary_cross_entropy_with_logits(sure, one, NULL), exp(-100));
}

/* Sets g and h to the first and second derivatives of each element of the loss of x and target 0.
 */
static void differentiate(tg_loss_function loss, const tg_loss_options *o, tg_tensor *x,
                          tg_tensor **g, tg_tensor **h)
{
    tg_grad_options how = tg_grad_defaults();
    how.create_graph = true;
    tg_tensor *sum = tg_sum(loss(x, tg_zeros_like(x), o));
    assert_true(tg_grad(TG_LIST(sum), TG_LIST(x), g, &how));
    sum = tg_sum(*g);
    assert_true(tg_grad(TG_LIST(sum), TG_LIST(x), h, &how));
}

/* Around 0 both losses are parabolas and have a second derivative. From the point on where they
 * turn into lines it is 0. The values are those of PyTorch. */
static void test_second_gradients_of_huber_and_smooth_l1(void **state)
{
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_NONE;
    o.beta = 2;
    tg_tensor *g, *h;
    differentiate(tg_huber_loss, &o, leaf(*state, 0, 0.5, 1, 2, -1, -2), &g, &h);
    check_values(g, 0, 0.5, 1, 1, -1, -1);
    check_values(h, 1, 1, 0, 0, 0, 0);
    differentiate(tg_smooth_l1_loss, &o, leaf(*state, 0, 0.5, 2, 3, -2, -3), &g, &h);
    check_values(g, 0, 0.25, 1, 1, -1, -1);
    check_values(h, 0.5, 0.5, 0, 0, 0, 0);
}

/* A beta too small for float32 counts as 0; a large beta or delta does not make the loss overflow.
 */
static void test_extreme_beta_and_delta(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_NONE;
    tg_tensor *x = tg_from_f32(tg, TG_SHAPE(3), (float[]){0, 2, 1e30f}), *zero = tg_zeros_like(x);
    o.beta = 1e-50;
    check_values(tg_smooth_l1_loss(x, zero, &o), 0, 2, 1e30f);
    o.delta = 1e300;
    check_values(tg_huber_loss(tg_narrow(x, 0, 0, 2), tg_narrow(zero, 0, 0, 2), &o), 0, 2);
    o.beta = 1e20;
    assert_true(element_of(tg_smooth_l1_loss(x, zero, &o), 2) == 1e30f);
}

static void test_extreme_variances_and_their_shape(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_NONE;
    tg_tensor *x = constant(tg, 1, 2), *zero = tg_zeros_like(x);
    check_values(tg_gaussian_nll_loss(x, zero, constant(tg, INFINITY, 1), &o), INFINITY, 2);
    assert_null(tg_gaussian_nll_loss(x, zero, constant(tg, NAN, -1), &o));
    check_error(tg, TG_ERR_ARGUMENT, "gaussian_nll_loss: var has a negative element");
    tg_tensor *one = tg_scalar(tg, TG_F64, 1);
    assert_null(tg_gaussian_nll_loss(one, one, constant(tg, 1, 2, 3), &o));
    check_error(tg, TG_ERR_SHAPE,
                "gaussian_nll_loss: var [3] is neither of the input's shape [] nor one number a "
                "row");
}

/* With .full, Stirling's formula is added where the target is above 1, and its derivative,
 * log(target) + 1 / (2 target), is added to the target's gradient there. */
static void test_full_poisson_nll_loss_and_the_gradient_of_its_target(void **state)
{
    tg_context *tg = *state;
    tg_tensor *log_mean = constant(tg, 0.5, 0.5, 0.5);
    tg_tensor *count = tg_requires_grad_(constant(tg, 0, 1, 4), true);
    const tg_loss_options *o = TG_LOSS(.reduction = TG_NONE, .full = true);
    tg_tensor *loss = tg_poisson_nll_loss(log_mean, count, o);
    const double stirling = 4 * log(4) - 4 + log(8 * acos(-1)) / 2;
    check_values(loss, exp(0.5), exp(0.5) - 0.5, exp(0.5) - 2 + stirling);
    tg_backward(tg_sum(loss));
    check_values(count->grad, -0.5, -0.5, -0.5 + log(4) + 0.125);
}

/* TG_BATCHMEAN divides by the first size of the input as it was given, here 1, and not by that of
 * the shape it broadcasts to. PyTorch has the same value, 4.8906. */
static void test_batchmean_divides_by_the_batch_before_broadcasting(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_BATCHMEAN | TG_BROADCAST;
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(1, 2), (double[]){-1, -2});
    const double t[] = {.1, .9, .2, .8, .3, .7, .4, .6};
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += t[i] * (log(t[i]) - (i % 2 ? -2 : -1));
    tg_tensor *loss = tg_kl_div(x, tg_from_f64(tg, TG_SHAPE(4, 2), t), &o);
    assert_true(fabs(tg_item(loss) - sum) < 1e-14 && fabs(sum - 4.8906) < 1e-4);
}

static void test_pos_weight_must_broadcast_to_the_input(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    o.pos_weight = tg_ones(tg, TG_F64, TG_SHAPE(2, 1));
    assert_null(tg_binary_cross_entropy_with_logits(constant(tg, 1, 2), constant(tg, 0, 1), &o));
    check_error(tg, TG_ERR_SHAPE,
                "binary_cross_entropy_with_logits: [2, 1] does not broadcast to [2]");
}

/* ignore_index is kept as an int64: no double is equal to INT64_MAX. */
static void test_ignore_index_may_be_any_int64(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    o.label_smoothing = 0.5;
    o.ignore_index = INT64_MAX;
    tg_tensor *x = tg_zeros(tg, TG_F64, TG_SHAPE(2, 5));
    check_near(tg_cross_entropy(x, tg_zeros(tg, TG_I64, TG_SHAPE(2)), &o), log(5));
}

/* Options that are written as a literal have ignore_index 0, and would ignore a label of the data.
 */
static void test_options_that_would_ignore_label_0_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_zeros(tg, TG_F64, TG_SHAPE(2, 5)),
              *labels = tg_zeros(tg, TG_I64, TG_SHAPE(2));
    assert_null(tg_cross_entropy(x, labels, &(tg_loss_options){.reduction = TG_MEAN}));
    check_error(tg, TG_ERR_ARGUMENT,
                "cross_entropy: these options would ignore label 0; begin with "
                "tg_loss_defaults()");
}

static void test_mean_of_ignored_labels_alone_is_nan_and_their_sum_0(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(2, 3)), true);
    tg_tensor *ignored = tg_full(tg, TG_I64, TG_SHAPE(2), -100);
    assert_true(isnan(tg_item(tg_cross_entropy(x, ignored, NULL))));
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_SUM;
    tg_tensor *loss = tg_cross_entropy(x, ignored, &o);
    check_values(loss, 0);
    assert_true(tg_backward(loss));
    check_values(x->grad, 0, 0, 0, 0, 0, 0);
}

/* ---- Gradients of the tensors in options. */

/* The rows of x are logarithms of probabilities, so that log_softmax leaves them as they are, and
 * the losses at the two labels are 1.202 and 0.823. With TG_SUM these are the gradients of the
 * weights of classes 0 and 2; that of class 1, which no label names, is 0. */
static void test_gradient_of_the_weight_of_classes(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    const double first = 1.202, last = 0.823,
                 rest[] = {log((1 - exp(-first)) / 2), log((1 - exp(-last)) / 2)};
    const double rows[] = {-first, rest[0], rest[0], rest[1], rest[1], -last};
    tg_tensor *x = tg_from_f64(tg, TG_SHAPE(2, 3), rows), *logs = x;
    tg_tensor *labels = tg_from_i64(tg, TG_SHAPE(2), (int64_t[]){0, 2});
    o.reduction = TG_SUM;
    o.weight = leaf(tg, 1, 1, 1);
    assert_true(tg_backward(tg_cross_entropy(x, labels, &o)));
    check_near(o.weight->grad, first, 0, last);
    o.reduction = TG_MEAN; /* (w0 first + w2 last) / (w0 + w2) */
    o.weight = leaf(tg, 2, 1, 3);
    tg_tensor *mean = tg_nll_loss(logs, labels, &o);
    const double loss = (2 * first + 3 * last) / 5;
    check_near(mean, loss);
    assert_true(tg_backward(mean));
    const double slopes[] = {(first - loss) / 5, 0, (last - loss) / 5};
    for (int i = 0; i < 3; i++)
        assert_true(fabs(element_of(o.weight->grad, i) - slopes[i]) < 1e-15);
}

/* A loss, its target, and which tensor of its options the test differentiates by: pos_weight, or
 * weight. */
typedef struct option {
    const char *name;
    tg_loss_function function;
    tg_tensor *target;
    tg_loss_options o;
    bool is_pos_weight;
} option;

/* The loss of inputs.items[0], with inputs.items[1] in the options. */
static tg_tensor *loss_by_option(tg_list inputs, void *user)
{
    option *q = user;
    *(q->is_pos_weight ? &q->o.pos_weight : &q->o.weight) = inputs.items[1];
    return q->function(inputs.items[0], q->target, &q->o);
}

/* The convolution of inputs.items[0], with inputs.items[1] as the bias, which is among its options.
 */
static tg_tensor *conv_by_bias(tg_list inputs, void *user)
{
    tg_conv_options o = tg_conv_defaults();
    o.bias = inputs.items[1];
    return (inputs.items[0]->ndim == 4 ? tg_conv2d : tg_conv1d)(inputs.items[0], user, &o);
}

static void check_option(tg_context *tg, tg_function f, tg_tensor *x, tg_tensor *by, void *user)
{
    assert_true(tg_gradcheck(f, TG_LIST(x, by), user, NULL));
    assert_true(tg_gradgradcheck(f, TG_LIST(x, by), user, NULL));
    check_ok(tg);
}

static tg_tensor *drawn(tg_context *tg, tg_shape shape, double low, double high)
{
    return tg_requires_grad_(tg_uniform_(tg_empty(tg, TG_F64, shape), low, high), true);
}

/* Central differences agree with the first and second gradients of the tensors in options, for
 * every reduction, with and without label smoothing, and with a label that is ignored. */
static void test_gradients_of_tensors_in_options(void **state)
{
    tg_context *tg = *state;
    tg_tensor *labels = tg_from_i64(tg, TG_SHAPE(4), (int64_t[]){2, 0, -100, 2});
    tg_tensor *shares = tg_softmax(tg_randn(tg, TG_F64, TG_SHAPE(4, 3)), 1);
    const tg_loss_function cross = tg_cross_entropy,
                           with_logits = tg_binary_cross_entropy_with_logits;
    option options[] = {{"nll_loss", tg_nll_loss, labels, {0}, false},
                        {"labels", cross, labels, {0}, false},
                        {"probabilities", cross, shares, {0}, false},
                        {"bce", tg_binary_cross_entropy, shares, {0}, false},
                        {"logits", with_logits, shares, {0}, false},
                        {"pos_weight", with_logits, shares, {0}, true}};
    for (int i = 0; i < 6 * 3 * 2; i++) {
        option *q = &options[i % 6];
        q->o = tg_loss_defaults();
        q->o.reduction = i / 6 % 3;
        q->o.label_smoothing = i / 18 * 0.25;
        check_option(tg, loss_by_option, drawn(tg, TG_SHAPE(4, 3), 0.2, 0.8),
                     drawn(tg, TG_SHAPE(3), 0.5, 2), q);
    }
    check_option(tg, conv_by_bias, drawn(tg, TG_SHAPE(2, 2, 5), -1, 1),
                 drawn(tg, TG_SHAPE(3), 0, 1), tg_randn(tg, TG_F64, TG_SHAPE(3, 2, 3)));
    check_option(tg, conv_by_bias, drawn(tg, TG_SHAPE(2, 2, 4, 4), -1, 1),
                 drawn(tg, TG_SHAPE(3), 0, 1), tg_randn(tg, TG_F64, TG_SHAPE(3, 2, 3, 3)));
}

/* A target of probabilities has no label that could be ignored. As in PyTorch, ignore_index is
 * therefore refused, save a negative one, such as the default. */
static void test_probabilities_refuse_ignore_index(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    tg_tensor *x = tg_zeros(tg, TG_F64, TG_SHAPE(2, 4)), *even = tg_full_like(x, 0.25);
    o.ignore_index = 1;
    assert_null(tg_cross_entropy(x, even, &o));
    check_error(tg, TG_ERR_ARGUMENT,
                "cross_entropy: ignore_index 1, but probabilities have no label to ignore");
    o.ignore_index = -1;
    check_near(tg_cross_entropy(x, even, &o), log(4));
}

/* With beta 0 the loss is l1_loss, whose slope is -1 below the target and 1 above; where input and
 * target are equal, the gradient is 0. */
static void test_smooth_l1_with_beta_0_has_gradient_0_at_equality(void **state)
{
    tg_loss_options o = tg_loss_defaults();
    o.beta = 0;
    o.reduction = TG_SUM;
    tg_tensor *x = leaf(*state, 1, 2, 0);
    assert_true(tg_backward(tg_smooth_l1_loss(x, constant(*state, 1, 1, 1), &o)));
    check_values(x->grad, 0, 1, -1);
}

/* ---- Losses as modules. */

static void test_criterion_is_a_module_that_takes_two_tensors(void **state)
{
    tg_context *tg = *state;
    tg_loss_options o = tg_loss_defaults();
    o.reduction = TG_SUM;
    tg_module *loss = tg_criterion(tg, tg_l1_loss, &o);
    o.reduction = TG_NONE; /* the options were copied */
    check_values(tg_loss(loss, constant(tg, 1, 4), constant(tg, 2, 2)), 3);
    assert_int_equal(tg_parameters(loss).n, 0);
    assert_null(tg_forward(loss, constant(tg, 1)));
    check_error(tg, TG_ERR_ARGUMENT,
                "forward: Criterion is a loss and takes two tensors; use tg_loss");
    loss = tg_criterion(tg, tg_cross_entropy, NULL);
    tg_tensor *labels = tg_zeros(tg, TG_I64, TG_SHAPE(2));
    check_near(tg_loss(loss, tg_zeros(tg, TG_F64, TG_SHAPE(2, 2)), labels), log(2));
    assert_null(tg_criterion(tg, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "criterion: the function is NULL");
    assert_null(tg_criterion(NULL, tg_l1_loss, NULL));
}

/* ---- The accuracy of means of many losses. */

/* Each row has the loss 0.1 and the weight 0.1; the weighted mean is 0.1. The compensated sum of
 * the weights rounds once. The losses are summed pairwise: 32 terms in each of 16 lanes, and then
 * 11 levels of a tree. The product of loss and weight and the quotient round once each. */
static void test_weighted_means_of_many_rows(void **state)
{
    tg_context *tg = *state;
    enum { ROWS = 100000 };
    tg_tensor *x = tg_full(tg, TG_F64, TG_SHAPE(ROWS, 2), -0.1);
    tg_tensor *labels = tg_zeros(tg, TG_I64, TG_SHAPE(ROWS));
    tg_loss_options o = tg_loss_defaults();
    o.weight = tg_full(tg, TG_F64, TG_SHAPE(2), 0.1);
    exact_sum want = {0.1, 0, 0.1};
    check_sum(tg_item(tg_nll_loss(x, labels, &o)), want, unit_of(TG_F64), 32 + 11 + 4);
}

/* ---- One pass over memory. */

/* n numbers in (0, 1), every second element of a tensor. */
static tg_tensor *strided(tg_context *tg, tg_dtype dtype, int64_t n)
{
    tg_tensor *t = tg_rand(tg, dtype, TG_SHAPE(n, 2));
    return tg_requires_grad_(tg_detach(tg_select(t, 1, 1)), true);
}

static bool have_same_bits(tg_tensor *a, tg_tensor *b)
{
    for (int64_t i = 0; i < a->numel; i++) {
        const double x = element_of(a, i), y = element_of(b, i);
        if (memcmp(&x, &y, sizeof x)) return false;
    }
    return a->numel == b->numel;
}

/* Sums and means are those of the losses of all elements, for sizes below and above those of a
 * block. */
static void test_sums_of_losses_have_the_bits_of_the_sum_of_all(void **state)
{
    tg_context *tg = *state;
    const int64_t sizes[] = {0, 1, 15, 511, 512, 513, 1024, 3001};
    for (tg_dtype d = TG_F32; d <= TG_F64; d++)
        for (int i = 0; i < LOSSES; i++)
            for (int k = 0; k < 8; k++) {
                tg_tensor *x = strided(tg, d, sizes[k]), *y = strided(tg, d, sizes[k]);
                tg_tensor *each = losses[i](x, y, TG_LOSS(.reduction = TG_NONE));
                tg_tensor *sum = losses[i](x, y, TG_LOSS(.reduction = TG_SUM));
                tg_tensor *mean = losses[i](x, y, TG_LOSS(.reduction = TG_MEAN));
                assert_true(have_same_bits(sum, tg_sum(each)));
                assert_true(sizes[k] ? have_same_bits(mean, tg_mean(each)) : isnan(tg_item(mean)));
            }
}

/* A sum that threads share is cut into parts. Copies that it needed are freed. */
static void test_sums_of_losses_do_not_depend_on_threads(void **state)
{
    tg_context *tg = *state;
    enum { MANY = 200001 };
    tg_tensor *x = strided(tg, TG_F32, MANY), *y = strided(tg, TG_F32, MANY);
    for (int i = 0; i < LOSSES; i++) {
        tg_tensor *loss[2];
        for (int threads = 1; threads <= 2; threads++) {
            assert_true(tg_set_num_threads(tg, threads));
            loss[threads - 1] = losses[i](x, y, NULL);
        }
        assert_true(have_same_bits(loss[0], loss[1]));
    }
    tg_set_num_threads(tg, 1);
    tg_no_grad_begin(tg);
    const size_t before = tg_get_stats(tg).live_bytes;
    tg_l1_loss(x, y, NULL), tg_huber_loss(x, y, NULL);
    assert_true(tg_get_stats(tg).live_bytes - before < MANY);
    tg_no_grad_end(tg);
}

/* The gradients with a history are computed by operations, those without by kernels. */
static void test_gradients_with_and_without_a_history_have_the_same_bits(void **state)
{
    tg_context *tg = *state;
    for (tg_dtype d = TG_F32; d <= TG_F64; d++)
        for (int i = 0; i < LOSSES; i++)
            for (int reduction = TG_MEAN; reduction <= TG_NONE; reduction++) {
                tg_tensor *x = strided(tg, d, 1500), *y = strided(tg, d, 1500), *g[2], *h[2];
                tg_tensor *loss = losses[i](x, y, TG_LOSS(.reduction = reduction));
                tg_grad_options how = {
                    .grad_outputs = TG_LIST(tg_rand(tg, d, (tg_shape){loss->ndim, loss->shape}))};
                assert_true(tg_grad(TG_LIST(loss), TG_LIST(x, y), g, &how));
                how.create_graph = true;
                assert_true(tg_grad(TG_LIST(loss), TG_LIST(x, y), h, &how));
                if (!have_same_bits(g[0], h[0]) || !have_same_bits(g[1], h[1]))
                    fail_msg("%s, reduction %d", names[i], reduction);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_of_losses_have_the_bits_of_the_sum_of_all),
        cmocka_unit_test(test_sums_of_losses_do_not_depend_on_threads),
        cmocka_unit_test(test_gradients_with_and_without_a_history_have_the_same_bits),
        cmocka_unit_test(test_shapes_that_differ_are_refused_without_tg_broadcast),
        cmocka_unit_test(test_wrong_dtypes_and_reductions_are_refused),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_wrong_labels_and_weights_of_classes_are_refused),
        cmocka_unit_test(test_values_are_those_of_closed_forms),
        cmocka_unit_test(test_second_gradients_of_huber_and_smooth_l1),
        cmocka_unit_test(test_extreme_beta_and_delta),
        cmocka_unit_test(test_full_poisson_nll_loss_and_the_gradient_of_its_target),
        cmocka_unit_test(test_extreme_variances_and_their_shape),
        cmocka_unit_test(test_batchmean_divides_by_the_batch_before_broadcasting),
        cmocka_unit_test(test_pos_weight_must_broadcast_to_the_input),
        cmocka_unit_test(test_ignore_index_may_be_any_int64),
        cmocka_unit_test(test_options_that_would_ignore_label_0_are_refused),
        cmocka_unit_test(test_mean_of_ignored_labels_alone_is_nan_and_their_sum_0),
        cmocka_unit_test(test_gradient_of_the_weight_of_classes),
        cmocka_unit_test(test_gradients_of_tensors_in_options),
        cmocka_unit_test(test_probabilities_refuse_ignore_index),
        cmocka_unit_test(test_smooth_l1_with_beta_0_has_gradient_0_at_equality),
        cmocka_unit_test(test_criterion_is_a_module_that_takes_two_tensors),
        cmocka_unit_test(test_weighted_means_of_many_rows),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
