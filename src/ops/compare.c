/* Comparisons and logical functions. They have no gradient. The formulas of comparisons are in
 * kernels/elementwise.def. a[0] is the number of a comparison with a number. */
#include "op.h"

#include <math.h>

static bool compare_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0];
    const compare_set *kernel = c->op->kernel;
    if (c->n == 2 ? !tg__broadcast_shape(c, s) : !tg__same_shape(c, s)) return false;
    s->dtype = TG_BOOL;
    return tg__check_dtype(c, a, kernel_at(kernel, c->tg->level, a->dtype));
}

static bool compare_two(const call *c, tg_tensor *a, tg_tensor *b)
{
    const compare_set *kernel = c->op->kernel;
    loop f = {.binary = kernel_at(kernel, c->tg->level, a->dtype)};
    tg__elementwise(f, c->out, 2, (tg_tensor *[]){a, b});
    return true;
}

static bool compare_forward(const call *c)
{
    return compare_two(c, c->in[0], c->in[1]);
}

static bool compare_swapped_forward(const call *c)
{
    return compare_two(c, c->in[1], c->in[0]);
}

static bool compare_scalar_forward(const call *c)
{
    stack_tensor s;
    return compare_two(c, c->in[0], tg__scalar(&s, c->in[0], c->a[0].f));
}

static bool compare_scalar_swapped_forward(const call *c)
{
    stack_tensor s;
    return compare_two(c, tg__scalar(&s, c->in[0], c->a[0].f), c->in[0]);
}

static tg_tensor *compare_scalar(const op_row *o, tg_tensor *a, double s)
{
    if (!a || !tg__check_value(a->context, o->name, a->dtype, s)) return NULL;
    if (a->dtype == TG_BOOL && s != 0 && s != 1)
        return tg__fail(a->context, TG_ERR_ARGUMENT, "%s: %g is not a value of bool", o->name, s);
    return tg__apply(o, 1, &a, (attr[TG_ATTRS]){{.f = s}});
}

static inline tg_tensor *compare_tensors(const op_row *o, tg_tensor *a, tg_tensor *b)
{
    return tg__apply(o, 2, (tg_tensor *[]){a, b}, NULL);
}

/* clang-format off */

static const op_row eq_op = {.name = "eq",
    .shape = compare_shape, .forward = compare_forward, .kernel = &tg__eq_kernel};
static const op_row eq_scalar_op = {.name = "eq_scalar",
    .shape = compare_shape, .forward = compare_scalar_forward, .kernel = &tg__eq_kernel};
tg_tensor *tg_eq(tg_tensor *a, tg_tensor *b) { return compare_tensors(&eq_op, a, b); }
tg_tensor *tg_eq_scalar(tg_tensor *a, double s) { return compare_scalar(&eq_scalar_op, a, s); }

static const op_row ne_op = {.name = "ne",
    .shape = compare_shape, .forward = compare_forward, .kernel = &tg__ne_kernel};
static const op_row ne_scalar_op = {.name = "ne_scalar",
    .shape = compare_shape, .forward = compare_scalar_forward, .kernel = &tg__ne_kernel};
tg_tensor *tg_ne(tg_tensor *a, tg_tensor *b) { return compare_tensors(&ne_op, a, b); }
tg_tensor *tg_ne_scalar(tg_tensor *a, double s) { return compare_scalar(&ne_scalar_op, a, s); }

static const op_row lt_op = {.name = "lt",
    .shape = compare_shape, .forward = compare_forward, .kernel = &tg__lt_kernel};
static const op_row lt_scalar_op = {.name = "lt_scalar",
    .shape = compare_shape, .forward = compare_scalar_forward, .kernel = &tg__lt_kernel};
tg_tensor *tg_lt(tg_tensor *a, tg_tensor *b) { return compare_tensors(&lt_op, a, b); }
tg_tensor *tg_lt_scalar(tg_tensor *a, double s) { return compare_scalar(&lt_scalar_op, a, s); }

static const op_row le_op = {.name = "le",
    .shape = compare_shape, .forward = compare_forward, .kernel = &tg__le_kernel};
static const op_row le_scalar_op = {.name = "le_scalar",
    .shape = compare_shape, .forward = compare_scalar_forward, .kernel = &tg__le_kernel};
