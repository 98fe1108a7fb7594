/* Bad input to every public function. The call returns an error value, the context keeps the first
 * message, which is compared to the letter, and all tensors stay as they were. */
#include "check.h"
#include "guarded.h"

/* The tensors that every test is given. */
typedef struct bench {
    guarded memory;
    tg_context *tg, *other;
    tg_tensor *m;        /* float32 [2, 3], holds 1 */
    tg_tensor *v;        /* float32 [4] */
    tg_tensor *cube;     /* float32 [2, 3, 4] */
    tg_tensor *s;        /* float32 [] */
    tg_tensor *d;        /* float64 [2, 3] */
    tg_tensor *i;        /* int64 [2, 3], zeros */
    tg_tensor *b;        /* bool [2, 3] */
    tg_tensor *none;     /* float32 [0] */
    tg_tensor *leaf;     /* float32 [2], requires grad */
    tg_tensor *foreign;  /* float32 [2, 3] of the other context */
    tg_tensor *gone;     /* float32 [2, 3], released */
    tg_tensor *borrowed; /* float32 [2, 3] */
} bench;

static int set_up(void **state)
{
    bench *t = calloc(1, sizeof *t);
    if (!t) return -1;
    tg_options o = guarded_options(&t->memory);
    tg_context *tg = t->tg = tg_open(&o);
    t->other = tg_open(NULL);
    t->m = tg_ones(tg, TG_F32, TG_SHAPE(2, 3));
    t->v = tg_ones(tg, TG_F32, TG_SHAPE(4));
    t->cube = tg_ones(tg, TG_F32, TG_SHAPE(2, 3, 4));
    t->s = tg_ones(tg, TG_F32, TG_SHAPE());
    t->d = tg_ones(tg, TG_F64, TG_SHAPE(2, 3));
    t->i = tg_zeros(tg, TG_I64, TG_SHAPE(2, 3));
    t->b = tg_ones(tg, TG_BOOL, TG_SHAPE(2, 3));
    t->none = tg_ones(tg, TG_F32, TG_SHAPE(0));
    t->leaf = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    t->foreign = tg_ones(t->other, TG_F32, TG_SHAPE(2, 3));
    t->gone = tg_ones(tg, TG_F32, TG_SHAPE(2, 3));
    release_noticed(t->gone);
    t->borrowed = tg_borrow(tg, t->foreign);
    *state = t;
    return !tg_ok(tg) || !tg_ok(t->other);
}

static int tear_down(void **state)
{
    bench *t = *state;
    bool same = tg_item(tg_sum(t->m)) == 6 && tg_item(tg_sum(t->v)) == 4 &&
                tg_item(tg_sum(t->i)) == 0 && tg_item(tg_sum(t->leaf)) == 2 && !t->leaf->grad;
    bool quiet = tg_ok(t->tg) && tg_ok(t->other);
    tg_close(t->tg);
    tg_close(t->other);
    bool clean = t->memory.blocks == 0 && !t->memory.damaged;
    free(t);
    return same && quiet && clean ? 0 : -1;
}

/* Checks that a call returns NULL, false or 0, and records this error. */
#define refused(call, code, text)                                                                  \
    do {                                                                                           \
        assert_false(call);                                                                        \
        check_error(t->tg, code, text);                                                            \
    } while (0)

/* Checks that a call returns NaN and records this error. */
#define no_number(call, code, text)                                                                \
    do {                                                                                           \
        assert_true(isnan(call) != 0);                                                             \
        check_error(t->tg, code, text);                                                            \
    } while (0)

static const int64_t huge = INT64_MAX;
static const tg_dtype no_dtype = (tg_dtype)7;
#define NINE    TG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)
#define NO_LIST ((tg_shape){2, NULL})

/* ---- Functions of one and of two tensors, which refuse the same things. */

typedef struct unary_case {
    const char *name;
    tg_tensor *(*f)(tg_tensor *t);
} unary_case;

static const unary_case unary_cases[] = {
    {"neg", tg_neg},
    {"abs", tg_abs},
    {"sign", tg_sign},
    {"square", tg_square},
    {"sqrt", tg_sqrt},
    {"exp", tg_exp},
    {"log", tg_log},
    {"relu", tg_relu},
    {"sigmoid", tg_sigmoid},
    {"tanh", tg_tanh},
    {"sum", tg_sum},
    {"mean", tg_mean},
    {"max", tg_max},
    {"min", tg_min},
    {"argmax", tg_argmax},
    {"argmin", tg_argmin},
    {"t", tg_t},
    {"squeeze", tg_squeeze},
    {"clone", tg_clone},
    {"detach", tg_detach},
    {"keep", tg_keep},
    {"zero_", tg_zero_},
    {"bernoulli", tg_bernoulli},
    {"retain_grad", tg_retain_grad},
};

static void test_unary(void **state)
{
    bench *t = *state;
    char text[200];
    for (size_t i = 0; i < sizeof unary_cases / sizeof *unary_cases; i++) {
        unary_case c = unary_cases[i];
        assert_null(c.f(NULL));
        snprintf(text, sizeof text, "%s: the tensor [2, 3] was released", c.name);
        refused(c.f(t->gone), TG_ERR_CONTEXT, text);
    }
    refused(tg_sort(t->gone, 0), TG_ERR_CONTEXT, "sort: the tensor [2, 3] was released");
    refused(tg_random_(t->gone), TG_ERR_CONTEXT, "random_: the tensor [2, 3] was released");
    assert_null(tg_random_(NULL));
}

/* Functions of one tensor refuse the dtypes that they are not for. */
static void test_unary_dtypes(void **state)
{
    bench *t = *state;
    char text[200];
    static const unary_case floats[] = {
        {"sqrt", tg_sqrt},          {"exp", tg_exp},         {"log", tg_log},
        {"tanh", tg_tanh},          {"sigmoid", tg_sigmoid}, {"mean", tg_mean},
        {"bernoulli", tg_bernoulli}};
    static const unary_case numbers[] = {{"neg", tg_neg},
                                         {"abs", tg_abs},
                                         {"sign", tg_sign},
                                         {"square", tg_square},
                                         {"relu", tg_relu}};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        snprintf(text, sizeof text, "%s: not for int64; use tg_cast", floats[i].name);
        refused(floats[i].f(t->i), TG_ERR_DTYPE, text);
        snprintf(text, sizeof text, "%s: not for bool; use tg_cast", floats[i].name);
        refused(floats[i].f(t->b), TG_ERR_DTYPE, text);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(text, sizeof text, "%s: not for bool; use tg_cast", numbers[i].name);
        refused(numbers[i].f(t->b), TG_ERR_DTYPE, text);
    }
}

typedef struct binary_case {
    const char *name;
    tg_tensor *(*f)(tg_tensor *a, tg_tensor *b);
    bool writes; /* whether it writes to a */
    bool bools;  /* whether it takes bool */
} binary_case;

static const binary_case binary_cases[] = {
    {"add", tg_add, false, false},
    {"sub", tg_sub, false, false},
    {"mul", tg_mul, false, false},
    {"div", tg_div, false, false},
    {"pow", tg_pow, false, false},
    {"maximum", tg_maximum, false, false},
    {"minimum", tg_minimum, false, false},
    {"eq", tg_eq, false, true},
    {"ne", tg_ne, false, true},
    {"lt", tg_lt, false, true},
    {"le", tg_le, false, true},
    {"gt", tg_gt, false, true},
    {"ge", tg_ge, false, true},
    {"copy_", tg_copy_, true, true},
    {"add_", tg_add_, true, false},
    {"sub_", tg_sub_, true, false},
    {"mul_", tg_mul_, true, false},
};

static void check_foreign(bench *t, const binary_case *c, tg_tensor *a, tg_tensor *b)
{
    char text[200];
    bool ours = a->context == t->tg;
    assert_null(c->f(a, b));
    snprintf(text, sizeof text, "%s: tensors of two contexts; tg_borrow makes an alias", c->name);
    check_error(ours ? t->tg : t->other, TG_ERR_CONTEXT, text);
    check_ok(ours ? t->other : t->tg);
}

static void test_binary(void **state)
{
    bench *t = *state;
    char text[200];
    for (size_t i = 0; i < sizeof binary_cases / sizeof *binary_cases; i++) {
        binary_case c = binary_cases[i];
        assert_null(c.f(NULL, NULL));
        snprintf(text, sizeof text, "%s: %s is NULL", c.name, c.writes ? "t" : "a");
        refused(c.f(NULL, t->m), TG_ERR_ARGUMENT, text);
        snprintf(text, sizeof text, "%s: %s is NULL", c.name,
                 c.f == tg_copy_ ? "source"
                 : c.writes      ? "other"
                                 : "b");
        refused(c.f(t->m, NULL), TG_ERR_ARGUMENT, text);
        snprintf(text, sizeof text, "%s: the tensor [2, 3] was released", c.name);
        refused(c.f(t->gone, t->m), TG_ERR_CONTEXT, text);
        refused(c.f(t->m, t->gone), TG_ERR_CONTEXT, text);
        check_foreign(t, &c, t->m, t->foreign);
        check_foreign(t, &c, t->foreign, t->m);
        snprintf(text, sizeof text, "%s: shapes [2, 3] and [4] do not broadcast", c.name);
        refused(c.f(t->m, t->v), TG_ERR_SHAPE, text);
        snprintf(text, sizeof text,
                 "%s: float32 [2, 3] and float64 [2, 3]: dtypes differ; use tg_cast", c.name);
        refused(c.f(t->m, t->d), TG_ERR_DTYPE, text);
        snprintf(text, sizeof text, "%s: not for bool; use tg_cast", c.name);
        if (!c.bools) refused(c.f(t->b, t->b), TG_ERR_DTYPE, text);
        snprintf(text, sizeof text, "%s: the tensor [2, 3] is borrowed and read-only", c.name);
        if (c.writes) refused(c.f(t->borrowed, t->m), TG_ERR_ARGUMENT, text);
        snprintf(text, sizeof text, "%s: [2, 3, 4] does not broadcast to [4]", c.name);
        if (c.writes) refused(c.f(t->v, t->cube), TG_ERR_SHAPE, text);
        snprintf(
            text, sizeof text,
            "%s: the tensor [2] is a leaf that requires grad; write to it after tg_no_grad_begin",
            c.name);
        if (c.writes) refused(c.f(t->leaf, t->s), TG_ERR_AUTOGRAD, text);
    }
    refused(tg_div(t->i, t->i), TG_ERR_DTYPE, "div: not for int64; use tg_cast");
    refused(tg_pow(t->i, t->i), TG_ERR_DTYPE, "pow: not for int64; use tg_cast");
}

typedef struct scalar_case {
    const char *name;
    tg_tensor *(*f)(tg_tensor *a, double s);
} scalar_case;

static const scalar_case scalar_cases[] = {
    {"add_scalar", tg_add_scalar},   {"sub_scalar", tg_sub_scalar},
    {"mul_scalar", tg_mul_scalar},   {"div_scalar", tg_div_scalar},
    {"pow_scalar", tg_pow_scalar},   {"eq_scalar", tg_eq_scalar},
    {"ne_scalar", tg_ne_scalar},     {"lt_scalar", tg_lt_scalar},
    {"le_scalar", tg_le_scalar},     {"gt_scalar", tg_gt_scalar},
    {"ge_scalar", tg_ge_scalar},     {"fill_", tg_fill_},
    {"rsub_scalar", tg_rsub_scalar}, {"add_scalar_", tg_add_scalar_},
    {"sub_scalar_", tg_sub_scalar_}, {"mul_scalar_", tg_mul_scalar_},
    {"div_scalar_", tg_div_scalar_},
};

