/* What looks at the operations of a context: watch.c has the hooks, anomaly.c finds values that are
 * not finite, and profile.c counts. */
#ifndef TG_WATCH_H
#define TG_WATCH_H

#include "op.h"

enum { WATCH_BUCKETS = 64, WATCH_TEXT = TG_MESSAGE / 2 };

/* A row of the profile. It stays as long as the context, and counts from 0 when tg_profile is
 * turned on again. */
typedef struct profile_row {
    struct profile_row *next; /* in its bucket */
    int64_t calls, nanoseconds, bytes;
    work_kind kind;
    char name[]; /* of the operation or optimiser */
} profile_row;

/* A path of a module, as messages begin with it. */
typedef struct module_place {
    struct module_place *next;
    char text[];
} module_place;

typedef struct watcher {
    watch hooks;      /* the first member, by which the hooks find the watcher */
    int64_t forwards; /* how many forwards are running: an operation may run others */
    bool detects, counts;

    /* The profile. */
    profile_row *rows[WATCH_BUCKETS];
    profile_row *row; /* of the outermost work under way */
    int64_t inside;   /* how many pieces of work are under way, one in the other */
    int64_t began;    /* when the outermost of them began */
    int64_t started;  /* when tg_profile was turned on */
    int64_t profiled; /* how long it had been on until it was turned off */

    /* Anomalies. */
    module_place *places[WATCH_BUCKETS];
    /* An operation in a composed one has made a value that is not finite. It is an error only if
     * the result of the composed one is not finite, either. */
    bool has_suspect;
    char suspect[WATCH_TEXT];
} watcher;

/* The watcher of a context, which is made if there is none; NULL if there is no memory. */
watcher *tg__watcher(tg_context *tg);
/* Turns the hooks on if something is looked for, else off. */
void tg__turn_watch(tg_context *tg);
/* A hash of a text, as the number of a bucket. */
unsigned tg__bucket(const char *text);
/* The frame of the composed operation that the program has called; NULL if there is none. */
const frame *tg__composed(const tg_context *tg);

/* ---- profile.c. */

bool tg__begin_work(tg_context *tg, work_kind kind, const char *name);
void tg__end_work(tg_context *tg, int64_t bytes);
/* Counts a call of the composed operation whose frame closes. */
void tg__count_frame(tg_context *tg, const char *name);

/* ---- anomaly.c. */

/* The check of struct watch. If the operation has overwritten its first input, `before` has the old
 * values; else it is NULL. */
bool tg__check_result(const call *c, const tg_tensor *before);
bool tg__check_gradient(const record *r, int i, const tg_tensor *g, const tg_tensor *own);
bool tg__check_update(const tg_tensor *parameter, const char *optimiser);
/* Records the error of a composed operation in which there was a suspect, if its result, which may
 * be NULL, is not finite. */
void tg__check_frame(tg_context *tg, const char *name, const tg_tensor *result);
/* Whether all elements are finite. */
bool tg__is_finite(const tg_tensor *t);
const char *tg__place(tg_context *tg);

#endif
