/* The picture that --plot asks for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../common/plot.h"
#include "regress.h"

/* Draws the rows as points: the target against the feature if there is one, else the predictions
 * against the target. */
static void plot_rows(plot *p, const job *j, const char *label, const char *color, sample rows)
{
    bool single = j->terms.n_features == 1;
    tg_tensor *x = single ? rows.x : rows.y;
    tg_tensor *y = single ? rows.y : predict(j, rows.x);
    const double *xs = values_of(x), *ys = values_of(y);
    if (xs && ys) plot_points(p, label, color, (size_t)y->shape[0], xs, ys);
}

int draw(const job *j)
{
    bool single = j->terms.n_features == 1;
    const char *target = j->set.target;
    plot *p =
        plot_new(single ? "Data and fitted line" : "Predictions against the target",
                 single ? j->terms.features->name : target, single ? target : "predicted", false);
    plot_rows(p, j, j->held.x ? "rows trained on" : "data", PLOT_BLUE, j->train);
    if (j->held.x) plot_rows(p, j, "rows held out", PLOT_ORANGE, j->held);

    const int64_t n = loss_is_likelihood(&j->set.loss) ? 201 : 2; /* whose prediction bends */
    tg_tensor *along = single ? j->train.x : j->train.y;
    double ends[] = {tg_item(tg_min(along)), tg_item(tg_max(along))};
    tg_tensor *points = tg_unsqueeze(tg_linspace(j->tg, TG_F64, ends[0], ends[1], n), 1);
    const double *x = values_of(points), *y = single ? values_of(predict(j, points)) : NULL;
    if (x && y) plot_line(p, "fitted line", PLOT_BLACK, (size_t)n, x, y);
    if (!single) plot_dashes(p, "predicted = target", PLOT_BLACK, 2, ends, ends);
    if (plot_save(p, j->set.plot)) return DONE;
    fprintf(stderr, "%s: %s\n", j->set.plot, strerror(errno));
    return FAILED;
}
