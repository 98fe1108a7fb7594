/* Looking at a model: its text as PyTorch prints it, and a table of its layers. */
#include "module.h"
#include "../context/printer.h"

#include <string.h>

/* The name that print shows: that of the class, or of the layer in PyTorch that a module of
 * tg_lambda stands for. */
static const char *shown_name(const tg_module *m)
{
    static const struct {
        tg_tensor *(*function)(tg_tensor *a);
        const char *name;
    } layers[] = {
        {tg_relu, "ReLU"},           {tg_sigmoid, "Sigmoid"},
        {tg_tanh, "Tanh"},           {tg_relu6, "ReLU6"},
        {tg_selu, "SELU"},           {tg_silu, "SiLU"},
        {tg_mish, "Mish"},           {tg_logsigmoid, "LogSigmoid"},
        {tg_softsign, "Softsign"},   {tg_hardsigmoid, "Hardsigmoid"},
        {tg_hardswish, "Hardswish"},
    };
    tg_tensor *(*function)(tg_tensor *) = tg__function_of(m);
    for (size_t i = 0; function && i < sizeof layers / sizeof *layers; i++)
        if (layers[i].function == function) return layers[i].name;
    return m->name;
}

static bool has_children(const tg_module *m)
{
    const part *p = m->parts;
    while (p && p->kind != CHILD) p = p->next;
    return p;
}

static void put_module(printer *out, const tg_module *m, int indent)
{
    char text[TG_DESCRIPTION] = "";
    if (m->describe) m->describe(m, text);
    tg__put(out, "%s(", shown_name(m));
    if (!has_children(m)) {
        tg__put(out, "%s)", text);
        return;
    }
    tg__put(out, "\n");
    if (*text) tg__put(out, "%*s%s\n", indent + 2, "", text);
    for (const part *p = m->parts; p; p = p->next) {
        if (p->kind != CHILD) continue;
        tg__put(out, "%*s(%s): ", indent + 2, "", p->name);
        put_module(out, p->child, indent + 2);
        tg__put(out, "\n");
    }
    tg__put(out, "%*s)", indent, "");
}

bool tg_print_module(FILE *file, const tg_module *module)
{
    if (!module || !tg__check_file(module->tg, "print_module", file)) return false;
    printer out = {.file = file};
    put_module(&out, module, 0);
    tg__put(&out, "\n");
    return tg__finish(module->tg, "print_module", &out);
}

/* ---- The table. */

/* A row for a module. The parameters and buffers are its own; one that several modules have counts
 * in the first of them. */
typedef struct table_row {
    int ndim; /* of the last output; -1: the module was not called */
    int64_t shape[TG_MAX_DIMS];
    int64_t parameters, bytes;
} table_row;

typedef struct model_table {
    summary summary; /* the first member, by which note_output finds the table */
    tg_module *module;
    tg_modules all;
    table_row *rows;
    int64_t parameters, frozen, parameter_bytes, buffer_bytes;
} model_table;

static void note_output(summary *s, const tg_module *m, const tg_tensor *output)
{
    if (!m->row) return;
    table_row *row = &((model_table *)(void *)s)->rows[m->row - 1];
    row->ndim = output->ndim;
    for (int d = 0; d < output->ndim; d++) row->shape[d] = output->shape[d];
}

/* Runs the forward in evaluation mode, and restores the mode of each module. */
static bool run_example(model_table *t, tg_tensor *example)
{
    tg_context *tg = t->module->tg;
    bool *training = tg__alloc(tg, (size_t)t->all.n);
    if (!training) return false;
    for (int i = 0; i < t->all.n; i++) {
        tg_module *m = t->all.items[i];
        m->row = i + 1;
        t->rows[i] = (table_row){.ndim = -1};
        training[i] = m->training;
        m->training = false;
    }
    summary *outer = tg->summary;
    tg->summary = &t->summary;
    tg_no_grad_begin(tg);
    const bool done = tg__forward_and_undo(t->module, example) != NULL;
    tg_no_grad_end(tg);
    tg->summary = outer;
    for (int i = 0; i < t->all.n; i++) {
        t->all.items[i]->row = 0;
        t->all.items[i]->training = training[i];
    }
    return done;
}

