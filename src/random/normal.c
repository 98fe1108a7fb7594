/* Normal samples by Box-Muller. PyTorch has two ways to make them, which draw different numbers:
 * fewer than 16 are made one by one in float64, others in blocks of 16 in the tensor's dtype. */
#include "random.h"

#include <math.h>

static const double two_pi = 6.283185307179586;
enum { NORMAL_BLOCK = 16 };

/* One sample. They are computed in pairs; the generator keeps the second one for the next call. */
static double normal_sample(generator *g)
{
    if (g->has_normal) {
        g->has_normal = false;
        return g->normal;
    }
    double u[2];
    tg__uniforms_f64(g, 2, u);
    double radius = sqrt(-2.0 * log(1.0 - u[1]));
    g->normal = radius * sin(two_pi * u[0]);
    g->has_normal = true;
    return radius * cos(two_pi * u[0]);
}

static void normals_one_by_one(generator *g, tg_dtype dtype, int64_t n, void *out, double mean,
                               double std)
{
    for (int64_t i = 0; i < n; i++) tg__store(dtype, out, i, TG_FMA64(normal_sample(g), std, mean));
}

/* Turns a block of uniform samples into normal ones. Its first half gives the radii, the second
 * half the angles. */
static void transform_block_f64(double *a, double mean, double std)
{
    double *b = a + NORMAL_BLOCK / 2;
    for (int j = 0; j < NORMAL_BLOCK / 2; j++) {
        double radius = sqrt(-2.0 * log(1.0 - a[j])), angle = two_pi * b[j];
        a[j] = TG_FMA64(radius * cos(angle), std, mean);
        b[j] = TG_FMA64(radius * sin(angle), std, mean);
    }
}

typedef struct normal_work {
    tg_dtype dtype;
    int level;
    void *values;
    double mean, std;
} normal_work;

/* Work that is split: the blocks [from, to). */
static void transform_blocks(void *work, int64_t from, int64_t to)
{
    const normal_work *w = work;
    if (w->dtype == TG_F32)
        pick(w->level, normal_blocks, TG_F32)((to - from) * NORMAL_BLOCK,
                                              (float *)w->values + from * NORMAL_BLOCK,
                                              (float)w->mean, (float)w->std);
    else
        for (int64_t i = from; i < to; i++)
            transform_block_f64((double *)w->values + i * NORMAL_BLOCK, w->mean, w->std);
}

/* The samples are drawn by one thread and transformed by all. */
static void normals_in_blocks(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double mean,
                              double std)
{
    const int64_t grain = TG_GRAIN / NORMAL_BLOCK / (dtype == TG_F32 ? 1 : 8);
    normal_work work = {dtype, tg->level, out, mean, std};
    if (dtype == TG_F32)
        tg__uniforms_f32(&tg->random, n, out);
    else
        tg__uniforms_f64(&tg->random, n, out);
    tg__split(tg, n / NORMAL_BLOCK, grain, transform_blocks, &work);
}

void tg__normals(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double mean, double std)
{
    if (n < NORMAL_BLOCK) {
        normals_one_by_one(&tg->random, dtype, n, out, mean, std);
        return;
    }
    normals_in_blocks(tg, dtype, n, out, mean, std);
    if (n % NORMAL_BLOCK == 0) return;
    /* As in PyTorch, the last elements, which do not fill a block, are drawn anew with others. */
    char *tail = (char *)out + (n - NORMAL_BLOCK) * (int64_t)tg__dtype_size(dtype);
    normals_in_blocks(tg, dtype, NORMAL_BLOCK, tail, mean, std);
}
