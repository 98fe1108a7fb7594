/* Rows that several ranks hold. The ranks find out whose rows come first, compute their own blocks,
 * and then exchange the nodes of the tree that these have left and add them in the order of the
 * tree, each rank for itself or for a slice of the numbers.
 *
 * A node is sent in packed form: a byte for each shared tensor, which says whether a block has
 * reached it, then the gradients and the value, each at a multiple of 8 bytes, with zeros in the
 * place of gradients that there are not. A slice of a node has the bytes and a part of the numbers.
 *
 * Small nodes travel in the envelopes of the meeting. Larger ones are sent to all by allgather.
 * Where this would be more than SLICED bytes, each rank is sent its slice of all nodes, adds them,
 * and sends the sum to all: together this is twice the size of a node, as in an allreduce, if the
 * blocks of each rank make one node. */
#include "rows.h"
#include "ranks.h"

#include <string.h>

enum { SLICED = 1 << 16, MOST_LEVELS = 64 };

/* What a rank tells of its rows. */
typedef struct told_rows {
    int64_t first_row, count, all_rows, block_rows;
    int64_t calls;              /* how many calls were completed before */
    int64_t shared_n, elements; /* how many shared tensors, and how many numbers they have */
    uint64_t shapes;            /* a hash of their shapes and dtypes */
    int64_t reduction;
    int64_t seed, drew; /* of the blocks' random streams, and whether blocks have drawn from them */
    int64_t room;       /* the bytes of the memory for messages */
    int64_t prepared;   /* nothing that follows the exchange can fail on this rank */
    value_form form;    /* of the value; its ndim is -1 if there are no blocks */
} told_rows;

enum { INLINE_ROOM = TG_TOLD - sizeof(told_rows) };

static told_rows told_by(const envelope *e)
{
    told_rows told;
    memcpy(&told, e->content, sizeof told);
    return told;
}

/* ---- Whose rows come first. */

static told_rows tell_rows(const tg_rows *r)
{
    told_rows told = {
        .first_row = r->first_row,
        .count = r->count,
        .all_rows = r->all_rows,
        .block_rows = r->block_rows,
        .calls = r->calls,
        .shared_n = r->shared_n,
        .reduction = r->o.reduction,
        .room = (int64_t)r->room,
        .form.ndim = -1,
    };
    for (int i = 0; i < r->shared_n; i++) {
        const tg_tensor *t = r->shared[i];
        const int64_t kind[3] = {(int64_t)t->dtype, t->ndim, t->requires_grad};
        told.elements += t->numel;
        told.shapes = tg__hash(told.shapes, kind, sizeof kind);
        told.shapes = tg__hash(told.shapes, t->shape, (size_t)t->ndim * sizeof *t->shape);
    }
    return told;
}

/* Whether the rank has told the same as rank 0 of what must be the same on all ranks. */
static bool check_alike(const tg_rows *r, const char *name, int rank, const told_rows *a,
                        const told_rows *b)
{
    tg_context *tg = r->tg;
    if (a->shared_n != b->shared_n || a->elements != b->elements || a->shapes != b->shapes)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "%s: rank 0 has %lld parameters with %lld numbers, and rank %d %lld with "
                        "%lld; all ranks need the same shapes and dtypes, and the same of them "
                        "require grad",
                        name, (long long)a->shared_n, (long long)a->elements, rank,
                        (long long)b->shared_n, (long long)b->elements);
    if (a->block_rows != b->block_rows)
        return tg__fail(tg, TG_ERR_SHAPE, "%s: a block has %lld rows on rank 0 and %lld on rank %d",
                        name, (long long)a->block_rows, (long long)b->block_rows, rank);
    if (a->reduction != b->reduction)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: ranks 0 and %d have different reductions", name,
                        rank);
    return true;
}

/* Places the rows of the ranks one after the other. Only the last rank that has rows may have a
 * part of a block. */
