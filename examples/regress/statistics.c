#include "statistics.h"

#include <math.h>

#include "distributions.h"

test test_coefficient(const job *j, double value, double error)
{
    const bool normal = loss_is_likelihood(&j->set.loss);
    const double freedom = (double)least_squares_freedom(&j->exact);
    const double p = 1 - j->set.level;
    const double bound = normal        ? -normal_quantile(p / 2)
                         : freedom > 0 ? student_t_bound(p, freedom)
                                       : NAN;
    const double t = value / error;
    return (test){.t = t,
                  .p = normal ? normal_two_sided(t) : student_t_two_sided(t, freedom),
                  .lower = value - bound * error,
                  .upper = value + bound * error};
}

/* The log-likelihood is that of normal errors whose variance is the mean square of the residuals,
 * divided by the weight of the row, and AIC counts that variance as a parameter, as R does. */
static void find_least_squares(const least_squares *exact, statistics *s)
{
    const double n = (double)exact->rows, k = (double)exact->features, df = s->freedom;
    if (df == 0) return;
    s->error = least_squares_error(exact);
    s->r2 = 1 - exact->squares / exact->total;
    s->adjusted_r2 = 1 - exact->squares / df / (exact->total / (n - (double)exact->intercept));
    s->f = (exact->total - exact->squares) / k / (exact->squares / df);
    s->f_freedom = k;
    s->f_p = f_upper(s->f, k, df);
    s->log_likelihood =
        exact->log_weights / 2 - n / 2 * (log(2 * acos(-1) * exact->squares / n) + 1);
    s->aic = 2 * (n - df + 1) - 2 * s->log_likelihood;
}

/* The sum of log(y!), weighted, which the loss leaves out. */
static double log_factorials(const sample *rows)
{
    const double *y = values_of(rows->y), *w = rows->weights ? values_of(rows->weights) : NULL;
    double sum = 0;
    for (int64_t i = 0; y && i < rows->y->numel; i++) sum += (w ? w[i] : 1) * lgamma(y[i] + 1);
    return sum;
}

/* As glm of R. The null deviance is that of the best line without features. */
static void find_deviance(const job *j, statistics *s)
{
    const loss *l = &j->set.loss;
    const sample *rows = &j->train;
    tg_tensor *w = rows->weights ? rows->weights : tg_ones_like(rows->y);
    const double mean = tg_item(tg_div(tg_sum(tg_mul(w, rows->y)), tg_sum(w)));
    const double base = j->set.no_intercept        ? 0
                        : l->kind == LOSS_LOGISTIC ? log(mean / (1 - mean))
                                                   : log(mean);
    const double least = sum_floors(j, rows);
    const double used = tg_item(tg_sum(tg_cast(tg_gt_scalar(w, 0), TG_F64)));
    const double k = (double)least_squares_size(&j->exact);
    s->null_deviance = fmax(2 * (sum_losses(j, rows, tg_full_like(rows->y, base)) - least), 0);
    s->null_freedom = used - (double)j->exact.intercept;
    s->deviance = fmax(2 * (j->minimum.loss - least), 0);
    s->freedom = used - k;
    s->log_likelihood = -j->minimum.loss - (l->kind == LOSS_POISSON ? log_factorials(rows) : 0);
    if (l->l2 == 0) s->aic = 2 * k - 2 * s->log_likelihood;
}

statistics find_statistics(const job *j)
{
    statistics s = {.freedom = (double)least_squares_freedom(&j->exact),
                    .error = NAN,
                    .r2 = NAN,
                    .adjusted_r2 = NAN,
                    .f = NAN,
                    .f_freedom = NAN,
                    .f_p = NAN,
                    .null_deviance = NAN,
                    .null_freedom = NAN,
                    .deviance = NAN,
                    .log_likelihood = NAN,
                    .aic = NAN,
                    .loss = NAN};
    if (loss_is_exact(&j->set.loss)) {
        if (j->fit.converged) find_least_squares(&j->exact, &s);
    } else {
        s.loss = j->minimum.loss;
        if (loss_is_likelihood(&j->set.loss)) find_deviance(j, &s);
    }
    return s;
}

/* What predicts rows best without features: their mean, or 0 if there is no intercept. */
static double constant_of(const job *j, const sample *rows)
{
    if (j->set.no_intercept) return 0;
    tg_tensor *y = rows->weights ? tg_mul(rows->y, rows->weights) : rows->y;
    return tg_item(tg_sum(y)) / sum_weights(rows);
}

quality find_quality(const job *j, const sample *rows)
{
    quality q = {NAN, NAN, NAN, NAN, NAN, NAN};
    if (!rows->x) {
        q.rmse = sqrt(j->exact.squares / j->exact.weight);
        q.r2 = 1 - j->exact.squares / j->exact.total;
        return q;
    }
    const loss_kind kind = j->set.loss.kind;
    tg_tensor *eta = line_predict(&j->fit.line, rows->x), *y = rows->y;
    const double sum = sum_losses(j, rows, eta), all = sum_weights(rows);
    if (kind == LOSS_MSE) {
        const double spread = sum_losses(j, rows, tg_full_like(y, constant_of(j, rows)));
        q.rmse = sqrt(2 * sum / all);
        if (spread > 0) q.r2 = 1 - sum / spread;
        return q;
    }
    q.mean_loss = sum / all;
    if (kind == LOSS_POISSON) q.mean_deviance = fmax(2 * (sum - sum_floors(j, rows)), 0) / all;
    if (kind == LOSS_QUANTILE) q.above = tg_item(tg_mean(tg_cast(tg_gt(y, eta), TG_F64)));
    tg_tensor *right = tg_cast(tg_eq(tg_gt_scalar(eta, 0), tg_gt_scalar(y, 0)), TG_F64);
    if (kind == LOSS_LOGISTIC) q.right = tg_item(tg_mean(right));
    return q;
}
