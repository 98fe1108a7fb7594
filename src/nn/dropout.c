/* Dropout, as a function and as a layer. */
#include "module.h"
#include "../context/printer.h"

/* A tensor of x's shape and dtype whose elements are 1 / (1 - p) with probability 1 - p, else 0. */
static tg_tensor *dropout_mask(const tg_tensor *x, double p)
{
    tg_tensor *mask = tg__new(x->context, x->dtype, x->ndim, x->shape);
    if (!mask) return NULL;
    const double scale = tg__rounded(x->dtype, 1 / tg__rounded(x->dtype, 1 - p));
    tg_bernoulli_(mask, 1.0 - p);
    pick(x->context->level, affine, x->dtype)(mask->numel, mask->data, 0, scale);
    return mask;
}

tg_tensor *tg_dropout(tg_tensor *x, double p, bool training)
{
    if (!tg__check_inputs("dropout", 1, &x)) return NULL;
    if (!tg__is_float(x->dtype)) return tg__refuse_dtype("dropout", x);
    tg_context *tg = x->context;
    if (!(p >= 0 && p <= 1))
        return tg__fail(tg, TG_ERR_ARGUMENT, "dropout: p %g must lie in [0, 1]", p);
    if (p == 0 || !training || x->numel == 0) return x;
    if (p == 1) return tg_mul_scalar(x, 0);
    if (!tg__ready(tg)) return NULL;
    frame f;
    generator before = tg->random;
    tg__enter(&f, "dropout", x);
    tg_tensor *mask = dropout_mask(x, p);
    tg_tensor *out = mask ? tg_mul(x, mask) : NULL;
    if (!out) tg->random = before;
    return tg__leave(&f, out);
}

static tg_tensor *dropout_forward(tg_module *m, tg_tensor *x)
{
    return tg_dropout(x, *(const double *)m->data, m->training);
}

static void describe_dropout(const tg_module *m, char text[TG_DESCRIPTION])
{
    char p[TG_NUMBER];
    sprintf(text, "p=%s, inplace=False", tg__write_real(p, *(const double *)m->data));
}

tg_module *tg_dropout_layer(tg_context *tg, double p)
{
    if (tg && !(p >= 0 && p <= 1))
        return tg__fail(tg, TG_ERR_ARGUMENT, "dropout_layer: p %g must lie in [0, 1]", p);
    tg_module *m = tg__module_new(tg, "Dropout", dropout_forward, sizeof p);
    if (!m) return NULL;
    m->describe = describe_dropout;
    *(double *)m->data = p;
    return m;
}
