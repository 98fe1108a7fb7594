/* Sizes whose products and sums overflow. Every function that makes a tensor refuses them, or makes
 * a tensor of as many elements as integers of unlimited precision give. The sizes lie around every
 * power of two, in pairs whose product lies around the limits of 32 and 64 bits. */
#include "check.h"
#include "context/size.h"
#include "guarded.h"

/* ---- Arithmetic without a limit: 640 bits. */

enum { LIMBS = 20 };

typedef struct exact {
    uint32_t limb[LIMBS];
} exact;

static exact number(int64_t x)
{
    return (exact){{(uint32_t)x, (uint32_t)((uint64_t)x >> 32)}};
}

static exact plus(exact a, exact b)
{
    uint64_t sum = 0;
    for (int i = 0; i < LIMBS; i++, sum >>= 32) {
        sum += (uint64_t)a.limb[i] + b.limb[i];
        a.limb[i] = (uint32_t)sum;
    }
    return a;
}

static exact times(exact a, exact b)
{
    exact product = {{0}};
    for (int i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;
        for (int j = 0; i + j < LIMBS; j++, carry >>= 32) {
            carry += (uint64_t)a.limb[i] * b.limb[j] + product.limb[i + j];
            product.limb[i + j] = (uint32_t)carry;
        }
    }
    return product;
}

static int compare(exact a, exact b)
{
    for (int i = LIMBS - 1; i >= 0; i--)
        if (a.limb[i] != b.limb[i]) return a.limb[i] < b.limb[i] ? -1 : 1;
    return 0;
}

static bool is_zero(exact a)
{
    return compare(a, number(0)) == 0;
}

static void test_arithmetic_of_the_test_itself(void **state)
{
    (void)state;
    const exact ten = number(10), all = number(INT64_MAX), one = number(1);
    exact power = one, square = times(all, all);
    for (int i = 0; i < 18; i++) power = times(power, ten);
    assert_int_equal(compare(power, number(1000000000000000000)), 0);
    /* (2^63 - 1)^2 + 2 (2^63 - 1) + 1 = 2^126 */
    square = plus(plus(square, plus(all, all)), one);
    for (int i = 0; i < LIMBS; i++)
        assert_int_equal(square.limb[i], i == 3 ? UINT32_C(1) << 30 : 0);
    assert_int_equal(compare(all, plus(all, one)), -1);
}

/* Whether got is the value, or the greatest number `most` if the value is greater. */
static bool is_capped(exact value, int64_t most, int64_t got)
{
    return got == most ? compare(value, number(most)) >= 0 : !compare(value, number(got));
}

static void check_arithmetic(int64_t a, int64_t b)
{
    const exact product = times(number(a), number(b)), sum = plus(number(a), number(b));
    assert_true(is_capped(product, INT64_MAX, tg__times(a, b)));
    assert_true(is_capped(sum, INT64_MAX, tg__plus(a, b)));
    for (int64_t each = 1; each <= 64; each *= 2) {
        const exact bytes = times(number(a), number(each));
        assert_true(is_capped(bytes, PTRDIFF_MAX, (int64_t)tg__bytes(a, (size_t)each)));
    }
}

/* ---- Which tensor a function should make for the sizes a and b. */

enum { MOST_BYTES = 1 << 20, WORK = 1 << 14, LEAST_PAIRS = 30 };

typedef struct expected {
    int ndim;
    exact shape[4];
} expected;

typedef struct maker {
    const char *name;
    tg_tensor *(*make)(tg_context *tg, int64_t a, int64_t b, expected *e);
    int64_t each; /* bytes of an element; 0 if the result is a view */
} maker;

/* A single element, expanded to a tensor of any shape. */
static tg_tensor *spread(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    return tg_expand(tg_zeros(tg, dtype, TG_SHAPE()), shape);
}

