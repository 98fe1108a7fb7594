/* Elementwise operations that read memory once and write it once: those with a kernel of the kind
 * map1, map2 or map3, and those that several kernels compute in turn, tile by tile. They may sum up
 * the elements of the result, which then need no memory. */
#ifndef TG_PASSES_H
#define TG_PASSES_H

#include "op.h"

/* The attributes: the numbers s and t, and what the result is. */
enum { MAP_S, MAP_T, MAP_RESULT };
enum { MAP_ELEMENTS, MAP_SUM, MAP_MEAN };

/* Operations whose `kernel` is a map_set. tg__check_map says whether there is a kernel for the
 * dtype of the first input, which must hold both numbers, or records the error. */
bool tg__check_map(const call *c);
bool tg__map_forward(const call *c);

/* A tile: a part of the operands that stays in the first-level cache while kernels pass over it.
 * `work` is memory for two results in between, and `out`, which is none of the inputs, may hold
 * another. */
typedef struct tile {
    int level;
    tg_dtype dtype;
    double s, t;
    int64_t n;
    const void *in[3];
    void *out, *work[2];
} tile;

/* What the `kernel` of such an operation points to: a function that computes b->out. */
typedef struct passes_set {
    void (*run)(const tile *b);
} passes_set;
/* Operations whose `kernel` is a passes_set. The inputs broadcast to the shape of the result. */
bool tg__passes_forward(const call *c);

/* Each of these makes one pass over a tile; `to` may be an operand. */
static inline void tg__pass1(const tile *b, const unary_set *f, void *to, const void *x)
{
    kernel_at(f, b->level, b->dtype)(b->n, to, x);
}
static inline void tg__pass2(const tile *b, const binary_set *f, void *to, const void *x,
                             const void *y)
{
    kernel_at(f, b->level, b->dtype)(b->n, to, x, y);
}
/* A pass of a map kernel, with the numbers s and t and one, two or three operands. */
#define tg__map_pass(b, f, to, s, t, ...)                                                          \
    kernel_at(f, (b)->level, (b)->dtype)((b)->n, to, (const void *[]){__VA_ARGS__},                \
                                         (const double[]){s, t})
/* to = s x. To add -0 changes nothing, not even the sign of a 0. */
static inline void tg__scale_pass(const tile *b, void *to, const void *x, double s)
{
    tg__map_pass(b, &tg__scale_kernel, to, s, -0.0, x);
}

#endif
