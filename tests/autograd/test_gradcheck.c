/* The first and second derivatives of every differentiable operation, compared with central
 * differences, for operands that are broadcast and operands of several layouts in memory; and tests
 * of tg_gradcheck itself. */
#include "leaf.h"

enum { SIDES = 2, DIMS = 4 };

/* The layouts of an operand in memory. */
enum { PLAIN, TRANSPOSED, SLICED, EXPANDED, STRIDED_LEAF, LAYOUTS };
static const char *const layout_names[] = {"contiguous", "transposed", "sliced", "expanded",
                                           "strided leaf"};

typedef struct sizes {
    int ndim;
    int64_t dims[DIMS];
} sizes;

typedef tg_tensor *operation(tg_tensor *a, tg_tensor *b);

/* An operation that is checked, on operands with values in [low, high]. */
typedef struct checked {
    const char *name;
    operation *run;
    double low, high;
    int n;
    sizes shape[SIDES];
    int layout[SIDES];
} checked;

/* Fills t with different values that have nothing special: steps of the golden ratio. */
static void fill_range(tg_tensor *t, int side, double low, double high)
{
    double *values = t->data;
    for (int64_t i = 0; i < t->numel; i++) {
        double step = 0.6180339887498949 * (double)(i + 1) + 0.31 * side;
        values[i] = low + (high - low) * (step - floor(step));
    }
}

static tg_shape reversed(const sizes *s, int64_t *dims)
{
    for (int d = 0; d < s->ndim; d++) dims[d] = s->dims[s->ndim - 1 - d];
    return (tg_shape){s->ndim, dims};
}

static tg_tensor *turn_around(tg_tensor *t)
{
    int64_t order[DIMS];
    for (int d = 0; d < t->ndim; d++) order[d] = t->ndim - 1 - d;
    return tg_permute(t, (tg_shape){t->ndim, order});
}

/* The leaf of operand i. */
static tg_tensor *make_leaf(tg_context *tg, const checked *c, int i)
{
    const sizes *s = &c->shape[i];
    const int64_t three = 3;
    int64_t dims[DIMS];
    memcpy(dims, s->dims, sizeof s->dims);
    tg_shape shape = {s->ndim, dims};
    if (c->layout[i] == TRANSPOSED || c->layout[i] == STRIDED_LEAF) shape = reversed(s, dims);
    if (c->layout[i] == EXPANDED && s->ndim > 0) dims[0] = 1;
    if (c->layout[i] == SLICED && s->ndim == 0) shape = (tg_shape){1, &three};
    if (c->layout[i] == SLICED && s->ndim > 0) dims[s->ndim - 1] = 2 * dims[s->ndim - 1] + 1;
    tg_tensor *t = tg_empty(tg, TG_F64, shape);
    fill_range(t, i, c->low, c->high);
    return tg_requires_grad_(c->layout[i] == STRIDED_LEAF ? tg_detach(turn_around(t)) : t, true);
}

/* The view of a leaf that the operation gets as operand i. */
static tg_tensor *see(const checked *c, int i, tg_tensor *leaf)
{
    const sizes *s = &c->shape[i];
    switch (c->layout[i]) {
    case TRANSPOSED: return turn_around(leaf);
    case SLICED: return s->ndim == 0 ? tg_select(leaf, 0, 1) : tg_slice(leaf, -1, 1, TG_END, 2);
    case EXPANDED: return tg_expand(leaf, (tg_shape){s->ndim, s->dims});
    default: return leaf;
    }
}

static tg_tensor *run_checked(tg_list inputs, void *user)
{
    const checked *c = user;
    return c->run(see(c, 0, inputs.items[0]), c->n == 2 ? see(c, 1, inputs.items[1]) : NULL);
}

