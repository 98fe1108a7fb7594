/* Calls of most functions with random arguments, among them the ends of their ranges. Each call
 * must give either a result or an error, must leave its inputs as they were, and must give all
 * memory back when its scope ends. A build with sanitizers also sees a call that touches memory of
 * others. */
#include "check.h"
#include "optimisers.h"

#define PLENTY ((size_t)1 << 24)
enum { ROUNDS = 2000, TENSORS = 10 };

static tg_context *tg;
static uint64_t state;
static int64_t sides[4]; /* sizes of dimensions that the tensors of a round share */

/* Returns a random number from 0 to n - 1, drawn by SplitMix64 (Steele, Lea and Flood, 2014). */
static int draw(int n)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (int)((z ^ (z >> 31)) % (uint64_t)n);
}

static bool yes(void)
{
    return draw(2);
}

#define ONE_OF(type, ...)                                                                          \
    ((const type[]){__VA_ARGS__})[draw((int)(sizeof((type[]){__VA_ARGS__}) / sizeof(type)))]

/* Each of these three returns a plausible number in seven calls of eight, else an extreme one. */
static int64_t size(void)
{
    if (draw(8)) return yes() ? draw(4) : sides[draw(4)];
    return ONE_OF(int64_t, -1, INT64_MIN, INT64_MAX, INT32_MAX, 1LL << 40, 1LL << 32, 100);
}

static int64_t dimension(void)
{
    return draw(8) ? draw(5) - 2 : ONE_OF(int64_t, INT_MIN, INT_MAX, 7, -8);
}

static int64_t shift(void)
{
    return draw(8) ? draw(7) - 3 : ONE_OF(int64_t, INT64_MIN, INT64_MAX, 1LL << 40, -(1LL << 40));
}

static int dim(void)
{
    return (int)dimension();
}

static double number(void)
{
    if (draw(4)) return draw(6) * 0.25;
    return ONE_OF(double, -1, 3, 1e-8, 1e300, -1e300, NAN, INFINITY, -INFINITY);
}

static tg_shape list_of(int64_t (*one)(void))
{
    static int64_t lists[8][TG_MAX_DIMS + 1];
    static int next;
    int64_t *numbers = lists[next++ % 8];
    if (!draw(40)) return (tg_shape){draw(4) - 1, NULL};
    const int n = draw(12) ? draw(4) : TG_MAX_DIMS + 1;
    for (int i = 0; i < n; i++) numbers[i] = one();
    return (tg_shape){n, numbers};
}

#define SIZES  list_of(size)
#define DIMS   list_of(dimension)
#define SHIFTS list_of(shift)

/* ---- Tensors. */

static tg_tensor *pool[TENSORS], *copies[TENSORS];

static tg_tensor *filled(tg_dtype dtype, tg_shape shape)
{
    tg_tensor *t = tg_randn(tg, TG_F64, shape);
    if (dtype == TG_BOOL) return tg_gt_scalar(t, 0);
    if (dtype == TG_I64) return tg_cast(tg_mul_scalar(tg_square(t), 1.5), TG_I64);
    if (yes()) t = tg_sigmoid(t);
    if (t->numel && !draw(6)) {
        const double odd = number();
        tg_set(tg_view(t, TG_SHAPE(-1)), TG_INDEX(0), dtype == TG_F32 ? (float)odd : odd);
    }
    t = tg_cast(t, dtype);
    return yes() ? tg_requires_grad_(t, true) : t;
}

static tg_tensor *view_of(tg_tensor *t)
{
    switch (draw(6)) {
    case 0: return t->ndim > 1 ? tg_transpose(t, 0, -1) : t;
    case 1: return t->ndim ? tg_slice(t, -1, 0, TG_END, 2) : t;
    case 2: return tg_expand(tg_sum_dims(t, TG_DIMS(), TG_KEEPDIM), (tg_shape){t->ndim, t->shape});
    case 3: return tg_unsqueeze(t, 0);
    default: return t;
    }
}

