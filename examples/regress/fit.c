#include "fit.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

/* Standardised columns: x = center + scale z, where each column of z has mean 0 and mean square 1.
 */
typedef struct standard {
    tg_tensor *z, *center, *scale; /* (n, k), (1, k), (1, k) */
} standard;

typedef struct training {
    tg_context *tg;
    tg_tensor *z, *t; /* features and target, standardised */
    tg_tensor *w;     /* weights with mean 1, or NULL */
    tg_module *net;
    tg_optim *optim;
    int64_t rows, batch_size;
    bool intercept;
    double loss;         /* of the last step */
    double gradient;     /* the norm of its gradient */
    int64_t evaluations; /* how often LBFGS has evaluated the loss */
    bool progress;
    double start, shown; /* when training began, and when progress was last shown; in seconds */
} training;

static double seconds_now(void)
{
#ifdef TIME_UTC
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#else /* this C library is older than C11 */
    return (double)clock() / CLOCKS_PER_SEC;
#endif
}

/* The mean of each column, with weights whose mean is 1. */
static tg_tensor *column_means(tg_tensor *x, tg_tensor *w)
{
    return tg_mean_dims(w ? tg_mul(x, w) : x, TG_DIMS(0), TG_KEEPDIM);
}

/* Without an intercept the columns are scaled, but not centered. */
static standard standardise(tg_tensor *x, tg_tensor *w, bool intercept)
{
    standard s;
    s.center = column_means(x, w);
    if (!intercept) s.center = tg_zeros_like(s.center);
    tg_tensor *d = tg_sub(x, s.center);
    s.scale = tg_sqrt(column_means(tg_square(d), w));
    s.z = tg_div(d, s.scale);
    return s;
}

/* Chooses the learning rate, half the largest one that is stable for the curvature of the loss, and
 * the momentum with which the direction of the least curvature converges fastest. The loss of a
 * small batch may have a larger curvature than that of all rows. */
static void choose_steps(const least_squares *exact, tg_tensor *z, const fit_options *o, fit *f)
{
    double curvature = 2 * exact->largest;
    f->momentum = o->momentum;
    if (o->batch_size) {
        double longest = tg_item(tg_max(tg_sum_dims(tg_square(z), TG_DIMS(1), false))) + 1;
        curvature += (2 * longest - curvature) / (double)o->batch_size;
        if (f->momentum < 0) f->momentum = 0;
    }
    if (f->momentum < 0) {
        /* With lr = (1 + m) / curvature and this m, the error in every direction shrinks by sqrt(m)
         * in an epoch. */
        double root = 1 - sqrt(2 * exact->smallest / exact->largest);
        f->momentum = fmin(0.999, root > 0 ? root * root : 0);
    }
    f->stable_lr = 2 * (1 + f->momentum) / curvature;
    f->lr = o->lr > 0 ? o->lr : f->stable_lr / 2;
}

/* Steps 1 to 3 of the lecture, for the rows z, their targets t and their weights w. Returns the
 * loss. */
static tg_tensor *go_backward(training *s, tg_tensor *z, tg_tensor *t, tg_tensor *w)
{
    tg_tensor *yhat = tg_forward(s->net, z);
    tg_tensor *loss =
        w ? tg_mean(tg_mul(tg_mse_loss(yhat, t, TG_NONE), w)) : tg_mse_loss(yhat, t, TG_MEAN);
    tg_zero_grad(s->optim);
    tg_backward(loss);
    s->loss = tg_item(loss);
    return loss;
}

/* Sets the norm of the gradient for all rows. */
static void measure_gradient(training *s)
{
    go_backward(s, s->z, s->t, s->w);
    double squares = 0;
    tg_list all = tg_parameters(s->net);
    for (int i = 0; i < all.n; i++) squares += tg_item(tg_sum(tg_square(all.items[i]->grad)));
    s->gradient = sqrt(squares);
}