static void check_layouts(tg_context *tg, checked *c)
{
    tg_scope_begin(tg);
    tg_tensor *leaves[SIDES] = {NULL};
    for (int i = 0; i < c->n; i++) leaves[i] = make_leaf(tg, c, i);
    tg_list inputs = {c->n, leaves};
    bool first = tg_gradcheck(run_checked, inputs, c, NULL);
    if (!first || !tg_gradgradcheck(run_checked, inputs, c, NULL))
        fail_msg("%s of %s and %s: %s: %s", c->name, layout_names[c->layout[0]],
                 layout_names[c->layout[1]], first ? "second" : "first", tg_error(tg));
    tg_scope_end(tg);
}

/* Checks an operation with both operands in the same layout, for each layout, or in all pairs of
 * them. */
static void check_case(tg_context *tg, checked c, bool pairs)
{
    for (c.layout[0] = 0; c.layout[0] < LAYOUTS; c.layout[0]++)
        for (c.layout[1] = 0; c.layout[1] < (c.n == 2 ? LAYOUTS : 1); c.layout[1]++)
            if (pairs || c.n == 1 || c.layout[0] == c.layout[1]) check_layouts(tg, &c);
}

/* ---- Elementwise: CASE(name, low, high, expression in a and b). */

#define UNARY_CASES(CASE)                                                                          \
    CASE(neg, -2, 2, tg_neg(a))                                                                    \
    CASE(abs, -2, 2, tg_abs(a))                                                                    \
    CASE(sign, -2, 2, tg_mul(tg_sign(a), a))                                                       \
    CASE(square, -2, 2, tg_square(a))                                                              \
    CASE(sqrt, 0.5, 2, tg_sqrt(a))                                                                 \
    CASE(exp, -2, 2, tg_exp(a))                                                                    \
    CASE(log, 0.5, 2, tg_log(a))                                                                   \
    CASE(relu, -2, 2, tg_relu(a))                                                                  \
    CASE(sigmoid, -2, 2, tg_sigmoid(a))                                                            \
    CASE(tanh, -2, 2, tg_tanh(a))                                                                  \
    CASE(add_scalar, -2, 2, tg_add_scalar(a, 3))                                                   \
    CASE(sub_scalar, -2, 2, tg_sub_scalar(a, 3))                                                   \
    CASE(rsub_scalar, -2, 2, tg_rsub_scalar(a, 3))                                                 \
    CASE(add_scalar_, -2, 2, tg_add_scalar_(tg_square(a), 3))                                      \
    CASE(sub_scalar_, -2, 2, tg_sub_scalar_(tg_square(a), 3))                                      \
    CASE(mul_scalar_, -2, 2, tg_mul_scalar_(tg_square(a), -3))                                     \
    CASE(div_scalar_, -2, 2, tg_div_scalar_(tg_square(a), 3))                                      \
    CASE(div_, 0.5, 2, tg_div_(tg_square(a), tg_add_scalar(a, 1)))                                 \
    CASE(mul_scalar, -2, 2, tg_mul_scalar(a, -3))                                                  \
    CASE(div_scalar, -2, 2, tg_div_scalar(a, 3))                                                   \
    CASE(pow_0, -2, 2, tg_add(tg_pow_scalar(a, 0), a))                                             \
    CASE(pow_1, -2, 2, tg_pow_scalar(a, 1))                                                        \
    CASE(pow_2, -2, 2, tg_pow_scalar(a, 2))                                                        \
    CASE(pow_3, -2, 2, tg_pow_scalar(a, 3))                                                        \
    CASE(pow_half, 0.5, 2, tg_pow_scalar(a, 0.5))                                                  \
    CASE(pow_negative, 0.5, 2, tg_pow_scalar(a, -1.5))                                             \
    CASE(clone, -2, 2, tg_clone(a))                                                                \
    CASE(contiguous, -2, 2, tg_contiguous(a))                                                      \
    CASE(cast, -2, 2, tg_cast(a, TG_F64))

