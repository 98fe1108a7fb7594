#include "lecture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

lecture lecture_data(tg_context *tg)
{
    lecture d;
    tg_manual_seed(tg, LECTURE_SEED);

    tg_tensor *ones = tg_ones(tg, TG_F32, TG_SHAPE(100));
    d.x = tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0);
    d.X = tg_t(tg_vstack(TG_LIST(ones, d.x)));
    tg_tensor *W = tg_from_f32(tg, TG_SHAPE(2), (float[]){2.5f, 4.0f});
    tg_tensor *noise = tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(100)), 0.4);
    d.y = tg_add(tg_matmul(d.X, W), noise);
    return d;
}

void lecture_section(const char *title)
{
    printf("\n== %s\n", title);
}

void lecture_print_bits(const tg_tensor *t)
{
    tg_tensor *flat = tg_flatten((tg_tensor *)t, 0, -1);
    for (int64_t i = 0; flat && i < flat->numel; i++) {
        float value = (float)tg_get(flat, TG_INDEX(i));
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        printf("%s%08" PRIx32, i ? " " : "", bits);
    }
}

void lecture_print_list(const tg_tensor *t)
{
    if (!t) {
        printf("none");
        return;
    }
    tg_tensor *flat = tg_flatten((tg_tensor *)t, 0, -1);
    printf(t->ndim == 2 ? "[[" : "[");
    for (int64_t i = 0; flat && i < flat->numel; i++)
        printf("%s%.9g", i ? ", " : "", tg_get(flat, TG_INDEX(i)));
    printf(t->ndim == 2 ? "]]" : "]");
}

void lecture_show(const char *name, const tg_tensor *t)
{
    printf("%s (", name);
    for (int i = 0; t && i < t->ndim; i++) printf("%s%" PRId64, i ? ", " : "", t->shape[i]);
    printf(t && t->ndim == 1 ? ",) " : ") ");
    tg_print(stdout, t);
}

int lecture_close(tg_context *tg)
{
    int failed = !tg_ok(tg);
    if (failed) fprintf(stderr, "%s\n", tg_error(tg));
    tg_close(tg);
    return failed;
}
