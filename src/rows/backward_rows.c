/* tg_backward_rows, tg_sum_rows and tg_map_rows, which compute all blocks, each in the context of a
 * worker, and add up or join what the blocks give. */
#include "rows.h"
#include "../autograd/sweep.h"
#include "../context/threads.h"

#include <string.h>

/* ---- One block, in a thread of the caller's context. */

/* Notes that a block has failed, unless a lower one has. */
static void note_failure(rows_call *c, int64_t number, tg_status status, const char *message)
{
    tg__lock(c->rows->tg);
    if (number < c->failed) {
        c->failed = number;
        c->status = status;
        snprintf(c->message, sizeof c->message, "%s", message);
    }
    tg__unlock(c->rows->tg);
    tg__stop_rows(c->rows);
}

/* Notes the form of a block's value in the call; see rows_call. Blocks come in any order. If this
 * one is lower than all that came before and has another form, the block that was the lowest until
 * now is the lowest one that differs from it. */
static void note_form(rows_call *c, int64_t number, const value_form *form)
{
    tg__lock(c->rows->tg);
    const bool lower = number < c->lowest;
    if (c->lowest == INT64_MAX) {
        c->form = *form;
    } else if (!tg__same_form(form, &c->form) && (lower || number < c->other)) {
        c->other = lower ? c->lowest : number;
        c->other_form = lower ? c->form : *form;
        if (lower) c->form = *form;
    }
    if (lower) c->lowest = number;
    tg__unlock(c->rows->tg);
}

/* A block above one that has failed need not be computed. One below it is, as it may be the first
 * to fail. */
static bool is_needed(rows_call *c, int64_t number)
{
    tg__lock(c->rows->tg);
    const bool needed = number < c->failed;
    tg__unlock(c->rows->tg);
    return needed;
}

/* Whether a function of tg_map_rows has returned n rows. */
static bool check_mapped(const row_worker *w, const tg_tensor *value, int64_t n)
{
    return (value->ndim > 0 && value->shape[0] == n) ||
           tg__fail(w->tg, TG_ERR_SHAPE, "the function returned %s for %lld rows", SHOW(value),
                    (long long)n);
}

/* Whether the function has returned what its call can use for a block of n rows. */
static bool check_value(const rows_call *c, const row_worker *w, const tg_tensor *value, int64_t n)
{
    tg_context *tg = w->tg;
    if (!tg__ready(tg)) return false;
    if (tg->depth < 1)
        return tg__fail(tg, TG_ERR_CONTEXT, "the function ended a scope that it had not begun");
    if (!value) return tg__fail(tg, TG_ERR_ARGUMENT, "the function returned NULL");
    if (value->context != tg)
        return tg__fail(tg, TG_ERR_CONTEXT,
                        "the function returned a tensor of another context than the block's; use "
                        "the module, the tensors and the data of the block");
    if (priv(value)->released)
        return tg__fail(tg, TG_ERR_CONTEXT, "the function returned a tensor that was released");
    if (c->kind == ROWS_BACKWARD && value->numel != 1)
        return tg__fail(tg, TG_ERR_SHAPE,
                        "the loss %s has %lld elements, not one; return the sum of its rows",
                        SHOW(value), (long long)value->numel);
    if (c->kind == ROWS_BACKWARD && tg__has_mean(value, n))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "the loss is a mean, which would be that of a block; return the sum "
                        "(TG_SUM), and use TG_ROWS(.reduction = TG_MEAN) for the mean of all rows");
    if (c->kind == ROWS_MAP) return check_mapped(w, value, n);
    if (value->dtype == TG_BOOL)
        return tg__fail(tg, TG_ERR_DTYPE, "the function returned bool; use tg_cast");
    if (value->dtype == TG_I64 && c->rows->o.reduction == TG_MEAN)
        return tg__fail(tg, TG_ERR_DTYPE, "a mean of int64 does not exist; use tg_cast");
    return true;
}

/* The form of what a block contributes: of a loss, that of a scalar, and of rows that of all rows
 * of this process. */
static value_form form_of(const rows_call *c, const tg_tensor *value)
{
    value_form form = {.dtype = value->dtype, .ndim = c->kind == ROWS_BACKWARD ? 0 : value->ndim};
    memcpy(form.shape, value->shape, (size_t)form.ndim * sizeof *form.shape);
    if (c->kind == ROWS_MAP) form.shape[0] = c->rows->count;
    return form;
}

