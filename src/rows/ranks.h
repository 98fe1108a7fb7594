/* How the ranks of an exchange agree on what they do.
 *
 * A collective call of the library begins with a meeting. Each rank tells which call it is in,
 * whether an error is pending, and some bytes of its own. If one of them has failed or is in
 * another call, all ranks learn that in the meeting and fail, and none waits for what the other
 * does not send. */
#ifndef TG_RANKS_H
#define TG_RANKS_H

#include "../context/memory.h"

enum { TG_ENVELOPE = 1024, TG_TOLD = TG_ENVELOPE - 56 };

/* What a rank tells the others in a meeting; always of this size, so that ranks in different calls
 * understand each other. */
typedef struct envelope {
    uint64_t format;           /* of this struct; differs where the order of bytes differs, too */
    int32_t status;            /* the error that is pending on this rank, or TG_OK */
    uint32_t bytes;            /* how many of the content */
    char op[32];               /* the call, and its step */
    char content[TG_TOLD + 8]; /* the bytes; the message of the error, if there is one */
} envelope;

/* Lets the ranks meet in the call `op`, and tells them at most TG_TOLD bytes. `step` distinguishes
 * the meetings of a call, and follows its name in messages. `all` has room for an envelope of each
 * rank. False, on all ranks, if an error is pending on one of them, which is then recorded on the
 * others, or if they are in different calls or steps. */
bool tg__meet(tg_context *tg, const char *op, const char *step, const tg_exchange *x,
              const void *own, size_t bytes, envelope *all);

/* Calls allgather of the exchange, and records its error. */
bool tg__allgather(tg_context *tg, const char *op, const tg_exchange *x, const void *own,
                   size_t bytes, void *all);

/* Calls alltoall of the exchange, which is not NULL, and records its error. */
bool tg__alltoall(tg_context *tg, const char *op, const tg_exchange *x, const void *out,
                  const size_t *out_bytes, void *in, const size_t *in_bytes);

/* Whether the exchange can be used; else records what is wrong with it. */
bool tg__check_exchange(tg_context *tg, const char *op, const tg_exchange *x);

/* A hash of n bytes that continues another; 0 begins one. */
uint64_t tg__hash(uint64_t hash, const void *bytes, size_t n);

#endif
