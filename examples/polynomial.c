/* Polynomial regression: progression = w0 + w1 z + w2 z^2 + w3 z^3 of the standardised body mass
 * index z. The model is linear in its weights, so tg_lstsq finds them in one call; LBFGS finds them
 * as well. The fit is drawn in polynomial.svg. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/plot.h"
#include "common/table.h"

enum { BMI = 2, PROGRESSION = 10, DEGREE = 3, CURVE = 200 };

/* A column for each power of z, from 0 on: (n) becomes (n, DEGREE + 1). */
static tg_tensor *powers(tg_tensor *z)
{
    tg_tensor *columns[DEGREE + 1];
    for (int k = 0; k <= DEGREE; k++) columns[k] = tg_pow_scalar(z, k);
    return tg_stack((tg_list){DEGREE + 1, columns}, 1);
}

typedef struct problem {
    tg_optim *optim;
    tg_tensor *X, *y, *w;
} problem;

static tg_tensor *evaluate(void *user)
{
    problem *p = user;
    tg_zero_grad(p->optim);
    tg_tensor *loss = tg_mse_loss(tg_matmul(p->X, p->w), p->y, TG_MEAN);
    tg_backward(loss);
    return loss;
}

static void draw(tg_tensor *bmi, tg_tensor *y, tg_tensor *w)
{
    tg_context *tg = bmi->context;
    const double low = tg_item(tg_min(bmi)), high = tg_item(tg_max(bmi));
    tg_tensor *at = tg_linspace(tg, TG_F64, low, high, CURVE);
    tg_tensor *z = tg_div_scalar(tg_sub_scalar(at, tg_item(tg_mean(bmi))), tg_item(tg_std(bmi, 1)));
    tg_tensor *fit = tg_matmul(powers(z), w);
    plot *p = plot_new("Progression of diabetes by body mass index", "body mass index",
                       "progression after a year", false);
    plot_points(p, "442 patients", PLOT_SKY, (size_t)bmi->numel, tg_data_f64(tg_contiguous(bmi)),
                tg_data_f64(tg_contiguous(y)));
    plot_line(p, "cubic fit", PLOT_RED, CURVE, tg_data_f64(at), tg_data_f64(tg_contiguous(fit)));
    if (plot_save(p, "polynomial.svg")) printf("\nDrawn in polynomial.svg\n");
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    tg_tensor *table = table_read(tg, argc > 1 ? argv[1] : EXAMPLES_DATA "/diabetes.csv");
    if (!table) return tg_close(tg), 1;
    tg_tensor *bmi = table_column(table, BMI), *y = table_column(table, PROGRESSION);
    tg_tensor *z =
        tg_div_scalar(tg_sub_scalar(bmi, tg_item(tg_mean(bmi))), tg_item(tg_std(bmi, 1)));
    tg_tensor *X = powers(z);

    tg_tensor *closed = tg_lstsq(X, y);
    tg_tensor *w = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(DEGREE + 1)), true);
    /* Without tolerances it goes on until the loss, in float64, no longer tells better weights from
     * worse ones. */
    tg_optim *lbfgs = tg_lbfgs_list(
        TG_LIST(w), TG_LBFGS(.strong_wolfe = true, .tolerance_grad = 0, .tolerance_change = 0));
    problem p = {lbfgs, X, y, w};
    for (int step = 0; step < 3; step++)
        printf("step %d from loss %.6f\n", step, tg_step_closure(p.optim, evaluate, &p));

    printf("\n       closed form          LBFGS\n");
    for (int k = 0; k <= DEGREE; k++)
        printf("z^%d %15.6f %15.6f\n", k, tg_get(closed, TG_INDEX(k)), tg_get(w, TG_INDEX(k)));
    tg_tensor *off = tg_abs(tg_sub(tg_detach(w), closed));
    printf("\nlargest difference %.1e\n", tg_item(tg_max(off)));
    if (tg_ok(tg)) draw(bmi, y, closed); /* which reads members of bmi */
    return lecture_close(tg);
}
