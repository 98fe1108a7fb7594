/* The table of coefficients with their tests, and the statistics of the whole fit below. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "regress.h"
#include "statistics.h"

/* Puts a number with this many significant digits. If it has more digits before the decimal point,
 * the others become zeros. */
static void put_digits(columns *table, int digits, double value)
{
    char text[40];
    const double size = value == 0 ? 0 : floor(log10(fabs(value)));
    if (size >= digits && size < 15) {
        const double unit = pow(10, size + 1 - digits);
        columns_put(table, "%.0f", rint(value / unit) * unit);
        return;
    }
    snprintf(text, sizeof text, "%#.*g", digits, value);
    char *point = strchr(text, '.');
    if (point && (!point[1] || point[1] == 'e')) memmove(point, point + 1, strlen(point));
    columns_put(table, "%s", text);
}

/* Puts a coefficient that is off by `miss`, with the digits that are certain. */
static void put_known(const job *j, columns *table, double value, double miss)
{
    int digits = j->set.digits > 0 ? (int)j->set.digits : 7;
    if (miss > 0) {
        double known = floor(log10(fabs(value))) + 1 - log10(miss);
        if (known < digits) digits = known > 1 ? (int)known : 1;
    }
    put_digits(table, digits, value);
}

/* Puts a number with this many significant digits, unless --digits was given. */
static void put(const job *j, columns *table, int digits, double value)
{
    if (isnan(value))
        columns_put(table, "-");
    else
        put_digits(table, j->set.digits > 0 ? (int)j->set.digits : digits, value);
}

/* Puts a number with this many decimals, unless --digits was given. */
static void put_decimals(const job *j, columns *table, int decimals, double value)
{
    if (j->set.digits > 0 || isnan(value))
        put(j, table, 0, value);
    else
        columns_put(table, fabs(value) < 1e6 ? "%.*f" : "%.*e", decimals, value);
}

/* Writes a probability as text. Below 2e-16 only that is said, unless --digits was given. */
static const char *show_probability(const job *j, double p, char text[32])
{
    if (isnan(p))
        strcpy(text, "-");
    else if (j->set.digits > 0)
        snprintf(text, 32, "%.*g", (int)j->set.digits, p);
    else if (p < 2e-16)
        strcpy(text, "< 2e-16");
    else
        snprintf(text, 32, p < 1e-4 ? "%.1e" : "%.4f", p);
    return text;
}

/* Puts t or z, p, and the interval of a coefficient. */
static void put_test(const job *j, columns *table, double value, double error)
{
    const test of = test_coefficient(j, value, error);
    char p[32];
    put_decimals(j, table, 2, of.t);
    columns_put(table, "%s", show_probability(j, of.p, p));
    put(j, table, 5, of.lower);
    put(j, table, 5, of.upper);
}

/* A table with the columns that are known of the fit. */
static columns *make_table(const job *j)
{
    static char from[32];
    static const char *const t[] = {"", "coefficient", "std. error", "t", "p > |t|", from, "to"};
    static const char *const z[] = {"", "coefficient", "std. error", "z", "p > |z|", from, "to"};
    static const char *const misses[] = {"", "coefficient", "std. error", "least squares"};
    snprintf(from, sizeof from, "%.6g %% from", 100 * j->set.level);
    if (!j->fit.errors) return columns_new(2, t);
    if (!j->fit.converged) return columns_new(4, misses);
    return columns_new(7, loss_is_likelihood(&j->set.loss) ? z : t);
}

static void report_coefficients(const job *j)
{
    const fit *f = &j->fit;
    columns *table = make_table(j);
    for (int64_t i = 0; f->coefficients && i < f->coefficients->numel; i++) {
        const double value = tg_get(f->coefficients, TG_INDEX(i));
        columns_put(table, "%s", name_of(j, i));
        put_known(j, table, value, f->misses ? tg_get(f->misses, TG_INDEX(i)) : fabs(value));
        if (!f->errors) continue;
        const double error = tg_get(f->errors, TG_INDEX(i));
        put(j, table, 5, error);
        if (f->converged)
            put_test(j, table, value, error);
        else
            put_known(j, table, tg_get(j->exact.coefficients, TG_INDEX(i)), 0);
    }
    fputc('\n', j->report);
    columns_write(table, j->report);
    fputc('\n', j->report);
}