static bool place_after_others(tg_rows *r, const char *name)
{
    const tg_exchange *x = r->o.exchange;
    const told_rows first = told_by(&r->met[0]);
    int64_t all = 0;
    for (int q = 0; q < x->size; q++) {
        const told_rows told = told_by(&r->met[q]);
        if (!check_alike(r, name, q, &first, &told)) return false;
        if (told.count > 0 && all % r->block_rows > 0)
            return tg__fail(r->tg, TG_ERR_SHAPE,
                            "%s: the ranks before rank %d have %lld rows, which are no whole "
                            "blocks of %lld; tg_share_rows gives whole blocks",
                            name, q, (long long)all, (long long)r->block_rows);
        if (q == x->rank) r->first_row = all;
        all += told.count;
    }
    r->all_rows = all;
    return all > 0 || tg__fail(r->tg, TG_ERR_SHAPE, "%s: no rank has rows", name);
}

void tg__take_share(tg_rows *r, int64_t n)
{
    const tg_exchange *x = r->o.exchange;
    const tg_share share = tg_share_rows(r->o.share ? x : NULL, n, r->block_rows);
    r->first_row = r->data_first = share.first;
    r->count = share.n;
    r->all_rows = n;
    r->placed = !x || r->o.share;
}

bool tg__prepare_exchange(tg_rows *r)
{
    const int64_t size = r->o.exchange->size;
    r->met = tg__alloc(r->tg, tg__bytes(size, sizeof *r->met));
    r->message_bytes = tg__alloc(r->tg, tg__bytes(2 * size, sizeof *r->message_bytes));
    return r->met && r->message_bytes;
}

bool tg__place_rows(tg_rows *r, const char *name)
{
    if (r->placed && tg__ready(r->tg)) return true;
    const told_rows told = tell_rows(r);
    const char *step = r->placed ? "" : " with new rows";
    if (!tg__meet(r->tg, name, step, r->o.exchange, &told, sizeof told, r->met)) return false;
    r->placed = place_after_others(r, name);
    return r->placed;
}

/* ---- Packed nodes. */

/* The gradient of a shared tensor, or the value behind them. */
typedef struct piece {
    int number; /* of the shared tensor; for the value, how many there are */
    tg_dtype dtype;
    size_t bytes;
    size_t at;      /* in the packed numbers */
    size_t in_node; /* in the elements of a tree_node */
} piece;

static const piece before_pieces = {.number = -1};

