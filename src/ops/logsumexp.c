/* logsumexp: log(sum(exp(x))) without overflow. It is composed of other operations, which give its
 * gradient. */
#include "op.h"

#include <math.h>

/* Computes log(sum(exp(a - m))) + m, where m is the greatest element, brought into the finite range
 * if it is infinite, since infinity - infinity is NaN. m is a constant for the gradient, which
 * comes from the operations used. */
static tg_tensor *logsumexp(tg_tensor *a, tg_shape dims, bool keepdim)
{
    if (!tg__is_float(a->dtype)) return tg__refuse_dtype("logsumexp", a);
    if (a->numel == 0) return tg_log(tg_sum_dims(tg_exp(a), dims, keepdim));
    tg_tensor *most = tg_amax(tg_detach(a), dims, TG_KEEPDIM);
    if (!most) return NULL;
    const double bound = tg__dtypes[a->dtype].most;
    most = tg_clamp(most, -bound, bound);
    tg_tensor *sum = tg_sum_dims(tg_exp(tg_sub(a, most)), dims, keepdim);
    return sum ? tg_add(tg_log(sum), tg_reshape(most, (tg_shape){sum->ndim, sum->shape})) : NULL;
}

tg_tensor *tg_logsumexp(tg_tensor *a, tg_shape dims, bool keepdim)
{
    frame f;
    if (!a) return NULL;
    tg__enter(&f, "logsumexp", a);
    return tg__leave(&f, tg__name_grad_fn(logsumexp(a, dims, keepdim), "LogsumexpBackward0"));
}