#define F(...)    spread(tg, TG_F32, TG_SHAPE(__VA_ARGS__))
#define D(...)    spread(tg, TG_F64, TG_SHAPE(__VA_ARGS__))
#define I(...)    spread(tg, TG_I64, TG_SHAPE(__VA_ARGS__))
#define MASK(...) spread(tg, TG_BOOL, TG_SHAPE(__VA_ARGS__))
#define ONE       number(1)
#define A         number(a)
#define B         number(b)

static tg_tensor *weight_of(tg_module *m)
{
    return m ? tg_param(m, "weight") : NULL;
}

static tg_tensor *padded_conv(tg_tensor *x, tg_tensor *w, int64_t padding)
{
    tg_conv_options o = tg_conv_defaults();
    o.padding[0] = o.padding[1] = padding;
    return tg_conv2d(x, w, &o);
}

static tg_tensor *pool(tg_tensor *(*f)(tg_tensor *, const tg_pool_options *), tg_tensor *x)
{
    tg_pool_options o = tg_pool_defaults(2);
    o.stride[0] = o.stride[1] = 1;
    o.padding[0] = o.padding[1] = 1;
    /* cppcheck-suppress returnDanglingLifetime; it is a tensor, not the options */
    return f(x, &o);
}

static tg_tensor *mse_of_all(tg_tensor *x, tg_tensor *y)
{
    return tg_mse_loss(x, y, TG_NONE | TG_BROADCAST);
}