/* Whether the residuals are no more than what rounding of y leaves. */
static bool without_scatter(const least_squares *exact, double size)
{
    return sqrt(exact->squares / exact->weight) <= 4 * DBL_EPSILON * size ||
           sqrt(exact->squares) <= exact->doubt;
}

static void report_statistics(const job *j, const statistics *s)
{
    if (s->freedom == 0) {
        fputs("no degree of freedom remains: the scatter of the data cannot be told\n\n",
              j->report);
        return;
    }
    if (without_scatter(&j->exact, size_of(j->range.y, 0)))
        fputs("the fit is exact to rounding: standard errors and tests tell of rounding alone\n",
              j->report);
    const int digits = j->set.digits > 0 ? (int)j->set.digits : 4;
    const int decimals = j->set.digits > 0 ? digits : 6;
    char p[32];
    fprintf(j->report, "residual standard error %.*g on %.0f %s of freedom;  ", digits, s->error,
            s->freedom, s->freedom == 1 ? "degree" : "degrees");
    fprintf(j->report, "R2 %.*f, adjusted %.*f\n", decimals, s->r2, decimals, s->adjusted_r2);
    show_probability(j, s->f_p, p);
    fprintf(j->report, "F(%.0f, %.0f) %.*g, p %s%s;  ", s->f_freedom, s->freedom, digits, s->f,
            *p == '<' ? "" : "= ", p);
    fprintf(j->report, "log-likelihood %.*g, AIC %.*g\n\n", digits + 2, s->log_likelihood,
            digits + 2, s->aic);
}

static void report_deviance(const job *j, const statistics *s)
{
    const int digits = j->set.digits > 0 ? (int)j->set.digits : 6;
    fprintf(j->report, "null deviance %.*g on %.0f degrees of freedom;  ", digits, s->null_deviance,
            s->null_freedom);
    fprintf(j->report, "residual deviance %.*g on %.0f\n", digits, s->deviance, s->freedom);
    fprintf(j->report, "log-likelihood %.*g", digits, s->log_likelihood);
    if (!isnan(s->aic)) fprintf(j->report, ", AIC %.*g", digits, s->aic);
    fputs("\n\n", j->report);
}

/* Prints how many rows are so far from the fit that their loss is linear in the distance. */
static void report_far(const job *j)
{
    tg_tensor *d = tg_abs(tg_sub(j->train.y, line_predict(&j->fit.line, j->train.x)));
    tg_tensor *far = tg_cast(tg_gt_scalar(d, j->set.loss.number), TG_F64);
    fprintf(j->report, "%.0f rows are further than delta from the fit\n", tg_item(tg_sum(far)));
}

/* Prints the loss, and what is not given and why. */
static void report_loss(const job *j)
{
    const int digits = j->set.digits > 0 ? (int)j->set.digits : 6;
    const bool penalised = j->set.loss.l2 > 0;
    fprintf(j->report, "sum of the losses of %" PRId64 " rows %.*g%s\n", j->train.y->numel, digits,
            j->minimum.loss, penalised ? ", without the penalty" : "");
    if (j->set.loss.kind == LOSS_HUBER) report_far(j);
    fprintf(j->report, "standard errors are not given, since %s\n\n",
            penalised ? "the penalty biases the coefficients"
                      : "this loss tells nothing of the distribution of the errors");
}

void summarise(const job *j)
{
    const statistics s = find_statistics(j);
    report_coefficients(j);
    if (loss_is_exact(&j->set.loss)) {
        if (j->fit.converged) report_statistics(j, &s);
        return;
    }
    if (loss_is_likelihood(&j->set.loss)) report_deviance(j, &s);
    if (!j->fit.errors) report_loss(j);
}
