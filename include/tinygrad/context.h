/* The handle, scopes, errors and memory. */
#ifndef TINYGRAD_CONTEXT_H
#define TINYGRAD_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"

#if defined(__GNUC__)
/* Marks a function that the library exports. */
#define TG_API __attribute__((visibility("default")))
#else
/* Marks a function that the library exports, for which this compiler needs no attribute. */
#define TG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Memory, tape, random stream, first error and settings of one line of computation. */
typedef struct tg_context tg_context;

/* What kind of error a call has met (tg_error_code). */
typedef enum tg_status {
    TG_OK = 0,       /* no error */
    TG_ERR_MEMORY,   /* the allocator failed or the cap was reached */
    TG_ERR_SHAPE,    /* sizes do not fit each other, or overflow, or have too many dimensions */
    TG_ERR_DTYPE,    /* a dtype that the function does not take, or two that differ */
    TG_ERR_INDEX,    /* a dimension or an index out of range */
    TG_ERR_ARGUMENT, /* another argument that makes no sense */
    TG_ERR_AUTOGRAD, /* a gradient that cannot be had, or a write that would spoil one */
    TG_ERR_CONTEXT,  /* tensors of two contexts, an unbalanced scope, a released tensor */
    TG_ERR_IO        /* a file could not be written or read, or has wrong contents */
} tg_status;

/* Settings of a context, which stay as they are from tg_open on. In a plain literal, members that
 * are left out are 0 or NULL, and these are the defaults. */
typedef struct tg_options {
    /* Takes memory: returns NULL on failure, else memory aligned for any object. It is called from
     * the thread that uses the context, and with rows (rows.h) from its threads, several at a time,
     * too. malloc, if allocate and deallocate are both NULL. */
    void *(*allocate)(void *user, size_t bytes);
    /* Gives back what allocate returned, with the size that was asked for. It is called from the
     * same threads as allocate. free, if allocate and deallocate are both NULL. */
    void (*deallocate)(void *user, void *memory, size_t bytes);
    /* The first argument of allocate, deallocate and on_error. */
    void *user;
    /* The most bytes that the context holds from the allocator at once; 0 for no cap. */
    size_t max_bytes;
    /* The bytes that a context takes from the allocator at a time for its small objects: records of
     * autograd, views, and tensors whose elements and header together have at most 4 KB. 0 means
     * 65536; less than 4096 means 4096. Small pages save memory where there is little of it. */
    size_t page_bytes;
    /* The instruction set of the kernels, by its name in tg_simd_level. NULL: the one that the
     * environment variable TINYGRAD_SIMD names (which a setuid program on Linux does not read),
     * else the fastest of this CPU. */
    const char *simd_level;
    /* Called at the first failure since tg_open or tg_clear_error, before the failing call returns,
     * with what tg_error_code and tg_error will return. It can write a line to a log, or carry a
     * breakpoint from which a debugger shows the caller's line. It may read and print (tg_error,
     * tg_item, tg_print), but must not make, change, release or close anything of this context, nor
     * clear the error. It is also called by a tg_open that returns NULL. NULL: nothing is called.
     */
    void (*on_error)(void *user, tg_status code, const char *message);
} tg_options;

/* The default settings: malloc and free, no cap, the fastest kernels, no on_error. */
TG_API tg_options tg_defaults(void);

/* Makes a context with its outermost scope open, its random stream seeded with 0, and one thread.
 * NULL when memory fails, or when one of allocate and deallocate is NULL and the other is not. A
 * SIMD level that does not exist, or that this CPU lacks, gives a context with an error pending,
 * TG_ERR_ARGUMENT; and so does, with TG_ERR_CONTEXT, a library whose compiler has joined products
 * and sums to fused operations (-ffp-contract=off prevents it), since results would differ. */
TG_API tg_context *tg_open(const tg_options *options);

/* Ends every scope and frees all that the context holds. NULL is ignored. */
TG_API void tg_close(tg_context *tg);

/* Begins a scope, which cannot fail. What is made until the matching tg_scope_end, the graph
 * included, dies there, as the variables of a C block do at its end. Scopes nest to any depth.
 * tg_keep (tensor.h) hands a tensor out of a scope. */
TG_API void tg_scope_begin(tg_context *tg);

/* Ends the innermost scope: its tensors, records, modules and optimisers are gone, and a pointer to
 * one must not be used. Their memory goes back to the context and serves the next scope, so that a
 * training loop asks the allocator for nothing after its first step. Works while an error is
 * pending. Without a matching tg_scope_begin it is TG_ERR_CONTEXT. */
TG_API void tg_scope_end(tg_context *tg);