/* MAKER(name, bytes of an element, call, sizes of the result...) */
#define MAKERS                                                                                     \
    MAKER(empty, 8, tg_empty(tg, TG_F64, TG_SHAPE(a, b)), A, B)                                    \
    MAKER(empty_bool, 1, tg_empty(tg, TG_BOOL, TG_SHAPE(a, b)), A, B)                              \
    MAKER(empty_of_three, 4, tg_empty(tg, TG_F32, TG_SHAPE(a, b, a)), A, B, A)                     \
    MAKER(empty_of_none, 4, tg_empty(tg, TG_F32, TG_SHAPE(a, 0, b)), A, number(0), B)              \
    MAKER(zeros, 4, tg_zeros(tg, TG_F32, TG_SHAPE(a, b)), A, B)                                    \
    MAKER(ones, 8, tg_ones(tg, TG_I64, TG_SHAPE(a, b)), A, B)                                      \
    MAKER(full, 8, tg_full(tg, TG_F64, TG_SHAPE(a, b), 2), A, B)                                   \
    MAKER(rand, 4, tg_rand(tg, TG_F32, TG_SHAPE(a, b)), A, B)                                      \
    MAKER(randn, 8, tg_randn(tg, TG_F64, TG_SHAPE(a, b)), A, B)                                    \
    MAKER(randint, 8, tg_randint(tg, 0, 9, TG_SHAPE(a, b)), A, B)                                  \
    MAKER(eye, 4, tg_eye(tg, TG_F32, a, b), A, B)                                                  \
    MAKER(linspace, 8, tg_linspace(tg, TG_F64, 0, 1, a), A)                                        \
    MAKER(randperm, 8, tg_randperm(tg, a), A)                                                      \
    MAKER(empty_like, 4, tg_empty_like(F(a, b)), A, B)                                             \
    MAKER(full_like, 8, tg_full_like(I(a, b), 3), A, B)                                            \
    MAKER(keep, 8, tg_keep(D(a, b)), A, B)                                                         \
    MAKER(borrow, 0, tg_borrow(tg, F(a, b)), A, B)                                                 \
    MAKER(expand, 0, tg_expand(tg_zeros(tg, TG_F32, TG_SHAPE(1)), TG_SHAPE(a, b)), A, B)           \
    MAKER(broadcast_to, 0, tg_broadcast_to(F(1, b), TG_SHAPE(a, b)), A, B)                         \
    MAKER(view_of_none, 0, tg_view(F(0, a), TG_SHAPE(b, a, 0)), B, A, number(0))                   \
    MAKER(reshape, 0, tg_reshape(F(a, b), TG_SHAPE(b, a)), B, A)                                   \
    MAKER(flatten, 0, tg_flatten(F(a, b), 0, -1), times(A, B))                                     \
    MAKER(transpose, 0, tg_t(F(a, b)), B, A)                                                       \
    MAKER(unsqueeze, 0, tg_unsqueeze(F(a, b), 1), A, ONE, B)                                       \
    MAKER(select, 0, tg_select(F(a, b), 0, a - 1), B)                                              \
    MAKER(narrow, 0, tg_narrow(F(a, b), 0, a - 1, 1), ONE, B)                                      \
    MAKER(slice, 0, tg_slice(F(a, b), 0, 0, TG_END, a), ONE, B)                                    \
    MAKER(slice_to_none, 0, tg_slice(F(a, b), 0, a, TG_END, b), number(0), B)                      \
    MAKER(contiguous, 4, tg_contiguous(F(a, b)), A, B)                                             \
    MAKER(clone, 1, tg_clone(MASK(a, b)), A, B)                                                    \
    MAKER(cast, 8, tg_cast(MASK(a, b), TG_F64), A, B)                                              \
    MAKER(neg, 4, tg_neg(F(a, b)), A, B)                                                           \
    MAKER(exp, 8, tg_exp(D(a, b)), A, B)                                                           \
    MAKER(add_scalar, 4, tg_add_scalar(F(a, b), 1), A, B)                                          \
    MAKER(softplus, 4, tg_softplus(F(a, b), 1, 20), A, B)                                          \
    MAKER(gelu, 4, tg_gelu(F(a, b), TG_GELU_NONE), A, B)                                           \
    MAKER(clamp, 4, tg_clamp(F(a, b), 0, 1), A, B)                                                 \
    MAKER(logical_not, 1, tg_logical_not(F(a, b)), A, B)                                           \
    MAKER(add, 4, tg_add(F(a, 1), F(1, b)), A, B)                                                  \
    MAKER(pow, 8, tg_pow(D(a, 1), D(b)), A, B)                                                     \
    MAKER(maximum, 8, tg_maximum(I(a, 1, 1), I(b, a)), A, B, A)                                    \
    MAKER(lt, 1, tg_lt(F(a, 1), F(b)), A, B)                                                       \
    MAKER(where, 4, tg_where(MASK(a, 1, 1), F(b, 1), F(a)), A, B, A)                               \
    MAKER(masked_fill, 4, tg_masked_fill(F(a, 1), MASK(b), 1), A, B)                               \
    MAKER(lerp, 4, tg_lerp(F(a, 1), F(b), F()), A, B)                                              \
    MAKER(sum_dims, 4, tg_sum_dims(F(a, 0, b), TG_DIMS(1), false), A, B)                           \
    MAKER(mean_dims, 4, tg_mean_dims(F(a, 0, b), TG_DIMS(1), false), A, B)                         \
    MAKER(any_dim, 1, tg_any_dim(MASK(a, 0, b), 1, false), A, B)                                   \
    MAKER(prod_dim, 8, tg_prod_dim(I(a, 0, b), 1, false), A, B)                                    \
    MAKER(var_dims, 4, tg_var_dims(F(a, 0, b), TG_DIMS(1), 1, false), A, B)                        \
    MAKER(argmax_dim, 8, tg_argmax_dim(F(a, 1, b), 1, false), A, B)                                \
    MAKER(cumsum, 4, tg_cumsum(F(a, b), 0), A, B)                                                  \
    MAKER(cumprod, 4, tg_cumprod(F(a, b), 1), A, B)                                                \
    MAKER(softmax, 4, tg_softmax(F(a, b), 0), A, B)                                                \
    MAKER(argsort, 8, tg_argsort(F(a, b), 1), A, B)                                                \
    MAKER(topk, 4, tg_topk(F(a, b), 1, 0, true, true).values, ONE, B)                              \
    MAKER(matmul, 4, tg_matmul(F(a, 1), F(1, b)), A, B)                                            \
    MAKER(matmul_of_none, 4, tg_matmul(F(a, 0), F(0, b)), A, B)                                    \
    MAKER(bmm, 8, tg_bmm(D(2, a, 1), D(2, 1, b)), number(2), A, B)                                 \
    MAKER(batches, 4, tg_matmul(F(a, 1, 1, 1), F(b, 1, 1)), A, B, ONE, ONE)                        \
    MAKER(outer, 4, tg_outer(F(a), F(b)), A, B)                                                    \
    MAKER(addmm, 4, tg_addmm(F(), F(a, 1), F(1, b), 1, 1), A, B)                                   \
    MAKER(lstsq, 8, tg_lstsq(tg_add_scalar(D(1, 1, 1), 1), D(a, 1, b)), A, ONE, B)                 \
    MAKER(cat, 4, tg_cat(TG_LIST(F(a, 2), F(b, 2)), 0), plus(A, B), number(2))                     \
    MAKER(stack, 1, tg_stack(TG_LIST(MASK(a, b), MASK(a, b), MASK(a, b)), 1), A, number(3), B)     \
    MAKER(vstack, 8, tg_vstack(TG_LIST(D(a, 1), D(b, 1))), plus(A, B), ONE)                        \
    MAKER(hstack, 8, tg_hstack(TG_LIST(D(a), D(b))), plus(A, B))                                   \
    MAKER(repeat, 4, tg_repeat(F(a, 1), TG_SHAPE(1, b)), A, B)                                     \
    MAKER(repeat_all, 4, tg_repeat(F(a, b), TG_SHAPE(b, a)), times(A, B), times(A, B))             \
    MAKER(repeat_none, 4, tg_repeat(F(0, a), TG_SHAPE(a, b)), number(0), times(A, B))              \
    MAKER(tile, 1, tg_tile(MASK(2, 1), TG_DIMS(a, b)), plus(A, A), B)                              \
    MAKER(pad, 4, tg_pad(F(2, 3), TG_SHAPE(a, b, b, 0), 1), plus(B, number(2)),                    \
          plus(number(3), plus(A, B)))                                                             \
    MAKER(pad_of_none, 4, tg_pad(F(0, a), TG_SHAPE(b, a), 1), number(0), plus(A, plus(A, B)))      \
    MAKER(flip, 4, tg_flip(F(a, b), TG_DIMS(0)), A, B)                                             \
    MAKER(roll, 4, tg_roll(F(a, b), TG_DIMS(INT64_MIN), TG_DIMS(1)), A, B)                         \
    MAKER(tril, 4, tg_tril(F(a, b), INT64_MAX), A, B)                                              \
    MAKER(gather, 4, tg_gather(F(a, 1), 1, I(a, b)), A, B)                                         \
    MAKER(scatter_add, 4, tg_scatter_add(F(a, b), 0, I(1, b), F(1, b)), A, B)                      \
    MAKER(index_select, 4, tg_index_select(F(a, 1), 1, I(b)), A, B)                                \
    MAKER(take_along_dim, 4, tg_take_along_dim(F(a, 1), I(1, b), 1), A, B)                         \
    MAKER(embedding, 4, tg_embedding(I(a), F(1, b), TG_NO_INDEX), A, B)                            \
    MAKER(embedding_of_two, 4, tg_embedding(I(a, b), F(1, 3), TG_NO_INDEX), A, B, number(3))       \
    MAKER(one_hot, 8, tg_one_hot(I(3), b), number(3), B)                                           \
    MAKER(conv1d, 4, tg_conv1d(F(1, 1, a), F(b, 1, 1), NULL), ONE, B, A)                           \
    MAKER(conv2d, 4, tg_conv2d(F(2, 1, a, b), F(3, 1, 1, 1), NULL), number(2), number(3), A, B)    \
    MAKER(padded_conv, 4, padded_conv(F(1, 1, a, b), F(1, 1, 1, 1), 2147483647), ONE, ONE,         \
          plus(A, number(4294967294)), plus(B, number(4294967294)))                                \
    MAKER(max_pool2d, 4, pool(tg_max_pool2d, F(2, a, b)), number(2), plus(A, ONE), plus(B, ONE))   \
    MAKER(avg_pool2d, 4, pool(tg_avg_pool2d, F(2, a, b)), number(2), plus(A, ONE), plus(B, ONE))   \
    MAKER(mse_loss, 4, mse_of_all(F(a, 1), F(b)), A, B)                                            \
    MAKER(linear, 4, weight_of(tg_linear(tg, a, b, TG_BIAS)), B, A)                                \
    MAKER(conv1d_layer, 4, weight_of(tg_conv1d_layer(tg, 2, a, TG_SHAPE(b), TG_BIAS, NULL)), A,    \
          number(2), B)                                                                            \
    MAKER(embedding_layer, 4, weight_of(tg_embedding_layer(tg, a, b, TG_NO_INDEX)), A, B)          \
    MAKER(layernorm, 4, weight_of(tg_layernorm(tg, TG_SHAPE(a, b), NULL)), A, B)                   \
    MAKER(batchnorm1d, 4, weight_of(tg_batchnorm1d(tg, a, NULL)), A)

