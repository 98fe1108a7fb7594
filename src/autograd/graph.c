/* The graph behind a tensor, as a picture for Graphviz or as text. A walk back along the tape, as
 * backward takes it, finds the records that the tensor comes from. */
#include "sweep.h"
#include "../context/pointer_map.h"
#include "../context/printer.h"

#include <string.h>

/* An operation, or a tensor that no recorded operation has made. */
typedef struct graph_node {
    struct graph_node *next; /* in the order in which they were found */
    const record *r;         /* NULL: the node is the tensor itself */
    const tg_tensor *t;      /* the tensor, or the result of r */
    int id;                  /* from 1 on */
    int uses;                /* how many operands are this node */
    bool is_printed;
    const struct graph_node
        *below;  /* the operation whose operand it is, and below which it has a */
    int operand; /* line; and which operand it is */
    int shared;  /* the number of an operation that is used twice, from 1 on, once it is printed */
    int n;
    struct graph_node *in[]; /* the operands of r */
} graph_node;

/* A place where an operand is to be written, once the record that has made it is found. */
typedef struct graph_wait {
    struct graph_wait *next;
    graph_node **place;
} graph_wait;

/* What is known of a tensor. It may be both: an operation in place has made it what it is, and has
 * used what it was before. */
typedef struct graph_entry {
    graph_node *tensor;  /* the node that stands for the tensor itself */
    graph_wait *waiting; /* the operands that wait for the record that has made it */
} graph_entry;

typedef struct graph {
    tg_context *tg;
    pointer_map entries, names;
    graph_node *root, *first, **end;
    int nodes, operands, shared;
    int64_t waiting; /* how many tensors have operands that wait */
} graph;

/* ---- Finding the nodes. */

static graph_node *add_node(graph *g, const record *r, const tg_tensor *t)
{
    const int n = r ? r->n : 0;
    graph_node *made = tg__alloc(g->tg, sizeof *made + tg__bytes(n, sizeof made->in[0]));
    if (!made) return NULL;
    *made = (graph_node){.r = r, .t = t, .id = ++g->nodes, .n = n};
    for (int i = 0; i < n; i++) made->in[i] = NULL;
    g->operands += n;
    *g->end = made;
    g->end = &made->next;
    return made;
}

static graph_entry *graph_entry_of(graph *g, const tg_tensor *t)
{
    void **place = tg__map_at(&g->entries, t);
    if (!place || *place) return place ? *place : NULL;
    graph_entry *made = tg__alloc(g->tg, sizeof *made);
    if (made) *made = (graph_entry){0};
    return *place = made;
}

/* Writes the node of an operand to its place, at once for a tensor that no record has made. */
static bool find_operand(graph *g, const tg_tensor *t, bool is_made, graph_node **place)
{
    graph_entry *e = graph_entry_of(g, t);
    if (!e) return false;
    if (is_made) {
        graph_wait *w = tg__alloc(g->tg, sizeof *w);
        if (!w) return false;
        *w = (graph_wait){e->waiting, place};
        g->waiting += !e->waiting;
        e->waiting = w;
        return true;
    }
    if (!e->tensor && !(e->tensor = add_node(g, NULL, t))) return false;
    e->tensor->uses++;
    *place = e->tensor;
    return true;
}

/* Makes the node of a record, if operands wait for it. */
static bool visit_record(graph *g, const record *r)
{
    graph_entry *e = tg__map_get(&g->entries, r->out);
    if (!e || !e->waiting) return true;
    graph_node *made = add_node(g, r, r->out);
    if (!made) return false;
    for (const graph_wait *w = e->waiting; w; w = w->next, made->uses++) *w->place = made;
    e->waiting = NULL;
    g->waiting--;
    bool done = true;
    for (int i = 0; i < r->n && done; i++)
        done = find_operand(g, r->in[i].t, r->in[i].needs_grad && priv(r->in[i].t)->record,
                            &made->in[i]);
    return done;
}

static bool find_nodes(graph *g, const tg_tensor *t)
{
    const record *r = priv(t)->record;
    bool done = find_operand(g, t, r, &g->root);
    for (; done && r && g->waiting > 0; r = r->prev) done = visit_record(g, r);
    TG_CHECK(!done || g->waiting == 0);
    return done;
}

static bool find_names(graph *g, const tg_state *names)
{
    for (int64_t i = 0; names && i < names->n; i++) {
        void **place = tg__map_at(&g->names, names->items[i].tensor);
        if (!place) return false;
        if (!*place) *place = (void *)(uintptr_t)names->items[i].name;
    }
    return true;
}

/* ---- Labels. */

/* Writes a name, with a backslash before what is special in a DOT string, and "?" in place of a
 * control character. */
static void put_name(printer *out, const char *name, bool dot)
{
    for (; *name; name++) {
        const unsigned char c = (unsigned char)*name;
        tg__put(out, dot && (c == '"' || c == '\\') ? "\\%c" : "%c", c < 32 || c == 127 ? '?' : c);
    }
}

/* Writes "0.weight [3, 2]", or the name that PyTorch has for the operation and the shape of its
 * result. A leaf without a name is "leaf"; a tensor without a name and a gradient has only a shape.
 */
