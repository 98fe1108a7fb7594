/* Opening and closing a context, errors and their messages, and the no-grad mode. */
#define _DEFAULT_SOURCE 1 /* declares madvise */
#include "memory.h"
#include "threads.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/auxv.h>
#include <sys/mman.h>
#endif

#ifdef TG_DEBUG
void tg__broken(const char *file, int line, const char *condition)
{
    fprintf(stderr, "tinygrad: %s:%d: broken: %s\n", file, line, condition);
    abort();
}
#endif

/* Large blocks are put on huge pages where Linux has them: page faults then cost a tenth, and the
 * TLB misses far less often. */
static void *default_allocate(void *user, size_t bytes)
{
    enum { HUGE_PAGE = 2 << 20 };
    (void)user;
#ifdef MADV_HUGEPAGE
    if (bytes >= 2 * HUGE_PAGE) {
        void *memory = NULL;
        if (posix_memalign(&memory, HUGE_PAGE, bytes)) return NULL;
        madvise(memory, bytes, MADV_HUGEPAGE);
        return memory;
    }
#endif
    return malloc(bytes);
}

static void default_deallocate(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

tg_options tg_defaults(void)
{
    return (tg_options){.allocate = default_allocate, .deallocate = default_deallocate};
}

/* A setuid program does not read the environment, because the user who sets it must not decide what
 * the program does. */
static const char *level_in_environment(void)
{
#ifdef __linux__
    if (getauxval(AT_SECURE)) return NULL;
#endif
    return getenv("TINYGRAD_SIMD");
}

static int choose_level(tg_context *tg, const char *name)
{
    if (!name) name = level_in_environment();
    const int level = tg__level(name && *name ? name : NULL);
    if (level >= 0) return level;
    const int fastest = tg__level(NULL);
    tg__fail(tg, TG_ERR_ARGUMENT, "open: there is no SIMD level \"%s\" on this CPU; the best is %s",
             name, tg__level_name(fastest));
    return fastest;
}

/* Refuses to open a context in a library whose compiler has contracted products and sums, as its
 * results would differ from those of other builds. The product here tests all files without
 * kernels, which are compiled with the same flags as this one; tg__rounds_products tests the
 * kernels. */
static void check_compiler(tg_context *tg)
{
    /* a * b is 1 - 2^-60, which rounds to 1; fused with the difference it is not rounded. */
    const volatile double a = 1 + 0x1p-30, b = 1 - 0x1p-30, one = 1;
    if (a * b - one == 0 && tg__rounds_products(tg->level)) return;
    tg__fail(tg, TG_ERR_CONTEXT,
             "open: the compiler has joined products and sums to fused operations, which changes "
             "results: compile libtinygrad with -ffp-contract=off");
}

/* Reports a failure of tg_open to on_error alone, since there is no context to record it in. */
static void *fail_to_open(const tg_options *o, tg_status code, const char *message)
{
    if (o->on_error) o->on_error(o->user, code, message);
    return NULL;
}

/* The least page is larger than the smallest block that has a free list of its own (see free_list
 * in memory.c). */
static size_t page_size(size_t wanted)
{
    enum { LEAST = 1 << 12, USUAL = 1 << 16 };
    if (wanted == 0) return USUAL;
    return wanted < LEAST ? LEAST : wanted;
}

tg_context *tg_open(const tg_options *options)
{
    tg_options o = options ? *options : tg_defaults();
    if (!o.allocate && !o.deallocate) {
        o.allocate = default_allocate;
        o.deallocate = default_deallocate;
    }
    if (!o.allocate || !o.deallocate)
        return fail_to_open(&o, TG_ERR_ARGUMENT, "open: allocate or deallocate is NULL");
    const bool fits = !o.max_bytes || o.max_bytes >= sizeof(tg_context);
    tg_context *tg = fits ? o.allocate(o.user, sizeof *tg) : NULL;
    if (!tg) return fail_to_open(&o, TG_ERR_MEMORY, "open: no memory for the context");
    memset(tg, 0, sizeof *tg);
    tg->options = o;
    tg->options.page_bytes = page_size(o.page_bytes);
    tg->stats.held_bytes = tg->stats.live_bytes = tg->stats.peak_bytes = sizeof *tg;
    tg->stats.allocator_calls = 1;
    tg->level = choose_level(tg, o.simd_level);
    tg->default_dtype = TG_F32;
    tg->newest = -1;
    tg__seed(&tg->random, 0);
    check_compiler(tg);
    return tg;
}

void tg_close(tg_context *tg)
{
    if (!tg) return;
    if (tg->team) tg->team->disband(tg, tg->team);
    tg__end_all_scopes(tg);
    tg__trim(tg);
    tg->options.deallocate(tg->options.user, tg, sizeof *tg);
}

bool tg_ok(const tg_context *tg)
{
    return tg && tg->status == TG_OK;
}

tg_status tg_error_code(const tg_context *tg)
{
    return tg ? tg->status : TG_ERR_CONTEXT;
}

const char *tg_error(const tg_context *tg)
{
    return tg ? tg->message : "no context: tg_open failed or NULL was given";
}

void tg_clear_error(tg_context *tg)
{
    if (!tg) return;
    tg->status = TG_OK;
    tg->message[0] = 0;
}

tg_stats tg_get_stats(const tg_context *tg)
{
    return tg ? tg->stats : (tg_stats){0};
}

const char *tg_simd_level(const tg_context *tg)
{
    return tg ? tg__level_name(tg->level) : NULL;
}

/* This function stands here and not in threads.c, so that a static program that never sets the
 * number of threads does not link the code of threads. */
int tg_get_num_threads(const tg_context *tg)
{
    if (!tg) return 0;
    return tg->team && tg->team->has_threads(tg->team) ? tg->team->threads : 1;
}

static tg_tensor *const nothing[TG_READABLE];
const tg_list tg__no_list = {0, nothing};

void tg__use_point(char *number)
{
    char *point = number + strspn(number, "-0123456789");
    if (strchr("ein", *point)) return; /* an integer, infinity or NaN has no point */
    memmove(point + 1, point + strcspn(point, "0123456789"), strlen(point));
    *point = '.';
}

/* Writes the next argument by the given conversion, which is %s, %d, %lld, %zu or a form of %g. */
static void put_argument(char *text, size_t room, const char *conversion, va_list *args)
{
    const char type = conversion[strlen(conversion) - 1];
    if (type == 's') {
        snprintf(text, room, conversion, va_arg(*args, const char *));
    } else if (type == 'g') {
        snprintf(text, room, conversion, va_arg(*args, double));
        tg__use_point(text);
    } else if (type == 'u') {
        /* "%zu" is not known to every C library that is used without an operating system. */
        snprintf(text, room, "%llu", (unsigned long long)va_arg(*args, size_t));
    } else if (conversion[1] == 'l') {
        snprintf(text, room, conversion, va_arg(*args, long long));
    } else {
        snprintf(text, room, conversion, va_arg(*args, int));
    }
}

/* Does what vsnprintf does, but writes the decimal point "." in every locale. */
static void write_message(char *text, size_t size, const char *format, va_list *args)
{
    const char *end = text + size;
    while (*format) {
        char conversion[8] = "";
        const size_t plain = strcspn(format, "%");
        snprintf(text, (size_t)(end - text), "%.*s", (int)plain, format);
        text += strlen(text);
        format += plain;
        if (!*format) break;
        const size_t n = strcspn(format, "sgud") + 1;
        memcpy(conversion, format, n);
        put_argument(text, (size_t)(end - text), conversion, args);
        text += strlen(text);
        format += n;
    }
}

/* A message begins with the name of the operation that failed and a colon. Replaces this name by
 * that of the outermost operation, which is the one that the program called. */
static void name_caller(tg_context *tg)
{
    const char *name = NULL;
    for (const frame *f = tg->frame; f; f = f->outer)
        if (f->name) name = f->name;
    const char *rest = strchr(tg->message, ':');
    if (!name || !rest) return;
    char text[TG_MESSAGE];
    snprintf(text, sizeof text, "%s%s", name, rest);
    memcpy(tg->message, text, sizeof text);
}

/* Puts the path of the module that is running before the message. */
static void put_path_first(tg_context *tg)
{
    char path[TG_MESSAGE / 2] = "";
    tg->running->write_path(tg->running, path, sizeof path);
    const size_t n = strlen(path);
    memmove(tg->message + n, tg->message, TG_MESSAGE - n);
    memcpy(tg->message, path, n);
    tg->message[TG_MESSAGE - 1] = 0;
}

void *tg__fail(tg_context *tg, tg_status code, const char *format, ...)
{
    if (tg->status != TG_OK) return NULL;
    tg->status = code;
    va_list args;
    va_start(args, format);
    write_message(tg->message, sizeof tg->message, format, &args);
    va_end(args);
    if (tg->frame && code != TG_ERR_MEMORY) name_caller(tg);
    if (tg->running) put_path_first(tg);
    if (tg->options.on_error) tg->options.on_error(tg->options.user, code, tg->message);
    return NULL;
}

char *tg__show_sizes(tg_context *tg, int ndim, const int64_t *sizes)
{
    char *text = tg->shown[tg->next_shown++ % TG_SHOWN], *p = text;
    *p++ = '[';
    for (int i = 0; i < ndim && i < TG_MAX_DIMS; i++)
        p += sprintf(p, "%s%lld", i ? ", " : "", (long long)sizes[i]);
    strcpy(p, ndim > TG_MAX_DIMS ? ", ...]" : "]");
    return text;
}

char *tg__show(const tg_tensor *t)
{
    return tg__show_sizes(t->context, t->ndim, t->shape);
}

void tg_no_grad_begin(tg_context *tg)
{
    if (tg) tg->no_grad++;
}

void tg_no_grad_end(tg_context *tg)
{
    if (!tg) return;
    if (tg->no_grad == 0)
        tg__fail(tg, TG_ERR_CONTEXT, "no_grad_end: no no_grad was begun");
    else
        tg->no_grad--;
}

bool tg_is_grad_enabled(const tg_context *tg)
{
    return tg && tg->no_grad == 0;
}
