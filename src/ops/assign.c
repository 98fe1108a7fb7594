/* copy_, fill_ and zero_: writes that replace all values of a tensor. */
#include "op.h"

static bool copy_forward(const call *c)
{
    tg__copy(c->out, c->in[1]);
    return true;
}

/* The values that were there before do not matter any more: input 0 has a gradient of 0. */
static tg_tensor *assign_grad(const record *r, int i, tg_tensor *g)
{
    (void)r;
    return i == 0 ? tg_zeros_like(g) : g;
}

static const op_row copy_op = {.name = "copy_",
                               .grad_name = "CopyBackwards",
                               .shape = tg__write_shape,
                               .forward = copy_forward,
                               .grad = assign_grad,
                               .flags = OP_BROADCAST};

tg_tensor *tg_copy_(tg_tensor *t, tg_tensor *source)
{
    return tg__apply_in_place(&copy_op, 2, (tg_tensor *[]){t, source}, NULL);
}

/* fill_ and zero_: a[0] is the value. */
static bool fill_shape(const call *c, spec *s)
{
    return tg__check_value(c->tg, c->op->name, c->in[0]->dtype, c->a[0].f) && tg__same_shape(c, s);
}

static bool fill_forward(const call *c)
{
    tg__fill(c->out, c->a[0].f);
    return true;
}

static const op_row fill_op = {.name = "fill_",
                               .grad_name = "FillBackward2",
                               .shape = fill_shape,
                               .forward = fill_forward,
                               .grad = assign_grad};
static const op_row zero_op = {.name = "zero_",
                               .grad_name = "ZeroBackward0",
                               .shape = fill_shape,
                               .forward = fill_forward,
                               .grad = assign_grad};

static tg_tensor *apply_fill(const op_row *o, tg_tensor *t, double value)
{
    return tg__apply_in_place(o, 1, &t, (attr[TG_ATTRS]){{.f = value}});
}

tg_tensor *tg_fill_(tg_tensor *t, double value)
{
    return apply_fill(&fill_op, t, value);
}

tg_tensor *tg_zero_(tg_tensor *t)
{
    return apply_fill(&zero_op, t, 0);
}