static void put_label(printer *out, const graph *g, const graph_node *n, bool dot)
{
    const char *name = n->r ? n->r->grad_name : tg__map_get(&g->names, n->t);
    if (!name && n->t->requires_grad) name = "leaf";
    if (name) put_name(out, name, dot);
    if (name) tg__put(out, dot ? "\\n" : " ");
    tg__put(out, "%s", SHOW(n->t));
    if (n->t->dtype != g->tg->default_dtype) tg__put(out, " %s", tg_dtype_name(n->t->dtype));
}

/* ---- DOT. */

static void put_graph_dot(printer *out, const graph *g)
{
    tg__put(out, "digraph {\n"
                 "    ordering=in\n"
                 "    ranksep=0.3\n"
                 "    edge [arrowsize=0.7]\n"
                 "    node [shape=box, style=filled, fillcolor=white, fontname=\"sans-serif\", "
                 "fontsize=11]\n");
    for (const graph_node *n = g->first; n; n = n->next) {
        tg__put(out, "    n%d [label=\"", n->id);
        put_label(out, g, n, true);
        tg__put(out, "\"%s]\n",
                n == g->root          ? ", fillcolor=palegreen"
                : n->r                ? ""
                : n->t->requires_grad ? ", fillcolor=lightblue"
                                      : ", fillcolor=gray92, color=gray60");
        for (int i = 0; i < n->n; i++)
            if (n->in[i]) tg__put(out, "    n%d -> n%d\n", n->in[i]->id, n->id);
    }
    tg__put(out, "}\n");
}

/* ---- Text. An operation stands above those that made its inputs. If there are several of these,
 * each begins with a dash, and what belongs to it is indented. */

typedef struct graph_line {
    graph_node *node;
    int depth;
    bool has_dash;
} graph_line;

static void put_operand(printer *out, const graph *g, const graph_node *n)
{
    if (!n->r)
        put_label(out, g, n, false);
    else if (n->is_printed)
        tg__put(out, "#%d", n->shared);
    else
        tg__put(out, "...");
}

static void put_line(printer *out, graph *g, const graph_line *l)
{
    enum { DEEPEST = 40 }; /* an indentation without a bound would take quadratic space */
    graph_node *n = l->node;
    if (l->depth > DEEPEST) tg__put(out, "(%d) ", l->depth);
    tg__put(out, "%*s%s", 2 * (l->depth < DEEPEST ? l->depth : DEEPEST) - (l->has_dash ? 2 : 0), "",
            l->has_dash ? "- " : "");
    if (n->is_printed) {
        tg__put(out, "#%d\n", n->shared);
        return;
    }
    n->is_printed = true;
    put_label(out, g, n, false);
    if (n->r && n->uses > 1) tg__put(out, " #%d", n->shared = ++g->shared);
    for (int i = 0; i < n->n; i++) {
        tg__put(out, i ? ", " : " (");
        if (n->in[i]) put_operand(out, g, n->in[i]);
    }
    tg__put(out, n->n ? ")\n" : "\n");
}

/* Notes in the operands of n which of them have lines of their own below that of n: operations that
 * have none yet. One that is several operands has one line. Returns how many there are. */
static int choose_lines(graph_node *n)
{
    int lines = 0;
    for (int i = 0; i < n->n; i++) {
        graph_node *in = n->in[i];
        if (!in || !in->r || in->is_printed || in->below == n) continue;
        in->below = n;
        in->operand = i;
        lines++;
    }
    return lines;
}

static void put_graph_text(printer *out, graph *g, graph_line *stack)
{
    int lines = 0;
    stack[lines++] = (graph_line){g->root, 0, false};
    while (lines > 0) {
        const graph_line l = stack[--lines];
        const int below = l.node->is_printed ? 0 : choose_lines(l.node);
        put_line(out, g, &l);
        for (int i = l.node->n - 1; i >= 0 && below; i--) {
            graph_node *in = l.node->in[i];
            if (in && in->below == l.node && in->operand == i && !in->is_printed)
                stack[lines++] = (graph_line){in, l.depth + (below > 1), below > 1};
        }
    }
}

/* ---- The function. */

tg_graph_options tg_graph_defaults(void)
{
    return (tg_graph_options){TG_GRAPH_DEFAULTS};
}

static bool find_graph(graph *g, const tg_tensor *t, const tg_state *names)
{
    g->end = &g->first;
    return find_names(g, names) && find_nodes(g, t);
}

bool tg_graph(FILE *file, const tg_tensor *t, const tg_graph_options *options)
{
    const tg_graph_options o = options ? *options : tg_graph_defaults();
    tg_tensor *self = t ? &priv(t)->pub : NULL;
    if (!t || !tg__check_file(t->context, "graph", file) || !tg__check_inputs("graph", 1, &self))
        return false;
    tg_context *tg = t->context;
    graph g = {.tg = tg, .entries = {.tg = tg}, .names = {.tg = tg}};
    printer out = {.file = file};
    tg_scope_begin(tg);
    const bool found = find_graph(&g, t, o.names);
    graph_line *stack =
        found && o.text ? tg__alloc(tg, tg__bytes(g.operands + 1, sizeof *stack)) : NULL;
    if (found && !o.text) put_graph_dot(&out, &g);
    if (stack) put_graph_text(&out, &g, stack);
    tg__map_free(&g.entries);
    tg__map_free(&g.names);
    tg_scope_end(tg);
    return found && (stack || !o.text) && tg__finish(tg, "graph", &out);
}