#define MAKER(name, each, call, ...)                                                               \
    static tg_tensor *make_##name(tg_context *tg, int64_t a, int64_t b, expected *e)               \
    {                                                                                              \
        const exact shape[] = {__VA_ARGS__};                                                       \
        e->ndim = (int)(sizeof shape / sizeof *shape);                                             \
        memcpy(e->shape, shape, sizeof shape);                                                     \
        (void)a, (void)b;                                                                          \
        return call;                                                                               \
    }
MAKERS
#undef MAKER

static const maker makers[] = {
#define MAKER(name, each, ...) {#name, make_##name, each},
    MAKERS
#undef MAKER
};
enum { N_MAKERS = sizeof makers / sizeof *makers };

/* ---- Pairs of sizes. */

enum { MOST_SIZES = 200, MOST_PARTNERS = 40 };

static int all_sizes(int64_t *sizes)
{
    int n = 0;
    for (int p = 1; p < 63; p++)
        for (int64_t d = -1; d <= 1; d++) sizes[n++] = ((int64_t)1 << p) + d;
    sizes[n++] = INT64_MAX - 1;
    sizes[n++] = INT64_MAX;
    sizes[n++] = 1519111591; /* whose product is 2^61 and a little */
    sizes[n++] = 1517889155;
    return n;
}