static void test_scalars(void **state)
{
    bench *t = *state;
    char text[200];
    for (size_t i = 0; i < sizeof scalar_cases / sizeof *scalar_cases; i++) {
        scalar_case c = scalar_cases[i];
        assert_null(c.f(NULL, 1));
        snprintf(text, sizeof text, "%s: the tensor [2, 3] was released", c.name);
        refused(c.f(t->gone, 1), TG_ERR_CONTEXT, text);
        if (c.f == tg_div_scalar || c.f == tg_div_scalar_ || c.f == tg_pow_scalar) continue;
        snprintf(text, sizeof text, "%s: 0.5 is not a value of int64", c.name);
        refused(c.f(t->i, 0.5), TG_ERR_ARGUMENT, text);
        snprintf(text, sizeof text, "%s: nan is not a value of int64", c.name);
        refused(c.f(t->i, NAN), TG_ERR_ARGUMENT, text);
    }
    refused(tg_gt_scalar(t->b, 0.5), TG_ERR_ARGUMENT, "gt_scalar: 0.5 is not a value of bool");
    refused(tg_eq_scalar(t->b, 2), TG_ERR_ARGUMENT, "eq_scalar: 2 is not a value of bool");
    refused(tg_div_scalar(t->i, 1), TG_ERR_DTYPE, "div_scalar: not for int64; use tg_cast");
    refused(tg_pow_scalar(t->i, 1), TG_ERR_DTYPE, "pow_scalar: not for int64; use tg_cast");
    refused(tg_div_scalar_(t->i, 1), TG_ERR_DTYPE, "div_scalar_: not for int64; use tg_cast");
    refused(tg_div_(t->i, t->i), TG_ERR_DTYPE, "div_: not for int64; use tg_cast");
    refused(tg_rsub_scalar(t->b, 1), TG_ERR_DTYPE, "rsub_scalar: not for bool; use tg_cast");
    refused(tg_mul_scalar_(t->b, 1), TG_ERR_DTYPE, "mul_scalar_: not for bool; use tg_cast");
    refused(tg_add_scalar(t->b, 1), TG_ERR_DTYPE, "add_scalar: not for bool; use tg_cast");
    refused(tg_mul_scalar(t->b, 1), TG_ERR_DTYPE, "mul_scalar: not for bool; use tg_cast");
    refused(tg_sub_scalar(t->b, 1), TG_ERR_DTYPE, "sub_scalar: not for bool; use tg_cast");
}

/* ---- NULL arguments, where no context is known in which to record an error: no crash. */

static tg_tensor *square_of_first(tg_list inputs, void *user)
{
    return user ? NULL : tg_square(inputs.items[0]);
}

static void test_nothing(void **state)
{
    (void)state;
    float f32;
    double f64;
    int64_t i64;
    bool flag;
    tg_shape one = TG_SHAPE(1);
    tg_list list = TG_LIST(NULL, NULL), absent = {2, NULL}, negative = {-1, NULL};
    tg_tensor *grads[2] = {NULL, NULL};
    char text[4] = "abc";
    assert_false(tg_empty(NULL, TG_F32, one));
    assert_false(tg_zeros(NULL, TG_F32, one));
    assert_false(tg_ones(NULL, TG_F32, one));
    assert_false(tg_full(NULL, TG_F32, one, 1));
    assert_false(tg_scalar(NULL, TG_F32, 1));
    assert_false(tg_empty_like(NULL));
    assert_false(tg_zeros_like(NULL));
    assert_false(tg_ones_like(NULL));
    assert_false(tg_full_like(NULL, 1));
    assert_false(tg_from_f32(NULL, one, &f32));
    assert_false(tg_from_f64(NULL, one, &f64));
    assert_false(tg_from_i64(NULL, one, &i64));
    assert_false(tg_from_bool(NULL, one, &flag));
    assert_false(tg_wrap_f32(NULL, one, TG_CONTIGUOUS, &f32));
    assert_false(tg_wrap_f64(NULL, one, TG_CONTIGUOUS, &f64));
    assert_false(tg_wrap_i64(NULL, one, TG_CONTIGUOUS, &i64));
    assert_false(tg_wrap_bool(NULL, one, TG_CONTIGUOUS, &flag));
    assert_false(tg_arange(NULL, TG_F32, 0, 1, 1));
    assert_false(tg_linspace(NULL, TG_F32, 0, 1, 2));
    assert_false(tg_eye(NULL, TG_F32, 1, 1));
    assert_false(tg_borrow(NULL, NULL));
    assert_false(tg_view(NULL, one));
    assert_false(tg_reshape(NULL, one));
    assert_false(tg_flatten(NULL, 0, -1));
    assert_false(tg_transpose(NULL, 0, 1));
    assert_false(tg_permute(NULL, one));
    assert_false(tg_squeeze_dim(NULL, 0));
    assert_false(tg_unsqueeze(NULL, 0));
    assert_false(tg_expand(NULL, one));
    assert_false(tg_select(NULL, 0, 0));
    assert_false(tg_narrow(NULL, 0, 0, 0));
    assert_false(tg_slice(NULL, 0, 0, 1, 1));
    assert_false(tg_diagonal(NULL, 0, 0, 1));
    assert_false(tg_contiguous(NULL));
    assert_false(tg_cast(NULL, TG_F32));
    assert_false(tg_is_contiguous(NULL));
    assert_false(tg_set(NULL, one, 1));
    assert_false(tg_copy_from_f32(NULL, &f32));
    assert_false(tg_copy_from_f64(NULL, &f64));
    assert_false(tg_copy_from_i64(NULL, &i64));
    assert_false(tg_copy_from_bool(NULL, &flag));
    assert_false(tg_copy_to_f32(NULL, &f32));
    assert_false(tg_copy_to_f64(NULL, &f64));
    assert_false(tg_copy_to_i64(NULL, &i64));
    assert_false(tg_copy_to_bool(NULL, &flag));
    assert_false(tg_data_f32(NULL));
    assert_false(tg_data_f64(NULL));
    assert_false(tg_data_i64(NULL));
    assert_false(tg_data_bool(NULL));
    assert_false(tg_where(NULL, NULL, NULL));
    assert_false(tg_sum_dims(NULL, one, false));
    assert_false(tg_mean_dims(NULL, one, false));
    assert_false(tg_max_dim(NULL, 0, false));
    assert_false(tg_min_dim(NULL, 0, false));
    assert_false(tg_argmax_dim(NULL, 0, false));
    assert_false(tg_argmin_dim(NULL, 0, false));
    assert_false(tg_matmul(NULL, NULL));
    assert_false(tg_dot(NULL, NULL));
    assert_false(tg_outer(NULL, NULL));
    assert_false(tg_cat(list, 0));
    assert_false(tg_cat(absent, 0));
    assert_false(tg_cat(negative, 0));
    assert_false(tg_stack(list, 0));
    assert_false(tg_stack(absent, 0));
    assert_false(tg_stack(TG_LIST(), 0));
    assert_false(tg_vstack(list));
    assert_false(tg_vstack(absent));
    assert_false(tg_hstack(list));
    assert_false(tg_hstack(negative));
    assert_false(tg_sort(NULL, 0));
    assert_false(tg_argsort(NULL, 0));
    assert_false(tg_gather(NULL, 0, NULL));
    assert_false(tg_scatter_add(NULL, 0, NULL, NULL));
    assert_false(tg_requires_grad_(NULL, true));
    assert_false(tg_clear_grad(NULL));
    assert_false(tg_backward(NULL));
    assert_false(tg_backward_with(NULL, NULL));
    assert_false(tg_is_grad_enabled(NULL));
    assert_false(tg_grad(list, list, grads, NULL));
    assert_false(tg_grad(absent, absent, grads, NULL));
    assert_false(tg_grad(negative, negative, NULL, NULL));
    assert_false(tg_gradcheck(square_of_first, list, NULL, NULL));
    assert_false(tg_gradcheck(NULL, absent, NULL, NULL));
    assert_false(tg_gradgradcheck(square_of_first, list, NULL, NULL));
    assert_false(tg_gradgradcheck(NULL, negative, NULL, NULL));
    assert_false(tg_jacobian(square_of_first, list, NULL, grads));
    assert_false(tg_jacobian(NULL, absent, NULL, NULL));
    assert_false(tg_hessian(square_of_first, list, NULL, NULL));
    assert_false(tg_hessian(NULL, negative, NULL, NULL));
    assert_false(tg_vjp(square_of_first, list, NULL, NULL, grads));
    assert_false(tg_vjp(NULL, absent, NULL, NULL, NULL));
    assert_false(tg_jvp(square_of_first, list, NULL, list, grads));
    assert_false(tg_jvp(NULL, negative, NULL, absent, NULL));
    assert_false(tg_curve_fit(square_of_first, NULL, NULL, NULL, NULL, NULL).parameters);
    assert_false(tg_manual_seed(NULL, 1));
    assert_false(tg_rand(NULL, TG_F32, one));
    assert_false(tg_randn(NULL, TG_F32, one));
    assert_false(tg_randint(NULL, 0, 1, one));
    assert_false(tg_randperm(NULL, 1));
    assert_false(tg_uniform_(NULL, 0, 1));
    assert_false(tg_normal_(NULL, 0, 1));
    assert_false(tg_bernoulli_(NULL, 0.5));
    assert_false(tg_set_default_dtype(NULL, TG_F64));
    assert_false(tg_linear(NULL, 1, 1, TG_BIAS));
    assert_false(tg_forward(NULL, NULL));
    assert_false(tg_parameters(NULL).n);
    assert_null(tg_parameters(NULL).items[0]);
    assert_false(tg_param(NULL, "weight"));
    assert_false(tg_param_name(NULL, 0));
    assert_false(tg_dropout(NULL, 0.5, true));
    assert_false(tg_mse_loss(NULL, NULL, TG_MEAN));
    assert_false(tg_mseloss(NULL, TG_MEAN));
    assert_false(tg_loss(NULL, NULL, NULL));
    assert_false(tg_sgd(NULL, NULL));
    assert_false(tg_sgd_list(list, NULL));
    assert_false(tg_sgd_list(absent, NULL));
    assert_false(tg_sgd_list(negative, NULL));
    assert_false(tg_step(NULL));
    assert_false(tg_zero_grad(NULL));
    assert_false(tg_set_lr(NULL, 1));
    assert_false(tg_print(stdout, NULL));
    assert_false(tg_print(NULL, NULL));
    assert_false(tg_snprint(text, sizeof text, NULL));
    assert_false(tg_snprint(NULL, 0, NULL));
    assert_string_equal(text, "");
    assert_true(isnan(tg_item(NULL)) != 0);
    assert_true(isnan(tg_get(NULL, one)) != 0);
    assert_true(isnan(tg_lr(NULL)) != 0);
    tg_release(NULL);
    tg_no_grad_begin(NULL);
    tg_no_grad_end(NULL);
}

