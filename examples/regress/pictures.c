/* The pictures that --plot and --plots ask for. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/plot.h"
#include "distributions.h"
#include "regress.h"

/* The places where a fitted curve is computed. */
#define CURVE 201

/* What a picture shows of rows: a column along each axis. */
typedef struct view {
    tg_tensor *x, *y;
} view;

typedef view view_function(const job *j, const sample *rows);

static tg_tensor *fitted(const job *j, const sample *rows)
{
    return predict(j, rows->x);
}

/* The feature that a curve can be drawn against: the only one, or a column that all features are
 * computed from. -1 if there is none. */
static int64_t axis_of(const job *j)
{
    const terms *t = &j->terms;
    if (t->n_features == 1) return 0;
    for (size_t i = 0; i < t->n_inputs; i++)
        if (t->variables[i].how == FACTOR ||
            strcmp(t->variables[i].column, t->variables->column) != 0)
            return -1;
    for (size_t i = 0; i < t->n_features; i++) {
        const term *of = &t->all[t->features[i].term];
        const variable *v = &t->variables[of->variables[0]];
        if (of->n == 1 && v->how == PLAIN && v->power == 1) return (int64_t)i;
    }
    return -1;
}

static bool is_straight(const job *j)
{
    return j->terms.n_features == 1 && !loss_is_likelihood(&j->set.loss);
}

/* The features where the axis has these values. */
static tg_tensor *features_along(const job *j, const double *at, size_t n)
{
    const terms *t = &j->terms;
    if (t->n_features == 1) return tg_from_f64(j->tg, TG_SHAPE((int64_t)n, 1), at);
    tg_tensor *variables = tg_empty(j->tg, TG_F64, TG_SHAPE((int64_t)n, (int64_t)t->n_inputs));
    double *v = variables ? variables->data : NULL;
    for (size_t i = 0; v && i < n; i++)
        for (size_t k = 0; k < t->n_inputs; k++)
            v[i * t->n_inputs + k] = variable_value(&t->variables[k], at[i]);
    return v ? make_features(j, v, n, t->n_inputs) : NULL;
}

static view view_data(const job *j, const sample *rows)
{
    return (view){tg_select(rows->x, 1, axis_of(j)), rows->y};
}

static view view_predictions(const job *j, const sample *rows)
{
    return (view){rows->y, fitted(j, rows)};
}

static view view_residuals(const job *j, const sample *rows)
{
    tg_tensor *y = fitted(j, rows);
    return (view){y, tg_sub(rows->y, y)};
}

/* The residuals in their order, each beside what it would be on average in a sample, of that size,
 * of a normal distribution. With weights, it is the residual times the root of the weight that has
 * the same variance in all rows. */
static view view_quantiles(const job *j, const sample *rows)
{
    tg_tensor *rest = view_residuals(j, rows).y;
    if (rows->weights) rest = tg_mul(rest, tg_sqrt(rows->weights));
    tg_tensor *sorted = tg_sort(tg_flatten(rest, 0, -1), 0);
    const int64_t n = sorted ? sorted->numel : 1;
    tg_tensor *normal = tg_empty(j->tg, TG_F64, TG_SHAPE(n));
    double *at = normal ? normal->data : NULL;
    for (int64_t i = 0; at && i < n; i++) at[i] = normal_quantile(((double)i + 0.5) / (double)n);
    return (view){normal, sorted};
}

static void add_rows(plot *p, const job *j, view_function *look)
{
    const view train = look(j, &j->train);
    const double *x = values_of(train.x), *y = values_of(train.y);
    const char *label = j->held.x ? "rows trained on" : "data";
    if (x && y) plot_points(p, label, PLOT_BLUE, (size_t)train.x->numel, x, y);
    if (!j->held.x) return;
    const view held = look(j, &j->held);
    const double *held_x = values_of(held.x), *held_y = values_of(held.y);
    if (held_x && held_y)
        plot_rings(p, "rows held out", PLOT_RED, (size_t)held.x->numel, held_x, held_y);
}

/* A straight line over the range of t. */
static void add_dashes(plot *p, const char *label, tg_tensor *t, double intercept, double slope)
{
    const double x[] = {tg_item(tg_min(t)), tg_item(tg_max(t))};
    const double y[] = {intercept + slope * x[0], intercept + slope * x[1]};
    plot_dashes(p, label, PLOT_BLACK, 2, x, y);
}

