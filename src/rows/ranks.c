/* What the ranks of an exchange do together, beside the sums of rows: they meet, share rows, and
 * broadcast and compare lists of named tensors. */
#include "ranks.h"

#include <string.h>

#include "../state/exchange.h"

static const uint64_t FORMAT = 0x74675f72616e6b01; /* "tg_rank" and a version */

bool tg__check_exchange(tg_context *tg, const char *op, const tg_exchange *x)
{
    if (!x) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the exchange is NULL", op);
    if (!x->allgather)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: allgather of the exchange is NULL", op);
    if (x->size < 1 || x->rank < 0 || x->rank >= x->size)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the exchange has rank %d of %d ranks", op,
                        x->rank, x->size);
    return true;
}

/* Whether the function of an exchange that has returned `message` has succeeded. */
static bool check_exchanged(tg_context *tg, const char *op, const char *message)
{
    return !message || tg__fail(tg, TG_ERR_IO, "%s: exchange: %s", op, message);
}

bool tg__allgather(tg_context *tg, const char *op, const tg_exchange *x, const void *own,
                   size_t bytes, void *all)
{
    return check_exchanged(tg, op, x->allgather(x->user, own, bytes, all));
}

bool tg__alltoall(tg_context *tg, const char *op, const tg_exchange *x, const void *out,
                  const size_t *out_bytes, void *in, const size_t *in_bytes)
{
    return check_exchanged(tg, op, x->alltoall(x->user, out, out_bytes, in, in_bytes));
}

/* Records the error of the first rank that has one, or is in another call than rank 0. */
static bool check_met(tg_context *tg, const char *op, const tg_exchange *x, envelope *all)
{
    for (int r = 0; r < x->size; r++) {
        envelope *e = &all[r];
        if (e->format != FORMAT)
            return tg__fail(tg, TG_ERR_IO,
                            "%s: rank %d has another version of the library, or another order of "
                            "bytes, than rank %d",
                            op, r, x->rank);
        e->op[sizeof e->op - 1] = 0;
        e->content[TG_TOLD] = 0;
        if (e->status)
            return tg__fail(tg, (tg_status)e->status, "%s: rank %d: %s", op, r, e->content);
    }
    for (int r = 1; r < x->size; r++)
        if (strcmp(all[r].op, all[0].op) != 0)
            return tg__fail(tg, TG_ERR_ARGUMENT,
                            "%s: rank %d is in %s, and rank 0 in %s: all ranks make the same calls "
                            "in the same order",
                            op, r, all[r].op, all[0].op);
    return true;
}

bool tg__meet(tg_context *tg, const char *op, const char *step, const tg_exchange *x,
              const void *own, size_t bytes, envelope *all)
{
    TG_CHECK(bytes <= TG_TOLD && strlen(op) + strlen(step) < sizeof all->op);
    envelope mine = {.format = FORMAT, .status = (int32_t)tg->status, .bytes = (uint32_t)bytes};
    snprintf(mine.op, sizeof mine.op, "%s%s", op, step);
    if (tg->status)
        snprintf(mine.content, sizeof mine.content, "%.*s", TG_TOLD, tg->message);
    else if (bytes > 0)
        memcpy(mine.content, own, bytes);
    return tg__allgather(tg, op, x, &mine, sizeof mine, all) && check_met(tg, op, x, all) &&
           tg__ready(tg);
}

uint64_t tg__hash(uint64_t hash, const void *bytes, size_t n)
{
    const char *from = bytes;
    for (; n > 0; n -= n < 8 ? n : 8, from += 8) {
        uint64_t word = n;
        memcpy(&word, from, n < 8 ? n : 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
    }
    return hash;
}

/* ---- The rows of a rank. */

/* The number from `least` to `most` that has the most factors of two. */
static int64_t roundest(int64_t least, int64_t most)
{
    if (least <= 0) return 0;
    int64_t step = 1;
    while (step <= most / 2 && most / (2 * step) * (2 * step) >= least) step *= 2;
    return most / step * step;
}

/* The block at which the rank begins. */
static int64_t first_block(int64_t blocks, int rank, int size)
{
    if (rank == size) return blocks;
    const int64_t share = blocks / size, room = share / 32;
    const int64_t even = share * rank + blocks % size * rank / size;
    return roundest(even - room, even + room);
}

tg_share tg_share_rows(const tg_exchange *x, int64_t n, int64_t block_rows)
{
    if (n < 0 || block_rows < 1) return (tg_share){0, 0};
    if (!x) return (tg_share){0, n};
    if (x->size < 1 || x->rank < 0 || x->rank >= x->size) return (tg_share){0, 0};
    const int64_t blocks = n / block_rows + (n % block_rows > 0);
    const int64_t first = first_block(blocks, x->rank, x->size) * block_rows;
    const int64_t next = first_block(blocks, x->rank + 1, x->size);
    const int64_t end = next == blocks ? n : next * block_rows;
    return (tg_share){first < n ? first : n, end - (first < n ? first : n)};
}

/* ---- Lists of named tensors. */

/* What a rank tells of its list. */
typedef struct told_state {
    int64_t n;
    uint64_t form;     /* a hash of names, dtypes and shapes */
    uint64_t elements; /* a hash of all elements */
    int64_t root;      /* the argument of tg_state_broadcast_ */
} told_state;

static uint64_t hash_form(const tg_state *s)
{
    uint64_t hash = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const tg_tensor *t = s->items[i].tensor;
        const int64_t kind[2] = {(int64_t)t->dtype, t->ndim};
        hash = tg__hash(hash, s->items[i].name, strlen(s->items[i].name) + 1);
        hash = tg__hash(hash, kind, sizeof kind);
        hash = tg__hash(hash, t->shape, (size_t)t->ndim * sizeof t->shape[0]);
    }
    return hash;
}