/* Copies the elements of t, row-major. */
static void copy_to(void *elements, const tg_tensor *t)
{
    stack_tensor s;
    int64_t strides[TG_MAX_DIMS];
    tg__strides(t->ndim, t->shape, strides);
    if (t->numel > 0) tg__copy(tg__array(&s, t, elements, t->ndim, t->shape, strides), t);
}

/* Copies the gradients of the block and its value to a node. A gradient that is there only because
 * the function has called tg_requires_grad_ on an alias has no place in the node, and is left out.
 */
static void fill_node(const rows_call *c, const row_worker *w, tree_node *node, tg_tensor *value)
{
    const tg_rows *r = c->rows;
    for (int i = 0; i < r->shared_n; i++) {
        const tg_tensor *g = w->shared[i]->grad;
        node->reached[i] = c->kind == ROWS_BACKWARD && g && r->shared[i]->requires_grad;
        if (node->reached[i] && g->numel > 0)
            memcpy(node->elements + r->gradient_at[i], g->data,
                   (size_t)g->numel * tg__dtype_size(g->dtype));
    }
    copy_to(node->elements + c->gradient_bytes, value);
}

/* Copies the rows of a block to their place among all. The first block of this process, which its
 * own thread computes before all others, makes the tensor of all. */
static bool deposit_rows(rows_call *c, int64_t number, int64_t first, const tg_tensor *value)
{
    const value_form form = form_of(c, value);
    note_form(c, number, &form);
    if (first == 0) c->out = tg__new(c->rows->tg, form.dtype, form.ndim, form.shape);
    const tg_tensor *out = c->out;
    if (!out) return false;
    const bool fits =
        out->dtype == value->dtype && tg__same_sizes(out->ndim, out->shape, form.ndim, form.shape);
    const size_t step = (size_t)out->strides[0] * tg__dtype_size(out->dtype);
    if (fits && out->numel > 0) copy_to((char *)out->data + (size_t)first * step, value);
    return true;
}

static bool deposit(rows_call *c, const row_worker *w, int64_t number, tg_tensor *value)
{
    const value_form form = form_of(c, value);
    const size_t bytes = c->gradient_bytes + tg__value_bytes(&form);
    tree_node *node = tg__take_node(c, bytes);
    if (!node) return tg__fail(w->tg, TG_ERR_MEMORY, "out of memory: %zu bytes asked for", bytes);
    node->level = 0;
    node->index = number;
    node->form = form;
    fill_node(c, w, node, value);
    note_form(c, number, &form);
    tg__add_node(c, node);
    return true;
}

/* Runs the function, and backward, for the block with this number among all. */
static bool compute_block(rows_call *c, row_worker *w, int64_t number)
{
    const tg_rows *r = c->rows;
    const int64_t first = number * r->block_rows - r->first_row, left = r->count - first;
    const tg_block b = {
        .context = w->tg,
        .module = w->module,
        .tensors = {r->o.tensors.n, w->tensors},
        .data = {r->n, w->data},
        .first = r->first_row + first,
        .n = left < r->block_rows ? left : r->block_rows,
    };
    if (!tg__read_block(r, w, r->data_first + first, b.n) || !tg__update_worker(r, w)) return false;
    tg_tensor *value = c->function(&b, c->user);
    if (!check_value(c, w, value, b.n)) return false;
    if (c->kind == ROWS_MAP) return deposit_rows(c, number, first, value);
    return (c->kind != ROWS_BACKWARD || tg_backward(value)) && deposit(c, w, number, value);
}

/* The seed of a block. Its number goes through the finalizer of MurmurHash3, which is a bijection
 * of 32 bits: no two of 2^32 blocks have the same stream. */
static uint32_t seed_of(const rows_call *c, int64_t number)
{
    uint32_t x = (uint32_t)((uint64_t)number ^ (uint64_t)number >> 32);
    x = (x ^ x >> 16) * UINT32_C(0x85ebca6b);
    x = (x ^ x >> 13) * UINT32_C(0xc2b2ae35);
    return c->seed ^ x ^ x >> 16;
}

static void run_block(rows_call *c, row_worker *w, int64_t number)
{
    if (!is_needed(c, number)) return;
    tg_scope_begin(w->tg);
    tg__seed_later(&w->tg->random, seed_of(c, number));
    w->tg->no_grad = c->kind != ROWS_BACKWARD;
    if (!compute_block(c, w, number))
        note_failure(c, number, tg_error_code(w->tg), tg_error(w->tg));
    w->drew |= w->tg->random.next <= TG_MT_WORDS;
    tg_clear_error(w->tg);
    for (int i = 0; i < c->rows->shared_n; i++) tg_clear_grad(w->shared[i]);
    while (w->tg->depth > 0) tg_scope_end(w->tg);
    tg__leave_rows(c->rows, w);
}

