/* Step 1 of 4: yhat, the prediction of y. The data, and three ways to predict y for given
 * weights. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

/* The first n elements of a vector, or rows of a matrix: t[:n]. */
static tg_tensor *first(tg_tensor *t, int64_t n)
{
    return tg_slice(t, 0, 0, n, 1);
}

static void show_data(const lecture *d)
{
    lecture_section("data: y = 2.5 + 4 x + eps");
    lecture_show("x[:4]", first(d->x, 4));
    lecture_show("x[-1]", tg_select(d->x, 0, -1));
    lecture_show("X[:3]", first(d->X, 3));
    lecture_show("ytrue[:4]", first(d->ytrue, 4));
    lecture_show("y[:4]", first(d->y, 4));
    lecture_show("y[-1]", tg_select(d->y, 0, -1));
    lecture_show_shape("X.shape", d->X);
    lecture_show_shape("y.shape", d->y);

    /* X is a transpose: a view of the memory of two rows, which is read in another order. */
    printf("%-36s (%d, %d)\n", "X.stride()", (int)d->X->strides[0], (int)d->X->strides[1]);
    printf("%-36s %s\n", "X.is_contiguous()", tg_is_contiguous(d->X) ? "True" : "False");
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    tg_tensor *x = d.x, *X = d.X;
    /* A call that is given NULL returns NULL, so that one check at the end is enough for calls. But
     * show_data reads members of X itself, and must not do so if X is NULL. */
    if (!tg_ok(tg)) return lecture_close(tg);
    show_data(&d);

    /* By hand: each row of X times the weights. The column of ones makes the first weight the
     * intercept. (100, 2) @ (2) is (100). */
    lecture_section("step 1, yhat: by hand");
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);
    tg_tensor *yhat1 = tg_matmul(X, What);
    lecture_show("yhat1[:3]", first(yhat1, 3));
    lecture_show_shape("yhat1.shape", yhat1);

    /* A Linear without bias holds the same two weights, as a row. Its output is (100, 1). */
    lecture_section("step 1, yhat: Linear without bias");
    tg_module *net2 = tg_linear(tg, 2, 1, TG_NO_BIAS);
    lecture_show("net2.weight.data", tg_detach(tg_param(net2, "weight")));
    tg_copy_from_f32(tg_param(net2, "weight"), (float[]){-5.0f, 10.0f});
    tg_tensor *yhat2 = tg_forward(net2, X);
    lecture_show("net2.weight.data", tg_detach(tg_param(net2, "weight")));
    lecture_show("yhat2[:3]", first(yhat2, 3));
    lecture_show_shape("yhat2.shape", yhat2);

    /* A Linear with bias needs no column of ones: the bias is the intercept. */
    lecture_section("step 1, yhat: Linear with bias");
    tg_module *net3 = tg_linear(tg, 1, 1, TG_BIAS);
    lecture_show("net3.weight.data", tg_detach(tg_param(net3, "weight")));
    lecture_show("net3.bias.data", tg_detach(tg_param(net3, "bias")));
    tg_copy_from_f32(tg_param(net3, "weight"), (float[]){10.0f});
    tg_copy_from_f32(tg_param(net3, "bias"), (float[]){-5.0f});
    tg_tensor *yhat3 = tg_forward(net3, tg_reshape(x, TG_SHAPE(100, 1)));
    lecture_show("net3.weight.data", tg_detach(tg_param(net3, "weight")));
    lecture_show("net3.bias.data", tg_detach(tg_param(net3, "bias")));
    lecture_show("yhat3[:3]", first(yhat3, 3));

    return lecture_close(tg);
}