/* Draws the tensors of a round. Most have the same dtype and shape, so that most calls succeed. */
static void fill_pool(void)
{
    for (int d = 0; d < 4; d++) sides[d] = draw(20) ? 1 + draw(3) : 0;
    if (yes()) sides[3] = sides[2];
    const tg_dtype floating = yes() ? TG_F32 : TG_F64;
    const int ndim = draw(5);
    for (int i = 0; i < TENSORS; i++) {
        const tg_dtype dtype =
            draw(3) ? floating : ONE_OF(tg_dtype, TG_F32, TG_F64, TG_I64, TG_BOOL);
        const int n = draw(4) ? ndim : draw(5);
        pool[i] = view_of(filled(dtype, (tg_shape){n, sides + 4 - n}));
        copies[i] = tg_contiguous(tg_detach(tg_clone(pool[i])));
    }
    check_ok(tg);
}

static tg_tensor *any(void)
{
    return pool[draw(TENSORS)];
}

/* Returns a tensor of this dtype from the pool, or any tensor if the pool has none. */
static tg_tensor *any_of(tg_dtype dtype)
{
    for (int i = 0, at = draw(TENSORS); i < TENSORS; i++)
        if (pool[(at + i) % TENSORS]->dtype == dtype) return pool[(at + i) % TENSORS];
    return any();
}

static tg_list some(void)
{
    static tg_tensor *items[3];
    const int n = 1 + draw(3);
    for (int i = 0; i < n; i++) items[i] = any();
    return (tg_list){n, items};
}

/* ---- Random options, modules and optimisers; and the outcome of calls that give no tensor. */

/* Stands for the result of a call that returns whether it succeeded. */
static tg_tensor *done(bool ok)
{
    return ok ? pool[0] : NULL;
}

static tg_tensor *first(tg_list parts)
{
    return done(parts.n > 0 || tg_ok(tg)); /* a list without parts may be right */
}

static tg_conv_options *conv(void)
{
    static tg_conv_options o;
    o = (tg_conv_options){yes() ? NULL : any(), {1, 1}, {0, 0}, {1, 1}, yes() ? 1 : size()};
    int64_t *const fields[] = {o.stride, o.padding, o.dilation};
    for (int k = draw(4); k > 0; k--) fields[draw(3)][draw(2)] = size();
    return &o;
}

static tg_conv_options *layer(void)
{
    tg_conv_options *o = conv();
    if (draw(8)) o->bias = NULL;
    return o;
}

static tg_pool_options *pooling(void)
{
    static tg_pool_options o;
    o = tg_pool_defaults(1 + draw(3));
    o.ceil_mode = yes();
    o.count_include_pad = yes();
    int64_t *const fields[] = {o.kernel, o.stride, o.padding, o.dilation};
    for (int k = draw(4); k > 0; k--) fields[draw(4)][draw(2)] = size();
    if (!draw(4)) o.divisor_override = shift();
    return &o;
}

static tg_loss_options *losing(void)
{
    static tg_loss_options o;
    o = tg_loss_defaults();
    o.reduction = draw(8) ? draw(8) : dim();
    if (!draw(4)) o.weight = any();
    if (!draw(4)) o.pos_weight = any();
    if (!draw(4)) o.ignore_index = shift();
    if (!draw(4)) o.label_smoothing = number();
    if (!draw(4)) o.beta = o.delta = number();
    if (!draw(4)) o.eps = number();
    o.log_target = yes();
    o.full = yes();
    o.log_input = yes();
    return &o;
}

static tg_norm_options *norm(void)
{
    static tg_norm_options o;
    o = (tg_norm_options){number(), number(), yes(), yes()};
    return &o;
}

static tg_tensor *pass(tg_module *module)
{
    if (module && !draw(4)) tg_eval(module);
    return module ? tg_forward(module, any()) : NULL;
}

