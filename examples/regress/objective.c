/* Fits by other losses than squared error, and what is predicted and lost by them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../common/utf8.h"
#include "regress.h"

/* Prints that the loss has no minimum, which features are to blame, and what to do. */
static int report_no_minimum(const job *j)
{
    const minimum *m = &j->minimum;
    const bool logistic = j->set.loss.kind == LOSS_LOGISTIC;
    const int64_t rows = j->train.y->numel;
    const char *before = "";
    fprintf(stderr, "%s: the %s loss has no minimum%s: ", j->set.data, loss_name(&j->set.loss),
            j->held.x ? " for the rows to train on" : "");
    for (int64_t i = 0; i < m->direction->numel; i++) {
        if (fabs(tg_get(m->direction, TG_INDEX(i))) < 1e-3) continue;
        char shown[SHOWN];
        fprintf(stderr, "%s'%s'", before,
                utf8_show(name_of(j, i + j->exact.intercept), shown, SHOWN));
        before = " with ";
    }
    fprintf(stderr, " %s %" PRId64 " of %" PRId64 " rows, and the fit gets better without end%s; ",
            logistic ? "tells 0 from 1 without an error in"
                     : "tells exactly where 0 is counted, in",
            m->certain, rows,
            !logistic           ? ""
            : m->certain < rows ? " (quasi-complete separation)"
                                : " (complete separation)");
    fputs("leave it out, or keep coefficients small with --l2 0.1\n", stderr);
    return FAILED;
}

int find_minimum(job *j)
{
    minimum *m = &j->minimum;
    const loss *l = &j->set.loss;
    const bool intercept = !j->set.no_intercept;
    const bool found = l->kind == LOSS_QUANTILE ? minimise_quantile(l, &j->train, intercept, m)
                                                : minimise(l, &j->train, intercept, m);
    if (!found) return FAILED;
    if (m->ending == MINIMUM_NONE) return report_no_minimum(j);
    j->fit = (fit){.line = m->line,
                   .coefficients = m->coefficients,
                   .misses = m->misses,
                   .miss = m->miss,
                   .errors = loss_is_likelihood(l) && l->l2 == 0 ? m->errors : NULL,
                   .epochs = m->steps};
    j->fit.converged = l->kind == LOSS_QUANTILE
                           ? m->ending != MINIMUM_MISSED
                           : m->ending == MINIMUM_FOUND && m->miss <= FIT_CLOSE;
    return DONE;
}

tg_tensor *predict(const job *j, tg_tensor *x)
{
    return loss_prediction(&j->set.loss, line_predict(&j->fit.line, x));
}

static double weighted_sum(const sample *rows, tg_tensor *each)
{
    return tg_item(tg_sum(rows->weights ? tg_mul(each, rows->weights) : each));
}

double sum_losses(const job *j, const sample *rows, tg_tensor *eta)
{
    return weighted_sum(rows, loss_of_rows(&j->set.loss, eta, rows->y));
}

double sum_floors(const job *j, const sample *rows)
{
    return weighted_sum(rows, loss_floor(&j->set.loss, rows->y));
}

double sum_weights(const sample *rows)
{
    return weighted_sum(rows, tg_ones_like(rows->y));
}