/* The sizes whose product with a is near a limit of 32 or 64 bits. */
static int partners_of(int64_t a, int64_t *sizes)
{
    static const int limits[] = {28, 32, 60, 64};
    int n = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint64_t most = limits[i] < 64 ? UINT64_C(1) << limits[i] : UINT64_MAX;
        const uint64_t whole = most / (uint64_t)a;
        for (uint64_t b = whole; b <= whole + 1; b++)
            if (b > 0 && b <= INT64_MAX) sizes[n++] = (int64_t)b;
    }
    sizes[n++] = 1;
    sizes[n++] = 3;
    sizes[n++] = INT64_MAX;
    return n;
}

static void test_products_and_sums_are_exact_or_the_greatest_number(void **state)
{
    int64_t sizes[MOST_SIZES];
    const int n = all_sizes(sizes);
    (void)state;
    for (int i = 0; i < n; i++) {
        check_arithmetic(0, sizes[i]);
        for (int j = 0; j < n; j++) check_arithmetic(sizes[i], sizes[j]);
    }
}

/* ---- The comparison. */

static exact product_of(const expected *e, bool with_zeros)
{
    exact product = number(1);
    for (int d = 0; d < e->ndim; d++)
        if (with_zeros || !is_zero(e->shape[d])) product = times(product, e->shape[d]);
    return product;
}