/* One epoch of small batches, in random order. */
static void run_batches(training *s)
{
    tg_tensor *order = tg_randperm(s->tg, s->rows);
    double total = 0;
    for (int64_t at = 0; at < s->rows && tg_ok(s->tg); at += s->batch_size) {
        tg_scope_begin(s->tg);
        int64_t n = s->rows - at < s->batch_size ? s->rows - at : s->batch_size;
        tg_tensor *rows = tg_unsqueeze(tg_narrow(order, 0, at, n), 1);
        tg_tensor *z = tg_gather(s->z, 0, tg_expand(rows, TG_SHAPE(n, s->z->shape[1])));
        go_backward(s, z, tg_gather(s->t, 0, rows), s->w ? tg_gather(s->w, 0, rows) : NULL);
        total += s->loss * (double)n;
        tg_step(s->optim);
        tg_scope_end(s->tg);
    }
    s->loss = total / (double)s->rows;
}

/* Shows progress ten times a second, and after the last epoch. */
static void show_progress(training *s, int64_t epochs, bool last)
{
    if (!s->progress || (!last && seconds_now() < s->shown + 0.1)) return;
    s->shown = seconds_now();
    fprintf(stderr, "\repoch %" PRId64 "  loss %.6g  %.3g rows/s\033[K%s", epochs, s->loss,
            (double)epochs * (double)s->rows / fmax(s->shown - s->start, 1e-9), last ? "\n" : "");
    fflush(stderr);
}

/* Trains on all rows at once, until the gradient has not fallen for so long that what is left of it
 * is rounding errors. */
static void descend(training *s, int64_t epochs, fit *f)
{
    double patience = 10 + 5 / (1 - sqrt(f->momentum));
    double best = INFINITY, best_at = 0;
    for (f->epochs = 0; tg_ok(s->tg); f->epochs++) {
        tg_scope_begin(s->tg);
        measure_gradient(s);
        if (s->gradient < best / 2) best = s->gradient, best_at = (double)f->epochs;
        f->resting = s->gradient == 0 || (double)f->epochs - best_at > patience;
        f->diverged = !(s->loss < 1e6); /* the loss begins at 1 */
        bool done = f->resting || f->diverged || f->epochs == epochs;
        if (!done) tg_step(s->optim);
        tg_scope_end(s->tg);
        show_progress(s, f->epochs, done);
        if (done) break;
    }
}

/* Trains in small batches, whose gradient does not go to 0. For this reason lr, unless the caller
 * gave one, falls to 0 over the epochs. */
static void wander(training *s, int64_t epochs, bool lr_falls, fit *f)
{
    for (f->epochs = 0; f->epochs < epochs && !f->diverged && tg_ok(s->tg); f->epochs++) {
        if (lr_falls) tg_set_lr(s->optim, f->lr * (1 - (double)f->epochs / (double)epochs));
        tg_scope_begin(s->tg);
        run_batches(s);
        tg_scope_end(s->tg);
        f->diverged = !(s->loss < 1e6);
        show_progress(s, f->epochs + 1, f->diverged || f->epochs + 1 == epochs);
    }
}

/* Computes the loss and the gradient for all rows. LBFGS calls this function. */
static tg_tensor *evaluate(void *user)
{
    training *s = user;
    s->evaluations++;
    return go_backward(s, s->z, s->t, s->w);
}

/* Trains by LBFGS until a step, of up to 20 iterations, no longer lowers the loss. */
static void search(training *s, int64_t evaluations, fit *f)
{
    for (double best = INFINITY; !f->resting && f->epochs < evaluations && tg_ok(s->tg);) {
        double loss = tg_step_closure(s->optim, evaluate, s);
        f->resting = !(loss < best);
        f->epochs = s->evaluations;
        best = loss;
        show_progress(s, f->epochs, f->resting || f->epochs >= evaluations);
    }
}