/* The fit over the range of the axis, between the bounds of its prediction interval. */
static void add_curve(plot *p, const job *j)
{
    tg_tensor *axis = view_data(j, &j->train).x;
    const double least = tg_item(tg_min(axis)), most = tg_item(tg_max(axis));
    double at[CURVE], bound[CURVE];
    char interval[48];
    snprintf(interval, sizeof interval, "%.6g %% prediction interval", 100 * j->set.level);
    for (int i = 0; i < CURVE; i++) at[i] = least + (most - least) * i / (CURVE - 1);
    tg_tensor *x = features_along(j, at, CURVE);
    const double *y = values_of(predict(j, x));
    const double *margins = values_of(interval_margins(j, x));
    for (int side = -1; y && margins && side <= 1; side += 2) {
        for (int i = 0; i < CURVE; i++) bound[i] = y[i] + side * margins[i];
        plot_dashes(p, side < 0 ? interval : NULL, PLOT_GREEN, CURVE, at, bound);
    }
    const char *label = is_straight(j) ? "fitted line" : "fitted curve";
    if (y) plot_line(p, label, PLOT_BLACK, CURVE, at, y);
}

static plot *draw_fit(const job *j)
{
    const char *axis = j->terms.features[axis_of(j)].name;
    plot *p = plot_new(is_straight(j) ? "Data and fitted line" : "Data and fitted curve", axis,
                       j->set.target, false);
    add_rows(p, j, view_data);
    add_curve(p, j);
    return p;
}

static plot *draw_predictions(const job *j)
{
    plot *p = plot_new("Predictions against the target", j->set.target, "predicted", false);
    add_rows(p, j, view_predictions);
    add_dashes(p, "predicted = target", j->train.y, 0, 1);
    return p;
}

static plot *draw_residuals(const job *j)
{
    plot *p = plot_new("Residuals against predictions", "predicted", "target - predicted", false);
    add_rows(p, j, view_residuals);
    add_dashes(p, "no error", fitted(j, &j->train), 0, 0);
    return p;
}

/* The line runs through the quartiles, which outliers do not move. */
static plot *draw_quantiles(const job *j)
{
    plot *p = plot_new(
        "Normal quantiles of the residuals", "normal quantile",
        j->set.weights ? "(target - predicted) x root of weight" : "target - predicted", false);
    const view v = view_quantiles(j, &j->train);
    const double *x = values_of(v.x), *y = values_of(v.y);
    if (!x || !y) return p;
    const size_t n = (size_t)v.x->numel;
    plot_points(p, j->held.x ? "rows trained on" : "data", PLOT_BLUE, n, x, y);
    const size_t low = n / 4, high = n - 1 - n / 4;
    const double slope = high > low ? (y[high] - y[low]) / (x[high] - x[low]) : 0;
    add_dashes(p, "normal distribution", v.x, y[low] - slope * x[low], slope);
    return p;
}

static int save(plot *p, const char *path)
{
    if (plot_save(p, path)) return DONE;
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return FAILED;
}

/* Draws the pictures whose names begin with the prefix. Those of the normal distribution are the
 * last, and left out where the errors cannot have it. */
static int draw_all(const job *j, const char *prefix)
{
    static const struct {
        const char *name;
        plot *(*draw)(const job *j);
    } pictures[] = {{"fit", draw_fit},
                    {"predicted", draw_predictions},
                    {"residuals", draw_residuals},
                    {"normal", draw_quantiles}};
    char *path = malloc(strlen(prefix) + 32);
    if (!path) return complain("regress: out of memory");
    int status = DONE;
    const size_t n = loss_is_likelihood(&j->set.loss) ? 3 : 4;
    for (size_t i = axis_of(j) < 0; status == DONE && i < n; i++) {
        sprintf(path, "%s-%s.svg", prefix, pictures[i].name);
        status = save(pictures[i].draw(j), path);
    }
    free(path);
    return status;
}

int draw(const job *j)
{
    int status = DONE;
    if (j->set.plot)
        status = save(axis_of(j) >= 0 ? draw_fit(j) : draw_predictions(j), j->set.plot);
    return status == DONE && j->set.plots ? draw_all(j, j->set.plots) : status;
}
