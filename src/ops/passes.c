/* The forward of operations of one pass, and of several passes over tiles. */
#include "passes.h"

static loop map_loop(const call *c, tg_dtype dtype)
{
    const map_set *kernel = c->op->kernel;
    return (loop){.map = kernel_at(kernel, c->tg->level, dtype)};
}

bool tg__check_map(const call *c)
{
    const tg_dtype d = c->in[0]->dtype;
    return tg__check_dtype(c, c->in[0], map_loop(c, d).map) &&
           tg__check_value(c->tg, c->op->name, d, c->a[0].f) &&
           tg__check_value(c->tg, c->op->name, d, c->a[1].f);
}

bool tg__map_forward(const call *c)
{
    loop f = map_loop(c, c->out->dtype);
    f.with = (const double[]){c->a[0].f, c->a[1].f};
    tg__elementwise(f, c->out, c->n, c->in);
    return true;
}

/* What run_tiles needs. */
typedef struct tiles {
    void (*run)(const tile *b);
    int inputs;
    tile first;
} tiles;

/* A map kernel that computes tile by tile. */
static void run_tiles(int64_t n, void *out, const void *const *in, const void *with)
{
    union {
        float f32[1024];
        double f64[512];
    } work[2];
    const tiles *w = with;
    tile b = w->first;
    const size_t size = tg__dtype_size(b.dtype);
    for (int i = 0; i < 2; i++) b.work[i] = &work[i];
    for (int64_t at = 0; at < n; at += b.n) {
        const int64_t most = (int64_t)(sizeof *work / size);
        b.n = n - at < most ? n - at : most;
        b.out = (char *)out + (size_t)at * size;
        for (int i = 0; i < w->inputs; i++) b.in[i] = (const char *)in[i] + (size_t)at * size;
        w->run(&b);
    }
}

bool tg__passes_forward(const call *c)
{
    const passes_set *set = c->op->kernel;
    const tiles w = {
        set->run,
        c->n,
        {.level = c->tg->level, .dtype = c->out->dtype, .s = c->a[0].f, .t = c->a[1].f}};
    tg__elementwise((loop){.map = run_tiles, .with = &w}, c->out, c->n, c->in);
    return true;
}
