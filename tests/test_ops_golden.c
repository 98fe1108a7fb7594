/* Every operation against PyTorch: result, views and gradients of the records in ops_golden.txt,
 * whose form and tolerances golden/ops.py describes, at every SIMD level of this machine. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "internal.h"

enum { MAX_INPUTS = 4, MAX_NUMBERS = 12 };

/* One record as it is run: the numbers given to the operation, its inputs, and their leaves. */
typedef struct trial {
    tg_context *tg;
    int line;
    char *at; /* what is still to be read of the record */
    int numbers;
    double f[MAX_NUMBERS]; /* the numbers, as both types */
    int64_t i[MAX_NUMBERS];
    int n;
    tg_tensor *leaf[MAX_INPUTS], *x[MAX_INPUTS];
    bool marked[MAX_INPUTS]; /* a gradient is expected */
} trial;

/* ---- The operations. */

static tg_shape rest(const trial *c, int from)
{
    return (tg_shape){c->numbers - from, c->i + from};
}

static tg_list all_inputs(trial *c)
{
    return (tg_list){c->n, c->x};
}

/* The parameters take the place of the leaves that gave their values. */
static tg_tensor *linear_of(trial *c)
{
    static const char *const names[] = {NULL, "weight", "bias"};
    tg_set_default_dtype(c->tg, c->x[1]->dtype);
    tg_module *m =
        tg_linear(c->tg, c->x[1]->shape[1], c->x[1]->shape[0], c->n == 3 ? TG_BIAS : TG_NO_BIAS);
    tg_no_grad_begin(c->tg);
    for (int i = 1; i < c->n; i++) {
        c->leaf[i] = tg_param(m, names[i]);
        tg_copy_(c->leaf[i], c->x[i]);
    }
    tg_no_grad_end(c->tg);
    return tg_forward(m, c->x[0]);
}

/* The base of what was written to. */
static tg_tensor *base_of(const trial *c, const tg_tensor *written)
{
    return written ? c->leaf[0] : NULL;
}

