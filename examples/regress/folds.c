/* Cross-validation: the rows are dealt into folds, and each is predicted by a fit to the others. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress.h"

/* How well all folds were predicted. */
typedef struct score {
    double sum, weight, low, high;
    int missed; /* folds whose fit has not converged */
} score;

/* RMSE, mean loss or mean deviance, of this sum of losses above their floors. */
static double show_mean(const job *j, double sum, double weight)
{
    const loss_kind kind = j->set.loss.kind;
    const double mean = (kind == LOSS_MSE || kind == LOSS_POISSON ? 2 : 1) * sum / weight;
    return kind == LOSS_MSE ? sqrt(mean) : mean;
}

/* The rows of a fold, or of all others, in the order of the deal. */
static tg_tensor *deal(tg_tensor *order, int64_t from, int64_t to, bool others)
{
    if (!order) return NULL;
    if (!others) return tg_narrow(order, 0, from, to - from);
    tg_tensor *after = tg_narrow(order, 0, to, order->numel - to);
    return tg_cat(TG_LIST(tg_narrow(order, 0, 0, from), after), 0);
}

/* Gives a part of a job its own list of features, from which a fold may drop some. */
static bool copy_features(terms *t)
{
    const size_t bytes = t->n_made * sizeof *t->features;
    feature *copy = malloc(bytes);
    if (copy) memcpy(copy, t->features, bytes);
    t->features = copy;
    return copy != NULL;
}

/* Fits without the fold, and adds its score. */
static int try_fold(const job *j, tg_tensor *order, int64_t from, int64_t to, score *s)
{
    job part = *j;
    if (!copy_features(&part.terms)) return complain("regress: out of memory");
    part.held = take_rows(&j->train, deal(order, from, to, false));
    part.train = take_rows(&j->train, deal(order, from, to, true));
    part.range = find_range(&part.train);
    int status = check_columns(&part);
    if (status == DONE) status = find_fit(&part);
    free(part.terms.features);
    if (status != DONE || !tg_ok(j->tg)) return FAILED;
    tg_tensor *eta = line_predict(&part.fit.line, part.held.x);
    const double sum = sum_losses(&part, &part.held, eta) - sum_floors(&part, &part.held);
    const double weight = sum_weights(&part.held), mean = show_mean(j, sum, weight);
    s->sum += sum;
    s->weight += weight;
    s->low = fmin(s->low, mean);
    s->high = fmax(s->high, mean);
    s->missed += !part.fit.converged;
    return DONE;
}

/* Prints the score of all folds, in the terms of the loss. */
static void report_folds(const job *j)
{
    static const char *const names[] = {[LOSS_MSE] = "RMSE", [LOSS_POISSON] = "mean deviance"};
    const folds *f = &j->folds;
    const loss_kind kind = j->set.loss.kind;
    fprintf(j->report, "%" PRId64 " folds   %" PRId64 " rows, %s %.*g, of one fold %.6g to %.6g\n",
            f->n, j->exact.rows,
            kind == LOSS_MSE || kind == LOSS_POISSON ? names[kind] : "mean loss",
            j->set.digits > 0 ? (int)j->set.digits : 9, f->mean, f->low, f->high);
    if (f->missed) fprintf(j->report, "NOT converged in %d of the folds\n", f->missed);
}

int check_folds(const job *j)
{
    const int64_t rows = j->exact.rows, n = (int64_t)j->set.folds;
    const int64_t width = j->set.drop_dependent ? 0 : least_squares_size(&j->exact);
    if (!n || (n <= rows && rows - (rows + n - 1) / n >= (width > 2 ? width : 2))) return DONE;
    fprintf(stderr, "%s: --folds %" PRId64 ": %" PRId64 " rows are too few\n", j->set.data, n,
            rows);
    return FAILED;
}

int cross_validate(job *j)
{
    const int64_t rows = j->exact.rows, n = (int64_t)j->set.folds;
    if (!n) return DONE;
    score s = {.low = INFINITY, .high = -INFINITY};
    tg_tensor *order = tg_randperm(j->tg, rows);
    for (int64_t k = 0; k < n; k++) {
        tg_scope_begin(j->tg);
        const int status = try_fold(j, order, k * rows / n, (k + 1) * rows / n, &s);
        tg_scope_end(j->tg);
        if (status != DONE) return status;
    }
    j->folds = (folds){.n = n,
                       .mean = show_mean(j, s.sum, s.weight),
                       .low = s.low,
                       .high = s.high,
                       .missed = s.missed};
    report_folds(j);
    return s.missed ? NOT_CONVERGED : DONE;
}