static bool same_shape(const tg_tensor *t, const expected *e)
{
    bool same = t->ndim == e->ndim && !compare(product_of(e, true), number(t->numel));
    for (int d = 0; same && d < t->ndim; d++) same = !compare(e->shape[d], number(t->shape[d]));
    return same;
}

/* Whether the outcome is right: the tensor, or the error that there has to be. */
static bool is_right(const tg_context *tg, const tg_tensor *t, const expected *e, int64_t each)
{
    const exact bytes = times(product_of(e, true), number(each));
    if (compare(product_of(e, false), number(PTRDIFF_MAX / 8)) > 0)
        return !t && tg_error_code(tg) == TG_ERR_SHAPE;
    if (!t) /* the function may also need memory to work in */
        return tg_error_code(tg) == TG_ERR_MEMORY && compare(bytes, number(MOST_BYTES / 32)) > 0;
    return tg_ok(tg) && same_shape(t, e) && compare(bytes, number(MOST_BYTES)) <= 0;
}

/* Whether the result fits in memory but the function would have to visit too many elements for
 * it. */
static bool takes_long(const maker *m, int64_t a, int64_t b, const expected *e)
{
    const exact bytes = times(product_of(e, true), number(m->each));
    const bool is_refused = compare(product_of(e, false), number(PTRDIFF_MAX / 8)) > 0;
    const bool is_small = !is_zero(bytes) && compare(bytes, number(MOST_BYTES)) <= 0;
    return is_small && !is_refused && compare(times(number(a), number(b)), number(WORK)) > 0;
}

/* Whether an input of the function could not be made, so that nothing is learned about the
 * function. */
static bool lacks_input(const tg_context *tg, const maker *m)
{
    return strncmp(tg_error(tg), "expand: ", 8) == 0 && strcmp(m->name, "expand") != 0;
}

/* Tries one function with a pair of sizes. Returns whether that was possible. */
static int try_pair(tg_context *tg, const maker *m, int64_t a, int64_t b)
{
    expected e;
    int tried = 0;
    tg_scope_begin(tg);
    m->make(NULL, a, b, &e);
    if (!takes_long(m, a, b, &e)) {
        const tg_tensor *t = m->make(tg, a, b, &e);
        tried = !lacks_input(tg, m);
        if (tried && !is_right(tg, t, &e, m->each)) {
            print_error("%s of %lld and %lld: %s %s\n", m->name, (long long)a, (long long)b,
                        t ? "a tensor" : "nothing", tg_error(tg));
            fail();
        }
    }
    tg_clear_error(tg);
    tg_scope_end(tg);
    return tried;
}

static void test_every_maker_with_sizes_around_powers_of_two(void **state)
{
    tg_context *tg = *state;
    int64_t sizes[MOST_SIZES], partners[MOST_PARTNERS];
    const int n = all_sizes(sizes);
    for (int m = 0; m < N_MAKERS; m++) {
        int tried = 0;
        for (int i = 0; i < n; i++)
            for (int j = partners_of(sizes[i], partners) - 1; j >= 0; j--)
                tried += try_pair(tg, &makers[m], sizes[i], partners[j]);
        if (tried < LEAST_PAIRS) print_error("%s: only %d pairs\n", makers[m].name, tried);
        assert_true(tried >= LEAST_PAIRS);
    }
}

/* ---- Functions whose other numbers are multiplied or added, too. */

