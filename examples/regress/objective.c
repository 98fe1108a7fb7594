/* Fits by other losses than squared error: what they ask of the target, and what they predict. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "regress.h"

/* Prints where a row is, up to its value. The line is known if each row has one, and none is left
 * out. */
static int refuse(const job *j, int64_t row, double value, const char *wanted)
{
    fprintf(stderr, "%s:", j->set.data);
    if (j->file.line == j->file.n_rows + 2) fprintf(stderr, "%" PRId64 ":", row + 2);
    fprintf(stderr, " column '%.60s' holds %.9g where %s\n", j->set.target, value, wanted);
    return FAILED;
}

int check_target(const job *j, tg_tensor *y)
{
    const loss_kind kind = j->set.loss.kind;
    const double *values = values_of(y);
    for (int64_t i = 0; values && loss_is_likelihood(&j->set.loss) && i < y->numel; i++) {
        const double v = values[i];
        if (kind == LOSS_LOGISTIC && v != 0 && v != 1)
            return refuse(j, i, v, "--loss logistic takes 0 or 1");
        if (kind == LOSS_POISSON && (v < 0 || v != floor(v)))
            return refuse(j, i, v, "--loss poisson takes a count: 0, 1, 2, ...");
    }
    return DONE;
}

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
        fprintf(stderr, "%s'%.60s'", before, name_of(j, i + j->exact.intercept));
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
