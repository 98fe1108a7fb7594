/* The report, but for its table: the model, what is left out, warnings, how training ended, and how
 * well rows are predicted. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "../common/utf8.h"
#include "regress.h"
#include "statistics.h"

const char *name_of(const job *j, int64_t coefficient)
{
    const int64_t i = coefficient - j->exact.intercept;
    return i < 0 ? "intercept" : j->terms.features[i].name;
}

/* The number of a feature that is number i of the exact fit. */
static int64_t feature_of(const job *j, int64_t i)
{
    return j->kept ? (int64_t)tg_get(j->kept, TG_INDEX(i)) : i;
}

static void print_name(const job *j, const char *name)
{
    char shown[256];
    fputs(utf8_show(name, shown, sizeof shown), j->report);
}

/* Prints a list of features, with text before and after. Prints nothing if n is 0. */
static void report_names(const job *j, const char *before, const feature *list, size_t n,
                         const char *after)
{
    if (!n) return;
    fputs(before, j->report);
    for (size_t i = 0; i < n && i < 12; i++) {
        fputs(i ? ", " : "", j->report);
        print_name(j, list[i].name);
    }
    fprintf(j->report, "%s%s\n", n > 12 ? ", ..." : "", after);
}

/* Whether a level of a factor is left out of a term. */
static bool leaves_level_out(const terms *t, size_t v)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->all[i].n; k++)
            if (t->all[i].variables[k] == v && !t->all[i].full[k]) return true;
    return false;
}

/* Prints which levels of factors the others are compared with. */
static void report_levels(const job *j)
{
    for (size_t i = 0; i < j->terms.n_inputs; i++) {
        const variable *v = &j->terms.variables[i];
        if (v->how != FACTOR) continue;
        print_name(j, v->name);
        fprintf(j->report, ": %zu levels, ", v->levels.n);
        if (leaves_level_out(&j->terms, i)) {
            fputs("compared with ", j->report);
            print_name(j, v->levels.sorted->name);
            fputs(", which is left out\n", j->report);
        } else {
            fputs("each with features of its own\n", j->report);
        }
    }
    const variable *v = target_variable(j);
    if (v->how != FACTOR) return;
    print_name(j, v->column);
    fputs(": 0 is ", j->report);
    print_name(j, v->levels.sorted[0].name);
    fputs(", 1 is ", j->report);
    print_name(j, v->levels.sorted[1].name);
    fputc('\n', j->report);
}

/* Prints how the file is written, unless it has commas between its cells and decimal points. */
static void report_file(const job *j)
{
    const char separator = j->file->separator;
    char shown[] = {'\'', separator, '\'', 0};
    if (separator == ',' && j->file->decimal == '.') return;
    fprintf(j->report, "%s: cells separated by %s, decimal %s\n", j->set.data,
            separator == '\t'  ? "tabs"
            : separator == ' ' ? "spaces"
                               : shown,
            j->file->decimal == ',' ? "comma" : "point");
}

/* Prints which rows and features are left out. */
static void report_omissions(const job *j)
{
    const terms *t = &j->terms;
    const int64_t dropped = j->file->dropped, with = j->file->rows;
    const int64_t weightless = (int64_t)t->n_weightless;
    if (dropped)
        fprintf(j->report,
                "%" PRId64 " of %" PRId64 " rows (%" PRId64 " left out: a value is missing)\n",
                with, with + dropped, dropped);
    if (weightless)
        fprintf(j->report,
                "%" PRId64 " of %" PRId64 " rows (%" PRId64 " left out: their weight is 0)\n",
                with - weightless, with, weightless);
    if (!j->set.features && !*j->file->names[0])
        fputs("left out: the first column, which has no name\n", j->report);
    report_names(j, "left out: ", t->features + t->n_features, t->n_made - t->n_features,
                 " (a combination of features before)");
    if (j->kept)
        fprintf(j->report,
                "%" PRId64
                " of %zu features are combinations of the others: of all coefficients that fit "
                "equally well,\n"
                "these have the minimum norm. Single coefficients are not determined, and have no "
                "standard errors\n",
                (int64_t)t->n_features - j->kept->numel, t->n_features);
}

/* Warns if the features almost depend on each other. Names those with a large element in the
 * eigenvector of the smallest eigenvalue, because their combination is almost constant. */
static void report_condition(const job *j)
{
    if (j->exact.dependent >= 0) {
        fputs("features depend on each other: the penalty alone tells their coefficients apart\n",
              j->report);
        return;
    }
    const double condition = least_squares_condition(&j->exact);
    if (condition < 1000) return;
    feature involved[12];
    size_t n = 0;
    for (int64_t i = 0; i < j->exact.features && n < 12; i++)
        if (fabs(tg_get(j->exact.flattest, TG_INDEX(i))) > 0.2)
            involved[n++] = j->terms.features[feature_of(j, i)];
    fprintf(j->report, "warning: features almost depend on each other (condition number %.2g)",
            condition);
    report_names(j, ": ", involved, n, "");
    if (!n) fputc('\n', j->report);
}

/* Prints the terms that have features. More than 12 are only counted. */
static void report_terms(const job *j)
{
    const terms *t = &j->terms;
    size_t n = 0;
    for (size_t i = 0; i < t->n_features; i++)
        n += i == 0 || t->features[i].term != t->features[i - 1].term;
    for (size_t i = 0; i < t->n_features && n <= 12; i++)
        if (i == 0 || t->features[i].term != t->features[i - 1].term) {
            fputs(i ? " + " : "", j->report);
            print_name(j, t->all[t->features[i].term].name);
        }
    if (n > 12) fprintf(j->report, "%zu features", t->n_features);
}

