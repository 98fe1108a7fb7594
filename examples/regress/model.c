/* The fit itself: features that depend on others, the exact fit, and the trained one. */
#define _POSIX_C_SOURCE 200809L /* isatty */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/utf8.h"
#include "regress.h"
#include "stream.h"

/* Terms of the combination that are only rounding are left out. */
int report_dependent(const job *j)
{
    const int64_t dependent = j->exact.dependent;
    const double least = 1e-9 * size_of(j->range.x, dependent);
    const double constant = tg_get(j->exact.combination, TG_INDEX(0));
    const char *sign = "";
    char shown[SHOWN];
    fprintf(stderr, "%s:1: column '%s' tells no more than others: it is ", j->set.data,
            utf8_show(j->terms.features[dependent].name, shown, SHOWN));
    for (int64_t i = 0; i < dependent; i++) {
        double factor = tg_get(j->exact.combination, TG_INDEX(i + 1));
        if (fabs(factor) * size_of(j->range.x, i) <= least) continue;
        fprintf(stderr, "%s%.6g x '%s'", sign, factor,
                utf8_show(j->terms.features[i].name, shown, SHOWN));
        sign = " + ";
    }
    if (fabs(constant) > least) fprintf(stderr, "%s%.6g", sign, constant);
    fprintf(stderr, "%s; %s\n", j->held.x ? " in the rows to train on" : "",
            j->set.drop_dependent || j->set.minimum_norm
                ? "no other feature is left"
                : "leave one of these features out, or take --dependent drop");
    return FAILED;
}

tg_tensor *without(tg_tensor *t, int dim, int64_t index)
{
    if (!t) return NULL;
    tg_tensor *before = tg_narrow(t, dim, 0, index);
    return tg_cat(TG_LIST(before, tg_narrow(t, dim, index + 1, t->shape[dim] - index - 1)), dim);
}

/* Removes the feature that is a combination of those before it from all that is left to do. */
static void drop_dependent(job *j)
{
    const int64_t column = j->exact.dependent;
    terms_drop(&j->terms, (size_t)column);
    j->train.x = without(j->train.x, 1, column);
    j->held.x = without(j->held.x, 1, column);
    j->range.x = without(j->range.x, 1, column);
    j->sums.triangle = triangle(without(j->sums.triangle, 1, column + !j->set.no_intercept));
    j->sums.center = without(j->sums.center, 1, column);
    j->new_rows = without(j->new_rows, 1, column);
}

static int train(job *j)
{
    fit_options how = {
        .method = j->set.method,
        .dtype = j->set.float64 ? TG_F64 : TG_F32,
        .lr = j->set.lr,
        .momentum = j->set.momentum,
        .epochs = (int64_t)j->set.epochs,
        .progress = isatty(STDERR_FILENO),
    };
    if (j->set.batch_size >= (double)j->exact.rows) j->set.batch_size = 0;
    how.batch_size = (int64_t)j->set.batch_size;
    if (!fit_train(&j->exact, &how, &j->fit)) return FAILED;
    if (!j->fit.diverged) return DONE;
    fprintf(stderr,
            "%s: training diverged in epoch %" PRId64
            ": lr %g is too large; with momentum %g it is stable below %.3g\n",
            j->set.data, j->fit.epochs, j->fit.lr, j->fit.momentum, j->fit.stable_lr);
    return FAILED;
}

/* Whether a feature that depends on others may stay: a penalty tells their coefficients apart. */
static bool penalty_decides(const job *j)
{
    return j->set.loss.l2 > 0 && !j->set.drop_dependent;
}

/* Fits by least squares to the rows, or to their sums where they are not kept. If there are fewer
 * rows than coefficients, only the first features are looked at, one of which is dependent. */
static bool fit_exactly(job *j)
{
    const bool intercept = !j->set.no_intercept;
    if (j->sums.rows) return least_squares_of_sums(&j->sums, intercept, &j->exact);
    tg_tensor *x = j->train.x;
    const int64_t most = x ? x->shape[0] + 1 - intercept : 0;
    if (x && x->shape[1] > most) x = tg_narrow(x, 1, 0, most);
    return least_squares_fit(x, j->train.y, j->train.weights, intercept, &j->exact);
}

int find_fit(job *j)
{
    if (j->set.minimum_norm) return find_minimum_norm(j);
    for (;;) {
        if (!fit_exactly(j)) return FAILED;
        if (j->exact.dependent < 0 || penalty_decides(j)) break;
        if (!j->set.drop_dependent || j->terms.n_features == 1) return report_dependent(j);
        drop_dependent(j);
    }
    if (!loss_is_exact(&j->set.loss)) return find_minimum(j);
    if (j->sums.rows && stream_refine(j) != DONE) return FAILED;
    j->fit = fit_exact(&j->exact);
    return j->set.method == FIT_LS ? DONE : train(j);
}
