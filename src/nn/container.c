/* Modules that contain modules or functions, and training mode. */
#include "module.h"
#include "../context/printer.h"

static void set_training(tg_module *m, bool training)
{
    m->training = training;
    for (const part *p = m->parts; p; p = p->next)
        if (p->kind == CHILD) set_training(p->child, training);
}

tg_module *tg_train(tg_module *module)
{
    if (module) set_training(module, true);
    return module;
}

tg_module *tg_eval(tg_module *module)
{
    if (module) set_training(module, false);
    return module;
}

bool tg_is_training(const tg_module *module)
{
    return module && module->training;
}

/* ---- Sequential. */

/* Runs the modules one after the other. A tensor that one module hands to the next is released
 * after that, unless a function of the program has seen it and may have kept a pointer to it. A
 * module of the library keeps no pointer, and returns its input or a new tensor. */
static tg_tensor *sequential_forward(tg_module *m, tg_tensor *x)
{
    bool is_ours = false; /* x was made by a module of this sequence, and only the library saw it */
    for (const part *p = m->parts; p && x; p = p->next) {
        if (p->kind != CHILD) continue;
        const int64_t before = m->tg->foreign_forwards;
        tg_tensor *y = tg__forward(p->child, p->name, x);
        const bool unseen = m->tg->foreign_forwards == before;
        if (is_ours && unseen && y != x) tg_release(x);
        is_ours = unseen && (is_ours || y != x);
        x = y;
    }
    return x;
}

tg_module *tg_sequential(tg_modules modules)
{
    const tg_module *first = NULL;
    for (int i = 0; modules.items && i < modules.n && !first; i++) first = modules.items[i];
    if (!first) return NULL;
    tg_module *m = tg__module_new(first->tg, "Sequential", sequential_forward, 0);
    for (int i = 0; i < modules.n && m; i++)
        if (!tg__add_numbered("sequential", m, i, modules.items[i])) return NULL;
    return m;
}

/* ---- Functions of one tensor as modules. */

typedef struct lambda {
    tg_tensor *(*function)(tg_tensor *x);         /* of tg_lambda; NULL for tg_lambda_with */
    tg_tensor *(*with)(tg_tensor *x, void *user); /* of tg_lambda_with, or NULL */
    void *user;
} lambda;

static tg_tensor *lambda_forward(tg_module *m, tg_tensor *x)
{
    const lambda *l = m->data;
    return l->with ? l->with(x, l->user) : l->function(x);
}

tg_tensor *(*tg__function_of(const tg_module *m))(tg_tensor *x)
{
    return m->forward == lambda_forward ? ((const lambda *)m->data)->function : NULL;
}

/* Whether the function is an activation of the library, which keeps no pointer to its input. Only
 * the most frequent ones are named here, since a program that makes a lambda is linked with all
 * that are. The others would add about 37 KB to each such program. */
static bool is_of_library(tg_tensor *(*function)(tg_tensor *x))
{
    return function == tg_relu || function == tg_sigmoid || function == tg_tanh;
}

static tg_module *make_lambda(tg_context *tg, const char *name, lambda l)
{
    if (tg && !l.function && !l.with)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the function is NULL", name);
    tg_module *m = tg__module_new(tg, "Lambda", lambda_forward, sizeof l);
    if (!m) return NULL;
    *(lambda *)m->data = l;
    m->is_foreign = !is_of_library(l.function);
    return m;
}

tg_module *tg_lambda(tg_context *tg, tg_tensor *(*function)(tg_tensor *x))
{
    return make_lambda(tg, "lambda", (lambda){.function = function});
}

tg_module *tg_lambda_with(tg_context *tg, tg_tensor *(*function)(tg_tensor *x, void *user),
                          void *user)
{
    return make_lambda(tg, "lambda_with", (lambda){.with = function, .user = user});
}

typedef struct flatten {
    int start_dim, end_dim;
} flatten;

static tg_tensor *flatten_forward(tg_module *m, tg_tensor *x)
{
    const flatten *f = m->data;
    return tg_flatten(x, f->start_dim, f->end_dim);
}

static void describe_flatten(const tg_module *m, char text[TG_DESCRIPTION])
{
    const flatten *f = m->data;
    sprintf(text, "start_dim=%d, end_dim=%d", f->start_dim, f->end_dim);
}

tg_module *tg_flatten_layer(tg_context *tg, int start_dim, int end_dim)
{
    tg_module *m = tg__module_new(tg, "Flatten", flatten_forward, sizeof(flatten));
    if (!m) return NULL;
    m->describe = describe_flatten;
    *(flatten *)m->data = (flatten){start_dim, end_dim};
    return m;
}
