/* The table of coefficients with their tests, and the statistics of the whole fit below. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "distributions.h"
#include "regress.h"

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
    int n = snprintf(text, sizeof text, "%#.*g", digits, value);
    if (n > 0 && text[n - 1] == '.') text[n - 1] = 0;
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

/* Puts t, p and the 95 % interval of a coefficient. */
static void put_test(const job *j, columns *table, double value, double error)
{
    const double freedom = (double)least_squares_freedom(&j->exact);
    const double bound = freedom > 0 ? student_t_bound(0.05, freedom) * error : NAN;
    char p[32];
    put_decimals(j, table, 2, value / error);
    columns_put(table, "%s", show_probability(j, student_t_two_sided(value / error, freedom), p));
    put(j, table, 5, value - bound);
    put(j, table, 5, value + bound);
}

static void report_coefficients(const job *j)
{
    static const char *const tests[] = {"",        "coefficient", "std. error", "t",
                                        "p > |t|", "95 % from",   "to"};
    static const char *const misses[] = {"", "coefficient", "std. error", "least squares"};
    columns *table = j->fit.converged ? columns_new(7, tests) : columns_new(4, misses);
    for (int64_t i = 0; i <= j->exact.features; i++) {
        const double value = tg_get(j->fit.coefficients, TG_INDEX(i));
        const double error =
            least_squares_error(&j->exact) * tg_get(j->exact.unit_errors, TG_INDEX(i));
        columns_put(table, "%s", name_of(j, i));
        put_known(j, table, value, tg_get(j->fit.misses, TG_INDEX(i)));
        put(j, table, 5, error);
        if (j->fit.converged)
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
    return sqrt(exact->squares / (double)exact->rows) <= 4 * DBL_EPSILON * size;
}

/* Prints the statistics of the whole fit. The log-likelihood is that of normal errors whose
 * variance is the mean square of the residuals, and AIC counts that variance as a parameter, as R
 * does. */
static void report_statistics(const job *j)
{
    const least_squares *exact = &j->exact;
    const int64_t freedom = least_squares_freedom(exact);
    if (freedom == 0) {
        fputs("no degree of freedom remains: the scatter of the data cannot be told\n\n",
              j->report);
        return;
    }
    if (without_scatter(exact, size_of(j->train.y, 0)))
        fputs("the fit is exact to rounding: standard errors and tests tell of rounding alone\n",
              j->report);
    const double n = (double)exact->rows, k = (double)exact->features, df = (double)freedom;
    const double f = (exact->total - exact->squares) / k / (exact->squares / df);
    const double likelihood = -n / 2 * (log(2 * acos(-1) * exact->squares / n) + 1);
    const int digits = j->set.digits > 0 ? (int)j->set.digits : 4;
    const int decimals = j->set.digits > 0 ? digits : 6;
    char p[32];
    fprintf(j->report, "residual standard error %.*g on %" PRId64 " %s of freedom;  ", digits,
            least_squares_error(exact), freedom, freedom == 1 ? "degree" : "degrees");
    fprintf(j->report, "R2 %.*f, adjusted %.*f\n", decimals, 1 - exact->squares / exact->total,
            decimals, 1 - exact->squares / df / (exact->total / (n - 1)));
    show_probability(j, f_upper(f, k, df), p);
    fprintf(j->report, "F(%.0f, %.0f) %.*g, p %s%s;  ", k, df, digits, f, *p == '<' ? "" : "= ", p);
    fprintf(j->report, "log-likelihood %.*g, AIC %.*g\n\n", digits + 2, likelihood, digits + 2,
            2 * (k + 2) - 2 * likelihood);
}

void summarise(const job *j)
{
    report_coefficients(j);
    if (j->fit.converged) report_statistics(j);
}