tg_tensor *tg_le(tg_tensor *a, tg_tensor *b) { return compare_tensors(&le_op, a, b); }
tg_tensor *tg_le_scalar(tg_tensor *a, double s) { return compare_scalar(&le_scalar_op, a, s); }

/* a > b is computed as b < a, and a >= b as b <= a, which saves kernels. */

static const op_row gt_op = {.name = "gt",
    .shape = compare_shape, .forward = compare_swapped_forward, .kernel = &tg__lt_kernel};
static const op_row gt_scalar_op = {.name = "gt_scalar",
    .shape = compare_shape, .forward = compare_scalar_swapped_forward, .kernel = &tg__lt_kernel};
tg_tensor *tg_gt(tg_tensor *a, tg_tensor *b) { return compare_tensors(&gt_op, a, b); }
tg_tensor *tg_gt_scalar(tg_tensor *a, double s) { return compare_scalar(&gt_scalar_op, a, s); }

static const op_row ge_op = {.name = "ge",
    .shape = compare_shape, .forward = compare_swapped_forward, .kernel = &tg__le_kernel};
static const op_row ge_scalar_op = {.name = "ge_scalar",
    .shape = compare_shape, .forward = compare_scalar_swapped_forward, .kernel = &tg__le_kernel};
tg_tensor *tg_ge(tg_tensor *a, tg_tensor *b) { return compare_tensors(&ge_op, a, b); }
tg_tensor *tg_ge_scalar(tg_tensor *a, double s) { return compare_scalar(&ge_scalar_op, a, s); }

/* clang-format on */

/* a as bools: true where an element is not 0. */
static tg_tensor *as_bool(tg_tensor *a)
{
    return a->dtype != TG_BOOL ? tg_ne_scalar(a, 0) : a;
}

/* Applies a logical function of bools to two tensors of one dtype. */
static tg_tensor *logical(const char *name, tg_tensor *(*of_bools)(tg_tensor *, tg_tensor *),
                          tg_tensor *a, tg_tensor *b)
{
    frame f;
    if (!tg__check_inputs(name, 2, (tg_tensor *[]){a, b})) return NULL;
    if (a->dtype != b->dtype) return tg__fail_dtypes(name, a, b);
    tg__enter(&f, name, a);
    return tg__leave(&f, of_bools(as_bool(a), as_bool(b)));
}

/* For bools, a and b is a > not b, and a or b is a >= not b. */
static tg_tensor *and_of_bools(tg_tensor *a, tg_tensor *b)
{
    return tg_gt(a, tg_logical_not(b));
}

static tg_tensor *or_of_bools(tg_tensor *a, tg_tensor *b)
{
    return tg_ge(a, tg_logical_not(b));
}

tg_tensor *tg_logical_and(tg_tensor *a, tg_tensor *b)
{
    return logical("logical_and", and_of_bools, a, b);
}

tg_tensor *tg_logical_or(tg_tensor *a, tg_tensor *b)
{
    return logical("logical_or", or_of_bools, a, b);
}

tg_tensor *tg_logical_xor(tg_tensor *a, tg_tensor *b)
{
    return logical("logical_xor", tg_ne, a, b);
}

static bool not_forward(const call *c)
{
    loop f = {.unary = pick(c->tg->level, logical_not, K_BOOL)};
    tg__elementwise(f, c->out, 1, c->in);
    return true;
}

static const op_row not_op = {
    .name = "logical_not", .shape = tg__same_shape, .forward = not_forward};

tg_tensor *tg_logical_not(tg_tensor *a)
{
    frame f;
    if (a && a->dtype == TG_BOOL) return tg__apply(&not_op, 1, &a, NULL);
    tg__enter(&f, "logical_not", a);
    return tg__leave(&f, tg_eq_scalar(a, 0));
}

tg_tensor *tg_isnan(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "isnan", a);
    return tg__leave(&f, tg_ne(a, a));
}

tg_tensor *tg_isinf(tg_tensor *a)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "isinf", a);
    return tg__leave(&f, tg__is_float(a->dtype) ? tg_eq_scalar(tg_abs(a), INFINITY) : tg_ne(a, a));
}

tg_tensor *tg_isfinite(tg_tensor *a)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "isfinite", a);
    return tg__leave(&f, tg__is_float(a->dtype) ? tg_lt_scalar(tg_abs(a), INFINITY) : tg_eq(a, a));
}