static row_worker *take_worker(rows_call *c)
{
    tg__lock(c->rows->tg);
    row_worker *w = c->free_workers;
    c->free_workers = w->next;
    w->used = true;
    tg__unlock(c->rows->tg);
    return w;
}

/* Workers that were not used yet in this call come first: each takes its memory in the first call,
 * however the threads run. The others follow, the last used one first, whose memory is in a cache.
 */
static void give_worker(rows_call *c, row_worker *w)
{
    tg__lock(c->rows->tg);
    row_worker **link = &c->free_workers;
    while (*link && !(*link)->used) link = &(*link)->next;
    w->next = *link;
    *link = w;
    tg__unlock(c->rows->tg);
}

/* The portion of tg__split. */
static void run_blocks(void *work, int64_t from, int64_t to)
{
    rows_call *c = work;
    row_worker *w = take_worker(c);
    const int64_t first = tg__first_block(c->rows) + c->begun;
    for (int64_t i = from; i < to; i++) run_block(c, w, first + i);
    give_worker(c, w);
}

/* ---- The whole call, in the caller's thread. */

/* Places the gradients in the elements of a node, and returns where the value begins. */
static size_t place_gradients(tg_rows *r)
{
    size_t at = 0;
    for (int i = 0; i < r->shared_n; i++) {
        const tg_tensor *t = r->shared[i];
        r->gradient_at[i] = at;
        if (t->requires_grad) at += tg__round_up((size_t)t->numel * tg__dtype_size(t->dtype));
    }
    return at;
}

/* The number of blocks that a thread takes at a time: so many that their work is at least that of
 * the portion which a thread takes of an elementwise operation. */
static int64_t blocks_at_a_time(const tg_rows *r)
{
    return r->work < TG_GRAIN ? (TG_GRAIN - 1) / (r->work > 0 ? r->work : 1) + 1 : 1;
}

static bool check_call(const tg_rows *r, rows_kind kind, const char *name,
                       tg_block_function function)
{
    tg_context *tg = r->tg;
    if (!tg__ready(tg)) return false;
    if (!function) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the function is NULL", name);
    if (r->o.module && tg__count_parts(r->o.module) != r->parts)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the module has other parts than before; make the rows again", name);
    return tg__check_inputs(name, r->n, r->data) &&
           (r->shared_n == 0 || tg__check_inputs(name, r->shared_n, r->shared)) &&
           (kind != ROWS_BACKWARD || (tg__check_history(name, r->n, r->data) &&
                                      tg__check_history(name, r->shared_n, r->shared)));
}

/* Records the error of the lowest block that has failed. */
static bool check_blocks(rows_call *c)
{
    const tg_rows *r = c->rows;
    tg_context *tg = r->tg;
    if (c->other < c->failed) {
        c->failed = c->other;
        c->status = c->form.dtype == c->other_form.dtype ? TG_ERR_SHAPE : TG_ERR_DTYPE;
        snprintf(c->message, sizeof c->message, "the function returned %s %s, and %s %s before",
                 tg_dtype_name(c->other_form.dtype),
                 tg__show_sizes(tg, c->other_form.ndim, c->other_form.shape),
                 tg_dtype_name(c->form.dtype), tg__show_sizes(tg, c->form.ndim, c->form.shape));
    }
    if (c->failed == INT64_MAX) return tg__ready(tg);
    const int64_t first = c->failed * r->block_rows, left = r->first_row + r->count - first;
    return tg__fail(tg, c->status, "%s: rows %lld to %lld: %s", c->name, (long long)first,
                    (long long)(first + (left < r->block_rows ? left : r->block_rows) - 1),
                    c->message);
}

/* Computes the blocks that are left, in stages. After a failure the other blocks of the stage are
 * passed over one by one, and later stages do not begin: there may be 2^60 blocks, too many even to
 * pass over. */
static void run_stages(rows_call *c, int64_t blocks, int64_t grain)
{
    enum { STAGE = 1 << 20 };
    while (c->begun < blocks && c->failed == INT64_MAX) {
        const int64_t left = blocks - c->begun, n = left < STAGE ? left : STAGE;
        tg__split(c->rows->tg, n, grain, run_blocks, c);
        c->begun += n;
    }
}

/* How many nodes there can be at a time, at most. On each level, a node waits as long as its
 * sibling is not complete, which has the next block that no thread has taken, or blocks that a
 * thread has taken. A thread computes its blocks in order, so that those it has left are a run, and
 * a complete node can wait at each end of it; for a single block, only one of the two ends has a
 * sibling. Each thread has two more nodes, which it is adding. */
