/* Step 1 of 4: yhat, the prediction of y. The data, and three ways to predict y for given
 * weights. */
#include <stdio.h>

#include <tinygrad.h>

#include "common/lecture.h"

/* The first three elements of a vector, or rows of a matrix. */
static tg_tensor *first_three(tg_tensor *t)
{
    return tg_slice(t, 0, 0, 3, 1);
}

static void print_data(const lecture *d)
{
    lecture_section("data: y = 2.5 + 4 x + eps");
    printf("x    first 4 bits ");
    lecture_print_bits(tg_slice(d->x, 0, 0, 4, 1));
    printf("  last ");
    lecture_print_bits(tg_slice(d->x, 0, -1, TG_END, 1));
    printf("\ny    first 4 bits ");
    lecture_print_bits(tg_slice(d->y, 0, 0, 4, 1));
    printf("  last ");
    lecture_print_bits(tg_slice(d->y, 0, -1, TG_END, 1));

    /* X is a transpose: a view of the memory of two rows, which is read in another order. */
    if (!d->X) return;
    printf("\nX stride (%d, %d) contiguous %s\n", (int)d->X->strides[0], (int)d->X->strides[1],
           tg_is_contiguous(d->X) ? "True" : "False");
}

int main(void)
{
    tg_context *tg = tg_open(NULL);
    lecture d = lecture_data(tg);
    print_data(&d);

    lecture_section("default initialisation drawn right after the data");
    tg_tensor *drawn = tg_detach(tg_param(tg_linear(tg, 2, 1, TG_NO_BIAS), "weight"));
    char text[64] = "";
    tg_snprint(text, sizeof text, drawn);
    printf("Linear(2,1,bias=False).weight %s ", text);
    lecture_print_bits(drawn);
    printf("\n");

    lecture_section("step 1, yhat, three ways");

    /* By hand: each row of X times the weights. The column of ones makes the first weight the
     * intercept. (100, 2) @ (2) is (100). */
    tg_tensor *What = tg_from_f32(tg, TG_SHAPE(2), (float[]){-5.0f, 10.0f});
    tg_requires_grad_(What, true);
    tg_tensor *yhat1 = tg_matmul(d.X, What);

    /* A Linear without bias holds the same two weights, as a row. Its output is (100, 1). */
    tg_module *net2 = tg_linear(tg, 2, 1, TG_NO_BIAS);
    tg_copy_from_f32(tg_param(net2, "weight"), (float[]){-5.0f, 10.0f});
    tg_tensor *yhat2 = tg_forward(net2, d.X);

    /* A Linear with bias needs no column of ones: the bias is the intercept. */
    tg_module *net3 = tg_linear(tg, 1, 1, TG_BIAS);
    tg_copy_from_f32(tg_param(net3, "weight"), (float[]){10.0f});
    tg_copy_from_f32(tg_param(net3, "bias"), (float[]){-5.0f});
    tg_tensor *yhat3 = tg_forward(net3, tg_reshape(d.x, TG_SHAPE(100, 1)));

    lecture_show("yhat1[:3]", first_three(yhat1));
    lecture_show("yhat2[:3]", first_three(yhat2));
    lecture_show("yhat3[:3]", first_three(yhat3));

    return lecture_close(tg);
}