/* OP(family, name in the records, call) */
#define OPS                                                                                        \
    OP(arithmetic, add, tg_add(x[0], x[1]))                                                        \
    OP(arithmetic, sub, tg_sub(x[0], x[1]))                                                        \
    OP(arithmetic, mul, tg_mul(x[0], x[1]))                                                        \
    OP(arithmetic, div, tg_div(x[0], x[1]))                                                        \
    OP(arithmetic, pow, tg_pow(x[0], x[1]))                                                        \
    OP(arithmetic, maximum, tg_maximum(x[0], x[1]))                                                \
    OP(arithmetic, minimum, tg_minimum(x[0], x[1]))                                                \
    OP(with_a_number, add_scalar, tg_add_scalar(x[0], f[0]))                                       \
    OP(with_a_number, sub_scalar, tg_sub_scalar(x[0], f[0]))                                       \
    OP(with_a_number, mul_scalar, tg_mul_scalar(x[0], f[0]))                                       \
    OP(with_a_number, div_scalar, tg_div_scalar(x[0], f[0]))                                       \
    OP(with_a_number, pow_scalar, tg_pow_scalar(x[0], f[0]))                                       \
    OP(functions, neg, tg_neg(x[0]))                                                               \
    OP(functions, abs, tg_abs(x[0]))                                                               \
    OP(functions, sign, tg_sign(x[0]))                                                             \
    OP(functions, square, tg_square(x[0]))                                                         \
    OP(functions, sqrt, tg_sqrt(x[0]))                                                             \
    OP(functions, exp, tg_exp(x[0]))                                                               \
    OP(functions, log, tg_log(x[0]))                                                               \
    OP(functions, relu, tg_relu(x[0]))                                                             \
    OP(functions, sigmoid, tg_sigmoid(x[0]))                                                       \
    OP(functions, tanh, tg_tanh(x[0]))                                                             \
    OP(comparison, eq, tg_eq(x[0], x[1]))                                                          \
    OP(comparison, ne, tg_ne(x[0], x[1]))                                                          \
    OP(comparison, lt, tg_lt(x[0], x[1]))                                                          \
    OP(comparison, le, tg_le(x[0], x[1]))                                                          \
    OP(comparison, gt, tg_gt(x[0], x[1]))                                                          \
    OP(comparison, ge, tg_ge(x[0], x[1]))                                                          \
    OP(comparison, eq_scalar, tg_eq_scalar(x[0], f[0]))                                            \
    OP(comparison, ne_scalar, tg_ne_scalar(x[0], f[0]))                                            \
    OP(comparison, lt_scalar, tg_lt_scalar(x[0], f[0]))                                            \
    OP(comparison, le_scalar, tg_le_scalar(x[0], f[0]))                                            \
    OP(comparison, gt_scalar, tg_gt_scalar(x[0], f[0]))                                            \
    OP(comparison, ge_scalar, tg_ge_scalar(x[0], f[0]))                                            \
    OP(comparison, where, tg_where(x[0], x[1], x[2]))                                              \
    OP(reductions, sum, tg_sum(x[0]))                                                              \
    OP(reductions, mean, tg_mean(x[0]))                                                            \
    OP(reductions, sum_dims, tg_sum_dims(x[0], rest(c, 1), i[0] != 0))                             \
    OP(reductions, mean_dims, tg_mean_dims(x[0], rest(c, 1), i[0] != 0))                           \
    OP(extremes, max, tg_max(x[0]))                                                                \
    OP(extremes, min, tg_min(x[0]))                                                                \
    OP(extremes, argmax, tg_argmax(x[0]))                                                          \
    OP(extremes, argmin, tg_argmin(x[0]))                                                          \
    OP(extremes, max_dim, tg_max_dim(x[0], (int)i[0], i[1] != 0))                                  \
    OP(extremes, min_dim, tg_min_dim(x[0], (int)i[0], i[1] != 0))                                  \
    OP(extremes, argmax_dim, tg_argmax_dim(x[0], (int)i[0], i[1] != 0))                            \
    OP(extremes, argmin_dim, tg_argmin_dim(x[0], (int)i[0], i[1] != 0))                            \
    OP(products, matmul, tg_matmul(x[0], x[1]))                                                    \
    OP(products, dot, tg_dot(x[0], x[1]))                                                          \
    OP(products, outer, tg_outer(x[0], x[1]))                                                      \
    OP(joining, cat, tg_cat(all_inputs(c), (int)i[0]))                                             \
    OP(joining, stack, tg_stack(all_inputs(c), (int)i[0]))                                         \
    OP(joining, vstack, tg_vstack(all_inputs(c)))                                                  \
    OP(joining, hstack, tg_hstack(all_inputs(c)))                                                  \
    OP(order, sort, tg_sort(x[0], (int)i[0]))                                                      \
    OP(order, argsort, tg_argsort(x[0], (int)i[0]))                                                \
    OP(by_index, gather, tg_gather(x[0], (int)i[0], x[1]))                                         \
    OP(by_index, scatter_add, tg_scatter_add(x[0], (int)i[0], x[1], x[2]))                         \
    OP(views, view, tg_view(x[0], rest(c, 0)))                                                     \
    OP(views, reshape, tg_reshape(x[0], rest(c, 0)))                                               \
    OP(views, flatten, tg_flatten(x[0], (int)i[0], (int)i[1]))                                     \
    OP(views, transpose, tg_transpose(x[0], (int)i[0], (int)i[1]))                                 \
    OP(views, t, tg_t(x[0]))                                                                       \
    OP(views, permute, tg_permute(x[0], rest(c, 0)))                                               \
    OP(views, squeeze, tg_squeeze(x[0]))                                                           \
    OP(views, squeeze_dim, tg_squeeze_dim(x[0], (int)i[0]))                                        \
    OP(views, unsqueeze, tg_unsqueeze(x[0], (int)i[0]))                                            \
    OP(views, expand, tg_expand(x[0], rest(c, 0)))                                                 \
    OP(views, select, tg_select(x[0], (int)i[0], i[1]))                                            \
    OP(views, narrow, tg_narrow(x[0], (int)i[0], i[1], i[2]))                                      \
    OP(views, slice, tg_slice(x[0], (int)i[0], i[1], i[2], i[3]))                                  \
    OP(views, diagonal, tg_diagonal(x[0], (int)i[0], (int)i[1], (int)i[2]))                        \
    OP(copies, clone, tg_clone(x[0]))                                                              \
    OP(copies, contiguous, tg_contiguous(x[0]))                                                    \
    OP(copies, cast, tg_cast(x[0], (tg_dtype)i[0]))                                                \
    OP(making, full, tg_full(c->tg, (tg_dtype)i[0], rest(c, 2), f[1]))                             \
    OP(making, zeros, tg_zeros(c->tg, (tg_dtype)i[0], rest(c, 1)))                                 \
    OP(making, ones, tg_ones(c->tg, (tg_dtype)i[0], rest(c, 1)))                                   \
    OP(making, eye, tg_eye(c->tg, (tg_dtype)i[0], i[1], i[2]))                                     \
    OP(making, arange, tg_arange(c->tg, (tg_dtype)i[0], f[1], f[2], f[3]))                         \
    OP(making, linspace, tg_linspace(c->tg, (tg_dtype)i[0], f[1], f[2], i[3]))                     \
    OP(making, zeros_like, tg_zeros_like(x[0]))                                                    \
    OP(making, ones_like, tg_ones_like(x[0]))                                                      \
    OP(making, full_like, tg_full_like(x[0], f[0]))                                                \
    OP(in_place, add_, base_of(c, tg_add_(x[0], x[1])))                                            \
    OP(in_place, sub_, base_of(c, tg_sub_(x[0], x[1])))                                            \
    OP(in_place, mul_, base_of(c, tg_mul_(x[0], x[1])))                                            \
    OP(in_place, copy_, base_of(c, tg_copy_(x[0], x[1])))                                          \
    OP(in_place, fill_, base_of(c, tg_fill_(x[0], f[0])))                                          \
    OP(in_place, zero_, base_of(c, tg_zero_(x[0])))                                                \
    OP(in_place, clone_add_, tg_add_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, clone_sub_, tg_sub_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, clone_mul_, tg_mul_(tg_clone(x[0]), x[1]))                                        \
    OP(in_place, clone_copy_, tg_copy_(tg_clone(x[0]), x[1]))                                      \
    OP(in_place, clone_fill_, tg_fill_(tg_clone(x[0]), f[0]))                                      \
    OP(in_place, clone_zero_, tg_zero_(tg_clone(x[0])))                                            \
    OP(modules, linear, linear_of(c))                                                              \
    OP(modules, mse_loss, tg_mse_loss(x[0], x[1], (int)i[0]))

