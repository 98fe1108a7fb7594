/* Rows: what the making of rows, their workers, the tree of sums, and the calls share. */
#ifndef TG_ROWS_H
#define TG_ROWS_H

#include "../nn/module.h"
#include "ranks.h"

/* The dtype and shape of what a block function returns. */
typedef struct value_form {
    tg_dtype dtype;
    int ndim;
    int64_t shape[TG_MAX_DIMS];
} value_form;

/* A sum over an aligned run of 2^level blocks, those from index * 2^level on: a node of the tree.
 * Blocks are the nodes of level 0. The elements are the gradients, at the places that tg_rows
 * names, and the value behind them. */
typedef struct tree_node {
    struct tree_node *next; /* in the list of nodes that wait, or of those that are free */
    size_t bytes;           /* of the whole struct, for tg__give */
    int level;
    int64_t index;
    value_form form; /* of the value */
    bool *reached;   /* for each shared tensor, whether a block has given it a gradient */
    char *elements;
} tree_node;

/* A context in which blocks are computed, one at a time. What it has borrowed lies in its outermost
 * scope. */
typedef struct row_worker {
    struct row_worker *next; /* in the list of workers that are free */
    tg_context *tg;          /* NULL: there is none yet */
    bool used;               /* in the call under way */
    bool drew;               /* a block of this call has drawn random numbers */
    tg_module *module;
    tg_tensor **shared;  /* the counterparts of rows->shared */
    tg_tensor **tensors; /* those of options.tensors, which are among them */
    tg_tensor **data;    /* the rows of the block under way */
    int64_t held;        /* the block of the reader in which these rows lie; -1: in none */
} row_worker;

/* The files that rows come from, one for each tensor of a block. */
typedef struct row_files {
    int n;
    struct row_file *items;
    int64_t ahead; /* how many rows are computed at a time */
} row_files;

struct tg_rows {
    tg_context *tg;
    tg_rows_options o;
    int n; /* how many tensors of data there are */
    tg_tensor **data;
    value_form *row_forms; /* the form of a row of each */
    /* Where the rows come from; both NULL: they are those of data, which else only tell the form of
     * a row. */
    struct reader *reader;
    row_files *files;
    int64_t first_row;   /* the number of this process's first row among all rows */
    int64_t count;       /* how many rows this process has */
    int64_t data_first;  /* the place in the data of the first of them */
    int64_t all_rows;    /* how many rows all processes have; valid if `placed` */
    bool placed;         /* first_row is known, too */
    int64_t block_rows;  /* a multiple of which first_row is */
    int shared_n;        /* the parameters of the module, and then further tensors; each once */
    tg_tensor **shared;  /* in the caller's context */
    int *tensor_at;      /* the place in `shared` of each of options.tensors */
    size_t *gradient_at; /* where the gradient of each begins in the elements of a node */
    int64_t work; /* of a block, in additions or the like: by it, threads take more or fewer */
    int parts;    /* how many parts the module had when the rows were made */
    char *seen;   /* the data of the modules of the program when workers copied it */
    row_worker *workers;
    int workers_n;         /* how many of them have a context */
    tree_node *free_nodes; /* the memory of nodes, which calls use again */
    int64_t stocked;       /* how many nodes of node_bytes tg__stock_nodes was to have ready */
    size_t node_bytes;
    /* With an exchange: */
    int64_t calls;         /* how many have been completed */
    envelope *met;         /* what the ranks have told in their last meeting */
    size_t *message_bytes; /* to each rank, and then from each */
    char *messages;        /* memory of `room` bytes, or NULL */
    size_t room;
};

/* Which of the public functions is under way. */
typedef enum rows_kind { ROWS_BACKWARD, ROWS_SUM, ROWS_MAP } rows_kind;

/* A call under way. Threads change free_workers, waiting and the members from `failed` on between
 * tg__lock and tg__unlock of rows->tg, which they use in no other way. */
typedef struct rows_call {
    tg_rows *rows;
    rows_kind kind;
    const char *name;
    tg_block_function function;
    void *user;
    uint32_t seed;         /* which the random streams of all blocks are made from */
    bool drew;             /* blocks of this process have drawn from their streams */
    size_t gradient_bytes; /* where the value begins in the elements of a node */
    tg_tensor *out;        /* of ROWS_MAP: the rows, after the first block has told their shape */
    int64_t begun;         /* how many blocks were computed before those of the stage under way */
    row_worker *free_workers; /* at first those that were not used in the call */
    int64_t most_nodes;       /* how many nodes there can be at a time */
    tree_node *waiting;       /* nodes whose sibling is not there yet */
    /* With an exchange: nothing that follows it can fail on this rank, or on any rank. */
    bool prepared, all_prepared;
    int64_t failed;   /* the number of the lowest block that has failed; INT64_MAX: none */
    tg_status status; /* of that block */
    char message[TG_MESSAGE];
    /* The lowest block whose value is there, the form of its value, and the lowest of the blocks
     * above it whose value has another form, or INT64_MAX. When all blocks are done, the former is
     * the first block, and the latter does not depend on the order in which they came. */
    int64_t lowest, other;
    value_form form, other_form;
} rows_call;

/* ---- rows.c */