#define BINARY_CASES(CASE)                                                                         \
    CASE(add, -2, 2, tg_add(a, b))                                                                 \
    CASE(sub, -2, 2, tg_sub(a, b))                                                                 \
    CASE(mul, -2, 2, tg_mul(a, b))                                                                 \
    CASE(div, 0.5, 2, tg_div(a, b))                                                                \
    CASE(pow, 0.5, 2, tg_pow(a, b))                                                                \
    CASE(maximum, -2, 2, tg_maximum(a, b))                                                         \
    CASE(minimum, -2, 2, tg_minimum(a, b))                                                         \
    CASE(where, -2, 2, tg_where(tg_gt_scalar(tg_detach(b), 0), a, b))                              \
    CASE(mse_mean, -2, 2, tg_mse_loss(a, b, TG_MEAN | TG_BROADCAST))                               \
    CASE(mse_sum, -2, 2, tg_mse_loss(a, b, TG_SUM | TG_BROADCAST))                                 \
    CASE(mse_none, -2, 2, tg_mse_loss(a, b, TG_NONE | TG_BROADCAST))

#define FUNCTION(name, low, high, expression)                                                      \
    static tg_tensor *run_##name(tg_tensor *a, tg_tensor *b)                                       \
    {                                                                                              \
        (void)b;                                                                                   \
        return expression;                                                                         \
    }
UNARY_CASES(FUNCTION)
BINARY_CASES(FUNCTION)
#undef FUNCTION

#define ROW(name, low, high, expression) {#name, run_##name, low, high, 1, {{0}}, {0}},
static const checked unary_cases[] = {UNARY_CASES(ROW)};
static const checked binary_cases[] = {BINARY_CASES(ROW)};
#undef ROW

enum {
    UNARY_CASES_N = sizeof unary_cases / sizeof unary_cases[0],
    BINARY_CASES_N = sizeof binary_cases / sizeof binary_cases[0]
};

static void test_unary(void **state)
{
    const sizes shapes[] = {{2, {2, 3}}, {0, {0}}, {2, {0, 3}}};
    for (int i = 0; i < UNARY_CASES_N; i++)
        for (int s = 0; s < 3; s++) {
            checked c = unary_cases[i];
            c.shape[0] = shapes[s];
            check_case(*state, c, true);
        }
}

static void test_broadcast(void **state)
{
    const sizes shapes[][SIDES] = {
        {{2, {2, 3}}, {2, {2, 3}}}, {{2, {2, 1}}, {1, {3}}}, {{1, {3}}, {2, {2, 3}}},
        {{0, {0}}, {2, {2, 2}}},    {{1, {2}}, {0, {0}}},    {{3, {2, 1, 2}}, {2, {2, 1}}},
        {{2, {0, 2}}, {1, {2}}},
    };
    for (int i = 0; i < BINARY_CASES_N; i++)
        for (int s = 0; s < 7; s++) {
            checked c = binary_cases[i];
            bool mean_of_nothing = !strcmp(c.name, "mse_mean") && s == 6; /* NaN */
            c.n = 2;
            memcpy(c.shape, shapes[s], sizeof c.shape);
            if (!mean_of_nothing) check_case(*state, c, s < 2);
        }
}

/* ---- The rest, of shapes of their own: CASE(name, expression in a and b, shapes in
 * parentheses). */

#define PICK  tg_from_i64(a->context, TG_SHAPE(2, 3), (int64_t[]){1, 0, 1, 1, 1, 0})
#define PLACE tg_from_i64(a->context, TG_SHAPE(2, 2), (int64_t[]){2, 0, 2, 2})

