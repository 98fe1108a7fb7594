/* All four steps by hand, 30 times: yhat, loss, backward, update.
 *
 * usage: lecture_loop [directory]. Writes lecture_fit.svg and lecture_loss.svg to the directory,
 * which is the current one if none is given. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tinygrad.h>

#include "common/lecture.h"
#include "common/plot.h"

enum { N = 100, EPOCHS = 30 };

/* What the notebook keeps of each epoch. */
typedef struct history {
    double epoch[EPOCHS], loss[EPOCHS];
    tg_tensor *yhats[EPOCHS + 1]; /* the last one is that of the final weights */
} history;

static void print_epoch(int epoch, const tg_tensor *loss, const tg_tensor *What)
{
    const tg_tensor *grad = What->grad;
    printf("epoch %2d  loss %.6g  What [%.6g, %.6g]"
           "  grad [%.2f, %.2f]\n",
           epoch, tg_item(loss), tg_get(What, TG_INDEX(0)), tg_get(What, TG_INDEX(1)),
           tg_get(grad, TG_INDEX(0)), tg_get(grad, TG_INDEX(1)));
}

/* Returns the weights. */
static tg_tensor *train(tg_context *tg, const lecture *d, history *h)
{
    tg_tensor *X = d->X, *y = d->y, **yhats = h->yhats;
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);
    double alpha = 1.0 / 1000;
    /* Calls may be given NULL, but the loop reads a member, What->grad, and must not do so if What
     * is NULL. */
    if (!tg_ok(tg)) return NULL;

    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        tg_scope_begin(tg); /* tg_scope_end frees all tensors of the epoch */
        tg_clear_grad(What);
        tg_tensor *yhat = tg_matmul(X, What);                 /* 1 yhat */
        tg_tensor *loss = tg_sum(tg_square(tg_sub(y, yhat))); /* 2 loss */
        tg_backward(loss);                                    /* 3 backward: What->grad */

        print_epoch(epoch, loss, What);
        h->epoch[epoch] = epoch;
        h->loss[epoch] = tg_item(loss);
        yhats[epoch] = tg_keep(yhat); /* a copy that outlives the epoch */

        tg_no_grad_begin(tg); /* the update is no part of the function to differentiate */
        tg_sub_(What, tg_mul_scalar(What->grad, alpha)); /* 4 update */
        tg_no_grad_end(tg);
        tg_scope_end(tg);
    }
    yhats[EPOCHS] = tg_detach(tg_matmul(X, What));
    return What;
}

/* The weights with the least squared error, in float64. */
static void print_closed_form(tg_tensor *X, tg_tensor *y)
{
    lecture_section("the closed form (least squares) the loop converges to");
    tg_tensor *X64 = tg_cast(X, TG_F64);
    tg_tensor *y64 = tg_cast(y, TG_F64);
    tg_tensor *closed = tg_lstsq(X64, y64);
    printf("float64 solution [%.10g, %.10g]\n", tg_get(closed, TG_INDEX(0)),
           tg_get(closed, TG_INDEX(1)));
}

/* Adds a series to a plot: points, a line, or dashes. */
static void add(void (*how)(plot *, const char *, const char *, size_t, const double *,
                            const double *),
                plot *p, const char *label, const char *color, tg_tensor *x, tg_tensor *y)
{
    double xs[N] = {0}, ys[N] = {0};
    tg_copy_to_f64(tg_cast(x, TG_F64), xs);
    tg_copy_to_f64(tg_cast(y, TG_F64), ys);
    how(p, label, color, N, xs, ys);
}

static bool draw_fit(const char *path, const lecture *d, const history *h)
{
    /* The line after some epochs, in a darker colour the later the epoch. */
    static const struct {
        int epoch;
        const char *label, *color;
    } shown[] = {
        {0, "start", "#c3dcf0"},          {1, "after 1 epoch", "#9dc6e5"},
        {2, "after 2 epochs", "#74acd8"}, {4, "after 4 epochs", "#4b90c8"},
        {8, "after 8 epochs", "#276fae"}, {EPOCHS, "after 30 epochs", "#083d77"},
    };
    plot *p = plot_new("The fitted line, epoch by epoch", "x", "y", false);
    add(plot_points, p, "data", PLOT_GREY, d->x, d->y);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        add(plot_line, p, shown[i].label, shown[i].color, d->x, h->yhats[shown[i].epoch]);
    add(plot_dashes, p, "true line 2.5 + 4 x", PLOT_RED, d->x, d->ytrue);
    return plot_save(p, path);
}

static bool draw_loss(const char *path, const history *h)
{
    plot *p = plot_new("Loss by epoch", "epoch", "sum of squared errors", true);
    plot_line(p, NULL, PLOT_BLUE, EPOCHS, h->epoch, h->loss);
    plot_points(p, NULL, PLOT_BLUE, EPOCHS, h->epoch, h->loss);
    return plot_save(p, path);
}

static bool draw(const char *directory, const lecture *d, const history *h)
{
    char fit[1024], loss[1024];
    snprintf(fit, sizeof fit, "%.1000s/lecture_fit.svg", directory);
    snprintf(loss, sizeof loss, "%.1000s/lecture_loss.svg", directory);
    if (draw_fit(fit, d, h) && draw_loss(loss, h)) {
        printf("\nDrawn in %s and %s\n", fit, loss);
        return true;
    }
    fprintf(stderr, "lecture_loop: %s: %s\n", directory, strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    lecture_section("steps 1-4, the loop: loss=sum((y-yhat)**2), alpha=1/1000, 30 epochs");
    history h = {0};
    lecture_show("What.data", tg_detach(train(tg, &d, &h)));
    lecture_show("yhats[0][:3]", tg_slice(h.yhats[0], 0, 0, 3, 1));
    lecture_show("yhats[29][:3]", tg_slice(h.yhats[29], 0, 0, 3, 1));
    lecture_show("ytrue[:3]", tg_slice(d.ytrue, 0, 0, 3, 1));
    print_closed_form(d.X, d.y);

    bool drawn = !tg_ok(tg) || draw(argc > 1 ? argv[1] : ".", &d, &h);
    return lecture_close(tg) || !drawn;
}
