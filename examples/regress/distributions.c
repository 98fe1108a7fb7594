#include "distributions.h"

#include <float.h>
#include <math.h>

/* What Stirling's formula leaves of log gamma: log(gamma(z)) = (z - 1/2) log(z) - z + log(2 pi) / 2
 * + rest (DLMF 5.11.1). The first term that is left out is below 1e-17 for z >= 16. */
static double stirling_rest(double z)
{
    static const double terms[] = {1. / 12,   -1. / 360,      1. / 1260, -1. / 1680,
                                   1. / 1188, -691. / 360360, 1. / 156,  -3617. / 122400};
    double sum = 0;
    for (int i = 7; i >= 0; i--) sum = sum / (z * z) + terms[i];
    return sum / z;
}

/* log(gamma(a + b) / gamma(a)) for a >= b. The difference of two logarithms of gamma would lose the
 * digits that both have in common, which are most of them if a is large. */
static double log_gamma_ratio(double a, double b)
{
    double product = 1; /* gamma(a + n) / gamma(a) gamma(a + b) / gamma(a + b + n) */
    for (; a < 16; a++) product *= a / (a + b);
    return log(product) + (a - 0.5) * log1p(b / a) + b * (log(a + b) - 1) + stirling_rest(a + b) -
           stirling_rest(a);
}

static double log_beta(double a, double b)
{
    const double low = fmin(a, b);
    return lgamma(low) - log_gamma_ratio(fmax(a, b), low);
}

/* The denominator number n of the fraction below. The excess is formed from the smaller of x and y,
 * which has more digits than 1 less the larger one. */
static double denominator(double a, double b, double x, double y, double n)
{
    const double first = n > 0 ? n * (b - n) * x / (a + 2 * n - 1) : 0;
    const double excess = x < y ? a - (a + b) * x : (a + b) * y - b;
    return n + first + (a + n) * (excess + 1 + n * (1 + y)) / (a + 2 * n + 1);
}

/* The continued fraction of the incomplete beta function for x + y = 1: the even part of DLMF
 * 8.17.22, in which 1 - x appears as y (Didonato and Morris, ACM TOMS 18, 1992, equation 9). It is
 * taken from its front to its back by the modified method of Lentz (Thompson and Barnett, J.
 * Comput. Phys. 64, 1986). */
static double beta_fraction(double a, double b, double x, double y)
{
    double value = denominator(a, b, x, y, 0), c = value, d = 0;
    for (double n = 1; n < 1e6; n++) {
        const double share = x / (a + 2 * n - 1);
        const double numerator = (a + n - 1) * share * (a + b + n - 1) * share * n * (b - n);
        const double below = denominator(a, b, x, y, n);
        d = 1 / (below + numerator * d);
        c = below + numerator / c;
        value *= c * d;
        if (fabs(c * d - 1) < DBL_EPSILON) break;
    }
    return 1 / value;
}

/* The regularised incomplete beta function at x = odds / (1 + odds). With the odds, neither x nor
 * 1 - x loses digits where it is small. */
static double incomplete_beta(double a, double b, double odds)
{
    const double x = 1 / (1 + 1 / odds), y = 1 / (1 + odds);
    if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 / odds);
    const double front = exp(-a * log1p(1 / odds) - b * log1p(odds) - log_beta(a, b));
    return front > 0 ? front * beta_fraction(a, b, x, y) : 0;
}

double normal_two_sided(double z)
{
    return erfc(fabs(z) * 0.707106781186547524);
}

double student_t_two_sided(double t, double df)
{
    return isnan(t) ? NAN : incomplete_beta(df / 2, 0.5, df / t / t);
}

/* By a rational approximation (Abramowitz and Stegun, 26.2.23), whose error of 4.5e-4 two steps of
 * Halley's method bring below rounding. */
double normal_quantile(double p)
{
    if (p > 0.5) return -normal_quantile(1 - p);
    const double y = sqrt(-2 * log(p));
    double x = (2.515517 + y * (0.802853 + y * 0.010328)) /
                   (1 + y * (1.432788 + y * (0.189269 + y * 0.001308))) -
               y;
    for (int i = 0; i < 2; i++) {
        const double density = exp(-x * x / 2) / sqrt(2 * acos(-1));
        const double step = (erfc(-x / sqrt(2)) / 2 - p) / density;
        x -= step / (1 + x * step / 2);
    }
    return x;
}

double f_upper(double f, double df1, double df2)
{
    return isnan(f) ? NAN : incomplete_beta(df2 / 2, df1 / 2, df2 / df1 / f);
}

/* By Newton's method for log p as a function of log t, which is almost a straight line far out. */
double student_t_bound(double p, double df)
{
    double t = 1;
    for (int i = 0; i < 100; i++) {
        const double now = student_t_two_sided(t, df);
        const double density =
            exp(-(df + 1) / 2 * log1p(t * t / df) - log_beta(df / 2, 0.5)) / sqrt(df);
        const double step = (log(now) - log(p)) * now / (2 * density * t);
        t *= exp(fmax(-1, fmin(1, step)));
        if (fabs(step) < 4 * DBL_EPSILON) break;
    }
    return t;
}
