/* Wrong arguments to operations: the message, to the letter, and that nothing has changed. */
#include "leaf.h"
#include "optimisers.h"

static tg_context *tg;
static tg_tensor *x, *v;             /* float32 [2, 3] and [3], ones */
static tg_tensor *integers, *truths; /* int64 and bool [2, 3], ones */
static tg_tensor *none;              /* float32 [0, 3] */
static tg_tensor *far;               /* int64 [2]: 1, 9 */

static int make_operands(void **state)
{
    if (open_context(state)) return -1;
    tg = *state;
    x = tg_ones(tg, TG_F32, TG_SHAPE(2, 3));
    v = tg_ones(tg, TG_F32, TG_SHAPE(3));
    integers = tg_ones(tg, TG_I64, TG_SHAPE(2, 3));
    truths = tg_ones(tg, TG_BOOL, TG_SHAPE(2, 3));
    none = tg_ones(tg, TG_F32, TG_SHAPE(0, 3));
    far = tg_from_i64(tg, TG_SHAPE(2), (int64_t[]){1, 9});
    return 0;
}

#define REFUSED(code, call, text)                                                                  \
    do {                                                                                           \
        const void *result = call;                                                                 \
        assert_null(result);                                                                       \
        check_error(tg, code, text);                                                               \
    } while (0)