static tg_tensor *in_a_row(void)
{
    tg_module *inner = tg_sequential(TG_MODULES(tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.5)));
    return pass(tg_sequential(TG_MODULES(tg_flatten_layer(tg, dim(), dim()), inner)));
}

#define KIND(name) KIND_##name,
#define ONE(name)  +1
typedef enum kind { EACH_OPTIMISER(KIND) } kind;
enum { KINDS = EACH_OPTIMISER(ONE) };

static tg_optim *optimiser(tg_list list)
{
    const double a = number(), b = number(), c = number();
    switch ((kind)draw(KINDS)) {
    case KIND_sgd:
        return tg_sgd_list(list, &(tg_sgd_options){a, b, yes() ? 0 : c, c, yes(), yes()});
    case KIND_adam: return tg_adam_list(list, &(tg_adam_options){a, b, c, 1e-8, b, yes(), yes()});
    case KIND_adamw: return tg_adamw_list(list, &(tg_adamw_options){a, b, c, c, b, yes(), yes()});
    case KIND_rmsprop:
        return tg_rmsprop_list(list, &(tg_rmsprop_options){a, b, c, a, b, yes(), yes()});
    case KIND_adagrad: return tg_adagrad_list(list, &(tg_adagrad_options){a, b, c, a, b, yes()});
    case KIND_lbfgs:
        return tg_lbfgs_list(list,
                             &(tg_lbfgs_options){a, b, c, draw(9), size(), size(), yes(), NULL});
    }
    return NULL;
}

static tg_scheduler *one_cycle(tg_optim *optim)
{
    tg_one_cycle_options o = tg_one_cycle_defaults(number(), size());
    o.pct_start = number();
    o.linear = yes();
    o.three_phase = yes();
    return tg_one_cycle_lr(optim, &o);
}

static tg_scheduler *schedule(tg_optim *optim)
{
    const double a = number(), b = number(), c = number();
    switch (draw(5)) {
    case 0: return tg_step_lr(optim, size(), a);
    case 1: return tg_exponential_lr(optim, a);
    case 2: return tg_cosine_annealing_lr(optim, size(), a);
    case 3: return one_cycle(optim);
    default:
        return tg_reduce_lr_on_plateau(
            optim, &(tg_plateau_options){yes(), a, size(), b, yes(), size(), c, 1e-8});
    }
}

static tg_tensor *sum_of_squares(void *parameter)
{
    tg_tensor *p = parameter, *loss = tg_sum(tg_square(p));
    if (!tg_clear_grad(p) || !tg_backward(loss)) return NULL;
    if (!draw(4)) tg_clip_grad_norm_((tg_list){1, &p}, number(), number(), draw(2));
    if (!draw(4)) tg_clip_grad_value_((tg_list){1, &p}, number());
    return loss;
}

static bool train(void)
{
    tg_tensor *p = tg_detach(tg_clone(any_of(yes() ? TG_F32 : TG_F64)));
    if (!tg_requires_grad_(p, true)) return false;
    tg_optim *optim = optimiser((tg_list){1, &p});
    tg_scheduler *scheduler = schedule(optim);
    const bool metric = yes();
    for (int i = 0; i < 4 && tg_ok(tg); i++) {
        tg_step_closure(optim, sum_of_squares, p);
        if (metric)
            tg_scheduler_step_metric(scheduler, number());
        else
            tg_scheduler_step(scheduler);
    }
    return tg_ok(tg);
}

static bool load(void)
{
    tg_tensor *batch[3];
    tg_loader *loader = tg_data_loader(some(), &(tg_loader_options){size(), yes(), yes()});
    for (int i = 0; loader && i < 8; i++) tg_next_batch(loader, batch);
    return tg_ok(tg);
}

static bool divide(void)
{
    tg_tensor *parts[3 * (TG_MAX_DIMS + 1)];
    return tg_random_split(some(), SIZES, parts);
}