#define SHAPED_CASES(CASE)                                                                         \
    CASE(sum, tg_sum(a), (2, 3))                                                                   \
    CASE(sum_0, tg_sum_dims(a, TG_DIMS(0), false), (2, 3))                                         \
    CASE(sum_1_keep, tg_sum_dims(a, TG_DIMS(-1), TG_KEEPDIM), (2, 3))                              \
    CASE(sum_02, tg_sum_dims(a, TG_DIMS(2, 0), false), (2, 3, 2))                                  \
    CASE(mean, tg_mean(a), (2, 3))                                                                 \
    CASE(mean_1, tg_mean_dims(a, TG_DIMS(1), false), (2, 3))                                       \
    CASE(mean_01_keep, tg_mean_dims(a, TG_DIMS(0, 1), TG_KEEPDIM), (2, 3, 2))                      \
    CASE(max, tg_mul(tg_max(a), a), (2, 3))                                                        \
    CASE(min, tg_mul(tg_min(a), a), (2, 3))                                                        \
    CASE(max_0, tg_square(tg_max_dim(a, 0, false)), (2, 3))                                        \
    CASE(max_1_keep, tg_square(tg_max_dim(a, -1, TG_KEEPDIM)), (2, 3))                             \
    CASE(min_0, tg_square(tg_min_dim(a, 0, TG_KEEPDIM)), (2, 3))                                   \
    CASE(min_1, tg_square(tg_min_dim(a, 1, false)), (2, 3))                                        \
    CASE(max_0d, tg_square(tg_max_dim(tg_reshape(a, TG_SHAPE()), 0, false)), (1))                  \
    CASE(sort_0, tg_square(tg_sort(a, 0)), (3, 2))                                                 \
    CASE(sort_1, tg_square(tg_sort(a, -1)), (2, 3))                                                \
    CASE(gather, tg_square(tg_gather(a, 0, PICK)), (2, 3))                                         \
    CASE(view, tg_square(tg_view(tg_contiguous(a), TG_SHAPE(3, -1))), (2, 3))                      \
    CASE(reshape, tg_square(tg_reshape(a, TG_SHAPE(3, 2))), (2, 3))                                \
    CASE(reshape_0d, tg_reshape(a, TG_SHAPE()), (1, 1))                                            \
    CASE(flatten, tg_square(tg_flatten(a, 1, -1)), (2, 3, 2))                                      \
    CASE(transpose, tg_square(tg_transpose(a, 0, -1)), (2, 3, 2))                                  \
    CASE(t, tg_square(tg_t(a)), (2, 3))                                                            \
    CASE(permute, tg_square(tg_permute(a, TG_DIMS(2, 0, 1))), (2, 3, 2))                           \
    CASE(squeeze, tg_square(tg_squeeze(a)), (1, 3, 1))                                             \
    CASE(squeeze_dim, tg_square(tg_squeeze_dim(a, -1)), (1, 3, 1))                                 \
    CASE(unsqueeze, tg_square(tg_unsqueeze(a, 1)), (2, 3))                                         \
    CASE(unsqueeze_end, tg_square(tg_unsqueeze(a, -1)), (2, 3))                                    \
    CASE(expand, tg_square(tg_expand(a, TG_SHAPE(2, -1, 3))), (2, 1))                              \
    CASE(select, tg_square(tg_select(a, 1, -1)), (2, 3))                                           \
    CASE(narrow, tg_square(tg_narrow(a, 1, 1, 2)), (2, 3))                                         \
    CASE(slice, tg_square(tg_slice(a, 0, 0, TG_END, 2)), (3, 2))                                   \
    CASE(slice_empty, tg_add(tg_sum(tg_slice(a, 0, 2, 1, 1)), a), (3, 2))                          \
    CASE(diagonal, tg_square(tg_diagonal(a, 0, 0, 1)), (2, 3))                                     \
    CASE(diagonal_up, tg_square(tg_diagonal(a, 1, 0, 2)), (2, 2, 3))                               \
    CASE(diagonal_down, tg_square(tg_diagonal(a, -1, -2, -1)), (3, 2))                             \
    CASE(overlapping_views, tg_mul(tg_slice(a, 0, 0, 2, 1), tg_slice(a, 0, 1, 3, 1)), (3, 2))