static void test_making(void **state)
{
    bench *t = *state;
    float f32 = 0;
    int64_t i64 = 0;
    t->memory.limit = 1 << 20;
    refused(tg_empty(t->tg, no_dtype, TG_SHAPE(1)), TG_ERR_DTYPE, "empty: there is no dtype 7");
    refused(tg_zeros(t->tg, (tg_dtype)-1, TG_SHAPE(1)), TG_ERR_DTYPE,
            "zeros: there is no dtype -1");
    refused(tg_ones(t->tg, no_dtype, TG_SHAPE(1)), TG_ERR_DTYPE, "ones: there is no dtype 7");
    refused(tg_full(t->tg, no_dtype, TG_SHAPE(1), 0.5), TG_ERR_DTYPE, "full: there is no dtype 7");
    refused(tg_scalar(t->tg, no_dtype, 0.5), TG_ERR_DTYPE, "scalar: there is no dtype 7");
    refused(tg_scalar(t->tg, TG_I64, INFINITY), TG_ERR_ARGUMENT,
            "scalar: inf is not a value of int64");
    refused(tg_full(t->tg, TG_I64, TG_SHAPE(1), 0x1p63), TG_ERR_ARGUMENT,
            "full: 9.22337e+18 is not a value of int64");
    refused(tg_full_like(t->i, 0.25), TG_ERR_ARGUMENT, "full_like: 0.25 is not a value of int64");
    refused(tg_empty(t->tg, TG_F32, TG_SHAPE(2, -1)), TG_ERR_SHAPE,
            "empty: size -1 of dimension 1 is negative");
    refused(tg_zeros(t->tg, TG_F32, TG_SHAPE(INT64_MIN)), TG_ERR_SHAPE,
            "zeros: size -9223372036854775808 of dimension 0 is negative");
    refused(tg_ones(t->tg, TG_F32, TG_SHAPE(huge)), TG_ERR_SHAPE,
            "ones: [9223372036854775807] has more elements than memory can hold");
    refused(
        tg_full(t->tg, TG_BOOL, TG_SHAPE(huge, huge), 1), TG_ERR_SHAPE,
        "full: [9223372036854775807, 9223372036854775807] has more elements than memory can hold");
    refused(tg_empty(t->tg, TG_F64, NINE), TG_ERR_SHAPE, "empty: 9 dimensions; 0 to 8 are allowed");
    refused(tg_empty(t->tg, TG_F64, ((tg_shape){-2, NULL})), TG_ERR_SHAPE,
            "empty: -2 dimensions; 0 to 8 are allowed");
    refused(tg_empty(t->tg, TG_F64, ((tg_shape){INT_MIN, NULL})), TG_ERR_SHAPE,
            "empty: -2147483648 dimensions; 0 to 8 are allowed");
    refused(tg_empty(t->tg, TG_F64, NO_LIST), TG_ERR_ARGUMENT, "empty: the list of sizes is NULL");
    char text[80];
    snprintf(text, sizeof text, "out of memory: %zu bytes asked for",
             (size_t)(PTRDIFF_MAX / 8 * 8));
    refused(tg_empty(t->tg, TG_F64, TG_SHAPE(PTRDIFF_MAX / 8)), TG_ERR_MEMORY, text);
    refused(tg_from_f32(t->tg, TG_SHAPE(2), NULL), TG_ERR_ARGUMENT, "from_f32: values is NULL");
    refused(tg_from_f64(t->tg, TG_SHAPE(2), NULL), TG_ERR_ARGUMENT, "from_f64: values is NULL");
    refused(tg_from_i64(t->tg, TG_SHAPE(), NULL), TG_ERR_ARGUMENT, "from_i64: values is NULL");
    refused(tg_from_bool(t->tg, TG_SHAPE(2), NULL), TG_ERR_ARGUMENT, "from_bool: values is NULL");
    refused(tg_from_f32(t->tg, TG_SHAPE(-2), &f32), TG_ERR_SHAPE,
            "from_f32: size -2 of dimension 0 is negative");
    refused(tg_from_i64(t->tg, NINE, &i64), TG_ERR_SHAPE,
            "from_i64: 9 dimensions; 0 to 8 are allowed");
    refused(tg_arange(t->tg, TG_I64, 0, 5.5, 1), TG_ERR_ARGUMENT,
            "arange: the end 5.5 is not an integer");
    refused(tg_arange(t->tg, TG_F32, 0, 1, 0), TG_ERR_ARGUMENT,
            "arange: no float32 numbers go from 0 to 1 in steps of 0");
    refused(tg_arange(t->tg, TG_F32, 0, 1, -1), TG_ERR_ARGUMENT,
            "arange: no float32 numbers go from 0 to 1 in steps of -1");
    refused(tg_arange(t->tg, TG_F32, 0, 1, NAN), TG_ERR_ARGUMENT,
            "arange: no float32 numbers go from 0 to 1 in steps of nan");
    refused(tg_arange(t->tg, TG_F32, 0, INFINITY, 1), TG_ERR_ARGUMENT,
            "arange: no float32 numbers go from 0 to inf in steps of 1");
    refused(tg_arange(t->tg, TG_BOOL, 0, 2, 1), TG_ERR_DTYPE, "arange: not for bool");
    refused(tg_arange(t->tg, TG_I64, 0, 2, 0.5), TG_ERR_ARGUMENT,
            "arange: 0.5 is not a value of int64");
    refused(tg_arange(t->tg, TG_I64, 0x1p62, 1e19, 0x1p62), TG_ERR_ARGUMENT,
            "arange: 1e+19 is not a value of int64");
    refused(tg_arange(t->tg, no_dtype, 0, 2, 1), TG_ERR_DTYPE, "arange: there is no dtype 7");
    refused(tg_arange(t->tg, TG_F32, 0, 1e300, 1e-300), TG_ERR_SHAPE,
            "arange: [4611686018427387904] has more elements than memory can hold");
    refused(tg_linspace(t->tg, TG_F32, 0, 1, -1), TG_ERR_SHAPE,
            "linspace: size -1 of dimension 0 is negative");
    refused(tg_linspace(t->tg, TG_I64, 0, 1, 2), TG_ERR_DTYPE,
            "linspace: int64 is not a floating dtype");
    refused(tg_linspace(t->tg, no_dtype, 0, 1, 2), TG_ERR_DTYPE, "linspace: there is no dtype 7");
    refused(tg_linspace(t->tg, TG_F32, 0, 1, huge), TG_ERR_SHAPE,
            "linspace: [9223372036854775807] has more elements than memory can hold");
    refused(tg_eye(t->tg, TG_F32, -1, 1), TG_ERR_SHAPE, "eye: size -1 of dimension 0 is negative");
    refused(
        tg_eye(t->tg, TG_F32, huge, huge), TG_ERR_SHAPE,
        "eye: [9223372036854775807, 9223372036854775807] has more elements than memory can hold");
    refused(tg_eye(t->tg, no_dtype, 1, 1), TG_ERR_DTYPE, "eye: there is no dtype 7");
    refused(tg_borrow(t->tg, NULL), TG_ERR_ARGUMENT, "borrow: the tensor is NULL");
    refused(tg_borrow(t->tg, t->gone), TG_ERR_CONTEXT, "borrow: the tensor [2, 3] was released");
}

static void test_wrapping(void **state)
{
    bench *t = *state;
    float f32 = 0;
    bool flag = false;
    double aligned[2] = {0, 0};
    char *odd = (char *)aligned + 1;
    refused(tg_wrap_f32(t->tg, TG_SHAPE(2), TG_CONTIGUOUS, NULL), TG_ERR_ARGUMENT,
            "wrap_f32: data is NULL");
    refused(tg_wrap_f64(t->tg, TG_SHAPE(), TG_CONTIGUOUS, NULL), TG_ERR_ARGUMENT,
            "wrap_f64: data is NULL");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(1), TG_CONTIGUOUS, (float *)(void *)odd), TG_ERR_ARGUMENT,
            "wrap_f32: data is not aligned for float32");
    refused(tg_wrap_f64(t->tg, TG_SHAPE(1), TG_CONTIGUOUS, (double *)(void *)odd), TG_ERR_ARGUMENT,
            "wrap_f64: data is not aligned for float64");
    refused(tg_wrap_i64(t->tg, TG_SHAPE(1), TG_CONTIGUOUS, (int64_t *)(void *)odd), TG_ERR_ARGUMENT,
            "wrap_i64: data is not aligned for int64");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(-1), TG_CONTIGUOUS, &f32), TG_ERR_SHAPE,
            "wrap_f32: size -1 of dimension 0 is negative");
    refused(tg_wrap_bool(t->tg, NINE, TG_CONTIGUOUS, &flag), TG_ERR_SHAPE,
            "wrap_bool: 9 dimensions; 0 to 8 are allowed");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(huge, 2), TG_CONTIGUOUS, &f32), TG_ERR_SHAPE,
            "wrap_f32: [9223372036854775807, 2] has more elements than memory can hold");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(1, 1), TG_STRIDES(1), &f32), TG_ERR_SHAPE,
            "wrap_f32: 1 strides for 2 dimensions");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(1, 1), NO_LIST, &f32), TG_ERR_ARGUMENT,
            "wrap_f32: the list of strides is NULL");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(2), TG_STRIDES(-1), &f32), TG_ERR_ARGUMENT,
            "wrap_f32: stride -1 of dimension 0 is negative");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(2), TG_STRIDES(INT64_MIN), &f32), TG_ERR_ARGUMENT,
            "wrap_f32: stride -9223372036854775808 of dimension 0 is negative");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(2), TG_STRIDES(huge), &f32), TG_ERR_SHAPE,
            "wrap_f32: strides [9223372036854775807] reach beyond memory");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(1), TG_STRIDES(huge), &f32), TG_ERR_SHAPE,
            "wrap_f32: strides [9223372036854775807] reach beyond memory");
    refused(tg_wrap_f32(t->tg, TG_SHAPE(3, 3), TG_STRIDES(huge / 16, huge / 16), &f32),
            TG_ERR_SHAPE,
            "wrap_f32: strides [576460752303423487, 576460752303423487] reach beyond memory");
}