/* Tells the others that this rank has no memory for what they tell. Where they are too many for the
 * stack, they get an error when their time is over. */
static TG_NOINLINE void meet_without_memory(const char *op, tg_context *tg, const tg_exchange *x)
{
    envelope few[12];
    if (x->size <= 12) tg__meet(tg, op, "", x, NULL, 0, few);
}

/* Begins a call on lists: the ranks meet. Returns what they have told, in the current scope, or
 * NULL after an error. It is an error, too, if a list has other names, dtypes or shapes than that
 * of rank 0. */
static envelope *meet_on_lists(const char *op, const tg_state *s, const tg_exchange *x,
                               told_state own)
{
    tg_context *tg = s->context;
    envelope *all = tg__alloc(tg, tg__bytes(x->size, sizeof *all));
    if (!all) meet_without_memory(op, tg, x);
    if (!all || !tg__meet(tg, op, "", x, &own, sizeof own, all)) return NULL;
    told_state first, other;
    memcpy(&first, all[0].content, sizeof first);
    if (first.root < 0 || first.root >= x->size)
        return tg__fail(tg, TG_ERR_INDEX, "%s: root %lld of %d ranks", op, (long long)first.root,
                        x->size);
    for (int r = 1; r < x->size; r++) {
        memcpy(&other, all[r].content, sizeof other);
        if (other.n != first.n || other.form != first.form)
            return tg__fail(tg, TG_ERR_SHAPE,
                            "%s: the lists of rank 0, of %lld tensors, and rank %d, of %lld, "
                            "differ in names, shapes or dtypes",
                            op, (long long)first.n, r, (long long)other.n);
        if (other.root != first.root)
            return tg__fail(tg, TG_ERR_ARGUMENT, "%s: root is %lld on rank 0 and %lld on rank %d",
                            op, (long long)first.root, (long long)other.root, r);
    }
    return all;
}

static size_t element_bytes(const tg_tensor *t)
{
    return (size_t)t->numel * tg__dtype_size(t->dtype);
}

/* The bytes that the largest tensor of the list has on all ranks together, where broadcasting
 * gathers them; else 0. */
static size_t gathered_bytes(const tg_state *s, const tg_exchange *x)
{
    size_t most = 0;
    for (int64_t i = 0; !x->broadcast && i < s->n; i++)
        if (element_bytes(s->items[i].tensor) > most) most = element_bytes(s->items[i].tensor);
    return tg__bytes(x->size, most);
}

/* Gives all ranks the elements of t on rank root; t is row-major. `all` has gathered_bytes. */
static bool broadcast_tensor(const char *op, tg_tensor *t, const tg_exchange *x, int root,
                             char *all)
{
    const size_t bytes = element_bytes(t);
    if (bytes == 0) return true;
    if (x->broadcast)
        return check_exchanged(t->context, op, x->broadcast(x->user, t->data, bytes, root));
    if (!tg__allgather(t->context, op, x, t->data, bytes, all)) return false;
    memcpy(t->data, all + (size_t)root * bytes, bytes);
    return true;
}

/* Whether the tensors of s can be written; else the error is recorded. */
static bool check_writable(const char *op, const tg_state *s)
{
    for (int64_t i = 0; i < s->n; i++)
        if (!tg__writable(s->items[i].tensor, op)) return false;
    return true;
}

/* The elements are received by copies of the tensors. They replace the tensors after a second
 * meeting, in which each rank has learned that all have received them. All memory is taken before
 * the first. */
