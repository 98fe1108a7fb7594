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

/* A sum that is cut into parts of SUM_PART elements, whose lanes are stored one after the other. */
typedef struct map_sum_work {
    const call *c;
    loop f;
    const char *in[3];
    char *lanes;
} map_sum_work;

/* Work that is split: the parts [from, to). */
static void sum_parts(void *work, int64_t from, int64_t to)
{
    const map_sum_work *w = work;
    const tg_dtype d = w->c->out->dtype;
    const int64_t n = w->c->in[0]->numel;
    for (int64_t i = from; i < to; i++) {
        const int64_t at = i * SUM_PART, left = n - at;
        const void *in[3] = {NULL};
        for (int k = 0; k < w->c->n; k++) in[k] = w->in[k] + (size_t)at * tg__dtype_size(d);
        pick(w->c->tg->level, map_lane_sums,
             d)(left < SUM_PART ? left : SUM_PART,
                w->lanes + (size_t)(i * SUM_LANES) * tg__dtype_size(d), w->c->n, in, w->f.map,
                w->f.with);
    }
}

static bool sum_elements(const call *c, loop f)
{
    const tg_dtype d = c->out->dtype;
    const int64_t n = c->in[0]->numel, parts = (n - 1) / SUM_PART + 1, sums = parts * SUM_LANES;
    if (n == 0) {
        tg__store(d, c->out->data, 0, 0);
        return true;
    }
    double one_part[SUM_LANES];
    map_sum_work w = {.c = c, .f = f, .lanes = (char *)one_part};
    if (parts > 1) {
        const tg_tensor *lanes = tg__new(c->tg, d, 1, &sums);
        if (!lanes) return false;
        w.lanes = lanes->data;
    }
    for (int i = 0; i < c->n; i++) {
        const tg_tensor *t = tg__contiguous(c->in[i]);
        if (!t) return false;
        w.in[i] = t->data;
    }
    tg__split(c->tg, parts, 1, sum_parts, &w);
    pick(c->tg->level, join_lanes, d)(parts, c->out->data, w.lanes);
    return true;
}

/* Computes the elements of the result, their sum or their mean. */
static bool run(const call *c, loop f)
{
    if (c->a[MAP_RESULT].i == MAP_ELEMENTS) {
        tg__elementwise(f, c->out, c->n, c->in);
        return true;
    }
    tg_scope_begin(c->tg);
    const bool done = sum_elements(c, f);
    tg_scope_end(c->tg);
    const tg_dtype d = c->out->dtype;
    void *out = c->out->data;
    if (done && c->a[MAP_RESULT].i == MAP_MEAN)
        tg__store(d, out, 0, tg__load(d, out, 0) / tg__rounded(d, (double)c->in[0]->numel));
    return done;
}

bool tg__map_forward(const call *c)
{
    loop f = map_loop(c, c->out->dtype);
    f.with = (const double[]){c->a[MAP_S].f, c->a[MAP_T].f};
    return run(c, f);
}

/* The last argument of run_tiles. */
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