static void test_views(void **state)
{
    bench *t = *state;
    refused(tg_view(t->m, TG_SHAPE(4)), TG_ERR_SHAPE,
            "view: [2, 3] has 6 elements and cannot become [4]");
    refused(tg_view(t->m, TG_SHAPE(-1, -1)), TG_ERR_SHAPE,
            "view: [2, 3] has 6 elements and cannot become [-1, -1]");
    refused(tg_view(t->m, TG_SHAPE(-1, 4)), TG_ERR_SHAPE,
            "view: [2, 3] has 6 elements and cannot become [-1, 4]");
    refused(tg_view(t->m, TG_SHAPE(-2, -3)), TG_ERR_SHAPE,
            "view: [2, 3] has 6 elements and cannot become [-2, -3]");
    refused(
        tg_view(t->m, TG_SHAPE(huge, huge)), TG_ERR_SHAPE,
        "view: [2, 3] has 6 elements and cannot become [9223372036854775807, 9223372036854775807]");
    refused(tg_view(t->m, TG_SHAPE(0, -1)), TG_ERR_SHAPE,
            "view: [2, 3] has 6 elements and cannot become [0, -1]");
    refused(tg_view(t->m, TG_SHAPE()), TG_ERR_SHAPE,
            "view: [2, 3] has 6 elements and cannot become []");
    refused(tg_view(t->m, NINE), TG_ERR_SHAPE, "view: 9 dimensions; 0 to 8 are allowed");
    refused(tg_view(t->m, NO_LIST), TG_ERR_ARGUMENT, "view: the list of sizes is NULL");
    refused(tg_view(t->m, ((tg_shape){INT_MIN, NULL})), TG_ERR_SHAPE,
            "view: -2147483648 dimensions; 0 to 8 are allowed");
    refused(
        tg_view(tg_t(t->m), TG_SHAPE(6)), TG_ERR_SHAPE,
        "view: [3, 2] with strides [1, 3] cannot be seen as [6] without a copy; use tg_reshape");
    refused(tg_view(t->gone, TG_SHAPE(6)), TG_ERR_CONTEXT, "view: the tensor [2, 3] was released");
    refused(tg_view(t->none, TG_SHAPE(0, huge, 4)), TG_ERR_SHAPE,
            "view: [0, 9223372036854775807, 4] has more elements than memory can hold");
    refused(tg_reshape(t->m, TG_SHAPE(7)), TG_ERR_SHAPE,
            "reshape: [2, 3] has 6 elements and cannot become [7]");
    refused(tg_reshape(t->m, NINE), TG_ERR_SHAPE, "reshape: 9 dimensions; 0 to 8 are allowed");
    refused(tg_reshape(t->m, TG_SHAPE(INT64_MIN, -1)), TG_ERR_SHAPE,
            "reshape: [2, 3] has 6 elements and cannot become [-9223372036854775808, -1]");
    refused(tg_reshape(t->gone, TG_SHAPE(6)), TG_ERR_CONTEXT,
            "reshape: the tensor [2, 3] was released");
    refused(tg_flatten(t->m, 2, -1), TG_ERR_INDEX,
            "flatten: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_flatten(t->m, 0, INT_MIN), TG_ERR_INDEX,
            "flatten: dim -2147483648 is out of range for [2, 3]: -2 to 1");
    refused(tg_flatten(t->m, 1, 0), TG_ERR_INDEX, "flatten: dim 1 comes after dim 0");
    refused(tg_flatten(t->gone, 0, -1), TG_ERR_CONTEXT, "flatten: the tensor [2, 3] was released");
    refused(tg_transpose(t->m, 0, 2), TG_ERR_INDEX,
            "transpose: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_transpose(t->m, -3, 0), TG_ERR_INDEX,
            "transpose: dim -3 is out of range for [2, 3]: -2 to 1");
    refused(tg_transpose(t->m, INT_MAX, INT_MIN), TG_ERR_INDEX,
            "transpose: dim 2147483647 is out of range for [2, 3]: -2 to 1");
    refused(tg_transpose(t->gone, 0, 1), TG_ERR_CONTEXT,
            "transpose: the tensor [2, 3] was released");
    refused(tg_t(t->cube), TG_ERR_SHAPE,
            "t: [2, 3, 4] has more than 2 dimensions; use tg_transpose");
    refused(tg_permute(t->m, TG_DIMS(0, 0)), TG_ERR_INDEX,
            "permute: [0, 0] is not an order of the dimensions of [2, 3]");
    refused(tg_permute(t->m, TG_DIMS(0)), TG_ERR_INDEX,
            "permute: [0] is not an order of the dimensions of [2, 3]");
    refused(tg_permute(t->m, TG_DIMS(0, 2)), TG_ERR_INDEX,
            "permute: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_permute(t->m, TG_DIMS(0, huge)), TG_ERR_INDEX,
            "permute: dim 9223372036854775807 is out of range for [2, 3]: -2 to 1");
    refused(tg_permute(t->m, TG_DIMS(0, (int64_t)1 << 32)), TG_ERR_INDEX,
            "permute: dim 4294967296 is out of range for [2, 3]: -2 to 1");
    refused(tg_permute(t->m, NINE), TG_ERR_SHAPE, "permute: 9 dimensions; 0 to 8 are allowed");
    refused(tg_permute(t->m, NO_LIST), TG_ERR_ARGUMENT, "permute: the list of sizes is NULL");
    refused(tg_permute(t->gone, TG_DIMS(1, 0)), TG_ERR_CONTEXT,
            "permute: the tensor [2, 3] was released");
    refused(tg_squeeze_dim(t->m, 2), TG_ERR_INDEX,
            "squeeze: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_squeeze_dim(t->s, 1), TG_ERR_INDEX,
            "squeeze: dim 1 is out of range for []: -1 to 0");
    refused(tg_squeeze_dim(t->gone, 0), TG_ERR_CONTEXT, "squeeze: the tensor [2, 3] was released");
    refused(tg_unsqueeze(t->m, 3), TG_ERR_INDEX,
            "unsqueeze: dim 3 is out of range for [2, 3]: -3 to 2");
    refused(tg_unsqueeze(t->m, -4), TG_ERR_INDEX,
            "unsqueeze: dim -4 is out of range for [2, 3]: -3 to 2");
    refused(tg_unsqueeze(t->gone, 0), TG_ERR_CONTEXT, "unsqueeze: the tensor [2, 3] was released");
    refused(tg_expand(t->m, TG_SHAPE(3, 3)), TG_ERR_SHAPE,
            "expand: [2, 3] does not broadcast to [3, 3]");
    refused(tg_expand(t->m, TG_SHAPE(3)), TG_ERR_SHAPE, "expand: [2, 3] does not broadcast to [3]");
    refused(tg_expand(t->m, TG_SHAPE(-1, 2, 3)), TG_ERR_SHAPE,
            "expand: [2, 3] does not broadcast to [-1, 2, 3]");
    refused(tg_expand(t->m, TG_SHAPE(-2, 3)), TG_ERR_SHAPE,
            "expand: [2, 3] does not broadcast to [-2, 3]");
    refused(tg_expand(t->s, TG_SHAPE(huge, huge)), TG_ERR_SHAPE,
            "expand: [9223372036854775807, 9223372036854775807] has more elements than memory can "
            "hold");
    refused(tg_expand(t->s, NINE), TG_ERR_SHAPE, "expand: 9 dimensions; 0 to 8 are allowed");
    refused(tg_expand(t->s, NO_LIST), TG_ERR_ARGUMENT, "expand: the list of sizes is NULL");
    refused(tg_expand(t->gone, TG_SHAPE(2, 3)), TG_ERR_CONTEXT,
            "expand: the tensor [2, 3] was released");
    refused(tg_select(t->m, 2, 0), TG_ERR_INDEX,
            "select: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_select(t->m, 1, 3), TG_ERR_INDEX,
            "select: index 3 of dimension 1 is out of range for [2, 3]");
    refused(tg_select(t->m, 1, -4), TG_ERR_INDEX,
            "select: index -4 of dimension 1 is out of range for [2, 3]");
    refused(tg_select(t->m, 1, INT64_MIN), TG_ERR_INDEX,
            "select: index -9223372036854775808 of dimension 1 is out of range for [2, 3]");
    refused(tg_select(t->none, 0, 0), TG_ERR_INDEX,
            "select: index 0 of dimension 0 is out of range for [0]");
    refused(tg_select(t->s, 0, 0), TG_ERR_INDEX, "select: a 0-d tensor has no dimensions");
    refused(tg_select(t->gone, 0, 0), TG_ERR_CONTEXT, "select: the tensor [2, 3] was released");
    refused(tg_narrow(t->m, 1, 2, 2), TG_ERR_INDEX,
            "narrow: start 2 and length 2 are out of range for dimension 1 of [2, 3]");
    refused(tg_narrow(t->m, 1, 0, -1), TG_ERR_INDEX,
            "narrow: start 0 and length -1 are out of range for dimension 1 of [2, 3]");
    refused(tg_narrow(t->m, 1, 4, 0), TG_ERR_INDEX,
            "narrow: start 4 and length 0 are out of range for dimension 1 of [2, 3]");
    refused(tg_narrow(t->m, 1, 1, huge), TG_ERR_INDEX,
            "narrow: start 1 and length 9223372036854775807 are out of range for dimension 1 of "
            "[2, 3]");
    refused(tg_narrow(t->m, 1, INT64_MIN, 1), TG_ERR_INDEX,
            "narrow: start -9223372036854775808 and length 1 are out of range for dimension 1 of "
            "[2, 3]");
    refused(tg_narrow(t->m, -3, 0, 1), TG_ERR_INDEX,
            "narrow: dim -3 is out of range for [2, 3]: -2 to 1");
    refused(tg_narrow(t->s, 0, 0, 1), TG_ERR_INDEX, "narrow: a 0-d tensor has no dimensions");
    refused(tg_narrow(t->gone, 0, 0, 1), TG_ERR_CONTEXT, "narrow: the tensor [2, 3] was released");
    refused(tg_slice(t->m, 0, 0, TG_END, 0), TG_ERR_ARGUMENT, "slice: step 0 is not positive");
    refused(tg_slice(t->m, 0, 0, TG_END, -1), TG_ERR_ARGUMENT, "slice: step -1 is not positive");
    refused(tg_slice(t->m, 2, 0, TG_END, 1), TG_ERR_INDEX,
            "slice: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_slice(t->s, 0, 0, TG_END, 1), TG_ERR_INDEX, "slice: a 0-d tensor has no dimensions");
    refused(tg_slice(t->gone, 0, 0, TG_END, 1), TG_ERR_CONTEXT,
            "slice: the tensor [2, 3] was released");
    refused(tg_diagonal(t->m, 0, 1, -1), TG_ERR_INDEX, "diagonal: dim1 and dim2 are both 1");
    refused(tg_diagonal(t->m, 0, 0, 2), TG_ERR_INDEX,
            "diagonal: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_diagonal(t->v, 0, 0, 1), TG_ERR_INDEX,
            "diagonal: dim 1 is out of range for [4]: -1 to 0");
    refused(tg_diagonal(t->s, 0, 0, 1), TG_ERR_INDEX, "diagonal: a 0-d tensor has no dimensions");
    refused(tg_diagonal(t->gone, 0, 0, 1), TG_ERR_CONTEXT,
            "diagonal: the tensor [2, 3] was released");
    refused(tg_cast(t->m, no_dtype), TG_ERR_DTYPE, "cast: there is no dtype 7");
    refused(tg_cast(t->gone, TG_F64), TG_ERR_CONTEXT, "cast: the tensor [2, 3] was released");
}

static void test_access(void **state)
{
    bench *t = *state;
    float f32[6] = {0};
    double f64[6] = {0};
    int64_t i64[6] = {0};
    bool flags[6] = {false};
    no_number(tg_item(t->m), TG_ERR_SHAPE, "item: [2, 3] has 6 elements, not one");
    no_number(tg_item(t->none), TG_ERR_SHAPE, "item: [0] has 0 elements, not one");
    no_number(tg_item(t->gone), TG_ERR_CONTEXT, "item: the tensor [2, 3] was released");
    no_number(tg_get(t->m, TG_INDEX(0)), TG_ERR_INDEX,
              "get: [2, 3] is 2-d and needs an index of that length, not of length 1");
    no_number(tg_get(t->m, TG_INDEX(0, 3)), TG_ERR_INDEX,
              "get: index 3 of dimension 1 is out of range for [2, 3]");
    no_number(tg_get(t->m, TG_INDEX(-3, 0)), TG_ERR_INDEX,
              "get: index -3 of dimension 0 is out of range for [2, 3]");
    no_number(tg_get(t->m, TG_INDEX(INT64_MIN, 0)), TG_ERR_INDEX,
              "get: index -9223372036854775808 of dimension 0 is out of range for [2, 3]");
    no_number(tg_get(t->m, TG_INDEX(0, huge)), TG_ERR_INDEX,
              "get: index 9223372036854775807 of dimension 1 is out of range for [2, 3]");
    no_number(tg_get(t->m, NO_LIST), TG_ERR_ARGUMENT, "get: the list of indices is NULL");
    no_number(tg_get(t->m, NINE), TG_ERR_INDEX,
              "get: [2, 3] is 2-d and needs an index of that length, not of length 9");
    no_number(tg_get(t->none, TG_INDEX(0)), TG_ERR_INDEX,
              "get: index 0 of dimension 0 is out of range for [0]");
    no_number(tg_get(t->gone, TG_INDEX(0, 0)), TG_ERR_CONTEXT,
              "get: the tensor [2, 3] was released");
    refused(tg_set(t->m, TG_INDEX(0), 1), TG_ERR_INDEX,
            "set: [2, 3] is 2-d and needs an index of that length, not of length 1");
    refused(tg_set(t->m, TG_INDEX(2, 0), 1), TG_ERR_INDEX,
            "set: index 2 of dimension 0 is out of range for [2, 3]");
    refused(tg_set(t->m, NO_LIST, 1), TG_ERR_ARGUMENT, "set: the list of indices is NULL");
    refused(tg_set(t->i, TG_INDEX(0, 0), 1e30), TG_ERR_ARGUMENT,
            "set: 1e+30 is not a value of int64");
    refused(tg_full(t->i->context, TG_F32, TG_SHAPE(2), 1e300), TG_ERR_ARGUMENT,
            "full: 1e+300 is not a value of float32");
    refused(tg_set(t->i, TG_INDEX(0, 0), NAN), TG_ERR_ARGUMENT, "set: nan is not a value of int64");
    refused(tg_set(t->borrowed, TG_INDEX(0, 0), 1), TG_ERR_ARGUMENT,
            "set: the tensor [2, 3] is borrowed and read-only");
    refused(tg_set(t->gone, TG_INDEX(0, 0), 1), TG_ERR_CONTEXT,
            "set: the tensor [2, 3] was released");
    refused(
        tg_set(tg_expand(t->s, TG_SHAPE(2)), TG_INDEX(0), 1), TG_ERR_ARGUMENT,
        "set: elements of the tensor [2] share memory, so it cannot be written to; use tg_clone "
        "first");
    refused(tg_copy_from_f32(t->m, NULL), TG_ERR_ARGUMENT, "copy_from_f32: values is NULL");
    refused(tg_copy_from_f64(t->m, f64), TG_ERR_DTYPE,
            "copy_from_f64: the tensor [2, 3] is float32");
    refused(tg_copy_from_i64(t->m, i64), TG_ERR_DTYPE,
            "copy_from_i64: the tensor [2, 3] is float32");
    refused(tg_copy_from_bool(t->m, flags), TG_ERR_DTYPE,
            "copy_from_bool: the tensor [2, 3] is float32");
    refused(tg_copy_from_f32(t->i, f32), TG_ERR_DTYPE, "copy_from_f32: the tensor [2, 3] is int64");
    refused(tg_copy_from_f32(t->borrowed, f32), TG_ERR_ARGUMENT,
            "copy_from_f32: the tensor [2, 3] is borrowed and read-only");
    refused(tg_copy_from_f32(t->gone, f32), TG_ERR_CONTEXT,
            "copy_from_f32: the tensor [2, 3] was released");
    refused(tg_copy_from_f32(tg_expand(t->s, TG_SHAPE(2)), f32), TG_ERR_ARGUMENT,
            "copy_from_f32: elements of the tensor [2] share memory, so it cannot be written to; "
            "use tg_clone first");
    refused(tg_copy_to_f32(t->m, NULL), TG_ERR_ARGUMENT, "copy_to_f32: values is NULL");
    refused(tg_copy_to_f32(t->d, f32), TG_ERR_DTYPE, "copy_to_f32: the tensor [2, 3] is float64");
    refused(tg_copy_to_f64(t->m, f64), TG_ERR_DTYPE, "copy_to_f64: the tensor [2, 3] is float32");
    refused(tg_copy_to_i64(t->b, i64), TG_ERR_DTYPE, "copy_to_i64: the tensor [2, 3] is bool");
    refused(tg_copy_to_bool(t->i, flags), TG_ERR_DTYPE, "copy_to_bool: the tensor [2, 3] is int64");
    refused(tg_copy_to_f32(t->gone, f32), TG_ERR_CONTEXT,
            "copy_to_f32: the tensor [2, 3] was released");
    refused(tg_data_f32(t->d), TG_ERR_DTYPE, "data_f32: the tensor [2, 3] is float64");
    refused(tg_data_f64(t->m), TG_ERR_DTYPE, "data_f64: the tensor [2, 3] is float32");
    refused(tg_data_i64(t->b), TG_ERR_DTYPE, "data_i64: the tensor [2, 3] is bool");
    refused(tg_data_bool(t->i), TG_ERR_DTYPE, "data_bool: the tensor [2, 3] is int64");
    refused(tg_data_f32(t->gone), TG_ERR_CONTEXT, "data_f32: the tensor [2, 3] was released");
}

static void test_operations(void **state)
{
    bench *t = *state;
    refused(tg_where(t->m, t->m, t->m), TG_ERR_DTYPE, "where: the condition is float32, not bool");
    refused(tg_where(t->b, t->m, t->d), TG_ERR_DTYPE,
            "where: float32 [2, 3] and float64 [2, 3]: dtypes differ; use tg_cast");
    refused(tg_where(t->b, t->m, t->v), TG_ERR_SHAPE,
            "where: shapes [2, 3] and [4] do not broadcast");
    refused(tg_where(t->b, t->v, t->v), TG_ERR_SHAPE,
            "where: condition [2, 3] does not broadcast with [4] and [4]");
    refused(tg_where(t->b, NULL, t->m), TG_ERR_ARGUMENT, "where: a is NULL");
    refused(tg_where(NULL, t->m, t->m), TG_ERR_ARGUMENT, "where: condition is NULL");
    refused(tg_where(t->b, t->m, t->gone), TG_ERR_CONTEXT, "where: the tensor [2, 3] was released");
    refused(tg_maximum(t->b, t->b), TG_ERR_DTYPE, "maximum: not for bool; use tg_cast");
    refused(tg_sum_dims(t->m, TG_DIMS(2), false), TG_ERR_INDEX,
            "sum: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_sum_dims(t->m, TG_DIMS(0, -2), false), TG_ERR_INDEX, "sum: dim 0 appears twice");
    refused(tg_sum_dims(t->m, TG_DIMS(huge), false), TG_ERR_INDEX,
            "sum: dim 9223372036854775807 is out of range for [2, 3]: -2 to 1");
    refused(tg_sum_dims(t->m, NO_LIST, false), TG_ERR_ARGUMENT, "sum: the list of dims is NULL");
    refused(tg_sum_dims(t->m, NINE, false), TG_ERR_INDEX, "sum: dim 1 appears twice");
    refused(tg_sum_dims(t->m, ((tg_shape){-1, NULL}), false), TG_ERR_ARGUMENT,
            "sum: the list of dims is NULL");
    refused(tg_sum_dims(t->gone, TG_DIMS(0), false), TG_ERR_CONTEXT,
            "sum: the tensor [2, 3] was released");
    refused(tg_mean_dims(t->m, TG_DIMS(-3), true), TG_ERR_INDEX,
            "mean: dim -3 is out of range for [2, 3]: -2 to 1");
    refused(tg_mean_dims(t->i, TG_DIMS(0), true), TG_ERR_DTYPE, "mean: not for int64; use tg_cast");
    refused(tg_mean_dims(t->gone, TG_DIMS(0), true), TG_ERR_CONTEXT,
            "mean: the tensor [2, 3] was released");
    refused(tg_max(t->none), TG_ERR_SHAPE,
            "max: dimension 0 of [0] has size 0, but must have an element");
    refused(tg_min(t->none), TG_ERR_SHAPE,
            "min: dimension 0 of [0] has size 0, but must have an element");
    refused(tg_argmax(t->none), TG_ERR_SHAPE,
            "argmax: dimension 0 of [0] has size 0, but must have an element");
    refused(tg_argmin(t->none), TG_ERR_SHAPE,
            "argmin: dimension 0 of [0] has size 0, but must have an element");
    refused(tg_max_dim(t->m, 2, false), TG_ERR_INDEX,
            "max: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_min_dim(t->m, -3, false), TG_ERR_INDEX,
            "min: dim -3 is out of range for [2, 3]: -2 to 1");
    refused(tg_max_dim(t->none, 0, false), TG_ERR_SHAPE,
            "max: dimension 0 of [0] has size 0, but must have an element");
    refused(tg_max_dim(t->gone, 0, false), TG_ERR_CONTEXT, "max: the tensor [2, 3] was released");
    refused(tg_argmax_dim(t->m, INT_MAX, false), TG_ERR_INDEX,
            "argmax: dim 2147483647 is out of range for [2, 3]: -2 to 1");
    refused(tg_argmin_dim(t->m, INT_MIN, false), TG_ERR_INDEX,
            "argmin: dim -2147483648 is out of range for [2, 3]: -2 to 1");
    refused(tg_argmin_dim(t->gone, 0, false), TG_ERR_CONTEXT,
            "argmin: the tensor [2, 3] was released");
    refused(tg_matmul(t->m, t->m), TG_ERR_SHAPE,
            "matmul: [2, 3] @ [2, 3]: inner sizes differ (3 and 2)");
    refused(tg_matmul(t->m, t->v), TG_ERR_SHAPE,
            "matmul: [2, 3] @ [4]: inner sizes differ (3 and 4)");
    refused(tg_matmul(t->v, t->m), TG_ERR_SHAPE,
            "matmul: [4] @ [2, 3]: inner sizes differ (4 and 2)");
    refused(tg_matmul(t->v, t->leaf), TG_ERR_SHAPE,
            "matmul: [4] @ [2]: inner sizes differ (4 and 2)");
    refused(tg_matmul(t->cube, t->m), TG_ERR_SHAPE,
            "matmul: [2, 3, 4] @ [2, 3]: inner sizes differ (4 and 2)");
    refused(tg_matmul(t->i, tg_t(t->m)), TG_ERR_DTYPE,
            "matmul: int64 [2, 3] @ float32 [3, 2]: dtypes differ; use tg_cast");
    refused(tg_matmul(t->cube, tg_ones(t->tg, TG_F32, TG_SHAPE(3, 4, 3))), TG_ERR_SHAPE,
            "matmul: [2, 3, 4] @ [3, 4, 3]: batches do not broadcast");
    refused(tg_matmul(t->s, t->m), TG_ERR_SHAPE,
            "matmul: [] @ [2, 3]: both sides need a dimension");
    refused(tg_matmul(t->m, t->s), TG_ERR_SHAPE,
            "matmul: [2, 3] @ []: both sides need a dimension");
    refused(tg_matmul(t->m, tg_t(t->d)), TG_ERR_DTYPE,
            "matmul: float32 [2, 3] @ float64 [3, 2]: dtypes differ; use tg_cast");
    refused(tg_matmul(t->b, tg_t(t->b)), TG_ERR_DTYPE, "matmul: not for bool; use tg_cast");
    refused(tg_matmul(t->m, NULL), TG_ERR_ARGUMENT, "matmul: b is NULL");
    refused(tg_matmul(NULL, t->m), TG_ERR_ARGUMENT, "matmul: a is NULL");
    refused(tg_matmul(t->m, t->gone), TG_ERR_CONTEXT, "matmul: the tensor [2, 3] was released");
    refused(tg_dot(t->m, t->v), TG_ERR_SHAPE, "dot: [2, 3] and [4] are not both 1-d");
    refused(tg_dot(t->v, t->leaf), TG_ERR_SHAPE, "dot: [4] @ [2]: inner sizes differ (4 and 2)");
    refused(tg_dot(t->v, NULL), TG_ERR_ARGUMENT, "dot: b is NULL");
    refused(tg_dot(t->v, t->gone), TG_ERR_CONTEXT, "dot: the tensor [2, 3] was released");
    refused(tg_outer(t->m, t->v), TG_ERR_SHAPE, "outer: [2, 3] and [4] are not both 1-d");
    refused(tg_outer(NULL, t->v), TG_ERR_ARGUMENT, "outer: a is NULL");
    refused(tg_outer(t->gone, t->v), TG_ERR_CONTEXT, "outer: the tensor [2, 3] was released");
    refused(tg_outer(tg_ones(t->tg, TG_BOOL, TG_SHAPE(2)), tg_ones(t->tg, TG_BOOL, TG_SHAPE(2))),
            TG_ERR_DTYPE, "outer: not for bool; use tg_cast");
}

static void test_joins_and_order(void **state)
{
    bench *t = *state;
    refused(tg_cat(TG_LIST(t->m, t->v), 0), TG_ERR_SHAPE,
            "cat: tensor 2 is [4], which does not fit [2, 3]: all sizes but that of dimension 0 "
            "must be equal");
    refused(tg_cat(TG_LIST(t->m, t->cube), 0), TG_ERR_SHAPE,
            "cat: tensor 2 is [2, 3, 4], which does not fit [2, 3]: all sizes but that of "
            "dimension 0 must be equal");
    refused(tg_cat(TG_LIST(t->m, t->d), 0), TG_ERR_DTYPE,
            "cat: float32 and float64: dtypes differ; use tg_cast");
    refused(tg_cat(TG_LIST(t->m, NULL), 0), TG_ERR_ARGUMENT, "cat: tensor 2 is NULL");
    refused(tg_cat(TG_LIST(NULL, t->m), 0), TG_ERR_ARGUMENT, "cat: tensor 1 is NULL");
    refused(tg_cat(TG_LIST(t->s, t->s), 0), TG_ERR_SHAPE,
            "cat: a tensor is [], and 0-d tensors cannot be joined; use tg_stack");
    refused(tg_cat(TG_LIST(t->m), 2), TG_ERR_INDEX,
            "cat: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_cat(TG_LIST(t->m), INT_MIN), TG_ERR_INDEX,
            "cat: dim -2147483648 is out of range for [2, 3]: -2 to 1");
    refused(tg_cat(TG_LIST(t->m, t->gone), 0), TG_ERR_CONTEXT,
            "cat: the tensor [2, 3] was released");
    refused(tg_stack(TG_LIST(t->m, t->v), 0), TG_ERR_SHAPE,
            "stack: tensor 2 is [4], not [2, 3] as the first");
    refused(tg_stack(TG_LIST(t->m, t->d), 0), TG_ERR_DTYPE,
            "stack: float32 and float64: dtypes differ; use tg_cast");
    refused(tg_stack(TG_LIST(t->m, NULL), 0), TG_ERR_ARGUMENT, "stack: tensor 2 is NULL");
    refused(tg_stack(TG_LIST(t->m), 3), TG_ERR_INDEX,
            "stack: dim 3 is out of range for [2, 3]: -3 to 2");
    refused(tg_stack(TG_LIST(t->m, t->gone), 0), TG_ERR_CONTEXT,
            "stack: the tensor [2, 3] was released");
    refused(tg_vstack(TG_LIST(t->m, t->v)), TG_ERR_SHAPE,
            "vstack: tensor 2 is [4], which does not fit [2, 3]: all sizes but that of dimension 0 "
            "must be equal");
    refused(tg_vstack(TG_LIST(t->m, NULL)), TG_ERR_ARGUMENT, "vstack: tensor 2 is NULL");
    refused(tg_vstack(TG_LIST(t->gone)), TG_ERR_CONTEXT, "vstack: the tensor [2, 3] was released");
    refused(tg_hstack(TG_LIST(t->m, t->cube)), TG_ERR_SHAPE,
            "hstack: tensor 2 is [2, 3, 4], which does not fit [2, 3]: all sizes but that of "
            "dimension 1 must be equal");
    refused(tg_hstack(TG_LIST(NULL, t->m)), TG_ERR_ARGUMENT, "hstack: tensor 1 is NULL");
    refused(tg_hstack(TG_LIST(t->m, t->gone)), TG_ERR_CONTEXT,
            "hstack: the tensor [2, 3] was released");
    refused(tg_sort(t->m, 2), TG_ERR_INDEX, "sort: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_sort(t->gone, 0), TG_ERR_CONTEXT, "sort: the tensor [2, 3] was released");
    refused(tg_argsort(t->m, -3), TG_ERR_INDEX,
            "argsort: dim -3 is out of range for [2, 3]: -2 to 1");
    refused(tg_argsort(t->gone, 0), TG_ERR_CONTEXT, "argsort: the tensor [2, 3] was released");
    refused(tg_gather(t->m, 2, t->i), TG_ERR_INDEX,
            "gather: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_gather(t->m, 0, t->m), TG_ERR_DTYPE, "gather: the index is float32, not int64");
    refused(tg_gather(t->m, 0, tg_zeros(t->tg, TG_I64, TG_SHAPE(2))), TG_ERR_SHAPE,
            "gather: the index [2] is 1-d, but must be 2-d, as the tensor [2, 3]");
    refused(tg_gather(t->m, 0, tg_zeros(t->tg, TG_I64, TG_SHAPE(2, 4))), TG_ERR_SHAPE,
            "gather: the index [2, 4] is larger than the tensor [2, 3] in dimension 1, and may be "
            "larger only along dim 0");
    refused(tg_gather(t->m, 0, tg_full(t->tg, TG_I64, TG_SHAPE(2, 3), 2)), TG_ERR_INDEX,
            "gather: index 2 is out of range for dimension 0 of [2, 3]");
    refused(tg_gather(t->m, 0, tg_full(t->tg, TG_I64, TG_SHAPE(2, 3), -1)), TG_ERR_INDEX,
            "gather: index -1 is out of range for dimension 0 of [2, 3]");
    refused(tg_gather(t->m, 0, NULL), TG_ERR_ARGUMENT, "gather: index is NULL");
    refused(tg_gather(t->m, 0, t->gone), TG_ERR_CONTEXT, "gather: the tensor [2, 3] was released");
    refused(tg_gather(t->gone, 0, t->i), TG_ERR_CONTEXT, "gather: the tensor [2, 3] was released");
    refused(tg_scatter_add(t->m, 2, t->i, t->m), TG_ERR_INDEX,
            "scatter_add: dim 2 is out of range for [2, 3]: -2 to 1");
    refused(tg_scatter_add(t->m, 0, t->m, t->m), TG_ERR_DTYPE,
            "scatter_add: the index is float32, not int64");
    refused(tg_scatter_add(t->m, 0, t->i, t->d), TG_ERR_DTYPE,
            "scatter_add: float64 into float32: dtypes differ; use tg_cast");
    refused(tg_scatter_add(t->m, 0, t->i, t->v), TG_ERR_SHAPE,
            "scatter_add: the index [2, 3] is 2-d, but the source [4] is 1-d");
    refused(tg_scatter_add(t->m, 0, tg_zeros(t->tg, TG_I64, TG_SHAPE(2, 4)),
                           tg_ones(t->tg, TG_F32, TG_SHAPE(2, 4))),
            TG_ERR_SHAPE,
            "scatter_add: the index [2, 4] is larger than the tensor [2, 3] in dimension 1, and "
            "may be larger only along dim 0");
    refused(tg_scatter_add(t->m, 0, tg_full(t->tg, TG_I64, TG_SHAPE(2, 3), 2), t->m), TG_ERR_INDEX,
            "scatter_add: index 2 is out of range for dimension 0 of [2, 3]");
    refused(tg_scatter_add(t->b, 0, t->i, t->b), TG_ERR_DTYPE,
            "scatter_add: not for bool; use tg_cast");
    refused(tg_scatter_add(t->m, 0, t->i, NULL), TG_ERR_ARGUMENT, "scatter_add: source is NULL");
    refused(tg_scatter_add(t->m, 0, NULL, t->m), TG_ERR_ARGUMENT, "scatter_add: index is NULL");
    refused(tg_scatter_add(t->m, 0, t->i, t->gone), TG_ERR_CONTEXT,
            "scatter_add: the tensor [2, 3] was released");
}

static void test_autograd(void **state)
{
    bench *t = *state;
    tg_tensor *grads[2] = {t->m, t->m}, *x = tg_ones(t->tg, TG_F64, TG_SHAPE(2));
    tg_requires_grad_(x, true);
    tg_grad_options two = {.grad_outputs = TG_LIST(t->s, t->s)},
                    wrong = {.grad_outputs = TG_LIST(t->v)}, absent = {.grad_outputs = {1, NULL}};
    tg_gradcheck_options eps = {.eps = 0};
    refused(tg_requires_grad_(t->i, true), TG_ERR_DTYPE,
            "requires_grad_: a tensor of int64 has no gradient");
    refused(tg_requires_grad_(t->gone, true), TG_ERR_CONTEXT,
            "requires_grad_: the tensor [2, 3] was released");
    refused(tg_requires_grad_(tg_exp(t->leaf), false), TG_ERR_AUTOGRAD,
            "requires_grad_: the tensor [2] is not a leaf; use tg_detach");
    refused(tg_retain_grad(t->m), TG_ERR_AUTOGRAD,
            "retain_grad: the tensor [2, 3] does not require grad");
    refused(tg_backward(t->m), TG_ERR_AUTOGRAD,
            "backward: the tensor [2, 3] does not require grad: it depends on no leaf that does, "
            "or was made after tg_no_grad_begin");
    refused(tg_backward(t->s), TG_ERR_AUTOGRAD,
            "backward: the tensor [] does not require grad: it depends on no leaf that does, or "
            "was made after tg_no_grad_begin");
    refused(tg_backward(t->gone), TG_ERR_CONTEXT, "backward: the tensor [2, 3] was released");
    refused(
        tg_backward(tg_exp(t->leaf)), TG_ERR_SHAPE,
        "backward: the output [2] has 2 elements, not one; use tg_backward_with, or a sum or mean");
    refused(tg_backward_with(tg_exp(t->leaf), NULL), TG_ERR_ARGUMENT, "backward: gradient is NULL");
    refused(tg_backward_with(tg_exp(t->leaf), t->m), TG_ERR_SHAPE,
            "backward: the gradient is float32 [2, 3], the output float32 [2]");
    refused(tg_backward_with(tg_exp(t->leaf), tg_ones(t->tg, TG_F64, TG_SHAPE(2))), TG_ERR_DTYPE,
            "backward: the gradient is float64 [2], the output float32 [2]");
    refused(tg_backward_with(tg_exp(t->leaf), t->gone), TG_ERR_CONTEXT,
            "backward: the tensor [2, 3] was released");
    refused(tg_backward_with(NULL, t->m), TG_ERR_ARGUMENT, "backward: output is NULL");
    refused(tg_backward_with(t->m, t->m), TG_ERR_AUTOGRAD,
            "backward: the tensor [2, 3] does not require grad: it depends on no leaf that does, "
            "or was made after tg_no_grad_begin");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->leaf), NULL, NULL), TG_ERR_ARGUMENT,
            "grad: grads is NULL");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(), grads, NULL), TG_ERR_ARGUMENT,
            "grad: there are no inputs");
    refused(tg_grad(TG_LIST(), TG_LIST(t->leaf), grads, NULL), TG_ERR_ARGUMENT,
            "grad: there are no outputs");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->leaf, NULL), grads, NULL), TG_ERR_ARGUMENT,
            "grad: input 2 is NULL");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf), NULL), TG_LIST(t->leaf), grads, NULL), TG_ERR_ARGUMENT,
            "grad: output 2 is NULL");
    refused(tg_grad(TG_LIST(t->leaf), TG_LIST(t->leaf), grads, NULL), TG_ERR_SHAPE,
            "grad: the output [2] has 2 elements, not one; give grad_outputs in the options");
    refused(tg_grad(TG_LIST(t->s), TG_LIST(t->leaf), grads, NULL), TG_ERR_AUTOGRAD,
            "grad: the tensor [] does not require grad: it depends on no leaf that does, or was "
            "made after tg_no_grad_begin");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->m), grads, NULL), TG_ERR_AUTOGRAD,
            "grad: input 1, [2, 3], does not require grad");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)),
                    TG_LIST(tg_requires_grad_(tg_ones(t->tg, TG_F32, TG_SHAPE(1)), true)), grads,
                    NULL),
            TG_ERR_AUTOGRAD,
            "grad: the outputs do not depend on input 1, [1]; allow_unused gives NULL");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->gone), grads, NULL), TG_ERR_CONTEXT,
            "grad: the tensor [2, 3] was released");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->leaf), grads, &two), TG_ERR_ARGUMENT,
            "grad: 2 grad_outputs for 1 outputs");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->leaf), grads, &wrong), TG_ERR_SHAPE,
            "grad: the gradient is float32 [4], the output float32 []");
    refused(tg_grad(TG_LIST(tg_sum(t->leaf)), TG_LIST(t->leaf), grads, &absent), TG_ERR_ARGUMENT,
            "grad: there are no grad_outputs");
    refused(tg_gradcheck(NULL, TG_LIST(t->leaf), NULL, NULL), TG_ERR_ARGUMENT,
            "gradcheck: the function is NULL");
    refused(tg_gradcheck(square_of_first, TG_LIST(t->leaf), NULL, NULL), TG_ERR_DTYPE,
            "gradcheck: input 1, float32 [2], is not a float64 leaf");
    refused(tg_gradcheck(square_of_first, TG_LIST(t->m), NULL, NULL), TG_ERR_ARGUMENT,
            "gradcheck: no input requires grad");
    refused(tg_gradcheck(square_of_first, TG_LIST(x, NULL), NULL, NULL), TG_ERR_ARGUMENT,
            "gradcheck: tensor 2 is NULL");
    refused(tg_gradcheck(square_of_first, TG_LIST(x), x, NULL), TG_ERR_ARGUMENT,
            "gradcheck: the function returned NULL");
    refused(tg_gradcheck(square_of_first, TG_LIST(x), NULL, &eps), TG_ERR_ARGUMENT,
            "gradcheck: eps is 0, but must be positive");
    refused(tg_gradgradcheck(NULL, TG_LIST(x), NULL, NULL), TG_ERR_ARGUMENT,
            "gradgradcheck: the function is NULL");
    refused(tg_gradgradcheck(square_of_first, TG_LIST(t->gone), NULL, NULL), TG_ERR_CONTEXT,
            "gradgradcheck: the tensor [2, 3] was released");
    refused(tg_gradgradcheck(square_of_first, TG_LIST(x), x, NULL), TG_ERR_ARGUMENT,
            "gradcheck: the function returned NULL");
    assert_null(grads[0]);
    assert_ptr_equal(grads[1], NULL);
}