/* Prints the model, the method and the dtype. */
static void report_model(const job *j)
{
    static const char *const methods[] = {"least squares", "trained by SGD", "trained by LBFGS"};
    print_name(j, j->set.target);
    fputs(" ~ ", j->report);
    report_terms(j);
    if (j->set.no_intercept) fputs(", no intercept", j->report);
    if (j->set.weights) {
        fputs(", weighted by ", j->report);
        print_name(j, j->set.weights);
    }
    const loss *l = &j->set.loss;
    const char *method = l->kind == LOSS_QUANTILE ? "simplex method"
                         : !loss_is_exact(l)      ? "Newton's method"
                                                  : methods[j->set.method];
    if (!loss_is_exact(l)) fprintf(j->report, ", %s loss", loss_name(l));
    if (l->kind == LOSS_HUBER) fprintf(j->report, " with delta %.9g", l->number);
    if (l->kind == LOSS_QUANTILE) fprintf(j->report, " for the quantile %.9g", l->number);
    if (l->l2 > 0) fprintf(j->report, " with l2 %.9g", l->l2);
    fprintf(j->report, ", %s, %s\n", method,
            j->set.float64 || j->set.method == FIT_LS ? "float64" : "float32");
}

/* Why training ended before it converged, and what to do. */
static const char *advice(const job *j)
{
    if (j->set.batch_size > 0)
        return "small batches stay near the minimum; without --batch-size it is reached";
    if (!j->fit.resting) return "raise --epochs, or take --method ls";
    return j->set.float64 ? "training gets no closer; take --method ls"
                          : "float32 gets no closer; take --float64 or --method ls";
}

/* The coefficient whose miss is the largest in its standard errors. */
static int64_t worst_of(const job *j)
{
    return (int64_t)tg_item(tg_argmax(tg_div(j->fit.misses, j->exact.unit_errors)));
}

static void report_training(const job *j)
{
    const fit *f = &j->fit;
    fprintf(j->report, "%s after %" PRId64 " %s, %.3g s",
            f->converged ? "converged" : "NOT converged", f->epochs,
            j->set.method == FIT_SGD ? "epochs" : "evaluations", f->seconds);
    if (j->set.method == FIT_SGD)
        fprintf(j->report, " (lr %.6g, momentum %.6g)", f->lr, f->momentum);
    if (f->converged) {
        fprintf(j->report, ": each coefficient is within %.1g standard errors of the exact one\n",
                f->miss);
    } else {
        fputs("\n  ", j->report);
        print_name(j, name_of(j, worst_of(j)));
        fprintf(j->report, " is %.3g standard errors from the least-squares value: %s\n", f->miss,
                advice(j));
    }
}

/* How the search for the minimum of a loss ended. */
static void report_minimum(const job *j)
{
    const minimum *m = &j->minimum;
    const char *what = j->set.loss.kind == LOSS_QUANTILE ? "edge" : "step";
    fprintf(j->report, "%s after %" PRId64 " %s%s",
            j->fit.converged ? "converged" : "NOT converged", m->steps, what,
            m->steps == 1 ? "" : "s");
    if (m->ending == MINIMUM_FLAT)
        fputs(": the minimum is not unique, other coefficients have the same loss\n", j->report);
    else if (m->ending == MINIMUM_MISSED)
        fputs(": how far the minimum is cannot be told\n", j->report);
    else if (j->set.loss.kind == LOSS_QUANTILE)
        fputs(": the minimum is exact\n", j->report);
    else
        fprintf(j->report, ": each coefficient is within %.1g standard errors of the minimum\n",
                m->miss);
}

/* Prints how well rows are predicted, in the terms of the loss. */
static void report_quality(const job *j, const quality *q)
{
    const loss_kind kind = j->set.loss.kind;
    if (kind == LOSS_MSE)
        fprintf(j->report, "RMSE %.9g", q->rmse);
    else if (kind == LOSS_POISSON)
        fprintf(j->report, "mean deviance %.9g", q->mean_deviance);
    else
        fprintf(j->report, "mean loss %.9g", q->mean_loss);
    if (!isnan(q->r2)) fprintf(j->report, ", R2 %.9f", q->r2);
    if (kind == LOSS_QUANTILE) fprintf(j->report, ", %.4f of the rows above", q->above);
    if (kind == LOSS_LOGISTIC)
        fprintf(j->report, ", %.4f of the rows on the right side of 1/2", q->right);
}

/* A line of how well the fit predicts rows. */
static void report_rows(const job *j, const char *name, const sample *rows, int64_t n)
{
    fprintf(j->report, "%-9s %" PRId64 " rows, ", name, n);
    const quality q = find_quality(j, rows);
    report_quality(j, &q);
    fputc('\n', j->report);
}

void report(const job *j)
{
    report_model(j);
    report_file(j);
    report_omissions(j);
    report_levels(j);
    report_condition(j);
    if (j->once)
        fputs("read once, from a pipe: fewer digits are certain than of a file, and printed\n",
              j->report);
    if (j->set.method != FIT_LS) report_training(j);
    if (!loss_is_exact(&j->set.loss)) report_minimum(j);
    summarise(j);
    report_rows(j, "trained", &j->train, j->exact.rows);
    if (j->held.x)
        report_rows(j, "held out", &j->held, j->held.y->numel);
    else
        fputs("held out  none (--test-fraction 0.2 holds out a fifth)\n", j->report);
}
