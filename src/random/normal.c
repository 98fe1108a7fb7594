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

/* Turns uniform samples into normal ones in place; n is a multiple of 16. The first half of a block
 * gives the radii, the second half the angles. */
static void transform_blocks_f64(int64_t n, double *values, double mean, double std)
{
    for (int64_t i = 0; i < n; i += NORMAL_BLOCK) {
        double *a = values + i, *b = a + NORMAL_BLOCK / 2;
        for (int j = 0; j < NORMAL_BLOCK / 2; j++) {
            double radius = sqrt(-2.0 * log(1.0 - a[j])), angle = two_pi * b[j];
            a[j] = TG_FMA64(radius * cos(angle), std, mean);
            b[j] = TG_FMA64(radius * sin(angle), std, mean);
        }
    }
}

/* If the last elements do not fill a block, the last 16 are drawn anew, as in PyTorch. */
static void normals_in_blocks_f32(tg_context *tg, int64_t n, float *out, float mean, float std)
{
    tg__uniforms_f32(&tg->random, n, out);
    pick(tg->level, normal_blocks, TG_F32)(n - n % NORMAL_BLOCK, out, mean, std);
    if (n % NORMAL_BLOCK == 0) return;
    float *tail = out + n - NORMAL_BLOCK;
    tg__uniforms_f32(&tg->random, NORMAL_BLOCK, tail);
    pick(tg->level, normal_blocks, TG_F32)(NORMAL_BLOCK, tail, mean, std);
}

static void normals_in_blocks_f64(tg_context *tg, int64_t n, double *out, double mean, double std)
{
    tg__uniforms_f64(&tg->random, n, out);
    transform_blocks_f64(n - n % NORMAL_BLOCK, out, mean, std);
    if (n % NORMAL_BLOCK == 0) return;
    double *tail = out + n - NORMAL_BLOCK;
    tg__uniforms_f64(&tg->random, NORMAL_BLOCK, tail);
    transform_blocks_f64(NORMAL_BLOCK, tail, mean, std);
}

void tg__normals(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double mean, double std)
{
    if (n < NORMAL_BLOCK) {
        normals_one_by_one(&tg->random, dtype, n, out, mean, std);
        return;
    }
    switch (dtype) {
    case TG_F32: normals_in_blocks_f32(tg, n, out, (float)mean, (float)std); break;
    case TG_F64: normals_in_blocks_f64(tg, n, out, mean, std); break;
    case TG_I64:
    case TG_BOOL: break;
    }
}