/* ---- The calls. */

/* Takes the gradients of t with respect to the pool, and then the gradients of the sum of each. */
static void differentiate(tg_tensor *t)
{
    tg_tensor *inputs[TENSORS], *grads[TENSORS], *ones = tg_ones_like(t);
    int n = 0;
    for (int i = 0; i < TENSORS; i++)
        if (pool[i]->requires_grad) inputs[n++] = pool[i];
    tg_grad_options o = {{1, &ones}, .create_graph = true, .allow_unused = true};
    if (!tg_grad((tg_list){1, &t}, (tg_list){n, inputs}, grads, &o)) return;
    for (int i = 0; i < n; i++)
        if (grads[i] && grads[i]->requires_grad) tg_backward(tg_sum(grads[i]));
}

/* Checks that a call gave a tensor or an error, and not both; differentiates and reads the tensor.
 */
static void look(const char *call, tg_tensor *t)
{
    if (!t == tg_ok(tg) || !t == !*tg_error(tg))
        fail_msg("%s: %s, and \"%s\"", call, t ? "a tensor" : "nothing", tg_error(tg));
    if (t && t->requires_grad) differentiate(t);
    for (int64_t k = 0; t && k < t->numel && k < 100; k++) element_of(t, k);
    tg_clear_error(tg);
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        tg_scope_begin(tg);                                                                        \
        look(#call, call);                                                                         \
        tg_scope_end(tg);                                                                          \
    } while (0)

static void elementwise(void)
{
    TRY(tg_add(any(), any()));
    TRY(tg_sub_alpha(any(), any(), number()));
    TRY(tg_mul(any(), any()));
    TRY(tg_div(any(), any()));
    TRY(tg_add_scalar(any(), number()));
    TRY(tg_div_scalar(any(), number()));
    TRY(tg_pow(any(), any()));
    TRY(tg_pow_scalar(any(), number()));
    TRY(tg_atan2(any(), any()));
    TRY(tg_maximum(any(), any()));
    TRY(tg_remainder(any(), any()));
    TRY(tg_remainder_scalar(any(), number()));
    TRY(tg_rsqrt(any()));
    TRY(tg_log1p(any()));
    TRY(tg_tan(any()));
    TRY(tg_round(any()));
    TRY(tg_leaky_relu(any(), number()));
    TRY(tg_elu(any(), number()));
    TRY(tg_gelu(any(), draw(3)));
    TRY(tg_mish(any()));
    TRY(tg_softplus(any(), number(), number()));
    TRY(tg_hardtanh(any(), number(), number()));
    TRY(tg_le(any(), any()));
    TRY(tg_gt_scalar(any(), number()));
    TRY(tg_logical_xor(any(), any()));
    TRY(tg_isfinite(any()));
    TRY(tg_where(any_of(TG_BOOL), any(), any()));
    TRY(tg_masked_fill(any(), any_of(TG_BOOL), number()));
    TRY(tg_clamp(any(), number(), number()));
    TRY(tg_clamp_tensors(any(), any(), any()));
    TRY(tg_lerp(any(), any(), any()));
}

static void reductions(void)
{
    TRY(tg_sum_dims(any(), DIMS, yes()));
    TRY(tg_mean_dims(any(), DIMS, yes()));
    TRY(tg_amax(any(), DIMS, yes()));
    TRY(tg_min(any()));
    TRY(tg_argmax_dim(any(), dim(), yes()));
    TRY(tg_max_indexed(any(), dim(), yes()).values);
    TRY(tg_prod(any()));
    TRY(tg_prod_dim(any(), dim(), yes()));
    TRY(tg_cumsum(any(), dim()));
    TRY(tg_cumprod(any(), dim()));
    TRY(tg_var_dims(any(), DIMS, shift(), yes()));
    TRY(tg_std(any(), shift()));
    TRY(tg_norm(any(), number()));
    TRY(tg_norm_dims(any(), number(), DIMS, yes()));
    TRY(tg_logsumexp(any(), DIMS, yes()));
    TRY(tg_all_dim(any(), dim(), yes()));
    TRY(tg_softmax(any(), dim()));
    TRY(tg_log_softmax(any(), dim()));
}

static void products(void)
{
    TRY(tg_matmul(any(), any()));
    TRY(tg_dot(any(), any()));
    TRY(tg_bmm(any(), any()));
    TRY(tg_addmm(any(), any(), any(), number(), number()));
    TRY(tg_outer(any(), any()));
    TRY(tg_cholesky(any()));
    TRY(tg_cholesky(tg_matmul(any(), tg_transpose(any(), -1, -2))));
    TRY(tg_solve_triangular(any(), any(), draw(9)));
    TRY(tg_solve(any(), any()));
    TRY(tg_inv(any()));
    TRY(tg_det(any()));
    TRY(tg_lstsq(any(), any()));
    TRY(tg_conv1d(any(), any(), conv()));
    TRY(tg_conv2d(any(), any(), conv()));
    TRY(tg_max_pool2d(any(), pooling()));
    TRY(tg_avg_pool2d(any(), pooling()));
}

static void rearranging(void)
{
    TRY(tg_cat(some(), dim()));
    TRY(tg_stack(some(), dim()));
    TRY(tg_vstack(some()));
    TRY(tg_hstack(some()));
    TRY(tg_repeat(any(), SIZES));
    TRY(tg_tile(any(), SIZES));
    TRY(tg_flip(any(), DIMS));
    TRY(tg_roll(any(), SHIFTS, DIMS));
    TRY(tg_tril(any(), shift()));
    TRY(tg_triu(any(), shift()));
    TRY(tg_pad(any(), SHIFTS, number()));
}

static void indices(void)
{
    TRY(tg_sort_indexed(any(), dim(), yes(), yes()).values);
    TRY(tg_topk(any(), size(), dim(), yes(), yes()).values);
    TRY(tg_gather(any(), dim(), any_of(TG_I64)));
    TRY(tg_scatter_add(any(), dim(), any_of(TG_I64), any()));
    TRY(tg_index_select(any(), dim(), any_of(TG_I64)));
    TRY(tg_take_along_dim(any(), any_of(TG_I64), dim()));
    TRY(tg_masked_select(any(), any_of(TG_BOOL)));
    TRY(tg_nonzero(any()));
    TRY(tg_one_hot(any_of(TG_I64), shift()));
    TRY(tg_embedding(any_of(TG_I64), any(), shift()));
}

static void views(void)
{
    TRY(tg_view(any(), SHIFTS));
    TRY(tg_reshape(any(), SHIFTS));
    TRY(tg_flatten(any(), dim(), dim()));
    TRY(tg_permute(any(), DIMS));
    TRY(tg_squeeze_dim(any(), dim()));
    TRY(tg_unsqueeze(any(), dim()));
    TRY(tg_expand(any(), SHIFTS));
    TRY(tg_movedim(any(), DIMS, DIMS));
    TRY(first(tg_split(any(), size(), dim())));
    TRY(first(tg_split_sizes(any(), SIZES, dim())));
    TRY(first(tg_chunk(any(), size(), dim())));
    TRY(tg_select(any(), dim(), shift()));
    TRY(tg_narrow(any(), dim(), shift(), size()));
    TRY(tg_slice(any(), dim(), shift(), shift(), size()));
    TRY(tg_diagonal(any(), dim(), dim(), dim()));
    TRY(tg_cast(any(), ONE_OF(tg_dtype, TG_F32, TG_F64, TG_I64, TG_BOOL)));
}

static void making(void)
{
    TRY(tg_zeros(tg, TG_F32, SIZES));
    TRY(tg_arange(tg, ONE_OF(tg_dtype, TG_F32, TG_F64, TG_I64), number(), number(), number()));
    TRY(tg_linspace(tg, TG_F64, number(), number(), size()));
    TRY(tg_eye(tg, TG_F32, size(), size()));
    TRY(tg_randint(tg, shift(), shift(), SIZES));
    TRY(tg_randperm(tg, size()));
    TRY(tg_bernoulli(any()));
    TRY(tg_dropout(any(), number(), yes()));
}

static void losses(void)
{
    TRY(tg_mse_loss(any(), any(), draw(8)));
    TRY(tg_l1_loss(any(), any(), losing()));
    TRY(tg_huber_loss(any(), any(), losing()));
    TRY(tg_smooth_l1_loss(any(), any(), losing()));
    TRY(tg_binary_cross_entropy(any(), any(), losing()));
    TRY(tg_binary_cross_entropy_with_logits(any(), any(), losing()));
    TRY(tg_kl_div(any(), any(), losing()));
    TRY(tg_gaussian_nll_loss(any(), any(), any(), losing()));
    TRY(tg_poisson_nll_loss(any(), any(), losing()));
    TRY(tg_nll_loss(any(), any_of(TG_I64), losing()));
    TRY(tg_cross_entropy(any(), any_of(TG_I64), losing()));
    TRY(tg_cross_entropy(any(), any(), losing()));
}

static void modules(void)
{
    TRY(pass(tg_linear(tg, size(), size(), TG_BIAS)));
    TRY(pass(tg_conv1d_layer(tg, size(), size(), yes() ? SIZES : TG_SHAPE(1), TG_BIAS, layer())));
    TRY(pass(
        tg_conv2d_layer(tg, size(), size(), yes() ? SIZES : TG_SHAPE(2, 1), TG_NO_BIAS, layer())));
    TRY(pass(tg_embedding_layer(tg, size(), size(), shift())));
    TRY(pass(tg_batchnorm1d(tg, size(), norm())));
    TRY(pass(tg_batchnorm2d(tg, size(), norm())));
    TRY(pass(tg_layernorm(tg, SIZES, norm())));
    TRY(in_a_row());
}

static void training(void)
{
    TRY(done(train()));
    TRY(done(load()));
    TRY(done(divide()));
}

static void as_they_were(void)
{
    for (int i = 0; i < TENSORS; i++) {
        const tg_tensor *t = tg_contiguous(pool[i]);
        const size_t bytes = t->dtype == TG_BOOL ? 1 : t->dtype == TG_F32 ? 4 : 8;
        assert_int_equal(t->numel, copies[i]->numel);
        if (t->numel) assert_memory_equal(t->data, copies[i]->data, (size_t)t->numel * bytes);
    }
}

typedef struct group {
    void (*calls)(void);
} group;

static void test_calls(void **of)
{
    tg_options options = tg_defaults();
    options.max_bytes = PLENTY;
    tg = tg_open(&options);
    const size_t before = tg_get_stats(tg).live_bytes;
    const int rounds = getenv("TG_TEST_QUICK") ? ROUNDS / 20 : ROUNDS;
    for (int round = 0; round < rounds; round++) {
        state = (uint64_t)round;
        tg_scope_begin(tg);
        fill_pool();
        ((const group *)*of)->calls();
        as_they_were();
        tg_scope_end(tg);
        assert_int_equal(tg_get_stats(tg).live_bytes, before);
    }
    tg_close(tg);
}

#define GROUP(name)                                                                                \
    {                                                                                              \
#name, test_calls, NULL, NULL, &(group)                                                    \
        {                                                                                          \
            name                                                                                   \
        }                                                                                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUP(elementwise), GROUP(reductions), GROUP(products), GROUP(rearranging), GROUP(indices),
        GROUP(views),       GROUP(making),     GROUP(losses),   GROUP(modules),     GROUP(training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