static void test_random(void **state)
{
    bench *t = *state;
    t->memory.limit = 1 << 20;
    refused(tg_rand(t->tg, TG_I64, TG_SHAPE(1)), TG_ERR_DTYPE, "rand: not for int64");
    refused(tg_rand(t->tg, no_dtype, TG_SHAPE(1)), TG_ERR_DTYPE, "rand: not for ?");
    refused(tg_rand(t->tg, TG_F32, TG_SHAPE(-1)), TG_ERR_SHAPE,
            "rand: size -1 of dimension 0 is negative");
    refused(tg_randn(t->tg, TG_BOOL, TG_SHAPE(1)), TG_ERR_DTYPE, "randn: not for bool");
    refused(tg_randn(t->tg, TG_F32, NINE), TG_ERR_SHAPE, "randn: 9 dimensions; 0 to 8 are allowed");
    refused(tg_randn(t->tg, TG_F32, TG_SHAPE(huge)), TG_ERR_SHAPE,
            "randn: [9223372036854775807] has more elements than memory can hold");
    refused(tg_randint(t->tg, 1, 1, TG_SHAPE(1)), TG_ERR_ARGUMENT,
            "randint: low 1 must be less than high 1");
    refused(tg_randint(t->tg, huge, INT64_MIN, TG_SHAPE(1)), TG_ERR_ARGUMENT,
            "randint: low 9223372036854775807 must be less than high -9223372036854775808");
    refused(tg_randint(t->tg, 0, 1, TG_SHAPE(-1)), TG_ERR_SHAPE,
            "randint: size -1 of dimension 0 is negative");
    refused(tg_randint(t->tg, 0, 1, NO_LIST), TG_ERR_ARGUMENT,
            "randint: the list of sizes is NULL");
    refused(tg_randperm(t->tg, -1), TG_ERR_ARGUMENT, "randperm: n -1 must not be negative");
    refused(tg_randperm(t->tg, huge), TG_ERR_SHAPE,
            "randperm: [9223372036854775807] has more elements than memory can hold");
    refused(tg_bernoulli(tg_full(t->tg, TG_F32, TG_SHAPE(1), 1.5)), TG_ERR_ARGUMENT,
            "bernoulli: p 1.5 must lie in [0, 1]");
    refused(tg_bernoulli(tg_full(t->tg, TG_F64, TG_SHAPE(1), NAN)), TG_ERR_ARGUMENT,
            "bernoulli: p nan must lie in [0, 1]");
    refused(tg_uniform_(t->i, 0, 1), TG_ERR_DTYPE, "uniform_: not for int64");
    refused(tg_uniform_(t->m, 1, 0), TG_ERR_ARGUMENT, "uniform_: low 1 must not be above high 0");
    refused(tg_uniform_(t->m, NAN, 1), TG_ERR_ARGUMENT,
            "uniform_: low nan and high 1 must be finite in float32");
    refused(tg_uniform_(t->m, 0, INFINITY), TG_ERR_ARGUMENT,
            "uniform_: low 0 and high inf must be finite in float32");
    refused(tg_uniform_(t->m, 0, 1e300), TG_ERR_ARGUMENT,
            "uniform_: low 0 and high 1e+300 must be finite in float32");
    refused(tg_uniform_(t->m, -3e38, 3e38), TG_ERR_ARGUMENT,
            "uniform_: the distance from low -3e+38 to high 3e+38 is infinite in float32");
    refused(tg_uniform_(t->borrowed, 0, 1), TG_ERR_ARGUMENT,
            "uniform_: the tensor [2, 3] is borrowed and read-only");
    refused(tg_uniform_(t->gone, 0, 1), TG_ERR_CONTEXT, "uniform_: the tensor [2, 3] was released");
    refused(tg_normal_(t->i, 0, 1), TG_ERR_DTYPE, "normal_: not for int64");
    refused(tg_normal_(t->m, 0, -1), TG_ERR_ARGUMENT, "normal_: std -1 must not be negative");
    refused(tg_normal_(t->m, 0, NAN), TG_ERR_ARGUMENT, "normal_: std nan must not be negative");
    refused(tg_normal_(t->borrowed, 0, 1), TG_ERR_ARGUMENT,
            "normal_: the tensor [2, 3] is borrowed and read-only");
    refused(tg_normal_(t->gone, 0, 1), TG_ERR_CONTEXT, "normal_: the tensor [2, 3] was released");
    refused(tg_bernoulli_(t->m, 1.5), TG_ERR_ARGUMENT, "bernoulli_: p 1.5 must lie in [0, 1]");
    refused(tg_bernoulli_(t->m, NAN), TG_ERR_ARGUMENT, "bernoulli_: p nan must lie in [0, 1]");
    refused(tg_bernoulli_(t->borrowed, 0.5), TG_ERR_ARGUMENT,
            "bernoulli_: the tensor [2, 3] is borrowed and read-only");
    refused(tg_bernoulli_(t->gone, 0.5), TG_ERR_CONTEXT,
            "bernoulli_: the tensor [2, 3] was released");
    refused(tg_random_(t->m), TG_ERR_DTYPE, "random_: not for float32");
}