#define FAMILIES                                                                                   \
    FAMILY(arithmetic)                                                                             \
    FAMILY(with_a_number)                                                                          \
    FAMILY(functions)                                                                              \
    FAMILY(comparison)                                                                             \
    FAMILY(reductions)                                                                             \
    FAMILY(extremes)                                                                               \
    FAMILY(products)                                                                               \
    FAMILY(joining)                                                                                \
    FAMILY(order)                                                                                  \
    FAMILY(by_index)                                                                               \
    FAMILY(views)                                                                                  \
    FAMILY(copies)                                                                                 \
    FAMILY(making)                                                                                 \
    FAMILY(in_place)                                                                               \
    FAMILY(modules)

#define FAMILY(name) FAMILY_##name,
typedef enum family { FAMILIES FAMILY_COUNT } family;
#undef FAMILY

#define OP(family, name, call)                                                                     \
    static tg_tensor *run_##name(trial *c)                                                         \
    {                                                                                              \
        tg_tensor **x = c->x;                                                                      \
        const double *f = c->f;                                                                    \
        const int64_t *i = c->i;                                                                   \
        (void)x, (void)f, (void)i;                                                                 \
        return call;                                                                               \
    }
OPS
#undef OP

    typedef struct operation {
    const char *name;
    family family;
    tg_tensor *(*run)(trial *c);
} operation;

#define OP(family, name, call) {#name, FAMILY_##family, run_##name},
static const operation operations[] = {OPS};
#undef OP
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- Reading. */

/* The next word of the record, cut off; "" at its end. */
static char *next_word(trial *c)
{
    char *word = c->at;
    c->at += strcspn(c->at, " ");
    if (*c->at) *c->at++ = 0;
    return word;
}

