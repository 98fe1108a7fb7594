/* The handle, scopes, errors and memory. */
#ifndef TINYGRAD_CONTEXT_H
#define TINYGRAD_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

#if defined(__GNUC__)
#define TG_API __attribute__((visibility("default")))
#else
#define TG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Memory, tape, random stream, first error and settings of one line of computation. */
typedef struct tg_context tg_context;

typedef enum tg_status {
    TG_OK = 0,
    TG_ERR_MEMORY,   /* the allocator failed or the cap was reached */
    TG_ERR_SHAPE,    /* sizes do not fit each other, or overflow, or have too many dimensions */
    TG_ERR_DTYPE,    /* an element type that the operation does not take, or two that differ */
    TG_ERR_INDEX,    /* a dimension or an index out of range */
    TG_ERR_ARGUMENT, /* another argument that makes no sense */
    TG_ERR_AUTOGRAD, /* a gradient that cannot be had, or a write that would spoil one */
    TG_ERR_CONTEXT,  /* tensors of two contexts, an unbalanced scope, a released tensor */
    TG_ERR_IO        /* a file could not be written */
} tg_status;

typedef struct tg_options {
    /* Where memory comes from; malloc and free where both are NULL. allocate returns NULL on
     * failure, else memory aligned for any object; deallocate gets the size that was asked for.
     * Both are called from the thread that uses the context. */
    void *(*allocate)(void *user, size_t bytes);
    void (*deallocate)(void *user, void *memory, size_t bytes);
    void *user; /* the first argument of allocate, deallocate and on_error */
    /* Cap on the bytes held from the allocator at once; 0 for none. */
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

/* malloc, free, no cap, the fastest kernels, no on_error. */
TG_API tg_options tg_defaults(void);

/* A context with its outermost scope open, seeded with 0. options NULL: tg_defaults(). NULL when
 * memory fails, or when one of allocate and deallocate is NULL and the other is not. A SIMD level
 * that does not exist, or that this CPU lacks, is an error of the context, TG_ERR_ARGUMENT. */
TG_API tg_context *tg_open(const tg_options *options);

/* Ends every scope and frees all the context holds. NULL is ignored. */
TG_API void tg_close(tg_context *tg);

/* Between begin and the matching end lies a scope: what is made in it, the graph included, dies at
 * its end, as a C block's variables do. Scopes nest to any depth. Begin cannot fail. End without
 * begin is TG_ERR_CONTEXT; both work while an error is pending. tg_keep (tensor.h) hands a
 * tensor out of a scope. The memory goes back to the context and serves the next scope, so a
 * training loop asks the allocator for nothing after its first step. */
TG_API void tg_scope_begin(tg_context *tg);
TG_API void tg_scope_end(tg_context *tg);

/* A call records its failure in one context: that of the context, module, loader or optimiser it is
 * given, else that of the first tensor that is not NULL. Where another tensor belongs to a
 * different context, the failure is recorded in this one context alone, and the other stays as it
 * was. */

/* The library calls functions of the program: allocate, on_error, the forward of a module, a
 * closure and the like. These must return; they must not throw, longjmp or end the thread. If one
 * does, the call it was made from stays half done. After that, tg_ok, tg_error_code and tg_error
 * still return what they returned inside the function, and tg_close frees everything but the
 * allocation that was under way; any other use of the context or its tensors is undefined. */

/* TG_SCOPE(tg) { ... } is a block with a scope of its own. break and continue end the block and its
 * scope; they do not act on a loop around them. In C++, return and exceptions end the scope, too.
 * In C no macro can do that: a return or goto out of the block leaves the scope open, and what is
 * made afterwards lives until an outer scope ends. Leave the block by break, and return after it.
 * The argument tg may be evaluated twice. */
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
#define TG_SCOPE_NAMED(tg, name) for (tg_detail::scope name(tg); name.open; name.end())
#else
/* break and continue leave the inner loop; the outer loop then ends the scope. */
#define TG_SCOPE_NAMED(tg, name)                                                                   \
    for (int name = (tg_scope_begin(tg), 2); name > 0; name = (tg_scope_end(tg), 0))               \
        for (; name == 2; name = 1)
#endif
#define TG_SCOPE_JOIN(tg, line) TG_SCOPE_NAMED(tg, tg_scope_at_##line)
#define TG_SCOPE_LINE(tg, line) TG_SCOPE_JOIN(tg, line) /* expands __LINE__ before it is joined */
#define TG_SCOPE(tg)            TG_SCOPE_LINE(tg, __LINE__)

/* True until a call has failed. False for NULL. */
TG_API bool tg_ok(const tg_context *tg);

/* The first failure since tg_open or tg_clear_error: its code, and its message without a newline
 * ("" when there is none). The text lives in the context, until tg_clear_error or tg_close. A NULL
 * context gives TG_ERR_CONTEXT and a message of its own. */
TG_API tg_status tg_error_code(const tg_context *tg);
TG_API const char *tg_error(const tg_context *tg);

/* Forgets the error. While an error is pending, what exists does not change: backward, zero_grad,
 * steps, in-place writes and random draws do nothing and return failure; no module, optimiser,
 * scheduler or loader is made or changed, and no batch is drawn. Operations (those of tg_apply
 * included), new tensors, reading, printing, scopes and settings work as ever. */
TG_API void tg_clear_error(tg_context *tg);

/* Bytes, and calls made of the allocator's two functions since tg_open. */
typedef struct tg_stats {
    size_t live_bytes;        /* lent to open scopes */
    size_t peak_bytes;        /* the most that live_bytes has been */
    size_t held_bytes;        /* held from the allocator: live, and kept for the next scope */
    uint64_t allocator_calls; /* allocate and deallocate, failed ones included */
} tg_stats;

/* All zero for NULL. */
TG_API tg_stats tg_get_stats(const tg_context *tg);

/* The instruction set that the kernels of this context use: "avx512", "avx2", "portable". All give
 * the same bits, save those of NaN. NULL for NULL. */
TG_API const char *tg_simd_level(const tg_context *tg);

/* Stack: no function of the library has a frame of more than 16 KB, and a call takes less than 64
 * KB of stack with all that it calls, on any CPU. Larger work space comes from the context's
 * memory.
 *
 * The number of threads that the operations of this context may use: 1 unless set, at most 256.
 * Large products, elementwise operations, updates and reductions with many results are shared among
 * them, and cut in such a way that no bit of a result depends on the number; small ones stay on the
 * caller's thread. A helper thread waits for work for some 200 us, then sleeps; it ends with the
 * context or when the number changes, which is allowed at any time. Returns false, and keeps the
 * number as it was, for a number out of range or when the system gives no more threads. fork() does
 * not copy threads: in the child a context works on with one thread, and may be given more. */
TG_API bool tg_set_num_threads(tg_context *tg, int n);

/* 0 for NULL. */
TG_API int tg_get_num_threads(const tg_context *tg);

#ifdef __cplusplus
}
#endif

#endif