/* Whether the tensor with that path is the module's own, such as "0.weight" of the module "0". */
static bool is_in_module(const char *tensor, const char *module)
{
    const size_t n = strlen(module);
    return n == 0 ? !strchr(tensor, '.')
                  : !strncmp(tensor, module, n) && tensor[n] == '.' && !strchr(tensor + n + 1, '.');
}

/* Adds the tensors of one kind to the rows. They are listed in the order of the modules. False if
 * there is no memory for the list. */
static bool count_tensors(model_table *t, part_kind kind)
{
    const tg_list list = kind == PARAMETER ? tg_parameters(t->module) : tg_buffers(t->module);
    if (t->module->named[kind].parts < 0) return false;
    for (int i = 0, next = 0; i < t->all.n; i++)
        for (; next < list.n &&
               is_in_module(t->module->named[kind].paths[next], tg_module_path(t->module, i));
             next++) {
            const tg_tensor *tensor = list.items[next];
            const int64_t bytes = tensor->numel * (int64_t)tg__dtype_size(tensor->dtype);
            t->rows[i].bytes += bytes;
            *(kind == PARAMETER ? &t->parameter_bytes : &t->buffer_bytes) += bytes;
            if (kind == BUFFER) continue;
            t->rows[i].parameters += tensor->numel;
            t->parameters += tensor->numel;
            t->frozen += tensor->requires_grad ? 0 : tensor->numel;
        }
    return true;
}

static const char *shape_text(tg_context *tg, const table_row *row)
{
    return row->ndim < 0 ? "-" : tg__show_sizes(tg, row->ndim, row->shape);
}

/* The name of a row is that of messages: "1.0 (Conv2d)". Writes it unless out is NULL; returns its
 * length. */
static int put_row_name(printer *out, const model_table *t, int i)
{
    const char *path = tg_module_path(t->module, i), *name = shown_name(t->all.items[i]);
    if (out) tg__put(out, *path ? "%s (%s)" : "%s%s", path, name);
    return (int)(strlen(path) + strlen(name)) + (*path ? 3 : 0);
}

static void put_table(printer *out, const model_table *t)
{
    tg_context *tg = t->module->tg;
    char a[TG_NUMBER], b[TG_NUMBER], c[TG_NUMBER];
    int name = 5, shape = 12;
    for (int i = 0; i < t->all.n; i++) {
        const int n = put_row_name(NULL, t, i), s = (int)strlen(shape_text(tg, &t->rows[i]));
        name = n > name ? n : name;
        shape = s > shape ? s : shape;
    }
    tg__put(out, "%-*s  %-*s  %14s  %14s\n", name, "layer", shape, "output shape", "parameters",
            "bytes");
    for (int i = 0; i < t->all.n; i++) {
        const table_row *row = &t->rows[i];
        const int n = put_row_name(out, t, i);
        tg__put(out, "%*s  %-*s  %14s  %14s\n", name - n, "", shape, shape_text(tg, row),
                tg__write_count(a, row->parameters), tg__write_count(b, row->bytes));
    }
    tg__put(out, "%s parameters in %s bytes", tg__write_count(a, t->parameters),
            tg__write_count(b, t->parameter_bytes));
    if (t->frozen) tg__put(out, ", of which %s are frozen", tg__write_count(c, t->frozen));
    if (t->buffer_bytes) tg__put(out, "; buffers in %s bytes", tg__write_count(c, t->buffer_bytes));
    tg__put(out, "\n");
}

bool tg_summary(FILE *file, tg_module *module, tg_tensor *example)
{
    if (!module || !tg__check_file(module->tg, "summary", file)) return false;
    tg_context *tg = module->tg;
    model_table t = {.summary = {note_output}, .module = module, .all = tg_all_modules(module)};
    printer out = {.file = file};
    tg_scope_begin(tg);
    t.rows = tg__alloc(tg, tg__bytes(t.all.n, sizeof *t.rows));
    const bool done = t.all.n > 0 && t.rows && run_example(&t, example) &&
                      count_tensors(&t, PARAMETER) && count_tensors(&t, BUFFER);
    if (done) put_table(&out, &t);
    tg_scope_end(tg);
    return done && tg__finish(tg, "summary", &out);
}