static size_t round_up_8(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

/* Goes on to the next piece; false behind the last. */
static bool next_piece(const rows_call *c, piece *p)
{
    const tg_rows *r = c->rows;
    p->at += round_up_8(p->bytes);
    if (++p->number > r->shared_n) return false;
    if (p->number == r->shared_n) {
        p->dtype = c->form.dtype;
        p->bytes = tg__value_bytes(&c->form);
        p->in_node = c->gradient_bytes;
        return true;
    }
    const tg_tensor *t = r->shared[p->number];
    const bool has_gradient = c->kind == ROWS_BACKWARD && t->requires_grad;
    p->dtype = t->dtype;
    p->bytes = has_gradient ? (size_t)t->numel * tg__dtype_size(t->dtype) : 0;
    p->in_node = r->gradient_at[p->number];
    return true;
}

/* The sizes of packed nodes and of messages, which all ranks know alike. */
typedef struct sizes {
    size_t reached; /* the bytes before the numbers */
    size_t numbers; /* of a whole node */
    size_t slice;   /* the numbers of the largest slice */
    size_t message; /* the nodes of the rank that has most */
    size_t room;    /* the memory for messages */
    bool in_envelopes, sliced;
} sizes;

/* A slice of nodes: the numbers between two places. */
typedef struct slice {
    const rows_call *c;
    size_t reached; /* the bytes before the numbers */
    size_t from, to;
} slice;

static size_t slice_bytes(const slice *s)
{
    return s->reached + (s->to - s->from);
}

/* Slice q of the numbers, for the rank q. */
static slice slice_of(const rows_call *c, const sizes *z, int q)
{
    const size_t words = z->numbers / 8, size = (size_t)c->rows->o.exchange->size, k = (size_t)q;
    return (slice){c, z->reached, (words / size * k + words % size * k / size) * 8,
                   (words / size * (k + 1) + words % size * (k + 1) / size) * 8};
}

/* The numbers of a piece that are in the slice: where they begin, and how many bytes they are. */
static size_t common_bytes(const slice *s, const piece *p, size_t *from)
{
    const size_t end = p->at + p->bytes < s->to ? p->at + p->bytes : s->to;
    *from = p->at > s->from ? p->at : s->from;
    return *from < end ? end - *from : 0;
}

/* Writes the slice of a node. */
static void pack(const slice *s, const tree_node *node, char *to)
{
    const int values = s->c->rows->shared_n;
    memset(to, 0, slice_bytes(s));
    for (piece p = before_pieces; next_piece(s->c, &p);) {
        size_t from;
        const size_t n = common_bytes(s, &p, &from);
        if (p.number < values && !node->reached[p.number]) continue;
        if (p.number < values) to[p.number] = 1;
        if (n > 0)
            memcpy(to + s->reached + (from - s->from), node->elements + p.in_node + (from - p.at),
                   n);
    }
}

static void unpack(const rows_call *c, const char *reached, const char *numbers, tree_node *node)
{
    const int values = c->rows->shared_n;
    node->form = c->form;
    for (piece p = before_pieces; next_piece(c, &p);) {
        if (p.number < values) node->reached[p.number] = reached[p.number];
        if (p.bytes > 0) memcpy(node->elements + p.in_node, numbers + p.at, p.bytes);
    }
}

/* Adds the slice of the right node to that of the left. A gradient that no block of the left node
 * has reached becomes that of the right node. */
static void add_slices(const slice *s, char *left, const char *right)
{
    const int values = s->c->rows->shared_n, level = s->c->rows->tg->level;
    for (piece p = before_pieces; next_piece(s->c, &p);) {
        const bool is_value = p.number == values;
        size_t from;
        const size_t n = common_bytes(s, &p, &from);
        if (!is_value && !right[p.number]) continue;
        char *a = left + s->reached + (from - s->from);
        const char *b = right + s->reached + (from - s->from);
        if (n > 0 && !is_value && !left[p.number])
            memcpy(a, b, n);
        else if (n > 0)
            pick(level, add, p.dtype)((int64_t)(n / tg__dtype_size(p.dtype)), a, a, b);
        if (!is_value) left[p.number] = 1;
    }
}

/* ---- The order of the tree. */

/* The nodes from block 0 on that have no sibling yet: their levels fall from left to right. */
typedef struct pile {
    int n;
    int level[MOST_LEVELS];
    char *at[MOST_LEVELS];
} pile;

/* Puts the next node to the right, and adds it up with its siblings. */
static void pile_up(pile *p, const slice *s, int level, char *at)
{
    while (p->n > 0 && p->level[p->n - 1] == level) {
        add_slices(s, p->at[--p->n], at);
        at = p->at[p->n];
        level++;
    }
    p->level[p->n] = level;
    p->at[p->n++] = at;
}

/* Adds up what is left, from the right. */
static char *fold_pile(pile *p, const slice *s)
{
    while (p->n > 1) {
        add_slices(s, p->at[p->n - 2], p->at[p->n - 1]);
        p->n--;
    }
    return p->at[0];
}

/* The level of the largest node that begins at the block and ends at `end` at the latest. */
static int level_at(int64_t first, int64_t end)
{
    int level = 0;
    while (first % (INT64_C(2) << level) == 0 && first + (INT64_C(2) << level) <= end) level++;
    return level;
}

/* The blocks of a rank that are in no node yet. */
typedef struct block_run {
    int64_t next, end;
} block_run;

static block_run run_of(const told_rows *told)
{
    const int64_t first = told->first_row / told->block_rows;
    return (block_run){first, first + tg__blocks_of(told->count, told->block_rows)};
}

/* The level of the next node of a run; -1 behind the last. */
static int next_level(block_run *blocks)
{
    if (blocks->next >= blocks->end) return -1;
    const int level = level_at(blocks->next, blocks->end);
    blocks->next += INT64_C(1) << level;
    return level;
}

static int64_t count_nodes(block_run blocks)
{
    int64_t n = 0;
    while (next_level(&blocks) >= 0) n++;
    return n;
}

/* Takes the node out of the list that begins at the lowest block. */
static tree_node *take_leftmost(tree_node **list)
{
    tree_node **leftmost = list;
    for (tree_node **link = list; *link; link = &(*link)->next)
        if ((*link)->index << (*link)->level < (*leftmost)->index << (*leftmost)->level)
            leftmost = link;
    tree_node *found = *leftmost;
    if (found) *leftmost = found->next;
    return found;
}

/* ---- The exchange. */

/* Checks what the ranks have told, and sets c->form to the form of the value on all of them, and
 * c->all_prepared. */
static bool check_told(rows_call *c)
{
    tg_rows *r = c->rows;
    tg_context *tg = r->tg;
    const told_rows first = told_by(&r->met[0]);
    int64_t next = 0;
    int with_blocks = -1;
    bool drew = false, same_seed = true;
    c->all_prepared = true;
    for (int q = 0; q < r->o.exchange->size; q++) {
        const told_rows told = told_by(&r->met[q]);
        if (!check_alike(r, c->name, q, &first, &told)) return false;
        if (told.calls != first.calls || told.all_rows != first.all_rows)
            return tg__fail(tg, TG_ERR_ARGUMENT,
                            "%s: rank 0 has done %lld calls on %lld rows, and rank %d %lld on "
                            "%lld; begin again on all ranks, from the last checkpoint",
                            c->name, (long long)first.calls, (long long)first.all_rows, q,
                            (long long)told.calls, (long long)told.all_rows);
        if (told.first_row != next)
            return tg__fail(tg, TG_ERR_ARGUMENT,
                            "%s: the rows of rank %d begin at %lld, and those before them end at "
                            "%lld",
                            c->name, q, (long long)told.first_row, (long long)next);
        next += told.count;
        drew |= told.drew;
        same_seed &= told.seed == first.seed;
        c->all_prepared &= told.prepared;
        if (told.form.ndim < 0) continue;
        if (with_blocks < 0) {
            with_blocks = q;
            c->form = told.form;
        } else if (!tg__same_form(&c->form, &told.form)) {
            return tg__fail(tg, c->form.dtype == told.form.dtype ? TG_ERR_SHAPE : TG_ERR_DTYPE,
                            "%s: the function returned %s %s on rank %d and %s %s on rank %d",
                            c->name, tg_dtype_name(c->form.dtype),
                            tg__show_sizes(tg, c->form.ndim, c->form.shape), with_blocks,
                            tg_dtype_name(told.form.dtype),
                            tg__show_sizes(tg, told.form.ndim, told.form.shape), q);
        }
    }
    return !drew || same_seed ||
           tg__fail(tg, TG_ERR_ARGUMENT,
                    "%s: blocks draw random numbers, and the streams of the ranks differ; "
                    "tg_manual_seed or tg_set_rng_state makes them equal",
                    c->name);
}

/* The sizes of a node whose value has the form c->form. */
static sizes sizes_of_node(const rows_call *c)
{
    sizes z = {.reached = round_up_8((size_t)c->rows->shared_n)};
    for (piece p = before_pieces; next_piece(c, &p);) z.numbers = p.at + round_up_8(p.bytes);
    return z;
}

/* How the nodes are exchanged, as the ranks have told how many they have. */
static sizes choose_way(const rows_call *c)
{
    const tg_rows *r = c->rows;
    const size_t size = (size_t)r->o.exchange->size;
    sizes z = sizes_of_node(c);
    size_t most = 0, all = 0;
    for (int q = 0; q < r->o.exchange->size; q++) {
        const told_rows told = told_by(&r->met[q]);
        const slice s = slice_of(c, &z, q);
        const size_t n = (size_t)count_nodes(run_of(&told));
        all += n;
        if (n > most) most = n;
        if (s.to - s.from > z.slice) z.slice = s.to - s.from;
    }
    z.message = most * (z.reached + z.numbers);
    z.in_envelopes = z.message <= INLINE_ROOM;
    z.sliced = r->o.exchange->alltoall && size > 1 && z.message > SLICED / (size - 1);
    z.room = z.message * (size + 1);
    if (z.sliced)
        z.room = most * (z.numbers + size * z.reached) + all * (z.reached + z.slice) +
                 (size + 1) * z.slice;
    return z;
}

/* Makes room for the messages, as all ranks do if one of them needs it. They meet again, to learn
 * whether all have succeeded. */
static bool make_message_room(rows_call *c, const sizes *z)
{
    tg_rows *r = c->rows;
    const told_rows mine = told_by(&r->met[r->o.exchange->rank]);
    bool enough = true;
    for (int q = 0; q < r->o.exchange->size; q++)
        if (told_by(&r->met[q]).room < (int64_t)z->room) enough = false;
    if (enough) return true;
    if (r->room < z->room) {
        tg__free_messages(r);
        r->messages = tg__take(r->tg, z->room);
        if (r->messages)
            r->room = z->room;
        else
            tg__fail(r->tg, TG_ERR_MEMORY, "%s: out of memory: %zu bytes asked for", c->name,
                     z->room);
    }
    return tg__meet(r->tg, c->name, ", making room", r->o.exchange, &mine, sizeof mine, r->met);
}

void tg__free_messages(tg_rows *r)
{
    if (r->messages) tg__give(r->tg, r->messages, r->room);
    r->messages = NULL;
    r->room = 0;
}

/* Adds the slices of all nodes. Those of rank q stand at from + q * step one after the other; if
 * step is 0, those of all ranks do. Returns the sum. */
static char *add_nodes(const slice *s, char *from, size_t step)
{
    const tg_rows *r = s->c->rows;
    pile p = {.n = 0};
    char *at = from;
    for (int q = 0; q < r->o.exchange->size; q++) {
        const told_rows told = told_by(&r->met[q]);
        block_run blocks = run_of(&told);
        if (step > 0) at = from + (size_t)q * step;
        for (int level; (level = next_level(&blocks)) >= 0; at += slice_bytes(s))
            pile_up(&p, s, level, at);
    }
    return fold_pile(&p, s);
}

/* Exchanges the nodes that have not been sent in envelopes. Returns the packed sum. */
static const char *gather_nodes(rows_call *c, const sizes *z)
{
    tg_rows *r = c->rows;
    const slice whole = {c, z->reached, 0, z->numbers};
    char *out = r->messages, *in = out + z->message, *at = out;
    memset(out, 0, z->message);
    for (const tree_node *node = c->waiting; node; node = node->next, at += slice_bytes(&whole))
        pack(&whole, node, at);
    return tg__allgather(r->tg, c->name, r->o.exchange, out, z->message, in)
               ? add_nodes(&whole, in, z->message)
               : NULL;
}

/* Sends the slices of the nodes of this rank to all ranks, and receives this rank's slices of all
 * nodes. Returns these. */
static char *exchange_slices(rows_call *c, const sizes *z, const slice *own)
{
    tg_rows *r = c->rows;
    const tg_exchange *x = r->o.exchange;
    size_t *out_bytes = r->message_bytes, *in_bytes = out_bytes + x->size;
    char *out = r->messages, *at = out;
    for (int q = 0; q < x->size; q++) {
        const told_rows told = told_by(&r->met[q]);
        const slice s = slice_of(c, z, q);
        char *begin = at;
        for (const tree_node *node = c->waiting; node; node = node->next, at += slice_bytes(&s))
            pack(&s, node, at);
        out_bytes[q] = (size_t)(at - begin);
        in_bytes[q] = (size_t)count_nodes(run_of(&told)) * slice_bytes(own);
    }
    return tg__alltoall(r->tg, c->name, x, out, out_bytes, at, in_bytes) ? at : NULL;
}

/* Does what gather_nodes does, by slices. */
static const char *reduce_slices(rows_call *c, const sizes *z)
{
    tg_rows *r = c->rows;
    const tg_exchange *x = r->o.exchange;
    const slice own = slice_of(c, z, x->rank);
    char *in = exchange_slices(c, z, &own);
    if (!in) return NULL;
    const char *sum = add_nodes(&own, in, 0);
    char *mine = r->messages + r->room - (size_t)(x->size + 1) * z->slice, *all = mine + z->slice;
    char *reached = r->messages; /* what was sent is not needed any more */
    memset(mine, 0, z->slice);
    memcpy(mine, sum + z->reached, own.to - own.from);
    memmove(reached, sum, z->reached);
    if (!tg__allgather(r->tg, c->name, x, mine, z->slice, all)) return NULL;
    for (int q = 0; q < x->size; q++) {
        const slice s = slice_of(c, z, q);
        memmove(reached + z->reached + s.from, all + (size_t)q * z->slice, s.to - s.from);
    }
    return reached;
}

void tg__order_nodes(rows_call *c)
{
    tree_node *ordered = NULL, **end = &ordered;
    for (tree_node *node; (node = take_leftmost(&c->waiting)); end = &node->next) {
        *end = node;
        node->next = NULL;
    }
    c->waiting = ordered;
}

/* Lets the ranks meet. Afterwards r->met has what each rank has told, followed by the nodes of each
 * rank whose nodes fit into its envelope. */
static bool meet_with_nodes(rows_call *c)
{
    tg_rows *r = c->rows;
    char content[TG_TOLD];
    told_rows told = tell_rows(r);
    size_t bytes = sizeof told;
    if (tg__ready(r->tg) && c->waiting) {
        const sizes z = sizes_of_node(c);
        const slice whole = {c, z.reached, 0, z.numbers};
        const bool fits =
            (size_t)count_nodes(run_of(&told)) * slice_bytes(&whole) <= TG_TOLD - bytes;
        for (const tree_node *node = c->waiting; fits && node; node = node->next) {
            pack(&whole, node, content + bytes);
            bytes += slice_bytes(&whole);
        }
        told.form = c->form;
    }
    told.seed = c->seed;
    told.drew = c->drew;
    told.prepared = c->prepared;
    memcpy(content, &told, sizeof told);
    return tg__meet(r->tg, c->name, "", r->o.exchange, content, bytes, r->met) && check_told(c);
}

/* Adds up what has come in envelopes. */
static const char *add_from_envelopes(rows_call *c, const sizes *z)
{
    const slice whole = {c, z->reached, 0, z->numbers};
    return add_nodes(&whole, c->rows->met[0].content + sizeof(told_rows), sizeof(envelope));
}

bool tg__exchange_nodes(rows_call *c)
{
    tg_rows *r = c->rows;
    if (!meet_with_nodes(c)) return false;
    const sizes z = choose_way(c);
    if (!z.in_envelopes && !make_message_room(c, &z)) return false;
    const char *packed = z.in_envelopes ? add_from_envelopes(c, &z)
                         : z.sliced     ? reduce_slices(c, &z)
                                        : gather_nodes(c, &z);
    if (!packed) return false;
    if (!c->waiting &&
        (c->waiting = tg__take_node(c, c->gradient_bytes + tg__value_bytes(&c->form))))
        c->waiting->next = NULL;
    if (c->waiting)
        unpack(c, packed, packed + z.reached, c->waiting);
    else
        tg__fail(r->tg, TG_ERR_MEMORY, "%s: out of memory", c->name);
    return true;
}

bool tg__meet_at_end(rows_call *c)
{
    tg_rows *r = c->rows;
    return tg__meet(r->tg, c->name, ", at its end", r->o.exchange, NULL, 0, r->met);
}
