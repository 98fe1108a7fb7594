/* any and all, which have no gradient and are composed of other operations: any counts the elements
 * that are not 0, all those that are 0. */
#include "op.h"

tg_tensor *tg_any(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "any", a);
    return tg__leave(&f, tg_ne_scalar(tg_sum(tg_ne_scalar(a, 0)), 0));
}

tg_tensor *tg_any_dim(tg_tensor *a, int dim, bool keepdim)
{
    frame f;
    tg__enter(&f, "any", a);
    return tg__leave(&f, tg_ne_scalar(tg_sum_dims(tg_ne_scalar(a, 0), TG_DIMS(dim), keepdim), 0));
}

tg_tensor *tg_all(tg_tensor *a)
{
    frame f;
    tg__enter(&f, "all", a);
    return tg__leave(&f, tg_eq_scalar(tg_sum(tg_eq_scalar(a, 0)), 0));
}

tg_tensor *tg_all_dim(tg_tensor *a, int dim, bool keepdim)
{
    frame f;
    tg__enter(&f, "all", a);
    return tg__leave(&f, tg_eq_scalar(tg_sum_dims(tg_eq_scalar(a, 0), TG_DIMS(dim), keepdim), 0));
}