/* Whether the next word starts so; then it is passed over. */
static bool passes(trial *c, const char *start)
{
    if (strncmp(c->at, start, strlen(start)) != 0) return false;
    next_word(c);
    return true;
}

/* Numbers between commas, as both types; how many. "-" is none. */
static int read_numbers(const char *text, double *f, int64_t *i)
{
    int n = 0;
    if (strcmp(text, "-") == 0) return 0;
    while (*text && n < MAX_NUMBERS) {
        char *end;
        i[n] = strtoll(text, NULL, 10);
        f[n++] = strtod(text, &end);
        text = end + (*end == ',');
    }
    return n;
}

static tg_dtype read_dtype(const char *name)
{
    static const char *const names[] = {"f32", "f64", "i64", "bool"};
    int d = 0;
    while (d < TG_BOOL && strcmp(names[d], name) != 0) d++;
    return (tg_dtype)d;
}

static uint64_t read_hex(const char *digits, int n)
{
    char text[17] = {0};
    memcpy(text, digits, (size_t)n);
    return strtoull(text, NULL, 16);
}

/* The next of a list of values. */
static uint64_t read_value(const char **at, tg_dtype dtype)
{
    int digits = dtype == TG_F32 ? 8 : dtype == TG_F64 ? 16 : 1;
    if (dtype == TG_I64) {
        char *end;
        int64_t value = strtoll(*at, &end, 10);
        *at = end + (*end == ',');
        return (uint64_t)value;
    }
    assert_true(strlen(*at) >= (size_t)digits);
    *at += digits;
    return read_hex(*at - digits, digits);
}

static tg_tensor *read_tensor(trial *c, tg_dtype dtype, tg_shape shape)
{
    const char *values = next_word(c);
    tg_tensor *t = tg_empty(c->tg, dtype, shape);
    assert_non_null(t);
    for (int64_t k = 0; k < t->numel; k++) {
        uint64_t bits = read_value(&values, dtype);
        uint32_t low = (uint32_t)bits;
        switch (dtype) {
        case TG_F32: memcpy((float *)t->data + k, &low, sizeof low); break;
        case TG_BOOL: ((bool *)t->data)[k] = bits != 0; break;
        default: memcpy((int64_t *)t->data + k, &bits, sizeof bits); break;
        }
    }
    return t;
}

static tg_tensor *step(tg_tensor *t, const char *text)
{
    double f[MAX_NUMBERS];
    int64_t i[MAX_NUMBERS];
    tg_shape list = {read_numbers(text + 1, f, i), i};
    switch (*text) {
    case 't': return tg_transpose(t, (int)i[0], (int)i[1]);
    case 'p': return tg_permute(t, list);
    case 's': return tg_slice(t, (int)i[0], i[1], i[2], i[3]);
    case 'n': return tg_narrow(t, (int)i[0], i[1], i[2]);
    case 'e': return tg_expand(t, list);
    case 'l': return tg_select(t, (int)i[0], i[1]);
    case 'd': return tg_diagonal(t, (int)i[0], (int)i[1], (int)i[2]);
    default: return NULL;
    }
}

static void read_input(trial *c, bool marked)
{
    double f[MAX_NUMBERS];
    int64_t sizes[MAX_NUMBERS];
    assert_true(c->n < MAX_INPUTS);
    char *word = next_word(c), *steps;
    int n = c->n++;
    if (*word == '@') {
        c->leaf[n] = c->leaf[atoi(word + 1)];
        steps = next_word(c);
    } else {
        tg_shape shape = {read_numbers(next_word(c), f, sizes), sizes};
        steps = next_word(c);
        c->leaf[n] = read_tensor(c, read_dtype(word), shape);
    }
    c->marked[n] = marked;
    if (marked) tg_requires_grad_(c->leaf[n], true);
    c->x[n] = c->leaf[n];
    while (*steps && *steps != '-') {
        size_t length = strcspn(steps, "/");
        char *following = steps + length + (steps[length] == '/');
        steps[length] = 0;
        c->x[n] = step(c->x[n], steps);
        steps = following;
    }
    assert_non_null(c->x[n]);
}

/* ---- Comparing. */

