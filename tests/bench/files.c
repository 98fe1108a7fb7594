/* Saving and loading 256 MB, in the page cache of the system, against NumPy. Both write to a
 * temporary file, flush it to the disk and rename it. What is mapped is summed up, since mapping
 * alone reads nothing. The files are in the folder in which the program runs. */
#include <math.h>
#include <stdio.h>
#include <tinygrad.h>

#include "bench.h"

enum { TENSORS = 16, ELEMENTS = 1 << 22, MEGABYTES = TENSORS * ELEMENTS / 4 >> 16 };

static const char path[] = "bench_files.safetensors";

static void save(void *data, long times)
{
    const tg_state *s = data;
    for (long i = 0; i < times; i++) tg_save_safetensors(s, path, NULL);
}

static void load(void *data, long times)
{
    const tg_state *s = data;
    for (long i = 0; i < times; i++) {
        tg_scope_begin(s->context);
        tg_load_safetensors(s->context, path, NULL);
        tg_scope_end(s->context);
    }
}

static void load_mapped(void *data, long times)
{
    const tg_state *s = data;
    for (long i = 0; i < times; i++) {
        tg_scope_begin(s->context);
        const tg_state *mapped = tg_load_safetensors(s->context, path, TG_LOAD(.map = true));
        for (int64_t j = 0; mapped && j < mapped->n; j++) tg_sum(mapped->items[j].tensor);
        tg_scope_end(s->context);
    }
}

static void measure(const char *name, void (*run)(void *data, long times), tg_state *s)
{
    contender c[] = {{.name = "libtinygrad", .run = run, .data = s}, {.name = "NumPy"}};
    char size[20];
    const double gigabytes = MEGABYTES / 1024.0;
    snprintf(c[1].torch, sizeof c[1].torch, "files %s %d", name, MEGABYTES);
    snprintf(size, sizeof size, "%d MB", MEGABYTES);
    bench_measure(c, 2);
    bench_check(tg_ok(s->context), tg_error(s->context));
    bench_report(&(row){.name = name,
                        .size = size,
                        .unit = "GB/s",
                        .rival = c[1].name,
                        .ours = gigabytes / c[0].median,
                        .ours_best = gigabytes / c[0].least,
                        .theirs = gigabytes / c[1].median,
                        .theirs_best = gigabytes / c[1].least,
                        .target = {RATIO_AT_LEAST, 0.8}});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    tg_context *tg = tg_open(NULL);
    tg_state *s = tg_state_new(tg);
    for (int i = 0; i < TENSORS; i++) {
        char name[20];
        snprintf(name, sizeof name, "layers.%d.weight", i);
        tg_state_add(s, name, tg_rand(tg, TG_F32, TG_SHAPE(ELEMENTS / 1024, 1024)));
    }
    measure("save", save, s);
    measure("load", load, s);
    measure("load_mapped_and_sum", load_mapped, s);
    remove(path);
    tg_close(tg);
    return bench_end();
}