/* Calls f with each pair of sizes, in a scope of its own. */
static void each_pair(tg_context *tg, void (*f)(tg_context *tg, int64_t a, int64_t b))
{
    int64_t sizes[MOST_SIZES], partners[MOST_PARTNERS];
    const int n = all_sizes(sizes);
    for (int i = 0; i < n; i++)
        for (int j = partners_of(sizes[i], partners) - 1; j >= 0; j--) {
            tg_scope_begin(tg);
            f(tg, sizes[i], partners[j]);
            tg_scope_end(tg);
            tg_clear_error(tg);
        }
}

/* The last element of a (2, a) tensor at strides 3 and b stands at 3 + (a - 1) b. */
static void wrap_at_strides(tg_context *tg, int64_t a, int64_t b)
{
    static double data;
    const exact most = number(PTRDIFF_MAX / 8);
    const exact reach = plus(number(3), times(number(a - 1), number(b)));
    const bool fits = compare(reach, most) <= 0 && compare(number(b), most) <= 0 &&
                      compare(times(number(2), number(a)), most) <= 0;
    const tg_tensor *t = tg_wrap_f64(tg, TG_SHAPE(2, a), TG_STRIDES(3, b), &data);
    assert_int_equal(t != NULL, fits);
    assert_int_equal(tg_error_code(tg), fits ? TG_OK : TG_ERR_SHAPE);
}

static void test_reach_of_strides(void **state)
{
    each_pair(*state, wrap_at_strides);
}

enum { IMAGE = 7 };

/* Checks the result of a window of `kernel` elements that are `dilation` apart. */
static void check_window(const tg_context *tg, const tg_tensor *y, int64_t kernel, int64_t dilation)
{
    const exact reach = plus(times(number(kernel - 1), number(dilation)), number(1));
    const bool fits = compare(reach, number(IMAGE)) <= 0;
    assert_int_equal(tg_error_code(tg), fits ? TG_OK : TG_ERR_SHAPE);
    assert_int_equal(y != NULL, fits);
    if (y) assert_int_equal(y->shape[y->ndim - 1], IMAGE - (kernel - 1) * dilation);
}

/* A convolution with a kernel of a elements that are b apart. */
static void convolve_dilated(tg_context *tg, int64_t a, int64_t b)
{
    tg_conv_options o = tg_conv_defaults();
    tg_tensor *x = F(1, IMAGE), *w = F(1, 1, a);
    o.dilation[0] = b;
    if (!w || b > INT32_MAX) return;
    check_window(tg, tg_conv1d(x, w, &o), a, b);
}

static void pool_dilated(tg_context *tg, int64_t a, int64_t b)
{
    tg_pool_options o = tg_pool_defaults(1);
    o.kernel[1] = a;
    o.dilation[1] = b;
    o.stride[1] = 1;
    if (a > INT32_MAX || b > INT32_MAX) return;
    check_window(tg, tg_max_pool2d(F(1, 1, IMAGE), &o), a, b);
}

static void test_reach_of_dilated_windows(void **state)
{
    each_pair(*state, convolve_dilated);
    each_pair(*state, pool_dilated);
}

/* tg_arange_i64 in steps of b gives a single integer from a - b up to a, and from a down to a - b;
 * in steps of 1 it gives a integers from 0 to a. */
static void count_integers(tg_context *tg, int64_t a, int64_t b)
{
    const int64_t start = a - b;
    const tg_tensor *t = tg_arange_i64(tg, start, a, b);
    assert_non_null(t);
    assert_int_equal(t->numel, 1);
    assert_true(tg_item_i64(t) == start);
    t = tg_arange_i64(tg, a, start, -b);
    assert_non_null(t);
    assert_int_equal(t->numel, 1);
    assert_true(tg_item_i64(t) == a);
    t = tg_arange_i64(tg, 0, a, 1);
    if (t)
        assert_true(t->numel == a && tg_get_i64(t, TG_INDEX(-1)) == a - 1);
    else
        assert_int_equal(tg_error_code(tg), a > PTRDIFF_MAX / 8 ? TG_ERR_SHAPE : TG_ERR_MEMORY);
}