/* Of a floating dtype: u, half the distance from 1 to the next number, and the smallest number. */
static const double unit[] = {FLT_EPSILON / 2, DBL_EPSILON / 2}, smallest[] = {0x1p-149, 0x1p-1074};

/* rule: "=", "^k" or "~k". scale: what k counts units of, in a "~k". A product that underflows is
 * wrong by up to the smallest number, too. */
static bool near(tg_dtype dtype, const char *rule, uint64_t got_bits, uint64_t want_bits,
                 double scale)
{
    if (got_bits == want_bits) return true;
    if (dtype == TG_I64 || dtype == TG_BOOL) return false;
    double got = value_of(dtype, got_bits), want = value_of(dtype, want_bits), k = atof(rule + 1);
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (*rule == '=') return false;
    if (isinf(want) || isinf(got)) return got == want;
    if (*rule == '^' && got == 0 && want == 0) return false; /* of different sign */
    if (k == 0) return got == want;
    return fabs(got - want) <=
           k * (unit[dtype] * (*rule == '^' ? fabs(want) : scale) + smallest[dtype]);
}

static bool complain(const trial *c, const char *op, const char *what, const char *how)
{
    print_error("ops_golden.txt:%d: %s: %s %s (%s)\n", c->line, op, what, how,
                tg_simd_level(c->tg));
    return false;
}

/* t against the values that are next, with their tolerance and scales. */
static bool same_values(trial *c, const char *op, const char *what, tg_tensor *t)
{
    const char *rule = next_word(c), *values = next_word(c), *scales = NULL;
    if (*rule == '~' && strcmp(rule, "~0") != 0) scales = next_word(c);
    tg_no_grad_begin(c->tg);
    t = tg_contiguous(t);
    tg_no_grad_end(c->tg);
    if (!t) return complain(c, op, what, tg_error(c->tg));
    int upper = t->dtype == TG_F32 ? 4 : 5;
    for (int64_t k = 0; k < t->numel; k++) {
        uint64_t got = bits_at(t, k), want = read_value(&values, t->dtype);
        uint64_t scale = scales ? read_hex(scales + k * upper, upper) : 0;
        double size = value_of(t->dtype, scale << (t->dtype == TG_F32 ? 16 : 44));
        if (near(t->dtype, rule, got, want, size)) continue;
        char how[160];
        snprintf(how, sizeof how, "[%lld] is %llx, not %llx: %.9g and %.9g, tolerance %s %g",
                 (long long)k, (unsigned long long)got, (unsigned long long)want,
                 value_of(t->dtype, got), value_of(t->dtype, want), rule, size);
        return complain(c, op, what, how);
    }
    return true;
}

/* out is the view of leaf that text tells: its offset, then its strides; or a copy. */
static bool same_view(const trial *c, const char *op, const char *text, const tg_tensor *out)
{
    bool shares = priv(out)->storage == priv(c->leaf[0])->storage;
    if (strcmp(text, "copy") == 0) return !shares || complain(c, op, "result", "is not a copy");
    double f[MAX_NUMBERS];
    int64_t want[MAX_NUMBERS] = {0};
    read_numbers(text, f, want);
    if (!shares) return complain(c, op, "result", "is a copy");
    int64_t bytes = (const char *)out->data - (const char *)c->leaf[0]->data;
    bool fits = bytes == want[0] * (int64_t)tg__dtype_size(out->dtype);
    for (int d = 0; d < out->ndim; d++)
        fits &= out->shape[d] == 1 || out->strides[d] == want[d + 1];
    return fits || complain(c, op, "result", "has other strides");
}

/* ---- Running. */

static bool check_gradients(trial *c, const char *op, tg_tensor *out)
{
    tg_tensor *g = read_tensor(c, out->dtype, (tg_shape){out->ndim, out->shape});
    if (!tg_backward_with(out, g)) return complain(c, op, "backward", tg_error(c->tg));
    for (int n = 0; n < c->n; n++) {
        char what[32];
        if (!c->marked[n]) continue;
        if (!passes(c, "'")) return complain(c, op, "record", "has too few gradients");
        snprintf(what, sizeof what, "gradient %d", n);
        if (!c->leaf[n]->grad) return complain(c, op, what, "is none");
        if (!same_values(c, op, what, c->leaf[n]->grad)) return false;
    }
    return true;
}

