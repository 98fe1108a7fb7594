#include "lecture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

lecture lecture_data(tg_context *tg)
{
    tg_manual_seed(tg, 202150754);
    tg_tensor *ones = tg_ones(tg, TG_F32, TG_SHAPE(100));
    tg_tensor *x = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    tg_tensor *X = tg_t(tg_vstack(TG_LIST(ones, x)));
    tg_tensor *W = tg_from_f32(tg, TG_SHAPE(2), (float[]){2.5f, 4.0f});
    tg_tensor *ytrue = tg_matmul(X, W);
    tg_tensor *eps = tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0.4);
    tg_tensor *y = tg_add(ytrue, eps);
    return (lecture){.x = x, .X = X, .ytrue = ytrue, .y = y};
}

void lecture_section(const char *title)
{
    printf("\n== %s\n", title);
}

void lecture_show(const char *expression, const tg_tensor *value)
{
    char text[512] = "";
    tg_snprint(text, sizeof text, value);
    if (strchr(text, '\n'))
        printf("%s\n%s\n", expression, text);
    else
        printf("%-36s %s\n", expression, text);
}

void lecture_show_shape(const char *expression, const tg_tensor *t)
{
    printf("%-36s torch.Size([", expression);
    for (int i = 0; t && i < t->ndim; i++) printf("%s%" PRId64, i ? ", " : "", t->shape[i]);
    printf("])\n");
}

int lecture_close(tg_context *tg)
{
    int failed = !tg_ok(tg);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}