#define PAIRED_CASES(CASE)                                                                         \
    CASE(dot, tg_dot(a, b), (3), (3))                                                              \
    CASE(outer, tg_outer(a, b), (2), (3))                                                          \
    CASE(matmul_11, tg_matmul(a, b), (3), (3))                                                     \
    CASE(matmul_12, tg_matmul(a, b), (2), (2, 3))                                                  \
    CASE(matmul_21, tg_matmul(a, b), (2, 3), (3))                                                  \
    CASE(matmul_22, tg_matmul(a, b), (2, 3), (3, 2))                                               \
    CASE(matmul_31, tg_matmul(a, b), (2, 1, 2), (2))                                               \
    CASE(matmul_13, tg_matmul(a, b), (2), (2, 2, 1))                                               \
    CASE(matmul_32, tg_matmul(a, b), (2, 1, 2), (2, 2))                                            \
    CASE(matmul_23, tg_matmul(a, b), (1, 2), (2, 2, 1))                                            \
    CASE(matmul_33, tg_matmul(a, b), (2, 1, 2), (2, 2, 1))                                         \
    CASE(matmul_batches, tg_matmul(a, b), (2, 1, 1, 2), (2, 2, 1))                                 \
    CASE(matmul_nothing, tg_matmul(a, b), (2, 0), (0, 2))                                          \
    CASE(matmul_no_batch, tg_matmul(a, b), (0, 2, 2), (2))                                         \
    CASE(cat, tg_square(tg_cat(TG_LIST(a, b, a), 1)), (2, 1), (2, 2))                              \
    CASE(cat_0, tg_square(tg_cat(TG_LIST(a, b), 0)), (2, 2), (0, 2))                               \
    CASE(cat_none, tg_square(tg_cat(TG_LIST(a, b), 0)), (0), (2, 2))                               \
    CASE(stack, tg_square(tg_stack(TG_LIST(a, b, b), -1)), (2, 2), (2, 2))                         \
    CASE(vstack, tg_square(tg_vstack(TG_LIST(a, b))), (3), (2, 3))                                 \
    CASE(hstack, tg_square(tg_hstack(TG_LIST(a, b))), (2, 1), (2, 2))                              \
    CASE(hstack_1d, tg_square(tg_hstack(TG_LIST(a, b))), (2), (3))                                 \
    CASE(scatter_add, tg_square(tg_scatter_add(a, 0, PLACE, b)), (3, 2), (2, 2))                   \
    CASE(scatter_add_part, tg_square(tg_scatter_add(a, 0, PLACE, b)), (3, 2), (3, 3))

#define FUNCTION(name, expression, ...)                                                            \
    static tg_tensor *run_##name(tg_tensor *a, tg_tensor *b)                                       \
    {                                                                                              \
        (void)b;                                                                                   \
        return expression;                                                                         \
    }
SHAPED_CASES(FUNCTION)
PAIRED_CASES(FUNCTION)
#undef FUNCTION