static void test_functions(void **state)
{
    (void)state;
    REFUSED(TG_ERR_DTYPE, tg_expm1(integers), "expm1: not for int64; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_floor(truths), "floor: not for bool; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_sin(integers), "sin: not for int64; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_atan2(x, tg_cast(x, TG_F64)),
            "atan2: float32 [2, 3] and float64 [2, 3]: dtypes differ; use tg_cast");
    REFUSED(TG_ERR_ARGUMENT, tg_remainder_scalar(integers, 0),
            "remainder_scalar: division by zero");
    REFUSED(TG_ERR_DTYPE, tg_remainder(truths, truths), "remainder: not for bool; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_logical_and(x, integers),
            "logical_and: float32 [2, 3] and int64 [2, 3]: dtypes differ; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_clamp(truths, 0, 1), "clamp: not for bool; use tg_cast");
    REFUSED(TG_ERR_ARGUMENT, tg_clamp(integers, 0.5, 2), "clamp: 0.5 is not a value of int64");
    REFUSED(TG_ERR_SHAPE, tg_lerp(x, x, tg_ones(tg, TG_F32, TG_SHAPE(5))),
            "lerp: shapes [2, 3] and [5] do not broadcast");
    REFUSED(TG_ERR_DTYPE, tg_where(x, x, x), "where: the condition is float32, not bool");
    REFUSED(TG_ERR_DTYPE, tg_masked_fill(x, x, 1), "masked_fill: the mask is float32, not bool");
    REFUSED(TG_ERR_ARGUMENT, tg_masked_fill(integers, truths, 0.5),
            "masked_fill: 0.5 is not a value of int64");
    REFUSED(TG_ERR_ARGUMENT, tg_gelu(x, 7),
            "gelu: there is no approximation 7; use TG_GELU_NONE or TG_GELU_TANH");
    REFUSED(TG_ERR_DTYPE, tg_elu(integers, 1), "elu: not for int64; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_selu(integers), "selu: not for int64; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_mish(integers), "mish: not for int64; use tg_cast");
    REFUSED(TG_ERR_SHAPE, tg_add_alpha(x, tg_ones(tg, TG_F32, TG_SHAPE(5)), 2),
            "add_alpha: shapes [2, 3] and [5] do not broadcast");
}

static void test_reductions_and_rows(void **state)
{
    (void)state;
    REFUSED(TG_ERR_INDEX, tg_prod_dim(x, 2, false),
            "prod: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_INDEX, tg_cumsum(x, -3), "cumsum: dim -3 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_INDEX, tg_cumprod(x, 2), "cumprod: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_SHAPE, tg_amax(none, TG_DIMS(), false),
            "amax: dimension 0 of [0, 3] has size 0, but must have an element");
    REFUSED(TG_ERR_SHAPE, tg_amin(none, TG_DIMS(0), false),
            "amin: dimension 0 of [0, 3] has size 0, but must have an element");
    REFUSED(TG_ERR_SHAPE, tg_max_indexed(none, 0, false).values,
            "max: dimension 0 of [0, 3] has size 0, but must have an element");
    REFUSED(TG_ERR_SHAPE, tg_argmax_dim(none, 0, false),
            "argmax: dimension 0 of [0, 3] has size 0, but must have an element");
    REFUSED(TG_ERR_DTYPE, tg_var(integers, 1), "var: not for int64; use tg_cast");
    REFUSED(TG_ERR_INDEX, tg_var_dims(x, TG_DIMS(0, 0), 1, false), "var: dim 0 appears twice");
    REFUSED(TG_ERR_INDEX, tg_std_dims(x, TG_DIMS(3), 1, false),
            "std: dim 3 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_DTYPE, tg_norm(integers, 2), "norm: not for int64; use tg_cast");
    REFUSED(TG_ERR_DTYPE, tg_logsumexp(integers, TG_DIMS(0), false),
            "logsumexp: not for int64; use tg_cast");
    REFUSED(TG_ERR_INDEX, tg_logsumexp(x, TG_DIMS(2), false),
            "logsumexp: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_INDEX, tg_any_dim(x, 2, false),
            "any: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_DTYPE, tg_softmax(integers, 0), "softmax: not for int64; use tg_cast");
    REFUSED(TG_ERR_INDEX, tg_softmax(x, 2), "softmax: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_INDEX, tg_log_softmax(x, -3),
            "log_softmax: dim -3 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_ARGUMENT, tg_topk(x, 4, 1, true, true).values,
            "topk: k 4 is not in 0 to 3, the size of dim 1 of [2, 3]");
    REFUSED(TG_ERR_ARGUMENT, tg_topk(x, -1, 1, true, true).values,
            "topk: k -1 is not in 0 to 3, the size of dim 1 of [2, 3]");
    REFUSED(TG_ERR_INDEX, tg_sort_indexed(x, 2, false, true).values,
            "sort: dim 2 is out of range for [2, 3]: -2 to 1");
}

static void test_products(void **state)
{
    (void)state;
    REFUSED(TG_ERR_SHAPE, tg_mm(x, x), "mm: [2, 3] @ [2, 3]: inner sizes differ (3 and 2)");
    REFUSED(TG_ERR_SHAPE, tg_mm(x, v), "mm: [2, 3] and [3] are not 2-d and 2-d; use tg_matmul");
    REFUSED(TG_ERR_SHAPE, tg_bmm(x, x),
            "bmm: [2, 3] and [2, 3] are not 3-d and 3-d, of one batch size; use tg_matmul");
    REFUSED(TG_ERR_SHAPE, tg_mv(x, x), "mv: [2, 3] and [2, 3] are not 2-d and 1-d; use tg_matmul");
    REFUSED(TG_ERR_DTYPE, tg_mv(x, tg_cast(v, TG_F64)),
            "mv: float32 [2, 3] @ float64 [3]: dtypes differ; use tg_cast");
    REFUSED(TG_ERR_SHAPE, tg_addmm(tg_ones(tg, TG_F32, TG_SHAPE(3, 3)), x, tg_t(x), 1, 1),
            "addmm: [3, 3] does not broadcast to [2, 2]");
}

static void test_rearranging(void **state)
{
    (void)state;
    REFUSED(TG_ERR_SHAPE, tg_repeat(x, TG_SHAPE(2)),
            "repeat: [2, 3] needs 2 repeats, one a dimension, not 1; tg_tile takes fewer");
    REFUSED(TG_ERR_SHAPE, tg_repeat(x, TG_SHAPE(2, -1)),
            "repeat: [2, 3] is to be repeated -1 times along dimension 1, but the number must not "
            "be negative");
    REFUSED(TG_ERR_INDEX, tg_flip(x, TG_DIMS(0, 0)), "flip: dim 0 appears twice");
    REFUSED(TG_ERR_INDEX, tg_flip(x, TG_DIMS(2)),
            "flip: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_ARGUMENT, tg_roll(x, TG_SHAPE(1), TG_DIMS(0, 1)), "roll: 1 shifts for 2 dims");
    REFUSED(TG_ERR_INDEX, tg_roll(x, TG_SHAPE(1), TG_DIMS(2)),
            "roll: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_SHAPE, tg_tril(v, 0), "tril: [3] has less than 2 dimensions");
    REFUSED(TG_ERR_SHAPE, tg_pad(x, TG_SHAPE(1), 0),
            "pad: pad has length 1, but must hold two numbers for each padded dimension of [2, 3]");
    REFUSED(TG_ERR_SHAPE, tg_pad(x, TG_SHAPE(-2, -2), 0),
            "pad: -2 and -2 leave less than nothing of dimension 1 of [2, 3]");
    REFUSED(TG_ERR_SHAPE, tg_pad(v, TG_SHAPE(1, 1, 1, 1), 0),
            "pad: pad has length 4, but [3] takes at most 2, two numbers a dimension");
    REFUSED(TG_ERR_ARGUMENT, tg_pad(integers, TG_SHAPE(1, 1), 0.5),
            "pad: 0.5 is not a value of int64");
    REFUSED(TG_ERR_INDEX, tg_movedim(x, TG_DIMS(0, 0), TG_DIMS(0, 1)),
            "movedim: dim 0 appears twice");
    REFUSED(TG_ERR_INDEX, tg_movedim(x, TG_DIMS(0), TG_DIMS(0, 1)),
            "movedim: source has length 1 and destination 2 for [2, 3], but both must have the "
            "same length");
    REFUSED(TG_ERR_INDEX, tg_movedim(x, TG_DIMS(2), TG_DIMS(0)),
            "movedim: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_SHAPE, tg_broadcast_to(x, TG_SHAPE(2, 4)),
            "broadcast_to: [2, 3] does not broadcast to [2, 4]");
    REFUSED(TG_ERR_ARGUMENT, tg_split(x, 0, 0).items[0],
            "split: split_size is 0 for [2, 3], but must be at least 1");
    REFUSED(TG_ERR_ARGUMENT, tg_split(x, -1, 0).items[0],
            "split: split_size is -1 for [2, 3], but must be at least 1");
    REFUSED(TG_ERR_SHAPE, tg_split_sizes(x, TG_SHAPE(1, 2), 0).items[0],
            "split: the sizes [1, 2] do not add up to 2, the size of dimension 0 of [2, 3]");
    REFUSED(TG_ERR_ARGUMENT, tg_chunk(x, 0, 0).items[0],
            "chunk: chunks is 0 for [2, 3], but must be at least 1");
    REFUSED(TG_ERR_INDEX, tg_chunk(x, 2, 5).items[0],
            "chunk: dim 5 is out of range for [2, 3]: -2 to 1");
}

static void test_lists_that_are_null(void **state)
{
    (void)state;
    const tg_shape none_given = {2, NULL}, negative = TG_CONTIGUOUS;
    REFUSED(TG_ERR_ARGUMENT, tg_repeat(x, none_given), "repeat: the list of repeats is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_tile(x, (tg_shape){1, NULL}), "tile: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_tile(x, negative), "tile: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_flip(x, none_given), "flip: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_flip(x, negative), "flip: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_roll(x, none_given, TG_DIMS(0, 1)),
            "roll: the list of shifts is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_roll(x, TG_SHAPE(1, 1), none_given),
            "roll: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_pad(x, none_given, 0), "pad: the list of numbers is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_movedim(x, none_given, TG_DIMS(0, 1)),
            "movedim: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_movedim(x, TG_DIMS(0, 1), none_given),
            "movedim: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_movedim(x, negative, negative),
            "movedim: the list of dims is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_split_sizes(x, none_given, 0).items[0],
            "split: the list of sizes is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_conv2d_layer(tg, 1, 1, none_given, TG_BIAS, NULL),
            "conv2d_layer: the list of kernel sizes is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_amax(x, negative, false), "amax: the list of dims is NULL");
}

static void test_numbers_near_the_ends_of_int64(void **state)
{
    (void)state;
    REFUSED(TG_ERR_ARGUMENT, tg_chunk(x, INT64_MAX, 0).items[0],
            "chunk: chunks is 9223372036854775807 for [2, 3], but must be at most 2147483647");
    REFUSED(TG_ERR_SHAPE, tg_split_sizes(x, TG_SHAPE(INT64_MAX, INT64_MAX, 4), 0).items[0],
            "split: the sizes [9223372036854775807, 9223372036854775807, 4] do not add up to 2, "
            "the size of dimension 0 of [2, 3]");
    REFUSED(TG_ERR_SHAPE, tg_split_sizes(tg_scalar(tg, TG_F32, 1), TG_SHAPE(1), 0).items[0],
            "split: the tensor is [], which has no dimension to cut");
    REFUSED(TG_ERR_SHAPE, tg_pad(v, TG_SHAPE(INT64_MIN, 1), 0),
            "pad: -9223372036854775808 and 1 leave less than nothing of dimension 0 "
            "of [3]");
    REFUSED(TG_ERR_SHAPE, tg_pad(v, TG_SHAPE(1, INT64_MAX), 0),
            "pad: [9223372036854775807] has more elements than memory can hold");
    REFUSED(TG_ERR_ARGUMENT, tg_clamp(integers, INFINITY, INFINITY),
            "clamp: inf is not a value of int64");
    tg_conv_options many = tg_conv_defaults();
    many.groups = INT64_MAX;
    REFUSED(TG_ERR_SHAPE, tg_conv1d(x, tg_ones(tg, TG_F32, TG_SHAPE(1, 2, 4)), NULL),
            "conv1d: the kernel of weight [1, 2, 4] spans 4 elements of dimension 1 of the input "
            "[2, 3], which has only 3 with its padding");
    REFUSED(TG_ERR_SHAPE, tg_conv1d(x, tg_ones(tg, TG_F32, TG_SHAPE(0, 2, 1)), &many),
            "conv1d: the weight [0, 2, 1] has no elements");
    /* Both are 1 modulo 3. */
    tg_tensor *counted = tg_arange(tg, TG_F32, 0, 3, 1);
    check_values(tg_roll(counted, TG_SHAPE(INT64_MIN), TG_DIMS(0)), 2, 0, 1);
    check_values(tg_roll(counted, TG_SHAPE(INT64_MAX), TG_DIMS(0)), 2, 0, 1);
}

static void test_picking(void **state)
{
    (void)state;
    REFUSED(TG_ERR_INDEX, tg_index_select(x, 0, far),
            "index_select: index 9 is out of range for dimension 0 of [2, 3]");
    REFUSED(TG_ERR_SHAPE, tg_index_select(tg_scalar(tg, TG_F32, 1), 0, far),
            "index_select: the index has 2 elements, but the tensor [] takes one");
    REFUSED(TG_ERR_SHAPE, tg_index_select(x, 0, x),
            "index_select: the index is [2, 3], not 1-d; use tg_flatten");
    REFUSED(TG_ERR_SHAPE, tg_index_select(x, 0, integers),
            "index_select: the index is [2, 3], not 1-d; use tg_flatten");
    REFUSED(TG_ERR_INDEX, tg_index_select(x, 2, far),
            "index_select: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_SHAPE, tg_gather(x, 0, far),
            "gather: the index [2] is 1-d, but must be 2-d, as the tensor [2, 3]");
    REFUSED(TG_ERR_INDEX, tg_gather(v, 0, far),
            "gather: index 9 is out of range for dimension 0 of [3]");
    REFUSED(TG_ERR_DTYPE, tg_gather(v, 0, v), "gather: the index is float32, not int64");
    REFUSED(TG_ERR_INDEX, tg_scatter_add(v, 0, far, v),
            "scatter_add: index 9 is out of range for dimension 0 of [3]");
    REFUSED(TG_ERR_SHAPE, tg_scatter_add(v, 0, far, tg_ones(tg, TG_F32, TG_SHAPE(1))),
            "scatter_add: the index [2] is larger than the source [1] in dimension 0, and each "
            "index needs an element of the source");
    REFUSED(TG_ERR_SHAPE, tg_take_along_dim(x, far, 0),
            "take_along_dim: [2, 3] and index [2] differ in their number of dimensions");
    REFUSED(TG_ERR_INDEX, tg_take_along_dim(x, integers, 2),
            "take_along_dim: dim 2 is out of range for [2, 3]: -2 to 1");
    REFUSED(TG_ERR_DTYPE, tg_masked_select(x, x), "masked_select: the mask is float32, not bool");
    REFUSED(TG_ERR_SHAPE, tg_masked_select(x, tg_ones(tg, TG_BOOL, TG_SHAPE(5))),
            "masked_select: [2, 3] and [5] do not broadcast");
    REFUSED(TG_ERR_DTYPE, tg_one_hot(x, 3), "one_hot: the labels are float32, not int64");
    REFUSED(TG_ERR_INDEX, tg_one_hot(far, 3), "one_hot: label 9 is not one of 3 classes");
    REFUSED(TG_ERR_INDEX, tg_one_hot(tg_neg(far), -1), "one_hot: label -9 is negative");
    REFUSED(TG_ERR_ARGUMENT, tg_one_hot(far, 0),
            "one_hot: num_classes is 0, but must be at least 1, or -1 for as many as the labels "
            "[2] need");
    REFUSED(TG_ERR_INDEX, tg_embedding(far, x, TG_NO_INDEX),
            "embedding: index 9 is out of range for dimension 0 of [2, 3]");
    REFUSED(TG_ERR_DTYPE, tg_embedding(x, x, TG_NO_INDEX),
            "embedding: the input is float32 [2, 3], not int64");
    REFUSED(TG_ERR_SHAPE, tg_embedding(far, v, TG_NO_INDEX),
            "embedding: the weight [3] is not a matrix");
    REFUSED(TG_ERR_INDEX, tg_embedding(far, x, 2),
            "embedding: padding_idx 2 is out of range for weight [2, 3]");
}

static void test_null_beside_a_tensor(void **state)
{
    (void)state;
    REFUSED(TG_ERR_ARGUMENT, tg_masked_fill(x, NULL, 0), "masked_fill: mask is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_masked_fill(NULL, truths, 0), "masked_fill: a is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_addmm(NULL, x, x, 1, 1), "addmm: input is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_gather(NULL, 0, integers), "gather: a is NULL");
    REFUSED(TG_ERR_ARGUMENT, tg_index_select(NULL, 0, far), "index_select: a is NULL");
}

static void test_inputs_are_as_they_were(void **state)
{
    (void)state;
    check_values(x, 1, 1, 1, 1, 1, 1);
    check_values(v, 1, 1, 1);
    check_values(integers, 1, 1, 1, 1, 1, 1);
    check_values(far, 1, 9);
}

/* NULL, and lists of it, have no context to record an error in. */
static void test_nothing_is_passed_on(void **state)
{
    (void)state;
    const tg_shape one = TG_SHAPE(1);
    const tg_list list = TG_LIST(NULL, NULL);
    assert_false(tg_keep(NULL));
    assert_false(tg_squeeze(NULL));
    assert_false(tg_broadcast_to(NULL, one));
    assert_false(tg_movedim(NULL, one, one));
    assert_int_equal(tg_split(NULL, 1, 1).n, 0);
    assert_int_equal(tg_split_sizes(NULL, one, 1).n, 0);
    assert_int_equal(tg_chunk(NULL, 1, 1).n, 0);
    assert_false(tg_clone(NULL));
    assert_false(tg_copy_(NULL, NULL));
    assert_false(tg_fill_(NULL, 1));
    assert_false(tg_zero_(NULL));
    assert_false(tg_add_(NULL, NULL));
    assert_false(tg_sub_(NULL, NULL));
    assert_false(tg_mul_(NULL, NULL));
    assert_false(tg_add(NULL, NULL));
    assert_false(tg_sub(NULL, NULL));
    assert_false(tg_mul(NULL, NULL));
    assert_false(tg_add_alpha(NULL, NULL, 1));
    assert_false(tg_sub_alpha(NULL, NULL, 1));
    assert_false(tg_minimum(NULL, NULL));
    assert_false(tg_neg(NULL));
    assert_false(tg_abs(NULL));
    assert_false(tg_sign(NULL));
    assert_false(tg_sqrt(NULL));
    assert_false(tg_log(NULL));
    assert_false(tg_relu(NULL));
    assert_false(tg_sigmoid(NULL));
    assert_false(tg_tanh(NULL));
    assert_false(tg_reciprocal(NULL));
    assert_false(tg_rsqrt(NULL));
    assert_false(tg_expm1(NULL));
    assert_false(tg_log1p(NULL));
    assert_false(tg_log2(NULL));
    assert_false(tg_log10(NULL));
    assert_false(tg_sin(NULL));
    assert_false(tg_cos(NULL));
    assert_false(tg_tan(NULL));
    assert_false(tg_asin(NULL));
    assert_false(tg_acos(NULL));
    assert_false(tg_atan(NULL));
    assert_false(tg_sinh(NULL));
    assert_false(tg_cosh(NULL));
    assert_false(tg_erf(NULL));
    assert_false(tg_floor(NULL));
    assert_false(tg_ceil(NULL));
    assert_false(tg_round(NULL));
    assert_false(tg_trunc(NULL));
    assert_false(tg_atan2(NULL, NULL));
    assert_false(tg_remainder(NULL, NULL));
    assert_false(tg_remainder_scalar(NULL, 1));
    assert_false(tg_relu6(NULL));
    assert_false(tg_leaky_relu(NULL, 1));
    assert_false(tg_elu(NULL, 1));
    assert_false(tg_selu(NULL));
    assert_false(tg_gelu(NULL, 1));
    assert_false(tg_silu(NULL));
    assert_false(tg_mish(NULL));
    assert_false(tg_logsigmoid(NULL));
    assert_false(tg_softplus(NULL, 1, 1));
    assert_false(tg_softsign(NULL));
    assert_false(tg_hardtanh(NULL, 1, 1));
    assert_false(tg_hardsigmoid(NULL));
    assert_false(tg_hardswish(NULL));
    assert_false(tg_eq(NULL, NULL));
    assert_false(tg_ne(NULL, NULL));
    assert_false(tg_lt(NULL, NULL));
    assert_false(tg_le(NULL, NULL));
    assert_false(tg_gt(NULL, NULL));
    assert_false(tg_ge(NULL, NULL));
    assert_false(tg_ne_scalar(NULL, 1));
    assert_false(tg_lt_scalar(NULL, 1));
    assert_false(tg_le_scalar(NULL, 1));
    assert_false(tg_ge_scalar(NULL, 1));
    assert_false(tg_logical_and(NULL, NULL));
    assert_false(tg_logical_or(NULL, NULL));
    assert_false(tg_logical_xor(NULL, NULL));
    assert_false(tg_logical_not(NULL));
    assert_false(tg_isnan(NULL));
    assert_false(tg_isinf(NULL));
    assert_false(tg_isfinite(NULL));
    assert_false(tg_masked_fill(NULL, NULL, 1));
    assert_false(tg_clamp(NULL, 1, 1));
    assert_false(tg_clamp_tensors(NULL, NULL, NULL));
    assert_false(tg_lerp(NULL, NULL, NULL));
    assert_false(tg_lerp_scalar(NULL, NULL, 1));
    assert_false(tg_mean(NULL));
    assert_false(tg_amax(NULL, one, false));
    assert_false(tg_amin(NULL, one, false));
    assert_null(tg_max_indexed(NULL, 1, false).values);
    assert_null(tg_min_indexed(NULL, 1, false).values);
    assert_false(tg_prod(NULL));
    assert_false(tg_prod_dim(NULL, 1, false));
    assert_false(tg_cumsum(NULL, 1));
    assert_false(tg_cumprod(NULL, 1));
    assert_false(tg_var(NULL, 1));
    assert_false(tg_var_dims(NULL, one, 1, false));
    assert_false(tg_std(NULL, 1));
    assert_false(tg_std_dims(NULL, one, 1, false));
    assert_false(tg_norm(NULL, 1));
    assert_false(tg_norm_dims(NULL, 1, one, false));
    assert_false(tg_logsumexp(NULL, one, false));
    assert_false(tg_any(NULL));
    assert_false(tg_all(NULL));
    assert_false(tg_any_dim(NULL, 1, false));
    assert_false(tg_all_dim(NULL, 1, false));
    assert_false(tg_softmax(NULL, 1));
    assert_false(tg_log_softmax(NULL, 1));
    assert_false(tg_mm(NULL, NULL));
    assert_false(tg_bmm(NULL, NULL));
    assert_false(tg_mv(NULL, NULL));
    assert_false(tg_addmm(NULL, NULL, NULL, 1, 1));
    assert_false(tg_conv1d(NULL, NULL, NULL));
    assert_false(tg_conv2d(NULL, NULL, NULL));
    assert_false(tg_max_pool2d(NULL, NULL));
    assert_false(tg_avg_pool2d(NULL, NULL));
    assert_false(tg_repeat(NULL, one));
    assert_false(tg_tile(NULL, one));
    assert_false(tg_flip(NULL, one));
    assert_false(tg_roll(NULL, one, one));
    assert_false(tg_tril(NULL, 1));
    assert_false(tg_triu(NULL, 1));
    assert_false(tg_pad(NULL, one, 1));
    assert_null(tg_sort_indexed(NULL, 1, false, false).values);
    assert_null(tg_topk(NULL, 1, 1, false, false).values);
    assert_false(tg_index_select(NULL, 1, NULL));
    assert_false(tg_take_along_dim(NULL, NULL, 1));
    assert_false(tg_masked_select(NULL, NULL));
    assert_false(tg_nonzero(NULL));
    assert_false(tg_one_hot(NULL, 1));
    assert_false(tg_embedding(NULL, NULL, 1));
    assert_false(tg_cholesky(NULL));
    assert_false(tg_solve_triangular(NULL, NULL, 1));
    assert_false(tg_solve(NULL, NULL));
    assert_false(tg_inv(NULL));
    assert_false(tg_det(NULL));
    assert_false(tg_lstsq(NULL, NULL));
    assert_false(tg_lstsq_rcond(NULL, NULL, 1));
    assert_false(tg_cond(NULL));
    assert_null(tg_qr(NULL).q);
    assert_null(tg_svd(NULL).u);
    assert_null(tg_eigh(NULL).values);
    assert_false(tg_pinv(NULL, -1));
    assert_false(tg_matrix_rank(NULL, -1));
    assert_null(tg_least_squares(NULL, NULL, NULL).coefficients);
    assert_false(tg_qr_add_rows_(NULL, NULL));
    assert_false(tg_detach(NULL));
    assert_false(tg_apply(NULL, list, NULL, 1));
    assert_false(tg_buffer(NULL, NULL));
    assert_false(tg_submodule(NULL, NULL));
    assert_false(tg_train(NULL));
    assert_false(tg_eval(NULL));
    assert_false(tg_is_training(NULL));
    assert_false(tg_conv1d_layer(NULL, 1, 1, one, TG_BIAS, NULL));
    assert_false(tg_conv2d_layer(NULL, 1, 1, one, TG_BIAS, NULL));
    assert_false(tg_embedding_layer(NULL, 1, 1, 1));
    assert_false(tg_batchnorm1d(NULL, 1, NULL));
    assert_false(tg_batchnorm2d(NULL, 1, NULL));
    assert_false(tg_layernorm(NULL, one, NULL));
    assert_false(tg_dropout_layer(NULL, 1));
    assert_false(tg_flatten_layer(NULL, 1, 1));
    assert_false(tg_lambda(NULL, NULL));
    assert_false(tg_sequential((tg_modules){1, NULL}));
    assert_false(tg_module_new(NULL, NULL, NULL, 1));
    assert_false(tg_module_data(NULL));
    assert_false(tg_register_parameter(NULL, NULL, NULL));
    assert_false(tg_register_buffer(NULL, NULL, NULL));
    assert_false(tg_register_module(NULL, NULL, NULL));
    assert_false(tg_l1_loss(NULL, NULL, NULL));
    assert_false(tg_huber_loss(NULL, NULL, NULL));
    assert_false(tg_smooth_l1_loss(NULL, NULL, NULL));
    assert_false(tg_binary_cross_entropy(NULL, NULL, NULL));
    assert_false(tg_binary_cross_entropy_with_logits(NULL, NULL, NULL));
    assert_false(tg_kl_div(NULL, NULL, NULL));
    assert_false(tg_gaussian_nll_loss(NULL, NULL, NULL, NULL));
    assert_false(tg_poisson_nll_loss(NULL, NULL, NULL));
    assert_false(tg_nll_loss(NULL, NULL, NULL));
    assert_false(tg_cross_entropy(NULL, NULL, NULL));
    assert_false(tg_criterion(NULL, NULL, NULL));
#define NOT_MADE(name)                                                                             \
    assert_false(tg_##name(NULL, NULL));                                                           \
    assert_false(tg_##name##_list(list, NULL));
#define NOT_ADDED(name) assert_false(tg_##name##_group(NULL, list, NULL));
    EACH_OPTIMISER(NOT_MADE)
    EACH_OPTIMISER_WITH_GROUPS(NOT_ADDED)
    assert_true(isnan(tg_step_closure(NULL, NULL, NULL)));
    assert_false(tg_groups(NULL));
    assert_true(isnan(tg_group_lr(NULL, 1)));
    assert_false(tg_set_group_lr(NULL, 1, 1));
    assert_true(isnan(tg_clip_grad_norm_(list, 1, 1, false)));
    assert_false(tg_clip_grad_value_(list, 1));
    assert_false(tg_step_lr(NULL, 1, 1));
    assert_false(tg_exponential_lr(NULL, 1));
    assert_false(tg_cosine_annealing_lr(NULL, 1, 1));
    assert_false(tg_one_cycle_lr(NULL, NULL));
    assert_false(tg_reduce_lr_on_plateau(NULL, NULL));
    assert_false(tg_scheduler_step(NULL));
    assert_false(tg_scheduler_step_metric(NULL, 1));
    assert_false(tg_data_loader(list, NULL));
    assert_false(tg_next_batch(NULL, NULL));
    assert_false(tg_batches(NULL));
    assert_false(tg_random_split(list, one, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_reductions_and_rows),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_rearranging),
        cmocka_unit_test(test_lists_that_are_null),
        cmocka_unit_test(test_numbers_near_the_ends_of_int64),
        cmocka_unit_test(test_picking),
        cmocka_unit_test(test_null_beside_a_tensor),
        cmocka_unit_test(test_inputs_are_as_they_were),
        cmocka_unit_test(test_nothing_is_passed_on),
    };
    return cmocka_run_group_tests(tests, make_operands, close_context);
}
