/* Counting calls, time and bytes by operation. */
#define _DEFAULT_SOURCE 1 /* declares clock_gettime */
#include "watch.h"
#include "../context/printer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t nanoseconds_now(void)
{
#ifdef CLOCK_MONOTONIC
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#else
    return (int64_t)((double)clock() * (1e9 / CLOCKS_PER_SEC));
#endif
}

/* ---- Counting. */

static const char *const prefixes[] = {"", "backward of ", "step of "};

/* The row of that kind and name, which is made if there is none; NULL if there is no memory. */
static profile_row *find_row(tg_context *tg, work_kind kind, const char *name)
{
    profile_row **bucket = &tg->watcher->rows[tg__bucket(name)], *r = *bucket;
    while (r && (r->kind != kind || strcmp(r->name, name) != 0)) r = r->next;
    if (r || !(r = tg__alloc_at(tg, 0, sizeof *r + strlen(name) + 1))) return r;
    *r = (profile_row){.next = *bucket, .kind = kind};
    strcpy(r->name, name);
    return *bucket = r;
}

bool tg__begin_work(tg_context *tg, work_kind kind, const char *name)
{
    watcher *w = tg->watcher;
    if (!w->counts) return true;
    if (w->inside == 0) {
        const frame *f = kind == WORK_OPERATION ? tg__composed(tg) : NULL;
        w->row = find_row(tg, kind, f ? f->name : name);
        if (!w->row) return false;
        w->row->calls += !f; /* a composed operation is counted when its frame closes */
        w->began = nanoseconds_now();
    }
    w->inside++;
    return true;
}

void tg__end_work(tg_context *tg, int64_t bytes)
{
    watcher *w = tg->watcher;
    if (!w->counts || w->inside == 0) return; /* tg_profile was called in the middle */
    w->row->bytes += bytes;
    if (--w->inside == 0) w->row->nanoseconds += nanoseconds_now() - w->began;
}

void tg__count_frame(tg_context *tg, const char *name)
{
    watcher *w = tg->watcher;
    profile_row *r = w->counts && w->inside == 0 ? find_row(tg, WORK_OPERATION, name) : NULL;
    if (r) r->calls++;
}

bool tg_profile(tg_context *tg, bool on)
{
    watcher *w = tg ? tg__watcher(tg) : NULL;
    if (!w) return false;
    if (w->counts == on) return true;
    if (on) {
        for (int i = 0; i < WATCH_BUCKETS; i++)
            for (profile_row *r = w->rows[i]; r; r = r->next)
                r->calls = r->nanoseconds = r->bytes = 0;
        w->inside = 0;
        w->started = nanoseconds_now();
    } else {
        w->profiled = nanoseconds_now() - w->started;
    }
    w->counts = on;
    tg__turn_watch(tg);
    return true;
}

/* ---- The table. */

static int by_time(const void *a, const void *b)
{
    const tg_profile_row *x = a, *y = b;
    return x->nanoseconds == y->nanoseconds  ? strcmp(x->name, y->name)
           : x->nanoseconds < y->nanoseconds ? 1
                                             : -1;
}

/* Writes the rows that have counted something to `rows`, unless that is NULL; returns how many
 * there are. Their names are texts of the current scope; false in *named if one has no memory. */
static int collect_rows(tg_context *tg, tg_profile_row *rows, bool *named)
{
    int n = 0;
    for (int i = 0; i < WATCH_BUCKETS; i++)
        for (const profile_row *r = tg->watcher->rows[i]; r; r = r->next) {
            if (r->calls == 0) continue;
            const size_t size = strlen(prefixes[r->kind]) + strlen(r->name) + 1;
            char *name = rows ? tg__alloc(tg, size) : NULL;
            if (name) snprintf(name, size, "%s%s", prefixes[r->kind], r->name);
            if (rows) rows[n] = (tg_profile_row){name, r->calls, r->nanoseconds, r->bytes};
            *named = *named && (name || !rows);
            n++;
        }
    return n;
}

tg_profile_rows tg_get_profile(tg_context *tg)
{
    static const tg_profile_row none[1];
    tg_profile_rows list = {0, none};
    if (!tg || !tg->watcher) return list;
    bool named = true;
    const int n = collect_rows(tg, NULL, &named);
    tg_profile_row *rows = tg__alloc(tg, tg__bytes(n, sizeof *rows));
    if (rows) collect_rows(tg, rows, &named);
    if (!rows || !named) return list;
    qsort(rows, (size_t)n, sizeof *rows, by_time);
    return (tg_profile_rows){n, rows};
}

static void put_row(printer *out, int width, const char *name, const tg_profile_row *r,
                    int64_t total)
{
    char calls[TG_NUMBER], ms[TG_NUMBER], share[TG_NUMBER], each[TG_NUMBER], mb[TG_NUMBER];
    const double time = (double)r->nanoseconds;
    tg__put(out, "%-*s  %11s  %10s  %5s %%  %10s  %11s\n", width, name,
            tg__write_count(calls, r->calls), tg__write_fixed(ms, time / 1e6, 2),
            tg__write_fixed(share, total ? 100 * time / (double)total : 0, 1),
            tg__write_fixed(each, r->calls ? time / 1e3 / (double)r->calls : 0, 2),
            tg__write_fixed(mb, (double)r->bytes / 1e6, 1));
}

bool tg_print_profile(FILE *file, tg_context *tg)
{
    if (!tg || !tg__check_file(tg, "print_profile", file)) return false;
    const bool ready = tg__ready(tg);
    printer out = {.file = file};
    tg_scope_begin(tg);
    const watcher *w = tg->watcher;
    const tg_profile_rows rows = tg_get_profile(tg);
    tg_profile_row sum = {.name = "together"};
    int width = (int)strlen(sum.name);
    for (int i = 0; i < rows.n; i++) {
        const int n = (int)strlen(rows.items[i].name);
        width = n > width ? n : width;
        sum.calls += rows.items[i].calls;
        sum.nanoseconds += rows.items[i].nanoseconds;
        sum.bytes += rows.items[i].bytes;
    }
    tg__put(&out, "%-*s  %11s  %10s  %7s  %10s  %11s\n", width, "operation", "calls", "ms", "share",
            "us a call", "MB");
    for (int i = 0; i < rows.n; i++)
        put_row(&out, width, rows.items[i].name, &rows.items[i], sum.nanoseconds);
    put_row(&out, width, sum.name, &sum, sum.nanoseconds);
    const int64_t elapsed = !w ? 0 : w->counts ? nanoseconds_now() - w->started : w->profiled;
    char ms[TG_NUMBER];
    tg__put(&out, "in %s ms of the clock\n", tg__write_fixed(ms, (double)elapsed / 1e6, 2));
    tg_scope_end(tg);
    return ready == tg__ready(tg) && tg__finish(tg, "print_profile", &out);
}