static bool broadcast_list(const char *op, tg_state *s, const tg_exchange *x, int root)
{
    tg_context *tg = s->context;
    tg_state *copies = tg__state_clone(op, s);
    char *all = copies ? tg__alloc(tg, gathered_bytes(copies, x)) : NULL;
    told_state own = {.root = root};
    envelope *met;
    if (all && check_writable(op, s)) own = (told_state){s->n, hash_form(s), 0, root};
    if (!(met = meet_on_lists(op, s, x, own))) return false;
    for (int64_t i = 0; i < s->n; i++)
        if (!broadcast_tensor(op, copies->items[i].tensor, x, root, all)) return false;
    if (!tg__meet(tg, op, ", at its end", x, NULL, 0, met)) return false;
    for (int64_t i = 0; i < s->n; i++) {
        tg__copy(s->items[i].tensor, copies->items[i].tensor);
        tg__written(s->items[i].tensor, op);
    }
    return true;
}

bool tg_state_broadcast_(tg_state *s, const tg_exchange *x, int root)
{
    static const char op[] = "state_broadcast_";
    if (!s || !tg__check_exchange(s->context, op, x)) return false;
    tg_scope_begin(s->context);
    const bool done = broadcast_list(op, s, x, root);
    tg_scope_end(s->context);
    return done;
}

/* The hash of the elements of t, in row-major order, with the number of the tensor. 0 if there is
 * no memory. */
static uint64_t hash_tensor(const tg_tensor *t, int64_t number)
{
    const size_t bytes = element_bytes(t);
    const uint64_t begun = tg__hash(1, &number, sizeof number);
    if (t->contiguous) return tg__hash(begun, t->data, bytes);
    tg_scope_begin(t->context);
    tg_tensor *copy = tg__new(t->context, t->dtype, t->ndim, t->shape);
    if (copy) tg__copy(copy, t);
    const uint64_t hash = copy ? tg__hash(begun, copy->data, bytes) : 0;
    tg_scope_end(t->context);
    return hash;
}

/* An array of the hashes of all tensors, in the current scope; NULL after an error. */
static uint64_t *hash_tensors(const char *op, const tg_state *s)
{
    uint64_t *hashes = tg__alloc(s->context, tg__bytes(s->n + 1, sizeof *hashes));
    for (int64_t i = 0; hashes && i < s->n; i++) {
        const tg_tensor *t = s->items[i].tensor;
        if (tg__is_gone(t))
            return tg__fail(s->context, TG_ERR_CONTEXT, "%s: %s was released", op,
                            s->items[i].name);
        hashes[i] = hash_tensor(t, i);
    }
    return tg__ready(s->context) ? hashes : NULL;
}

/* Records the first tensor whose hash is another one on the rank than on rank 0. `all` has room for
 * the hashes of all ranks. */
static bool name_difference(const char *op, const tg_state *s, const tg_exchange *x, int rank,
                            const uint64_t *hashes, uint64_t *all)
{
    tg_context *tg = s->context;
    if (!tg__allgather(tg, op, x, hashes, (size_t)s->n * sizeof *all, all)) return false;
    int64_t i = 0;
    while (i < s->n - 1 && all[rank * s->n + i] == all[i]) i++;
    return tg__fail(tg, TG_ERR_ARGUMENT, "%s: %s has other bits on rank %d than on rank 0", op,
                    s->items[i].name, rank);
}

static bool compare_lists(const char *op, const tg_state *s, const tg_exchange *x)
{
    const uint64_t *hashes = hash_tensors(op, s);
    uint64_t *all = tg__alloc(s->context, tg__bytes(x->size, (size_t)s->n * sizeof *all));
    told_state own = {0}, other;
    envelope *met;
    if (hashes && all)
        own =
            (told_state){s->n, hash_form(s), tg__hash(0, hashes, (size_t)s->n * sizeof *hashes), 0};
    if (!(met = meet_on_lists(op, s, x, own))) return false;
    memcpy(&own, met[0].content, sizeof own);
    for (int r = 1; r < x->size; r++) {
        memcpy(&other, met[r].content, sizeof other);
        if (other.elements != own.elements) return name_difference(op, s, x, r, hashes, all);
    }
    return true;
}

bool tg_state_agree(const tg_state *s, const tg_exchange *x)
{
    static const char op[] = "state_agree";
    if (!s || !tg__check_exchange(s->context, op, x)) return false;
    tg_scope_begin(s->context);
    const bool agree = compare_lists(op, s, x);
    tg_scope_end(s->context);
    return agree;
}
