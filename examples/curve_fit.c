/* A curve of one's own, fitted by least squares, with its standard errors: logistic growth,
 * y = b1 / (1 + exp(b2 - b3 x)), of the yield of pasture over time. The data are NIST's set Rat42,
 * whose parameters and standard errors are certified. The fit is drawn in curve_fit.svg. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/plot.h"
#include "common/table.h"

enum { YIELD, TIME, PARAMETERS = 3, CURVE = 200 };

static const double certified[PARAMETERS] = {72.462237576, 2.6180768402, 0.067359200066};
static const double certified_errors[PARAMETERS] = {1.7340283401, 0.088295217536, 0.0034465663377};

/* Student's t, of 9 - 3 degrees of freedom, that is exceeded in size with probability 5 %. */
static const double t_95 = 2.4469118511;

/* The curve: the inputs are x and the parameters. 1 / (1 + exp(-a)) is sigmoid(a). */
static tg_tensor *growth(tg_list inputs, void *user)
{
    tg_tensor *x = inputs.items[0], *b = inputs.items[1];
    tg_tensor *b1 = tg_select(b, 0, 0), *b2 = tg_select(b, 0, 1), *b3 = tg_select(b, 0, 2);
    (void)user;
    return tg_mul(b1, tg_sigmoid(tg_sub(tg_mul(b3, x), b2)));
}

/* The half width of the 95 % confidence band of the curve at each x: t times the standard error of
 * the curve, whose square is g C g, where g is the derivative of the curve by the parameters and C
 * the covariance of the parameters. */
static tg_tensor *band(tg_tensor *x, const tg_curve_fit_result *fit)
{
    tg_tensor *by[2]; /* the derivatives by x and by the parameters, which are (CURVE, 3) */
    tg_jacobian(growth, TG_LIST(x, fit->parameters), NULL, by);
    tg_tensor *variance =
        tg_sum_dims(tg_mul(tg_matmul(by[1], fit->covariance), by[1]), TG_DIMS(1), false);
    return tg_mul_scalar(tg_sqrt(variance), t_95);
}

static void draw(tg_tensor *x, tg_tensor *y, const tg_curve_fit_result *fit)
{
    double xs[CURVE], values[CURVE];
    tg_tensor *at = tg_linspace(x->context, TG_F64, 0, 90, CURVE);
    tg_tensor *curve = growth(TG_LIST(at, fit->parameters), NULL), *half = band(at, fit);
    plot *p = plot_new("Logistic growth, and its 95 % confidence band", "time", "yield", false);
    if (tg_copy_to_f64(x, xs) && tg_copy_to_f64(y, values))
        plot_points(p, "data (Rat42)", PLOT_BLACK, (size_t)x->numel, xs, values);
    if (tg_copy_to_f64(at, xs) && tg_copy_to_f64(curve, values))
        plot_line(p, "fitted curve", PLOT_RED, CURVE, xs, values);
    if (tg_copy_to_f64(tg_sub(curve, half), values))
        plot_dashes(p, "95 % band", PLOT_BLUE, CURVE, xs, values);
    if (tg_copy_to_f64(tg_add(curve, half), values))
        plot_dashes(p, NULL, PLOT_BLUE, CURVE, xs, values);
    if (plot_save(p, "curve_fit.svg")) printf("\nDrawn in curve_fit.svg\n");
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_tensor *table = table_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/rat42.csv");
    if (!table) return tg_close(tg), 1;
    tg_tensor *x = table_column(table, TIME), *y = table_column(table, YIELD);
    tg_tensor *start = tg_from_f64(tg, TG_SHAPE(PARAMETERS), (double[]){100, 1, 0.1});

    tg_curve_fit_result fit = tg_curve_fit(growth, x, y, start, NULL, NULL);
    if (!tg_ok(tg)) return lecture_close(tg);
    printf("%s: %d steps, %d evaluations\n\n", fit.message, (int)fit.iterations, (int)fit.nfev);
    printf("            parameter   std. error    certified   std. error\n");
    for (int i = 0; i < PARAMETERS; i++)
        printf("  b%d  %15.8g %12.7g %12.8g %12.7g\n", i + 1, tg_get(fit.parameters, TG_INDEX(i)),
               tg_get(fit.std_errors, TG_INDEX(i)), certified[i], certified_errors[i]);
    printf("\nresidual standard deviation %.8g\n", fit.residual_std);
    draw(x, y, &fit);
    return lecture_close(tg);
}