#define SIZES(...)                                                                                 \
    {                                                                                              \
        (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define SHAPED(name, expression, a)    {#name, run_##name, -2, 2, 1, {SIZES a}, {0}},
#define PAIRED(name, expression, a, b) {#name, run_##name, -2, 2, 2, {SIZES a, SIZES b}, {0}},
static const checked shaped_cases[] = {SHAPED_CASES(SHAPED) PAIRED_CASES(PAIRED)};
#undef SHAPED
#undef PAIRED

static void test_shaped(void **state)
{
    for (size_t i = 0; i < sizeof shaped_cases / sizeof shaped_cases[0]; i++)
        check_case(*state, shaped_cases[i], strstr(shaped_cases[i].name, "_22") != NULL);
}

/* ---- Modules. */

/* What Linear is run on, and whether with a bias. */
typedef struct layer {
    tg_module *module;
    sizes shape;
    bool turned;
} layer;

static tg_tensor *run_linear(tg_list inputs, void *user)
{
    const layer *l = user;
    tg_tensor *x = inputs.items[0];
    return tg_square(tg_forward(l->module, l->turned ? turn_around(x) : x));
}

static void test_linear(void **state)
{
    const sizes shapes[] = {{1, {3}}, {2, {2, 3}}, {3, {2, 2, 3}}, {2, {0, 3}}};
    tg_set_default_dtype(*state, TG_F64);
    for (int i = 0; i < 4 * 4; i++) {
        layer l = {tg_linear(*state, 3, 2, i & 1 ? TG_BIAS : TG_NO_BIAS), shapes[i / 4], i & 2};
        int64_t dims[DIMS];
        tg_shape shape =
            l.turned ? reversed(&l.shape, dims) : (tg_shape){l.shape.ndim, l.shape.dims};
        tg_tensor *x = tg_empty(*state, TG_F64, shape);
        fill_range(x, 0, -2, 2);
        tg_list p = tg_parameters(l.module);
        tg_list inputs = TG_LIST(tg_requires_grad_(x, true), p.items[0], p.items[p.n - 1]);
        inputs.n = 1 + p.n;
        assert_true(tg_gradcheck(run_linear, inputs, &l, NULL));
        assert_true(tg_gradgradcheck(run_linear, inputs, &l, NULL));
    }
}

static tg_tensor *run_dropout(tg_list inputs, void *user)
{
    (void)user;
    tg_manual_seed(inputs.items[0]->context, 7);
    return tg_square(tg_dropout(inputs.items[0], 0.5, true));
}

static void test_dropout(void **state)
{
    tg_tensor *x = tg_empty(*state, TG_F64, TG_SHAPE(4, 3));
    fill_range(x, 0, -2, 2);
    tg_requires_grad_(x, true);
    assert_true(tg_gradcheck(run_dropout, TG_LIST(x), NULL, NULL));
    assert_true(tg_gradgradcheck(run_dropout, TG_LIST(x), NULL, NULL));
}

/* ---- Tests of tg_gradcheck itself. */

/* A function whose backward misses half of the gradient of all squares but the first two. */
static tg_tensor *wrong(tg_list inputs, void *user)
{
    tg_tensor *x = inputs.items[0], *first = tg_narrow(x, 0, 0, 2);
    tg_tensor *rest = tg_narrow(x, 0, 2, 2), *hidden = tg_detach(rest);
    (void)user;
    return tg_cat(TG_LIST(tg_square(first), tg_mul(rest, hidden)), 0);
}

/* x^3, whose first gradient is right, and whose second is not. */
static tg_tensor *wrong_at_second(tg_list inputs, void *user)
{
    tg_tensor *x = inputs.items[0], *hidden = tg_detach(x), *square = tg_square(hidden);
    (void)user;
    return tg_add(tg_mul_scalar(tg_mul(square, tg_sub(x, hidden)), 3), tg_mul(square, hidden));
}

static void test_wrong_gradients(void **state)
{
    tg_gradcheck_options o = tg_gradcheck_defaults();
    assert_true(o.eps == 1e-6 && o.atol == 1e-5 && o.rtol == 1e-3);
    o.eps = 0x1p-10; /* differences of squares are exact */
    tg_tensor *x = leaf(*state, 1, 2, 3, 4);
    assert_false(tg_gradcheck(wrong, TG_LIST(x), NULL, &o));
    check_error(*state, TG_ERR_AUTOGRAD,
                "gradcheck: d output[2] / d inputs.items[0][2] is 3 by backward, 6 by differences "
                "(elements "
                "counted row-major)");
    check_values(x, 1, 2, 3, 4);
    tg_tensor *half = leaf(*state, 0.5);
    assert_true(tg_gradcheck(wrong_at_second, TG_LIST(half), NULL, NULL));
    assert_false(tg_gradgradcheck(wrong_at_second, TG_LIST(half), NULL, NULL));
    assert_non_null(
        strstr(tg_error(*state), "d output[0] / d inputs.items[0][0] is 0 by backward"));
    assert_int_equal(tg_error_code(*state), TG_ERR_AUTOGRAD);
    tg_clear_error(*state);
}

static tg_tensor *do_add(tg_list inputs, void *user)
{
    (void)user;
    return tg_add(inputs.items[0], inputs.items[1]);
}

static tg_tensor *do_log(tg_list inputs, void *user)
{
    (void)user;
    return tg_log(inputs.items[0]);
}

static tg_tensor *do_nothing(tg_list inputs, void *user)
{
    (void)inputs, (void)user;
    return NULL;
}

static tg_tensor *do_half_precision(tg_list inputs, void *user)
{
    (void)user;
    return tg_cast(inputs.items[0], TG_F32);
}

static tg_tensor *do_detach(tg_list inputs, void *user)
{
    (void)user;
    return tg_detach(inputs.items[0]);
}

/* A function whose result has more elements at each call. */
static tg_tensor *do_grow(tg_list inputs, void *user)
{
    int *calls = user;
    return tg_expand(inputs.items[0], TG_SHAPE(++*calls));
}

static void test_inputs(void **state)
{
    tg_tensor *x = leaf(*state, 1), *single = tg_ones(*state, TG_F32, TG_SHAPE(1)), *none = NULL;
    tg_requires_grad_(single, true);
    assert_false(tg_gradcheck(do_add, TG_LIST(x, single), NULL, NULL));
    check_error(*state, TG_ERR_DTYPE, "gradcheck: input 2, float32 [1], is not a float64 leaf");
    assert_false(tg_gradgradcheck(do_add, TG_LIST(tg_neg(x), x), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT,
                "gradgradcheck: input 1, float64 [1], is not a float64 leaf");
    assert_false(tg_gradcheck(do_log, TG_LIST(tg_detach(x)), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "gradcheck: no input requires grad");
    assert_false(tg_gradcheck(NULL, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "gradcheck: the function is NULL");
    assert_false(tg_gradcheck(do_add, TG_LIST(x, none), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "gradcheck: tensor 2 is NULL");
    assert_false(tg_gradcheck(do_add, TG_LIST(), NULL, NULL));
    tg_gradcheck_options o = tg_gradcheck_defaults();
    o.eps = 0;
    assert_false(tg_gradcheck(do_log, TG_LIST(x), NULL, &o));
    check_error(*state, TG_ERR_ARGUMENT, "gradcheck: eps is 0, but must be positive");
    assert_true(tg_gradcheck(do_add, TG_LIST(x, constant(*state, 2)), NULL, NULL));
    assert_true(tg_gradcheck(do_add, TG_LIST(x, x), NULL, NULL));
    assert_null(x->grad);
}

static void test_functions(void **state)
{
    tg_tensor *x = leaf(*state, 1);
    int calls = 0;
    assert_false(tg_gradcheck(do_nothing, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "gradcheck: the function returned NULL");
    assert_false(tg_gradgradcheck(do_nothing, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_ARGUMENT, "gradcheck: the function returned NULL");
    assert_false(tg_gradcheck(do_half_precision, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_DTYPE, "gradcheck: the output is float32 and requires grad");
    assert_false(tg_gradgradcheck(do_half_precision, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_DTYPE, "gradgradcheck: the output is float32, not float64");
    assert_false(tg_gradcheck(do_detach, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_AUTOGRAD,
                "gradcheck: the output is float64 and does not require grad");
    assert_false(tg_gradcheck(do_grow, TG_LIST(x), &calls, NULL));
    check_error(*state, TG_ERR_ARGUMENT,
                "gradcheck: the function's output changes its shape or dtype");
    assert_false(
        tg_gradcheck(do_add, TG_LIST(x, tg_ones(*state, TG_I64, TG_SHAPE(1))), NULL, NULL));
    check_error(*state, TG_ERR_DTYPE, "add: float64 [1] and int64 [1]: dtypes differ; use tg_cast");
    check_values(x, 1);
    tg_item(constant(*state, 1, 2));
    assert_false(tg_gradcheck(do_log, TG_LIST(x), NULL, NULL));
    check_error(*state, TG_ERR_SHAPE, "item: [2] has 2 elements, not one");
}

/* A difference that is not finite is an error, whatever the gradient is. */
static void test_not_finite(void **state)
{
    tg_gradcheck_options o = tg_gradcheck_defaults();
    tg_tensor *x = leaf(*state, 0.5);
    o.eps = 0.5;
    assert_false(tg_gradcheck(do_log, TG_LIST(x), NULL, &o));
    check_error(
        *state, TG_ERR_AUTOGRAD,
        "gradcheck: d output[0] / d inputs.items[0][0] is 2 by backward, inf by differences "
        "(elements counted row-major)");
    check_values(x, 0.5);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(unary),           test(broadcast), test(shaped),    test(linear),     test(dropout),
        test(wrong_gradients), test(inputs),    test(functions), test(not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