static int64_t most_nodes(int64_t blocks, int threads, int64_t grain)
{
    if (threads == 1) return 0; /* as many as in the call before */
    const int64_t most = 1 + (grain > 1 ? 2 : 1) * (int64_t)threads;
    int64_t n = 2 * (int64_t)threads;
    for (; blocks > 0; blocks /= 2) n += blocks < most ? blocks : most;
    return n;
}

/* Computes all blocks of this process. What they leave is in c->waiting, or in c->out. */
static bool run_call(rows_call *c)
{
    tg_rows *r = c->rows;
    const int64_t blocks = tg__blocks(r), grain = blocks_at_a_time(r);
    const int64_t portions = blocks >= 2 * grain ? (blocks - 1) / grain + 1 : 1;
    const int threads = tg_get_num_threads(r->tg);
    const int needed = portions < threads ? (int)portions : threads;
    c->gradient_bytes = c->kind == ROWS_BACKWARD ? place_gradients(r) : 0;
    c->failed = c->lowest = c->other = INT64_MAX;
    if (!tg__prepare_workers(r, c->name, needed)) return false;
    for (int i = 0; i < needed; i++) {
        row_worker *w = &r->workers[i];
        w->used = w->drew = false;
        w->next = i + 1 < needed ? w + 1 : NULL;
    }
    c->free_workers = r->workers;
    c->most_nodes = most_nodes(blocks, needed, grain);
    if (!tg__begin_rows(r, needed * grain)) return false;
    if (c->kind == ROWS_MAP) {
        run_blocks(c, 0, 1);
        c->begun = 1;
    }
    run_stages(c, blocks, grain);
    tg__end_rows(r);
    for (int i = 0; i < needed; i++) c->drew |= r->workers[i].drew;
    return check_blocks(c);
}

/* Divides n elements by the number of rows. */
static void divide_by_rows(const tg_rows *r, tg_dtype dtype, int64_t n, void *elements)
{
    stack_tensor s;
    const tg_tensor like = {.context = r->tg, .dtype = dtype};
    tg_tensor *t = tg__array(&s, &like, elements, 1, &n, (int64_t[]){1});
    tg__elementwise_number(pick(r->tg->level, div, dtype), t, t, (double)r->all_rows);
}

/* Makes means of the sums, where means are wanted. */
static void divide_sums(const rows_call *c)
{
    const tg_rows *r = c->rows;
    tree_node *node = c->waiting;
    if (r->o.reduction != TG_MEAN) return;
    for (int i = 0; i < r->shared_n; i++)
        if (node->reached[i])
            divide_by_rows(r, r->shared[i]->dtype, r->shared[i]->numel,
                           node->elements + r->gradient_at[i]);
    divide_by_rows(r, node->form.dtype, tg__numel(node->form.ndim, node->form.shape),
                   node->elements + c->gradient_bytes);
}

/* What a call gives to its caller: the numbers of the first node that waits, which are the sums
 * over all blocks in the end. */
typedef struct outcome {
    tg_tensor *value; /* in the scope of the caller; gets its elements last */
    sweep gradients;  /* gives the gradients to the leaves */
    bool swept;       /* the sweep was begun */
} outcome;

/* Begins the sweep, in a scope of its own. */
static bool begin_gradients(const rows_call *c, outcome *o)
{
    const tg_rows *r = c->rows;
    const tree_node *sum = c->waiting;
    tg_context *tg = r->tg;
    int n = 0;
    tg_scope_begin(tg);
    const size_t bytes = tg__bytes(r->shared_n, sizeof(tg_tensor *));
    tg_tensor **outputs = tg__alloc(tg, bytes), **weights = tg__alloc(tg, bytes);
    for (int i = 0; outputs && weights && i < r->shared_n; i++) {
        tg_tensor *t = r->shared[i];
        if (!sum->reached[i]) continue;
        outputs[n] = t;
        weights[n++] = tg__new_external(tg, tg->depth, t->dtype, (tg_shape){t->ndim, t->shape},
                                        NULL, sum->elements + r->gradient_at[i]);
    }
    o->swept = tg__ready(tg);
    if (!o->swept) tg_scope_end(tg);
    return o->swept &&
           tg__begin_backward(&o->gradients, tg, (tg_list){n, outputs}, (tg_list){n, weights});
}

/* Does all that can fail before the caller gets the outcome. */
static bool prepare(const rows_call *c, outcome *o)
{
    const value_form *form = &c->waiting->form;
    o->value = tg__new(c->rows->tg, form->dtype, form->ndim, form->shape);
    return o->value && (c->kind != ROWS_BACKWARD || begin_gradients(c, o));
}