static bool check_result(trial *c, const operation *o, tg_tensor *out)
{
    const char *dtype = next_word(c);
    if (strcmp(dtype, "fails") == 0)
        return (!out && !tg_ok(c->tg)) || complain(c, o->name, "call", "does not fail");
    if (!out || !tg_ok(c->tg)) return complain(c, o->name, "call", tg_error(c->tg));
    double f[MAX_NUMBERS];
    int64_t sizes[MAX_NUMBERS] = {0};
    int ndim = read_numbers(next_word(c), f, sizes);
    bool fits = ndim == out->ndim && read_dtype(dtype) == out->dtype;
    for (int d = 0; d < ndim && fits; d++) fits = sizes[d] == out->shape[d];
    if (!fits) return complain(c, o->name, "result", "has another shape or dtype");
    if (!same_values(c, o->name, "result", out)) return false;
    if (passes(c, "#") && !same_view(c, o->name, next_word(c), out)) return false;
    if (passes(c, "*")) return check_gradients(c, o->name, out);
    return !out->requires_grad || complain(c, o->name, "result", "requires grad");
}

static bool check_record(tg_context *tg, const operation *o, int line, char *text)
{
    trial c = {.tg = tg, .line = line, .at = text};
    tg_scope_begin(tg);
    next_word(&c);
    c.numbers = read_numbers(next_word(&c), c.f, c.i);
    while (*c.at == '<') {
        bool marked = c.at[1] == '*';
        next_word(&c);
        read_input(&c, marked);
    }
    bool good = passes(&c, ">") && check_result(&c, o, o->run(&c));
    if (good && *c.at) good = complain(&c, o->name, "record", "has more than was read");
    tg_clear_error(tg);
    tg_scope_end(tg);
    return good;
}

static const operation *find_operation(const char *line)
{
    size_t length = strcspn(line, " ");
    for (int i = 0; i < OPERATIONS; i++)
        if (strlen(operations[i].name) == length && strncmp(operations[i].name, line, length) == 0)
            return &operations[i];
    return NULL;
}

static char *golden_text;

static int read_golden(void **state)
{
    (void)state;
    FILE *file = fopen(TEST_DATA "/ops_golden.txt", "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) return -1;
    long size = ftell(file);
    rewind(file);
    golden_text = size > 0 ? calloc((size_t)size + 1, 1) : NULL;
    bool good = golden_text && fread(golden_text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    return good ? 0 : -1;
}

static int free_golden(void **state)
{
    (void)state;
    free(golden_text);
    return 0;
}

/* Each record of a family; they are copied, for reading cuts them up. */
static void check_family(family which, const char *level)
{
    if (tg__level(level) < 0) return;
    tg_context *tg = tg_open(NULL);
    assert_non_null(tg);
    tg->level = tg__level(level);
    int line = 1, failed = 0, records[OPERATIONS] = {0};
    for (const char *at = golden_text; *at; line++) {
        size_t length = strcspn(at, "\n");
        const operation *o = find_operation(at);
        if (!o) fail_msg("ops_golden.txt:%d: no such operation", line);
        if (o->family == which) {
            char *copy = calloc(length + 1, 1);
            assert_non_null(copy);
            memcpy(copy, at, length);
            records[o - operations]++;
            failed += !check_record(tg, o, line, copy);
            free(copy);
        }
        at += length + (at[length] == '\n');
    }
    tg_close(tg);
    if (failed) fail_msg("%d records differ (%s)", failed, level);
    for (int i = 0; i < OPERATIONS; i++)
        if (operations[i].family == which && !records[i])
            fail_msg("no record of %s", operations[i].name);
}

#define FAMILY(name)                                                                               \
    static void golden_##name(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        check_family(FAMILY_##name, "portable");                                                   \
        check_family(FAMILY_##name, "avx2");                                                       \
        check_family(FAMILY_##name, "avx512");                                                     \
    }
FAMILIES
#undef FAMILY

int main(void)
{
#define FAMILY(name) cmocka_unit_test(golden_##name),
    const struct CMUnitTest tests[] = {FAMILIES};
#undef FAMILY
    return cmocka_run_group_tests(tests, read_golden, free_golden);
}