#ifdef __cplusplus
}
namespace tg_detail
{
struct scope {
    tg_context *tg;
    bool open;
    explicit scope(tg_context *context) : tg(context), open(true)
    {
        tg_scope_begin(tg);
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    ~scope()
    {
        end();
    }
    void end()
    {
        if (open) tg_scope_end(tg);
        open = false;
    }
};
} // namespace tg_detail
extern "C" {
/* Internal: TG_SCOPE with a variable of this name, whose destructor ends the scope. */
#define TG_SCOPE_NAMED(tg, name) for (tg_detail::scope name(tg); name.open; name.end())
#else
/* Internal: TG_SCOPE with a variable of this name. break and continue leave the inner loop; the
 * outer loop then ends the scope. */
#define TG_SCOPE_NAMED(tg, name)                                                                   \
    for (int name = (tg_scope_begin(tg), 2); name > 0; name = (tg_scope_end(tg), 0))               \
        for (; name == 2; name = 1)
#endif
/* Internal: makes the name of the variable from the number of the line. */
#define TG_SCOPE_JOIN(tg, line) TG_SCOPE_NAMED(tg, tg_scope_at_##line)
/* Internal: expands __LINE__ before it is joined to a name. */
#define TG_SCOPE_LINE(tg, line) TG_SCOPE_JOIN(tg, line)

/* TG_SCOPE(tg) { ... } is a block with a scope of its own. break and continue end the block and its
 * scope; they do not act on a loop around it. In C++, return and exceptions end the scope, too. In
 * C no macro can do that: a return or goto out of the block leaves the scope open, and what is made
 * afterwards lives until an outer scope ends. Leave the block by break, and return after it. The
 * argument tg may be evaluated twice. */
#define TG_SCOPE(tg) TG_SCOPE_LINE(tg, __LINE__)

/* True as long as no call has failed since tg_open or tg_clear_error. False for NULL. */
TG_API bool tg_ok(const tg_context *tg);

/* The kind of the first failure since tg_open or tg_clear_error; TG_OK if there was none,
 * TG_ERR_CONTEXT for NULL. */
TG_API tg_status tg_error_code(const tg_context *tg);

/* The message of the first failure since tg_open or tg_clear_error, without a newline; "" if there
 * was none. It names the operation that was called and shows the shapes it was given. The text
 * lives in the context, until tg_clear_error or tg_close. NULL gives a message of its own. */
TG_API const char *tg_error(const tg_context *tg);

/* Forgets the error, so that the program goes on from the state before the call that failed. */
TG_API void tg_clear_error(tg_context *tg);

/* How much memory a context uses (tg_get_stats). */
typedef struct tg_stats {
    size_t live_bytes;        /* lent to open scopes */
    size_t peak_bytes;        /* the most that live_bytes has been */
    size_t held_bytes;        /* held from the allocator: live, and kept for the next scope */
    uint64_t allocator_calls; /* of allocate and deallocate since tg_open, failed ones included */
} tg_stats;

/* The use of memory at this moment. All zero for NULL. */
TG_API tg_stats tg_get_stats(const tg_context *tg);

/* ---- Looking at what runs. Both cost nothing while they are off, as they are at first, and can be
 * turned on and off at any time. */

/* While on, the operation that makes the first NaN or infinity from finite inputs is an error,
 * TG_ERR_ARGUMENT: "2 (Linear): linear: the result [4, 3] is inf at [1, 2], for the finite inputs
 * ...". A gradient that backward computes is one, too: "2 (Linear): backward of linear: ...", where
 * the path is that of the module whose forward has run since this was turned on. A call that fails
 * in one of these ways changes nothing. A step that makes a parameter other than finite has been
 * made when it fails, and the parameter can be looked at.
 *
 * An operation that is composed of others fails only if its result is not finite, and a value that
 * comes from outside, as in a file or as the infinity of a mask, is no error. Each result is read
 * once more, and an operation in place copies what it overwrites. Sums of several backwards in
 * t->grad are not looked at. False if there is no memory.
 * PyTorch: torch.autograd.set_detect_anomaly, which looks at gradients alone. */
TG_API bool tg_detect_anomaly(tg_context *tg, bool on);

/* Begins to count calls, time and bytes by operation, from 0, or ends it; what was counted stays to
 * be read. Views are not counted, as they take no time. The first call of an operation takes memory
 * for its row, which the context keeps; later calls take none. False if there is no memory.
 * PyTorch: torch.profiler.profile. */
TG_API bool tg_profile(tg_context *tg, bool on);

/* What was counted of an operation (tg_get_profile). */
typedef struct tg_profile_row {
    /* That of messages, such as "linear"; "backward of linear" for its gradients, with all that
     * computes them, once for each input that gets one; "step of adam" for an optimiser. */
    const char *name;
    int64_t calls;       /* how often it was called */
    int64_t nanoseconds; /* the time from its beginnings to its ends */
    int64_t bytes;       /* of the elements of its inputs and results */
} tg_profile_row;

/* The rows of a profile. */
typedef struct tg_profile_rows {
    int n;                       /* how many rows */
    const tg_profile_row *items; /* the rows, that with the longest time first */
} tg_profile_rows;

/* The rows that have counted a call, in the current scope, whether or not counting goes on. Empty
 * if there are none, or no memory. */
TG_API tg_profile_rows tg_get_profile(tg_context *tg);

/* Writes the rows to file as a table, with their sum and the time that has passed while they were
 * counted. The difference of the two is the time of what belongs to no operation: the program
 * itself, making and freeing tensors, and walking the graph. A file that is NULL is
 * TG_ERR_ARGUMENT, a failed write TG_ERR_IO. */
TG_API bool tg_print_profile(FILE *file, tg_context *tg);

/* The instruction set that the kernels of this context use: "avx512", "avx2", "portable". All give
 * the same bits, save those of NaN. NULL for NULL. */
TG_API const char *tg_simd_level(const tg_context *tg);

/* Sets the number of threads that the operations of this context may use: 1 unless set, at most
 * 256. Large products, elementwise operations, copies, updates, sums, dot products, extremes,
 * running sums, reductions over rows or columns, sorts of many rows, gathers and normal draws are
 * shared among them, and cut in such a way that no bit of a result depends on the number; small
 * ones stay on the caller's thread. Blocks of rows (rows.h) are shared among them, too. The number
 * can be changed at any time. False, with the number as it was, for one out of range or when the
 * system gives no more threads.
 *
 * A helper thread waits for work for some 200 us, then sleeps; it ends with the context or when the
 * number changes. fork() does not copy threads: in the child a context works on with one thread,
 * and may be given more. */
TG_API bool tg_set_num_threads(tg_context *tg, int n);

/* The number of threads that operations may use. 0 for NULL. */
TG_API int tg_get_num_threads(const tg_context *tg);

#ifdef __cplusplus
}
#endif

#endif