/* Gives the caller what was prepared, if all ranks have done their part, and returns the value. */
static tg_tensor *give(const rows_call *c, outcome *o, bool done)
{
    const tree_node *sum = c->waiting;
    tg_tensor *value = o->value;
    if (o->swept) {
        tg__end_backward(&o->gradients, done);
        tg_scope_end(c->rows->tg);
    }
    if (done && value->numel > 0)
        memcpy(value->data, sum->elements + c->gradient_bytes, tg__value_bytes(&sum->form));
    if (!done && value) tg_release(value);
    return done ? value : NULL;
}

/* Whether the outcome can be prepared before the sums of all ranks are known: each shared tensor
 * that requires a gradient must have one in the first node that waits, and must be a leaf. */
static bool is_foreseen(const rows_call *c)
{
    const tg_rows *r = c->rows;
    if (!c->waiting) return false;
    for (int i = 0; c->kind == ROWS_BACKWARD && i < r->shared_n; i++)
        if (r->shared[i]->requires_grad && (!c->waiting->reached[i] || priv(r->shared[i])->record))
            return false;
    return true;
}

/* Exchanges the sums. All ranks must succeed, or all must fail. A rank that has found no memory
 * tells the others in the exchange; if it learns only there how much it needs, it tells them in a
 * meeting that follows. */
static bool exchange_sums(rows_call *c, outcome *o, bool ran)
{
    tg__order_nodes(c);
    c->prepared = ran && is_foreseen(c) && prepare(c, o);
    if (!tg__exchange_nodes(c)) return false;
    if (c->waiting) divide_sums(c);
    if (c->waiting && !c->prepared) prepare(c, o);
    return c->all_prepared || tg__meet_at_end(c);
}

static bool fold_sums(rows_call *c, outcome *o)
{
    tg__fold_nodes(c);
    divide_sums(c);
    return prepare(c, o);
}

static tg_tensor *sum_blocks(rows_call *c)
{
    outcome o = {.value = NULL};
    const bool ran = run_call(c);
    const bool done = c->rows->o.exchange ? exchange_sums(c, &o, ran) : ran && fold_sums(c, &o);
    tg_tensor *value = give(c, &o, done);
    if (value) c->rows->calls++;
    const size_t bytes = value ? c->gradient_bytes + tg__value_bytes(&c->form) : 0;
    tg__give_nodes(c->rows, &c->waiting);
    if (value) tg__stock_nodes(c, bytes);
    return value;
}

static tg_tensor *map_blocks(rows_call *c)
{
    if (c->rows->count == 0)
        return tg__fail(c->rows->tg, TG_ERR_SHAPE, "%s: this rank has no rows", c->name);
    if (run_call(c)) return c->out;
    tg_release(c->out);
    return NULL;
}

/* Runs a call. It draws one number from the stream of the context, of which the seeds of all blocks
 * are made; a call that fails leaves the stream as it was. */
static tg_tensor *call_rows(tg_rows *r, rows_kind kind, const char *name,
                            tg_block_function function, void *user)
{
    if (!r) return NULL;
    tg_context *tg = r->tg;
    watch *watching = tg->watch;
    const bool right = check_call(r, kind, name, function) &&
                       (!watching || watching->begin(tg, WORK_OPERATION, name));
    const bool meets = r->o.exchange && (kind != ROWS_MAP || !r->placed);
    tg_tensor *value = NULL;
    if (meets ? tg__place_rows(r, name) : right) {
        rows_call c = {.rows = r, .kind = kind, .name = name, .function = function, .user = user};
        const generator before = tg->random;
        tg__before_draw(tg);
        c.seed = tg__u32(&tg->random);
        value = kind == ROWS_MAP ? map_blocks(&c) : sum_blocks(&c);
        if (!value) tg->random = before;
    }
    if (right && watching) watching->end(tg, 0);
    return value;
}

tg_tensor *tg_backward_rows(tg_rows *rows, tg_block_function loss, void *user)
{
    return call_rows(rows, ROWS_BACKWARD, "backward_rows", loss, user);
}

tg_tensor *tg_sum_rows(tg_rows *rows, tg_block_function function, void *user)
{
    return call_rows(rows, ROWS_SUM, "sum_rows", function, user);
}

tg_tensor *tg_map_rows(tg_rows *rows, tg_block_function function, void *user)
{
    return call_rows(rows, ROWS_MAP, "map_rows", function, user);
}
