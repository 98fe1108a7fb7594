/* The tree in which blocks are added. Its nodes are aligned runs of 2^k blocks:
 *
 *     level 2   [      0      ]
 *     level 1   [  0  ] [  1  ] [  2  ]
 *     level 0    0   1   2   3   4   5   6       seven blocks
 *
 * Blocks may be done in any order. A node waits until its sibling is there; of seven blocks, the
 * nodes 0 of level 2, 2 of level 1 and 6 of level 0 wait in the end, and are folded from the right:
 * a + (b + c). The left operand of an addition is always the left node. */
#include "rows.h"
#include "../context/threads.h"

#include <string.h>

static char *align(char *p)
{
    return p + (TG_ALIGN - (uintptr_t)p % TG_ALIGN) % TG_ALIGN;
}

/* Takes memory from the allocator. The caller has the lock, as this is a use of rows->tg. */
static tree_node *make_node(tg_rows *r, size_t bytes)
{
    const size_t reached = (size_t)r->shared_n * sizeof(bool), head = sizeof(tree_node) + reached;
    if (bytes > PTRDIFF_MAX - head - TG_ALIGN) return NULL;
    tree_node *node = tg__take(r->tg, head + TG_ALIGN + bytes);
    if (!node) return NULL;
    *node = (tree_node){.bytes = head + TG_ALIGN + bytes, .reached = (bool *)(node + 1)};
    node->elements = align((char *)node->reached + reached);
    return node;
}

static bool has_room(const tree_node *node, size_t bytes)
{
    return node->bytes - (size_t)(node->elements - (const char *)node) >= bytes;
}

/* A node is free again when its call is done. One that is too small, as the call before this one
 * had smaller sums, is replaced. */
tree_node *tg__take_node(rows_call *c, size_t bytes)
{
    tg_rows *r = c->rows;
    tg__lock(r->tg);
    tree_node *node = r->free_nodes;
    if (node) r->free_nodes = node->next;
    if (node && !has_room(node, bytes)) {
        tg__give(r->tg, node, node->bytes);
        node = NULL;
    }
    if (!node) node = make_node(r, bytes);
    tg__unlock(r->tg);
    return node;
}

static void free_node(tg_rows *r, tree_node *node)
{
    node->next = r->free_nodes;
    r->free_nodes = node;
}

void tg__stock_nodes(rows_call *c, size_t bytes)
{
    enum { MOST = 1 << 24 };
    tg_rows *r = c->rows;
    int64_t n = 0;
    if (bytes < r->node_bytes) bytes = r->node_bytes;
    const bool enough = r->stocked >= c->most_nodes && r->node_bytes == bytes;
    if (c->most_nodes == 0 || enough || (int64_t)bytes > MOST / c->most_nodes) return;
    for (tree_node **link = &r->free_nodes, *node; (node = *link);) {
        if (has_room(node, bytes)) {
            link = &node->next;
            n++;
        } else {
            *link = node->next;
            tg__give(r->tg, node, node->bytes);
        }
    }
    int64_t made = 0;
    for (tree_node *node; n + made < c->most_nodes && (node = make_node(r, bytes)); made++)
        free_node(r, node);
    /* Where there is no memory for all of them, the program may need what there is. */
    for (; n + made < c->most_nodes && made > 0; made--) {
        tree_node *node = r->free_nodes;
        r->free_nodes = node->next;
        tg__give(r->tg, node, node->bytes);
    }
    r->stocked = c->most_nodes;
    r->node_bytes = bytes;
}

void tg__give_node(tg_rows *r, tree_node *node)
{
    tg__lock(r->tg);
    free_node(r, node);
    tg__unlock(r->tg);
}

void tg__give_nodes(tg_rows *r, tree_node **list)
{
    for (tree_node *next; *list; *list = next) {
        next = (*list)->next;
        tg__give_node(r, *list);
    }
}

void tg__free_nodes(tg_rows *r)
{
    for (tree_node *next; r->free_nodes; r->free_nodes = next) {
        next = r->free_nodes->next;
        tg__give(r->tg, r->free_nodes, r->free_nodes->bytes);
    }
}

/* Adds `right` to `left`. What no block of the left node has reached begins with the right one. */
static void add_right(const rows_call *c, tree_node *left, const tree_node *right)
{
    const tg_rows *r = c->rows;
    const int level = r->tg->level;
    for (int i = 0; c->kind == ROWS_BACKWARD && i < r->shared_n; i++) {
        if (!right->reached[i]) continue;
        const tg_tensor *t = r->shared[i];
        char *to = left->elements + r->gradient_at[i];
        const char *from = right->elements + r->gradient_at[i];
        if (left->reached[i])
            pick(level, add, t->dtype)(t->numel, to, to, from);
        else
            memcpy(to, from, (size_t)t->numel * tg__dtype_size(t->dtype));
        left->reached[i] = true;
    }
    if (!tg__same_form(&left->form, &right->form)) return; /* note_form tells it */
    const int64_t n = tg__numel(left->form.ndim, left->form.shape);
    char *value = left->elements + c->gradient_bytes;
    pick(level, add, left->form.dtype)(n, value, value, right->elements + c->gradient_bytes);
}

/* Takes the sibling of a node out of the list of those that wait; NULL if it is not there. */
static tree_node *take_sibling(rows_call *c, const tree_node *node)
{
    tree_node **link = &c->waiting;
    while (*link && ((*link)->level != node->level || (*link)->index != (node->index ^ 1)))
        link = &(*link)->next;
    tree_node *found = *link;
    if (found) *link = found->next;
    return found;
}

/* The sums are computed without the lock. */
void tg__add_node(rows_call *c, tree_node *node)
{
    tg_rows *r = c->rows;
    tg__lock(r->tg);
    for (tree_node *sibling; (sibling = take_sibling(c, node));) {
        tg__unlock(r->tg);
        tree_node *left = node->index & 1 ? sibling : node;
        tree_node *right = left == node ? sibling : node;
        add_right(c, left, right);
        left->level++;
        left->index >>= 1;
        node = left;
        tg__lock(r->tg);
        free_node(r, right);
    }
    node->next = c->waiting;
    c->waiting = node;
    tg__unlock(r->tg);
}

/* Takes the node out of the list that stands furthest to the right, which is the smallest. */
static tree_node *take_smallest(tree_node **list)
{
    tree_node **smallest = list;
    for (tree_node **link = list; *link; link = &(*link)->next)
        if ((*link)->level < (*smallest)->level) smallest = link;
    tree_node *found = *smallest;
    if (found) *smallest = found->next;
    return found;
}

void tg__fold_nodes(rows_call *c)
{
    tree_node *sum = take_smallest(&c->waiting);
    for (tree_node *left; (left = take_smallest(&c->waiting)); sum = left) {
        add_right(c, left, sum);
        tg__give_node(c->rows, sum);
    }
    sum->next = NULL;
    c->waiting = sum;
}
