/* Prediction intervals: where the target of a new row lies with the probability of --level. */
#include <math.h>

#include "distributions.h"
#include "regress.h"

/* A prediction is off by the error of the coefficients, whose covariance is that of the residuals
 * times (R^T R)^-1, and by the scatter of a row itself. With v = (1, x - center), or x without an
 * intercept, the first has the variance |v R^-1|^2. */
tg_tensor *interval_margins(const job *j, tg_tensor *x)
{
    const least_squares *exact = &j->exact;
    if (!x || !exact->triangle || !loss_is_exact(&j->set.loss)) return NULL;
    if (j->kept) x = tg_index_select(x, 1, j->kept);
    const double freedom = (double)least_squares_freedom(exact);
    const double t = freedom > 0 ? student_t_bound(1 - j->set.level, freedom) : NAN;
    tg_tensor *ones = tg_ones(x->context, TG_F64, TG_SHAPE(x->shape[0], 1));
    tg_tensor *v = tg_sub(x, exact->line.center);
    if (exact->intercept) v = tg_cat(TG_LIST(ones, v), 1);
    tg_tensor *w = tg_solve_triangular(exact->triangle, v, TG_UPPER | TG_RIGHT);
    tg_tensor *variance = tg_add_scalar(tg_sum_dims(tg_square(w), TG_DIMS(1), TG_KEEPDIM), 1);
    return tg_mul_scalar(tg_sqrt(variance), t * least_squares_error(exact));
}