static void test_counts_of_integers(void **state)
{
    each_pair(*state, count_integers);
}

/* tg_chunk into a parts, of a tensor without elements; and tg_split of a elements into parts of
 * b. */
static void cut_in_parts(tg_context *tg, int64_t a, int64_t b)
{
    tg_tensor *none = tg_empty(tg, TG_F32, TG_SHAPE(0)), *x = F(a);
    const tg_list chunks = tg_chunk(none, a, 0);
    if (a > INT32_MAX) assert_int_equal(tg_error_code(tg), x ? TG_ERR_ARGUMENT : TG_ERR_SHAPE);
    assert_true(chunks.n == (tg_ok(tg) ? a : 0));
    tg_clear_error(tg);
    if (!x || b > a || a / b > 1000) return;
    const tg_list parts = tg_split(x, b, 0);
    assert_true(tg_ok(tg) && parts.n == (a - 1) / b + 1);
    assert_true(parts.items[parts.n - 1]->shape[0] == a - (parts.n - 1) * b);
}

static void test_numbers_of_parts(void **state)
{
    each_pair(*state, cut_in_parts);
}

/* ---- Scratch memory: a table of 2^32 doubles, whose size is 0 in 32 bits. */

static tg_tensor *same(tg_list inputs, void *user)
{
    (void)user;
    return tg_clone(inputs.items[0]);
}

static void test_a_table_of_two_sizes_that_fit(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(65536)), true);
    assert_false(tg_gradcheck(same, TG_LIST(x), NULL, NULL));
    assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_clear_error(tg);
}

/* ---- 1519111591 * 1517889155 elements of 8 bytes take 2^64 bytes and a few more, which would wrap
 * around to a small size. */

static void test_a_product_of_two_sizes_below_2_to_the_31(void **state)
{
    tg_context *tg = *state;
    const char *const text =
        "empty: [1519111591, 1517889155] has more elements than memory can hold";
    assert_null(tg_empty(tg, TG_F64, TG_SHAPE(1519111591, 1517889155)));
    check_error(tg, TG_ERR_SHAPE, text);
}

static void test_a_sum_of_two_views_whose_shape_does_not_fit(void **state)
{
    tg_context *tg = *state;
    tg_tensor *a = F(1519111591, 1), *b = F(1, 1517889155);
    tg_clear_error(tg);
    assert_null(tg_add(a, b));
#if PTRDIFF_MAX > INT32_MAX
    check_error(tg, TG_ERR_SHAPE,
                "add: [1519111591, 1517889155] has more elements than memory can hold");
    assert_null(tg_expand(a, TG_SHAPE(1519111591, 1517889155)));
    check_error(tg, TG_ERR_SHAPE,
                "expand: [1519111591, 1517889155] has more elements than memory can hold");
#endif
}

/* ---- The context of the tests, whose memory is guarded and limited. */

static guarded memory;

static int open_guarded(void **state)
{
    memory = (guarded){.limit = MOST_BYTES};
    tg_options o = guarded_options(&memory);
    *state = tg_open(&o);
    return *state ? 0 : -1;
}

static int close_guarded(void **state)
{
    tg_close(*state);
    return memory.damaged || memory.blocks ? -1 : 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_guarded, close_guarded)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic_of_the_test_itself),
        cmocka_unit_test(test_products_and_sums_are_exact_or_the_greatest_number),
        TEST(test_every_maker_with_sizes_around_powers_of_two),
        TEST(test_reach_of_strides),
        TEST(test_reach_of_dilated_windows),
        TEST(test_counts_of_integers),
        TEST(test_numbers_of_parts),
        TEST(test_a_table_of_two_sizes_that_fit),
        TEST(test_a_product_of_two_sizes_below_2_to_the_31),
        TEST(test_a_sum_of_two_views_whose_shape_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