/* How many blocks of that size n rows make. */
static inline int64_t tg__blocks_of(int64_t n, int64_t block_rows)
{
    return n / block_rows + (n % block_rows > 0);
}
/* The number of the first block of this process, and how many it has. */
static inline int64_t tg__first_block(const tg_rows *r)
{
    return r->first_row / r->block_rows;
}
static inline int64_t tg__blocks(const tg_rows *r)
{
    return tg__blocks_of(r->count, r->block_rows);
}
/* Whether this rank may have no rows. */
static inline bool tg__may_be_empty(const tg_rows_options *o)
{
    return o && o->exchange && !o->share;
}
/* Makes rows of the list, which tells their form, and of which there are `count`. The name is that
 * of the public function. */
tg_rows *tg__make_rows(const char *name, tg_list data, int64_t count,
                       const tg_rows_options *options);
/* Makes w->data the n rows from row `first` of the data on, in the current scope of w->tg.
 * False with the error in w->tg. */
bool tg__read_block(const tg_rows *r, row_worker *w, int64_t first, int64_t n);

/* ---- row_sources.c */

/* Begins to read the rows from the reader, if there is one, for that many blocks at a time. False
 * with the error in rows->tg. */
bool tg__begin_rows(tg_rows *r, int64_t at_a_time);
/* The part of tg__read_block for rows from a reader. */
bool tg__read_source(const tg_rows *r, row_worker *w, int64_t first, int64_t n);
/* The worker no longer needs the rows of its block. */
void tg__leave_rows(const tg_rows *r, row_worker *w);
/* No further block is needed. */
void tg__stop_rows(const tg_rows *r);
void tg__end_rows(const tg_rows *r);
/* Makes rows of these types, which the public function of that name reads. */
tg_rows *tg__rows_of(tg_context *tg, const char *name, int n, const tg_row_type *types,
                     int64_t rows, const tg_rows_options *options);

/* ---- file_rows.c */

/* The part of tg__read_block for rows of files. */
bool tg__read_files(const tg_rows *r, row_worker *w, int64_t first, int64_t n);

/* ---- means.c */

/* Whether the loss of a block of that many rows is a mean of its rows, or computed from one by
 * operations on single elements. One that is multiplied by the number of rows is none. */
bool tg__has_mean(const tg_tensor *loss, int64_t rows);

/* ---- workers.c */

/* Makes as many workers as n, and brings them up to date with the originals. Called by the thread
 * of rows->tg. False with the error in rows->tg, which begins with the name. */
bool tg__prepare_workers(tg_rows *r, const char *name, int n);
/* Brings a worker up to date with the originals, which it only reads, after a function may have
 * changed modes, what requires grad, and settings in its context. False with the error in w->tg. */
bool tg__update_worker(const tg_rows *r, row_worker *w);
/* The size of rows->seen. */
size_t tg__seen_bytes(const tg_module *module);
/* Closes the contexts of all workers. */
void tg__close_workers(tg_rows *r);

/* ---- tree.c */

/* A node for gradients and a value of that many bytes together. NULL if there is no memory. */
tree_node *tg__take_node(rows_call *c, size_t bytes);
/* Gives the memory of a node, or of all nodes in a list, to the next tg__take_node. */
void tg__give_node(tg_rows *r, tree_node *node);
void tg__give_nodes(tg_rows *r, tree_node **list);
/* Takes memory after a call, so that a call like it asks for none: for as many nodes as it can
 * need, since threads decide how many it does need. Takes none if that is more than 16 MB, or if
 * there is not enough for all nodes. The nodes of the call have that many bytes, and are free
 * again. */
void tg__stock_nodes(rows_call *c, size_t bytes);
/* Adds a node to the tree: joins it with its sibling if that is waiting, the sum of both with its
 * own sibling, and so on; what has no sibling yet waits. */
void tg__add_node(rows_call *c, tree_node *node);
/* Folds the nodes that wait when all blocks are done, from the right to the left, to one. */
void tg__fold_nodes(rows_call *c);
/* Frees the memory of all nodes. */
void tg__free_nodes(tg_rows *r);

/* ---- rank_nodes.c */

/* Sets which rows are this process's, as the data have n. */
void tg__take_share(tg_rows *r, int64_t n);
/* Takes the memory that every exchange needs. */
bool tg__prepare_exchange(tg_rows *r);
/* Finds out whose rows come first, with the other ranks. If an error is pending on one rank, it is
 * recorded on all of them. */
bool tg__place_rows(tg_rows *r, const char *name);
/* Puts the nodes that wait into the order of their blocks. */
void tg__order_nodes(rows_call *c);
/* Exchanges the nodes that wait, which are in order, or the error that is pending, with the other
 * ranks. False after an error on all ranks. The first node gets the sum of the blocks of all ranks;
 * on a rank that had no node and has found no memory for it, there is none, and the error is that
 * of this rank alone. Sets c->all_prepared. */
bool tg__exchange_nodes(rows_call *c);
/* Lets the ranks meet again: false on all if an error is pending on one of them. */
bool tg__meet_at_end(rows_call *c);
/* Frees the memory of messages. */
void tg__free_messages(tg_rows *r);

static inline size_t tg__value_bytes(const value_form *form)
{
    return (size_t)tg__numel(form->ndim, form->shape) * tg__dtype_size(form->dtype);
}
static inline bool tg__same_form(const value_form *a, const value_form *b)
{
    return a->dtype == b->dtype && tg__same_sizes(a->ndim, a->shape, b->ndim, b->shape);
}

#endif
