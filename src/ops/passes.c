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
           tg__check_value(c->tg, c->op->name, d, c->a[MAP_S].f) &&
           tg__check_value(c->tg, c->op->name, d, c->a[MAP_T].f);
}

/* Computes the elements of the result, their sum or their mean. */
static bool run(const call *c, loop f)
{
    if (c->a[MAP_RESULT].i == MAP_ELEMENTS) {
        tg__elementwise(f, c->out, c->n, c->in);
        return true;
    }
    const tg_dtype d = c->out->dtype;
    const int64_t n = c->in[0]->numel;
    const void *in[3];
    for (int i = 0; i < c->n; i++) {
        const tg_tensor *t = tg__contiguous(c->in[i]);
        if (!t) return false;
        in[i] = t->data;
    }
    pick(c->tg->level, map_sum, d)(n, c->out->data, c->n, in, f.map, f.with);
    if (c->a[MAP_RESULT].i == MAP_MEAN)
        tg__store(d, c->out->data, 0, tg__load(d, c->out->data, 0) / tg__rounded(d, (double)n));
    return true;
}

bool tg__map_forward(const call *c)
{
    loop f = map_loop(c, c->out->dtype);
    f.with = (const double[]){c->a[MAP_S].f, c->a[MAP_T].f};
    return run(c, f);
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
        {.level = c->tg->level, .dtype = c->out->dtype, .s = c->a[MAP_S].f, .t = c->a[MAP_T].f}};
    return run(c, (loop){.map = run_tiles, .with = &w});
}