static void test_modules(void **state)
{
    bench *t = *state;
    tg_module *net = tg_linear(t->tg, 3, 2, TG_BIAS), *loss = tg_mseloss(t->tg, TG_MEAN);
    refused(tg_set_default_dtype(t->tg, TG_I64), TG_ERR_DTYPE,
            "set_default_dtype: int64 is not a floating dtype");
    refused(tg_set_default_dtype(t->tg, no_dtype), TG_ERR_DTYPE,
            "set_default_dtype: ? is not a floating dtype");
    refused(tg_linear(t->tg, 0, 1, TG_BIAS), TG_ERR_SHAPE,
            "linear: in_features is 0, but must be at least 1");
    refused(tg_linear(t->tg, 1, -1, TG_BIAS), TG_ERR_SHAPE,
            "linear: out_features is -1, but must be at least 1");
    refused(tg_linear(t->tg, huge, huge, TG_NO_BIAS), TG_ERR_SHAPE,
            "linear: [9223372036854775807, 9223372036854775807] has more elements than memory can "
            "hold");
    refused(tg_forward(net, NULL), TG_ERR_ARGUMENT, "forward: the input of Linear is NULL");
    refused(tg_forward(net, t->v), TG_ERR_SHAPE,
            "linear: input [4], weight [2, 3]: the last size of the input must be in_features, 3");
    refused(tg_forward(net, t->s), TG_ERR_SHAPE,
            "linear: input [], weight [2, 3]: the last size of the input must be in_features, 3");
    refused(tg_forward(net, t->cube), TG_ERR_SHAPE,
            "linear: input [2, 3, 4], weight [2, 3]: the last size of the input must be "
            "in_features, 3");
    refused(tg_forward(net, t->d), TG_ERR_DTYPE,
            "linear: the input is float64, the weight float32; use tg_cast");
    refused(tg_forward(net, t->gone), TG_ERR_CONTEXT, "linear: the tensor [2, 3] was released");
    refused(tg_forward(net, t->foreign), TG_ERR_CONTEXT,
            "forward: Linear and its input are of two contexts");
    refused(tg_forward(loss, t->m), TG_ERR_ARGUMENT,
            "forward: MSELoss is a loss and takes two tensors; use tg_loss");
    refused(tg_param(net, "weights"), TG_ERR_ARGUMENT,
            "param: Linear has no parameter named weights");
    refused(tg_param(net, NULL), TG_ERR_ARGUMENT, "param: Linear has no parameter named NULL");
    refused(tg_param(loss, "weight"), TG_ERR_ARGUMENT,
            "param: MSELoss has no parameter named weight");
    refused(tg_loss(net, t->m, t->m), TG_ERR_ARGUMENT,
            "loss: Linear is not a loss; use tg_forward");
    refused(tg_loss(loss, NULL, t->m), TG_ERR_ARGUMENT, "loss: the input of MSELoss is NULL");
    refused(tg_loss(loss, t->m, NULL), TG_ERR_ARGUMENT, "loss: the target of MSELoss is NULL");
    refused(tg_loss(loss, t->m, t->gone), TG_ERR_CONTEXT,
            "mse_loss: the tensor [2, 3] was released");
    refused(tg_loss(loss, t->foreign, t->m), TG_ERR_CONTEXT,
            "loss: MSELoss and its input are of two contexts");
    refused(
        tg_mseloss(t->tg, 3), TG_ERR_ARGUMENT,
        "mseloss: the reduction TG_BATCHMEAN is for kl_div alone; use TG_MEAN, TG_SUM or TG_NONE");
    refused(tg_mseloss(t->tg, -1), TG_ERR_ARGUMENT,
            "mseloss: there is no reduction -1; use TG_MEAN, TG_SUM or TG_NONE");
    refused(
        tg_mse_loss(t->m, t->m, 3), TG_ERR_ARGUMENT,
        "mse_loss: the reduction TG_BATCHMEAN is for kl_div alone; use TG_MEAN, TG_SUM or TG_NONE");
    refused(tg_mse_loss(t->m, t->m, -1), TG_ERR_ARGUMENT,
            "mse_loss: there is no reduction -1; use TG_MEAN, TG_SUM or TG_NONE");
    refused(tg_mse_loss(t->m, t->d, TG_MEAN), TG_ERR_DTYPE,
            "mse_loss: the input is float32, the target float64; use tg_cast");
    refused(tg_mse_loss(t->i, t->i, TG_MEAN), TG_ERR_DTYPE, "mse_loss: not for int64; use tg_cast");
    refused(tg_mse_loss(t->m, NULL, TG_MEAN), TG_ERR_ARGUMENT, "mse_loss: target is NULL");
    refused(tg_mse_loss(NULL, t->m, TG_MEAN), TG_ERR_ARGUMENT, "mse_loss: input is NULL");
    refused(tg_mse_loss(t->m, t->gone, TG_MEAN), TG_ERR_CONTEXT,
            "mse_loss: the tensor [2, 3] was released");
    refused(tg_mse_loss(t->m, t->v, TG_MEAN), TG_ERR_SHAPE,
            "mse_loss: input [2, 3] and target [4] differ in shape and would not even broadcast: "
            "they have 6 and 4 elements");
    refused(tg_mse_loss(t->m, t->v, TG_MEAN | TG_BROADCAST), TG_ERR_SHAPE,
            "mse_loss: input [2, 3] and target [4] differ in shape and would not even broadcast: "
            "they have 6 and 4 elements");
    refused(tg_mse_loss(tg_unsqueeze(t->v, 1), t->v, TG_MEAN), TG_ERR_SHAPE,
            "mse_loss: input [4, 1] and target [4] differ in shape and would broadcast to [4, 4]: "
            "use tg_flatten(input, 0, -1), or tg_reshape(target, TG_SHAPE(4, 1))");
    refused(tg_mse_loss(t->v, tg_unsqueeze(t->v, 1), TG_MEAN), TG_ERR_SHAPE,
            "mse_loss: input [4] and target [4, 1] differ in shape and would broadcast to [4, 4]: "
            "use tg_reshape(target, TG_SHAPE(4))");
    refused(tg_mse_loss(t->s, tg_narrow(t->v, 0, 0, 1), TG_MEAN), TG_ERR_SHAPE,
            "mse_loss: input [] and target [1] differ in shape and would broadcast to [1]: use "
            "tg_flatten(input, 0, -1), or tg_reshape(target, TG_SHAPE())");
    refused(tg_mse_loss(t->v, t->s, TG_MEAN), TG_ERR_SHAPE,
            "mse_loss: input [4] and target [] differ in shape and would broadcast to [4]: they "
            "have 4 and 1 elements");
    refused(tg_dropout(t->m, 1.5, true), TG_ERR_ARGUMENT, "dropout: p 1.5 must lie in [0, 1]");
    refused(tg_dropout(t->m, NAN, false), TG_ERR_ARGUMENT, "dropout: p nan must lie in [0, 1]");
    refused(tg_dropout(t->i, 0.5, true), TG_ERR_DTYPE, "dropout: not for int64; use tg_cast");
    refused(tg_dropout(t->i, 0.5, false), TG_ERR_DTYPE, "dropout: not for int64; use tg_cast");
    refused(tg_dropout(tg_eq(t->m, t->m), 0, true), TG_ERR_DTYPE,
            "dropout: not for bool; use tg_cast");
    refused(tg_dropout(t->gone, 0.5, true), TG_ERR_CONTEXT,
            "dropout: the tensor [2, 3] was released");
    assert_null(tg_param_name(net, -1));
    assert_null(tg_param_name(net, 2));
    assert_null(tg_param_name(loss, 0));
}

