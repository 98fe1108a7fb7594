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

#define EPOCHS 30

/* The loss and the weights at the beginning of each epoch. */
typedef struct history {
    double epoch[EPOCHS], loss[EPOCHS];
    double intercept[EPOCHS + 1], slope[EPOCHS + 1]; /* the last ones are those after the loop */
} history;

static void record_weights(history *h, int epoch, const tg_tensor *What)
{
    h->intercept[epoch] = tg_get(What, TG_INDEX(0));
    h->slope[epoch] = tg_get(What, TG_INDEX(1));
}

static void print_epoch(int epoch, const tg_tensor *What, const tg_tensor *loss)
{
    printf("epoch %2d What ", epoch);
    lecture_print_list(What);
    printf(" loss %.6f grad ", tg_item(loss));
    lecture_print_list(What ? What->grad : NULL);
    printf("\n");
}

static void loop(tg_context *tg, const lecture *d, tg_tensor *What, double alpha, history *h)
{
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        tg_scope_begin(tg); /* tg_scope_end frees all tensors of the epoch */
        tg_clear_grad(What);
        tg_tensor *yhat = tg_matmul(d->X, What);                 /* 1 yhat */
        tg_tensor *loss = tg_sum(tg_square(tg_sub(d->y, yhat))); /* 2 loss */
        tg_backward(loss);                                       /* 3 backward: What->grad */

        print_epoch(epoch, What, loss);
        h->epoch[epoch] = epoch;
        h->loss[epoch] = tg_item(loss);
        record_weights(h, epoch, What);

        tg_no_grad_begin(tg); /* the update is no part of the function to differentiate */
        if (What) tg_sub_(What, tg_mul_scalar(What->grad, alpha)); /* 4 update */
        tg_no_grad_end(tg);
        tg_scope_end(tg);
    }
    record_weights(h, EPOCHS, What);
}

/* The line with the least squared error, in float64: slope = cov(x, y) / var(x), and the line runs
 * through the point of the means. */
static void print_closed_form(const lecture *d)
{
    tg_tensor *x = tg_cast(d->x, TG_F64), *y = tg_cast(d->y, TG_F64);
    tg_tensor *dx = tg_sub(x, tg_mean(x)), *dy = tg_sub(y, tg_mean(y));
    double slope = tg_item(tg_div(tg_dot(dx, dy), tg_dot(dx, dx)));
    double intercept = tg_item(tg_mean(y)) - slope * tg_item(tg_mean(x));
    lecture_section("the closed form (least squares) the loop converges to");
    printf("float64 solution [%.16g, %.16g]\n", intercept, slope);
}

/* Draws y = intercept + slope x from the least to the greatest x. */
static void draw_line(plot *p, const char *label, const char *color, bool dashes, double intercept,
                      double slope)
{
    const double x[] = {-2.3, 2.6};
    double y[] = {intercept + slope * x[0], intercept + slope * x[1]};
    (dashes ? plot_dashes : plot_line)(p, label, color, 2, x, y);
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
    double x[100] = {0}, y[100] = {0};
    for (int i = 0; i < 100; i++) {
        x[i] = tg_get(d->x, TG_INDEX(i));
        y[i] = tg_get(d->y, TG_INDEX(i));
    }
    plot *p = plot_new("The fitted line, epoch by epoch", "x", "y", false);
    plot_points(p, "data", PLOT_GREY, 100, x, y);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        draw_line(p, shown[i].label, shown[i].color, false, h->intercept[shown[i].epoch],
                  h->slope[shown[i].epoch]);
    draw_line(p, "true line 2.5 + 4 x", PLOT_RED, true, 2.5, 4);
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
        printf("\nplots: %s %s\n", fit, loss);
        return true;
    }
    fprintf(stderr, "lecture_loop: %s: %s\n", directory, strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);

    lecture_section("steps 1-4, the loop: loss=sum((y-yhat)**2), alpha=1/1000, 30 epochs");
    history h = {0};
    loop(tg, &d, What, 1.0 / 1000, &h);
    printf("What after 30 epochs ");
    lecture_print_list(What);
    printf("\n");
    print_closed_form(&d);

    bool drawn = !tg_ok(tg) || draw(argc > 1 ? argv[1] : ".", &d, &h);
    return lecture_close(tg) || !drawn;
}