/* Makes a Linear whose weights begin with 0, and its optimiser. */
static void make_net(training *s, const fit_options *o, const fit *f)
{
    tg_set_default_dtype(s->tg, o->dtype);
    s->net = tg_linear(s->tg, s->z ? s->z->shape[1] : 0, 1, s->intercept ? TG_BIAS : TG_NO_BIAS);
    tg_no_grad_begin(s->tg);
    tg_list all = tg_parameters(s->net);
    for (int i = 0; i < all.n; i++) tg_zero_(all.items[i]);
    tg_no_grad_end(s->tg);
    s->optim =
        o->method == FIT_SGD
            ? tg_sgd(s->net, TG_SGD(.lr = f->lr, .momentum = f->momentum))
            : tg_lbfgs(s->net, TG_LBFGS(.strong_wolfe = true, .tolerance_grad = 0,
                                        .max_eval = o->epochs && o->epochs < 25 ? o->epochs : 25,
                                        .tolerance_change = 0));
}

static void train(training *s, const fit_options *o, fit *f)
{
    int64_t epochs = o->epochs ? o->epochs : o->batch_size ? 100 : 50000;
    s->start = seconds_now();
    make_net(s, o, f);
    if (!tg_ok(s->tg)) return;
    if (o->method == FIT_LBFGS)
        search(s, epochs, f);
    else if (o->batch_size)
        wander(s, epochs, !(o->lr > 0), f);
    else
        descend(s, epochs, f);
    f->seconds = seconds_now() - s->start;
}

/* Sets the coefficients, and how far they are from the exact ones. */
static void compare(const least_squares *exact, double epsilon, fit *f)
{
    f->coefficients = line_coefficients(&f->line, exact->intercept);
    f->misses = tg_abs(tg_sub(f->coefficients, exact->coefficients));
    double error = least_squares_error(exact);
    error = fmax(error, epsilon * sqrt(exact->total / exact->weight));
    f->miss = tg_item(tg_max(tg_div(f->misses, tg_mul_scalar(exact->unit_errors, error))));
    f->errors = tg_mul_scalar(exact->unit_errors, least_squares_error(exact));
    f->converged = f->miss <= FIT_CLOSE;
}

fit fit_exact(const least_squares *exact)
{
    return (fit){.line = exact->line,
                 .coefficients = exact->coefficients,
                 .misses = least_squares_misses(exact),
                 .errors = tg_mul_scalar(exact->unit_errors, least_squares_error(exact)),
                 .converged = true};
}

bool fit_train(const least_squares *exact, const fit_options *options, fit *result)
{
    tg_context *tg = exact->x->context;
    *result = (fit){0};
    tg_tensor *w = exact->w ? tg_mul_scalar(exact->w, (double)exact->rows / exact->weight) : NULL;
    standard features = standardise(exact->x, w, exact->intercept),
             target = standardise(exact->y, w, exact->intercept);
    if (!features.z || !target.z) return false;
    choose_steps(exact, features.z, options, result);

    training s = {.tg = tg,
                  .rows = exact->rows,
                  .intercept = exact->intercept,
                  .batch_size = options->batch_size,
                  .progress = options->progress};
    s.z = tg_cast(features.z, options->dtype);
    s.t = tg_cast(target.z, options->dtype);
    s.w = w ? tg_cast(w, options->dtype) : NULL;
    train(&s, options, result);
    if (result->diverged || !tg_ok(tg)) return tg_ok(tg);

    /* Back to the units of the data: y = center + scale (w z + b), where z = (x - center) / scale
     * for each column. */
    tg_tensor *weight = tg_cast(tg_detach(tg_param(s.net, "weight")), TG_F64);
    tg_tensor *slope = tg_mul(tg_div(weight, features.scale), target.scale);
    result->line.slope = tg_t(slope);
    result->line.center = exact->line.center;
    double shift = tg_item(target.center) - tg_item(tg_matmul(features.center, result->line.slope));
    double bias = s.intercept ? tg_item(target.scale) * tg_item(tg_param(s.net, "bias")) : 0;
    result->line.level = exact->y_center + (shift + bias);
    if (!tg_ok(tg)) return false;
    compare(exact, options->dtype == TG_F64 ? DBL_EPSILON : (double)FLT_EPSILON, result);
    return tg_ok(tg);
}