static const tg_sgd_options *with(tg_sgd_options *o, double lr, double momentum, double dampening,
                                  double weight_decay, bool nesterov)
{
    *o = (tg_sgd_options){lr, momentum, dampening, weight_decay, nesterov, false};
    return o;
}

static void test_optimiser(void **state)
{
    bench *t = *state;
    tg_module *net = tg_linear(t->tg, 3, 2, TG_BIAS), *loss = tg_mseloss(t->tg, TG_MEAN);
    tg_sgd_options how;
    tg_optim *sgd = tg_sgd(net, NULL);
    refused(tg_sgd(loss, NULL), TG_ERR_ARGUMENT, "sgd: MSELoss has no parameters");
    refused(tg_sgd_list(TG_LIST(t->m), NULL), TG_ERR_ARGUMENT,
            "sgd: parameter 1, [2, 3], is not a leaf that requires grad");
    refused(tg_sgd_list(TG_LIST(tg_exp(t->leaf)), NULL), TG_ERR_ARGUMENT,
            "sgd: parameter 1, [2], is not a leaf that requires grad");
    refused(tg_sgd_list(TG_LIST(t->leaf, t->leaf), NULL), TG_ERR_ARGUMENT,
            "sgd: parameters 1 and 2 are the same tensor");
    refused(tg_sgd_list(TG_LIST(t->leaf, NULL), NULL), TG_ERR_ARGUMENT, "sgd: parameter 2 is NULL");
    refused(tg_sgd_list(TG_LIST(t->gone), NULL), TG_ERR_CONTEXT,
            "sgd: the tensor [2, 3] was released");
    refused(tg_sgd_list(TG_LIST(tg_requires_grad_(tg_ones(t->tg, TG_F32, TG_SHAPE(1)), true),
                                tg_borrow(t->tg, t->leaf)),
                        NULL),
            TG_ERR_ARGUMENT, "sgd: the tensor [2] is borrowed and read-only");
    refused(tg_sgd(net, with(&how, -1, 0, 0, 0, false)), TG_ERR_ARGUMENT,
            "sgd: lr -1 is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, NAN, 0, 0, 0, false)), TG_ERR_ARGUMENT,
            "sgd: lr nan is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, INFINITY, 0, 0, 0, false)), TG_ERR_ARGUMENT,
            "sgd: lr inf is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, 1, -1, 0, 0, false)), TG_ERR_ARGUMENT,
            "sgd: momentum -1 is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, 1, NAN, 0, 0, false)), TG_ERR_ARGUMENT,
            "sgd: momentum nan is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, 1, 0, NAN, 0, false)), TG_ERR_ARGUMENT,
            "sgd: dampening nan is not finite");
    refused(tg_sgd(net, with(&how, 1, 0, 0, -1, false)), TG_ERR_ARGUMENT,
            "sgd: weight_decay -1 is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, 1, 0, 0, INFINITY, false)), TG_ERR_ARGUMENT,
            "sgd: weight_decay inf is not a finite number >= 0");
    refused(tg_sgd(net, with(&how, 1, 0, 0, 0, true)), TG_ERR_ARGUMENT,
            "sgd: nesterov needs a momentum, but it is 0");
    refused(tg_sgd(net, with(&how, 1, 0.5, 0.5, 0, true)), TG_ERR_ARGUMENT,
            "sgd: nesterov needs a dampening of 0, but it is 0.5");
    refused(tg_set_lr(sgd, -1), TG_ERR_ARGUMENT, "set_lr: lr -1 is not a finite number >= 0");
    refused(tg_set_lr(sgd, NAN), TG_ERR_ARGUMENT, "set_lr: lr nan is not a finite number >= 0");
    assert_true(tg_lr(sgd) == 0.01);
    assert_null(tg_sgd(NULL, &how));
    check_ok(t->tg);
}

static void test_printing(void **state)
{
    bench *t = *state;
    char text[4] = "abc";
    refused(tg_print(NULL, t->m), TG_ERR_ARGUMENT, "print: the file is NULL");
    refused(tg_print(stdout, t->gone), TG_ERR_CONTEXT, "print: the tensor [2, 3] was released");
    refused(tg_snprint(NULL, 0, t->gone), TG_ERR_CONTEXT,
            "snprint: the tensor [2, 3] was released");
    refused(tg_snprint(text, sizeof text, t->gone), TG_ERR_CONTEXT,
            "snprint: the tensor [2, 3] was released");
    assert_string_equal(text, "");
}

#define AT_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_BENCH(test_unary),      AT_BENCH(test_unary_dtypes),    AT_BENCH(test_binary),
        AT_BENCH(test_scalars),    AT_BENCH(test_nothing),         AT_BENCH(test_making),
        AT_BENCH(test_wrapping),   AT_BENCH(test_views),           AT_BENCH(test_access),
        AT_BENCH(test_operations), AT_BENCH(test_joins_and_order), AT_BENCH(test_autograd),
        AT_BENCH(test_random),     AT_BENCH(test_modules),         AT_BENCH(test_optimiser),
        AT_BENCH(test_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
